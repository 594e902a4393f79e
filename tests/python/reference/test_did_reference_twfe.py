"""Two-way fixed effects against fixest, clubSandwich, plm, Stata and Petersen."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from tests.support.validation import approx, assert_allclose

from citypanel import did

CASTLE = dict(outcome="l_homicide", treatment="post", unit="state", period="year")


@pytest.fixture(scope="module")
def folder(references):
    return references / "did"


def read(folder, name, **options):
    return pd.read_csv(folder / name / "inputs.csv", **options)


def load(folder, name, file="expected_R.json"):
    return json.loads((folder / name / file).read_text())


@pytest.mark.compares("did.twfe", "R fixest 0.14.2")
def test_twelve_small_sample_corrections_of_fixest(folder):
    # fixest 0.14.2, fixest_ssc_castle; tolerance of its README 1e-8.
    castle = read(folder, "bacon_castle")
    variants = load(folder, "fixest_ssc_castle")["variants"]
    assert len(variants) == 12
    for v in variants:
        options = {name: v[name] for name in ("K.fixef", "K.adj", "G.adj")}
        fit = did.twfe(
            castle,
            controls=["l_pop", "l_income"],
            standard_errors="fixest",
            small_sample=options,
            **CASTLE,
        ).iloc[0]
        assert fit["estimate"] == approx(v["b"], abs=1e-8)
        assert fit["std_error"] == approx(v["se"], abs=1e-8)
        assert fit["statistic"] == approx(v["t"], rel=1e-8)
        assert fit["p_value"] == approx(v["p"], abs=1e-8)


@pytest.mark.compares("did.twfe", "R fixest 0.14.2")
def test_xtreg_is_fixest_nested_default(folder):
    castle = read(folder, "bacon_castle")
    expected = load(folder, "bacon_castle")
    plain = did.twfe(castle, **CASTLE).iloc[0]
    assert plain["standard_errors"] == "xtreg"
    assert plain["estimate"] == approx(expected["twfe"], abs=1e-8)
    error = expected["twfe_se_cluster_state_fixest_default"]
    assert plain["std_error"] == approx(error, abs=1e-8)
    controlled = did.twfe(castle, controls=["l_pop", "l_income"], **CASTLE).iloc[0]
    assert controlled["estimate"] == approx(expected["controlled"]["twfe"], abs=1e-8)
    assert controlled["std_error"] == approx(expected["controlled"]["se"], abs=1e-8)


@pytest.mark.compares("did.twfe", "R clubSandwich 0.5.8")
def test_bias_reduced_errors_of_clubsandwich(folder):
    # clubSandwich 0.5.8. Its CR1 is G/(G-1), CR1S counts every dummy in K.
    castle = read(folder, "bacon_castle")
    rows = load(folder, "bacon_castle", "expected_R_CR2_CR3.json")["cr"]
    ours = {
        "CR0": dict(standard_errors="CR0"),
        "CR1": dict(
            standard_errors="fixest",
            small_sample={"K.adj": False},
        ),
        "CR1S": dict(standard_errors="full"),
        "CR2": dict(standard_errors="CR2"),
    }
    assert {r["type"] for r in rows} == set(ours)
    for row in rows:
        fit = did.twfe(castle, **CASTLE, **ours[row["type"]]).iloc[0]
        assert fit["estimate"] == approx(row["b"], abs=1e-8)
        assert fit["std_error"] == approx(row["se"], abs=1e-8)
        if row["type"] == "CR2":
            # Satterthwaite p-values for the others are not offered: their
            # convention here is t(G-1).
            assert fit["df"] == approx(row["df"], abs=1e-6)
            assert fit["p_value"] == approx(row["p"], abs=1e-8)


def grunfeld(folder, **options):
    data = read(folder, "stata_grunfeld_cluster")
    data = data[data["firm"] != "American Steel"]
    return did.twfe(
        data,
        outcome="invest",
        treatment="value",
        controls=["capital"],
        unit="firm",
        period="year",
        **options,
    )


@pytest.mark.compares("did.twfe", "R fixest 0.14.2, plm, clubSandwich 0.5.8")
def test_grunfeld_two_way_effects(folder):
    expected = load(folder, "stata_grunfeld_cluster", "expected_R_twfe.json")
    for key, cluster in (("feols", "firm"), ("feols_year_twoway", ["firm", "year"])):
        fit = grunfeld(folder, standard_errors="fixest", cluster=cluster)
        for row, want in zip(
            fit.iloc[:2].to_dict("records"), expected[key], strict=True
        ):
            assert row["estimate"] == approx(want["Estimate"], abs=1e-8)
            assert row["std_error"] == approx(want["Std. Error"], abs=1e-8)
            assert row["p_value"] == approx(want["Pr(>|t|)"], abs=1e-8)
    plm = expected["plm_twoways"]
    conventional = grunfeld(folder, standard_errors="conventional")
    assert_allclose(conventional["estimate"][:2], plm["b"], atol=1e-8)
    assert_allclose(conventional["std_error"][:2], plm["se_iid"], atol=1e-8)
    arellano = grunfeld(folder, standard_errors="CR0")
    assert_allclose(arellano["std_error"][:2], plm["se_arellano_HC0"], atol=1e-8)
    # plm's "sss" counts the two regressors only.
    sss = grunfeld(folder, standard_errors="fixest", small_sample={"K.fixef": "none"})
    assert_allclose(sss["std_error"][:2], plm["se_arellano_sss"], atol=1e-8)
    for row in expected["clubSandwich"]:
        if row["type"] != "CR2":
            continue
        cr2 = grunfeld(folder, standard_errors="CR2")
        assert_allclose(cr2["std_error"][:2], row["se"], atol=1e-8)
        assert_allclose(cr2["df"][:2], row["df"], atol=1e-6)
        assert_allclose(cr2["p_value"][:2], row["p"], atol=1e-8)


# Driscoll and Kraay's errors need a long panel; the study has nine years.
NOT_OFFERED_GRUNFELD = {"driscoll_kraay": "a kernel over time is not an option"}


def test_grunfeld_figures_left_out_are_listed(folder):
    expected = load(folder, "stata_grunfeld_cluster", "expected_R_twfe.json")
    tested = {"b", "se_iid", "se_arellano_HC0", "se_arellano_sss"}
    assert set(expected["plm_twoways"]) == tested | set(NOT_OFFERED_GRUNFELD)


@pytest.mark.compares("did.twfe", "Stata 13 regress, xtreg")
def test_grunfeld_pooled_stata_cluster(folder):
    expected = load(folder, "stata_grunfeld_cluster", "expected.json")
    fit = grunfeld(folder, effects="none").set_index("term")
    for name, term in (("value", "value"), ("capital", "capital"), ("_cons", "const")):
        # Stata read the data in single precision: relative, not absolute.
        assert fit.loc[term, "estimate"] == approx(expected["b"][name], rel=1e-8)
        assert fit.loc[term, "std_error"] == approx(expected["se"][name], abs=1e-6)
    assert fit.loc["value", "df"] == expected["df_r"]
    assert fit.loc["value", "n_obs"] == expected["N"]
    assert fit.loc["value", "n_clusters"] == expected["N_clust"]


@pytest.mark.compares("did.twfe", "Stata xtreg (printed log), R fixest 0.14.2")
def test_stata_xtreg_of_the_wage_panel(folder):
    expected = load(folder, "stata_xtreg_nlswork100", "expected.json")
    wages = read(folder, "stata_xtreg_nlswork100")
    options = dict(
        outcome="ln_wage",
        treatment="age",
        controls=["tenure"],
        unit="idcode",
        period="year",
        effects="unit",
    )
    fit = did.twfe(wages, **options).set_index("term")
    full = did.twfe(wages, standard_errors="full", **options).set_index("term")
    for x in ("age", "tenure"):
        assert fit.loc[x, "estimate"] == approx(expected["b"][x], abs=5e-7)
        want = expected["xtreg_fe_cluster_se"][x]
        assert fit.loc[x, "std_error"] == approx(want, abs=5e-7)
        want = expected["regress_dummies_or_dfadj_se"][x]
        assert full.loc[x, "std_error"] == approx(want, abs=5e-7)
    constant = fit.loc["const", ["estimate", "std_error"]].astype(float)
    assert_allclose(constant, expected["xtreg_cons"], atol=5e-7)
    assert fit["r2_within"].iloc[0] == approx(expected["within_r2"], abs=5e-5)
    assert fit.loc["age", ["n_obs", "n_clusters"]].tolist() == [
        expected["N"],
        expected["G"],
    ]
    extra = load(folder, "stata_xtreg_nlswork100")
    for key, ours in (("default", fit), ("Kfull", full)):
        for want in extra[key]:
            row = ours.loc[want["_row"]]
            assert row["std_error"] == approx(want["Std. Error"], abs=1e-8)
            assert row["p_value"] == approx(want["Pr(>|t|)"], abs=1e-8)


STATA = {
    ("pooled", "conventional"): dict(effects="none", standard_errors="conventional"),
    ("pooled", "robust"): dict(effects="none", standard_errors="HC1"),
    ("pooled", "cluster"): dict(effects="none", standard_errors="xtreg"),
    ("fixed_effect", "conventional"): dict(
        effects="unit", standard_errors="conventional"
    ),
    ("fixed_effect", "robust"): dict(effects="unit", standard_errors="xtreg"),
    ("fixed_effect", "cluster"): dict(effects="unit", standard_errors="xtreg"),
}
NOT_OFFERED_STATA = {
    "between": "the between estimator compares city means; the study has city effects",
    "random_effect": "random effects assume effects independent of the policy",
}


@pytest.mark.compares("did.twfe", "Stata 13 regress, xtreg")
def test_stata_blocks(folder):
    # 51 blocks of Stata 13; b 1e-8 relative, t 1e-3 (README).
    models = load(folder, "stata_xtreg_simulated", "expected.json")["models"]
    panel = read(folder, "stata_xtreg_simulated")
    panel["time"] = pd.to_datetime(panel["time"]).dt.year
    tested, skipped = 0, 0
    for key, model in models.items():
        kind, errors, weighted, suffix = key.split("-")
        if (kind, errors) not in STATA:
            assert kind in NOT_OFFERED_STATA, key
            skipped += 1
            continue
        tested += 1
        regressors = [x for x in model["params"] if x != "_cons"]
        fit = did.twfe(
            panel,
            outcome=f"y{suffix}",
            treatment=regressors[0],
            controls=regressors[1:],
            unit="firm",
            period="time",
            weights="w" if weighted else None,
            **STATA[kind, errors],
        )
        fit = fit[fit["aggregation"] == "coefficient"].set_index("term")
        assert fit["n_obs"].iloc[0] == model["N"], key
        for x, want in model["params"].items():
            row = fit.loc["const" if x == "_cons" else x]
            assert row["estimate"] == approx(want["b"], rel=1e-7, abs=1e-8), key
            assert row["statistic"] == approx(want["t"], rel=1e-3), (key, x)
        if "r2_w" in model:
            assert fit["r2_within"].iloc[0] == approx(model["r2_w"], abs=1e-6)
    assert tested == 36 and tested + skipped == 51


@pytest.mark.compares("did.twfe", "Petersen's page (4 decimals)")
def test_petersen(folder):
    # Petersen's page prints four decimals; tolerance of the README 6e-5.
    data = read(folder, "petersen_cluster")
    expected = load(folder, "petersen_cluster", "expected.json")
    options = dict(
        outcome="y", treatment="x", unit="firm", period="year", effects="none"
    )
    cases = {
        "ols": dict(standard_errors="conventional"),
        "white": dict(standard_errors="HC1"),
        "firm": dict(cluster="firm"),
        "year": dict(cluster="year"),
        "firm_year": dict(
            cluster=["firm", "year"],
            standard_errors="fixest",
            small_sample={"G.df": "conventional"},
        ),
    }
    assert set(cases) == set(expected["se"])
    for key, case in cases.items():
        fit = did.twfe(data, **options, **case).set_index("term")
        assert fit.loc["x", "estimate"] == approx(expected["b"]["x"], abs=6e-5)
        assert fit.loc["const", "estimate"] == approx(expected["b"]["const"], abs=6e-5)
        assert fit.loc["x", "std_error"] == approx(expected["se"][key][1], abs=6e-5)
        if key != "firm_year":  # no two-way error for the constant is offered
            assert fit.loc["const", "std_error"] == approx(
                expected["se"][key][0], abs=6e-5
            )
    assert fit["r2_within"].iloc[0] == approx(expected["r2"], abs=6e-5)


@pytest.mark.compares("did.event_study", "R fixest 0.14.2")
def test_event_study_coefficients_behind_the_sensitivity_reference(folder):
    # betahat and sigma computed with fixest 0.14.2 (honestdid_ehec).
    data = read(folder, "honestdid_ehec")
    data = data[(data["year"] < 2016) & ~(data["yexp2"] == 2015)]
    data = data.assign(cohort=np.where(data["yexp2"] == 2014, 2014, 0))
    expected = load(folder, "honestdid_ehec", "betahat_sigma.json")
    fit = did.event_study(
        data, outcome="dins", cohort="cohort", unit="stfips", period="year"
    )
    extra = fit.attrs["covariance"]
    assert_allclose(extra["estimates"], expected["beta"], atol=1e-8)
    assert_allclose(extra["matrix"], expected["sigma"], atol=1e-10)
