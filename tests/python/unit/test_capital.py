"""Perpetual inventory by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from citypanel.capital import initial_growth, perpetual_inventory


@pytest.fixture
def panel():
    # Unit a grows by 10 per cent a year, unit b is flat.
    return pd.DataFrame(
        {
            "city": ["b", "b", "b", "b", "a", "a", "a", "a"],
            "year": [2011, 2012, 2013, 2014] * 2,
            "investment": [80.0, 80.0, 80.0, 80.0, 100.0, 110.0, 121.0, 133.1],
        }
    )


def _growth(panel):
    return initial_growth(
        panel,
        unit="city",
        period="year",
        investment="investment",
        first=2011,
        last=2014,
    )


def _stocks(panel, **options):
    return perpetual_inventory(
        panel,
        unit="city",
        period="year",
        investment="investment",
        growth=options.pop("growth", _growth(panel)),
        first_period=2011,
        **options,
    )


def test_growth_is_the_geometric_mean(panel):
    assert _growth(panel).to_dict() == pytest.approx({"a": 0.1, "b": 0.0})


def test_stocks_by_hand(panel):
    stocks = _stocks(panel, depreciation=0.1).set_index(["city", "year"])
    # a: 100 / (0.1 + 0.1) = 500; 110 + 0.9 x 500 = 560; 121 + 504 = 625; 133.1 + 562.5
    assert stocks.loc["a", "capital_real"].tolist() == pytest.approx(
        [500.0, 560.0, 625.0, 695.6]
    )
    # b: 80 / (0 + 0.1) = 800, at which investment just replaces depreciation.
    assert stocks.loc["b", "capital_real"].tolist() == pytest.approx([800.0] * 4)


@pytest.mark.parametrize(
    ("initial_capital", "expected"),
    [
        ("growth_plus_depreciation", 500.0),
        ("end_of_year", 550.0),
        ("ten_percent", 1000.0),
    ],
)
def test_initial_stock(panel, initial_capital, expected):
    stocks = _stocks(panel, depreciation=0.1, initial_capital=initial_capital)
    first = stocks[(stocks["city"] == "a") & (stocks["year"] == 2011)]
    assert first["capital_real"].item() == pytest.approx(expected)


def test_a_hole_in_investment_ends_the_stock_of_that_unit_only(panel):
    panel.loc[(panel["city"] == "a") & (panel["year"] == 2013), "investment"] = np.nan
    stocks = _stocks(panel, growth=pd.Series({"a": 0.1, "b": 0.0}))
    stocks = stocks.set_index(["city", "year"])["capital_real"]
    assert stocks["a"].notna().tolist() == [True, True, False, False]
    assert stocks["b"].notna().all()


def test_order_of_rows_does_not_matter(panel):
    shuffled = panel.sample(frac=1, random_state=7)
    pd.testing.assert_frame_equal(_stocks(panel), _stocks(shuffled))


def test_a_unit_without_one_end_has_no_growth_and_no_stock(panel):
    panel.loc[(panel["city"] == "a") & (panel["year"] == 2014), "investment"] = np.nan
    growth = _growth(panel)
    assert growth.index.tolist() == ["a", "b"] and growth.isna().tolist() == [
        True,
        False,
    ]
    stocks = _stocks(panel).set_index(["city", "year"])["capital_real"]
    assert stocks["a"].isna().all() and stocks["b"].notna().all()
