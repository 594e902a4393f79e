"""The answers to a referee: rows for every question, sentences by rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from citypanel import did
from citypanel.errors import OptionError
from citypanel.study import referee
from citypanel.study.referee_words import SAID, page, sentences


@pytest.fixture(scope="module")
def panel():
    rng = np.random.default_rng(4)
    rows = []
    for i in range(48):
        cohort = [0, 0, 2015 if i < 32 else 2016, 2016][i % 4]
        city = f"{11 + i // 4}{i:02d}00"
        for year in range(2012, 2020):
            on = cohort > 0 and year >= cohort
            rows.append((city, year, cohort, float(on), rng.normal() + 0.5 * on))
    frame = pd.DataFrame(
        rows, columns=["city_id", "year", "cohort", "sydid", "outcome"]
    )
    frame["variant"], frame["outcome_name"] = "headline", "tfpch"
    frame["region"] = np.where(frame["city_id"] < "1700", "eastern", "western")
    for name in ("effch", "techch", "eco", "ind", "inf", "edu", "sca", "tra", "con"):
        frame[name] = rng.normal(size=len(frame))
    return frame


@pytest.fixture(scope="module")
def answers(panel):
    variants = pd.DataFrame(
        {
            "variant": ["headline"],
            "seed": [3],
            "inference_draws": [99],
            "policy": ["pilot_zones"],
        }
    )
    cities = panel["city_id"].unique()
    rng = np.random.default_rng(5)
    places = pd.DataFrame(
        {
            "unit_id": cities,
            "latitude": rng.uniform(25, 35, len(cities)).astype(str),
            "longitude": rng.uniform(100, 115, len(cities)).astype(str),
        }
    )
    own = pd.DataFrame(
        {"policy": "pilot_zones", "city_id": cities, "approval_year": 2015}
    )
    policies = pd.DataFrame(
        {
            "policy": "low_carbon_pilots",
            "city_id": [*cities[::5], None],
            "approval_year": 2016,
        }
    )
    zones = pd.DataFrame(
        {"policy": "free_trade_zones", "city_id": cities[1:9:4], "approval_year": 2017}
    )
    policies = pd.concat([policies, own, zones], ignore_index=True)
    return referee.answers(panel, variants, policies, places)


def test_every_question_has_a_sentence_and_the_rows_behind_it(answers):
    assert list(dict.fromkeys(answers["question"])) == list(referee.QUESTIONS)
    assert list(SAID.of("heading")) == list(referee.QUESTIONS)
    first = answers[answers["answer_order"] == 0]
    assert (first["aggregation"] == "answer").all()
    assert first["text_en"].str.len().gt(20).all()
    assert first["text_zh"].notna().all()
    assert not answers.duplicated(["question", "answer_order"]).any()
    rest = answers[answers["answer_order"] > 0]
    numbers = rest[list(referee.NUMBERS)].notna().any(axis=1) | rest["n_units"].notna()
    assert (numbers | rest["note"].notna()).all()
    assert list(answers.columns) == list(referee.COLUMNS)


def test_the_numbers_of_a_sentence_are_those_of_the_rows(answers):
    rows = answers[answers["question"] == "spatial_errors"].set_index("term")
    said = rows["text_en"].dropna().iloc[0]
    assert f"{rows.loc['unit', 'std_error']:.3f} clustered by unit" in said
    rows = answers[answers["question"] == "concurrent_policies"]
    both = rows[(rows["aggregation"] == "overlap") & (rows["term"] == "both")]
    assert set(rows["policy"].dropna()) == {
        "low_carbon_pilots",
        "free_trade_zones",
        "all",
    }
    both = both[both["policy"] == "all"]
    assert f"{both['n_units'].iloc[0]} of 24 treated units" in rows["text_en"].iloc[0]


def test_what_a_large_panel_leaves_out_says_so(panel, monkeypatch):
    frame = panel.assign(batch=np.nan)
    monkeypatch.setattr(referee, "MOST_CELL_FITS", 0)
    monkeypatch.setattr(referee, "REFITS", 20)
    before = referee._factors(frame, 1, 99)
    for name in ("DRAWN_CELLS", "JACKKNIFED_CELLS", "POOLED_WEIGHTS"):
        monkeypatch.setattr(referee, f"MOST_{name}", 0)
    after = referee._factors(frame, 1, 99)
    drawn = after[after["estimator"] == "interactive_fixed_effects"]
    assert drawn["note"].tolist() == [
        "each of 20 draws fits 384 cells anew: not estimated"
    ]
    for name in ("matrix_completion", "triply_robust"):
        row = after[after["estimator"] == name]
        assert len(row) == 1 and row["estimate"].isna().all()
        assert row["note"].str.endswith(": not estimated").all()
    pooled = after[after["aggregation"] == "partially_pooled"]
    assert pooled["estimate"].isna().all()

    def overall(frame):
        rows = frame[frame["estimator"] == "augmented_synthetic_control"]
        return rows[rows["term"] == "overall"].iloc[0]

    assert overall(after)["estimate"] == overall(before)["estimate"]
    assert np.isfinite(overall(before)["std_error"])
    assert pd.isna(overall(after)["std_error"])
    assert "each of 48 units: no standard error" in overall(after)["note"]
    kept = ["synthetic_did"]
    same = [
        f[f["estimator"].isin(kept)].reset_index(drop=True) for f in (before, after)
    ]
    pd.testing.assert_frame_equal(*(f[["term", "estimate"]] for f in same))


def test_a_row_says_where_its_test_is_not_right():
    row = {"term": "conley_taber", "estimator": "twfe", "p_value": 0.04, "note": "x"}
    small = referee._with_size(row | {"n_units": 17, "n_treated_units": 8})
    assert small.startswith("x; nominal 5% tests reject")
    assert referee._with_size(row | {"n_units": 9000, "n_treated_units": 50}) == "x"
    no_test = row | {"p_value": None, "n_units": 17, "n_treated_units": 8}
    assert referee._with_size(no_test) == "x"


def test_other_numbers_give_other_sentences(answers):
    rows = answers[answers["aggregation"] != "answer"].copy()
    two = rows["question"] == "two_way_weights"
    rows.loc[two & (rows["term"] == "negative"), "weight"] = 0.0
    plain = sentences(rows)["two_way_weights"][0].en
    rows.loc[two & (rows["term"] == "negative"), "weight"] = -0.2
    rows.loc[two & (rows["term"] == "sigma_opposite"), "estimate"] = 0.7
    mixed = sentences(rows)["two_way_weights"][0].en
    assert "None of the effects" in plain and "0.700" in mixed
    moved = rows["question"] == "mechanisms"
    rows.loc[moved, "adjusted_p_value"] = 0.9
    assert "none moves" in sentences(rows)["mechanisms"][0].en
    rows.loc[moved, "adjusted_p_value"] = 0.01
    assert "some move " in sentences(rows)["mechanisms"][0].en
    few = rows["question"] == "few_treated"
    rows.loc[few, "p_value"] = 0.4
    assert "do not reject" in sentences(rows)["few_treated"][0].en
    rows.loc[few, "p_value"] = 0.001
    assert (
        "reject a zero effect at the 5% level in"
        in sentences(rows)["few_treated"][0].en
    )


def test_what_is_not_known_says_why(answers):
    rows = answers[answers["aggregation"] != "answer"].copy()
    rows.loc[:, list(referee.NUMBERS)] = np.nan
    rows["note"] = "the file has no places"
    rows["policy"] = None
    for question, said in sentences(rows).items():
        if question != "few_treated":
            assert said[0].en == "Not answered: the file has no places."
            assert said[0].zh.startswith("无法回答")


def test_the_page_has_every_heading_in_both_languages(answers):
    rows = answers.rename(columns={"outcome_name": "outcome"})
    frontiers = pd.DataFrame(
        {
            "alternative_order": [0, 1, 2],
            "estimate": [0.1, 0.2, -0.3],
            "p_value": [0.5, 0.4, 0.03],
            "change_in_std_errors": [0.0, 1.0, -4.0],
            "note": None,
        }
    )
    changes = pd.DataFrame(
        {
            "dimension": ["role", "difference", "difference"],
            "year": [2019, 2018, 2017],
            "mean_tfpch": [9.0, 1.1, 0.9],
            "mean_tfpch_low": [8.0, 1.05, 0.8],
            "mean_tfpch_high": [9.5, 1.2, 1.02],
        }
    )
    text = page(rows, frontiers, changes)
    assert "the sign changes, and the largest change is 4.0 standard errors" in text
    assert "in 1 of 2 periods; in 2018, the last, their ratio is 1.100" in text
    assert "95% interval 1.050 to 1.200" in text
    bare = page(rows, frontiers.head(1), changes.head(1))
    assert bare.count("Not answered: ") == text.count("Not answered: ") + 2
    for language in ("en", "zh"):
        text = page(rows, frontiers, changes, language)
        headings = SAID.of("heading") | SAID.of("heading_of_index")
        assert all(f"## {h.said(language)}\n" in text for h in headings.values())


def test_the_shipped_page_is_that_of_the_shipped_file(project):
    from citypanel.outputs.marts import Marts

    file = project / "citypanel.duckdb"
    if not file.is_file():
        pytest.skip("no published file here")
    with Marts(file) as marts:
        if marts["dim_study_variants"]["policy"].iloc[0] != "pilot_zones":
            pytest.skip("the published file is another study's")
        names = ("rpt_referee", "rpt_frontier_alternatives", "rpt_tfp_trajectories")
        want = page(*(marts[name] for name in names))
    assert (project / "docs/results/referee.md").read_text("utf-8") == want


def test_a_declared_policy_without_units_is_an_error(panel):
    variants = pd.DataFrame(
        {"variant": ["headline"], "seed": [3], "inference_draws": [99], "policy": ["x"]}
    )
    nobody = pd.DataFrame(columns=["policy", "city_id", "approval_year"])
    with pytest.raises(OptionError, match="low_carbon_pilots"):
        referee.answers(panel, variants, nobody, pd.DataFrame())


@pytest.mark.parametrize("estimator", ["twfe", "imputation"])
def test_groups_follow_the_headlines_estimator(panel, estimator):
    rows = referee._by_group(panel, estimator).set_index(["aggregation", "term"])
    own = rows.loc[("group_effect", "region: eastern")]
    gap = rows.loc[("group_difference", "region: eastern")]
    other = rows.loc[("group_effect", "region: western")]
    assert own["estimator"] == gap["estimator"] == estimator
    assert gap["estimate"] == pytest.approx(own["estimate"] - other["estimate"])
    assert gap["adjusted_p_value"] >= gap["p_value"]
    if estimator == "imputation":
        east = panel[(panel["cohort"] == 0) | (panel["region"] == "eastern")]
        want = did.imputation(
            east, outcome="outcome", cohort="cohort", unit="city_id", period="year"
        )
        assert own["estimate"] == pytest.approx(want.loc[0, "estimate"])
        # The jackknife and the influence function agree but for its leverage.
        assert own["std_error"] == pytest.approx(want.loc[0, "std_error"], rel=0.25)


def test_doses_are_told_where_they_differ(panel):
    same = referee._dose(panel, 1, 99)
    assert same["note"].str.contains("same dose").any()
    dosed = panel.assign(
        sydid=panel["sydid"] * (1 + panel["city_id"].str[2:4].astype(int) % 5)
    )
    found = referee._dose(dosed, 1, 99)
    assert found.loc[found["estimator"] == "dose_response", "estimate"].notna().any()
