"""What the estimators read: the index, the policy as dated, and the controls."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from citypanel.study.declaration import Declaration
from citypanel.study.graph import step
from citypanel.study.grid import Grid
from citypanel.study.options import wrong_option

INDICES = ("tfpch", "effch", "techch", "cumulative_log_tfp")


@step
def exposure(
    policy: pd.DataFrame, grid: Grid, *, exposure_from: str
) -> dict[str, np.ndarray]:
    """Exposure and cohorts under a rule of dating.

    Parameters
    ----------
    policy : DataFrame
        `int_policy_exposures`: city_id, year, batch, approval_year; exposure__<rule>
        and cohort__<rule> of the treated batches, whose cohort is the first year
        exposed.

    Returns
    -------
    dict
        `exposure` (city, year); `cohort`, `batch`, `approval_year` (city,), 0 where
        there is none.
    """
    if f"exposure__{exposure_from}" not in policy:
        raise wrong_option("exposure_from", exposure_from)
    of_city = {}
    for name, column in (
        ("cohort", f"cohort__{exposure_from}"),
        ("batch", "batch"),
        ("approval_year", "approval_year"),
    ):
        table = np.nan_to_num(grid.wide(policy, column))
        of_city[name] = table.max(axis=1, initial=0).astype(int)
    return {"exposure": grid.wide(policy, f"exposure__{exposure_from}"), **of_city}


@step(large=True)
def panel(
    index: pd.DataFrame,
    is_capital_assumed: np.ndarray,
    exposure: Mapping[str, np.ndarray],
    controls: Mapping[str, np.ndarray],
    cities: pd.DataFrame,
    grid: Grid,
    study: Declaration,
    *,
    outcome: str,
    last_year: int,
) -> pd.DataFrame:
    """One row per city and year that has an index.

    Returns
    -------
    DataFrame
        city_id, year, region, outcome_name, the indices, outcome, sydid, cohort (0
        for none, and after last_year), event_time, later_batch, batch, the controls,
        is_municipality, is_provincial_capital, is_capital_assumed; sorted by city and
        year.
    """
    city, at = grid.places(index)
    year = grid.years[at]
    cohort = exposure["cohort"]
    of_row = np.where(cohort <= last_year, cohort, 0)[city]
    batch = exposure["batch"][city]
    indices = {name: index[name].to_numpy(dtype=float) for name in INDICES}
    declared = study.options["outcome"].by_value
    if outcome not in declared:
        raise wrong_option("outcome", outcome)
    outcomes = {name: value.formula(indices) for name, value in declared.items()}
    frame = {
        "city_id": index["city_id"].to_numpy(dtype=object),
        "year": year,
        "region": cities["region"].to_numpy(dtype=object)[city],
        "outcome_name": outcome,
        **outcomes,
        "outcome": outcomes[outcome],
        "sydid": exposure["exposure"][city, at],
        "cohort": of_row,
        "event_time": np.where(of_row > 0, year - of_row, np.nan),
        "later_batch": np.where((of_row == 0) & (batch > 0), batch, np.nan),
        "batch": batch,
        **{name: table[city, at] for name, table in controls.items()},
        "is_municipality": cities["is_municipality"].to_numpy(dtype=bool)[city],
        "is_provincial_capital": cities["is_provincial_capital"].to_numpy(dtype=bool)[
            city
        ],
        "is_capital_assumed": is_capital_assumed[city, at],
    }
    return pd.DataFrame(frame)
