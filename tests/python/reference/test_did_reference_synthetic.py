"""Synthetic difference-in-differences against R synthdid and Stata sdid."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from tests.support.validation import approx, assert_allclose, require

from citypanel import did


@pytest.fixture(scope="module")
def folder(references):
    return references / "did"


@pytest.fixture(scope="module")
def california(folder):
    data = pd.read_csv(folder / "synthdid_california" / "inputs.csv", sep=";")
    return data.assign(cohort=np.where(data["State"] == "California", 1989, 0))


CALIFORNIA = dict(
    outcome="PacksPerCapita", cohort="cohort", unit="State", period="Year"
)


def load(folder, name, file):
    return json.loads((folder / name / file).read_text())


@pytest.mark.compares("did.synthetic_did", "R synthdid 0.0.9, Stata sdid, AER 2021")
def test_california_estimate_and_weights(folder, california):
    # R synthdid 0.0.9; the README allows 1e-3.
    want = load(folder, "synthdid_california", "expected_R.json")
    fit = did.synthetic_did(california, **CALIFORNIA)
    assert fit.loc[0, "estimate"] == approx(want["sdid"], abs=1e-8)
    weights = fit.attrs["weights"][1989]
    omega = [weights["omega"][state] for state in want["controls"]]
    assert_allclose(omega, want["omega"], atol=1e-8)
    assert_allclose(list(weights["lambda"].values()), want["lambda"], atol=1e-8)
    published = load(folder, "synthdid_california", "expected_published.json")
    assert fit.loc[0, "estimate"] == approx(published["expected"]["sdid"], abs=0.05)
    stata = published["stata_sdid_readme"]
    assert fit.loc[0, "estimate"] == approx(stata["att"], abs=1e-5)


# Synthetic control without time weights, and plain difference-in-differences.
NOT_OFFERED = {"sc": "only the synthetic difference-in-differences", "did": "twfe"}


@pytest.mark.compares("did.twfe", "R synthdid 0.0.9")
def test_california_figures_left_out_are_listed(folder, california):
    want = load(folder, "synthdid_california", "expected_R.json")
    tested = {
        "peer",
        "sdid",
        "omega",
        "lambda",
        "controls",
        "sdid_placebo_se_seed12345",
    }
    assert set(want) == tested | set(NOT_OFFERED)
    # twfe gives the published "did" all the same.
    late = (california["cohort"] > 0) & (california["Year"] >= 1989)
    fit = did.twfe(
        california.assign(d=late.astype(float)),
        outcome="PacksPerCapita",
        treatment="d",
        unit="State",
        period="Year",
    )
    assert fit.loc[0, "estimate"] == approx(want["did"], abs=1e-8)


@pytest.mark.compares(
    "did.synthetic_did", "R synthdid 0.0.9, Stata sdid (random placebos)"
)
def test_california_has_no_standard_error_unless_asked(folder, california):
    fit = did.synthetic_did(california, **CALIFORNIA)
    assert fit["std_error"].isna().all()
    assert "one unit" in fit.loc[0, "note"]
    asked = did.synthetic_did(
        california, variance="placebo", single_unit_std_error=True, **CALIFORNIA
    )
    # The peers draw placebos at random (8.37 in R, 8.4 in the paper, 9.34 in Stata
    # from 100 draws); over all 38 controls the standard deviation is 9.37.
    stata = load(folder, "synthdid_california", "expected_published.json")
    want = stata["stata_sdid_readme"]["se_placebo_100reps_seed123"]
    assert asked.loc[0, "std_error"] == approx(want, rel=0.05)
    r = load(folder, "synthdid_california", "expected_R.json")
    assert asked.loc[0, "std_error"] == approx(r["sdid_placebo_se_seed12345"], rel=0.15)


@pytest.mark.compares("did.synthetic_did", "R synthdid 0.0.9, Stata sdid (not shipped)")
def test_parliaments_by_cohort(references, folder):
    quota = require(references, "did/synthdid_staggered_quota")
    data = pd.read_csv(quota / "inputs.csv")
    want = load(folder, "synthdid_staggered_quota", "expected_R.json")
    fit = did.synthetic_did(
        data, outcome="womparl", cohort="quotaYear", unit="country", period="year"
    )
    groups = fit[fit["aggregation"] == "group"].set_index("cohort")
    assert len(groups) == len(want["cohorts"])
    for line in want["cohorts"]:
        row = groups.loc[line["cohort"]]
        assert row["estimate"] == approx(line["tau"], abs=1e-8)
        assert row["n_treated_units"] == line["n"]
        assert np.isnan(row["std_error"]) == (line["n"] == 1)
    overall = fit.iloc[0]
    assert overall["estimate"] == approx(want["att"], abs=1e-8)
    published = load(folder, "synthdid_staggered_quota", "expected_published.json")
    assert overall["estimate"] == approx(published["att"], abs=0.02)
    assert overall["n_obs"] == published["n"]
    assert groups["estimate"].min() == approx(published["cohort_min"], abs=0.05)
    assert groups["estimate"].max() == approx(published["cohort_max"], abs=0.05)
    # Beside it: the two cohorts of two countries.
    rest = fit.iloc[1]
    assert rest["term"] == "overall_without_single_unit_cohorts"
    two = groups[groups["n_treated_units"] == 2]
    posts = [c["post"] for c in want["cohorts"] if c["n"] == 2]
    assert rest["estimate"] == approx(
        np.average(two["estimate"], weights=posts), abs=1e-8
    )
