"""The steps of the study as the build writes them: one table a group of steps.

Each function takes the tables of the steps before and returns the next one, with the
alternatives of every input beside those that a variant picks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from citypanel.study.declaration import HEADLINE, Declaration, declared
from citypanel.study.formulas import logarithm
from citypanel.study.grid import Grid
from citypanel.study.options import Options
from citypanel.study.run import GRAPH
from citypanel.study.steps.inputs import Investment
from citypanel.study.steps.series import (
    GDP_DEFLATOR,
    IMPUTATIONS,
    INVESTMENT_PRICE,
    filled,
    last_known,
    neighbours,
    settings,
)

PRICES = {GDP_DEFLATOR: "gdp_deflator_idx", INVESTMENT_PRICE: "investment_price_idx"}
# Whole numbers that DuckDB's integers hold; others are its bigints.
INTEGERS = ("year", "year_before", "year_after", "last_fai_year", "later_batch")


def options_of(variants: pd.DataFrame, variant: str = HEADLINE) -> Options:
    """The options of a variant."""
    return Options.of_build(variants.set_index("variant").loc[variant])


def _sources(cities: pd.DataFrame, years: Iterable[int]) -> dict[str, Any]:
    """Sources that every step may need."""
    cities = cities.sort_values("city_id", ignore_index=True)
    years = np.unique(np.asarray(list(years), dtype=int))
    study = declared()
    return {
        "cities": cities,
        "grid": Grid(cities["city_id"].to_numpy(dtype=object), years),
        "study": study,
        "base_year": study.base_year,
    }


def _series(cells: pd.DataFrame, grid: Grid, column: str) -> dict[str, np.ndarray]:
    """Cells of a column as a table a variable."""
    return {
        str(name): grid.wide(rows, column)
        for name, rows in cells.groupby("variable", sort=False)
    }


def _each(
    variants: pd.DataFrame, make: Callable[[Options, str], pd.DataFrame]
) -> pd.DataFrame:
    """A frame a variant, in their order, with `variant` before its columns."""
    pieces = []
    for _, row in variants.sort_values("variant_order").iterrows():
        piece = make(Options.of_build(row), row["variant"])
        piece.insert(0, "variant", row["variant"])
        pieces.append(piece)
    return typed(pd.concat(pieces, ignore_index=True))


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Not-a-numbers as nulls, and small whole numbers as DuckDB's integers."""
    columns = {}
    for name, values in frame.items():
        if name in INTEGERS:
            columns[name] = values.astype("Int32")
        elif pd.api.types.is_float_dtype(values.dtype):
            array = values.to_numpy(float, na_value=np.nan)
            columns[name] = pd.arrays.FloatingArray(array, np.isnan(array))
        else:
            columns[name] = values
    return pd.DataFrame(columns)


def filled_cells(
    cells: pd.DataFrame, variables: pd.DataFrame, variants: pd.DataFrame
) -> pd.DataFrame:
    """Every cell as each rule fills it, and what it is filled from.

    Parameters
    ----------
    cells : DataFrame
        city_id, year, variable, value: one reading a cell.
    variables : DataFrame
        variable, gap_rule.
    variants : DataFrame

    Returns
    -------
    DataFrame
        city_id, year, variable; setting (interior or end) of a gap that may be filled,
        and of a known cell were it one; year_before and year_after, the nearest known
        years; value__<rule> for each rule.
    """
    options = options_of(variants)
    cities = cells[["city_id"]].drop_duplicates()
    grid = _sources(cities, cells["year"])["grid"]
    rules = variables.set_index("variable")["gap_rule"]
    pieces = []
    for name, table in _series(cells, grid, "value").items():
        before, after = neighbours(~np.isnan(table))
        between, ends = settings(
            before, after, grid.years, rules[name], options.carry_years
        )
        columns = {
            "setting": np.where(between, "interior", np.where(ends, "end", None))
        }
        if rules[name] not in ("mean", "mean_carry"):
            columns["setting"] = np.full(grid.shape, None)
        columns |= {
            "year_before": _year_at(grid, before, before >= 0),
            "year_after": _year_at(grid, after, after < len(grid.years)),
        }
        for rule in IMPUTATIONS:
            step = GRAPH.run(
                "series",
                options.replace(imputation=rule),
                {"readings": {name: table}, "variables": variables, "grid": grid},
            )
            columns[f"value__{rule}"] = step[name]
        piece = grid.long(columns)
        piece.insert(2, "variable", name)
        pieces.append(piece)
    return typed(pd.concat(pieces, ignore_index=True))


