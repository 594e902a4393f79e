"""The capital stock of every city."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from citypanel.capital.perpetual_inventory import (
    Naming,
    accumulated,
    check_options,
    growth_between,
    require_consecutive,
    require_ends,
    require_flows,
)
from citypanel.study.declaration import Declaration
from citypanel.study.graph import step
from citypanel.study.grid import Grid
from citypanel.study.parts import not_known
from citypanel.study.steps.inputs import Investment

FLOWS = ("nominal", "real")
INVESTMENT = "investment_real_cny_10k"


@dataclass(frozen=True, eq=False)
class Stocks:
    """Capital stocks and what they are made of, by city and year.

    Attributes
    ----------
    years : ndarray (T,)
        From that of the initial stock to the last.
    flows : ndarray (n, T)
        Real investment.
    growth : ndarray (n,)
        Mean annual growth that the initial stock rests on.
    stock : ndarray (n, T)
        End of year, prices of the base year.
    """

    years: np.ndarray
    flows: np.ndarray
    growth: np.ndarray
    stock: np.ndarray

    def frame(self, grid: Grid) -> pd.DataFrame:
        """One row per city and year.

        city_id, year, investment_real_cny_10k, initial_growth, capital_real_cny_10k.
        """
        units, years = grid.city_ids, self.years
        return pd.DataFrame(
            {
                "city_id": np.repeat(units, len(years)),
                "year": np.tile(years, len(units)),
                INVESTMENT: self.flows.ravel(),
                "initial_growth": np.repeat(self.growth, len(years)),
                "capital_real_cny_10k": self.stock.ravel(),
            }
        )


@step
def stocks(
    investment: Investment,
    cities: pd.DataFrame,
    grid: Grid,
    study: Declaration,
    *,
    initial_capital: str,
    initial_growth: str,
    depreciation: float,
    capital_first_year: int,
    last_year: int,
) -> Stocks:
    """Perpetual inventory; see `citypanel.capital.perpetual_inventory`.

    Raises
    ------
    CapitalError
        As `citypanel.capital.initial_growth` and `perpetual_inventory`.
    """
    if initial_growth not in FLOWS:
        raise not_known("initial_growth", initial_growth)
    units = grid.city_ids
    labels = dict(zip(cities["city_id"], cities["city_en"], strict=True))
    real = initial_growth == "real"
    spanned = investment.real if real else investment.nominal
    if initial_capital == "ten_percent":
        # The stock does not need the growth, so a figure without one stops nothing.
        spanned = np.where(spanned > 0, spanned, np.nan)
    first, last = study.growth_years
    require_ends(grid.years, first, last, "year")
    growth = growth_between(
        spanned[:, np.searchsorted(grid.years, [first, last])],
        first,
        last,
        Naming("city_id", "year", f"investment_{'real_' * real}cny_10k", units, labels),
    )
    kept = (grid.years >= capital_first_year) & (grid.years <= last_year)
    years = grid.years[kept]
    require_consecutive(years, capital_first_year)
    check_options(initial_capital, depreciation)
    flows = investment.real[:, kept]
    naming = Naming("city_id", "year", INVESTMENT, units, labels)
    require_flows(flows, years, naming)
    stock = accumulated(
        flows,
        growth,
        depreciation=depreciation,
        initial_capital=initial_capital,
        naming=naming,
    )
    return Stocks(years, flows, growth, stock)


@step
def capital(stocks: Stocks, grid: Grid) -> np.ndarray:
    """Capital stock, 10,000 yuan at prices of the base year."""
    table = np.full(grid.shape, np.nan)
    table[:, np.searchsorted(grid.years, stocks.years)] = stocks.stock
    return table
