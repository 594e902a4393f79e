"""Sources of invented studies, in the shape in which SQL hands them on."""

from __future__ import annotations

import numpy as np
import pandas as pd

VINTAGES = ("as_published", "revised")


def reconciled(readings: pd.DataFrame, precedence: pd.DataFrame) -> pd.DataFrame:
    """The cells of `int_cells__reconciled` from readings, one row a source.

    Parameters
    ----------
    readings : DataFrame
        city_id, year, variable, source, value.
    precedence : DataFrame
        variable, gdp_vintage, source, precedence; without one a source is read first,
        and a vintage of which nothing is said has the order of the first.
    """
    keys = ["city_id", "year", "variable"]
    wide = readings[keys].drop_duplicates().set_index(keys).sort_index()
    known = readings.dropna(subset="value")
    for vintage in VINTAGES:
        order = _order(precedence, vintage)
        ranked = known.merge(order, on=["variable", "source"], how="left")
        ranked["precedence"] = ranked["precedence"].fillna(1)
        ranked = ranked.sort_values(["precedence", "source"], kind="stable")
        place = ranked.groupby(keys).cumcount()
        for rank, prefix in enumerate(("", "next_")):
            mine = ranked.loc[place == rank].set_index(keys)
            for column in ("source", "value"):
                wide[f"{prefix}{column}__{vintage}"] = mine[column]
    yearbook = readings.loc[readings["source"] == "yearbook"].set_index(keys)["value"]
    return wide.assign(yearbook_value=yearbook).reset_index()


def _order(precedence: pd.DataFrame, vintage: str) -> pd.DataFrame:
    said = precedence["gdp_vintage"] == vintage
    known = set(precedence.loc[said, "variable"])
    rest = (precedence["gdp_vintage"] == VINTAGES[0]) & ~precedence["variable"].isin(
        known
    )
    return precedence.loc[said | rest]


def dated(
    zones: pd.DataFrame, city_ids, years, treated_batches=(1, 2, 3)
) -> pd.DataFrame:
    """The policy of `int_policy_exposures` from zones with a batch and a date."""
    zones = zones.set_index("city_id")
    rows = pd.DataFrame(
        [(city, year) for city in city_ids for year in years],
        columns=["city_id", "year"],
    )
    batch = rows["city_id"].map(zones["batch"])
    date = pd.to_datetime(rows["city_id"].map(zones["approval_date"]))
    year, treated = rows["year"], batch.isin(treated_batches)
    start = date.dt.year
    days = np.where(date.dt.is_leap_year, 366, 365)
    left = (days - date.dt.day_of_year + 1) / days
    rows = rows.assign(
        batch=batch,
        approval_year=start,
        others=np.where(batch.notna() & ~treated & (batch <= 3), "exclude", None),
        always_treated="mark",
        is_in_force=year >= start,
    )
    for rule, lag in (("approval_year", 0), ("next_year", 1), ("fraction", 0)):
        on = (treated & (year >= start + lag)).astype(float)
        if rule == "fraction":
            on = on.mask(treated & (year == start), left)
        rows[f"cohort__{rule}"] = (start + lag).where(treated)
        rows[f"exposure__{rule}"] = on
    return rows


def times(cells: pd.DataFrame, factor) -> pd.DataFrame:
    """The cells with every figure of every source multiplied."""
    figures = [name for name in cells if "value" in name]
    return cells.assign(**{name: cells[name] * factor for name in figures})