def _year_at(grid: Grid, places: np.ndarray, there: np.ndarray) -> np.ndarray:
    years = grid.years[np.clip(places, 0, len(grid.years) - 1)]
    return np.where(there, years, np.nan)


# A gap of three years masks the years beside the cell too.
GAPS = (1, 3)
SETTINGS = ("interior", "end")
SCORES = {
    "variable": "string",
    "imputation": "string",
    "setting": "string",
    "gap_years": "Int32",
    "n_cells": "Int32",
    "abs_log_errors": object,
}


def imputation_errors(
    cells: pd.DataFrame, variables: pd.DataFrame, variants: pd.DataFrame
) -> pd.DataFrame:
    """Every known cell masked in turn, filled by each rule, and compared.

    A gap of three years masks the years beside the cell too: its nearest known years
    are then those of the year before and of the year after it.

    Parameters
    ----------
    cells, variables, variants : DataFrame
        As `filled_cells`.

    Returns
    -------
    DataFrame
        The columns of `SCORES`: variable, imputation, setting (interior or end),
        gap_years, n_cells, the known positive cells that were masked, and
        abs_log_errors, an array of the errors of those for which the rule has a
        positive value. One row per variable, rule, setting and length of the gap.
    """
    options = options_of(variants)
    cities = cells[["city_id"]].drop_duplicates()
    grid = _sources(cities, cells["year"])["grid"]
    rules = variables.set_index("variable")["gap_rule"]
    rows = []
    for name, table in _series(cells, grid, "value").items():
        if rules[name] not in ("mean", "mean_carry"):
            continue
        before, after = neighbours(~np.isnan(table))
        for gap in GAPS:
            asked = table > 0
            if gap == 3:
                asked = asked & _has_years_beside(grid)
                before = np.hstack([np.full((len(table), 1), -1), before[:, :-1]])
                last = np.full((len(table), 1), len(grid.years))
                after = np.hstack([after[:, 1:], last])
            between, ends = settings(
                before, after, grid.years, rules[name], options.carry_years
            )
            asked = asked & (between | ends)
            inside = between[asked]
            for rule in IMPUTATIONS:
                if rule == "none":
                    continue
                value = filled(table, before, after, grid.years, imputation=rule)
                error = np.abs(logarithm(value[asked] / table[asked], "e"))
                for setting, cells_of in zip(SETTINGS, (inside, ~inside), strict=True):
                    found = error[cells_of]
                    if len(found):
                        scored = found[~np.isnan(found)]
                        rows.append((name, rule, setting, gap, len(found), scored))
    return pd.DataFrame(rows, columns=list(SCORES)).astype(SCORES)


def _has_years_beside(grid: Grid) -> np.ndarray:
    """Years whose neighbours are in the panel too."""
    years, there = grid.years, np.zeros(len(grid.years), dtype=bool)
    there[1:-1] = (np.diff(years)[:-1] == 1) & (np.diff(years)[1:] == 1)
    return there


def _inputs(
    cells: pd.DataFrame, province_series: pd.DataFrame, cities: pd.DataFrame
) -> dict[str, Any]:
    """Results of the steps before the inputs."""
    given = _sources(cities, cells["year"])
    given["series"] = _series(cells, given["grid"], "value")
    given["province_series"] = province_series
    for name in ("provinces", "deflated"):
        given[name] = GRAPH.run(name, Options(), given)
    return given


