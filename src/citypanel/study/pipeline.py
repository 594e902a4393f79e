"""The study in memory, from the sources' cells to an estimate.

The warehouse does the same steps: SQL up to the inputs and for the panel of the
estimates, this library for capital, the indices and the estimates. Here SQL's steps
have a twin in NumPy, so that thousands of options, or of changed cells, need no build.
The twin begins where the build has read, typed and judged each cell of each source
(`int_cells__sources` and the province series), because that is what one can change or
delete; it calls the library for the rest. Tests hold every step to the warehouse's
tables, to the last digit.

A `Study` computes each step once for every combination of the options it depends on:

    series          carry_years, gdp_vintage, imputation
    real output     + real_gdp
    investment      + fai_extension, investment_deflator
    capital         + initial_capital, initial_growth, depreciation, years
    sample          capital, real output, labour_measure, study_sample, excluded_cities
    changes         sample, orientation, returns to scale, reference, frontier
    panel           changes, outcome, exposure_from, treated_batches
"""

from __future__ import annotations

import datetime as dt
import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from citypanel.errors import OptionError, PanelError, describe
from citypanel.frontier.isoquant import second_price_is_zero
from citypanel.study.capital import stocks
from citypanel.study.productivity import (
    CAPITAL,
    FRONTIER_TOLERANCE,
    LABOUR,
    OUTPUT,
    changes,
)

BASE_YEAR = 2011
DEFLATORS = ("province_gdp_deflator", "province_investment_price")
# Indices, panels and samples kept: what comes after them is cheap, and they are large.
KEPT = 64

#: Table of the warehouse that each part of `Sources` is read from.
SOURCE_TABLES = {
    "cells": "intermediate.int_cells__sources",
    "province_series": "intermediate.int_province_series",
    "cities": "staging.stg_reference__cities",
    "zones": "marts.dim_pilot_zones",
    "variables": "raw.ref_variables",
    "precedence": "raw.ref_source_precedence",
}


@dataclass(frozen=True, eq=False)
class Sources:
    """What the study is computed from.

    Attributes
    ----------
    cells : DataFrame
        city_id, year, variable, source (yearbook, province or an imported one),
        import_precedence (rank of an imported source), value (the yearbook's unit,
        corrected, missing where there is none), is_usable (neither defective nor
        dropped). One row per city, year, variable and source with a reading.
    province_series : DataFrame
        province_id, year, indicator (GDP and FAI in 100 million yuan; GDPIDX and FAIPI,
        previous year = 100), value.
    cities : DataFrame
        city_id, city_en, province_id, region, is_municipality, is_provincial_capital,
        is_in_nbs_70.
    zones : DataFrame
        city_id, batch, approval_date of every unit of the policy's roster.
    variables : DataFrame
        variable, kind, province_indicator, gap_rule (mean, mean_carry, none).
    precedence : DataFrame
        variable, gdp_vintage, source, precedence: which source is read first.
    """

    cells: pd.DataFrame
    province_series: pd.DataFrame
    cities: pd.DataFrame
    zones: pd.DataFrame
    variables: pd.DataFrame
    precedence: pd.DataFrame

    @classmethod
    def read(cls, table: Callable[[str], pd.DataFrame]) -> Sources:
        """Sources from a function that returns a table of the warehouse by its name."""
        return cls(**{name: table(full) for name, full in SOURCE_TABLES.items()})


