"""The triply robust estimator: weights by hand, known truth, shapes of panels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from citypanel import did
from citypanel.errors import EstimationError, OptionError

OWN = dict(outcome="y", treatment="d", unit="i", period="t")


def simulate(seed=2, n=30, periods=9, effect=1.0, noise=0.2, ends=False):
    rng = np.random.default_rng(seed)
    load, factor = rng.normal(size=n), 0.5 * np.cumsum(rng.normal(size=periods))
    g = np.where(np.arange(n) < 4, 5, np.where(np.arange(n) < 8, 7, 99))
    i, t = (v.ravel() for v in np.indices((n, periods)))
    d = (t >= g[i]) & (~ends | (t < g[i] + 2))
    y = load[i] * factor[t] + 0.5 * load[i] + 0.2 * t + effect * d
    y = y + noise * rng.normal(size=n * periods)
    return pd.DataFrame({"i": i, "t": t, "d": d.astype(float), "y": y})


def test_without_decays_and_factors_it_is_imputation():
    frame = simulate()
    first = frame[frame["d"] > 0].groupby("i")["t"].min()
    frame["g"] = frame["i"].map(first)
    fit = did.triply_robust(
        frame, unit_decay=0, time_decay=0, penalty=np.inf, draws=0, **OWN
    )
    want = did.imputation(frame, outcome="y", cohort="g", unit="i", period="t")
    assert fit["estimate"].iloc[0] == pytest.approx(want["estimate"].iloc[0], abs=1e-9)


def test_without_decays_it_is_matrix_completion():
    frame = simulate()
    fit = did.triply_robust(
        frame, unit_decay=0, time_decay=0, penalty=2.0, draws=0, **OWN
    )
    # Its sum of squares is halved there.
    want = did.matrix_completion(frame, penalty=1.0, draws=0, **OWN)
    assert fit["estimate"].iloc[0] == pytest.approx(want["estimate"].iloc[0], abs=1e-5)


def test_weighted_differences_by_hand():
    frame = simulate()
    u, v = 0.8, 0.3
    fit = did.triply_robust(
        frame, unit_decay=u, time_decay=v, penalty=np.inf, draws=0, **OWN
    )
    y = frame.pivot(index="i", columns="t", values="y").to_numpy()
    free = frame.pivot(index="i", columns="t", values="d").to_numpy() == 0
    i, t = (a.ravel() for a in np.indices(y.shape))
    design = np.column_stack(
        [i[:, None] == np.arange(30), t[:, None] == np.arange(1, 9)]
    ).astype(float)
    gaps = []
    for a, b in np.argwhere(~free):
        both = free & free[a]
        both[:, b] = False
        square = np.where(both, (y - y[a]) ** 2, 0.0).sum(axis=1) / both.sum(axis=1)
        w = np.exp(-u * np.sqrt(square))[i] * np.exp(-v * np.abs(t - b))
        w = np.where(free.ravel(), w, 0.0)
        root = np.sqrt(w)
        beta = np.linalg.lstsq(root[:, None] * design, root * y.ravel(), rcond=None)[0]
        gaps.append(y[a, b] - (design @ beta).reshape(y.shape)[a, b])
    assert fit["estimate"].iloc[0] == pytest.approx(np.mean(gaps), abs=1e-8)


def test_the_choice_finds_what_the_factors_do():
    errors = []
    for seed in range(6):
        fit = did.triply_robust(simulate(seed), validation_cells=60, draws=0, **OWN)
        errors.append(fit["estimate"].iloc[0] - 1.0)
    plain = [
        did.triply_robust(
            simulate(seed), unit_decay=0, time_decay=0, penalty=np.inf, draws=0, **OWN
        )["estimate"].iloc[0]
        - 1.0
        for seed in range(6)
    ]
    assert np.square(errors).mean() < 0.5 * np.square(plain).mean()
    tried = fit.attrs["choices"]["errors"]
    chosen = tuple(
        fit.attrs["choices"][k] for k in ("unit_decay", "time_decay", "penalty")
    )
    assert tried[chosen] <= 1.05 * min(tried.values())


def test_odd_panels():
    chosen = dict(unit_decay=0.5, time_decay=0.2, penalty=np.inf)
    frame = simulate(ends=True).drop(index=[3, 40, 77])
    fit = did.triply_robust(frame, draws=20, seed=1, **chosen, **OWN)
    assert fit["std_error"].iloc[0] > 0
    rows = fit[fit["aggregation"] == "dynamic"]
    assert list(rows["event_time"]) == [0, 1]
    again = did.triply_robust(
        frame.sample(frac=1, random_state=2), draws=20, seed=1, **chosen, **OWN
    )
    pd.testing.assert_frame_equal(pd.DataFrame(fit), pd.DataFrame(again))
    # A level added to every outcome moves nothing.
    moved = did.triply_robust(
        frame.assign(y=frame["y"] + 1e6), draws=0, **chosen, **OWN
    )
    assert moved["estimate"].iloc[0] == pytest.approx(fit["estimate"].iloc[0], abs=1e-6)
    with pytest.raises(EstimationError):
        did.triply_robust(frame.assign(d=0.0), **OWN)
    with pytest.raises(EstimationError, match="0"):
        did.triply_robust(frame.assign(d=frame["d"] / 2), **OWN)
    with pytest.raises(OptionError, match="cannot be below zero"):
        did.triply_robust(frame, unit_decay=-1.0, **OWN)
    with pytest.raises(OptionError):
        did.triply_robust(frame, draws=3, **OWN)
