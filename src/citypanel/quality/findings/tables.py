"""Long cell tables as arrays, and what a rule hands back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from citypanel.errors import PanelError
from citypanel.words import Catalogue, Words

SAID = Catalogue("findings")

# The reading that the study takes, of whatever source.
USED = "used"

CELL_COLUMNS = ("city_id", "year", "variable", "source", "unit", "value")
PROVINCE_COLUMNS = ("province_id", "year", "variable", "unit", "value")
CITY_COLUMNS = ("city_id", "city_en", "city_zh", "province_id", "is_municipality")

# Ordinary change of a series, as a multiple of the median absolute deviation: makes the
# median a consistent estimate of the standard deviation under normal errors.
MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True, eq=False)
class Series:
    """One variable of one source, units by years.

    Attributes
    ----------
    name, source, unit : str
        Variable, where it is printed, and the unit of `values`.
    units : tuple of str, length n
        City or province codes.
    years : (T,) int array
        Consecutive calendar years.
    values : (n, T) float array
        As printed; not-a-number where nothing is printed.
    """

    name: str
    source: str
    unit: str
    units: tuple[str, ...]
    years: np.ndarray
    values: np.ndarray

    @cached_property
    def logs(self) -> np.ndarray:
        """Natural logarithms; not-a-number where the cell is not above zero."""
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(self.values)
        return np.where(np.isfinite(logs), logs, np.nan)

    @cached_property
    def at(self) -> dict[str, int]:
        """The place of every unit."""
        return {unit: place for place, unit in enumerate(self.units)}

    def cell(self, place: int, t: int) -> dict[str, Any]:
        """What a finding about one cell says of it."""
        return {
            "variable": self.name,
            "unit_id": self.units[place],
            "year": self.years[t],
            "value": self.values[place, t],
        }

    def row(self, unit: str) -> np.ndarray:
        """The cells of one unit, or no cells where the series has none of it."""
        if unit not in self.at:
            return np.full(len(self.years), np.nan)
        return self.values[self.at[unit]]


@dataclass(frozen=True)
class Cells:
    """One reading of every cell, which the rules judge, and what is beside it.

    Attributes
    ----------
    cities : DataFrame
        `CITY_COLUMNS`, sorted by code.
    years : (T,) int array
    source : str
        Whose reading it is: a source's, or `USED`, what the study takes.
    series : dict of str to Series
        By variable.
    others : dict of str to dict of str to Series
        Sources that print the same cells and come after this one.
    province : dict of str to Series
        The provinces' own series, by indicator.
    sources : dict of str to (n, T) object array
        Where each used cell comes from; only of `USED`.
    """

    cities: pd.DataFrame
    years: np.ndarray
    source: str
    series: dict[str, Series]
    others: dict[str, dict[str, Series]]
    province: dict[str, Series]
    sources: dict[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def city_ids(self) -> tuple[str, ...]:
        return tuple(self.cities["city_id"])

    @cached_property
    def names(self) -> dict[str, Words]:
        """Cities by code."""
        names = self.cities.set_index("city_id")[["city_en", "city_zh"]]
        return {
            city: Words(*pair)
            for city, pair in zip(names.index, names.to_numpy(), strict=True)
        }

    def province_row(self, name: str, province_id: str) -> np.ndarray:
        """A province's series, empty where there is none."""
        if name not in self.province:
            return np.full(len(self.years), np.nan)
        return self.province[name].row(province_id)

    def source_of(self, unit: str | None, year: int | None, variable: str) -> str:
        """Where a cell comes from: the reading's source, or that of the used cell."""
        if self.source != USED or unit is None or variable not in self.sources:
            return self.source
        place = self.series[variable].at.get(unit)
        if place is None or year is None:
            return self.source
        return self.sources[variable][place, year - int(self.years[0])] or self.source


