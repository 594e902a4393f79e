"""Suites on small frames: verdicts, failing keys and mismatched names."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from citypanel.errors import PanelError
from citypanel.quality import validate_panels
from citypanel.workers import in_worker

VALIDATE = "citypanel.quality.expectations.validate_panels"


@pytest.fixture
def suites(tmp_path):
    folder = tmp_path / "suites"
    folder.mkdir()

    def expectation(kind, severity, **kwargs):
        meta = {"reason": "because"}
        return {"type": kind, "kwargs": kwargs, "severity": severity, "meta": meta}

    suite = {
        "name": "stocks",
        "meta": {"table": "marts.stocks", "keys": ["city", "year"]},
        "expectations": [
            expectation(
                "expect_column_values_to_be_between",
                "critical",
                column="stock",
                min_value=0,
            ),
            expectation(
                "expect_column_values_to_not_be_null", "warning", column="stock"
            ),
            expectation(
                "expect_compound_columns_to_be_unique",
                "critical",
                column_list=["city", "year"],
            ),
            expectation(
                "expect_column_mean_to_be_between",
                "info",
                column="stock",
                min_value=100,
            ),
        ],
    }
    (folder / "stocks.json").write_text(json.dumps(suite))
    return folder


@pytest.fixture
def panel():
    return pd.DataFrame(
        {
            "city": ["a", "a", "b", "b"],
            "year": [2011, 2012, 2011, 2012],
            "stock": [5.0, -1.0, None, 3.0],
        }
    )


def test_one_row_per_expectation_with_failing_keys(suites, panel):
    rows = validate_panels({"stocks": panel}, suites=suites)
    assert rows["expectation_number"].tolist() == [1, 2, 3, 4]
    assert rows["success"].tolist() == [False, False, True, False]
    assert rows["severity"].tolist() == ["critical", "warning", "critical", "info"]
    assert rows["failing_keys"][0] == "city a, year 2012, stock -1.0"
    assert rows["failing_keys"][1] == "city b, year 2011, stock (empty)"
    assert rows["n_unexpected"][:2].tolist() == [1, 1]
    assert float(rows["observed_value"][3]) == pytest.approx(7 / 3)


def test_a_worker_gives_the_same_rows_and_the_same_errors(suites, panel):
    here = validate_panels({"stocks": panel}, suites=suites)
    apart = in_worker(VALIDATE, {"stocks": panel}, suites=suites)
    pd.testing.assert_frame_equal(here, apart)
    with pytest.raises(PanelError, match="flows"):
        in_worker(VALIDATE, {"flows": panel}, suites=suites)


def test_a_panel_without_a_suite_is_an_error(suites, panel):
    with pytest.raises(PanelError, match="flows"):
        validate_panels({"flows": panel}, suites=suites)


def test_an_expectation_that_cannot_be_evaluated_is_an_error(suites, panel):
    with pytest.raises(PanelError, match="could not be evaluated"):
        validate_panels({"stocks": panel.drop(columns="stock")}, suites=suites)
