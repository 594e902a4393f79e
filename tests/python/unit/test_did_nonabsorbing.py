"""Treatments that change more than once: by hand, known truth, and shapes of panels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from citypanel import did
from citypanel.errors import EstimationError

OWN = dict(outcome="y", treatment="d", unit="i", period="t")


def simulate(seed=3, n=80, periods=8, noise=0.0, effect=0.5):
    """Paths from 0 and from 1: some stay, some change back, some take more later."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        base, kind = float([0, 0, 1][i % 3]), i % 5
        d = np.full(periods, base)
        first = int(rng.integers(2, periods - 1))
        if kind in (1, 2):
            d[first:] = 1 - base
        if kind == 3:
            d[first : first + 2] = 1 - base
        if kind == 4 and base == 0:
            d[first:] = rng.choice([1, 2])
        x = rng.normal(size=periods)
        y = i % 7 + 0.1 * np.arange(periods) ** 2 + effect * d
        y = y + noise * rng.normal(size=periods)
        rows += [(i, 2010 + t, d[t], x[t], y[t]) for t in range(periods)]
    return pd.DataFrame(rows, columns=["i", "t", "d", "x", "y"])


def by_hand(frame, steps):
    """Signed mean effect after some steps, unit by unit, from the definition."""
    y = frame.pivot(index="i", columns="t", values="y").to_numpy()
    d = frame.pivot(index="i", columns="t", values="d").to_numpy()
    changed = d != d[:, :1]
    first = np.where(changed.any(axis=1), changed.argmax(axis=1), d.shape[1] + 99)
    effects, now, since = [], [], []
    for i in np.flatnonzero(first < d.shape[1]):
        f = first[i]
        at = f + steps if steps >= 0 else 2 * (f - 1) - (f - steps - 2)
        last = f + (steps if steps >= 0 else -steps - 2)
        rest = (d[:, 0] == d[i, 0]) & (first > last)
        if at < 0 or last >= d.shape[1] or not rest.any():
            continue
        change = y[:, at] - y[:, f - 1]
        sign = np.sign(d[i, f] - d[i, 0])
        effects.append(sign * (change[i] - change[rest].mean()))
        now.append(abs(d[i, last] - d[i, 0]))
        since.append(abs((d[i, f : last + 1] - d[i, 0]).sum()))
    return np.array(effects), np.array(now), np.array(since)


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_effects_and_placebos_are_the_definition(noise):
    frame = simulate(noise=noise)
    fit = did.nonabsorbing_did(frame, **OWN)
    rows = fit[fit["aggregation"] == "dynamic"].set_index("event_time")["estimate"]
    scaled = fit[fit["aggregation"] == "normalised"].set_index("event_time")["estimate"]
    total, dose = 0.0, 0.0
    for e in rows.index:
        effects, now, since = by_hand(frame, int(e))
        assert rows[e] == pytest.approx(effects.mean(), abs=1e-10)
        assert scaled[e] == pytest.approx(effects.sum() / since.sum(), abs=1e-10)
        if e >= 0:
            total, dose = total + effects.sum(), dose + now.sum()
    assert fit["estimate"].iloc[0] == pytest.approx(total / dose, abs=1e-10)


def test_without_noise_a_unit_of_treatment_has_its_effect():
    fit = did.nonabsorbing_did(simulate(effect=0.5), **OWN)
    assert fit["estimate"].iloc[0] == pytest.approx(0.5)
    leads = fit[(fit["aggregation"] == "dynamic") & (fit["event_time"] < 0)]
    np.testing.assert_allclose(leads["estimate"].astype(float), 0, atol=1e-9)


def test_an_absorbing_treatment_gives_switchers():
    frame = simulate(noise=1.0)
    first = frame[frame["d"] > 0].groupby("i")["t"].min()
    frame["g"] = frame["i"].map(first)
    frame = frame[(frame["g"] != 2010) & (frame["i"] % 5 != 3)].copy()
    frame["d"] = (frame["t"] >= frame["g"]).astype(float)
    own = did.switchers(frame, outcome="y", cohort="g", unit="i", period="t")
    fit = did.nonabsorbing_did(frame, **OWN)
    rows = fit[fit["aggregation"] != "normalised"].reset_index(drop=True)
    assert list(rows["term"]) == list(own["term"])
    np.testing.assert_allclose(
        rows["estimate"].astype(float), own["estimate"].astype(float), atol=1e-10
    )


