"""Where a cell goes: which published tables, and which of their columns, contain it.

Nothing here says what is made of what. The cell is moved, the study's own steps are run
again, and what moves with it is what contains it. A cell that is missing, or set aside,
is given a figure: it stands where its figure would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from citypanel.errors import CapitalError
from citypanel.quality.findings.tables import differs, nanmedian
from citypanel.study.declaration import declared
from citypanel.study.estimates import usable_controls
from citypanel.study.options import Options
from citypanel.study.parts import Column
from citypanel.study.run import Study
from citypanel.study.steps.series import common_path

ALL = "all_variables"
INPUTS = ("output", "capital", "labour")
# Their columns in fct_city_years.
COLUMNS = {
    "output": "gdp_real_cny_10k",
    "capital": "capital_real_cny_10k",
    "labour": "labour",
}
HEADLINE = "headline"
# Copies of cities that pass the steps side by side.
AT_ONCE = 5000
# Cells are moved a little, so that a capital stock can still be started; the second
# factor is for where it cannot. Where a gap takes the cities' median growth, a small
# and a large error reach other cities by different ways.
FACTORS = (1.001, 0.999)
FACTORS_OF_A_MEDIAN = (1.001, 0.999, 10.0, 0.1)

Cell = tuple[str, int, str]


@dataclass(frozen=True)
class Use:
    """What a cell enters, by city and year of the sample.

    inputs : set of (input, city_id, year)
    controls : set of (control, city_id, year)
    variants : names of other variants that hold it in an input of their own, one that
        is not the headline's
    """

    inputs: frozenset[tuple[str, str, int]] = frozenset()
    controls: frozenset[tuple[str, str, int]] = frozenset()
    variants: frozenset[str] = frozenset()


def together(uses: Iterable[Use]) -> Use:
    """The union of several cells' uses."""
    uses = list(uses)
    if len(uses) == 1:
        return uses[0]
    return Use(
        frozenset().union(*(use.inputs for use in uses)),
        frozenset().union(*(use.controls for use in uses)),
        frozenset().union(*(use.variants for use in uses)),
    )


