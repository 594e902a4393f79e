"""The audit of printed tables on a few lines made for it."""

from __future__ import annotations

import pandas as pd
import pytest

from citypanel.errors import OptionError, PanelError
from citypanel.study.declaration import module_of

audit = module_of("audit")

FACTS = {
    "n_cities": 70,
    "first_year": 2011,
    "last_year": 2019,
    "batches": {2015: 1, 2016: 12, 2018: 21},
    "regions": {"eastern": 30, "northeastern": 8},
    "municipalities": 4,
    "controls": ["eco", "edu"],
}


@pytest.fixture
def tables():
    descriptives = pd.DataFrame(
        [
            ("sydid", 630, 0.148, 0.355, 0, 1),
            ("eco", 630, 3.557, 0.329, 2.733, 4.467),
            ("inf", 630, 7.481, 0.311, 6.607, 8.661),
            ("con", 630, 7.254, 1.582, 5.893, 8.2),
        ],
        columns=["variable", "n", "mean", "variance_as_printed", "min", "max"],
    )
    regressions = pd.DataFrame(
        [
            ("3", "(1)", "sydid", 0.024, 0.029, "*", 630),
            ("3", "(1)", "const", 1.021, 0.012, "***", 630),
            ("3", "(2)", "eco", 0.068, 0.157, "**", 630),
            ("4", "eastern", "sydid", 0.027, 0.053, "**", 630),
            ("5", "(3)", "sydid", 0.019, None, "**", 630),
        ],
        columns=[
            "paper_table",
            "column",
            "term",
            "estimate",
            "parenthesised",
            "stars",
            "n",
        ],
    )
    trade = pd.DataFrame(
        [
            (2019, 12903, 7981, 4922, 22.2, 30.5, 10.8),
            (2020, 16220, 10850, 5370, 25.7, 39.2, 9.1),
            (2021, 19237, 13918, 5319, 18.6, 28.3, -0.9),
        ],
        columns=[
            "year",
            "total_100m_yuan",
            "exports_100m_yuan",
            "imports_100m_yuan",
            "total_yoy_pct",
            "exports_yoy_pct",
            "imports_yoy_pct",
        ],
    )
    return descriptives, regressions, trade


@pytest.fixture
def result(tables):
    return audit.published_audit(*tables, FACTS)


def only(result, **where):
    for column, value in where.items():
        result = result[result[column] == value]
    return result


def test_stars_follow_from_neither_law(result):
    rows = only(result, check="stars", paper_column="(1)", term="sydid")
    assert rows["quantity"].tolist() == [
        "stars under N(0,1)",
        "stars under t(69)",
        "stars under t(551)",
    ]
    assert rows["disagrees"].all()
    # 0.024 / 0.029 = 0.828, p = 0.41 two-sided.
    assert "0.828 under N(0,1): p = 0.408" in rows["rule"].iloc[0]
    fine = only(result, check="stars", term="const")
    assert not fine["disagrees"].any()


def test_stars_of_a_part_of_the_sample_have_its_degrees_of_freedom(tables):
    descriptives, regressions, trade = tables
    regressions.loc[4, "parenthesised"] = 0.048
    result = audit.published_audit(descriptives, regressions, trade, FACTS)
    # 30 cities of 9 years: 270 rows less 30 + 8 effects and a slope.
    eastern = only(result, check="stars", paper_column="eastern")
    assert eastern["quantity"].tolist()[1:] == [
        "stars under t(29)",
        "stars under t(231)",
    ]
    # 66 cities without the municipalities.
    rest = only(result, check="stars", paper_column="(3)")
    assert rest["quantity"].tolist()[1:] == ["stars under t(65)", "stars under t(519)"]


def test_a_cell_that_is_not_legible_is_not_checked(result):
    rows = only(result, check="stars", paper_column="(3)")
    assert rows.empty


def test_readings_count_the_stars_they_explain(result):
    rows = only(result, check="reading of the parentheses").set_index("quantity")
    assert rows.loc["standard errors", "recomputed"] == 1  # the constant
    # 0.053 and 0.157 as p-values: * and none; 0.029 **; 0.012 **: none is printed.
    assert rows.loc["p-values", "recomputed"] == 0
    assert rows["printed"].eq(4).all()


@pytest.mark.parametrize(
    ("table", "column", "nine", "eight"),
    [
        ("3", "(1)", 630, 560),
        ("4", "eastern", 270, 240),
        ("5", "(1)", 560, 490),
        ("5", "(2)", 490, 420),
        ("5", "(3)", 594, 528),
    ],
)
def test_observations(result, table, column, nine, eight):
    rows = only(result, check="observations", paper_table=table, paper_column=column)
    assert rows["recomputed"].tolist() == [nine, eight]
    assert rows["disagrees"].tolist() == [nine != 630, True]


