"""Productivity: the Malmquist index of the cities that draw the frontier."""

from __future__ import annotations

import numpy as np
import pandas as pd

from citypanel.errors import FrontierError
from citypanel.frontier.isoquant import second_price_is_zero
from citypanel.study.graph import step
from citypanel.study.parts import not_known
from citypanel.study.productivity import (
    CAPITAL,
    FRONTIER_TOLERANCE,
    LABOUR,
    OUTPUT,
    changes,
)


@step
def never_treated(policy: pd.DataFrame, *, last_year: int) -> frozenset[str]:
    """Cities that no rule of dating counts as exposed up to the last year."""
    exposed = np.zeros(len(policy), dtype=bool)
    for column in policy:
        if str(column).startswith("cohort__"):
            first = policy[column].to_numpy(float, na_value=np.nan)
            exposed |= (first > 0) & (first <= last_year)
    city = policy["city_id"]
    return frozenset(city.unique()) - frozenset(city[exposed].unique())


@step
def has_scale() -> bool:
    """Whether pech and sech are formed; given as False where nobody reads them."""
    return True


@step(large=True)
def index(
    technology: pd.DataFrame,
    never_treated: frozenset[str],
    has_scale: bool,
    *,
    orientation: str,
    returns_to_scale: str,
    frontier: str,
    frontier_reference: str,
    decomposition: str,
    first_index_year: str,
    frontier_drawn_by: str,
) -> pd.DataFrame:
    """Malmquist indices; see `citypanel.study.productivity.changes`.

    frontier_drawn_by: sample (every city of the sample), or never_treated (those
    without a policy up to the last year; the others are measured against them).

    Raises
    ------
    FrontierError
        No city is left to draw the frontier.
    """
    drawn_by = None
    if frontier_drawn_by == "never_treated":
        cities = technology["city_id"].unique()
        drawn_by = [city for city in cities if city in never_treated]
        if not drawn_by:
            raise FrontierError.of("influence.no_other_city")
    elif frontier_drawn_by != "sample":
        raise not_known("frontier_drawn_by", frontier_drawn_by)
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
        drawn_by,
        has_scale=has_scale,
    )


@step
def zero_labour_share(technology: pd.DataFrame) -> float:
    """Share of city-years in which a zero price of labour is optimal.

    Of the own-period constant-returns output distance, as `rpt_frontier` has it,
    whatever technology the options choose.
    """
    capital, labour, outputs, years = (
        technology[name].to_numpy() for name in (CAPITAL, LABOUR, OUTPUT, "year")
    )
    inputs = np.column_stack([capital, labour])
    zero = np.empty(len(technology), dtype=bool)
    for year in np.unique(years):
        at = years == year
        zero[at] = second_price_is_zero(
            inputs[at], outputs[at], tolerance=FRONTIER_TOLERANCE
        )
    return float(zero.mean())
