"""The tables of estimators, inference and checks hang together with the headline."""

from __future__ import annotations

import numpy as np
import pytest

from citypanel.did.sizes import LEADS, size_note
from citypanel.did.study import SIZES


@pytest.fixture(scope="module")
def headline(built):
    return built.query(
        "select * from marts.rpt_regressions where variant = 'headline' "
        "and term = 'sydid'"
    ).set_index(["paper_table", "paper_column"])


def test_bacon_weights_add_up_to_one_and_estimates_to_the_headline(built, headline):
    rows = built.query("select * from marts.rpt_bacon")
    for outcome, part in rows.groupby("outcome"):
        assert part["weight"].sum() == pytest.approx(1.0, abs=1e-10)
        total = (part["weight"] * part["estimate"]).sum()
        assert total == pytest.approx(part["twfe_estimate"].iloc[0], abs=1e-10), outcome
    tfpch = rows[rows["outcome"] == "tfpch"]["twfe_estimate"].iloc[0]
    assert tfpch == pytest.approx(headline.loc[("3", "(1)"), "estimate"], abs=1e-10)


def test_inference_is_about_the_published_columns(built, headline):
    rows = built.query("select * from marts.rpt_inference").set_index(
        ["paper_table", "paper_column"]
    )
    assert sorted(rows.index) == sorted(headline.index)
    for column in ["estimate", "std_error", "p_value"]:
        np.testing.assert_allclose(
            rows[column], headline.loc[rows.index, column], rtol=1e-9
        )
    assert rows["n_obs"].tolist() == headline.loc[rows.index, "n_obs"].tolist()
    for column in ["p_value_wild", "p_value_cv3", "p_value_randomisation"]:
        assert rows[column].between(0, 1).all()


def test_every_estimator_has_an_overall_effect_on_every_outcome(built, headline):
    rows = built.query(
        "select * from marts.rpt_att where aggregation = 'simple' and term = 'overall'"
    )
    assert len(rows) == 9 * 3
    assert rows["estimate"].notna().all() and rows["std_error"].notna().all()
    two_way = rows[(rows["estimator"] == "twfe") & (rows["outcome"] == "tfpch")]
    assert two_way["estimate"].item() == pytest.approx(
        headline.loc[("3", "(1)"), "estimate"], abs=1e-12
    )


def test_what_rests_on_one_city_has_no_standard_error(built):
    for table in ["rpt_att", "rpt_event_study"]:
        alone = built.query(
            f"select * from marts.{table} where event_time = 4 "
            "and estimator != 'stacked'"
        )
        assert len(alone) > 5
        assert alone["std_error"].isna().all()
        assert alone["note"].str.contains("one unit").all()


def test_sensitivity_contains_the_headline_and_every_city(built, headline):
    rows = built.query("select * from marts.rpt_sensitivity").set_index("check_name")
    assert rows.loc["headline", "estimate"] == pytest.approx(
        headline.loc[("3", "(1)"), "estimate"], abs=1e-12
    )
    assert len(rows.loc["leave_one_city_out"]) == 73
    exclusions = rows.loc["exclusion"].set_index("sample")["n_cities"].to_dict()
    roster = built.query(
        "select count(*) filter (where is_municipality) as municipalities, "
        "count(*) filter (where cities.batch = 4) as batch_4, "
        "count(*) filter (where city_id like '__0100') as capitals "
        "from marts.rpt_sample join marts.dim_cities as cities using (city_id) "
        "where is_in_sample"
    ).iloc[0]
    assert exclusions == {
        "without_municipalities": 73 - roster["municipalities"],
        "without_batch_4": 73 - roster["batch_4"],
        "without_provincial_capitals": 73 - roster["capitals"],
    }
    regions = rows.loc["by_region"]
    assert sorted(set(regions["aggregation"])) == ["interacted", "subsample"]
    assert regions["sample"].nunique() == 4


