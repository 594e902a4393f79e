"""Weights behind the two-way coefficient: what they add up to, and what they bound."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import optimize
from tests.support.random_panels import KEYS, random_panel

from citypanel import did
from citypanel.errors import CityPanelError, PanelError


def simulate(seed=0, n=24, years=7, holes=False, switching=False):
    rng = np.random.default_rng(seed)
    g = rng.choice([2, 4, 5, 99], n)
    frame = pd.DataFrame(
        [(i, t, g[i]) for i in range(n) for t in range(years)], columns=["i", "t", "g"]
    )
    frame["d"] = (frame["t"] >= frame["g"]).astype(float)
    if switching:
        frame["d"] = rng.choice([0.0, 1.0, 2.5], len(frame))
    frame["x"] = rng.normal(size=len(frame)) + frame["d"]
    frame["w"] = rng.uniform(0.5, 2, n)[frame["i"]]
    frame["tau"] = rng.normal(1, 1, len(frame))
    frame["y"] = frame["i"] + frame["t"] ** 1.5 + frame["tau"] * frame["d"]
    return frame[rng.random(len(frame)) > 0.1 * holes]


OWN = dict(outcome="y", treatment="d", unit="i", period="t")


@pytest.mark.parametrize("switching", [False, True])
@pytest.mark.parametrize("options", [{}, {"weights": "w"}, {"controls": ["x"]}])
def test_the_coefficient_is_the_weighted_sum_of_the_effects(switching, options):
    frame = simulate(4, holes=True, switching=switching)
    if "controls" in options:
        frame["y"] += 2 * frame["x"]
    fit = did.twfe_weights(frame, **OWN, **options)
    whole = did.twfe(frame, absorbing=False, **OWN, **options)
    assert fit["estimate"].iloc[0] == pytest.approx(
        whole["estimate"].iloc[-1], abs=1e-9
    )
    rows = fit.attrs["rows"]["rows"].merge(frame, on=["i", "t"])
    assert rows["weight"].sum() == pytest.approx(1)
    assert fit["estimate"].iloc[0] == pytest.approx(
        rows["weight"] @ rows["tau"], abs=1e-8
    )
    cells = fit[fit["aggregation"] == "group_time"]
    assert cells["weight"].sum() == pytest.approx(1)
    by = fit.set_index("term")
    negative = rows["weight"] < 0
    assert by.loc["negative", "weight"] == pytest.approx(rows["weight"][negative].sum())
    assert by.loc["negative", "share"] == pytest.approx(negative.mean())
    assert cells["negative_weight"].sum() == pytest.approx(by.loc["negative", "weight"])


def smallest_spread(share, relative, beta, opposite):
    """Smallest standard deviation of effects with mean zero, or of the other sign."""

    def spread(tau):
        mean = share @ tau
        return share @ (tau - mean) ** 2

    rules = [{"type": "eq", "fun": lambda tau: share @ (relative * tau) - beta}]
    if not opposite:
        rules.append({"type": "eq", "fun": lambda tau: share @ tau})
    bounds = [(None, 0.0)] * len(share) if opposite else None
    best = min(
        (
            optimize.minimize(
                spread,
                start * np.ones(len(share)),
                bounds=bounds,
                constraints=rules,
                method="SLSQP",
                options={"maxiter": 2000, "ftol": 1e-14},
            )
            for start in (-0.1, -3.0)
        ),
        key=lambda found: found.fun if found.success else np.inf,
    )
    return np.sqrt(best.fun)


@pytest.mark.parametrize("seed", range(4))
def test_the_two_ratios_are_the_smallest_spreads(seed):
    rng = np.random.default_rng(seed)
    g = np.array([1, 1, 2, 3, 99, 1])
    frame = pd.DataFrame(
        [(i, t, g[i]) for i in range(6) for t in range(5)], columns=["i", "t", "g"]
    )
    frame["d"] = (frame["t"] >= frame["g"]).astype(float)
    frame["y"] = rng.normal(size=len(frame)) + 1.5 * frame["d"]
    fit = did.twfe_weights(frame, **OWN).set_index("term")
    rows = did.twfe_weights(frame, **OWN).attrs["rows"]["rows"]["weight"].to_numpy()
    assert (rows < 0).any()
    share = np.full(len(rows), 1 / len(rows))
    beta = fit.loc["overall", "estimate"]
    if beta < 0:
        frame["y"] = -frame["y"]
        fit = did.twfe_weights(frame, **OWN).set_index("term")
        beta = -beta
    for term, opposite in (("sigma_zero", False), ("sigma_opposite", True)):
        want = smallest_spread(share, rows / share, beta, opposite)
        assert fit.loc[term, "estimate"] == pytest.approx(want, rel=1e-4)


def test_weights_are_diff_diffs():
    diff_diff = pytest.importorskip("diff_diff")
    frame = simulate(7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = diff_diff.twowayfeweights(frame, "y", unit="i", time="t", treatment="d")
    fit = did.twfe_weights(frame, **OWN)
    by = fit.set_index("term")
    assert by.loc["overall", "estimate"] == pytest.approx(peer.beta_fe, abs=1e-9)
    assert by.loc["sigma_zero", "estimate"] == pytest.approx(peer.sigma_fe, rel=1e-9)
    assert by.loc["negative", "share"] == pytest.approx(peer.fraction_negative)
    both = fit.attrs["rows"]["rows"].merge(peer.weights, on=["i", "t"])
    assert len(both) == frame["d"].sum()
    np.testing.assert_allclose(both["weight_x"], both["weight_y"], atol=1e-10)


def test_one_cohort_has_equal_weights():
    frame = simulate(1)
    frame = frame[frame["g"].isin([4, 99])]
    fit = did.twfe_weights(frame, **OWN).set_index("term")
    assert fit.loc["negative", "weight"] == 0
    assert pd.isna(fit.loc["sigma_zero", "estimate"])
    assert "mean effect" in fit.loc["sigma_zero", "note"]
    assert fit.loc["sigma_opposite", "note"] == "no weight is negative"


def test_a_negative_treatment_is_an_error():
    frame = simulate(2)
    frame.loc[frame.index[3], "d"] = -1.0
    with pytest.raises(PanelError, match="is negative"):
        did.twfe_weights(frame, **OWN)


@pytest.mark.parametrize("options", [{}, {"weights": "w"}])
def test_bacon_with_controls_adds_up_and_goes_back_to_the_plain_one(options):
    frame = simulate(9)
    own = did.bacon_decomposition(frame, controls=["x"], **OWN, **options)
    whole = did.twfe(frame, controls=["x"], **OWN, **options)
    assert own["weight"].sum() == pytest.approx(1)
    total = own["weight"] @ own["estimate"]
    assert total == pytest.approx(whole["estimate"].iloc[0], abs=1e-9)
    assert own.attrs["twfe"] == pytest.approx(total, abs=1e-9)
    assert (own["type"] == "Within cohorts").sum() == 1
    # A control that is the same for a whole cohort leaves nothing within cohorts, and
    # one that says nothing about treatment leaves the pairs as they are without it.
    pairs = did.bacon_decomposition(frame, **OWN, **options)
    x = np.random.default_rng(0).normal(size=(24, 7))
    # Net of the treatment's path, cohort by cohort.
    flat = frame.assign(x=x[frame["i"], frame["t"]])
    design = np.column_stack(
        [frame["d"], pd.get_dummies(frame["i"]), pd.get_dummies(frame["t"])]
    ).astype(float)
    cells = pd.get_dummies(frame["g"] * 10 + frame["t"]).to_numpy(float)
    w = np.sqrt(frame[options["weights"]]) if options else np.ones(len(frame))
    z = np.hstack([design, cells]) * np.asarray(w)[:, None]
    y = flat["x"] * w
    flat["x"] -= np.hstack([design, cells]) @ np.linalg.lstsq(z, y, rcond=None)[0]
    free = did.bacon_decomposition(flat, controls=["x"], **OWN, **options)
    for a, b in ((2, 4), (2, 5), (4, 5)):
        both = pairs[pairs["term"].isin([f"{a} vs {b}", f"{b} vs {a}"])]
        row = free[free["term"] == f"{a} vs {b}"].iloc[0]
        assert row["weight"] == pytest.approx(both["weight"].sum(), abs=1e-9)
        mean = np.average(both["estimate"], weights=both["weight"])
        assert row["estimate"] == pytest.approx(mean, abs=1e-8)
    for a in (2, 4, 5):
        row = free[free["term"] == f"{a} vs never"].iloc[0]
        plain = pairs[pairs["term"] == f"{a} vs never"].iloc[0]
        assert row["estimate"] == pytest.approx(plain["estimate"], abs=1e-8)


@pytest.mark.parametrize("seed", range(60))
def test_any_panel(seed):
    case = random_panel(seed)
    try:
        fit = did.twfe_weights(case.frame, treatment="d", **KEYS)
    except CityPanelError:
        return
    assert fit.attrs["rows"]["rows"]["weight"].sum() == pytest.approx(1)
    if case.effect == "constant":
        assert fit["estimate"].iloc[0] == pytest.approx(1, abs=1e-7)
