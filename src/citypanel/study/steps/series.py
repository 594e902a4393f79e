"""From the readings of the sources to series without gaps."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from citypanel.study.formulas import exponential, logarithm
from citypanel.study.graph import step
from citypanel.study.grid import Grid
from citypanel.study.parts import not_known

GDP_DEFLATOR, INVESTMENT_PRICE = "province_gdp_deflator", "province_investment_price"
PROVINCE_INVESTMENT = "fai_cny_100m"
IMPUTATIONS = ("paper", "linear", "growth_chaining", "none")


@step
def cell_places(
    cells: pd.DataFrame, variables: pd.DataFrame, grid: Grid
) -> dict[str, tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]]:
    """Rows of each yearbook variable among the cells, and their places on the grid.

    Parameters
    ----------
    cells, variables : DataFrame
        As `readings`.
    """
    city, year = grid.places(cells)
    codes, names = pd.factorize(cells["variable"])
    code_of = {name: code for code, name in enumerate(names)}
    rows = {
        name: np.flatnonzero(codes == code_of.get(name, len(names)))
        for name in variables.loc[variables["kind"] == "yearbook", "variable"]
    }
    return {name: (mine, (city[mine], year[mine])) for name, mine in rows.items()}


@step
def readings(
    cells: pd.DataFrame, cell_places: dict, grid: Grid, *, gdp_vintage: str
) -> dict[str, np.ndarray]:
    """One reading a cell: that of the first usable source of the vintage.

    Parameters
    ----------
    cells : DataFrame
        city_id, year, variable, value__<vintage>: `int_cells__reconciled`.
    cell_places : dict
        As `cell_places`.
    gdp_vintage : str
    """
    column = f"value__{gdp_vintage}"
    if column not in cells:
        raise not_known("gdp_vintage", gdp_vintage)
    values = cells[column].to_numpy(float, na_value=np.nan)
    found = {}
    for name, (rows, places) in cell_places.items():
        found[name] = np.full(grid.shape, np.nan)
        found[name][places] = values[rows]
    return found


@step
def series(
    readings: dict[str, np.ndarray],
    variables: pd.DataFrame,
    grid: Grid,
    *,
    imputation: str,
    carry_years: int,
) -> dict[str, np.ndarray]:
    """Every series with its gaps filled, before anything is added or divided.

    Parameters
    ----------
    variables : DataFrame
        variable, gap_rule: which gaps of a series may be filled.
    """
    rules = variables.set_index("variable")["gap_rule"]
    return {
        name: fill_gaps(
            table, grid.years, rules[name], carry_years, imputation=imputation
        )
        for name, table in readings.items()
    }


@step
def provinces(
    province_series: pd.DataFrame,
    cities: pd.DataFrame,
    grid: Grid,
    base_year: int,
) -> dict[str, np.ndarray]:
    """Investment and price indices of each city's province.

    deflator_t = (GDP_t / GDP_base) / (real_t / real_base), with `real` the chained
    growth of the province; the price of investment is chained too.

    Parameters
    ----------
    province_series : DataFrame
        province_id, year, indicator (GDP and FAI in 100 million yuan; GDPIDX and FAIPI,
        previous year = 100), value.
    cities : DataFrame
        province_id, in the order of the grid.

    Returns
    -------
    dict
        fai_cny_100m; province_gdp_deflator and province_investment_price, 1 in the
        base year.
    """
    wide = province_series.pivot_table(
        index=["province_id", "year"],
        columns="indicator",
        values="value",
        aggfunc="max",
        dropna=False,
    ).reindex(columns=["GDP", "GDPIDX", "FAI", "FAIPI"])
    seen = province_series[["province_id", "year"]].drop_duplicates()
    wide = wide.reindex(pd.MultiIndex.from_frame(seen)).sort_index()
    names = (PROVINCE_INVESTMENT, GDP_DEFLATOR, INVESTMENT_PRICE)
    out = {name: np.full(grid.shape, np.nan) for name in names}
    province_of = cities["province_id"].to_numpy(dtype=object)
    for province, rows in wide.groupby(level="province_id"):
        years = rows.index.get_level_values("year").to_numpy(dtype=int)
        gdp, growth, fai, price = rows.to_numpy(dtype=float).T
        base = np.flatnonzero(years == base_year)
        if not len(base):
            continue
        b = base[0]
        chain, prices = chained(growth / 100), chained(price / 100)
        columns = {
            PROVINCE_INVESTMENT: fai,
            GDP_DEFLATOR: (gdp / gdp[b]) / (chain / chain[b]),
            INVESTMENT_PRICE: prices / prices[b],
        }
        kept = np.isin(years, grid.years)
        at = np.searchsorted(grid.years, years[kept])
        here = np.flatnonzero(province_of == province)
        for name, values in columns.items():
            out[name][np.ix_(here, at)] = values[kept]
    return out


def chained(links: np.ndarray) -> np.ndarray:
    """Product of the links so far; a chain with a missing link is no index."""
    whole = np.logical_and.accumulate(~np.isnan(links))
    return np.where(whole, np.cumprod(np.where(whole, links, 1.0)), np.nan)


def fill_gaps(
    table: np.ndarray,
    years: np.ndarray,
    rule: str,
    carry_years: int,
    *,
    imputation: str = "paper",
) -> np.ndarray:
    """Fill each row's gaps.

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
        What fills a gap, see `filled`.

    Returns
    -------
    ndarray (cities, years)

    Raises
    ------
    OptionError
        For an unknown `imputation`.
    """
    if imputation not in IMPUTATIONS:
        raise not_known("imputation", imputation)
    if rule not in ("mean", "mean_carry") or imputation == "none":
        return table
    known = ~np.isnan(table)
    before, after = neighbours(known)
    between, ends = settings(before, after, years, rule, carry_years)
    new = filled(table, before, after, years, imputation=imputation)
    return np.where(~known & (between | ends), new, table)


def neighbours(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places of the nearest other known years: -1 before the first, T after the last.

    Of a known cell too: those it would have were it unknown.
    """
    n, T = known.shape
    position = np.arange(T)
    before = np.maximum.accumulate(np.where(known, position, -1), axis=1)
    after = np.where(known, position, T)[:, ::-1]
    after = np.minimum.accumulate(after, axis=1)[:, ::-1]
    before = np.hstack([np.full((n, 1), -1), before[:, :-1]])
    after = np.hstack([after[:, 1:], np.full((n, 1), T)])
    return before, after


