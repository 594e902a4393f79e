"""A study with a panel and a roster of its own: units, parents, periods, batches."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import citypanel
from citypanel.dates import NoDate
from citypanel.did.periods import read_periods
from citypanel.errors import DeclarationError
from citypanel.outputs.figures.policies import policies_by_unit
from citypanel.outputs.study_report import figures, sentences
from citypanel.outputs.study_report.facts import StudyFacts
from citypanel.study.declaration import read_declaration
from citypanel.study.own import evaluate as evaluation
from citypanel.study.own.panel import COHORT, TREATMENT, UNIT, prepare_panel
from citypanel.study.own.roster import period_spans
from citypanel.study.own.tables import fixed

STUDY = """name: made_up
unit: {noun: {en: county}, key: county, parent: state}
period: {key: month}
panel: panel.csv
policy: {label: {en: subsidy}, roster: roster.csv}
outcome: {jobs: {label: {en: Jobs}}}
columns:
  - {table: "1", name: (1)}
  - {table: "1", name: (2), estimator: imputation}
draws: 999
"""
ROSTER = "unit,start,end,intensity,batch\n"
MONTHS = [f"{year}-{month:02d}" for year in (2019, 2020) for month in range(1, 13)]


def panel(months=MONTHS, effect=0.0) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    rows = [
        (f"c{number}", "Ohio" if number < 4 else "Iowa", month, rng.normal())
        for number in range(10)
        for month in months
    ]
    return pd.DataFrame(rows, columns=["county", "state", "month", "jobs"])


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "studies" / "made_up"
    made.mkdir(parents=True)
    panel().to_csv(made / "panel.csv", index=False)
    (made / "study.yml").write_text(STUDY)
    return made


def prepared(folder, roster, **policy):
    (folder / "roster.csv").write_text(ROSTER + roster)
    more = "".join(f", {key}: {value}" for key, value in policy.items())
    text = STUDY.replace("roster: roster.csv", "roster: roster.csv" + more)
    (folder / "study.yml").write_text(text)
    return prepare_panel(read_declaration(folder / "study.yml"))


def path_of(made, unit):
    rows = made.frame[made.frame[UNIT] == unit].set_index("month")
    return rows[TREATMENT], rows[COHORT].iloc[0]


def test_start_end_and_intensity_make_the_exposure(folder):
    made = prepared(folder, "c1,2019-07-17,2020-03-10,0.5,1\nc2,June 2020,,1,1\n")
    path, cohort = path_of(made, "c1")
    on = [m for m in MONTHS if "2019-07" <= m <= "2020-03"]
    assert (path.loc[on] == 0.5).all() and path.drop(on).eq(0).all()
    assert str(cohort) == "2019-07"
    path, _ = path_of(made, "c2")
    assert path.loc["2020-06":].eq(1).all() and path.loc[:"2020-05"].eq(0).all()
    assert path_of(made, "c5")[0].eq(0).all()
    assert made.frame.groupby(UNIT)[COHORT].first().isna().sum() == 8


@pytest.mark.parametrize(
    ("counts", "first", "last"),
    [("any", 1, 1), ("share", 15 / 31, 10 / 31), ("whole", 0, 0)],
)
def test_a_period_that_is_covered_in_part(folder, counts, first, last):
    made = prepared(folder, "c1,2019-07-17,2020-03-10,1,1\n", counts=counts)
    path, _ = path_of(made, "c1")
    assert path["2019-07"] == pytest.approx(first)
    assert path["2020-03"] == pytest.approx(last)
    assert path.loc["2019-08":"2020-02"].eq(1).all()


def test_a_parent_treats_its_units_and_an_overlap_is_a_choice(folder):
    roster = "Ohio,2020-01,,1,2\nc2,2019-06,,1,1\n"
    with pytest.raises(DeclarationError, match="treats c2 again"):
        prepared(folder, roster)
    made = prepared(folder, roster, twice="earliest")
    cohorts = made.frame.groupby(UNIT)[COHORT].first().dropna().astype(str)
    assert cohorts.to_dict() == {
        "c0": "2020-01", "c1": "2020-01", "c2": "2019-06", "c3": "2020-01"
    }  # fmt: skip


def test_other_batches_and_units_always_treated_are_left_out_and_said(folder):
    roster = "c1,2019-06,,1,1\nc2,2020-06,,1,2\nc3,2018-01,,1,1\n"
    made = prepared(folder, roster, batches=[1], always_treated="exclude")
    assert set(made.frame[UNIT]) == {f"c{n}" for n in range(10)} - {"c2", "c3"}
    assert made.log.groupby(UNIT)["reason"].first().to_dict() == {
        "c2": "treated in batch 2, which is not studied",
        "c3": "treated in every period",
    }
    made = prepared(folder, roster, batches=[1], others="control")
    assert path_of(made, "c2")[0].eq(0).all() and path_of(made, "c3")[0].eq(1).all()
    made = prepared(
        folder, roster, batches=[1], others="{default: exclude, control: [2]}"
    )
    assert "c2" in set(made.frame[UNIT])


def test_an_ended_policy_is_estimated_as_it_was(folder):
    text = "c1,2019-07,2020-03,1,1\nc2,2019-07,2020-03,0.5,1\n"
    made = prepared(folder, text)
    made.frame["jobs"] += 2 * made.frame[TREATMENT]
    frame = panel()
    on = frame["month"].between("2019-07", "2020-03")
    dose = frame["county"].map({"c1": 1.0, "c2": 0.5}).fillna(0) * on
    tables = citypanel.evaluate(
        frame.assign(jobs=2 * dose + 0.01 * frame["jobs"]), folder / "study.yml"
    )
    rows = tables["rpt_study_regressions"]
    two_way = rows[(rows["column_name"] == "(1)") & (rows["term"] == "treatment")]
    assert two_way["estimate"].iloc[0] == pytest.approx(2.0, abs=0.01)
    refused = rows[rows["column_name"] == "(2)"]
    assert refused["estimate"].isna().all()
    assert refused["note"].str.contains("ends, or is partial").all()


MISTAKES = [
    ("c99,2019-07,,1,1\n", {}, "is no unit of the panel"),
    ("c1,soon,,1,1\n", {}, "is no date"),
    ("c1,2019,,1,1\n", {}, "dated by the year, and the panel's periods are shorter"),
    ("c1,2019-07,2018-01,1,1\n", {}, "is before the start"),
    ("c1,2019-07,,2,1\n", {}, "no share above 0"),
    ("c1,2019-07,,1,1\n", {"batches": [3]}, "batches names 3"),
    ("c1,2019-07,,1,1\n", {"twice": "latest"}, "permitted: refuse, earliest"),
    ("c1,2019-07,,1,1\n", {"cohort": "state"}, "which says the same"),
    ("c1,2019-07,,1,1\n", {"times": "noon"}, "as_written or +08:00"),
    ("c1,2030-07,,1,1\n", {}, "no unit is treated within"),
]


@pytest.mark.parametrize(("roster", "policy", "words"), MISTAKES)
def test_each_mistake_is_named_with_its_line(folder, roster, policy, words):
    with pytest.raises(DeclarationError) as raised:
        prepared(folder, roster, **policy)
    assert words in str(raised.value) and "line 5" in str(raised.value)


@pytest.mark.parametrize(
    ("months", "frequency", "start"),
    [
        ([2018, 2019, 2020, 2021], None, "2019-02-15"),
        (["2019Q1", "2019Q2", "2019Q3", "2019Q4"], None, "2019-05-15"),
        (
            ["2019-01-31", "2019-02-28", "2019-03-31", "2019-04-30"],
            "month",
            "2019-02-15",
        ),
        ([201901, 201902, 201903, 201904], "month", "2019年2月"),
    ],
)
def test_periods_of_any_frequency_hold_their_days(folder, months, frequency, start):
    panel(months).to_csv(folder / "panel.csv", index=False)
    (folder / "roster.csv").write_text(f"unit,start\nc1,{start}\n")
    text = STUDY.replace(
        "key: month",
        f"key: month, frequency: {frequency}" if frequency else "key: month",
    )
    (folder / "study.yml").write_text(text)
    made = prepare_panel(read_declaration(folder / "study.yml"))
    path = made.frame[made.frame[UNIT] == "c1"][TREATMENT]
    assert path.tolist() == [0.0, 1.0, 1.0, 1.0]


def test_chinese_units_are_matched_by_name_code_and_province(folder, project):
    names = ["广州市", "深圳", "440400", "石家庄", "保定市", "唐山", "130400"]
    rows = [(n, year, 1.0) for n in names for year in range(2015, 2020)]
    frame = pd.DataFrame(rows, columns=["city", "year", "jobs"])
    frame.to_csv(folder / "panel.csv", index=False)
    (folder.parents[1] / "seeds").symlink_to(project / "seeds")
    (folder / "roster.csv").write_text(
        "城市,日期\n广东省,2017年\n保定市曲阳县,2016-05\n邯郸,2018\n"
    )
    text = STUDY.replace("key: county, parent: state", "key: city").replace(
        "key: month", "key: year"
    )
    (folder / "study.yml").write_text(
        text.replace("roster.csv", "roster.csv, districts: city")
    )
    made = prepare_panel(read_declaration(folder / "study.yml"))
    cohorts = made.frame.groupby(UNIT)[COHORT].first().dropna().astype(int).to_dict()
    assert cohorts == {
        "广州市": 2017, "深圳": 2017, "440400": 2017, "保定市": 2016, "130400": 2018
    }  # fmt: skip


OTHERS = """other_policies:
  ports: {label: {en: free port, zh: 自由港}, cohort: port}
  pilots: {label: {en: pilot}, roster: pilots.csv, unknown: leave_out}