def city_year_inputs(
    cells: pd.DataFrame,
    province_series: pd.DataFrame,
    cities: pd.DataFrame,
    variants: pd.DataFrame,
) -> pd.DataFrame:
    """Everything the study can choose from, one column an alternative.

    Parameters
    ----------
    cells : DataFrame
        city_id, year, variable, value, origin: the series without gaps.
    province_series, cities : DataFrame
        As `citypanel.study.run.Sources`.
    variants : DataFrame

    Returns
    -------
    DataFrame
        city_id, year; output in current prices and, for each way to deflate it, real;
        growth_used_pct, the growth that is chained, and growth_origin; last_fai_year,
        is_assumed (a later year's investment is by some rule), the price indices and
        real investment by rule and index; labour by measure; the controls, but for
        those that follow the chosen investment.
    """
    options, study = options_of(variants), declared()
    given = _inputs(cells, province_series, cities)
    grid, series = given["grid"], given["series"]
    growth = GRAPH.run("growth_factor", options, given)
    last, known = last_known(series["fai_cny_10k"])
    columns: dict[str, np.ndarray] = {"gdp_cny_10k": series["gdp_cny_10k"]}
    for value in _values(study, "real_gdp"):
        columns[f"gdp_real_cny_10k__{value}"] = GRAPH.run(
            "real_output", options.replace(real_gdp=value), given
        )
    columns["growth_used_pct"] = 100 * (growth - 1)
    for rule in _values(study, "fai_extension"):
        for deflator in _values(study, "investment_deflator"):
            chosen = options.replace(fai_extension=rule, investment_deflator=deflator)
            found = GRAPH.run("investment", chosen, given)
            columns[f"investment_real_cny_10k__{rule}__{deflator}"] = found.real
            if rule != "none":
                columns["is_assumed"] = found.is_assumed
    columns["last_fai_year"] = np.broadcast_to(
        np.where(known, grid.years[last], np.nan)[:, None], grid.shape
    )
    columns |= {name: given["provinces"][key] for key, name in PRICES.items()}
    for measure in _values(study, "labour_measure"):
        columns[f"labour__{measure}"] = GRAPH.run(
            "labour", options.replace(labour_measure=measure), given
        )
    given["investment"] = GRAPH.run("investment", options, given)
    columns |= {
        name: table
        for name, table in GRAPH.run("controls", options, given).items()
        if set(study.controls[name].formula.names) <= set(series)
    }
    frame = grid.long(columns)
    origin = cells.loc[cells["variable"] == "gdp_growth_pct"]
    origin = frame[["city_id", "year"]].merge(
        origin[["city_id", "year", "origin"]], on=["city_id", "year"], how="left"
    )["origin"]
    published = grid.long({"rate": series["gdp_growth_pct"]})["rate"].notna()
    origin = origin.where(published, "chained")
    frame.insert(
        4, "growth_origin", origin.where(frame["growth_used_pct"].notna(), "missing")
    )
    return typed(frame)


def _values(study: Declaration, option: str) -> tuple[str, ...]:
    return tuple(map(str, study.options[option].permitted))


def study_inputs(
    cells: pd.DataFrame,
    province_series: pd.DataFrame,
    cities: pd.DataFrame,
    variants: pd.DataFrame,
) -> pd.DataFrame:
    """The inputs each variant uses, and its controls.

    Parameters
    ----------
    cells, province_series, cities, variants : DataFrame
        As `city_year_inputs`.

    Returns
    -------
    DataFrame
        variant, city_id, year, city_en; gdp_cny_10k, gdp_real_cny_10k,
        investment_cny_10k, investment_deflator_idx, investment_real_cny_10k, labour;
        the controls; is_investment_assumed.
    """
    given = _inputs(cells, province_series, cities)

    def make(options: Options, variant: str) -> pd.DataFrame:
        chosen = GRAPH.run("investment", options, given)
        frame = given["grid"].long(
            {
                "gdp_cny_10k": given["series"]["gdp_cny_10k"],
                "gdp_real_cny_10k": GRAPH.run("real_output", options, given),
                "investment_cny_10k": chosen.nominal,
                "investment_deflator_idx": chosen.deflator,
                "investment_real_cny_10k": chosen.real,
                "labour": GRAPH.run("labour", options, given),
                **GRAPH.run("controls", options, given | {"investment": chosen}),
                "is_investment_assumed": chosen.is_assumed,
            }
        )
        names = given["cities"].set_index("city_id")["city_en"]
        frame.insert(2, "city_en", frame["city_id"].map(names))
        return frame

    return _each(variants, make)


def _of_inputs(inputs: pd.DataFrame, variant: str, grid: Grid) -> dict[str, Any]:
    """The steps that a variant's rows of `study_inputs` are results of."""
    rows = inputs.loc[inputs["variant"] == variant]
    names = {"real_output": "gdp_real_cny_10k", "labour": "labour"}
    known = [name for name in declared().controls if name in rows]
    return {
        **{step: grid.wide(rows, c) for step, c in names.items() if c in rows},
        "investment": Investment(
            grid.wide(rows, "investment_real_cny_10k"),
            grid.wide(rows, "is_investment_assumed") > 0,
            grid.wide(rows, "investment_deflator_idx"),
        ),
        "controls": {name: grid.wide(rows, name) for name in known},
    }


