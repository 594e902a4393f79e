"""Suites on small frames: verdicts, failing keys and mismatched names."""

from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd
import pytest

from citypanel.errors import PanelError
from citypanel.quality import validate_panels
from citypanel.quality.checks import KINDS
from citypanel.quality.expectations import answers_by_great_expectations, answers_of
from citypanel.workers import in_worker

VALIDATE = "citypanel.quality.expectations.validate_panels"


def expectation(kind, severity, **kwargs):
    meta = {"reason": "because"}
    return {"type": kind, "kwargs": kwargs, "severity": severity, "meta": meta}


@pytest.fixture
def suites(tmp_path):
    folder = tmp_path / "suites"
    folder.mkdir()

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


# -------------------------------------------------------------------------------------
# The build's answers are Great Expectations'
# -------------------------------------------------------------------------------------

ASKED = [
    ("expect_column_values_to_be_between", {"column": "x", "min_value": 0.5}),
    (
        "expect_column_values_to_be_between",
        {"column": "x", "min_value": 1.0, "strict_min": True, "max_value": 3.0},
    ),
    (
        "expect_column_values_to_be_between",
        {"column": "x", "max_value": 3.0, "strict_max": True, "mostly": 0.5},
    ),
    ("expect_column_values_to_be_between", {"column": "none", "min_value": 0}),
    ("expect_column_values_to_not_be_null", {"column": "x"}),
    ("expect_column_values_to_not_be_null", {"column": "x", "mostly": 0.75}),
    ("expect_column_values_to_be_in_set", {"column": "text", "value_set": ["a", "b"]}),
    ("expect_column_values_to_match_regex", {"column": "text", "regex": "^[ab]$"}),
    ("expect_column_values_to_be_unique", {"column": "text"}),
    ("expect_compound_columns_to_be_unique", {"column_list": ["text", "x"]}),
    (
        "expect_column_pair_values_a_to_be_greater_than_b",
        {"column_A": "x", "column_B": "y"},
    ),
    (
        "expect_column_pair_values_a_to_be_greater_than_b",
        {"column_A": "x", "column_B": "y", "or_equal": True},
    ),
    ("expect_column_mean_to_be_between", {"column": "x", "min_value": 2}),
    ("expect_column_mean_to_be_between", {"column": "x", "max_value": 2}),
    ("expect_table_row_count_to_be_between", {"min_value": 3, "max_value": 6}),
]


def test_the_builds_answers_are_great_expectations(panel):
    frame = pd.DataFrame(
        {
            "city": ["a", "b", "c", "d", "e", "f", "g"],
            "text": ["a", "a", "c", None, "ab", "b", "b"],
            "x": [1.0, 1.0, None, 3.0, 0.2, 4.0, 3.0],
            "y": [1.0, 2.0, None, 1.0, None, 1.0, 3.0],
            "none": [None] * 7,
        }
    ).astype({"none": float})
    suite = {
        "name": "all",
        "meta": {"table": "t", "keys": ["city"]},
        "expectations": [expectation(kind, "info", **given) for kind, given in ASKED],
    }
    assert {kind for kind, _ in ASKED} == set(KINDS)
    mine = answers_of(frame, suite, {})
    theirs = answers_by_great_expectations(frame, suite, {})
    for (kind, given), own, other in zip(ASKED, mine, theirs, strict=True):
        said = (kind, given, own, other)
        assert own.success == other.success, said
        assert own.n_unexpected == other.n_unexpected, said
        assert own.share == pytest.approx(other.share), said
        assert own.observed == other.observed, said
        assert [row["city"] for row in own.offenders] == [
            row["city"] for row in other.offenders
        ], said


def test_a_build_does_not_import_great_expectations(suites, panel):
    path = suites / "panel.csv"
    panel.to_csv(path, index=False)
    code = (
        "import sys, pandas as pd\n"
        "from citypanel.quality import validate_panels\n"
        "panel = pd.read_csv(sys.argv[1])\n"
        "validate_panels({'stocks': panel}, suites=sys.argv[2])\n"
        "assert 'great_expectations' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, path, suites], check=True)


def test_what_is_not_known_here_is_asked_of_great_expectations(suites, panel):
    path = suites / "stocks.json"
    suite = json.loads(path.read_text())
    suite["expectations"].append(
        expectation("expect_column_max_to_be_between", "info", column="stock",
                    max_value=4.0)
    )  # fmt: skip
    path.write_text(json.dumps(suite))
    rows = validate_panels({"stocks": panel}, suites=suites)
    assert rows["success"].tolist() == [False, False, True, False, False]
    assert rows["observed_value"].iloc[-1] == "5.0"