def test_a_path_that_crosses_counts_until_it_does():
    frame = simulate(noise=1.0)
    # Unit 1 goes up and then below where it began.
    mine = frame["i"] == 1
    frame.loc[mine, "d"] = [0, 0, 1, 1, -1, -1, 1, 1]
    fit = did.nonabsorbing_did(frame, **OWN)
    assert "1 units (i 1 first) count until" in fit["note"].iloc[0]
    cut = frame[~mine]
    count = fit[fit["aggregation"] == "dynamic"].set_index("event_time")
    less = did.nonabsorbing_did(cut, **OWN)
    less = less[less["aggregation"] == "dynamic"].set_index("event_time")
    gap = (count["n_treated_units"] - less["n_treated_units"]).to_dict()
    assert [gap[e] for e in (0, 1, 2, 3)] == [1, 1, 0, 0]


def test_controls_come_out_with_slopes_of_unchanged_rows():
    frame = simulate(noise=0.5)
    base = frame.groupby("i")["d"].transform("first")
    frame["y"] += np.where(base == 0, 2.0, -1.0) * frame["x"]
    fit = did.nonabsorbing_did(frame, controls=["x"], **OWN)
    still = (frame["d"] == base).groupby(frame["i"]).cummin()
    net = frame.copy()
    for level in (0, 1):
        rows = frame[still & (base == level)]
        change = rows.groupby("i")[["y", "x"]].diff()
        change["t"] = rows["t"]
        change = change.dropna()
        z = np.column_stack([change["x"], pd.get_dummies(change["t"], dtype=float)])
        slope = np.linalg.lstsq(z, change["y"], rcond=None)[0][0]
        net.loc[base == level, "y"] -= slope * frame["x"]
    want = did.nonabsorbing_did(net, **OWN)
    np.testing.assert_allclose(
        fit["estimate"].astype(float), want["estimate"].astype(float), atol=1e-9
    )


def test_weights_are_copies_of_units():
    frame = simulate(noise=1.0, n=40)
    frame["w"] = 1.0 + frame["i"] % 3
    copies = pd.concat(
        [
            frame[frame["w"] > k].assign(i=lambda f, k=k: f["i"] + 1000 * k)
            for k in range(3)
        ]
    )
    fit = did.nonabsorbing_did(frame, weights="w", **OWN)
    want = did.nonabsorbing_did(copies, **OWN)
    rows = fit[fit["aggregation"].isin(["dynamic", "normalised"])]
    others = want[want["aggregation"].isin(["dynamic", "normalised"])]
    np.testing.assert_allclose(
        rows["estimate"].astype(float), others["estimate"].astype(float), atol=1e-9
    )


def test_odd_panels():
    frame = simulate(noise=1.0)
    holes = frame.drop(frame.index[[5, 100]])
    fit = did.nonabsorbing_did(holes, **OWN)
    lost = fit.attrs["dropped"]["rows"]
    assert set(lost["i"]) == {0, 12}
    assert "not seen in all" in fit["note"].iloc[0]
    shuffled = frame.sample(frac=1, random_state=1)
    quarters = pd.PeriodIndex([f"{t - 8}Q1" for t in shuffled["t"]], freq="Q")
    again = did.nonabsorbing_did(shuffled.assign(t=quarters), frequency="year", **OWN)
    np.testing.assert_allclose(
        again["estimate"].astype(float),
        did.nonabsorbing_did(frame, **OWN)["estimate"].astype(float),
        atol=1e-10,
    )
    with pytest.raises(EstimationError, match="No unit's d changes"):
        did.nonabsorbing_did(frame.assign(d=1.0), **OWN)
    with pytest.raises(EstimationError, match="began alike"):
        did.nonabsorbing_did(frame.assign(d=frame["d"] + frame["i"]), **OWN)


@pytest.mark.slow
def test_size_of_the_overall_effect():
    wrong = sum(
        did.nonabsorbing_did(
            simulate(seed, noise=1.0, effect=0.0, n=73), effects=3, placebos=2, **OWN
        )["p_value"].iloc[0]
        < 0.05
        for seed in range(400)
    )
    # A rate of 5 in 400 panels has a simulation error of 1.1.
    assert 0.02 <= wrong / 400 <= 0.09