def settings(
    before: np.ndarray,
    after: np.ndarray,
    years: np.ndarray,
    rule: str,
    carry_years: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Which cells lie between two known years, and which at an end near enough."""
    T = len(years)
    has_before, has_after = before >= 0, after < T
    between = has_before & has_after
    if rule != "mean_carry":
        return between, np.zeros_like(between)
    first, last = years[np.maximum(before, 0)], years[np.minimum(after, T - 1)]
    near = (has_before & (years - first <= carry_years)) | (
        has_after & (last - years <= carry_years)
    )
    return between, ~between & near


def filled(
    table: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    years: np.ndarray,
    *,
    imputation: str,
) -> np.ndarray:
    """What a rule puts into each cell, from its neighbours.

    paper              the mean of the two
    linear             the line between them
    growth_chaining    they moved with the cities' common growth (`common_path`)

    At an end the one neighbour there is, moved likewise under growth_chaining.

    Parameters
    ----------
    table : ndarray (cities, years)
    before, after : ndarray (cities, years)
        Places of the neighbours, as `neighbours`.
    """
    T = len(years)
    each = np.arange(len(table))[:, None]
    has_before, has_after = before >= 0, after < T
    between = has_before & has_after
    before, after = np.maximum(before, 0), np.minimum(after, T - 1)
    first = np.where(has_before, table[each, before], np.nan)
    last = np.where(has_after, table[each, after], np.nan)
    since = (years - years[before]).astype(float)
    span = np.where(between, years[after] - years[before], 1).astype(float)
    nearest = np.where(has_before, first, last)
    if imputation == "paper":
        inside = (first + last) / 2
    elif imputation == "linear":
        inside = first + (last - first) * since / span
    else:
        here = common_path(table)
        start, stop = here[before], here[after]
        ratio = np.where(between & (first > 0) & (last > 0), last / first, np.nan)
        rest = logarithm(ratio, "e") - (stop - start)
        inside = first * exponential(here - start + rest * since / span)
        nearest = np.where(
            has_before,
            first * exponential(here - start),
            last * exponential(here - stop),
        )
    return np.where(between, inside, nearest)


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


def last_known(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position of each row's last value, and whether it has one."""
    known = ~np.isnan(table)
    last = table.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    return last, known.any(axis=1)
