"""Errors that neighbours share: by hand, against a peer, and at their limits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from citypanel import did
from citypanel.did.spatial import distances_km
from citypanel.errors import OptionError, PanelError

KEYS = dict(outcome="y", treatment="d", unit="i", period="t", engine="closed_form")
PLACE = dict(standard_errors="conley", coordinates=("lat", "lon"))


def simulate(seed=0, n=40, years=8, holes=False):
    rng = np.random.default_rng(seed)
    place = np.column_stack([rng.uniform(20, 45, n), rng.uniform(90, 125, n)])
    g = rng.choice([3, 5, 99], n)
    frame = pd.DataFrame(
        [
            (i, t, i // 4, *place[i], float(t >= g[i]))
            for i in range(n)
            for t in range(years)
        ],
        columns=["i", "t", "p", "lat", "lon", "d"],
    )
    frame["x"] = rng.normal(size=len(frame))
    near = np.exp(-distances_km(place) / 400)
    shock = np.linalg.cholesky(near + 1e-9 * np.eye(n)) @ rng.normal(size=(n, years))
    frame["y"] = 0.3 * frame["x"] + shock[frame["i"], frame["t"]] + frame["i"] % 5
    if holes:
        frame = frame[rng.random(len(frame)) > 0.15]
    return frame


def dense(frame, cutoff, kernel, lags, weights=None):
    """The sandwich over all pairs of rows, every dummy written out."""
    w = np.ones(len(frame)) if weights is None else frame[weights].to_numpy(float)
    w = w / w.mean()
    x = np.column_stack(
        [
            frame[["d", "x"]],
            pd.get_dummies(frame["i"], dtype=float),
            pd.get_dummies(frame["t"], dtype=float).iloc[:, 1:],
        ]
    )
    gram = np.linalg.inv(x.T @ (w[:, None] * x))
    b = gram @ (x.T @ (w * frame["y"].to_numpy()))
    e = w * (frame["y"].to_numpy() - x @ b)
    lat, lon = np.radians(frame["lat"].to_numpy()), np.radians(frame["lon"].to_numpy())
    # The angle between unit vectors, not the haversine.
    v = np.column_stack(
        [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
    )
    cross = np.linalg.norm(np.cross(v[:, None], v[None]), axis=2)
    km = 6371.01 * np.arctan2(cross, v @ v.T)
    k = (
        (km <= cutoff).astype(float)
        if kernel == "uniform"
        else np.clip(1 - km / cutoff, 0, None)
    )
    unit, t = frame["i"].to_numpy(), frame["t"].to_numpy()
    if lags is not None:
        gap = np.abs(t[:, None] - t[None])
        own = unit[:, None] == unit[None]
        serial = np.where(own & (gap > 0), np.clip(1 - gap / (lags + 1), 0, None), 0.0)
        k = np.where(gap == 0, k, serial)
    meat = x.T @ (np.outer(e, e) * k) @ x
    n, g = len(frame), frame["i"].nunique()
    # Two slopes, the period dummies and the constant: unit effects lie in the units.
    used = 2 + frame["t"].nunique()
    factor = g / (g - 1) * (n - 1) / (n - used)
    return b[0], np.sqrt(np.diag(factor * gram @ meat @ gram)[:2])


@pytest.mark.parametrize("kernel", ["bartlett", "uniform"])
@pytest.mark.parametrize("lags", [None, 0, 2])
@pytest.mark.parametrize("weights", [None, "w"])
def test_conley_is_the_dense_sandwich(kernel, lags, weights):
    frame = simulate(3, holes=True)
    frame["w"] = 0.5 + frame["i"] % 3
    fit = did.twfe(
        frame,
        controls=["x"],
        kernel=kernel,
        lags=lags,
        cutoff_km=900,
        weights=weights,
        **PLACE,
        **KEYS,
    )
    estimate, errors = dense(frame, 900, kernel, lags, weights)
    assert fit["estimate"].iloc[0] == pytest.approx(estimate, abs=1e-10)
    np.testing.assert_allclose(fit["std_error"].iloc[:2], errors, rtol=1e-8)


def test_a_cutoff_below_the_nearest_distance_clusters_by_unit():
    frame = simulate(1)
    near = did.twfe(frame, controls=["x"], cutoff_km=1e-6, **PLACE, **KEYS)
    own = did.twfe(frame, controls=["x"], **KEYS)
    shown = ["estimate", "std_error", "df", "conf_low", "p_value"]
    drop = own["term"] != "const"
    pd.testing.assert_frame_equal(near.loc[drop, shown], own.loc[drop, shown])


def test_conley_with_lags_is_diff_diff():
    conley = pytest.importorskip("diff_diff.conley")
    frame = simulate(5).sort_values(["i", "t"])
    z = np.column_stack(
        [
            frame[["d", "x"]],
            pd.get_dummies(frame["i"], dtype=float),
            pd.get_dummies(frame["t"], dtype=float).iloc[:, 1:],
        ]
    )
    gram = z.T @ z
    residuals = frame["y"].to_numpy() - z @ np.linalg.solve(gram, z.T @ frame["y"])
    for kernel in ("bartlett", "uniform"):
        for lags in (0, 3):
            peer = conley._compute_conley_vcov(
                z,
                residuals,
                frame[["lat", "lon"]].to_numpy(),
                700.0,
                "haversine",
                kernel,
                gram,
                time=frame["t"].to_numpy(),
                unit=frame["i"].to_numpy(),
                lag_cutoff=lags,
            )
            fit = did.twfe(
                frame,
                controls=["x"],
                kernel=kernel,
                lags=lags,
                cutoff_km=700,
                small_sample={"K.adj": False, "G.adj": False},
                **PLACE,
                **KEYS,
            )
            np.testing.assert_allclose(
                fit["std_error"].iloc[:2], np.sqrt(np.diag(peer)[:2]), rtol=1e-9
            )


def test_a_negative_variance_is_null_with_a_note():
    """Uniform weights over a chain: the ends share errors with the middle only."""
    rows = []
    for i, lon in enumerate([0.0, 1.0, 2.0]):
        for t in range(2):
            rows.append((i, t, 0.0, lon, float(i == 1 and t == 1)))
    frame = pd.DataFrame(rows, columns=["i", "t", "lat", "lon", "d"])
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        panel = pd.concat([frame.assign(i=frame["i"] + 3 * k) for k in range(4)])
        panel["lon"] += 20 * (panel["i"] // 3)
        panel["y"] = rng.normal(size=len(panel))
        table = did.spatial_inference(
            panel,
            outcome="y",
            treatment="d",
            unit="i",
            period="t",
            coordinates=("lat", "lon"),
            cutoffs_km=[120],
            kernels=["uniform"],
        )
        found.append(table.iloc[-1])
    found = pd.DataFrame(found)
    lost = found["std_error"].isna()
    assert lost.any() and not lost.all()
    assert found.loc[lost, "note"].str.contains("not positive").all()
    assert found.loc[lost, "p_value"].isna().all()


def test_the_table_has_every_claim_and_one_estimate():
    frame = simulate(2)
    frame.loc[frame["i"] == 7, "lat"] = np.nan
    table = did.spatial_inference(
        frame,
        outcome="y",
        treatment="d",
        unit="i",
        period="t",
        above="p",
        coordinates=("lat", "lon"),
        cutoffs_km=[200, 600],
        draws=99,
        controls=["x"],
    )
    assert table["estimate"].nunique() == 1 or np.ptp(table["estimate"]) < 1e-12
    assert table["term"].tolist() == [
        "unit",
        "above",
        "above_and_period",
        "above_wild_bootstrap",
        "bartlett_200_km",
        "bartlett_600_km",
        "uniform_200_km",
        "uniform_600_km",
    ]
    assert table["note"].str.contains("missing value of lat (8)", regex=False).all()
    own = did.twfe(
        frame[frame["i"] != 7], controls=["x"], cutoff_km=600, **PLACE, **KEYS
    )
    line = table.set_index("term").loc["bartlett_600_km"]
    assert line["std_error"] == pytest.approx(own["std_error"].iloc[-1])
    above = did.twfe(frame[frame["i"] != 7], controls=["x"], cluster="p", **KEYS)
    assert table.iloc[1]["std_error"] == pytest.approx(above["std_error"].iloc[-1])


def test_what_cannot_be_used_is_named():
    frame = simulate(0)
    with pytest.raises(OptionError, match="two coordinates and a cutoff"):
        did.twfe(frame, standard_errors="conley", coordinates=("lat", "lon"), **KEYS)
    with pytest.raises(OptionError, match="take no clusters"):
        did.twfe(frame, cutoff_km=100, cluster="p", **PLACE, **KEYS)
    with pytest.raises(OptionError, match="kernel"):
        did.twfe(frame, cutoff_km=100, kernel="normal", **PLACE, **KEYS)
    far = frame.assign(lat=frame["lat"].where(frame["i"] != 3, 4000.0))
    with pytest.raises(PanelError, match=r"- 3: lat = 4000\.0"):
        did.twfe(far, cutoff_km=100, **PLACE, **KEYS)
    moves = frame.assign(lon=frame["lon"] + 0.1 * (frame["t"] > 4))
    with pytest.raises(PanelError, match="lon"):
        did.twfe(moves, cutoff_km=100, **PLACE, **KEYS)
