"""A study of some sources, computed for any options, each step once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from citypanel.errors import PanelError
from citypanel.study.declaration import declared
from citypanel.study.graph import Graph
from citypanel.study.grid import Grid
from citypanel.study.options import Options
from citypanel.study.sources import KEY, SOURCE_TABLES
from citypanel.study.steps import capital, index, inputs, panel, sample, series

GRAPH = Graph([series, inputs, capital, sample, index, panel])
# Results kept of each large step, on average: specifications in `shared_order` that
# share one follow each other.
KEPT = 4


def _no_places() -> pd.DataFrame:
    return pd.DataFrame(columns=["unit_id", "latitude", "longitude"], dtype=object)


def _no_policies() -> pd.DataFrame:
    return pd.DataFrame(columns=["policy", "city_id", "approval_year"], dtype=object)


@dataclass(frozen=True, eq=False)
class Sources:
    """What the study is computed from: what SQL has read, judged, joined and dated.

    Attributes
    ----------
    cells : DataFrame
        city_id, year, variable; value__<vintage> (the yearbook's unit, missing where
        there is none) and source__<vintage> of the source read under each vintage of
        output; next_value__<vintage> and next_source__<vintage>, the reading that
        stands in where that one is taken away. One row per city, year and variable.
    province_series : DataFrame
        province_id, year, indicator (GDP and FAI in 100 million yuan; GDPIDX and FAIPI,
        previous year = 100), value.
    cities : DataFrame
        city_id, city_en, province_id, region, is_municipality, is_provincial_capital,
        is_in_nbs_70.
    policy : DataFrame
        city_id, year, batch, approval_year, and exposure__<rule> and cohort__<rule>
        under each rule of dating.
    variables : DataFrame
        variable, kind, province_indicator, gap_rule (mean, mean_carry, none).
    places : DataFrame, optional
        unit_id, latitude and longitude in degrees, as text or numbers.
    concurrent : DataFrame, optional
        policy, city_id, approval_year: policies of the time.
    """

    cells: pd.DataFrame
    province_series: pd.DataFrame
    cities: pd.DataFrame
    policy: pd.DataFrame
    variables: pd.DataFrame
    places: pd.DataFrame = field(default_factory=_no_places)
    concurrent: pd.DataFrame = field(default_factory=_no_policies)

    @classmethod
    def read(cls, table: Callable[[str], pd.DataFrame]) -> Sources:
        """Sources from a function that returns a table of the warehouse by its name."""
        return cls(**{name: table(full) for name, full in SOURCE_TABLES.items()})


class Study:
    """The study of some sources, for any options.

    Every step of `citypanel.study.steps` can be asked for by its name:
    `study.capital(options)` is the capital stock, city x year.

    Parameters
    ----------
    sources : Sources
        What everything is computed from; see `with_cell` for changing one figure.
    given : mapping of step to result
        Results in place of those that a step would make.

    Attributes
    ----------
    cities : DataFrame
        Sorted by code, in the order of every table's rows.
    grid : Grid
    """

    def __init__(self, sources: Sources, given: Mapping[str, Any] | None = None):
        self.sources = sources
        self.given = dict(given or {})
        self.cities = sources.cities.sort_values("city_id", ignore_index=True)
        years = np.unique(sources.cells["year"].to_numpy(dtype=int))
        self.grid = Grid(self.cities["city_id"].to_numpy(dtype=object), years)
        self._forget()

    def _forget(self) -> None:
        self._kept: dict[tuple, tuple] = {}
        self._large: OrderedDict[tuple, tuple] = OrderedDict()

    def __getstate__(self) -> dict:
        state = dict(self.__dict__)
        return {k: v for k, v in state.items() if k not in ("_kept", "_large")}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._forget()

    @property
    def city_ids(self) -> np.ndarray:
        """Codes of the cities, in the order of every table's rows."""
        return self.grid.city_ids

    @property
    def years(self) -> np.ndarray:
        """Years, in the order of every table's columns."""
        return self.grid.years

    # ------------------------------------------------------------------ steps

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or name not in GRAPH:
            raise AttributeError(name)
        return lambda options=None: self.get(name, options)

    def get(self, name: str, options: Options | None = None) -> Any:
        """A step's result; computed once for all options that it does not depend on.

        An error is kept too, and raised again.
        """
        if name in self.given:
            return self.given[name]
        if name not in GRAPH:
            return self._source(name)
        options = options or Options()
        step = GRAPH[name]
        key = (name, *options.part(*GRAPH.options_of(name, self.given)))
        store = self._large if step.is_large else self._kept
        if key not in store:
            try:
                needs = [self.get(need, options) for need in step.needs]
                taken = {option: getattr(options, option) for option in step.takes}
                store[key] = (step.function(*needs, **taken), None)
            except Exception as error:
                store[key] = (None, error)
            if len(self._large) > KEPT * len(_LARGE):
                self._large.popitem(last=False)
        elif step.is_large:
            self._large.move_to_end(key)
        value, failure = store[key]
        if failure is not None:
            raise failure
        return value

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` gives, made at the first call with a key."""
        if ("once", key) not in self._kept:
            self._kept["once", key] = (make(), None)
        return self._kept["once", key][0]

    def _source(self, name: str) -> Any:
        if name == "study":
            return declared()
        if name == "base_year":
            return declared().base_year
        if name in ("cities", "grid"):
            return getattr(self, name)
        return getattr(self.sources, name)

    def reads(self, tables: str, name: str, options: Options) -> list[str]:
        """Which of a step's tables another step's result is made of.

        Parameters
        ----------
        tables : str
            A step whose result are tables by name: `series`, `provinces`.
        name : str
        options : Options
        """
        noted = _Noted(self.get(tables, options))
        self.instead(**{tables: noted}).get(name, options)
        return [key for key in noted if key in noted.read]

    # ---------------------------------------------------------- other studies

    def instead(self, **given: Any) -> Study:
        """The study with the results of some steps given."""
        other = Study.__new__(Study)
        other.__dict__.update(self.__dict__, given={**self.given, **given})
        other._forget()
        return other

    def side_by_side(
        self, rows: Sequence[int], names: Sequence[str], **given: Any
    ) -> Study:
        """A study of copies of the cities, to change each on its own.

        Cities do not reach each other before the frontier (but where a gap takes their
        common growth): copies can pass the steps together.

        Parameters
        ----------
        rows : sequence of int
            The city that each copy is of.
        names : sequence of str
            Codes of the copies.
        **given
            Results in place of the steps', for every copy: `readings`, `provinces`.
        """
        rows = np.asarray(rows, dtype=int)
        other = self.instead(**given)
        if "provinces" not in given:
            tables = self.get("provinces")
            other.given["provinces"] = {k: table[rows] for k, table in tables.items()}
        other.given["groups"] = {k: v[rows] for k, v in self.get("groups").items()}
        other.cities = self.cities.iloc[rows].reset_index(drop=True)
        other.cities["city_id"] = np.asarray(names, dtype=object)
        other.grid = Grid(np.asarray(names, dtype=object), self.years)
        return other

    def reading_with(
        self,
        city_id: str,
        year: int,
        variable: str,
        source: str,
        value: float | None,
        options: Options,
        *,
        replaced: bool = True,
    ) -> float:
        """The reading of a cell with one source's figure changed (None: deleted).

        A deleted figure is replaced by the next source's, where `replaced`.
        """
        now, read, spare = self._sources_of(options.gdp_vintage).get(
            (city_id, year, variable), (np.nan, None, np.nan)
        )
        if read != source:
            return now
        if value is None:
            return spare if replaced else float("nan")
        return value

    def _sources_of(self, vintage: str) -> dict[tuple, tuple[float, str, float]]:
        """The reading of every cell, its source, and the next source's reading."""

        def read() -> dict[tuple, tuple[float, str, float]]:
            cells = self.sources.cells
            keys = zip(*(cells[name] for name in KEY), strict=True)
            values = zip(
                cells[f"value__{vintage}"].to_numpy(float, na_value=np.nan),
                cells[f"source__{vintage}"].to_numpy(dtype=object),
                cells[f"next_value__{vintage}"].to_numpy(float, na_value=np.nan),
                strict=True,
            )
            return dict(zip(keys, values, strict=True))

        return self.once(("sources", vintage), read)

    @staticmethod
    def figure_of_city(indicator: str, value: float | None) -> float | None:
        """A figure of a province's series in the unit of the yearbook."""
        if value is None:
            return None
        return value - 100 if indicator == "GDPIDX" else 10000 * value

    def with_cell(
        self, city_id: str, year: int, variable: str, source: str, value: float | None
    ) -> Study:
        """The study with one cell of one source changed.

        Parameters
        ----------
        city_id, year, variable, source
            A reading in `Sources.cells`.
        value : float or None
            The new figure in the yearbook's unit; None deletes the reading.

        Returns
        -------
        Study
            A new one. For a municipality's province figure the province's series
            changes with it, as it does in the seed.

        Raises
        ------
        PanelError
            When the sources have no such reading.
        """
        cells = self.sources.cells
        here = (
            (cells["city_id"] == city_id)
            & (cells["year"] == year)
            & (cells["variable"] == variable)
        ).to_numpy()
        changed = _replaced(cells, here, source, value)
        if changed is None:
            raise PanelError.of(
                "study.no_such_cell",
                [f"city {city_id}, {year}, {variable}, {source}"],
            )
        sources = replace(self.sources, cells=changed)
        if source == "province":
            province = self.cities["province_id"].iloc[self.grid.city_at[city_id]]
            names = self.sources.variables.set_index("variable")["province_indicator"]
            indicator = names[variable]
            new = float("nan") if value is None else float(value)
            figure = new + 100 if indicator == "GDPIDX" else new / 10000
            series = self.sources.province_series
            there = _figure_at(series, province, year, indicator)
            values = np.where(there, figure, series["value"].to_numpy())
            sources = replace(sources, province_series=series.assign(value=values))
        return Study(sources, self.given)

    def with_province_value(
        self, province_id: str, year: int, indicator: str, value: float | None
    ) -> Study:
        """The study with one figure of a province's series changed (None: deleted).

        A municipality's cells of that series change with it.
        """
        series = self.sources.province_series
        there = _figure_at(series, province_id, year, indicator)
        if not there.any():
            raise PanelError.of(
                "study.no_such_figure",
                [f"province {province_id}, {year}, {indicator}"],
            )
        new = float("nan") if value is None else float(value)
        values = np.where(there, new, series["value"].to_numpy())
        variables = self.sources.variables
        named = variables.loc[variables["province_indicator"] == indicator, "variable"]
        mine = self.cities.loc[
            (self.cities["province_id"] == province_id)
            & self.cities["is_municipality"].astype(bool),
            "city_id",
        ]
        cells = self.sources.cells
        here = (
            cells["city_id"].isin(mine)
            & (cells["year"] == year)
            & cells["variable"].isin(named)
        ).to_numpy()
        figure = self.figure_of_city(indicator, value)
        changed = _replaced(cells, here, "province", figure)
        return Study(
            replace(
                self.sources,
                cells=cells if changed is None else changed,
                province_series=series.assign(value=values),
            ),
            self.given,
        )

    # ----------------------------------------------------------------- shapes

    def long(
        self, tables: Mapping[str, np.ndarray], keep: np.ndarray | None = None
    ) -> pd.DataFrame:
        """City-year tables as a frame with city_id and year, by city and year."""
        return self.grid.long(tables, keep)


_LARGE = [name for name, step in GRAPH.steps.items() if step.is_large]


class _Noted(dict):
    """Tables by name that note which are read."""

    def __init__(self, tables: Mapping[str, np.ndarray]):
        super().__init__(tables)
        self.read: dict[str, None] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        self.read[name] = None
        return super().__getitem__(name)


def _figure_at(series: pd.DataFrame, province, year, indicator) -> np.ndarray:
    return (
        (series["province_id"] == province)
        & (series["year"] == year)
        & (series["indicator"] == indicator)
    ).to_numpy()


def _replaced(
    cells: pd.DataFrame, here: np.ndarray, source: str, value: float | None
) -> pd.DataFrame | None:
    """Cells with a source's reading changed; None where it has none there.

    Where the reading that was taken is deleted, the next source's stands in.
    """
    columns = {}
    for column in cells.columns:
        if not column.startswith("source__"):
            continue
        vintage = column.removeprefix("source__")
        first = here & (cells[column] == source).to_numpy(bool)
        then = here & (cells[f"next_source__{vintage}"] == source).to_numpy(bool)
        if not (first | then).any():
            continue
        values = cells[f"value__{vintage}"].to_numpy(float, na_value=np.nan)
        spare = cells[f"next_value__{vintage}"].to_numpy(float, na_value=np.nan)
        new = spare if value is None else float(value)
        columns[f"value__{vintage}"] = np.where(first, new, values)
        last = np.nan if value is None else float(value)
        columns[f"next_value__{vintage}"] = np.where(then, last, spare)
    return cells.assign(**columns) if columns else None
