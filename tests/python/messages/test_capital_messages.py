"""Every complaint of the perpetual inventory names the unit and the way out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from citypanel.capital import initial_growth, perpetual_inventory
from citypanel.errors import CapitalError, OptionError, PanelError


def _stocks(rows, growth=0.1, **options):
    panel = pd.DataFrame(rows, columns=["city", "year", "investment"])
    return perpetual_inventory(
        panel,
        unit="city",
        period="year",
        investment=options.pop("investment", "investment"),
        growth=pd.Series(growth, index=panel["city"].unique()),
        first_period=2011,
        **options,
    )


SOUND = [("a", 2011, 1.0), ("a", 2012, 1.0)]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (
            dict(rows=SOUND, initial_capital="ten"),
            OptionError,
            ["'ten'", "ten_percent"],
        ),
        (dict(rows=SOUND, depreciation=6), OptionError, ["depreciation is 6"]),
        (
            dict(rows=SOUND, growth=-0.06),
            CapitalError,
            ["city a, growth -0.06", "initial_capital to ten_percent"],
        ),
        (
            dict(rows=[*SOUND, ("a", 2013, -2.0)]),
            CapitalError,
            ["city a, year 2013, investment -2", "Remedy:"],
        ),
        (
            dict(rows=[*SOUND, ("a", 2014, 2.0)]),
            CapitalError,
            ["not consecutive", "2014"],
        ),
        (dict(rows=[*SOUND, SOUND[1]]), PanelError, ["city a, year 2012", "Remedy:"]),
        (
            dict(rows=SOUND, investment="flow"),
            PanelError,
            ["lacks columns", "flow", "investment"],
        ),
    ],
)
def test_message(arguments, error, words):
    with pytest.raises(error) as raised:
        _stocks(**arguments)
    for word in words:
        assert word in str(raised.value)


def test_a_name_stands_beside_the_code():
    with pytest.raises(CapitalError, match=r"city a \(Alpha\), growth -0.06"):
        _stocks(rows=SOUND, growth=-0.06, labels={"a": "Alpha"})


def test_a_long_list_is_cut_to_ten_and_counted():
    rows = [(f"city{i:02d}", 2011, -1.0) for i in range(25)]
    with pytest.raises(CapitalError) as raised:
        _stocks(rows)
    message = str(raised.value)
    assert message.count("  - ") == 10
    assert "(25)" in message and "and 15 more" in message


FLOWS = {
    "a zero first": ([0.0, 2.0], "city a, year 2011, i 0"),
    "a zero last": ([2.0, 0.0], "city a, year 2014, i 0"),
    "both zero": ([0.0, 0.0], "city a, year 2011, i 0"),
    "a negative first": ([-1.0, 2.0], "city a, year 2011, i -1"),
    "two negatives": ([-1.0, -2.0], "city a, year 2014, i -2"),
    "an infinite last": ([1.0, np.inf], "city a, year 2014, i inf"),
}


@pytest.mark.parametrize("case", FLOWS)
def test_investment_without_a_growth_rate(case):
    flows, place = FLOWS[case]
    panel = pd.DataFrame(
        {"city": ["a", "a", "b", "b"], "year": [2011, 2014] * 2, "i": [*flows, 1, 2]}
    )
    with pytest.raises(CapitalError) as raised:
        _growth(panel, labels={"b": "Beta"})
    assert place in str(raised.value) and "city b" not in str(raised.value)


def _growth(panel, first=2011, last=2014, **options):
    return initial_growth(
        panel,
        unit="city",
        period="year",
        investment="i",
        first=first,
        last=last,
        **options,
    )


@pytest.mark.parametrize(("first", "last"), [(2014, 2011), (2011, 2011), (2011, 2013)])
def test_periods_without_a_growth_rate(first, last):
    panel = pd.DataFrame({"city": "a", "year": [2011, 2014], "i": [1.0, 2.0]})
    with pytest.raises(OptionError, match=f"from {first} to {last}"):
        _growth(panel, first=first, last=last)


@pytest.mark.parametrize("initial_capital", ["growth_plus_depreciation", "ten_percent"])
def test_no_stock_starts_from_nothing(initial_capital):
    rows = [("a", 2011, 0.0), ("a", 2012, 1.0)]
    with pytest.raises(CapitalError, match="stock would be zero"):
        _stocks(rows, initial_capital=initial_capital)


@pytest.mark.parametrize("growth", [np.inf, -np.inf, -1.0, -0.06 + 1e-17])
@pytest.mark.parametrize("initial_capital", ["growth_plus_depreciation", "end_of_year"])
def test_growth_that_starts_no_stock(growth, initial_capital):
    with pytest.raises(CapitalError, match="not positive and finite"):
        _stocks(SOUND, growth=growth, initial_capital=initial_capital)


def test_investment_shrinking_at_the_rate_of_depreciation():
    # 0.94^3 has rounding: growth + depreciation is 1e-16, not zero.
    flows = [0.94**t for t in range(4)]
    years = range(2011, 2015)
    panel = pd.DataFrame({"city": "a", "year": years, "i": flows})
    growth = _growth(panel).item()
    with pytest.raises(CapitalError, match=r"growth -0\.06"):
        _stocks([("a", y, v) for y, v in zip(years, flows, strict=True)], growth)


def test_a_unit_without_a_growth_rate():
    panel = pd.DataFrame({"city": [1, 1], "year": [2011, 2012], "investment": 1.0})
    with pytest.raises(CapitalError, match="Units have no growth rate"):
        perpetual_inventory(
            panel,
            unit="city",
            period="year",
            investment="investment",
            growth=pd.Series({"1": 0.1}),
            first_period=2011,
        )


def test_infinite_investment_and_no_period():
    with pytest.raises(CapitalError, match="year 2012, investment inf"):
        _stocks([("a", 2011, 1.0), ("a", 2012, np.inf)])
    with pytest.raises(CapitalError, match="not consecutive"):
        _stocks([("a", 2009, 1.0), ("a", 2010, 1.0)])