def as_panel(
    cells: pd.DataFrame,
    cities: pd.DataFrame,
    provinces: pd.DataFrame,
    *,
    source: str = "yearbook",
) -> Cells:
    """Turn long tables into arrays; a key that stands twice is an error.

    Parameters
    ----------
    cells : DataFrame
        `CELL_COLUMNS`, one row per city, year, variable and source with a reading;
        value is in the unit of the variable.
    cities : DataFrame
        `CITY_COLUMNS`, one row per city, those without any cell included.
    provinces : DataFrame
        `PROVINCE_COLUMNS`, one row per province, year and variable.
    source : str
        The source whose reading is judged, and compared with all others.

    Raises
    ------
    PanelError
        A column is missing, a cell stands twice, or a city is not known.
    """
    for frame, columns, what in (
        (cells, CELL_COLUMNS, "cells"),
        (cities, CITY_COLUMNS, "cities"),
        (provinces, PROVINCE_COLUMNS, "provinces"),
    ):
        missing = [column for column in columns if column not in frame.columns]
        if missing:
            raise PanelError.of(
                "quality.table_lacks_columns", missing, what=what, columns=list(columns)
            )
    _no_duplicates(cells, ["city_id", "year", "variable", "source"])
    _no_duplicates(provinces, ["province_id", "year", "variable"])
    unknown = sorted(set(cells["city_id"].unique()) - set(cities["city_id"]))
    if unknown:
        raise PanelError.of(
            "quality.unknown_cities",
            (f"city_id {city_id}" for city_id in unknown),
        )
    years = _years(cells, provinces)
    cities = cities.sort_values("city_id").reset_index(drop=True)
    order = tuple(cities["city_id"])
    by_source: dict[str, dict[str, Series]] = {}
    for series in _series(cells, "city_id", order, years, ["source", "variable"]):
        by_source.setdefault(str(series.source), {})[series.name] = series
    judged = by_source.pop(source, {})
    return Cells(
        cities=cities,
        years=years,
        source=source,
        series=judged,
        others=by_source,
        province=as_series(
            provinces.assign(source="province"),
            "province_id",
            tuple(sorted(set(provinces["province_id"]))),
            years,
        ),
    )


def _years(cells: pd.DataFrame, provinces: pd.DataFrame) -> np.ndarray:
    stacked = pd.concat([cells["year"], provinces["year"]])
    if stacked.empty:
        return np.arange(0)
    return np.arange(int(stacked.min()), int(stacked.max()) + 1)


def _no_duplicates(frame: pd.DataFrame, key: list[str]) -> None:
    twice = frame.loc[frame.duplicated(key), key]
    if len(twice):
        raise PanelError.of(
            "quality.cells_stand_twice",
            (
                ", ".join(f"{name} {value}" for name, value in row.items())
                for row in twice.to_dict("records")
            ),
        )


def as_series(
    frame: pd.DataFrame, key: str, order: tuple[str, ...], years: np.ndarray
) -> dict[str, Series]:
    """Long rows as a table a variable: units in `order` by `years`."""
    found = _series(frame, key, order, years, ["variable"])
    return {series.name: series for series in found}


def _series(
    frame: pd.DataFrame,
    key: str,
    order: tuple[str, ...],
    years: np.ndarray,
    by: list[str],
) -> list[Series]:
    """A table of every group of rows, sorted by what they are grouped by."""
    group, place, t = places_of(frame, key, order, years, by)
    n_groups = int(group.max(initial=-1)) + 1
    values = np.full((n_groups, len(order), len(years)), np.nan)
    values[group, place, t] = frame["value"].to_numpy(float)
    first = np.zeros(n_groups, dtype=int)
    first[group[::-1]] = np.arange(len(frame))[::-1]
    told = frame[["variable", "source", "unit"]].iloc[first]
    return [
        Series(name, source, unit, order, years, table)
        for table, (name, source, unit) in zip(
            values, told.itertuples(index=False, name=None), strict=True
        )
    ]


