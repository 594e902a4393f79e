"""The capital stock of every city."""

from __future__ import annotations

import numpy as np
import pandas as pd

from citypanel.capital import initial_growth as mean_growth
from citypanel.capital import perpetual_inventory
from citypanel.study.declaration import Declaration
from citypanel.study.graph import step
from citypanel.study.grid import Grid
from citypanel.study.options import wrong_option
from citypanel.study.steps.inputs import Investment

FLOWS = ("nominal", "real")


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
) -> pd.DataFrame:
    """Perpetual inventory; see `citypanel.capital.perpetual_inventory`.

    Returns
    -------
    DataFrame
        city_id, year, investment_real_cny_10k, initial_growth, capital_real_cny_10k
        (end of year, prices of the base year).

    Raises
    ------
    CapitalError
        As `citypanel.capital.initial_growth` and `perpetual_inventory`.
    """
    if initial_growth not in FLOWS:
        raise wrong_option("initial_growth", initial_growth)
    rows = grid.long(
        {
            "investment_cny_10k": investment.nominal,
            "investment_real_cny_10k": investment.real,
        }
    )
    named = zip(
        cities["city_id"].to_numpy(dtype=object),
        cities["city_en"].to_numpy(dtype=object),
        strict=True,
    )
    labels = dict(named)
    column = f"investment_{'real_' * (initial_growth == 'real')}cny_10k"
    spanned = rows
    if initial_capital == "ten_percent":
        # The stock does not need the growth, so a figure without one stops nothing.
        spanned = rows.assign(**{column: rows[column].where(rows[column] > 0)})
    first, last = study.growth_years
    growth = mean_growth(
        spanned,
        unit="city_id",
        period="year",
        investment=column,
        first=first,
        last=last,
        labels=labels,
    )
    frame = perpetual_inventory(
        rows.loc[rows["year"] <= last_year],
        unit="city_id",
        period="year",
        investment="investment_real_cny_10k",
        growth=growth,
        depreciation=depreciation,
        initial_capital=initial_capital,
        first_period=capital_first_year,
        labels=labels,
    )
    return frame.rename(columns={"capital_real": "capital_real_cny_10k"})


@step
def capital(stocks: pd.DataFrame, grid: Grid) -> np.ndarray:
    """Capital stock, 10,000 yuan at prices of the base year."""
    return grid.wide(stocks, "capital_real_cny_10k")
