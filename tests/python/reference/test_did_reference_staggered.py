"""Staggered-adoption estimators against R did, fixest and their peers."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from tests.support.validation import approx, assert_allclose

from citypanel import did

MPDTA = dict(outcome="lemp", cohort="first.treat", unit="countyreal", period="year")


@pytest.fixture(scope="module")
def folder(references):
    return references / "did"


def read(folder, name):
    return pd.read_csv(folder / name / "inputs.csv")


def load(folder, name, file="expected_R.json"):
    return json.loads((folder / name / file).read_text())


@pytest.mark.compares("did.bacon_decomposition", "R bacondecomp 0.1.1")
def test_bacon_two_by_twos(folder):
    # bacondecomp 0.1.1; 1e-8.
    castle = read(folder, "bacon_castle")
    expected = load(folder, "bacon_castle")
    ours = did.bacon_decomposition(
        castle, outcome="l_homicide", treatment="post", unit="state", period="year"
    )
    assert len(ours) == len(expected["two_by_two"]) == 25
    ours = ours.set_index(["cohort", "control_cohort"])
    for want in expected["two_by_two"]:
        other = 0 if want["untreated"] == 99999 else want["untreated"]
        row = ours.loc[(want["treated"], other)]
        assert row["estimate"] == approx(want["estimate"], abs=1e-8)
        assert row["weight"] == approx(want["weight"], abs=1e-8)
        assert row["type"] == want["type"]
    assert ours["weight"].sum() == approx(1.0, abs=1e-12)
    total = (ours["weight"] * ours["estimate"]).sum()
    assert total == approx(expected["weighted_sum"], abs=1e-8)
    assert ours.attrs["twfe"] == approx(expected["twfe"], abs=1e-8)
    published = load(folder, "bacon_castle", "expected_published.json")["castle"]
    assert total == approx(published["weighted_sum"], abs=5e-5)


@pytest.mark.compares("did.bacon_decomposition, controls", "R bacondecomp 0.1.1")
def test_bacon_with_controls(folder):
    # bacondecomp 0.1.1; 1e-8. Its pairs' weights leave the part within cohorts out.
    expected = load(folder, "bacon_castle")
    assert set(expected) == {
        "peer",
        "two_by_two",
        "weighted_sum",
        "twfe",
        "twfe_se_cluster_state_fixest_default",
        "controlled",
    }
    expected = expected["controlled"]
    ours = did.bacon_decomposition(
        read(folder, "bacon_castle"),
        outcome="l_homicide",
        treatment="post",
        unit="state",
        period="year",
        controls=["l_pop", "l_income"],
    )
    assert ours.attrs["twfe"] == approx(expected["twfe"], abs=1e-8)
    within = ours[ours["type"] == "Within cohorts"].iloc[0]
    assert within["weight"] == approx(expected["Omega"], abs=1e-8)
    assert within["estimate"] == approx(expected["beta_hat_w"], abs=1e-8)
    pairs = ours.set_index(["cohort", "control_cohort"])
    assert len(pairs) == len(expected["two_by_two"]) + 1
    for want in expected["two_by_two"]:
        other = 0 if want["untreated"] == 99999 else want["untreated"]
        row = pairs.loc[(want["treated"], other)]
        assert row["estimate"] == approx(want["estimate"], abs=1e-8)
        share = row["weight"] / (1 - expected["Omega"])
        assert share == approx(want["weight"], abs=1e-8)


def specifications(references):
    return load(references / "did", "mpdta_callaway_santanna")["specs"]


@pytest.mark.parametrize("number", range(24))
@pytest.mark.compares("did.group_time_att, aggregate_att", "R did 2.5.1, DRDID 1.2.3")
def test_group_time_and_aggregates_of_r_did(folder, number):
    # R did 2.5.1, DRDID 1.2.3: estimates 1e-8 (1e-5 with a logit), errors 1e-6.
    specs = load(folder, "mpdta_callaway_santanna")["specs"]
    assert len(specs) == 24
    spec = specs[number]
    data = read(folder, "mpdta_callaway_santanna")
    control_group = {"nevertreated": "never", "notyettreated": "not_yet"}
    fit = did.group_time_att(
        data,
        controls=["lpop"] if spec["xformla"] == "~lpop" else [],
        control_group=control_group[spec["control_group"]],
        method=spec["est_method"],
        base_period=spec["base_period"],
        **MPDTA,
    )
    weighted = spec["xformla"] == "~lpop" and spec["est_method"] != "reg"
    tolerance = 1e-5 if weighted else 1e-8
    cells = fit[fit["aggregation"] == "group_time"].set_index(["cohort", "period"])
    assert len(cells) == len(spec["att_gt"])
    for want in spec["att_gt"]:
        row = cells.loc[(want["group"], want["t"])]
        assert row["estimate"] == approx(want["att"], abs=tolerance)
        if want["se"] is None:
            assert np.isnan(row["std_error"])
        else:
            assert row["std_error"] == approx(want["se"], abs=1e-6)
    test = fit[fit["aggregation"] == "test"].iloc[0]
    q = int(test["note"].split("(")[1].split(",")[0])
    wald = spec["wald_pre"]
    if wald:
        assert test["statistic"] * q == approx(wald[0][0], rel=1e-4)
        assert test["p_value"] == approx(spec["wald_pre_p"][0][0], abs=6e-6)
    for kind, want in spec["aggte"].items():
        ours = did.aggregate_att(fit, kind)
        overall = ours.iloc[0]
        assert overall["term"] == "overall"
        assert overall["estimate"] == approx(want["overall_att"], abs=tolerance)
        assert overall["std_error"] == approx(want["overall_se"], abs=1e-6)
        key = {"group": "cohort", "dynamic": "event_time", "calendar": "period"}
        if kind == "simple":
            assert len(ours) == 1
            continue
        parts = ours.iloc[1:].set_index(key[kind])
        assert parts.index.tolist() == want["egt"]
        assert_allclose(parts["estimate"], want["att_egt"], atol=tolerance)
        errors = np.array(
            [np.nan if e is None or e == "NA" else e for e in want["se_egt"]], float
        )
        assert_allclose(parts["std_error"], errors, atol=1e-6)


@pytest.mark.compares(
    "did.group_time_att, aggregate_att", "R did (its README, bootstrap)"
)
def test_group_time_effects_as_printed(folder):
    # R did's README, four decimals; its standard errors are bootstrapped (10%).
    want = load(folder, "mpdta_callaway_santanna", "expected_published.json")
    data = read(folder, "mpdta_callaway_santanna")
    fit = did.group_time_att(data, method="reg", **MPDTA)
    cells = fit[fit["aggregation"] == "group_time"]
    printed = np.array(want["att_gt"])
    np.testing.assert_array_equal(cells["cohort"], printed[:, 0])
    np.testing.assert_array_equal(cells["period"], printed[:, 1])
    assert_allclose(cells["estimate"], printed[:, 2], atol=5.1e-5)
    assert_allclose(cells["std_error"], printed[:, 3], rtol=0.1)
    for kind, key in (("dynamic", "event_time"), ("group", "cohort")):
        ours = did.aggregate_att(fit, kind)
        assert_allclose(
            ours.loc[0, "estimate"], want[f"{kind}_overall"][0], atol=5.1e-5
        )
        assert_allclose(ours.loc[0, "std_error"], want[f"{kind}_overall"][1], rtol=0.1)
        rows = np.array(want[kind])
        np.testing.assert_array_equal(ours[key].iloc[1:], rows[:, 0])
        assert_allclose(ours["estimate"].iloc[1:], rows[:, 1], atol=5.1e-5)
        assert_allclose(ours["std_error"].iloc[1:], rows[:, 2], rtol=0.15)
    test = fit[fit["aggregation"] == "test"].iloc[0]
    assert test["p_value"] == approx(want["pretest_p"], abs=5.1e-6)


@pytest.mark.compares("did.twfe", "R fixest 0.14.2")
def test_twfe_on_the_same_counties(folder):
    want = load(folder, "mpdta_callaway_santanna", "expected_R_other_estimators.json")
    data = read(folder, "mpdta_callaway_santanna")
    late = (data["first.treat"] > 0) & (data["year"] >= data["first.treat"])
    fit = did.twfe(
        data.assign(tr=late.astype(float)),
        outcome="lemp",
        treatment="tr",
        unit="countyreal",
        period="year",
    )
    assert fit.loc[0, "estimate"] == approx(want["twfe"][0]["Estimate"], abs=1e-8)
    assert fit.loc[0, "std_error"] == approx(want["twfe"][0]["Std. Error"], abs=1e-6)


@pytest.mark.compares("did.sun_abraham", "R fixest 0.14.2")
def test_sun_abraham_of_fixest(folder):
    # fixest 0.14.2 sunab; the README allows b 1e-7, se 1e-4.
    data = read(folder, "sunab_base_stagg")
    data["cohort"] = data["year_treated"].where(data["year_treated"] < 1000, 0)
    want = load(folder, "sunab_base_stagg")
    fit = did.sun_abraham(
        data, outcome="y", cohort="cohort", unit="id", period="year", controls=["x1"]
    )
    assert fit["n_obs"].iloc[0] == want["nobs"]
    rows = fit.set_index(["aggregation", "term"])
    for key, kind in (
        ("event_study", "dynamic"),
        ("att", "simple"),
        ("cohort", "group"),
    ):
        for line in want[key]:
            name, _, value = line["_row"].partition("::")
            if name == "x1":
                row = rows.loc[("coefficient", "x1")]
            elif name == "ATT":
                row = rows.loc[("simple", "overall")]
            else:
                label = "event_time" if name == "year" else "cohort"
                row = rows.loc[(kind, f"{label}_{value}")]
                if label == "cohort":
                    size = data.loc[data["cohort"] == int(value), "id"].nunique()
                    assert row["n_treated_units"] == size
            assert row["estimate"] == approx(line["Estimate"], abs=1e-8)
            assert row["std_error"] == approx(line["Std. Error"], abs=1e-8)
            assert row["p_value"] == approx(line["Pr(>|t|)"], abs=1e-8)


@pytest.mark.compares("did.sun_abraham", "R fixest 0.14.2")
def test_sun_abraham_on_counties(folder):
    want = load(folder, "mpdta_callaway_santanna", "expected_R_other_estimators.json")
    fit = did.sun_abraham(read(folder, "mpdta_callaway_santanna"), **MPDTA)
    rows = fit.set_index(["aggregation", "term"])
    for line in [*want["sunab_event"], *want["sunab_att"]]:
        name, _, e = line["_row"].partition("::")
        key = ("simple", "overall") if name == "ATT" else ("dynamic", f"event_time_{e}")
        assert rows.loc[key, "estimate"] == approx(line["Estimate"], abs=1e-8)
        assert rows.loc[key, "std_error"] == approx(line["Std. Error"], abs=1e-6)


def check_imputation(fit, static, event, tolerance):
    rows = fit.set_index(["aggregation", "term"])
    overall = rows.loc[("simple", "overall")]
    assert overall["estimate"] == approx(static["estimate"], abs=tolerance)
    assert overall["std_error"] == approx(static["std.error"], abs=1e-6)
    assert overall["conf_low"] == approx(static["conf.low"], abs=1e-5)
    for line in event:
        row = rows.loc[("dynamic", f"event_time_{line['term']}")]
        assert row["estimate"] == approx(line["estimate"], abs=tolerance)
        assert row["std_error"] == approx(line["std.error"], abs=1e-6)


@pytest.mark.compares("did.imputation", "R didimputation 0.5.0")
def test_imputation_on_counties(folder):
    # didimputation 0.5.0 with every lead but -1.
    want = load(folder, "mpdta_callaway_santanna", "expected_R_other_estimators.json")
    fit = did.imputation(read(folder, "mpdta_callaway_santanna"), **MPDTA)
    check_imputation(
        fit, want["didimputation_static"][0], want["didimputation_event"], 1e-8
    )


DF_HET = dict(outcome="dep_var", cohort="g", unit="unit", period="year")


@pytest.mark.compares("did.imputation, two_stage", "R didimputation 0.5.0, did2s 1.2.1")
def test_imputation_and_two_stage_on_heterogeneous_effects(folder):
    # didimputation 0.5.0, leads -5 to -1; did2s 1.2.1 clustered by state. The README
    # allows 1e-6: the peers' alternating projections stop at about 1e-7.
    data = read(folder, "did2s_df_het")
    want = load(folder, "did2s_df_het", "expected_R_didimputation.json")
    fit = did.imputation(data, leads=5, **DF_HET)
    check_imputation(fit, want["static"][0], want["event"], 1e-6)

    want = load(folder, "did2s_df_het", "expected_R_did2s.json")
    fit = did.two_stage(data, cluster="state", **DF_HET)
    rows = fit.set_index(["aggregation", "term"])
    assert len(want["event"]) == (fit["aggregation"] == "dynamic").sum() == 40
    for line in [*want["static"], *want["event"]]:
        name, _, e = line["_row"].partition("::")
        key = (
            ("simple", "overall") if name == "treat" else ("dynamic", f"event_time_{e}")
        )
        assert rows.loc[key, "estimate"] == approx(line["Estimate"], abs=1e-6)
        assert rows.loc[key, "std_error"] == approx(line["Std. Error"], abs=1e-6)


@pytest.mark.compares("did.two_stage", "R did2s 1.2.1")
def test_two_stage_on_counties(folder):
    want = load(folder, "mpdta_callaway_santanna", "expected_R_other_estimators.json")
    line = want["did2s_static"][0]
    fit = did.two_stage(read(folder, "mpdta_callaway_santanna"), **MPDTA)
    assert fit.loc[0, "estimate"] == approx(line["Estimate"], abs=1e-8)
    assert fit.loc[0, "std_error"] == approx(line["Std. Error"], abs=1e-6)


# A Poisson model of counts: the outcome here is a growth index.
NOT_OFFERED_ETWFE = {"event_pois_known", "event_pois_link_known"}


@pytest.mark.compares("did.etwfe", "R etwfe (its own fixtures)")
def test_etwfe_of_the_package(folder):
    # etwfe's own test fixtures; points 1e-6, errors 5e-4 (its tolerance).
    known = load(folder, "etwfe_mpdta", "expected.json")["known"]
    data = read(folder, "mpdta_callaway_santanna")
    fit = did.etwfe(data, controls=["lpop"], **MPDTA)
    tested = {
        "simple_known": ("simple", fit),
        "calendar_known": ("calendar", fit),
        "group_known": ("group", fit),
        "event_known": ("dynamic", fit),
    }
    for key, (kind, frame) in tested.items():
        rows = frame[frame["aggregation"] == kind]
        assert_allclose(rows["estimate"], known[key]["estimate"], atol=1e-6)
        assert_allclose(rows["std_error"], known[key]["std.error"], atol=5e-4)
        assert_allclose(rows["conf_low"], known[key]["conf.low"], atol=1e-3)
    # The pre-periods of the not-yet design are zero by construction: no rows here.
    pre = known["event_pre_known"]
    assert [
        e for e, s in zip(pre["event"], pre["std.error"], strict=True) if s is None
    ] == [-4, -3, -2, -1]
    events = fit[fit["aggregation"] == "dynamic"]
    assert_allclose(events["estimate"], pre["estimate"][4:], atol=1e-6)
    never = did.etwfe(data, controls=["lpop"], control_group="never", **MPDTA)
    rows = never[never["aggregation"] == "dynamic"].set_index("event_time")
    want = known["event_never_window_known"]
    for e, b, s in zip(want["event"], want["estimate"], want["std.error"], strict=True):
        if s is None:
            assert e == -1 and e not in rows.index
            continue
        assert rows.loc[e, "estimate"] == approx(b, abs=1e-6)
        assert rows.loc[e, "std_error"] == approx(s, abs=5e-4)
    done = {*tested, "event_pre_known", "event_never_window_known"}
    assert set(known) == done | NOT_OFFERED_ETWFE