"""


def with_other_policies(folder, text=OTHERS):
    frame = panel()
    frame["port"] = frame["county"].map({"c0": "2019-09", "c5": "2019-05"})
    frame.to_csv(folder / "panel.csv", index=False)
    (folder / "roster.csv").write_text(
        "unit,start\nc0,2020-02\nc1,2020-02\nc2,2020-05\n"
    )
    (folder / "pilots.csv").write_text("unit,start\nc1,2019-07\nc9,2019-08\nx,2019-08")
    (folder / "study.yml").write_text(STUDY + text)
    return folder / "study.yml"


@pytest.fixture
def beside(folder):
    """The tables that other policies are in."""
    made = prepare_panel(read_declaration(with_other_policies(folder)))
    return made, {
        name: fixed(name, frame)
        for name, frame in {
            "dim_study": evaluation.study_table(made),
            "dim_study_variables": evaluation.variable_table(made),
            "dim_units": evaluation.unit_table(made),
            "dim_unit_groups": evaluation.group_table(made),
            "fct_unit_periods": evaluation.unit_periods(made),
            "rpt_study_sensitivity": evaluation.other_policies_table(made),
            "rpt_study_regressions": pd.DataFrame(
                [{"outcome": "jobs", "term": "treatment", "estimate": 0.1}]
            ),
        }.items()
    }


def test_other_policies_stand_beside_the_studied_one(beside):
    made, tables = beside
    rows = tables["rpt_study_sensitivity"]
    assert set(rows["check_name"]) == {"other_policies"}
    assert list(rows["sample"].unique()) == ["ports", "pilots", "all"]
    keys = ["sample", "aggregation", "estimator", "term"]
    count = rows.set_index(keys)["n_units"].sort_index()
    terms = ["both", "policy_only", "other_only", "neither"]
    overlap = {
        name: tuple(count[name, "overlap", "twfe", term] for term in terms)
        for name in rows["sample"].unique()
    }
    assert overlap == {
        "ports": (1, 2, 1, 6),
        "pilots": (1, 2, 1, 6),
        "all": (2, 1, 2, 5),
    }
    clean = made.frame[~made.frame[UNIT].isin({"c0", "c1", "c5", "c9"})]
    columns = dict(outcome="jobs", treatment=TREATMENT, unit=UNIT, period="period")
    want = citypanel.did.twfe(clean, **columns)["estimate"].iloc[0]
    found = rows.set_index(keys)["estimate"].sort_index()
    assert found["all", "without_units", "twfe", "overall"] == pytest.approx(want)
    groups = tables["dim_unit_groups"].set_index(["group_name", "unit_id"])
    assert groups["group_value"].to_dict() == {
        ("ports", "c0"): "2019-09",
        ("ports", "c5"): "2019-05",
        ("pilots", "c1"): "2019-07",
        ("pilots", "c9"): "2019-08",
    }
    words = tables["dim_study_variables"].set_index("variable")
    assert words.loc["ports", "label_zh"] == "自由港"


def test_the_report_says_and_draws_the_other_policies(beside):
    facts = StudyFacts(beside[1])
    said = " ".join(words.en for words in sentences.other_policies(facts))
    assert "2 of 3 treated counties and 2 of 7 others came under another" in said
    assert figures.policies(facts, "en").axes
    drawn = figures.policies(facts, "zh").axes[0].get_legend_handles_labels()[1]
    assert drawn[:2] == ["subsidy", "自由港"]
    variables = facts["dim_study_variables"].query("kind != 'other_policy'")
    plain = StudyFacts({**beside[1], "dim_study_variables": variables})
    assert figures.policies(plain, "en") is None


def test_many_units_are_counted(beside):
    first = pd.DataFrame({"a": [0.0, 2.0, np.nan] * 60, "b": [1.0, np.nan, 9.0] * 60})
    figure = policies_by_unit(first, pd.Series(["x", "y", "z"]), "units")
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    assert list(lines["a"]) == [60, 60, 120]
    assert list(lines["b"]) == [0, 60, 60]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("other_policies: {ports: {cohort: harbour}}\n", "no column harbour"),
        ("other_policies: {ports: {label: {en: x}}}\n", "nothing of when"),
        ("other_policies: {Ports: port}\n", "is no name"),
        ("other_policies: {ports: {roster: gone.csv}}\n", "does not exist"),
        ("other_policies: {ports: {cohort: port, counts: any}}\n", "is not a key"),
        ("other_policies: {ports: month}\n", "varies within"),
        ("other_policies: {pilots: {roster: pilots.csv}}\n", "is no unit of the panel"),
    ],
)
def test_mistakes_of_other_policies_are_named(folder, text, words):
    path = with_other_policies(folder, text)
    with pytest.raises(DeclarationError, match=words) as error:
        prepare_panel(read_declaration(path))
    assert "other_policies" in str(error.value)


SPANS = {
    "quarters as dates": (
        pd.date_range("2016-01-01", periods=8, freq="QS"), "2016-04-01", "2016-06-30",
    ),
    "ends of quarters": (
        pd.date_range("2016-03-31", periods=8, freq="QE"), "2016-04-01", "2016-06-30",
    ),
    "quarters as text": (
        ["2016-01-01", "2016-04-01", "2016-07-01"], "2016-04-01", "2016-06-30",
    ),
    "quarters by their first month": ([201601, 201604, 201607], "2016-04-01",
        "2016-06-30"),
    "quarters by their last month": (["2016-03", "2016-06", "2016-09"], "2016-04-01",
        "2016-06-30"),
    "quarters as months of pandas": (
        pd.period_range("2016-01", periods=9, freq="M")[::3], "2016-04-01",
        "2016-06-30",
    ),
    "years as dates": (
        pd.date_range("2016-01-01", periods=4, freq="YS"), "2017-01-01", "2017-12-31",
    ),
    "ends of years": (
        pd.date_range("2016-12-31", periods=4, freq="YE"), "2017-01-01", "2017-12-31",
    ),
    "half-years": (
        pd.to_datetime(["2016-01-01", "2016-07-01", "2017-01-01"]), "2016-07-01",
        "2016-12-31",
    ),
    "weeks": ([201651, 201652, 201701], "2016-12-26", "2017-01-01"),
    "fortnights": (
        pd.date_range("2016-01-04", periods=5, freq="14D"), "2016-01-18", "2016-01-31",
    ),
    "months": (["2016-01", "2016-02", "2016-03"], "2016-02-01", "2016-02-29"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPANS)
def test_a_period_goes_to_the_next(name):
    """A policy of any day within a period, and no other, begins in it."""
    labels, first, last = SPANS[name]
    frequency = "week" if name == "weeks" else None
    grid = read_periods(pd.Series(list(labels)), name="t", frequency=frequency)
    span = period_spans(grid, 2)[1]
    assert (str(span.first), str(span.last)) == (first, last)


@pytest.mark.parametrize(
    "labels",
    [
        pd.date_range(
            "2016-05-01", periods=4, freq="12MS"
        ),  # years from May, or in May?
        pd.date_range("2016-02-01", periods=4, freq="3MS"),
        pd.date_range("2016-01-01", periods=4, freq="24MS"),
        [2010, 2012, 2014],
    ],
)
def test_periods_whose_days_are_not_known_are_refused(labels):
    grid = read_periods(pd.Series(list(labels)), name="t")
    with pytest.raises(NoDate, match="frequency: year"):
        period_spans(grid, 1)


def test_one_sentence_for_the_cells_that_have_one_fault(folder):
    text = "unit,start\nc0,2019\nc1,2019\nc2,2020\nc9,2019\n"
    (folder / "roster.csv").write_text(text)
    with pytest.raises(DeclarationError) as error:
        prepare_panel(read_declaration(folder / "study.yml"))
    assert "cell B2" in str(error.value)
    assert str(error.value).count("periods are shorter") == 1
    assert "(likewise B3, B4, B5)" in str(error.value)
