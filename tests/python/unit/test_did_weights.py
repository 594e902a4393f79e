"""Weights in the resampling routines, and a weight of two as a unit counted twice."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from citypanel import did
from citypanel.did.randomisation import permutations
from citypanel.errors import PanelError

KEYS = dict(outcome="y", unit="id", period="t")
TREATED = dict(treatment="d", **KEYS)


@pytest.fixture
def frame():
    cohort = [0, 0, 0, 3, 3, 4, 4, 0, 5]
    rows = [(i, t, g) for i, g in enumerate(cohort) for t in range(1, 7)]
    data = pd.DataFrame(rows, columns=["id", "t", "g"])
    rng = np.random.default_rng(3)
    data["d"] = ((data["g"] > 0) & (data["t"] >= data["g"])).astype(float)
    data["x"] = rng.normal(size=len(data))
    data["y"] = data["d"] + data["x"] + rng.normal(size=len(data))
    data["w"] = rng.uniform(0.5, 2.0, len(data))
    data["twice"] = 1.0 + (data["id"] % 2)
    return data


def residuals(frame, columns, y):
    """Weighted least squares with unit and period effects: coefficients, residuals."""
    x = np.column_stack(
        [
            *(frame[c] for c in columns),
            pd.get_dummies(frame["id"]).astype(float),
            pd.get_dummies(frame["t"]).astype(float).iloc[:, 1:],
        ]
    )
    root = np.sqrt(frame["w"].to_numpy())
    b = np.linalg.lstsq(root[:, None] * x, root * y, rcond=None)[0]
    return b, y - x @ b, x


def t_statistic(frame, y, null=0.0):
    """Clustered t of the treatment, up to the small-sample factor."""
    b, e, x = residuals(frame, ["d", "x"], y)
    w = frame["w"].to_numpy()
    inverse = np.linalg.pinv(x.T @ (w[:, None] * x))
    scores = pd.DataFrame(x * (w * e)[:, None]).groupby(frame["id"].to_numpy()).sum()
    meat = scores.to_numpy().T @ scores.to_numpy()
    return (b[0] - null) / np.sqrt((inverse @ meat @ inverse)[0, 0])


def test_the_weighted_bootstrap_is_refits_of_restricted_outcomes(frame):
    fit = did.wild_cluster_bootstrap(
        frame,
        controls=["x"],
        regression_weights="w",
        weights="rademacher",
        draws=999,
        confidence_interval=False,
        **TREATED,
    ).loc[0]
    plain = did.twfe(frame, controls=["x"], weights="w", **TREATED).loc[0]
    assert fit["estimate"] == pytest.approx(plain["estimate"], rel=1e-10)
    assert fit["std_error"] == pytest.approx(plain["std_error"], rel=1e-10)
    y = frame["y"].to_numpy()
    _, e, _ = residuals(frame, ["x"], y)
    sample, units = abs(t_statistic(frame, y)), frame["id"].to_numpy()
    as_large = [
        abs(t_statistic(frame, y - e + e * np.array(signs)[units])) >= sample - 1e-9
        for signs in itertools.product((-1.0, 1.0), repeat=9)
    ]
    assert fit["p_value"] == pytest.approx(np.mean(as_large), abs=1e-12)


def test_weighted_jackknife_and_estimates_without_a_unit_are_refits(frame):
    options = dict(controls=["x"], weights="w", **TREATED)
    whole = did.twfe(frame, **options).loc[0, "estimate"]
    left = did.leave_one_unit_out(frame, **options).set_index("term")["estimate"]
    refits = {
        str(u): did.twfe(frame[frame["id"] != u], **options).loc[0, "estimate"]
        for u in range(9)
    }
    np.testing.assert_allclose(left.sort_index(), pd.Series(refits), rtol=1e-8)
    spread = np.sqrt(8 / 9 * ((np.array(list(refits.values())) - whole) ** 2).sum())
    knife = did.jackknife(frame, **options).loc[0, "std_error"]
    assert knife == pytest.approx(spread, rel=1e-8)


def test_a_weighted_permutation_is_a_refit(frame):
    options = dict(controls=["x"], weights="w", **TREATED)
    drawn = did.randomisation_draws(frame, draws=99, seed=7, **options)
    order = permutations(9, 99, 7, None)
    paths = frame.pivot(index="id", columns="t", values="d").to_numpy()
    for draw in (0, 5):
        dealt = paths[order[draw]].ravel()
        want = did.twfe(frame.assign(d=dealt), **options).loc[0, "statistic"]
        assert drawn.loc[draw + 1, "statistic"] == pytest.approx(want, rel=1e-8)


def test_draws_without_a_statistic_are_left_out_and_counted():
    rows = [(i, t, i // 2, float(i % 2 and t >= 3)) for i in range(4) for t in range(6)]
    frame = pd.DataFrame(rows, columns=["id", "t", "region", "d"])
    # The same effect with opposite signs: dealing it anew can only make t larger.
    sign = np.where(frame["region"] == 0, 1.0, -1.0)
    noise = np.random.default_rng(0).normal(size=len(frame))
    frame["y"] = 2.0 * sign * frame["d"] + 0.1 * noise
    fit = did.randomisation_inference(
        frame, period_effects_by="region", draws=199, **TREATED
    ).loc[0]
    assert "draws without a statistic left out" in fit["note"]
    lost = int(fit["note"].split("; ")[1].split()[0])
    assert fit["note"].startswith(f"{199 - lost} permutations")
    assert 40 < lost < 95  # a third of the deals treat both units of a region
    assert fit["p_value"] == 1.0


COHORT = dict(cohort="g", **KEYS)
TWICE = {
    "event_study": lambda f, **o: did.event_study(f, **COHORT, **o),
    "sun_abraham": lambda f, **o: did.sun_abraham(f, **COHORT, **o),
    "etwfe": lambda f, **o: did.etwfe(f, **COHORT, **o),
    "imputation": lambda f, **o: did.imputation(f, **COHORT, **o),
    "two_stage": lambda f, **o: did.two_stage(f, **COHORT, **o),
    "stacked": lambda f, **o: did.stacked(f, before=2, **COHORT, **o),
    "switchers": lambda f, **o: did.switchers(f, **COHORT, **o),
    "bacon_decomposition": lambda f, **o: did.bacon_decomposition(f, **TREATED, **o),
    "twfe": lambda f, **o: did.twfe(f, **TREATED, **o),
}


@pytest.mark.parametrize("name", TWICE)
def test_a_weight_of_two_is_a_unit_counted_twice(name, frame):
    again = frame[frame["twice"] == 2.0]
    copies = pd.concat([frame, again.assign(id=again["id"] + 100)])
    got = TWICE[name](frame, weights="twice")
    want = TWICE[name](copies)
    shown = ~got["term"].isin(
        ["leads_jointly_zero", "overall_without_single_unit_cohorts"]
    )
    other = ~want["term"].isin(
        ["leads_jointly_zero", "overall_without_single_unit_cohorts"]
    )
    for column in ("estimate", "weight"):
        if column in got:
            np.testing.assert_allclose(
                got.loc[shown, column].astype(float),
                want.loc[other, column].astype(float),
                atol=1e-9,
            )


def test_synthetic_controls_weight_the_treated_only(frame):
    options = dict(variance="none", **COHORT)
    one = did.synthetic_did(frame, weights="twice", **options)
    heavy = frame.assign(twice=frame["twice"].where(frame["g"] > 0, 7.0))
    other = did.synthetic_did(heavy, weights="twice", **options)
    np.testing.assert_array_equal(one["estimate"], other["estimate"])
    moved = frame.assign(twice=frame["w"])
    with pytest.raises(PanelError, match="twice changes within a unit"):
        did.synthetic_did(moved, weights="twice", **options)
