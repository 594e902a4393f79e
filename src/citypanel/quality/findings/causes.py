"""Findings that have one cause, and what the headline would be without it.

A census revision shows in every city and in several rules, a slip of the pen in the
cell, in the shares made of it and in the growth on both sides. A person looks at the
cause once.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from citypanel.influence.cell_changes import series_used
from citypanel.quality.findings.effects import Effect, Effects

# Variables that one slip shows in.
FAMILIES = {
    "output": (
        "gdp_cny_10k", "gdp_growth_pct", "secondary_cny_10k", "tertiary_cny_10k", "GDP",
        "GDPIDX",
    ),
    "investment": ("fai_cny_10k", "real_estate_cny_10k", "FAI", "FAIPI"),
    "budget": ("fiscal_expenditure_cny_10k", "education_expenditure_cny_10k"),
    "trade": ("imports_cny_10k", "exports_cny_10k"),
    "people": ("population_persons_10k", "area_km2", "density_persons_per_km2"),
}  # fmt: skip
FAMILY = {name: family for family, names in FAMILIES.items() for name in names}
# Rules that a revision of a whole year sets off in its cities.
OF_A_YEAR = {
    "break_year", "level_break", "growth_against_levels", "leaves_and_returns",
    "halved_or_doubled", "share_jump", "nominal_as_real", "rounded",
}  # fmt: skip
BETWEEN_SOURCES = {"source_disagreement", "source_jump"}
OF_A_SERIES = {"discontinued", "missing_year"}
# Rules about a series, none of whose figures is the wrong one.
NO_FIGURE = {"drift", "erratic_series"}
# What these expect is a range: a figure beyond it is expected at its nearer end.
RANGES = {"investment_ratio", "ratio_out_of_range"}
GAPS = {"missing_cell", "missing_row", "missing_city"}
# A rule that finds a year in so many cities, one of thirty at least, finds the year.
MANY, MANY_SHARE = 5, 1 / 30
# Findings of a city's series this many years apart are about one thing.
NEAR_YEARS = 1
# Causes whose effect on the headline is computed: those whose own figures move most.
COMPUTED = 100

SEVERITY = {"critical": 0, "warning": 1, "info": 2}


def family(variable: str) -> str:
    """The variables that share a cause; most are alone."""
    return FAMILY.get(variable, variable)


def causes(found: pd.DataFrame, *, n_units: int) -> np.ndarray:
    """The number of each finding's cause, from 0 in the order they are met.

    Parameters
    ----------
    found : DataFrame
        rule, scope, unit_id, year, variable, source.
    n_units : int
        Cities of the study.

    Returns
    -------
    (n,) int array
    """
    rows = found[["rule", "scope", "unit_id", "year", "variable", "source"]].assign(
        family=found["variable"].map(family)
    )
    limit = max(MANY, MANY_SHARE * n_units)
    of_city = rows.loc[(rows["scope"] == "city") & rows["year"].notna()]
    counts = of_city.groupby(["rule", "family", "year"])["unit_id"].nunique()
    many = set(counts.loc[counts >= limit].index)
    years = {(name, year) for rule, name, year in many if rule in OF_A_YEAR}
    wide = rows.loc[(rows["scope"] == "study") & (rows["rule"] == "break_year")]
    years |= set(zip(wide["family"], wide["year"], strict=True))
    tens = {(n, y) for rule, n, y in many if rule == "power_of_ten"}
    keys: list[Hashable] = []
    loose: dict[tuple, list[int]] = {}
    plain = rows.astype(object).itertuples(index=False)
    for place, row in enumerate(plain):
        year = None if pd.isna(row.year) else int(row.year)
        when = (row.family, year)
        if row.rule in BETWEEN_SOURCES:
            keys.append(("sources", row.family))
        elif row.rule in OF_A_SERIES:
            keys.append(("series", row.variable))
        elif row.rule == "missing_cell":
            keys.append(("gaps", row.variable))
        elif row.rule in GAPS:
            keys.append(("gaps", row.unit_id))
        elif row.rule == "power_of_ten" and when in tens:
            keys.append(("unit", row.variable))
        elif row.rule in OF_A_YEAR and when in years:
            keys.append(("year", *when))
        elif row.scope == "study":
            keys.append(("study", row.rule, row.variable))
        else:
            keys.append(None)
            loose.setdefault((row.scope, row.unit_id, row.family), []).append(place)
    when_found = rows["year"].to_numpy(float, na_value=np.nan)
    for key, places in loose.items():
        ordered = sorted(places, key=lambda place: np.nan_to_num(when_found[place]))
        run, last = 0, np.nan
        for place in ordered:
            if when_found[place] - last > NEAR_YEARS:
                run += 1
            last = when_found[place]
            keys[place] = (*key, run)
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=int)


def expected(found: pd.DataFrame) -> np.ndarray:
    """What each figure should be: the middle of what is expected, or its one bound.

    Not a number where the rule says nothing. Of growth rates the arithmetic middle, of
    levels the geometric one; the nearer end of a range (`RANGES`).
    """
    low = found["expected_low"].to_numpy(float, na_value=np.nan)
    high = found["expected_high"].to_numpy(float, na_value=np.nan)
    with np.errstate(invalid="ignore"):
        middle = np.where((low > 0) & (high > 0), np.sqrt(low * high), np.nan)
    is_rate = found["variable"].str.endswith("_pct").to_numpy(bool)
    middle = np.where(is_rate | np.isnan(middle), (low + high) / 2, middle)
    value = found["value"].to_numpy(float, na_value=np.nan)
    is_range = found["rule"].isin(RANGES).to_numpy(bool) & ~(np.isnan(low + high))
    middle = np.where(is_range, np.clip(value, low, high), middle)
    return np.where(np.isnan(low), high, np.where(np.isnan(high), low, middle))


def effects_of_causes(
    found: pd.DataFrame, cause: np.ndarray, effects: Effects
) -> dict[int, Effect]:
    """The headline with every open figure of a cause as its rule expects it.

    A figure of which a rule says only that it is wrong is left out, and the gap is
    filled as any other. A level that stays moves with all later years. Causes without
    such a figure, or whose figures the inputs are not made of, are not in the result.

    Parameters
    ----------
    found : DataFrame
        rule, scope, unit_id, year, variable, value, expected_low, expected_high, stays,
        members, is_used, status.
    cause : (n,) int array
        Of each row.
    effects : Effects
    """
    if effects.headline is None:
        return {}
    study, options = effects.study, effects.options
    used = set(series_used(study, options))
    readings = study.readings(options)
    new = expected(found)
    sets: dict[int, dict[tuple, float]] = {}
    done: set[tuple] = set()
    chosen = (
        (found["status"] == "open")
        & found["is_used"].astype(bool)
        & (found["scope"] == "city")
        & found["year"].notna()
        & ~found["rule"].isin(GAPS | NO_FIGURE)
    ).to_numpy(bool)
    rows = zip(
        cause[chosen].tolist(),
        new[chosen].tolist(),
        found.loc[chosen].astype(object).to_dict("records"),
        strict=True,
    )
    for number, value, row in rows:
        year = int(row["year"])
        names = row["members"].split(", ") if row["members"] else [row["variable"]]
        for name in names:
            key = (number, row["unit_id"], name, year)
            if (
                name not in used
                or key in done
                or row["unit_id"] not in study.grid.city_at
            ):
                continue
            done.add(key)
            table = readings[name][study.grid.city_at[row["unit_id"]]]
            _put(sets.setdefault(number, {}), row, name, table, study.years, value)
    sets = {number: new for number, new in sets.items() if new}
    largest = _largest(sets, readings, study)
    return dict(zip(largest, effects.of([sets[k] for k in largest]), strict=True))


def _put(new: dict, row: Mapping[str, Any], name, table, years, value) -> None:
    """Put the figures that a finding asks for into a cause's set."""
    unit, at = row["unit_id"], int(np.searchsorted(years, int(row["year"])))
    if at >= len(years) or years[at] != int(row["year"]):
        return
    if not row["stays"]:
        new.setdefault((unit, int(row["year"]), name), value)
        return
    if not (np.isfinite(value) and np.isfinite(row["value"]) and row["value"]):
        return
    for t in range(at, len(years)):
        key = (unit, int(years[t]), name)
        figure = new.get(key, table[t])
        if np.isfinite(figure):
            new[key] = figure * value / row["value"]


