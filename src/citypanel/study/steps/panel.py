"""What the estimators read: the index, the policy as dated, and the controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from citypanel.errors import PanelError
from citypanel.study.declaration import Declaration
from citypanel.study.graph import step
from citypanel.study.grid import Grid
from citypanel.study.parts import not_known

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
        exposed; others (exclude, control) of the other batches, always_treated (mark,
        exclude), and is_in_force.

    Returns
    -------
    dict
        `exposure`, `is_in_force` (city, year); `cohort`, `batch`, `approval_year`
        (city,), 0 where there is none; `is_other`, `drops_always_treated` (city,).

    Raises
    ------
    PanelError
        A treated city without an exposure, as where a share of a year is asked of a
        date that is a year.
    """
    if f"exposure__{exposure_from}" not in policy:
        raise not_known("exposure_from", exposure_from)
    of_city = {}
    for column in (f"cohort__{exposure_from}", "batch", "approval_year"):
        table = np.nan_to_num(grid.wide(policy, column)).max(axis=1, initial=0)
        of_city[column.partition("__")[0]] = table.astype(int)
    exposed = grid.wide(policy, f"exposure__{exposure_from}")
    unknown = np.isnan(exposed) & (of_city["cohort"] > 0)[:, None]
    if unknown.any():
        cells = np.argwhere(unknown)
        places = [f"city {grid.city_ids[i]}, year {grid.years[t]}" for i, t in cells]
        raise PanelError.of("study.no_share_of_year", places)
    first = policy.drop_duplicates("city_id").set_index("city_id")
    first = first.reindex(grid.city_ids)
    return {
        "exposure": exposed,
        "is_in_force": grid.wide(policy, "is_in_force") > 0,
        "is_other": (first["others"] == "exclude").to_numpy(bool),
        "drops_always_treated": (first["always_treated"] == "exclude").to_numpy(bool),
        **of_city,
    }


def left_out(exposure: Mapping[str, np.ndarray], window: np.ndarray) -> dict:
    """Cities that are compared with nobody, as masks, by reason.

    Parameters
    ----------
    exposure : mapping
        As `exposure` returns it.
    window : ndarray of bool
        Years with an index, by city and year.

    Returns
    -------
    dict
        `other_batch`: treated within the window, in a batch that is not studied;
        `always_treated`: exposed in every year.
    """
    in_force = (exposure["is_in_force"] & window).any(axis=1)
    always = ((exposure["exposure"] > 0) | ~window).all(axis=1) & window.any(axis=1)
    return {"other_batch": exposure["is_other"] & in_force, "always_treated": always}


@step(large=True)
def outcomes(index: pd.DataFrame, study: Declaration) -> dict[str, np.ndarray]:
    """Every outcome that is declared, in the rows of the index."""
    indices = {name: index[name].to_numpy(dtype=float) for name in INDICES}
    declared = study.options["outcome"]
    return {str(n): declared.formula_of(n)(indices) for n in declared.by_value}


@step(large=True)
def panel_columns(
    index: pd.DataFrame,
    outcomes: Mapping[str, np.ndarray],
    is_capital_assumed: np.ndarray,
    exposure: Mapping[str, np.ndarray],
    controls: Mapping[str, np.ndarray],
    cities: pd.DataFrame,
    grid: Grid,
) -> dict[str, Any]:
    """The columns of `panel`, before an outcome and the last year are `chosen`.

    What follows from these is None, in its place; cohorts may lie after the last year.
    """
    city, at = grid.places(index)
    window = np.zeros(grid.shape, dtype=bool)
    window[city, at] = True
    out = left_out(exposure, window)
    drop = out["other_batch"] | (
        out["always_treated"] & exposure["drops_always_treated"]
    )
    if drop.any():
        rows = np.flatnonzero(~drop[city])
        index, city, at = index.take(rows), city[rows], at[rows]
        outcomes = {name: values[rows] for name, values in outcomes.items()}
    year, place = grid.years[at], np.ravel_multi_index((city, at), grid.shape)
    return {
        "city_id": index["city_id"].to_numpy(dtype=object),
        "year": year,
        "region": cities["region"].to_numpy(dtype=object)[city],
        "outcome_name": None,
        **outcomes,
        "outcome": None,
        "sydid": exposure["exposure"].take(place),
        "cohort": exposure["cohort"][city],
        "event_time": None,
        "later_batch": None,
        "batch": exposure["batch"][city],
        **{name: table.take(place) for name, table in controls.items()},
        "is_municipality": cities["is_municipality"].to_numpy(dtype=bool)[city],
        "is_provincial_capital": cities["is_provincial_capital"].to_numpy(dtype=bool)[
            city
        ],
        "is_capital_assumed": np.ravel(is_capital_assumed)[place],
    }


def chosen(
    columns: dict[str, Any], study: Declaration, outcome: str, last_year: int
) -> dict[str, Any]:
    """The columns with an outcome, and with those treated after last_year as untreated.

    Raises for an outcome that is not declared.
    """
    study.options["outcome"].formula_of(outcome)
    cohort = np.where(columns["cohort"] <= last_year, columns["cohort"], 0)
    batch = columns["batch"]
    return columns | {
        "outcome_name": outcome,
        "outcome": columns[outcome],
        "cohort": cohort,
        "event_time": np.where(cohort > 0, columns["year"] - cohort, np.nan),
        "later_batch": np.where((cohort == 0) & (batch > 0), batch, np.nan),
    }


@step(large=True)
def panel(
    panel_columns: dict[str, Any], study: Declaration, *, outcome: str, last_year: int
) -> pd.DataFrame:
    """One row per city and year that has an index, but for cities that are left out.

    Returns
    -------
    DataFrame
        city_id, year, region, outcome_name, the indices, outcome, sydid, cohort (0
        for none, and after last_year), event_time, later_batch, batch, the controls,
        is_municipality, is_provincial_capital, is_capital_assumed; sorted by city and
        year.
    """
    return pd.DataFrame(chosen(panel_columns, study, outcome, last_year))
