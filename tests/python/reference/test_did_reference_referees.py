"""What referees ask next, beside the peers' figures on simulated panels.

Inputs and figures are made by ``make_expected.py`` beside them: moderndid 0.2.0,
diff-diff 3.13.0, statspai 1.40.2, augsynth-py 0.6.0, contdid 0.1.0,
cbps 0.2.1.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special
from tests.support.validation import approx, assert_allclose

from citypanel import did
from citypanel.did import propensity_scores
from citypanel.did.adjusted import balance

KEYS = dict(outcome="y", unit="i", period="t")
TREATED = dict(treatment="d", **KEYS)
COHORT = dict(cohort="g", **KEYS)


@pytest.fixture(scope="module")
def panels(references):
    frame = pd.read_csv(references / "did/referees_simulated/inputs.csv")
    return {
        name: part.dropna(axis="columns", how="all").reset_index(drop=True)
        for name, part in frame.groupby("panel")
    }


@pytest.fixture(scope="module")
def expected(references):
    def read(name):
        path = references / f"did/referees_simulated/expected_{name}.json"
        return json.loads(path.read_text())

    return read


@pytest.mark.compares("did.nonabsorbing_did", "moderndid 0.2.0")
@pytest.mark.parametrize("base", [0, 1])
def test_paths_from_one_first_treatment_are_moderndids(panels, expected, base):
    frame, want = panels["paths"], expected("moderndid")[str(base)]
    frame = frame[frame.groupby("i")["d"].transform("first") == base]
    fit = did.nonabsorbing_did(frame, effects=3, placebos=2, **TREATED)
    # The peer leaves decreases with their own sign.
    sign = 1 if base == 0 else -1
    # From 0 the peer's mean dose counts units whose effect cannot be estimated: after
    # three periods 37 of 43, where 28 of the 34 with an effect are treated.
    dose = (92 + 34 * 37 / 43) / (92 + 28) if base == 0 else 1.0
    overall = fit.iloc[0]
    assert overall["estimate"] == approx(sign * dose * want["overall"][0], abs=1e-8)
    assert overall["std_error"] == approx(dose * want["overall"][1], abs=1e-8)
    for part, aggregation, place in (
        ("effects", "dynamic", lambda k: k),
        ("placebos", "dynamic", lambda k: -2 - k),
        ("normalised", "normalised", lambda k: k),
    ):
        rows = fit[fit["aggregation"] == aggregation].set_index("event_time")
        for k, (estimate, error) in want[part].items():
            row = rows.loc[place(int(k))]
            assert row["estimate"] == approx(sign * estimate, abs=1e-8)
            assert row["std_error"] == approx(error, abs=1e-8)


@pytest.mark.compares("did.nonabsorbing_did", "diff-diff 3.13.0")
def test_increases_and_decreases_together_are_diff_diffs(panels, expected):
    frame = panels["paths"]
    # The peer leaves out units that change twice.
    fit = did.nonabsorbing_did(frame[frame["i"] % 5 != 3], effects=3, **TREATED)
    rows = fit[fit["aggregation"] == "dynamic"].set_index("event_time")["estimate"]
    for event, effect in expected("diff_diff")["paths"].items():
        assert rows[int(event)] == approx(effect, abs=1e-8)


@pytest.mark.compares("did.triply_robust", "diff-diff 3.13.0")
def test_fits_of_treated_cells_are_trops(panels, expected):
    for unit, time, norm, att in expected("diff_diff")["triply_robust"]:
        fit = did.triply_robust(
            panels["factors"],
            unit_decay=unit,
            time_decay=time,
            penalty=np.inf if norm is None else norm,
            draws=0,
            **TREATED,
        )
        # The peer's steps alternate, and end before the smallest value.
        tolerance = 1e-8 if norm is None else 1e-5
        assert fit["estimate"].iloc[0] == approx(att, abs=tolerance)


@pytest.mark.compares("did.twfe_weights", "diff-diff 3.13.0")
def test_weights_of_the_coefficient_are_diff_diffs(panels, expected):
    want = expected("diff_diff")["weights"]
    fit = did.twfe_weights(panels["places"], **TREATED)
    by = fit.set_index("term")["estimate"]
    assert by["overall"] == approx(want["beta"], abs=1e-9)
    assert by["sigma_zero"] == approx(want["sigma"], rel=1e-9)
    rows = fit.attrs["rows"]["rows"].sort_values(["i", "t"])["weight"]
    # The peer's go on over untreated rows.
    treated = panels["places"].sort_values(["i", "t"])["d"].to_numpy() > 0
    assert_allclose(rows, np.array(want["rows"])[treated], atol=1e-10)


@pytest.mark.compares("did.spillovers", "diff-diff 3.13.0")
def test_direct_effect_and_rings_are_diff_diffs(panels, expected):
    frame = panels["places"].assign(g=lambda f: f["g"].where(f["g"] > 0))
    fit = did.spillovers(
        frame, coordinates=("lat", "lon"), rings=(0, 60, 150), **COHORT
    ).set_index("term")["estimate"]
    names = ["direct", "ring_0_60_km", "ring_60_150_km"]
    assert_allclose(fit[names], expected("diff_diff")["spillovers"], atol=1e-8)


@pytest.mark.compares("did.twfe, conley", "diff-diff 3.13.0")
def test_errors_that_neighbours_share_are_diff_diffs(panels, expected):
    for name, errors in expected("diff_diff")["conley"].items():
        kernel, lags = name.split("_")
        fit = did.twfe(
            panels["places"],
            controls=["x"],
            standard_errors="conley",
            coordinates=("lat", "lon"),
            cutoff_km=700,
            kernel=kernel,
            lags=int(lags),
            small_sample={"K.adj": False, "G.adj": False},
            **TREATED,
        )
        assert_allclose(fit["std_error"].iloc[:2], errors, rtol=1e-8)


@pytest.mark.compares("did.interactive_fixed_effects", "statspai 1.40.2")
def test_one_factor_is_statspais(panels, expected):
    fit = did.interactive_fixed_effects(panels["factors"], rank=1, draws=0, **TREATED)
    want = expected("statspai")["interactive_fixed_effects"]
    assert fit["estimate"].iloc[0] == approx(want, abs=1e-6)


@pytest.mark.compares("did.matrix_completion", "statspai 1.40.2")
def test_a_penalty_is_statspais(panels, expected):
    # fect's penalty is ours over the number of cells.
    fit = did.matrix_completion(
        panels["factors"], penalty=0.01 * 30 * 9, draws=0, **TREATED
    )
    want = expected("statspai")["matrix_completion"]
    assert fit["estimate"].iloc[0] == approx(want, abs=1e-6)


@pytest.mark.compares("did.entropy_balancing", "statspai 1.40.2")
def test_balanced_controls_are_statspais(panels, expected):
    frame = panels["places"]
    frame = frame[frame["t"] == 9]
    own, rest = frame[frame["g"] > 0], frame[frame["g"] == 0]
    weights = balance(
        rest[["x"]].to_numpy(),
        own[["x"]].to_numpy(),
        np.full(len(own), 1 / len(own)),
        np.full(len(rest), 1 / len(rest)),
    )
    att = own["y"].mean() - weights @ rest["y"]
    assert att == approx(expected("statspai")["entropy_balancing"], abs=1e-6)


def cross_section(frame):
    """Treatment and covariates in the last period, as the peer had them."""
    frame = frame[frame["t"] == 9].reset_index(drop=True)
    x = np.column_stack([np.ones(len(frame)), frame[["x", "lat"]]])
    return (frame["g"] > 0).to_numpy(float), x


@pytest.mark.compares("did.covariate_balancing", "cbps 0.2.1")
def test_scores_are_cbpss_under_its_weight_of_the_moments(
    panels, expected, monkeypatch
):
    treated, x = cross_section(panels["places"])
    want = expected("cbps")["over"]
    ours = propensity_scores.balancing_scores(treated, x)
    right = propensity_scores.moment_covariance

    def peers(p, x, q, share):
        # The peer's covariance has n/n_1 in the block of the score, where none is due
        # (see test_the_moments_covariance_is_theirs), and is taken at the multiple of
        # the logit's coefficients, from 0.8 to 1.1, that makes the loss smallest.
        k = x.shape[1]
        line = special.logit(p)

        def covariance(p):
            out = right(p, x, q, share)
            out[:k, :k] *= share
            return out

        def loss(multiple):
            p = special.expit(multiple * line)
            gap = treated - p
            mean = np.concatenate([x.T @ gap, share * x.T @ (gap / (1 - p))]) / len(x)
            return mean @ np.linalg.pinv(covariance(p)) @ mean

        best = optimize.minimize_scalar(loss, bounds=(0.8, 1.1), method="bounded")
        return covariance(special.expit(best.x * line))

    monkeypatch.setattr(propensity_scores, "moment_covariance", peers)
    same = propensity_scores.balancing_scores(treated, x)
    # The peer stops when the loss falls by less than 1e-8 of itself: ours is lower.
    assert_allclose(same.coefficients, want["coefficients"], atol=1e-3)
    assert same.statistic / len(x) == approx(want["loss"], rel=1e-4)
    assert same.statistic / len(x) <= want["loss"]
    assert np.abs(ours.coefficients - same.coefficients).max() > 1e-3


@pytest.mark.compares("did.entropy_balancing", "cbps 0.2.1")
def test_balance_asked_for_alone_gives_entropys_weights(panels, expected):
    treated, x = cross_section(panels["places"])
    own, rest = treated > 0, treated == 0
    weights = balance(
        x[rest, 1:], x[own, 1:], np.full(own.sum(), 1 / own.sum()),
        np.full(rest.sum(), 1 / rest.sum()),
    )  # fmt: skip
    want = np.array(expected("cbps")["exact"]["weights"])[rest]
    assert_allclose(weights, want / want.sum(), atol=1e-8)


@pytest.mark.compares("did.augmented_synthetic_control", "augsynth-py 0.6.0")
def test_one_cohorts_gaps_are_augsynths(panels, expected):
    frame = panels["factors"].query("g in (0, 5)")
    for ridge, gaps in expected("augsynth").items():
        fit = did.augmented_synthetic_control(
            frame, ridge=float(ridge), variance="none", **COHORT
        )
        cells = fit[fit["aggregation"] == "group_time"]["estimate"]
        assert_allclose(cells.astype(float), gaps, atol=1e-5)


@pytest.mark.compares("did.dose_response", "contdid 0.1.0")
def test_the_effect_at_a_dose_is_contdids(panels, expected):
    fit = did.dose_response(panels["places"], dose="dose", doses=[1.0, 2.0], **COHORT)
    own = fit[fit["term"] == "att"]["estimate"]
    assert_allclose(own.astype(float), expected("contdid"), atol=1e-8)
