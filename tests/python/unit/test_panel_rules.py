"""Rules of whole tables, by hand, and the expectations that are made of them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from citypanel.quality import panel_rules, validate_panels
from citypanel.quality.accepted import write_accepted
from citypanel.quality.profiles import drifts, profile


@pytest.fixture
def panel():
    """Two cities, three years; d = 0.1 and I = 10: 100, 100, 100 and 50, 55, 59.5."""
    return pd.DataFrame(
        {
            "city": ["a"] * 3 + ["b"] * 3,
            "year": [2011, 2012, 2013] * 2,
            "stock": [100.0, 100.0, 100.0, 50.0, 55.0, 59.5],
            "investment": [10.0] * 6,
            "d": [0.1] * 6,
            "exposure": [0.0, 0.5, 1.0, 0.0, 0.0, 0.0],
            "index": [1.0, 1.2, 0.9, 1.0, 1.1, 1.0],
            "e": [1.0, 1.2, 0.9, 1.0, 1.1, 1.0],
            "t": [1.0] * 6,
        }
    )


KEYS = {"unit_column": "city", "time_column": "year"}
RECURSION = KEYS | {
    "stock_column": "stock",
    "investment_column": "investment",
    "depreciation_column": "d",
}
PRODUCT = {
    "keys": ["city", "year"],
    "product_column": "index",
    "factor_columns": ["e", "t"],
}
SUM = {
    "keys": ["city", "year"],
    "total_column": "stock",
    "part_columns": ["investment", "d"],
}


def test_a_gap_is_named_by_unit_and_time(panel):
    assert panel_rules.panel_gaps(panel, **KEYS).empty
    gaps = panel_rules.panel_gaps(panel.drop(index=4), **KEYS)
    assert gaps.to_dict("records") == [{"city": "b", "year": 2012}]


def test_gaps_are_found_in_text_as_well(panel):
    text = panel.astype({"year": "string"}).drop(index=4)
    assert len(panel_rules.panel_gaps(text, **KEYS)) == 1
    assert panel_rules.panel_gaps(text.head(0), **KEYS).empty


def test_a_falling_exposure_is_found_whatever_the_order(panel):
    rule = {**KEYS, "exposure_column": "exposure"}
    assert panel_rules.exposure_falls(panel, **rule).empty
    panel.loc[2, "exposure"] = 0.25
    found = panel_rules.exposure_falls(panel.sample(frac=1, random_state=1), **rule)
    assert found[["city", "year"]].values.tolist() == [["a", 2013]]


def test_the_recursion_is_that_of_perpetual_inventory(panel):
    assert panel_rules.recursion_breaks(panel, **RECURSION).empty
    panel.loc[4, "stock"] = 56.0
    found = panel_rules.recursion_breaks(panel, **RECURSION)
    # 56 itself, and 59.5, which would have to be 60.4.
    assert found["year"].tolist() == [2012, 2013]
    np.testing.assert_allclose(found["expected"], [55.0, 60.4])


def test_an_empty_stock_or_a_gap_breaks_the_recursion(panel):
    without = panel.drop(index=1)
    assert panel_rules.recursion_breaks(without, **RECURSION)["year"].tolist() == [2013]
    panel.loc[1, "stock"] = None
    assert panel_rules.recursion_breaks(panel, **RECURSION)["year"].tolist() == [
        2012,
        2013,
    ]


def test_factors_multiply_to_the_index(panel):
    assert panel_rules.product_breaks(panel, **PRODUCT).empty
    panel.loc[1, "t"] = 1.1
    panel.loc[2, "t"] = None
    assert panel_rules.product_breaks(panel, **PRODUCT)["year"].tolist() == [2012]


def test_parts_beyond_their_total_are_found_in_text(panel):
    text = panel.astype({"stock": "string", "investment": "string"})
    assert panel_rules.sum_excesses(text, **SUM).empty
    text.loc[3, "investment"] = "49.95"
    text.loc[4, "investment"] = "not a number"
    assert panel_rules.sum_excesses(text, **SUM)["year"].tolist() == [2011]
    assert panel_rules.sum_excesses(text, **SUM, tolerance=0.01).empty


def test_parts_that_make_up_their_total_are_not_beyond_it():
    # 0.1 + 0.2 is more than 0.3 by rounding.
    frame = pd.DataFrame({"k": [1, 2], "whole": 0.3, "a": 0.1, "b": [0.2, 0.2001]})
    for scale in (1e-6, 1.0, 1e9):
        scaled = frame.assign(**{c: frame[c] * scale for c in ("whole", "a", "b")})
        found = panel_rules.sum_excesses(
            scaled, keys=["k"], total_column="whole", part_columns=["a", "b"]
        )
        assert found["k"].tolist() == [2]


def test_a_profile_of_the_same_table_does_not_drift(panel):
    described = profile(panel, keys=["city", "year"])
    assert set(described["columns"]) == set(panel.columns) - {"city", "year"}
    assert drifts(panel, json.loads(json.dumps(described))).empty


@pytest.mark.parametrize("scale", [1e-7, 1.0, 1 / 3, 1e9])
def test_rounding_in_the_file_is_no_drift(scale):
    values = pd.DataFrame({"x": np.random.default_rng(1).normal(5, 1, 500) * scale})
    assert drifts(values, json.loads(json.dumps(profile(values)))).empty


def test_cells_that_differ_by_rounding_are_ties():
    ones = 1 + np.random.default_rng(2).normal(0, 1e-13, 300)
    before = profile(pd.DataFrame({"x": np.r_[np.linspace(0.5, 0.9, 300), ones]}))
    after = pd.DataFrame({"x": np.r_[np.linspace(0.5, 0.9, 300), np.ones(300)]})
    assert drifts(after, json.loads(json.dumps(before))).empty
    assert before["columns"]["x"]["cdf"][-1] == 1.0


def test_what_drifted_is_named():
    values = np.arange(1, 201, dtype=float)
    before = profile(
        pd.DataFrame({"x": values, "y": values, "z": values, "gone": values})
    )
    after = pd.DataFrame(
        {
            "x": values + 30,
            "y": np.where(values <= 10, np.nan, values),
            "z": np.where(values == 200, 2000, values),
        }
    )
    found = drifts(after, before)
    assert set(map(tuple, found[["column", "statistic"]].values)) == {
        ("x", "distribution"),
        ("y", "empty_share"),
        ("z", "range"),
        ("gone", "column"),
    }
    assert drifts(after.head(150), before)["statistic"].iloc[0] == "rows"


SUITE = [
    ("expect_panel_to_be_balanced", KEYS),
    ("expect_policy_exposure_to_be_monotone", KEYS | {"exposure_column": "exposure"}),
    ("expect_capital_to_follow_recursion", RECURSION),
    ("expect_columns_to_multiply_to", PRODUCT),
    ("expect_parts_not_to_exceed_total", SUM),
    ("expect_column_values_to_be_in_set",
     {"column": "city", "value_set": {"$PARAMETER": "cities__id"}}),
    ("expect_table_profile_to_match_accepted",
     {"accepted": {"$PARAMETER": "accepted"}}),
]  # fmt: skip


@pytest.fixture
def suites(tmp_path):
    suite = {
        "name": "panel",
        "meta": {"table": "marts.panel", "keys": ["city", "year"], "runs_in": "build"},
        "expectations": [
            {
                "type": kind,
                "kwargs": kwargs,
                "severity": "warning",
                "meta": {"reason": "because"},
            }
            for kind, kwargs in SUITE
        ],
    }
    (tmp_path / "panel.json").write_text(json.dumps(suite), encoding="utf-8")
    return tmp_path


REFERENCES = {"cities": pd.DataFrame({"id": ["a", "b"]})}


def test_the_expectations_hold_on_a_sound_panel(suites, panel):
    rows = validate_panels({"panel": panel}, suites=suites, references=REFERENCES)
    assert rows["success"].all()
    assert rows["observed_value"].iloc[-1] == "nothing accepted yet"
    assert rows["column_name"].iloc[2] == "stock"


def test_each_expectation_names_what_breaks_it(suites, panel):
    run = {
        "options": {"delta": "0.1"},
        "profiles": {"marts.panel": profile(panel, keys=["city", "year"])},
        "findings": [], "coverage": {}, "expectations": [], "estimates": {},
    }  # fmt: skip
    write_accepted(suites, run)
    broken = panel.drop(index=3)
    broken.loc[2, ["exposure", "index", "stock"]] = [0.1, 0.5, 9.0]
    broken["city"] = broken["city"].replace("b", "c")
    rows = validate_panels(
        {"panel": broken}, suites=suites, references=REFERENCES,
        options={"delta": "0.1"},
    )  # fmt: skip
    assert not rows["success"].any()
    keys = rows["failing_keys"].tolist()
    assert keys[0] == "city c, year 2011"
    assert keys[1].startswith("city a, year 2013, exposure 0.1")
    assert "city a, year 2013, stock 9.0, expected 100.0" in keys[2]
    assert keys[3].startswith("city a, year 2013, index 0.5")
    assert keys[4].startswith("city a, year 2013, stock 9.0, sum_of_parts 10.1")
    assert "city c" in keys[5]
    assert "rows, accepted 6, now 5" in keys[6]
    other = validate_panels(
        {"panel": broken}, suites=suites, references=REFERENCES,
        options={"delta": "0.05"},
    )  # fmt: skip
    assert bool(other["success"].iloc[6])
    assert other["observed_value"].iloc[6] == "accepted under other options (delta)"