@dataclass(frozen=True)
class Options:
    """One value for every option of the study; the defaults are those of the build.

    The names are the vars of dbt_project.yml. Three are of the estimation alone:

    exclusion : str
        Cities left out of the regression, not of the frontier: none, municipalities,
        batch_4 (zones approved in December 2019), provincial_capitals.
    controls : str
        none, paper (all seven), without_after_treatment (without eco and inf), or
        names joined by +.
    estimator : str
        twfe, imputation, group_time or sun_abraham.
    """

    study_sample: str = "paper_like"
    gdp_vintage: str = "as_published"
    imputation: str = "paper"
    excluded_cities: tuple[str, ...] = ()
    real_gdp: str = "province_deflator"
    investment_deflator: str = "province_gdp_deflator"
    initial_capital: str = "growth_plus_depreciation"
    initial_growth: str = "nominal"
    fai_extension: str = "real_estate"
    labour_measure: str = "university_share"
    orientation: str = "output"
    returns_to_scale: str = "crs"
    frontier: str = "dea"
    frontier_reference: str = "contemporaneous"
    decomposition: str = "fgnz"
    first_index_year: str = "drop"
    outcome: str = "tfpch"
    exposure_from: str = "approval_year"
    log_base: str = "10"
    standard_errors: str = "xtreg"
    treated_batches: tuple[int, ...] = (1, 2, 3)
    first_year: int = 2011
    last_year: int = 2019
    carry_years: int = 2
    depreciation: float = 0.06
    exclusion: str = "none"
    controls: str = "none"
    estimator: str = "twfe"

    @classmethod
    def of_build(cls, row: Mapping[str, object]) -> Options:
        """The options of a row of `dim_study_variants`."""
        taken = {f.name: row[f.name] for f in fields(cls) if f.name in row}
        batches = taken.get("treated_batches")
        if isinstance(batches, str):
            taken["treated_batches"] = tuple(int(b) for b in batches.split(","))
        groups = taken.get("excluded_cities")
        if isinstance(groups, str):
            taken["excluded_cities"] = tuple(g for g in groups.split(", ") if g)
        for name in ("first_year", "last_year", "carry_years"):
            if name in taken:
                taken[name] = int(taken[name])
        if "depreciation" in taken:
            taken["depreciation"] = float(taken["depreciation"])
        return cls(**taken)

    @property
    def panel_first_year(self) -> int:
        """First year whose frontier is drawn."""
        return self.first_year - (self.first_index_year == "from_2010")

    @property
    def capital_first_year(self) -> int:
        """Year of the initial stock."""
        return min(BASE_YEAR, self.panel_first_year)

    def part(self, *names: str) -> tuple:
        """The values of some options, as a key."""
        return tuple(getattr(self, name) for name in names)


SERIES = ("carry_years", "gdp_vintage", "imputation")
OUTPUT_OPTIONS = (*SERIES, "real_gdp")
INVESTMENT = (*SERIES, "fai_extension", "investment_deflator")
CAPITAL_OPTIONS = (
    *INVESTMENT,
    "initial_capital",
    "initial_growth",
    "depreciation",
    "capital_first_year",
    "last_year",
)
SAMPLE = (
    *CAPITAL_OPTIONS,
    "real_gdp",
    "labour_measure",
    "study_sample",
    "excluded_cities",
    "panel_first_year",
)
CHANGES = (
    *SAMPLE,
    "orientation",
    "returns_to_scale",
    "frontier",
    "frontier_reference",
    "decomposition",
    "first_index_year",
)
PANEL = (*CHANGES, "outcome", "exposure_from", "treated_batches", "log_base")


@dataclass(frozen=True, eq=False)
class Sample:
    """The city-years that could draw the frontier and those that do.

    All arrays are city x year, cities and years as in the `Study`.
    """

    output: np.ndarray
    capital: np.ndarray
    labour: np.ndarray
    has_output: np.ndarray
    has_capital: np.ndarray
    has_labour: np.ndarray
    is_candidate: np.ndarray
    is_in_sample: np.ndarray
    is_capital_assumed: np.ndarray


