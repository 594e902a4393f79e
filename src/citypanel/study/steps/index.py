"""Productivity: the Malmquist index of the cities that draw the frontier."""

from __future__ import annotations

import numpy as np
import pandas as pd

from citypanel.frontier.isoquant import second_price_is_zero
from citypanel.study.graph import step
from citypanel.study.productivity import (
    CAPITAL,
    FRONTIER_TOLERANCE,
    LABOUR,
    OUTPUT,
    changes,
)


@step(large=True)
def index(
    technology: pd.DataFrame,
    *,
    orientation: str,
    returns_to_scale: str,
    frontier: str,
    frontier_reference: str,
    decomposition: str,
    first_index_year: str,
) -> pd.DataFrame:
    """Malmquist indices; see `citypanel.study.productivity.changes`."""
    return changes(
        technology,
        {
            "orientation": orientation,
            "returns_to_scale": returns_to_scale,
            "frontier": frontier,
            "frontier_reference": frontier_reference,
            "decomposition": decomposition,
            "first_index_year": first_index_year,
        },
    )


@step
def zero_labour_share(technology: pd.DataFrame) -> float:
    """Share of city-years in which a zero price of labour is optimal.

    Of the own-period constant-returns output distance, as `rpt_frontier` has it,
    whatever technology the options choose.
    """
    inputs = technology[[CAPITAL, LABOUR]].to_numpy(dtype=float)
    outputs = technology[OUTPUT].to_numpy(dtype=float)
    years = technology["year"].to_numpy()
    zero = np.empty(len(technology), dtype=bool)
    for year in np.unique(years):
        at = years == year
        zero[at] = second_price_is_zero(
            inputs[at], outputs[at], tolerance=FRONTIER_TOLERANCE
        )
    return float(zero.mean())