def test_mean_of_the_treatment(result):
    row = only(result, check="treated share").iloc[0]
    assert row["recomputed"] == pytest.approx(95 / 630)
    assert "= 95, over 630; the printed mean is 93 of 630" in row["rule"]
    assert row["verdict"] == "1 city of the batch of 2018 coded untreated"
    assert row["disagrees"]


def test_variance_that_is_a_standard_deviation(result):
    row = only(result, check="variance of a 0/1 variable").iloc[0]
    assert row["recomputed"] == pytest.approx(0.148 * 0.852 * 630 / 629)
    assert row["verdict"] == "the column is the standard deviation"


def test_spread_larger_than_range_and_mean_allow(result):
    rows = only(result, check="largest possible spread")
    assert sorted(set(rows["term"])) == ["con", "eco", "inf", "sydid"]
    con = only(rows, term="con").set_index("quantity")
    assert con.loc["standard deviation at most", "recomputed"] == pytest.approx(
        1.135, abs=5e-4
    )
    assert con.loc["variance at most", "recomputed"] == pytest.approx(1.288, abs=5e-4)
    assert con["disagrees"].all()
    # A 0/1 variable reaches the bound exactly and is not accused.
    sydid = only(rows, term="sydid", quantity="standard deviation at most")
    assert not sydid["disagrees"].any()
    assert not only(rows, term="eco")["disagrees"].any()


def test_log_base(result):
    rows = only(result, check="log base", term="inf")
    assert rows["disagrees"].tolist() == [False, True]
    assert rows["recomputed"].iloc[0] == pytest.approx(10 ** (7.481 - 3.557 - 4))


def test_control_missing_from_both_tables(result):
    rows = only(result, check="controls defined in the text", term="edu")
    assert rows["paper_table"].tolist() == ["2", "3"]
    assert rows["disagrees"].all()
    assert not only(result, check="controls defined in the text", term="eco")[
        "disagrees"
    ].any()


def test_growth_against_amounts(result):
    rows = only(result, check="growth against amounts")
    wrong = rows[rows["disagrees"]]
    assert wrong["paper_column"].tolist() == ["2020"]
    assert wrong["term"].tolist() == ["exports"]
    assert wrong["verdict"].iloc[0] == "computed 35.9, printed 39.2"
    assert wrong["recomputed"].iloc[0] == pytest.approx(100 * (10850 / 7981 - 1))


def test_total_that_does_not_add_up(tables):
    descriptives, regressions, trade = tables
    trade.loc[1, "total_100m_yuan"] = 16300
    result = audit.published_audit(descriptives, regressions, trade, FACTS)
    rows = only(result, check="exports and imports add up")
    assert rows["disagrees"].tolist() == [False, True, False]


def test_corrected_tables_have_no_disagreement_left(tables):
    descriptives, regressions, trade = tables
    trade.loc[1, "exports_yoy_pct"] = 35.9
    descriptives.loc[0, ["mean", "variance_as_printed"]] = [0.151, 0.128]
    result = audit.published_audit(descriptives, regressions, trade, FACTS)
    for check in (
        "growth against amounts",
        "treated share",
        "variance of a 0/1 variable",
    ):
        assert not only(result, check=check)["disagrees"].any(), check


def test_facts_are_counted_from_the_roster():
    cities = pd.DataFrame(
        {"region": ["east", "east", "west"], "is_municipality": [1, 0, 0]}
    )
    facts = audit.sample_facts(cities, [2016, 2018, 2020])
    assert facts["n_cities"] == sum(facts["regions"].values()) == 3
    assert facts["batches"] == {2016: 1, 2018: 1}
    assert facts["regions"] == {"east": 2, "west": 1}
    assert facts["municipalities"] == 1


@pytest.mark.parametrize(
    ("regions", "cohorts"), [(["east", "west"], [2016]), (["east", None], [2016, 0])]
)
def test_facts_of_different_samples(regions, cohorts):
    cities = pd.DataFrame({"region": regions, "is_municipality": 0})
    with pytest.raises(PanelError, match="do not belong together"):
        audit.sample_facts(cities, cohorts)


def test_column_missing(tables):
    descriptives, regressions, trade = tables
    with pytest.raises(PanelError) as error:
        audit.published_audit(
            descriptives, regressions.drop(columns="stars"), trade, FACTS
        )
    assert "The table regressions lacks columns" in str(error.value)
    assert "- stars" in str(error.value)


def test_fact_missing(tables):
    facts = {k: v for k, v in FACTS.items() if k != "batches"}
    with pytest.raises(OptionError) as error:
        audit.published_audit(*tables, facts)
    assert "- batches" in str(error.value)