def places_of(
    frame: pd.DataFrame,
    key: str,
    order: tuple[str, ...],
    years: np.ndarray,
    by: list[str],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Group, unit and year of every row as places, for all rows at once."""
    group = frame.groupby(by, sort=True).ngroup().to_numpy()
    place = pd.Index(order).get_indexer(frame[key])
    if (place < 0).any():
        raise KeyError(frame[key].iloc[int(np.flatnonzero(place < 0)[0])])
    return group, place, frame["year"].to_numpy(int) - years[0]


def sigma(values: np.ndarray) -> float:
    """Robust standard deviation: 1.4826 times the median absolute deviation."""
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0
    return float(MAD_TO_SIGMA * np.median(np.abs(values - np.median(values))))


def nanmedian(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Median of the finite values along an axis, not-a-number where there are none.

    As numpy's nanmedian, without its warning for an empty slice and in a tenth of its
    time on small arrays: sorting puts what is not finite last.
    """
    values = np.moveaxis(np.where(np.isfinite(values), values, np.nan), axis, 0)
    if not values.shape[0]:
        return np.full(values.shape[1:], np.nan)
    ordered = np.sort(values, axis=0)
    count = np.isfinite(ordered).sum(axis=0)
    upper, lower = count // 2, np.maximum(count - 1, 0) // 2
    pick = [
        np.take_along_axis(ordered, np.minimum(i, len(ordered) - 1)[None], axis=0)[0]
        for i in (lower, upper)
    ]
    return np.where(count > 0, (pick[0] + pick[1]) / 2, np.nan)


def neighbours(printed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Units and years of figures next to each other among those printed (n, T)."""
    unit, at = np.nonzero(printed)
    same = unit[1:] == unit[:-1]
    return unit[1:][same], at[:-1][same], at[1:][same]


def differs(old: np.ndarray, new: np.ndarray, rounding: float = 1e-12) -> np.ndarray:
    """Where two tables differ by more than rounding, relative to the old one."""
    near = np.abs(new - old) <= rounding * np.abs(old)
    return ~(near | (np.isnan(new) & np.isnan(old)))


def finding(
    rule: str,
    severity: str,
    variable: str,
    *,
    scope: str = "city",
    unit_id: str | None = None,
    year: int | None = None,
    source: str | None = None,
    value: float = np.nan,
    low: float = np.nan,
    high: float = np.nan,
    expected: float | None = None,
    within: float = 0.0,
    members: Sequence[str] = (),
    stays: bool = False,
    against: str | None = None,
    said: str = "",
    **facts: object,
) -> dict[str, Any]:
    """One finding, before names, uses and consequences are added.

    Parameters
    ----------
    source : str, optional
        Where the cell comes from; by default whose reading is judged.
    low, high : float
        What the value is expected to lie between; with `expected` exp(-within) to
        exp(within) times that.
    members : sequence of str
        The variables of a finding about a row.
    stays : bool
        Whether every later year is as far from what is expected.
    against : str, optional
        The source it is compared with.
    said : str
        The evidence's name in `words/*/findings.yml`; by default the rule's.
    **facts
        What the evidence tells beside the fields of the finding.
    """
    if expected is not None:
        low, high = expected * np.exp(-within), expected * np.exp(within)
    year = None if year is None else int(year)
    told = {
        "year": year, "previous": None if year is None else year - 1,
        "value": value, "low": low, "high": high, "expected": expected,
        "variable": variable, "members": list(members),
    }  # fmt: skip
    evidence = SAID(said or rule, **told | facts)
    return {
        "rule": rule,
        "severity": severity,
        "scope": scope,
        "unit_id": unit_id,
        "year": year,
        "variable": variable,
        "source": source,
        "value": float(value),
        "expected_low": float(low),
        "expected_high": float(high),
        "evidence_en": evidence.en,
        "evidence_zh": evidence.zh,
        "members": tuple(members),
        "stays": stays,
        "against": against,
    }
