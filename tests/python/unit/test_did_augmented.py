"""Augmented synthetic control: truth, optimality, a peer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import optimize
from tests.support.random_panels import STAGGERED, random_panel

from citypanel import did
from citypanel.did import augmented
from citypanel.did.augmented import project, ridge_weights, simplex_weights
from citypanel.errors import CityPanelError, OptionError

OWN = dict(outcome="y", cohort="g", unit="i", period="t")


def simulate(
    seed=0, n=24, years=14, starts=(9, 11), each=3, noise=0.3, effect=1.0, shift=0.4
):
    rng = np.random.default_rng(seed)
    g = np.full(n, np.nan)
    g[: each * len(starts)] = np.repeat(starts, each)
    path = rng.normal(size=(2, years)).cumsum(axis=1)
    load = rng.uniform(0, 1, (n, 2)) + shift * ~np.isnan(g)[:, None]
    i, t = (v.ravel() for v in np.indices((n, years)))
    frame = pd.DataFrame({"i": i, "t": t, "g": g[i]})
    frame["y"] = (load @ path).ravel() + i % 4 + noise * rng.normal(size=len(frame))
    frame["y"] += effect * (frame["t"] >= frame["g"])
    return frame


@pytest.mark.parametrize("seed", range(5))
def test_simplex_weights_are_the_minimum(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(7, 12)), rng.normal(size=7)
    w = simplex_weights(x, y)
    assert w.sum() == pytest.approx(1) and (w >= 0).all()
    # No direction within the simplex improves the fit.
    gradient = x.T @ (x @ w - y)
    assert (gradient - gradient @ w >= -1e-7).all()
    other = optimize.minimize(
        lambda v: ((x @ v - y) ** 2).sum(),
        np.full(12, 1 / 12),
        bounds=[(0, 1)] * 12,
        constraints={"type": "eq", "fun": lambda v: v.sum() - 1},
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert ((x @ w - y) ** 2).sum() <= other.fun + 1e-9
    point = rng.normal(size=12)
    near = project(point)
    assert near.sum() == pytest.approx(1)
    assert ((point - near) @ (np.eye(12) - near).T <= 1e-9).all()


@pytest.mark.parametrize("net", [False, True])
@pytest.mark.parametrize("fits", [False, True])
def test_many_weights_are_those_of_the_whole_system(net, fits, monkeypatch):
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(6, 60)), 0.1 * rng.normal(size=6)
    if net:
        x, y = x - x.mean(axis=0), y - y.mean()
    if not fits:
        y = y + 5.0 * np.arange(6)
        x[3] = x[2]
    whole = simplex_weights(x, y)
    monkeypatch.setattr(augmented, "WIDE", 2)
    assert simplex_weights(x, y) == pytest.approx(whole, abs=1e-10)


def test_ridge_weights_are_the_regression():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, 9)), rng.normal(size=6)
    w = simplex_weights(x, y)
    want = w + np.linalg.solve(x.T @ x + 0.7 * np.eye(9), x.T @ (y - x @ w))
    np.testing.assert_allclose(ridge_weights(x, y, w, 0.7), want, atol=1e-10)
    np.testing.assert_allclose(x @ ridge_weights(x, y, w, 0.0), y, atol=1e-8)
    np.testing.assert_array_equal(ridge_weights(x, y, w, np.inf), w)


@pytest.mark.parametrize("ridge", [0.5, 20.0])
def test_one_cohort_is_augsynths(ridge):
    augsynth = pytest.importorskip("augsynth_py")
    polars = pytest.importorskip("polars")
    frame = simulate(3, starts=(9,))
    peer = augsynth.AugSynth(lambda_=ridge).fit(
        polars.from_pandas(frame[["i", "t", "y"]]),
        unit="i",
        time="t",
        outcome="y",
        treated=[0, 1, 2],
        treatment_time=9,
    )
    fit = did.augmented_synthetic_control(frame, ridge=ridge, variance="none", **OWN)
    cells = fit[fit["aggregation"] == "group_time"]["estimate"].to_numpy()
    gap = np.asarray(peer.gap_, float)[9:]
    np.testing.assert_allclose(cells, gap, atol=1e-5)


def test_pooling_balances_the_mean():
    frame = simulate(4, noise=0.5)

    def mean_gap(pooling):
        fit = did.augmented_synthetic_control(
            frame, ridge=np.inf, pooling=pooling, variance="none", **OWN
        )
        y = frame.pivot(index="i", columns="t", values="y").to_numpy()
        gaps = []
        for c, g in enumerate((9, 11)):
            gamma = np.array(list(fit.attrs["weights"][g]["gamma"].values()))
            net = y - y[:, :g].mean(axis=1, keepdims=True)
            own = net[3 * c : 3 * c + 3].mean(axis=0)
            gaps.append((own - gamma @ net[6:])[g - 9 : g])
        gaps = np.array(gaps)
        return np.sqrt((gaps.mean(axis=0) ** 2).mean()), np.sqrt((gaps**2).mean())

    apart, together = mean_gap(0.0), mean_gap(1.0)
    assert together[0] < apart[0] and together[1] > apart[1]
    middle = mean_gap(0.5)
    assert together[0] - 1e-6 <= middle[0] <= apart[0] + 1e-6


def test_the_correction_improves_the_fit_before_and_finds_the_effect():
    errors = {np.inf: [], None: []}
    for seed in range(12):
        frame = simulate(seed)
        for ridge, found in errors.items():
            fit = did.augmented_synthetic_control(
                frame, ridge=ridge, variance="none", **OWN
            )
            found.append(fit["estimate"].iloc[0] - 1.0)
            for chosen in fit.attrs["weights"].values.values():
                assert sum(chosen["gamma"].values()) == pytest.approx(1)
                assert chosen["gap_before"] <= chosen["uniform"] + 1e-9
    size = {k: np.sqrt(np.mean(np.square(v))) for k, v in errors.items()}
    assert size[None] <= 1.05 * size[np.inf] < 0.5


@pytest.mark.slow
def test_size():
    wrong = 0
    for seed in range(150):
        frame = simulate(
            seed, n=45, each=6, years=9, starts=(5, 7), effect=0.0, shift=0
        )
        fit = did.augmented_synthetic_control(frame, ridge=np.inf, **OWN)
        wrong += fit["p_value"].iloc[0] < 0.05
    # 150 panels: a rate of 5 has a simulation error of 1.8.
    assert wrong / 150 < 0.15


def test_what_cannot_be_used_is_named():
    with pytest.raises(OptionError, match="no share of pooling"):
        did.augmented_synthetic_control(simulate(), pooling=2, **OWN)
    with pytest.raises(OptionError, match="no penalty"):
        did.augmented_synthetic_control(simulate(), ridge=-1, **OWN)


@pytest.mark.parametrize("seed", range(40))
def test_any_panel(seed):
    case = random_panel(seed)
    try:
        fit = did.augmented_synthetic_control(
            case.frame, pooling=(seed % 3) / 2, **STAGGERED
        )
    except CityPanelError:
        return
    effects = fit[fit["aggregation"] != "test"]
    assert effects["estimate"].notna().all()
    if case.effect == "constant":
        np.testing.assert_allclose(effects["estimate"], 1.0, atol=1e-6)