@dataclass(eq=False)
class Study:
    """The study of some sources, for any options.

    Parameters
    ----------
    sources : Sources
        What everything is computed from; see `with_cell` for changing one figure.

    Notes
    -----
    Arrays are city x year: cities sorted by code, years those of the yearbook. A
    missing value is not a number.
    """

    sources: Sources
    _cache: OrderedDict = field(default_factory=OrderedDict, repr=False)
    _large: OrderedDict = field(default_factory=OrderedDict, repr=False)

    def __post_init__(self) -> None:
        yearbook = self.sources.cells.loc[self.sources.cells["source"] == "yearbook"]
        self.cities = self.sources.cities.sort_values("city_id", ignore_index=True)
        self.city_ids = self.cities["city_id"].to_numpy(dtype=object)
        self.years = np.unique(yearbook["year"].to_numpy(dtype=int))
        self._city_at = {code: i for i, code in enumerate(self.city_ids)}

    def __getstate__(self) -> dict:
        return {"sources": self.sources}

    def __setstate__(self, state: dict) -> None:
        self.sources = state["sources"]
        self._cache, self._large = OrderedDict(), OrderedDict()
        self.__post_init__()

    # ------------------------------------------------------------------ cells

    def with_cell(
        self, city_id: str, year: int, variable: str, source: str, value: float | None
    ) -> Study:
        """The study with one cell of one source changed.

        Parameters
        ----------
        city_id, year, variable, source
            Key of the cell in `Sources.cells`.
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
            When the sources have no such cell.
        """
        cells = self.sources.cells
        here = (
            (cells["city_id"] == city_id)
            & (cells["year"] == year)
            & (cells["variable"] == variable)
            & (cells["source"] == source)
        ).to_numpy()
        if not here.any():
            raise PanelError(
                describe(
                    "The sources have no such cell",
                    [f"city {city_id}, {year}, {variable}, {source}"],
                    consequence="nothing was changed",
                    remedy="name a key of int_cells__sources",
                )
            )
        new = float("nan") if value is None else float(value)
        changed = cells.assign(value=np.where(here, new, cells["value"].to_numpy()))
        sources = replace(self.sources, cells=changed)
        if source == "province":
            at = self._city_at[city_id]
            province = self.cities["province_id"].iloc[at]
            names = self.sources.variables.set_index("variable")["province_indicator"]
            indicator = names[variable]
            figure = new + 100 if indicator == "GDPIDX" else new / 10000
            series = self.sources.province_series
            there = (
                (series["province_id"] == province)
                & (series["year"] == year)
                & (series["indicator"] == indicator)
            ).to_numpy()
            values = np.where(there, figure, series["value"].to_numpy())
            sources = replace(sources, province_series=series.assign(value=values))
        return Study(sources)

    def with_province_value(
        self, province_id: str, year: int, indicator: str, value: float | None
    ) -> Study:
        """The study with one figure of a province's series changed (None: deleted).

        A municipality's cells of that series change with it.
        """
        series = self.sources.province_series
        there = (
            (series["province_id"] == province_id)
            & (series["year"] == year)
            & (series["indicator"] == indicator)
        ).to_numpy()
        if not there.any():
            raise PanelError(
                describe(
                    "The sources have no such figure",
                    [f"province {province_id}, {year}, {indicator}"],
                    consequence="nothing was changed",
                    remedy="name a key of int_province_series",
                )
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
            & (cells["source"] == "province")
        ).to_numpy()
        figure = new - 100 if indicator == "GDPIDX" else 10000 * new
        cells = cells.assign(value=np.where(here, figure, cells["value"].to_numpy()))
        return Study(
            replace(
                self.sources,
                cells=cells,
                province_series=series.assign(value=values),
            )
        )

    # ----------------------------------------------------------------- series

    def _once(self, name: str, key: Hashable, make: Callable, *, large: bool = False):
        """`make()`, computed once a name and key; an error is kept and raised again."""
        store = self._large if large else self._cache
        full = (name, key)
        if full not in store:
            try:
                store[full] = (make(), None)
            except Exception as error:
                store[full] = (None, error)
            if large and len(store) > KEPT:
                store.popitem(last=False)
        else:
            store.move_to_end(full)
        value, error = store[full]
        if error is not None:
            raise error
        return value

    def readings(self, gdp_vintage: str) -> dict[str, np.ndarray]:
        """One reading a cell: the first usable source (twin: int_cells__reconciled)."""
        return self._once("readings", gdp_vintage, lambda: self._readings(gdp_vintage))

    def _readings(self, gdp_vintage: str) -> dict[str, np.ndarray]:
        order = self.sources.precedence
        order = order.loc[order["gdp_vintage"] == gdp_vintage]
        rank = {
            (v, s): int(p)
            for v, s, p in zip(
                order["variable"], order["source"], order["precedence"], strict=True
            )
        }
        cells = self.sources.cells
        cells = cells.loc[cells["value"].notna() & cells["is_usable"].astype(bool)]
        cells = cells.loc[
            cells["city_id"].isin(self._city_at) & cells["year"].isin(self.years)
        ]
        imported = cells["import_precedence"].fillna(1).astype(int)
        ranks = [
            rank.get((variable, source), fallback)
            for variable, source, fallback in zip(
                cells["variable"], cells["source"], imported, strict=True
            )
        ]
        cells = cells.assign(_rank=ranks).sort_values(
            ["_rank", "source"], kind="stable"
        )
        cells = cells.drop_duplicates(["variable", "city_id", "year"])
        city = cells["city_id"].map(self._city_at).to_numpy()
        year = np.searchsorted(self.years, cells["year"].to_numpy(dtype=int))
        values = cells["value"].to_numpy(dtype=float)
        names = cells["variable"].to_numpy(dtype=object)
        variables = self.sources.variables
        wanted = variables.loc[variables["kind"] == "yearbook", "variable"]
        out = {}
        for name in wanted:
            table = np.full((len(self.city_ids), len(self.years)), np.nan)
            mine = names == name
            table[city[mine], year[mine]] = values[mine]
            out[name] = table
        return out

    def series(self, options: Options) -> dict[str, np.ndarray]:
        """Every series with its gaps filled (twin: int_cells__imputed)."""
        key = options.part(*SERIES)
        return self._once("series", key, lambda: self._series(options))

    def _series(self, options: Options) -> dict[str, np.ndarray]:
        rules = self.sources.variables.set_index("variable")["gap_rule"]
        return {
            name: fill_gaps(
                table,
                self.years,
                rules[name],
                options.carry_years,
                imputation=options.imputation,
            )
            for name, table in self.readings(options.gdp_vintage).items()
        }

    def provinces(self) -> dict[str, np.ndarray]:
        """Province series of each city's province (twin: int_province_years)."""
        return self._once("provinces", (), self._provinces)

    def _provinces(self) -> dict[str, np.ndarray]:
        series = self.sources.province_series
        wide = series.pivot_table(
            index=["province_id", "year"],
            columns="indicator",
            values="value",
            aggfunc="max",
            dropna=False,
        ).reindex(columns=["GDP", "GDPIDX", "FAI", "FAIPI"])
        seen = series[["province_id", "year"]].drop_duplicates()
        wide = wide.reindex(pd.MultiIndex.from_frame(seen)).sort_index()
        shape = (len(self.city_ids), len(self.years))
        names = ("fai_cny_100m", *DEFLATORS)
        out = {name: np.full(shape, np.nan) for name in names}
        province_of = self.cities["province_id"].to_numpy(dtype=object)
        for province, rows in wide.groupby(level="province_id"):
            years = rows.index.get_level_values("year").to_numpy(dtype=int)
            gdp, growth, fai, price = rows.to_numpy(dtype=float).T
            base = np.flatnonzero(years == BASE_YEAR)
            if not len(base):
                continue
            # A chain with a missing link is no index.
            chain, prices = (
                np.where(
                    np.logical_and.accumulate(~np.isnan(links)),
                    running_product(links / 100),
                    np.nan,
                )
                for links in (growth, price)
            )
            b = base[0]
            columns = {
                "fai_cny_100m": fai,
                DEFLATORS[0]: (gdp / gdp[b]) / (chain / chain[b]),
                DEFLATORS[1]: prices / prices[b],
            }
            kept = np.isin(years, self.years)
            at = np.searchsorted(self.years, years[kept])
            for city in np.flatnonzero(province_of == province):
                for name, values in columns.items():
                    out[name][city, at] = values[kept]
        return out

    # ----------------------------------------------------------------- inputs

    def real_output(self, options: Options) -> np.ndarray:
        """Real output, 10,000 yuan of 2011 (twin: int_city_years__real_output)."""
        key = options.part(*OUTPUT_OPTIONS)
        return self._once("output", key, lambda: self._real_output(options))

    def _real_output(self, options: Options) -> np.ndarray:
        series = self.series(options)
        gdp = series["gdp_cny_10k"]
        deflated = gdp / self.provinces()[DEFLATORS[0]]
        if options.real_gdp == "province_deflator":
            return deflated
        growth = 1 + series["gdp_growth_pct"] / 100
        stand_in = np.full_like(growth, np.nan)
        stand_in[:, 1:] = deflated[:, 1:] / deflated[:, :-1]
        factor = np.where(np.isnan(growth), stand_in, growth)
        after = self.years > BASE_YEAR
        links = np.full_like(factor, np.nan)
        links[:, after] = np.cumprod(factor[:, after], axis=1)
        base = np.flatnonzero(self.years == BASE_YEAR)
        if not len(base):
            return np.full_like(gdp, np.nan)
        level = gdp[:, base]
        real = level * links
        real[:, base] = level
        before = base[0] - 1
        if before >= 0 and self.years[before] == BASE_YEAR - 1:
            real[:, before] = level[:, 0] / factor[:, before + 1]
        return real

    def investment(self, options: Options) -> tuple[np.ndarray, np.ndarray]:
        """Real investment and whether it is assumed (twin: int_city_years__investment).

        Returns
        -------
        ndarray, ndarray of bool
            10,000 yuan at 2011 prices; whether the extension stands in.
        """
        key = options.part(*INVESTMENT)
        return self._once("investment", key, lambda: self._investment(options))

    def _investment(self, options: Options) -> tuple[np.ndarray, np.ndarray]:
        series, provinces = self.series(options), self.provinces()
        fai, estate = series["fai_cny_10k"], series["real_estate_cny_10k"]
        deflator = provinces[options.investment_deflator]
        province = provinces["fai_cny_100m"]
        each = np.arange(len(fai))
        last, known = last_known(fai)
        assumed = (np.arange(len(self.years)) > last[:, None]) & known[:, None]
        extension = options.fai_extension
        if extension == "none":
            return fai / deflator, np.zeros_like(assumed)
        fai_last = fai[each, last][:, None]
        if extension == "flat":
            flat = fai_last / deflator[each, last][:, None]
            return np.where(assumed, flat, fai / deflator), assumed
        if extension == "real_estate":
            ratio = estate / estate[each, last][:, None]
        elif extension == "province_then_real_estate":
            last_province, has_province = last_known(province)
            upto = np.minimum(np.arange(len(self.years)), last_province[:, None])
            upto = np.where(has_province[:, None], upto, np.arange(len(self.years)))
            turning = np.maximum(last[:, None], upto)
            row = each[:, None]
            ratio = (province[row, turning] / province[each, last][:, None]) * (
                estate / estate[row, turning]
            )
        else:
            raise wrong_option("fai_extension", extension)
        return np.where(assumed, fai_last * ratio, fai) / deflator, assumed

    def labour(self, options: Options) -> np.ndarray:
        """The labour input (twin: int_city_years__inputs)."""
        key = (*options.part(*SERIES), options.labour_measure)
        return self._once("labour", key, lambda: self._labour(options))

    def _labour(self, options: Options) -> np.ndarray:
        series = self.series(options)
        students = series["university_students_persons"]
        population = 10000 * series["population_persons_10k"]
        measure = options.labour_measure
        if measure == "university_share":
            return students / population
        if measure == "student_share":
            return (students + series["vocational_students_persons"]) / population
        if measure == "students":
            return students
        if measure == "employed":
            units = 10000 * series["unit_employment_persons_10k"]
            return units + series["private_employment_persons"]
        raise wrong_option("labour_measure", measure)

    def controls(self, options: Options) -> dict[str, np.ndarray]:
        """The paper's seven controls (twins: int_city_years__inputs and below)."""
        key = (*options.part(*INVESTMENT), options.log_base)
        return self._once("controls", key, lambda: self._controls(options))

    def _controls(self, options: Options) -> dict[str, np.ndarray]:
        s = self.series(options)
        deflator = self.provinces()[options.investment_deflator]
        population = 10000 * s["population_persons_10k"]
        base = options.log_base
        return {
            "eco": logarithm(s["gdp_cny_10k"] / 10000, base),
            "ind": s["tertiary_cny_10k"] / s["secondary_cny_10k"],
            "inf": logarithm(self.investment(options)[0] * deflator, base),
            "edu": s["education_expenditure_cny_10k"] / s["fiscal_expenditure_cny_10k"],
            "sca": logarithm(population / s["area_km2"], base),
            "tra": (s["imports_cny_10k"] + s["exports_cny_10k"]) / s["gdp_cny_10k"],
            "con": logarithm(s["retail_sales_cny_10k"], base),
        }

    # ---------------------------------------------------------------- capital

    def capital(self, options: Options) -> np.ndarray:
        """Capital stock, 10,000 yuan at 2011 prices (twin: est_capital_stocks)."""
        key = options.part(*CAPITAL_OPTIONS)
        return self._once("capital", key, lambda: self._capital(options))

    def _capital(self, options: Options) -> np.ndarray:
        real = self.investment(options)[0]
        nominal = real * self.provinces()[options.investment_deflator]
        rows = self.long(
            {"investment_cny_10k": nominal, "investment_real_cny_10k": real}
        )
        rows["city_en"] = np.repeat(
            self.cities["city_en"].to_numpy(dtype=object), len(self.years)
        )
        frame = stocks(rows, vars_of(options))
        return self.wide(frame, "capital_real_cny_10k")

    # ----------------------------------------------------------------- sample

    def sample(self, options: Options) -> Sample:
        """Who could draw the frontier and who does (twin: int_study_sample)."""
        key = options.part(*SAMPLE)
        return self._once("sample", key, lambda: self._sample(options), large=True)

    def _sample(self, options: Options) -> Sample:
        output, capital = self.real_output(options), self.capital(options)
        labour = self.labour(options)
        window = (self.years >= options.panel_first_year) & (
            self.years <= options.last_year
        )
        has = [table > 0 for table in (output, capital, labour)]
        complete = has[0] & has[1] & has[2]
        if options.study_sample == "all_available":
            drawn = complete & window
        elif options.study_sample in ("paper_like", "nbs_70"):
            always = complete[:, window].all(axis=1)
            if options.study_sample == "nbs_70":
                always = always & self.cities["is_in_nbs_70"].to_numpy(dtype=bool)
            drawn = always[:, None] & window
        else:
            raise wrong_option("study_sample", options.study_sample)
        for group in options.excluded_cities:
            drawn = drawn & ~self.in_group(group)[:, None]
        assumed = self.investment(options)[1] & window
        return Sample(
            output=output,
            capital=capital,
            labour=labour,
            has_output=has[0],
            has_capital=has[1],
            has_labour=has[2],
            is_candidate=np.broadcast_to(window, output.shape),
            is_in_sample=drawn,
            is_capital_assumed=np.logical_or.accumulate(assumed, axis=1),
        )

    def in_group(self, group: str) -> np.ndarray:
        """Cities of a group that a study may leave out, as a mask."""
        if group == "municipalities":
            return self.cities["is_municipality"].to_numpy(dtype=bool)
        if group == "provincial_capitals":
            return self.cities["is_provincial_capital"].to_numpy(dtype=bool)
        if group == "batch_4":
            return self.policy(Options())["batch"] == 4
        raise wrong_option("excluded_cities", group)

    def technology_rows(self, options: Options) -> pd.DataFrame:
        """The city-years that draw the frontier, as the index functions take them."""
        sample = self.sample(options)
        rows = self.long(
            {OUTPUT: sample.output, CAPITAL: sample.capital, LABOUR: sample.labour},
            sample.is_in_sample,
        )
        regions = self.cities["region"].to_numpy(dtype=object)
        rows["region"] = regions[np.nonzero(sample.is_in_sample)[0]]
        return rows

    # ---------------------------------------------------------------- indices

    def changes(self, options: Options) -> pd.DataFrame:
        """Malmquist indices (twin: est_tfp_changes, without its column variant)."""
        key = options.part(*CHANGES)
        return self._once(
            "changes",
            key,
            lambda: changes(self.technology_rows(options), vars_of(options)),
            large=True,
        )

    def zero_labour_share(self, options: Options) -> float:
        """Share of city-years in which a zero price of labour is optimal.

        Of the own-period constant-returns output distance, as `rpt_frontier` has it,
        whatever technology the options choose.
        """
        key = options.part(*SAMPLE)
        return self._once("zero_labour", key, lambda: self._zero_labour(options))

    def _zero_labour(self, options: Options) -> float:
        rows = self.technology_rows(options)
        inputs = rows[[CAPITAL, LABOUR]].to_numpy(dtype=float)
        outputs, years = rows[OUTPUT].to_numpy(dtype=float), rows["year"].to_numpy()
        zero = np.empty(len(rows), dtype=bool)
        for year in np.unique(years):
            at = years == year
            zero[at] = second_price_is_zero(
                inputs[at], outputs[at], tolerance=FRONTIER_TOLERANCE
            )
        return float(zero.mean())

    # ----------------------------------------------------------------- policy

    def policy(self, options: Options) -> dict[str, np.ndarray]:
        """Exposure and cohorts under a rule of dating (twin: int_policy_exposures).

        Returns
        -------
        dict
            `exposure` (city, year); `cohort`, `batch`, `approval_year` (city,), 0
            where there is none. A cohort is that of the treated batches.
        """
        key = options.part("exposure_from", "treated_batches")
        return self._once("policy", key, lambda: self._policy(options))

    def _policy(self, options: Options) -> dict[str, np.ndarray]:
        zones = self.sources.zones.dropna(subset=["city_id"])
        first = zones.groupby("city_id").agg({"batch": "min", "approval_date": "min"})
        first = first.reindex(self.city_ids)
        batch = first["batch"].fillna(0).to_numpy(dtype=int)
        dates = pd.to_datetime(first["approval_date"])
        approved = dates.dt.year.fillna(0).to_numpy(dtype=int)
        treated = np.isin(batch, options.treated_batches)
        rule = options.exposure_from
        lag = {"approval_year": 0, "next_year": 1, "fraction": 0}.get(rule)
        if lag is None:
            raise wrong_option("exposure_from", rule)
        cohort = np.where(treated, approved + lag, 0)
        on = treated[:, None] & (self.years >= cohort[:, None])
        exposure = on.astype(float)
        if rule == "fraction":
            shares = np.array([share_left(d) for d in dates])[:, None]
            now = treated[:, None] & (self.years == approved[:, None])
            exposure = np.where(now, shares, exposure)
        return {
            "exposure": exposure,
            "cohort": cohort,
            "batch": batch,
            "approval_year": approved,
        }

    def panel(self, options: Options) -> pd.DataFrame:
        """What the estimators read (twin: int_study_panel, without variant).

        Returns
        -------
        DataFrame
            city_id, year, region, outcome_name, the indices, outcome, sydid, cohort,
            event_time, later_batch, batch, the controls, is_municipality,
            is_provincial_capital, is_capital_assumed; sorted by city and year.
        """
        key = options.part(*PANEL)
        return self._once("panel", key, lambda: self._panel(options), large=True)

    def _panel(self, options: Options) -> pd.DataFrame:
        indices = self.changes(options)
        city = indices["city_id"].map(self._city_at).to_numpy()
        year = indices["year"].to_numpy(dtype=int)
        at = np.searchsorted(self.years, year)
        policy = self.policy(options)
        cohort = policy["cohort"]
        cohort = np.where(cohort <= options.last_year, cohort, 0)
        of_row = cohort[city]
        batch = policy["batch"][city]
        tfpch = indices["tfpch"].to_numpy(dtype=float)
        outcomes = {
            "tfpch": tfpch,
            "log_tfpch": logarithm(tfpch, "e"),
            "effch": indices["effch"].to_numpy(dtype=float),
            "techch": indices["techch"].to_numpy(dtype=float),
            "cumulative_log_tfp": indices["cumulative_log_tfp"].to_numpy(dtype=float),
        }
        if options.outcome not in outcomes:
            raise wrong_option("outcome", options.outcome)
        sample = self.sample(options)
        flags = self.cities["is_municipality"].to_numpy(dtype=bool)
        seats = self.cities["is_provincial_capital"].to_numpy(dtype=bool)
        frame = {
            "city_id": indices["city_id"].to_numpy(dtype=object),
            "year": year,
            "region": self.cities["region"].to_numpy(dtype=object)[city],
            "outcome_name": options.outcome,
            **outcomes,
            "outcome": outcomes[options.outcome],
            "sydid": policy["exposure"][city, at],
            "cohort": of_row,
            "event_time": np.where(of_row > 0, year - of_row, np.nan),
            "later_batch": np.where((of_row == 0) & (batch > 0), batch, np.nan),
            "batch": batch,
            **{name: table[city, at] for name, table in self.controls(options).items()},
            "is_municipality": flags[city],
            "is_provincial_capital": seats[city],
            "is_capital_assumed": sample.is_capital_assumed[city, at],
        }
        return pd.DataFrame(frame)

    # ----------------------------------------------------------------- shapes

    def long(
        self, tables: Mapping[str, np.ndarray], keep: np.ndarray | None = None
    ) -> pd.DataFrame:
        """City-year tables as a frame with city_id and year, by city and year."""
        if keep is None:
            keep = np.ones((len(self.city_ids), len(self.years)), bool)
        city, year = np.nonzero(keep)
        return pd.DataFrame(
            {
                "city_id": self.city_ids[city],
                "year": self.years[year],
                **{name: table[city, year] for name, table in tables.items()},
            }
        )

    def wide(self, frame: pd.DataFrame, column: str) -> np.ndarray:
        """A column of a city-year frame as a city x year table."""
        table = np.full((len(self.city_ids), len(self.years)), np.nan)
        city = frame["city_id"].map(self._city_at).to_numpy()
        year = np.searchsorted(self.years, frame["year"].to_numpy(dtype=int))
        table[city, year] = frame[column].to_numpy(dtype=float)
        return table


