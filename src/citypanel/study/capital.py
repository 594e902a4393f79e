"""Capital stocks of every variant."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from citypanel.capital import initial_growth, perpetual_inventory
from citypanel.study.variants import by_variant

# Section 4.2.1: growth of investment from 2011 to 2014.
GROWTH_FIRST, GROWTH_LAST = 2011, 2014


def capital_stocks(inputs: pd.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """Perpetual inventory of every variant.

    Parameters
    ----------
    inputs : DataFrame
        variant, city_id, city_en, year, investment_cny_10k (current prices),
        investment_real_cny_10k (2011 prices); every year from the variant's
        capital_first_year to 2014 at least, investment missing where there is none.
    variants : DataFrame
        variant, variant_order, capital_first_year, last_year, depreciation,
        initial_capital, initial_growth.

    Returns
    -------
    DataFrame
        variant, city_id, year, investment_real_cny_10k, initial_growth,
        capital_real_cny_10k (end of year, 2011 prices).

    Raises
    ------
    CapitalError
        As `citypanel.capital.initial_growth` and `perpetual_inventory`.
    """
    return by_variant(inputs, variants, stocks)


def stocks(rows: pd.DataFrame, options: Mapping[str, object]) -> pd.DataFrame:
    """Perpetual inventory of one set of options; see `capital_stocks`."""
    column = {
        "nominal": "investment_cny_10k",
        "real": "investment_real_cny_10k",
    }[options["initial_growth"]]
    named = zip(
        rows["city_id"].to_numpy(dtype=object),
        rows["city_en"].to_numpy(dtype=object),
        strict=True,
    )
    labels = dict(named)
    spanned = rows
    if options["initial_capital"] == "ten_percent":
        # The stock does not need the growth, so a figure without one stops nothing.
        spanned = rows.assign(**{column: rows[column].where(rows[column] > 0)})
    growth = initial_growth(
        spanned,
        unit="city_id",
        period="year",
        investment=column,
        first=GROWTH_FIRST,
        last=GROWTH_LAST,
        labels=labels,
    )
    stocks = perpetual_inventory(
        rows.loc[rows["year"] <= options["last_year"]],
        unit="city_id",
        period="year",
        investment="investment_real_cny_10k",
        growth=growth,
        depreciation=options["depreciation"],
        initial_capital=options["initial_capital"],
        first_period=options["capital_first_year"],
        labels=labels,
    )
    return stocks.rename(columns={"capital_real": "capital_real_cny_10k"})