def capital_stocks(inputs: pd.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """Perpetual inventory of every variant.

    Parameters
    ----------
    inputs : DataFrame
        As `study_inputs`: variant, city_id, city_en, year, investment_real_cny_10k,
        investment_deflator_idx; every year from the variant's capital_first_year to
        the last that growth is measured to at least, investment missing where there is
        none.
    variants : DataFrame

    Returns
    -------
    DataFrame
        variant, city_id, year, investment_real_cny_10k, initial_growth,
        capital_real_cny_10k (end of year, prices of the base year).

    Raises
    ------
    CapitalError
        As `citypanel.capital.perpetual_inventory`.
    """
    cities = inputs[["city_id", "city_en"]].drop_duplicates("city_id")
    given = _sources(cities, inputs["year"])

    def make(options: Options, variant: str) -> pd.DataFrame:
        mine = _of_inputs(inputs, variant, given["grid"])
        return GRAPH.run("stocks", options, given | mine).frame(given["grid"])

    return _each(variants, make)


def study_sample(
    inputs: pd.DataFrame,
    stocks: pd.DataFrame,
    cities: pd.DataFrame,
    policy: pd.DataFrame,
    variants: pd.DataFrame,
) -> pd.DataFrame:
    """The city-years that could draw each variant's frontier, and those that do.

    Parameters
    ----------
    inputs, stocks : DataFrame
        As `study_inputs` and `capital_stocks`.
    cities, policy : DataFrame
        As `citypanel.study.run.Sources`.
    variants : DataFrame

    Returns
    -------
    DataFrame
        variant, city_id, year, region; gdp_real_cny_10k, capital_real_cny_10k, labour;
        has_output, has_capital, has_labour, is_complete, is_capital_assumed;
        excluded_as, the groups for which the city is left out; is_in_sample. One row
        per variant, city and year of its window.
    """
    given = _sources(cities, inputs["year"]) | {"policy": policy}
    grid = given["grid"]
    regions = given["cities"]["region"].to_numpy(dtype=object)

    def make(options: Options, variant: str) -> pd.DataFrame:
        rows = stocks.loc[stocks["variant"] == variant]
        mine = given | _of_inputs(inputs, variant, grid)
        mine["capital"] = grid.wide(rows, "capital_real_cny_10k")
        mine["groups"] = GRAPH.run("groups", options, mine)
        sample = GRAPH.run("sample", options, mine)
        frame = grid.long(
            {
                "gdp_real_cny_10k": sample.output,
                "capital_real_cny_10k": sample.capital,
                "labour": sample.labour,
                "has_output": sample.has_output,
                "has_capital": sample.has_capital,
                "has_labour": sample.has_labour,
                "is_complete": sample.has_output
                & sample.has_capital
                & sample.has_labour,
                "is_capital_assumed": sample.is_capital_assumed,
                "is_in_sample": sample.is_in_sample,
            },
            sample.is_candidate,
        )
        city, _ = grid.places(frame)
        named = [
            ", ".join(g for g in options.excluded_cities if mine["groups"][g][i])
            for i in range(len(regions))
        ]
        frame.insert(2, "region", regions[city])
        frame.insert(11, "excluded_as", np.array(named, dtype=object)[city])
        return frame

    return _each(variants, make)


def study_panel(
    indices: pd.DataFrame,
    inputs: pd.DataFrame,
    sample: pd.DataFrame,
    cities: pd.DataFrame,
    policy: pd.DataFrame,
    variants: pd.DataFrame,
) -> pd.DataFrame:
    """What the estimators read: one row per variant, city and year with an index.

    Parameters
    ----------
    indices : DataFrame
        As `citypanel.study.productivity.tfp_changes`.
    inputs, sample, cities, policy, variants : DataFrame
        As `study_sample`, and its result.

    Returns
    -------
    DataFrame
        variant and the columns of `citypanel.study.steps.panel.panel`, but for batch,
        which later_batch has of the cities that are no treated ones.
    """
    given = _sources(cities, inputs["year"]) | {"policy": policy}
    grid = given["grid"]

    def make(options: Options, variant: str) -> pd.DataFrame:
        mine = given | _of_inputs(inputs, variant, grid)
        rows = sample.loc[sample["variant"] == variant]
        mine["is_capital_assumed"] = grid.wide(rows, "is_capital_assumed") > 0
        mine["index"] = indices.loc[indices["variant"] == variant]
        frame = GRAPH.run("panel", options, mine).drop(columns="batch")
        return frame.astype({"cohort": "int64", "event_time": "Int64"})

    return _each(variants, make)