class Uses:
    """What the cells of a study enter, for the headline and the variants beside it.

    Parameters
    ----------
    study : Study
        The sources, as the build has them.
    variants : DataFrame
        One row per variant, its options beside it; `headline` is one of them.
    """

    def __init__(self, study: Study, variants: pd.DataFrame):
        self.study = study
        self.options = {
            str(row["variant"]): Options.of_build(row) for _, row in variants.iterrows()
        }
        self._at = {code: i for i, code in enumerate(study.city_ids)}
        self._year_at = {int(year): t for t, year in enumerate(study.years)}
        self._places: dict[Use, str] = {}
        self._base = {name: _tables(study, o) for name, o in self.options.items()}
        self._sample = {
            name: study.sample(o).is_in_sample for name, o in self.options.items()
        }

    # ---------------------------------------------------------------- the headline

    @property
    def headline(self) -> Options:
        """The options of the headline."""
        return self.options[HEADLINE]

    @cached_property
    def panel(self) -> pd.DataFrame:
        """The city-years of the headline's sample.

        has_index, and whether it compares two years of the sample (under
        first_index_year = one the first is 1 whatever the inputs), beside the controls.
        """
        kept = self._sample[HEADLINE]
        compares = np.zeros_like(kept)
        compares[:, 1:] = kept[:, 1:] & kept[:, :-1]
        has_index = kept if self.headline.first_index_year == "one" else compares
        flags = {"has_index": has_index, "compares": compares}
        rows = self.study.long(self.study.controls(self.headline) | flags, kept)
        cities = self.study.cities.set_index("city_id")
        for name in ("region", "is_municipality"):
            rows[name] = rows["city_id"].map(cities[name])
        return rows

    @cached_property
    def controls(self) -> frozenset[str]:
        """Controls with data in every year that has an index."""
        rows = self.panel.loc[self.panel["has_index"]]
        return frozenset(usable_controls(rows)[0])

    # ------------------------------------------------------------------------ cells

    def of_cells(self, cells: Sequence[Cell]) -> dict[Cell, Use]:
        """Uses of cells of the yearbook.

        Parameters
        ----------
        cells : sequence of (city_id, year, variable)
            Cells of other variables than the study's, or of cities it does not have,
            enter nothing.
        """
        found = dict.fromkeys(cells, Use())
        readings = self.study.readings(self.headline)
        known = [
            key
            for key in found
            if key[0] in self._at and key[1] in self._year_at and key[2] in readings
        ]
        if self.headline.imputation == "growth_chaining":
            return found | {key: self._alone(key) for key in known}
        for start in range(0, len(known), AT_ONCE):
            found |= self._side_by_side(known[start : start + AT_ONCE])
        return found

    def _side_by_side(self, cells: Sequence[Cell]) -> dict[Cell, Use]:
        """Cities do not reach each other: a copy of the city for each cell moved."""
        rows = np.array([self._at[city] for city, *_ in cells], dtype=int)
        names = [f"{k:06d}" for k in range(len(rows))]
        base = self.study.readings(self.headline)
        figures = self._nearest

        def moved(factor: float) -> dict[str, dict[str, np.ndarray]]:
            readings = {name: table[rows] for name, table in base.items()}
            for k, (_, year, name) in enumerate(cells):
                at = self._year_at[year]
                readings[name][k, at] = factor * figures[name][rows[k], at]
            return self._moved(
                self.study.side_by_side(rows, names, readings=readings), rows
            )

        tables = _first(moved, FACTORS)
        return dict(zip(cells, self._uses(tables, rows), strict=True))

    @cached_property
    def _nearest(self) -> dict[str, np.ndarray]:
        """A figure for every cell: its own, filled or the nearest, else the median."""
        filled = self.study.series(self.headline)
        return {name: _figures(table) for name, table in filled.items()}

    def _alone(self, cell: Cell) -> Use:
        """A cell moved in a study of its own: a median lets it reach every city."""
        city, year, name = cell
        at = self._year_at[year]
        readings = self.study.readings(self.headline)
        figure = self._nearest[name][self._at[city], at]
        path = common_path(readings[name])
        uses: list[Use] = []
        for factor in FACTORS_OF_A_MEDIAN:
            table = readings[name].copy()
            table[self._at[city], at] = factor * figure
            if uses and np.array_equal(common_path(table), path):
                continue
            with suppress(CapitalError):
                moved = self.study.instead(readings=readings | {name: table})
                uses.append(self._of(moved))
        return together(uses)

    def of_province(self, province_id: str, year: int, indicator: str) -> Use:
        """The use of one figure of a province's series."""
        series = self.study.sources.province_series
        here = (
            (series["province_id"] == province_id)
            & (series["year"] == year)
            & (series["indicator"] == indicator)
        )
        if not here.any():
            return Use()
        figure = float(series.loc[here, "value"].iloc[0])
        cell = (province_id, year, indicator)
        return _first(
            lambda factor: self._of(
                self.study.with_province_value(*cell, factor * figure)
            ),
            FACTORS,
        )

    def _of(self, study: Study) -> Use:
        everyone = np.arange(len(self.study.city_ids))
        return together(self._uses(self._moved(study, everyone), everyone))

    def _moved(
        self, study: Study, rows: np.ndarray
    ) -> dict[str, dict[str, np.ndarray]]:
        """Where the tables of copies of some cities are not those of the study."""
        return {
            name: {
                what: differs(self._base[name][what][rows], new)
                for what, new in _tables(study, options).items()
            }
            for name, options in self.options.items()
        }

    def _uses(
        self, moved: Mapping[str, Mapping[str, np.ndarray]], rows: np.ndarray
    ) -> list[Use]:
        """The use behind the moved entries of each city, or copy of one."""
        inputs: list[set] = [set() for _ in rows]
        controls: list[set] = [set() for _ in rows]
        variants: list[set] = [set() for _ in rows]
        names = self.study.city_ids[rows].tolist()
        years = self.study.years.tolist()
        of_controls = declared().controls
        for name, kept in self._sample.items():
            of_sample = kept[rows]
            for what, table in moved[name].items():
                entries = table & of_sample
                if name == HEADLINE and (what in INPUTS or what in of_controls):
                    places = inputs if what in INPUTS else controls
                    for k, t in np.argwhere(entries).tolist():
                        places[k].add((what, names[k], years[t]))
                elif name != HEADLINE and what in INPUTS:
                    own = (entries & self._own[name][what][rows]).any(axis=1)
                    for k in np.flatnonzero(own):
                        variants[k].add(name)
        return [
            Use(frozenset(i), frozenset(c), frozenset(v))
            for i, c, v in zip(inputs, controls, variants, strict=True)
        ]

    @cached_property
    def _own(self) -> dict[str, dict[str, np.ndarray]]:
        """Where a variant's inputs are not the headline's."""
        return {
            name: {
                what: differs(self._base[HEADLINE][what], tables[what])
                for what in INPUTS
            }
            for name, tables in self._base.items()
        }

    # ---------------------------------------------------------------------- results

    def touches(self, use: Use) -> str:
        """Published places that contain a cell, "; " between tables.

        A growth index compares a year with the one before: an input of year y is in
        the indices of y and y + 1, and in the level from y on. A control is in the
        regressions that have it, of its year. Through the frontier an input also moves
        indices of other cities, which do not contain it: `rpt_frontier_carriers`.
        """
        # Thousands of cells of cities that the tables hold alike have the same places.
        like = self._like
        alike = Use(
            frozenset((name, like[c], y) for name, c, y in use.inputs),
            frozenset((name, like[c], y) for name, c, y in use.controls),
            use.variants,
        )
        if alike not in self._places:
            self._places[alike] = self._touches(alike)
        return self._places[alike]

    @cached_property
    def _like(self) -> dict[str, str]:
        """For every city the first that the same rows of all tables contain."""
        _, rows, later = self._columns
        tables = np.concatenate([rows, later, self._compares[None]])
        by_city = np.packbits(tables.swapaxes(0, 1).reshape(tables.shape[1], -1), 1)
        _, first, which = np.unique(
            by_city, axis=0, return_index=True, return_inverse=True
        )
        names = self.study.city_ids
        return dict(zip(names, names[first[which.ravel()]], strict=True))

    def _touches(self, use: Use) -> str:
        cities = sorted({self._at[c] for _, c, _ in use.inputs | use.controls})
        inputs = self._mask(((c, y) for _, c, y in use.inputs), cities)
        years = {y for name, _, y in use.inputs if name == "capital"}
        before = np.zeros_like(inputs)
        before[:, 1:] = inputs[:, :-1]
        index = (inputs | before) & self._compares[cities]
        named = ((c, y) for name, c, y in use.controls if name in self.controls)
        control = self._mask(named, cities)
        indices = self.study.years[index.any(axis=0)]
        places = []
        if use.inputs or use.controls:
            names = {name for name, *_ in use.inputs}
            columns = [COLUMNS[name] for name in INPUTS if name in names]
            columns += sorted({name for name, *_ in use.controls})
            places.append(f"fct_city_years: {', '.join(columns)}")
        if years:
            places.append(f"fct_capital_stocks: {_years(years)}")
        if len(indices):
            places.append(f"fct_tfp_changes: {_years(indices)}")
        if len(indices) or use.controls:
            places.append("rpt_descriptives")
        tables = self._tables(index, control, cities)
        if tables:
            places.append(f"rpt_regressions: {', '.join(tables)}")
        if len(indices):
            places.append("rpt_event_study")
        places += [f"rpt_regressions: variant {name}" for name in sorted(use.variants)]
        return "; ".join(places)

    def _tables(self, index: np.ndarray, control: np.ndarray, cities) -> list[str]:
        """Columns of the printed tables whose rows contain an index or a control."""
        if self.headline.outcome == "cumulative_log_tfp":
            index = np.logical_or.accumulate(index, axis=1) & self._compares[cities]
        columns, rows, later = self._columns
        holds = (index & later[:, cities]).any(axis=(1, 2))
        holds |= (control & rows[:, cities]).any(axis=(1, 2))
        named: dict[str, list[str]] = {}
        for k in np.flatnonzero(holds):
            named.setdefault(columns[k].table, []).append(columns[k].name)
        return [f"Table {table} {_listed(names)}" for table, names in named.items()]

    @cached_property
    def _columns(self) -> tuple[Sequence[Column], np.ndarray, np.ndarray]:
        """The printed columns, (n, T) where they have controls, and an outcome."""
        columns = declared().columns
        has_index = self._there(self.panel.loc[self.panel["has_index"]])
        shape = (len(columns), *has_index.shape)
        rows, later = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        for k, column in enumerate(columns):
            mask = self._there(column.keep(self.panel))
            city, year = np.nonzero(mask & has_index)
            inside = year + column.periods_ahead < has_index.shape[1]
            city, year = city[inside], year[inside]
            there = has_index[city, year + column.periods_ahead]
            city, year = city[there], year[there]
            rows[k, city, year] = bool(column.controls)
            later[k, city, year + column.periods_ahead] = True
        return columns, rows, later

    @cached_property
    def _compares(self) -> np.ndarray:
        return self._there(self.panel.loc[self.panel["compares"]])

    def _there(self, rows: pd.DataFrame) -> np.ndarray:
        """The city-years of some rows as a table."""
        mask = np.zeros(self.study.grid.shape, dtype=bool)
        mask[self.study.grid.places(rows)] = True
        return mask

    def _mask(
        self, pairs: Iterable[tuple[str, int]], cities: Sequence[int]
    ) -> np.ndarray:
        """Cities and years as a table of some cities, in their order."""
        place = {self.study.city_ids[i]: k for k, i in enumerate(cities)}
        mask = np.zeros((len(place), len(self.study.years)), dtype=bool)
        for city, year in pairs:
            mask[place[city], self._year_at[int(year)]] = True
        return mask