def vars_of(options: Options) -> dict[str, Any]:
    """The options as the study's steps take them, by name."""
    out = {f.name: getattr(options, f.name) for f in fields(options)}
    out["panel_first_year"] = options.panel_first_year
    out["capital_first_year"] = options.capital_first_year
    return out


def wrong_option(name: str, value: object) -> OptionError:
    """The error of an option with an unknown value."""
    return OptionError(
        describe(
            f"Option {name} is '{value}', which the study does not know",
            consequence="nothing was computed with it",
            remedy="choose a value of src/citypanel/curve/choices.yml",
        )
    )


IMPUTATIONS = ("paper", "linear", "growth_chaining", "none")


def fill_gaps(
    table: np.ndarray,
    years: np.ndarray,
    rule: str,
    carry_years: int,
    *,
    imputation: str = "paper",
) -> np.ndarray:
    """Fill each row's gaps (twins: int_cells__imputed and its macros).

    Parameters
    ----------
    table : ndarray (cities, years)
    years : ndarray (years,)
    rule : {"mean", "mean_carry", "none"}
        Which gaps may be filled: those between two values; also those at the ends;
        or none.
    carry_years : int
        How far beyond the first or last value.
    imputation : {"paper", "linear", "growth_chaining", "none"}
        What fills a gap: the mean of the nearest values, the line between them, or
        they moved with the cities' median growth; or nothing.

    Returns
    -------
    ndarray (cities, years)

    Raises
    ------
    OptionError
        For an unknown `imputation`.
    """
    if imputation not in IMPUTATIONS:
        raise wrong_option("imputation", imputation)
    if rule not in ("mean", "mean_carry") or imputation == "none":
        return table
    n = len(years)
    known = ~np.isnan(table)
    each = np.arange(len(table))[:, None]
    position = np.arange(n)
    before = np.maximum.accumulate(np.where(known, position, -1), axis=1)
    after = np.where(known, position, n)[:, ::-1]
    after = np.minimum.accumulate(after, axis=1)[:, ::-1]
    has_before, has_after = before >= 0, after < n
    before, after = np.maximum(before, 0), np.minimum(after, n - 1)
    between = ~known & has_before & has_after
    ends = np.zeros_like(known)
    if rule == "mean_carry":
        near = (has_before & (years - years[before] <= carry_years)) | (
            has_after & (years[after] - years <= carry_years)
        )
        ends = ~known & ~between & near
    first, last = table[each, before], table[each, after]
    since = (years - years[before]).astype(float)
    span = np.where(between, years[after] - years[before], 1).astype(float)
    nearest = np.where(has_before, first, last)
    if imputation == "paper":
        inside = (first + last) / 2
    elif imputation == "linear":
        inside = first + (last - first) * since / span
    else:
        path = common_path(table)
        here, start, stop = path, path[before], path[after]
        ratio = np.where(between & (first > 0) & (last > 0), last / first, np.nan)
        rest = logarithm(ratio, "e") - (stop - start)
        inside = first * exponential(here - start + rest * since / span)
        nearest = np.where(
            has_before,
            first * exponential(here - start),
            last * exponential(here - stop),
        )
    return np.where(between, inside, np.where(ends, nearest, table))