def _largest(sets: Mapping[int, dict], readings, study) -> list[int]:
    """The causes to compute: where figures move most, in logarithms."""
    if len(sets) <= COMPUTED:
        return list(sets)
    sizes = {}
    for number, new in sets.items():
        moved = []
        for (city, year, name), value in new.items():
            at = study.grid.city_at[city], int(np.searchsorted(study.years, year))
            moved.append((value, readings[name][at]))
        to, now = np.array(moved).T
        with np.errstate(invalid="ignore", divide="ignore"):
            sizes[number] = np.nansum(np.abs(np.log(to / now)))
    order = sorted(sizes, key=lambda number: -sizes[number])
    return sorted(order[:COMPUTED])


def _ranked(found: pd.DataFrame, cause: np.ndarray) -> pd.DataFrame:
    """Cause, whether it is closed, and the rank of its severity, of each finding."""
    closed = (found["status"] != "open").to_numpy(bool)
    severity = found["severity"].map(SEVERITY).to_numpy(int)
    return pd.DataFrame({"cause": cause, "closed": closed, "severity": severity})


def ordered(
    found: pd.DataFrame, cause: np.ndarray, effects: Mapping[int, Effect]
) -> dict[int, int]:
    """The place of each cause, from 1: open ones first, by what they move.

    Then by severity, by the number of findings, and by the order they were found in.
    """
    frame = _ranked(found, cause)
    grouped = frame.groupby("cause").agg(
        closed=("closed", "min"), severity=("severity", "min"), n=("closed", "size")
    )
    moves = [_moves(effects.get(number)) for number in grouped.index]
    grouped["moves"] = [-value for value in moves]
    grouped["n"] *= -1
    order = grouped.reset_index().sort_values(
        ["closed", "moves", "severity", "n", "cause"], kind="stable"
    )
    return {number: place for place, number in enumerate(order["cause"].tolist(), 1)}


def _moves(effect: Effect | None) -> float:
    """How far a cause moves the headline; one that makes it impossible moves most."""
    if effect is None:
        return 0.0
    return np.inf if effect.note else abs(np.nan_to_num(effect.change))


def leading(found: pd.DataFrame, cause: np.ndarray) -> np.ndarray:
    """True for the finding that speaks for its cause; (n,) of bool.

    An open one of the whole study first, then by severity, by distance from what is
    expected, and by the order found.
    """
    value = found["value"].to_numpy(float, na_value=np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = np.abs(np.log(value / expected(found)))
    frame = _ranked(found, cause).assign(
        part=(found["scope"] != "study").to_numpy(bool),
        distance=-np.nan_to_num(distance, posinf=0.0),
    )
    order = frame.sort_values(
        ["cause", "closed", "part", "severity", "distance"], kind="stable"
    )
    first = order.drop_duplicates("cause").index
    return frame.index.isin(first)
