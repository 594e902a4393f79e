"""Rosters: provinces, districts, overlaps, ends, intensities; who is compared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from openpyxl import Workbook

from citypanel import did
from citypanel.did.study import att_table, bacon_table
from citypanel.errors import (
    EstimationError,
    ImporterError,
    OptionError,
    PanelError,
)
from citypanel.importers import plan_policy
from citypanel.importers.project import load_reference
from citypanel.importers.storage import read_seed
from citypanel.study.declaration import Declaration, declared
from citypanel.study.estimates import event_studies, regressions
from citypanel.study.estimation import estimate, regression_panel
from citypanel.study.options import Options
from citypanel.study.run import Study

SEED = "seeds/imported/raw_imported_rosters.csv"


def write(folder, rows, name="made_up.csv"):
    path = folder / name
    pd.DataFrame(rows[1:], columns=rows[0]).to_csv(path, index=False)
    return path


def imported(seeded, rows, **choices):
    plan = plan_policy([write(seeded, rows)], project=seeded, **choices)
    plan.write(seeded)
    return pd.DataFrame(read_seed(seeded / SEED)), plan.told


def test_end_intensity_and_what_a_date_is_known_to(seeded):
    rows, told = imported(
        seeded,
        [
            ["城市", "开始日期", "结束日期", "强度", "批次"],
            ["石家庄", "2013-05-01", "2016", "0.5", "1"],
            ["唐山", "2014年6月", "", "1", "2"],
            ["杭州", "2015Q2", "至今", "1", "2"],
            ["天津", "2015", "2017-06", "0.25", "3"],
        ],
    )
    found = rows.set_index("unit_zh")[
        ["approval_date", "end_date", "intensity", "date_precision"]
    ]
    assert found.T.to_dict("list") == {
        "石家庄": ["2013-05-01", "2016-12-31", "0.5", "day"],
        "唐山": ["2014-06-01", "", "1", "month"],
        "杭州": ["2015-04-01", "", "1", "quarter"],
        "天津": ["2015-01-01", "2017-06-30", "0.25", "year"],
    }
    assert "Rows with an end: 2; with an intensity other than 1: 2" in told
    assert "Dated by the year alone: 1 rows" in told


def test_a_province_stands_for_its_cities_and_an_overlap_is_a_choice(seeded):
    roster = [
        ["城市", "日期", "批次"],
        ["广东省", "2010-07-19", "1"],
        ["广州", "2012-11-26", "2"],
        ["海南省", "2012-11-26", "2"],
    ]
    with pytest.raises(ImporterError, match="--twice earliest"):
        imported(seeded, roster)
    rows, told = imported(seeded, roster, twice="earliest")
    guangdong = rows[rows["unit_zh"].str.startswith("广东省")]
    cities = pd.DataFrame(read_seed(seeded / "seeds/reference/ref_cities.csv"))
    assert set(guangdong["city_id"]) == set(
        cities.loc[cities["province_zh"] == "广东", "city_id"]
    )
    assert "广东省 广州" in set(guangdong["unit_zh"])
    assert "In several rows, from the earliest on (1): 广州" in told
    assert set(rows.loc[rows["province_zh"] == "海南", "city_id"]) == {
        "460100", "460200"
    }  # fmt: skip


def test_districts_count_as_their_city_or_are_left_out_by_choice(seeded):
    roster = [
        ["城市", "日期"],
        ["石家庄市正定县", "2013-05-01"],
        ["丰润区", "2013-05-01"],
        ["济源", "2013-05-01"],
    ]
    with pytest.raises(ImporterError, match="--districts city or leave_out"):
        imported(seeded, roster)
    rows, told = imported(seeded, roster, districts="city")
    assert set(rows["city_id"]) == {"130100", "130200", ""}
    assert "counted as their city (2)" in told
    rows, told = imported(seeded, roster, districts="leave_out")
    assert set(rows["city_id"]) == {""} and "left out (2)" in told


PLACES = [
    ({"name": "海南", "province": "海南"}, "province", "460100"),
    ({"name": "海南", "province": "海南省"}, "province", "460200"),
    ({"name": "海南", "province": "青海"}, "unit", "632500"),
    ({"name": "海南省"}, "province", "460100"),
    ({"name": "Hainan Province"}, "province", "460100"),
    ({"name": "海南"}, "contradiction", None),
    ({"name": "吉林"}, "unit", "220200"),
    ({"name": "吉林省"}, "province", "220100"),
    ({"name": "吉林", "province": "吉林"}, "unit", "220200"),
    ({"name": "海南省", "province": "湖南"}, "contradiction", None),
    ({"name": "邯郸", "province": "湖北"}, "contradiction", None),
    ({"name": "新疆维吾尔自治区"}, "province", "650100"),
    ({"name": "内蒙古"}, "province", "150100"),
    ({"code": "440000"}, "province", "440100"),
    ({"code": "440000", "name": "广西"}, "contradiction", None),
    ({"name": "天津市", "province": "天津市"}, "unit", "120000"),
    ({"name": "朝阳"}, "unit", "211300"),
    ({"name": "朝阳", "province": "北京"}, "district", "110000"),
    ({"name": "朝阳区"}, "unknown", None),
    ({"name": "普洱市思茅区"}, "district", "530800"),
    ({"name": "敦煌"}, "district", "620900"),
    ({"name": "琼中"}, "outside", None),
    ({"code": "130421"}, "district", "130400"),
    ({"name": "襄樊"}, "unit", "420600"),
]


@pytest.mark.parametrize(("asked", "how", "unit"), PLACES, ids=str)
def test_what_a_name_stands_for(places, asked, how, unit):
    found = places.place(**asked)
    assert found.how == how
    assert unit is None or unit in found.units


@pytest.fixture(scope="module")
def places(project):
    return load_reference(project).gazetteer


def test_every_prefecture_is_itself_under_each_of_its_names(places, project):
    table = read_seed(project / "seeds/reference/ref_prefectures.csv")
    assert len(table) == 337 and len({row["unit_id"] for row in table}) == 337
    for row in table:
        for name in (row["unit_zh"], *filter(None, row["former_names_zh"].split("; "))):
            found = places.place(name=name, province=row["province_zh"])
            assert found.units == (row["unit_id"],), (name, found)
        for code in filter(None, row["former_codes"].split("; ")):
            assert places.place(code=code).units == (row["unit_id"],)


MISTAKES = [
    (["石家庄", "2013-05-01", "2012", "1"], "is before the start"),
    (["石家庄", "2013-05-01", "", "0"], "no share above 0"),
    (["石家庄", "2013-05-01", "", "50"], "no share above 0"),
    (["石家庄", "2013-05-01", "", ""], "no share above 0"),
    (["石家庄", "2015-12-31 16:00", "", "1"], "has a time of day"),
    (["石家庄", "06/12/2015", "", "1"], "day or month first"),
    (["石家庄", "2013", "soon", "1"], "is no date"),
    (["海南", "2013", "", "1"], "海南藏族自治州 alike"),
]


@pytest.mark.parametrize(("row", "words"), MISTAKES)
def test_what_cannot_be_used_is_refused_with_its_cell(seeded, row, words):
    with pytest.raises(ImporterError, match=words) as raised:
        imported(seeded, [["城市", "开始日期", "结束日期", "强度"], row])
    assert "2, column" in str(raised.value)


def test_a_column_that_may_be_an_end_is_not_passed_over(seeded):
    roster = [["城市", "日期", "试点结束年度"], ["石家庄", "2013", "2015"]]
    with pytest.raises(ImporterError, match="may say when the policy ends"):
        imported(seeded, roster)


def test_a_time_of_day_is_dated_by_the_rule_that_is_given(seeded):
    roster = [["城市", "日期"], ["石家庄", "2015-12-31 16:00"]]
    rows, _ = imported(seeded, roster, times="+08:00")
    assert rows["approval_date"].tolist() == ["2016-01-01"]
    rows, _ = imported(seeded, roster, times="as_written")
    assert rows["approval_date"].tolist() == ["2015-12-31"]


def test_dates_of_a_workbook_and_its_serial_numbers(seeded):
    book = Workbook()
    sheet = book.active
    for row in (
        ["城市", "日期"], ["石家庄", pd.Timestamp("2015-06-12").to_pydatetime()],
        ["唐山", 42167], ["天津", 20150612], ["杭州", "2015年6月12日"],
    ):  # fmt: skip
        sheet.append(row)
    book.save(seeded / "dates.xlsx")
    plan = plan_policy([seeded / "dates.xlsx"], project=seeded)
    plan.write(seeded)
    rows = pd.DataFrame(read_seed(seeded / SEED))
    assert set(rows["approval_date"]) == {"2015-06-12"} and len(rows) == 4


def test_rosters_written_before_ends_were_read_stay(seeded):
    (seeded / SEED).write_text(
        "policy,batch,approval_date,document,province_zh,unit_zh,city_id,file,cell\n"
        "older,1,2013-05-01,not stated,河北,石家庄,130100,o.csv,A2\n"
    )
    rows, _ = imported(seeded, [["城市", "日期"], ["唐山", "2014-05-01"]])
    old = rows.set_index("policy").loc["older"]
    assert (old["intensity"], old["end_date"], old["date_precision"]) == (
        "1",
        "",
        "day",
    )


# ------------------------------------------------------------------ who is compared


@pytest.fixture
def study(small_parts):
    return Study(small_parts[0])


def with_policy(study, **columns):
    return Study(replace(study.sources, policy=study.sources.policy.assign(**columns)))


def test_other_batches_are_in_no_comparison_unless_they_are_controls(study):
    policy = study.sources.policy
    batch = policy["batch"].fillna(0)
    others = np.unique(policy.loc[batch == 1, "city_id"])
    untreated = policy.assign(
        **{c: policy[c].mask(batch == 1) for c in policy if c.startswith("cohort__")},
        **{
            c: policy[c].mask(batch == 1, 0.0)
            for c in policy
            if c.startswith("exposure__")
        },
    )
    for rule, left in (("exclude", True), ("control", False)):
        made = untreated.assign(others=np.where(batch == 1, rule, None))
        rows, _ = regression_panel(
            Study(replace(study.sources, policy=made)), Options()
        )
        assert set(others).isdisjoint(rows["city_id"]) == left
    ended = untreated.assign(
        others=np.where(batch == 1, "exclude", None), is_in_force=False
    )
    rows, _ = regression_panel(Study(replace(study.sources, policy=ended)), Options())
    assert set(others) <= set(rows["city_id"])  # treated outside the window


def test_units_treated_throughout_are_left_out_where_that_is_declared(study):
    policy = study.sources.policy
    treated = policy.loc[policy["cohort__approval_year"].notna(), "city_id"].iloc[0]
    always = policy["city_id"] == treated
    made = policy.assign(
        exposure__approval_year=policy["exposure__approval_year"].mask(always, 1.0)
    )
    for rule, there in (("mark", True), ("exclude", False)):
        rows, _ = regression_panel(
            Study(replace(study.sources, policy=made.assign(always_treated=rule))),
            Options(),
        )
        assert (treated in set(rows["city_id"])) == there


def test_the_share_of_a_year_is_not_guessed(study):
    fraction = study.sources.policy["exposure__fraction"]
    unknown = fraction.mask(fraction.between(0, 1, inclusive="neither"))
    with pytest.raises(PanelError, match="dated by the year alone"):
        estimate(
            with_policy(study, exposure__fraction=unknown),
            Options(exposure_from="fraction"),
        )


def ended_policy():
    rng = np.random.default_rng(5)
    rows = []
    for unit in range(12):
        for year in range(2010, 2020):
            dose = 0.5 if unit < 5 and 2013 <= year <= 2015 else 0.0
            rows.append((unit, year, dose, 2013 if unit < 5 else 0))
    frame = pd.DataFrame(rows, columns=["city_id", "year", "sydid", "cohort"])
    noise = 0.01 * rng.standard_normal(len(frame))
    return frame.assign(tfpch=frame["city_id"] + 0.4 * frame["sydid"] + noise)


def test_a_policy_that_ends_is_estimated_as_it_was_or_not_at_all():
    frame = ended_policy()
    with pytest.raises(PanelError, match="switches off"):
        did.twfe(
            frame, outcome="tfpch", treatment="sydid", unit="city_id", period="year"
        )
    table = att_table(
        frame, treatment="sydid", outcomes=["tfpch"], draws=99, absorbing=False
    )
    overall = table[table["term"].isin(["overall", "event_times"])]
    estimated = overall[overall["estimate"].notna()]
    assert estimated["estimator"].tolist() == ["twfe"]
    assert estimated["estimate"].iloc[0] == pytest.approx(0.4, abs=0.02)
    refused = overall[overall["estimate"].isna()]
    assert refused["note"].str.contains("ends, or is partial").all()
    assert len(refused) == table["estimator"].nunique()
    told = bacon_table(frame, treatment="sydid", outcomes=["tfpch"])
    assert len(told) == 1 and told["note"].notna().all()


def test_estimators_by_cohort_are_not_given_a_policy_that_ends(study):
    policy = study.sources.policy
    last = policy["year"] == policy["year"].max()
    ends = policy["exposure__approval_year"].mask(last, 0.0)
    ended = with_policy(study, exposure__approval_year=ends)
    before = estimate(study, Options()).estimate
    assert estimate(ended, Options()).estimate != before
    with pytest.raises(EstimationError, match="ends, or is partial"):
        estimate(ended, Options(estimator="imputation"))


def test_a_variant_without_years_is_a_row_with_its_reason():
    study = declared()
    headline = study.resolve({"first_year": 2017})
    assert "fai_extension=none" not in study.variants(headline)
    assert study.without_years(headline) == {
        "fai_extension=none": "it ends in 2016, because total investment by city ends "
        "in 2016, and the study begins in 2017"
    }


def test_a_variant_without_treated_cities_stops_nothing():
    frame = ended_policy().assign(
        sydid=0.0, cohort=0, variant="headline", outcome_name="tfpch", region="eastern",
        is_municipality=False, is_capital_assumed=False,
        event_time=pd.array([pd.NA] * 120, dtype="Int64"),
        **dict.fromkeys(declared().controls, 1.0),
    )  # fmt: skip
    frame["outcome"] = frame["tfpch"]
    variants = pd.DataFrame(
        {"variant": ["headline"], "variant_order": [1], "standard_errors": ["xtreg"],
         "first_year": [2017], "last_year": [2019]}
    )  # fmt: skip
    rows = regressions(frame, variants)
    assert rows["estimate"].isna().all() or not rows["term"].eq("sydid").any()
    gone = rows[rows["variant"] == "fai_extension=none"]
    assert len(gone) == len(declared().columns)
    assert gone["note"].str.contains("total investment by city ends in 2016").all()
    told = event_studies(frame, variants)
    assert told["note"].str.startswith("not estimated").all() and len(told) == 1


PERIODS = [
    ({"first": 2012}, "growth runs from 2011 to 2014"),
    ({"last": 2013}, "growth runs from 2011 to 2014"),
    ({"base": 2005}, "base is 2005"),
    ({"first": 2019, "growth": [2019, 2020], "base": 2019}, "first is 2019"),
]


@pytest.mark.parametrize(("period", "words"), PERIODS)
def test_years_that_the_period_does_not_have_are_named(period, words):
    content = dict(declared().content)
    content["period"] = {**content["period"], **period}
    with pytest.raises(OptionError, match=words):
        Declaration(content)


def test_the_years_of_options_follow_from_the_period():
    content = dict(declared().content)
    content["period"] = {"first": 2003, "last": 2023, "base": 2005}
    made = Declaration(content)
    assert made.checked("first_year", 2004) == 2004
    assert made.checked("last_year", 2023) == 2023
    assert made.growth_years == (2003, 2023)
    with pytest.raises(OptionError, match="from 2003 to 2023"):
        made.checked("first_year", 2002)