def common_path(table: np.ndarray) -> np.ndarray:
    """Cumulative median log change of the cities, 0 where no city has one."""
    logs = logarithm(table, "e")
    steps = np.zeros(table.shape[1])
    for t in range(1, table.shape[1]):
        change = logs[:, t] - logs[:, t - 1]
        change = np.sort(change[~np.isnan(change)])
        if len(change):
            middle = 0.5 * (len(change) - 1)
            low, high = change[math.floor(middle)], change[math.ceil(middle)]
            steps[t] = low + (high - low) * (middle - math.floor(middle))
    return np.cumsum(steps)


def exponential(values: np.ndarray) -> np.ndarray:
    """By the C library, value by value, as `logarithm`."""
    out = np.full(values.shape, np.nan)
    known = np.isfinite(values)
    out[known] = _EXP(values[known]).astype(float)
    return out


def running_product(values: np.ndarray) -> np.ndarray:
    """Product of the values so far, over those there are; none before the first."""
    known = ~np.isnan(values)
    product = np.cumprod(np.where(known, values, 1.0))
    return np.where(np.logical_or.accumulate(known), product, np.nan)


def last_known(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position of each row's last value, and whether it has one."""
    known = ~np.isnan(table)
    last = table.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    return last, known.any(axis=1)


def share_left(date: dt.date | pd.Timestamp) -> float:
    """Share of its year from a date on, the day itself counted."""
    if pd.isna(date):
        return float("nan")
    first = dt.date(date.year, 1, 1)
    following = dt.date(date.year + 1, 1, 1)
    day = dt.date(date.year, date.month, date.day)
    return (following - day).days / (following - first).days


_EXP = np.frompyfunc(math.exp, 1, 1)
_LOGS = {
    "10": np.frompyfunc(math.log10, 1, 1),
    "e": np.frompyfunc(math.log, 1, 1),
}


def logarithm(values: np.ndarray, base: str) -> np.ndarray:
    """Logarithm where the value is positive, not a number elsewhere.

    By the C library, value by value, as DuckDB takes it: NumPy's own differs in the
    last digit.
    """
    positive = values > 0
    out = np.full(values.shape, np.nan)
    out[positive] = _LOGS[base](values[positive]).astype(float)
    return out
