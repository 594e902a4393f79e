"""Every complaint of the perpetual inventory names the unit and the way out."""

from __future__ import annotations

import pandas as pd
import pytest

from citypanel.capital import perpetual_inventory
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