def _tables(study: Study, options: Options) -> dict[str, np.ndarray]:
    """Inputs and controls of one set of options, by name."""
    return {
        "output": study.real_output(options),
        "capital": study.capital(options),
        "labour": study.labour(options),
        **study.controls(options),
    }


def _first(function: Callable[[float], Any], factors: Sequence[float]):
    """What the first factor gives under which the capital stock can be started."""
    *others, last = factors
    for factor in others:
        with suppress(CapitalError):
            return function(factor)
    return function(last)


def _figures(filled: np.ndarray) -> np.ndarray:
    """A figure for every cell: its own or the nearest, else the median of the year."""
    table = pd.DataFrame(filled).ffill(axis=1).bfill(axis=1).to_numpy()
    table = np.where(np.isfinite(table), table, np.nan)
    middle = np.nan_to_num(nanmedian(table), nan=1.0)
    table = np.where(np.isfinite(table), table, middle)
    return np.where(table == 0, 1.0, table)


def _listed(names: Sequence[str]) -> str:
    """(1), (2), (3) as (1)-(3); other names one by one, sorted."""
    numbers = [n.strip("()") for n in names]
    if not all(n.isdigit() for n in numbers):
        return ", ".join(sorted(names))
    whole = [int(n) for n in numbers]
    if len(whole) > 1 and whole[-1] - whole[0] == len(whole) - 1:
        return f"{names[0]}-{names[-1]}"
    return ", ".join(names)


def _years(found: Iterable[int]) -> str:
    years = np.array(sorted(found))
    if len(years) == 1:
        return str(years[0])
    if (np.diff(years) == 1).all():
        return f"{years[0]}-{years[-1]}"
    return ", ".join(map(str, years))