def test_the_audit_finds_what_the_printed_tables_contradict(built):
    rows = built.query("select * from marts.rpt_published_audit")
    wrong = rows[rows["disagrees"]]

    def found(check, **where):
        part = wrong[wrong["check_name"] == check]
        for name, value in where.items():
            part = part[part[name] == value]
        return part

    assert len(found("stars", term="sydid")) >= 7
    assert len(found("observations", paper_table="4")) == 8
    # The 70 cities of the paper: 30 treated, by batch 1, 11 and 18.
    share = found("treated share")["recomputed"].item()
    assert share == pytest.approx((1 * 5 + 11 * 4 + 18 * 2) / 630)
    regions = rows[
        (rows["check_name"] == "observations") & (rows["paper_table"] == "4")
    ]
    nine = regions[regions["quantity"] == "N at 9 rows a city"]
    assert nine["recomputed"].sum() == 630
    laws = rows[(rows["check_name"] == "stars") & (rows["paper_table"] == "4")]
    assert {"stars under t(27)", "stars under t(7)"} <= set(laws["quantity"])
    assert "stars under t(69)" not in set(laws["quantity"])
    assert len(found("variance of a 0/1 variable", term="sydid")) == 1
    assert len(found("largest possible spread", term="con")) == 2
    assert set(found("controls defined in the text")["term"]) == {"edu"}
    assert found("growth against amounts")["printed"].tolist() == [39.2]
    # What is not legible in the copy is no disagreement.
    unprinted = rows[rows["printed"].isna()]
    assert len(unprinted) == 4 and not unprinted["disagrees"].any()


@pytest.mark.slow
def test_a_build_leaves_no_table_of_an_earlier_one(built, workshop):
    before = built.fingerprints()
    assert "marts.rpt_att" in before
    result = workshop.dbt("build", "--vars", "{credibility: false}")
    assert result.returncode == 0, result.stdout
    assert workshop.fingerprints() == before
    after = workshop.published_by(result).fingerprints()
    gone = set(before) - set(after)
    assert gone == {
        "marts.rpt_att", "marts.rpt_bacon", "marts.rpt_balance",
        "marts.rpt_inference", "marts.rpt_published_audit",
        "marts.rpt_randomisation", "marts.rpt_referee", "marts.rpt_sensitivity",
    }  # fmt: skip
    changed = {name for name in after if after[name] != before[name]}
    # The paths of the other estimators are rows of the event study; the option is a
    # change since the accepted run.
    assert changed == {
        "marts.rpt_event_study", "marts.dim_study_variants", "quality.dq_summary",
    }  # fmt: skip


@pytest.mark.slow
def test_regions_have_every_estimator_with_a_warning(workshop):
    result = workshop.dbt("build", "--vars", "{att_by_region: true}")
    assert result.returncode == 0, result.stdout
    rows = workshop.published_by(result).query(
        "select * from marts.rpt_att where sample != 'all'"
    )
    assert set(rows["outcome"]) == {"tfpch"}
    overall = rows[(rows["aggregation"] == "simple") & (rows["term"] == "overall")]
    assert overall.groupby("sample")["estimator"].nunique().to_dict() == {
        "central": 9, "eastern": 9, "northeastern": 9, "western": 9,
    }  # fmt: skip
    # Every row whose test was measured to be off in samples of the region's size.
    treated = rows.groupby("sample")["n_treated_cities"].transform("max")
    for row, n in zip(rows.to_dict("records"), treated, strict=True):
        test = SIZES.get(row["estimator"], row["estimator"])
        test = LEADS if row["aggregation"] == "test" else test
        said = size_note([test], row["n_cities"], n)
        assert said is None or said in row["note"], row["term"]
    assert rows["note"].str.contains("reject true nulls").mean() > 0.5
    # The rule of one-city cohorts holds in every subsample.
    alone = rows[rows["note"].str.contains("rests on cohorts of one unit", na=False)]
    assert len(alone) > 0 and alone["std_error"].isna().all()
