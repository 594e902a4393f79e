"""Influence functions of group-time effects are derivatives by a unit's weight.

A weighted estimate is a function of how often each unit counts. The influence function
at a unit is n times its derivative by that unit's weight: nothing else about the
formulas is taken for granted.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from citypanel import did

KEYS = dict(outcome="y", cohort="g", unit="id", period="t", weights="w")
STEP = 1e-5


def simulate(seed=2, n=60):
    rng = np.random.default_rng(seed)
    g = rng.choice([0, 3, 5], n)
    frame = pd.DataFrame(
        [(i, t, g[i]) for i in range(n) for t in range(1, 7)],
        columns=["id", "t", "g"],
    )
    frame["x"] = rng.normal(size=n)[frame["id"]] + 0.3 * (frame["g"] > 0)
    frame["z"] = rng.normal(size=len(frame))
    late = (frame["g"] > 0) & (frame["t"] >= frame["g"])
    trend = 0.3 * frame["x"] * frame["t"]
    frame["y"] = rng.normal(size=len(frame)) + trend + late
    frame["w"] = rng.uniform(0.5, 2.0, n)[frame["id"]]
    return frame, rng.random(len(frame)) > 0.15


@pytest.mark.parametrize("controls", [[], ["x", "z"]])
@pytest.mark.parametrize("method", ["dr", "ipw", "reg"])
@pytest.mark.parametrize("panel", ["balanced", "unbalanced", "repeated"])
def test_influence_is_the_derivative_by_the_weight(panel, method, controls):
    frame, seen = simulate()
    if panel != "balanced":
        frame = frame[seen].reset_index(drop=True)
    options = dict(panel=panel, method=method, controls=controls, **KEYS)
    cells = did.group_time_att(frame, **options)
    matrix = cells.attrs["influence"]["matrix"]
    n, m = matrix.shape
    kinds = ("simple", "group", "dynamic", "calendar")
    means = {kind: did.aggregate_att(cells, kind) for kind in kinds}
    for place in (0, 23):
        own = frame.index == place if panel == "repeated" else frame["id"] == place
        ends = [
            did.group_time_att(
                frame.assign(w=frame["w"] * np.where(own, 1 + sign * STEP, 1.0)),
                **options,
            )
            for sign in (1, -1)
        ]
        moved = (ends[0]["estimate"] - ends[1]["estimate"])[:m] / (2 * STEP) * n
        known = moved.notna()
        np.testing.assert_allclose(moved[known], matrix[place, known], atol=1e-6)
        assert known.sum() >= 8
        for kind, fit in means.items():
            two = [did.aggregate_att(end, kind)["estimate"] for end in ends]
            np.testing.assert_allclose(
                (two[0] - two[1]) / (2 * STEP) * n,
                fit.attrs["influence"]["matrix"][place],
                atol=1e-6,
            )


@pytest.mark.parametrize("method", ["dr", "ipw", "reg"])
def test_unbalanced_panels_are_cross_sections_with_errors_by_unit(method):
    frame, seen = simulate()
    frame = frame[seen]
    options = dict(method=method, controls=["x"], **KEYS)
    one = did.group_time_att(frame, panel="unbalanced", **options)
    two = did.group_time_att(frame, panel="repeated", cluster="id", **options)
    for column in ("estimate", "std_error"):
        np.testing.assert_allclose(one[column][:-1], two[column][:-1], rtol=1e-9)
    # Whoever is seen in every period is compared with itself.
    whole, _ = simulate()
    three = did.group_time_att(whole, panel="unbalanced", **KEYS)
    four = did.group_time_att(whole, **KEYS)
    np.testing.assert_allclose(three["estimate"][:-1], four["estimate"][:-1])
    np.testing.assert_allclose(three["std_error"][:-1], four["std_error"][:-1])


def test_repeated_cross_sections_need_no_unit():
    frame, seen = simulate()
    frame = frame[seen]
    options = {k: v for k, v in KEYS.items() if k != "unit"}
    one = did.group_time_att(frame.drop(columns="id"), panel="repeated", **options)
    two = did.group_time_att(frame, panel="repeated", **KEYS)
    pd.testing.assert_frame_equal(one, two)
    assert one["n_units"].iloc[0] == one["n_obs"].iloc[0]
    rows = frame.groupby(["g", "t"]).apply(
        lambda f: np.average(f["y"], weights=f["w"]), include_groups=False
    )
    want = (rows[3, 4] - rows[3, 2]) - (rows[0, 4] - rows[0, 2])
    cell = one[(one["cohort"] == 3) & (one["period"] == 4)]
    assert cell["estimate"].item() == pytest.approx(want, rel=1e-12)


def test_weights_are_how_often_a_unit_counts():
    """Integer weights give the estimates of units that stand in the panel so often."""
    frame, _ = simulate()
    frame["w"] = 1.0 + frame["id"] % 3
    copies = [
        frame[frame["w"] > k].assign(id=lambda f, k=k: f["id"] + 1000 * k)
        for k in range(3)
    ]
    many = pd.concat(copies, ignore_index=True).assign(home=lambda f: f["id"] % 1000)
    options = {k: v for k, v in KEYS.items() if k != "weights"}
    for more in ({}, {"controls": ["x"]}):
        one = did.group_time_att(frame, **more, **KEYS)
        two = did.group_time_att(many, cluster="home", **more, **options)
        for column in ("estimate", "std_error"):
            np.testing.assert_allclose(one[column], two[column], rtol=1e-8)
        for kind in ("simple", "group", "dynamic", "calendar"):
            a, b = did.aggregate_att(one, kind), did.aggregate_att(two, kind)
            for column in ("estimate", "std_error"):
                np.testing.assert_allclose(a[column], b[column], rtol=1e-8)
