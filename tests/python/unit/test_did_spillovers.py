"""Effects on neighbours: known truth, the dense regression, and a peer."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from tests.support.random_panels import STAGGERED, random_panel

from citypanel import did
from citypanel.did.spatial import distances_km
from citypanel.errors import CityPanelError, OptionError

OWN = dict(outcome="y", cohort="g", unit="i", period="t")
PLACE = dict(coordinates=("lat", "lon"))
RINGS = (0, 150, 300)
DELTA = (-0.8, 0.4)


def simulate(seed=0, n=60, years=8, noise=0.0, tau=2.0, delta=DELTA, holes=False):
    rng = np.random.default_rng(seed)
    place = np.column_stack([rng.uniform(25, 40, n), rng.uniform(100, 120, n)])
    g = np.where(rng.random(n) < 0.2, rng.choice([3, 5], n), 99)
    apart = distances_km(place)
    np.fill_diagonal(apart, np.inf)
    frame = pd.DataFrame(
        [(i, t, g[i], *place[i]) for i in range(n) for t in range(years)],
        columns=["i", "t", "g", "lat", "lon"],
    )
    near = np.array(
        [
            min((apart[i, j] for j in range(n) if g[j] <= t), default=np.inf)
            for i, t in zip(frame["i"], frame["t"], strict=True)
        ]
    )
    frame["d"] = (frame["t"] >= frame["g"]).astype(float)
    frame["ring"] = np.searchsorted(RINGS[1:], near)
    frame.loc[frame["d"] == 1, "ring"] = -1
    touched = frame["ring"].map({0: delta[0], 1: delta[1]}).fillna(0.0)
    frame["y"] = (
        frame["i"] % 7
        + 0.3 * frame["t"] ** 2
        + tau * frame["d"]
        + touched
        + noise * rng.normal(size=len(frame))
    )
    frame["x"] = rng.normal(size=len(frame))
    frame["w"] = rng.uniform(0.5, 2, len(frame))
    frame["g"] = frame["g"].where(frame["g"] < 99)
    frame["p"] = frame["i"] // 6
    return frame[rng.random(len(frame)) > 0.1 * holes]


@pytest.mark.parametrize("holes", [False, True])
def test_the_truth_without_noise(holes):
    frame = simulate(holes=holes)
    fit = did.spillovers(frame, rings=RINGS, **PLACE, **OWN).set_index("term")
    assert fit.loc["direct", "estimate"] == pytest.approx(2.0, abs=1e-9)
    assert fit.loc["ring_0_150_km", "estimate"] == pytest.approx(-0.8, abs=1e-9)
    assert fit.loc["ring_150_300_km", "estimate"] == pytest.approx(0.4, abs=1e-9)
    assert abs(fit.loc["overall", "estimate"] - 2.0) > 1e-3
    gap = fit.loc["overall", "estimate"] - fit.loc["direct", "estimate"]
    assert fit.loc["overall_less_direct", "estimate"] == pytest.approx(gap)


def test_a_donut_takes_the_touched_controls_out():
    frame = simulate(2)
    # All treated at once: no treated unit is touched before its own treatment.
    frame = frame.assign(g=frame["g"].where(frame["g"].isna(), 5))
    rng = np.random.default_rng(0)
    frame["y"] = frame["i"] + frame["t"] + rng.normal(size=1) * 0
    late = frame["t"] >= 5
    frame["y"] += 2.0 * (frame["g"] == 5) * late
    places = frame.drop_duplicates("i")
    apart = distances_km(places[["lat", "lon"]].to_numpy())
    near = apart[:, (places["g"] == 5).to_numpy()].min(axis=1)
    touched = dict(zip(places["i"], near <= 150, strict=True))
    frame["y"] -= 1.0 * frame["i"].map(touched) * (frame["g"] != 5) * late
    fit = did.spillovers(frame, rings=(0, 150, 300), **PLACE, **OWN).set_index("term")
    assert fit.loc["overall", "estimate"] > 2.1
    assert fit.loc["without_150_km", "estimate"] == pytest.approx(2.0, abs=1e-9)
    assert fit.loc["without_300_km", "estimate"] == pytest.approx(2.0, abs=1e-9)
    assert "units left out" in fit.loc["without_150_km", "note"]


@pytest.mark.parametrize("options", [{}, {"controls": ["x"]}, {"weights": "w"}])
def test_the_means_are_those_of_the_dense_first_stage(options):
    frame = simulate(5, noise=0.5, holes=True)
    fit = did.spillovers(frame, rings=RINGS, **PLACE, **OWN, **options)
    w = frame["w"].to_numpy() if "weights" in options else np.ones(len(frame))
    z = [pd.get_dummies(frame["i"]), pd.get_dummies(frame["t"])]
    z += [frame[["x"]]] if "controls" in options else []
    z = np.column_stack(z).astype(float)
    d, ring = frame["d"].to_numpy() == 1, frame["ring"].to_numpy()
    clean = ~d & (ring == 2)
    root = np.sqrt(w[clean])
    b = np.linalg.lstsq(root[:, None] * z[clean], root * frame["y"][clean], rcond=None)[
        0
    ]
    gap = frame["y"].to_numpy() - z @ b
    by = fit.set_index("term")["estimate"]
    seen = frame["i"].isin(frame["i"][clean]).to_numpy()
    for term, some in (("direct", d), ("ring_0_150_km", ring == 0)):
        some = some & seen
        assert by[term] == pytest.approx(
            np.average(gap[some], weights=w[some]), abs=1e-8
        )


def test_without_neighbours_it_is_imputation():
    frame = simulate(1, noise=1.0)
    fit = did.spillovers(frame, rings=(0, 1e-3), **PLACE, **OWN).set_index("term")
    own = did.imputation(frame, **OWN).iloc[0]
    for term in ("overall", "direct", "without_0.001_km"):
        assert fit.loc[term, "estimate"] == pytest.approx(own["estimate"], abs=1e-10)
        assert fit.loc[term, "std_error"] == pytest.approx(own["std_error"], rel=1e-8)
    assert fit.loc["ring_0_0.001_km", "note"] == "no untreated unit is there"
    assert pd.isna(fit.loc["ring_0_0.001_km", "estimate"])


def test_the_two_stages_are_diff_diffs():
    diff_diff = pytest.importorskip("diff_diff")
    frame = simulate(7, noise=0.4)
    frame["first"] = frame["g"].fillna(0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = diff_diff.SpilloverDiD(
            rings=[0, 150, 300], conley_coords=("lat", "lon")
        ).fit(frame, outcome="y", unit="i", time="t", first_treat="first")
    fit = did.spillovers(frame, rings=RINGS, **PLACE, **OWN).set_index("term")
    assert fit.loc["direct", "estimate"] == pytest.approx(peer.att, abs=1e-8)
    found = peer.spillover_effects["coef"].to_numpy()
    want = fit.loc[["ring_0_150_km", "ring_150_300_km"], "estimate"]
    np.testing.assert_allclose(found, want, atol=1e-8)


def test_groups_of_neighbours():
    frame = simulate(3)
    treated = frame.loc[frame["d"] == 1].groupby(["p", "t"]).size()
    touched = [
        (p, t) in treated.index for p, t in zip(frame["p"], frame["t"], strict=True)
    ]
    frame["y"] = frame["i"] + frame["t"] + 2.0 * frame["d"]
    frame["y"] += 0.7 * np.array(touched) * (1 - frame["d"])
    fit = did.spillovers(frame, neighbours="p", **OWN).set_index("term")
    assert fit.loc["direct", "estimate"] == pytest.approx(2.0)
    assert fit.loc["same_p", "estimate"] == pytest.approx(0.7)
    assert "without_neighbours" in fit.index


@pytest.mark.slow
def test_size_of_the_ring_and_of_the_direct_effect():
    wrong = np.zeros(2)
    for seed in range(150):
        frame = simulate(seed, noise=1.0, tau=0.0, delta=(0.0, 0.0), n=80)
        fit = did.spillovers(frame, rings=RINGS, **PLACE, **OWN).set_index("term")
        wrong += fit.loc[["direct", "ring_0_150_km"], "p_value"].to_numpy() < 0.05
    # 150 panels: a rate of 5 has a simulation error of 1.8.
    assert (wrong / 150 < 0.11).all()


def test_conley_errors_and_bad_options():
    frame = simulate(4, noise=1.0)
    own = did.spillovers(frame, rings=RINGS, **PLACE, **OWN)
    near = did.spillovers(frame, rings=RINGS, cutoff_km=1e-6, **PLACE, **OWN)
    pd.testing.assert_series_equal(own["std_error"], near["std_error"])
    wide = did.spillovers(frame, rings=RINGS, cutoff_km=500, **PLACE, **OWN)
    assert not np.allclose(own["std_error"], wide["std_error"])
    with pytest.raises(OptionError, match="one of the two"):
        did.spillovers(frame, **OWN)
    with pytest.raises(OptionError, match="increasing order"):
        did.spillovers(frame, rings=(100, 50), **PLACE, **OWN)


@pytest.mark.parametrize("seed", range(60))
def test_any_panel(seed):
    case = random_panel(seed)
    rng = np.random.default_rng(seed)
    frame = case.frame.copy()
    frame["lat"] = rng.uniform(20, 30, 200)[frame["unit_number"]]
    frame["lon"] = rng.uniform(100, 110, 200)[frame["unit_number"]]
    try:
        fit = did.spillovers(frame, rings=(0, 200), **PLACE, **STAGGERED)
    except CityPanelError:
        return
    lost = fit["estimate"].isna()
    assert fit.loc[lost, "note"].notna().all()
    known = fit[~lost]
    if case.effect == "constant":
        means = known[known["aggregation"].isin(["simple", "donut"])]["estimate"]
        np.testing.assert_allclose(means, 1.0, atol=1e-7)
    rest = known[known["aggregation"] == "spillover"]["estimate"]
    np.testing.assert_allclose(rest, 0.0, atol=1e-7)
