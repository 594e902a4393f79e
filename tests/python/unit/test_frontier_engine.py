"""The certificate must refuse what is wrong, and the repair must mend it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from citypanel import frontier
from citypanel.frontier import engine, hull, simplex
from citypanel.frontier.bootstrap import Kernel, smoothed_pairs
from citypanel.frontier.evaluation import radial_efficiencies
from citypanel.frontier.isoquant import isoquant
from citypanel.frontier.technology import build_technology


def lognormal(units, m, s, *, seed=3, sigma=1.0, periods=2) -> tuple:
    rng = np.random.default_rng(seed)
    n = units * periods
    panel = pd.DataFrame(
        {
            "unit": np.repeat(np.arange(units), periods),
            "period": np.tile(np.arange(periods), units),
        }
    )
    inputs, outputs = [f"x{i}" for i in range(m)], [f"y{i}" for i in range(s)]
    for name in inputs:
        panel[name] = np.exp(sigma * rng.standard_normal(n))
    core = np.exp(np.log(panel[inputs]).mean(axis=1))
    for name in outputs:
        panel[name] = core * np.exp(0.5 * sigma * rng.standard_normal(n))
    keys = {"unit": "unit", "period": "period", "outputs": outputs, "inputs": inputs}
    return panel, keys


def agree(ours, truth, rtol=5e-9):
    np.testing.assert_array_equal(ours.distance.isna(), truth.distance.isna())
    np.testing.assert_allclose(ours.distance, truth.distance, rtol=rtol)


def spoil_prices(facets):
    prices = facets.prices.copy()
    prices[::2, 0] *= 1.001
    return replace(facets, prices=prices)


def lose_facets(facets):
    keep = np.arange(len(facets.prices)) % 3 > 0
    return replace(
        facets,
        prices=facets.prices[keep],
        members=facets.members[keep],
        inverse=facets.inverse[keep],
        basis=facets.basis[keep],
    )


@pytest.mark.parametrize("spoil", [spoil_prices, lose_facets])
@pytest.mark.parametrize("orientation", ["output", "input"])
@pytest.mark.parametrize("returns", ["crs", "vrs"])
def test_wrong_facets_are_noticed_and_repaired(
    monkeypatch, spoil, orientation, returns
):
    panel, keys = lognormal(40, 2, 1)
    options = {**keys, "orientation": orientation, "returns_to_scale": returns}
    truth = frontier.distance(panel, **options, solver="simplex")
    monkeypatch.setattr(engine, "find_facets", lambda t: spoil(hull.find_facets(t)))
    ours = frontier.distance(panel, **options, solver="hull")
    agree(ours, truth)
    assert ours.attrs["certificate"]["by_simplex"] > 0
    assert ours.attrs["certificate"]["not_certified"] == 0


def test_wrong_bases_fall_to_rational_arithmetic(monkeypatch):
    panel, keys = lognormal(20, 2, 1)
    truth = frontier.distance(panel, **keys, lags=(-1, 0, 1))

    def spoiled(technology, q, r):
        bases = simplex.solve_bases(technology, q, r)
        return replace(bases, t=bases.t * 1.0001)

    monkeypatch.setattr(engine, "solve_bases", spoiled)
    ours = frontier.distance(panel, **keys, lags=(-1, 0, 1), solver="simplex")
    agree(ours, truth)
    report = ours.attrs["certificate"]
    assert report["by_rational"] == report["programmes"] == len(ours)


def test_a_flat_hull_falls_to_programmes(monkeypatch):
    panel, keys = lognormal(15, 2, 1)
    panel["bad"] = panel.y0 * np.linspace(1, 2, len(panel))
    plain = frontier.distance(panel, **keys)
    weak = frontier.directional_distance(panel, **keys, bads=["bad"])
    monkeypatch.setattr(engine, "find_facets", lambda technology: None)
    ours = frontier.distance(panel, **keys)
    assert ours.attrs["certificate"]["by_simplex"] == len(panel)
    agree(ours, plain)
    ours = frontier.directional_distance(panel, **keys, bads=["bad"])
    assert ours.attrs["certificate"]["by_lp"] == len(panel)
    np.testing.assert_allclose(ours.distance, weak.distance, atol=1e-8)


@pytest.mark.parametrize("returns", ["crs", "vrs", "nirs", "ndrs"])
def test_growing_hulls_and_spanning_sets_of_larger_panels(returns):
    panel, keys = lognormal(900, 3, 1)
    options = {**keys, "returns_to_scale": returns, "lags": (0, 1)}
    grown = frontier.distance(panel, **options, solver="hull")
    spanned = frontier.distance(panel, **options, solver="simplex")
    assert grown.attrs["certificate"]["by_hull"] > 0.99 * len(grown)
    agree(grown, spanned)
    sample = panel[panel.unit < 600]
    small = frontier.distance(sample, **options, solver="simplex")
    both = small.distance.notna()
    larger = spanned[spanned.unit < 600].reset_index(drop=True)
    assert (larger.distance[both] <= small.distance[both] * (1 + 1e-9)).all()


@pytest.mark.parametrize("returns", ["crs", "vrs", "nirs", "ndrs"])
@pytest.mark.parametrize("orientation", ["output", "input"])
def test_columns_that_come_when_needed_move_nothing(monkeypatch, returns, orientation):
    panel, keys = lognormal(250, 3, 3)
    keys |= {"returns_to_scale": returns, "orientation": orientation}
    ours = frontier.distance(panel, **keys, lags=(0, 1), solver="simplex")
    assert ours.attrs["certificate"]["by_simplex"] == len(ours)
    monkeypatch.setattr(simplex, "FEW_COLUMNS", 10**9)
    whole = frontier.distance(panel, **keys, lags=(0, 1), solver="simplex")
    assert whole["reason"].equals(ours["reason"])
    agree(ours, whole, 1e-12)


def test_report_counts_every_programme():
    panel, keys = lognormal(30, 2, 1, periods=4)
    report = frontier.malmquist(panel, **keys).attrs["certificate"]
    # Own periods twice, constant and variable, and 3 changes each way.
    assert report["programmes"] == 30 * (4 + 4 + 3 + 3)
    settled = ("by_closed_form", "by_hull", "by_simplex", "by_lp", "by_rational")
    assert sum(report[name] for name in settled) == report["programmes"]


def test_closed_form_of_one_input_and_one_output():
    panel, keys = lognormal(30, 1, 1)
    ours = frontier.distance(panel, **keys, lags=(-1, 0, 1))
    assert ours.attrs["certificate"]["by_closed_form"] == len(ours)
    agree(ours, frontier.distance(panel, **keys, lags=(-1, 0, 1), solver="lp"))


def test_bootstrap_does_not_depend_on_workers_or_rows():
    panel, keys = lognormal(12, 2, 1, periods=3)
    options = {**keys, "seed": 11, "replications": 45}
    seen = []
    ours = frontier.bootstrap_malmquist(
        panel, **options, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(20, 90), (40, 90), (45, 90), (65, 90), (85, 90), (90, 90)]
    shuffled = panel.sample(frac=1, random_state=5)
    again = frontier.bootstrap_malmquist(shuffled, **options, n_jobs=2)
    pd.testing.assert_frame_equal(ours, again, check_exact=True)
    other = frontier.bootstrap_malmquist(panel, **{**options, "seed": 12})
    assert (other.effch_lower != ours.effch_lower).all()
    plain = frontier.malmquist(panel, **keys)
    np.testing.assert_allclose(ours.tfpch, plain.tfpch, rtol=1e-12)


def test_bootstrap_interval_by_hand():
    draws = np.array([[1.0, 1.0], [2.0, np.nan], [3.0, 3.0], [4.0, 5.0], [5.0, 7.0]])
    found = frontier.bootstrap._bias(np.array([2.0, 4.0]), draws)
    # Means 3 and 4 of the draws that are there.
    np.testing.assert_allclose(found["bias"], [1.0, 0.0])
    np.testing.assert_allclose(found["corrected"], [1.0, 4.0])
    assert found["correct"].tolist() == [False, False]
    errors = np.array([[0.1, np.nan], [-0.2, 0.4], [0.3, np.nan], [-0.5, -0.2]])
    found = frontier.bootstrap._interval(np.array([2.0, 4.0]), errors, 0.5)
    # Less the medians of the errors, -0.05 and 0.1; half as wide as the medians of
    # 0.1, 0.2, 0.3, 0.5 and of 0.2, 0.4.
    np.testing.assert_allclose(found["lower"], [2, 4] * np.exp([0.05 - 0.25, -0.4]))
    np.testing.assert_allclose(found["upper"], [2, 4] * np.exp([0.05 + 0.25, 0.2]))
    nothing = frontier.bootstrap._interval(np.ones(1), np.full((3, 1), np.nan), 0.5)
    assert np.isnan(nothing["lower"]).all()


@pytest.mark.parametrize("orientation", ["output", "input"])
@pytest.mark.parametrize("returns", ["crs", "vrs"])
def test_bootstrap_of_unbalanced_panels(orientation, returns):
    panel, keys = lognormal(15, 2, 1, periods=3, sigma=0.3)
    panel = panel.drop(index=[0, 4, 20])
    ours = frontier.bootstrap_malmquist(
        panel,
        **keys,
        seed=1,
        replications=30,
        orientation=orientation,
        returns_to_scale=returns,
    )
    there = ours.reason.isna() & (ours.replications > 1)
    assert (ours.effch_lower < ours.effch_upper)[there].all()
    assert there.sum() >= 10


@pytest.mark.parametrize("seed", [0, 16, 18, 19, 21])
def test_the_hull_of_a_sample_grows_past_facets_that_hold_a_ray(seed):
    # In the sample's hull rounding puts the price of a ray below zero: the facet counts
    # all the same, and units beyond it join.
    rng = np.random.default_rng(seed)
    inputs = np.exp(rng.normal(size=(1300, 2)))
    outputs = inputs.prod(axis=1) ** 0.5 * rng.uniform(0.3, 1, 1300)
    technology = build_technology(inputs, outputs[:, None], returns_to_scale="crs")
    values, _ = radial_efficiencies(
        technology, inputs, outputs[:, None], orientation="output"
    )
    truth = isoquant(inputs, outputs).efficiencies(inputs, outputs)
    np.testing.assert_allclose(values, truth, rtol=1e-12)


def test_a_hull_that_misses_units_proves_no_distance(monkeypatch):
    """Every facet is checked against every unit, also where the hull grew from some."""
    rng = np.random.default_rng(1)
    inputs = np.exp(rng.normal(size=(1300, 2)))
    outputs = inputs.prod(axis=1) ** 0.5 * rng.uniform(0.3, 1, 1300)
    technology = build_technology(inputs, outputs[:, None], returns_to_scale="crs")

    def of_few(technology, projected, rays, interior):
        return hull._facets_of(projected, np.concatenate([np.arange(0, 1300, 7), rays]))

    monkeypatch.setattr(hull, "_grow", of_few)
    assert hull.find_facets(technology).refused
    values, _ = radial_efficiencies(
        technology, inputs, outputs[:, None], orientation="output"
    )
    truth = isoquant(inputs, outputs).efficiencies(inputs, outputs)
    np.testing.assert_allclose(values, truth, rtol=1e-12)


def test_smoothed_pairs_keep_mean_spread_and_boundary():
    rng = np.random.default_rng(0)
    pairs = 1.0 + rng.gamma(2.0, 0.2, (300, 2))
    pairs[:, 1] += 0.5 * (pairs[:, 0] - 1)
    drawn = smoothed_pairs(Kernel.of(pairs, 0.3), rng.integers(300, size=200_000), rng)
    assert (drawn >= 1).all()
    # Reflection moves what would have been below 1, so moments are kept nearly.
    np.testing.assert_allclose(drawn.mean(axis=0), pairs.mean(axis=0), rtol=0.01)
    np.testing.assert_allclose(
        np.cov(drawn, rowvar=False), np.cov(pairs, rowvar=False), rtol=0.06
    )
    sharp = smoothed_pairs(Kernel.of(pairs, 1e-12), rng.integers(300, size=1000), rng)
    nearest = np.abs(sharp[:, None, :] - pairs).max(axis=2).min(axis=1)
    assert nearest.max() < 1e-9


def known_truth(seed, units=300, growth=1.2) -> pd.DataFrame:
    """Two periods of a constant-returns technology that grows by `growth`."""
    rng = np.random.default_rng(seed)
    lag = np.abs(rng.normal(0, 0.3, (units, 2)))
    parts = []
    for t in (0, 1):
        x = rng.uniform(1, 5, (units, 2))
        y = growth**t * np.sqrt(x[:, 0] * x[:, 1]) * np.exp(-lag[:, t])
        parts.append(
            pd.DataFrame({"x0": x[:, 0], "x1": x[:, 1], "y0": y}).assign(
                unit=np.arange(units),
                period=t,
                techch=growth,
                effch=np.exp(lag[:, 0] - lag[:, 1]),
                tfpch=growth * np.exp(lag[:, 0] - lag[:, 1]),
            )
        )
    return pd.concat(parts)


@pytest.mark.slow
def test_bootstrap_intervals_cover_the_truth():
    covered = []
    for seed in range(8):
        panel = known_truth(seed)
        ours = frontier.bootstrap_malmquist(
            panel,
            unit="unit",
            period="period",
            outputs=["y0"],
            inputs=["x0", "x1"],
            seed=seed,
            replications=200,
        )
        truth = panel.loc[panel.period == 1, "effch"].to_numpy()
        covered.append(
            ((ours["effch_lower"] <= truth) & (truth <= ours["effch_upper"])).mean()
        )
    # Nominal 0.95; chance moves the mean of eight panels by a point.
    assert 0.90 <= np.mean(covered) <= 0.985


@pytest.mark.parametrize("returns_to_scale", ["vrs", "nirs"])
def test_abated_units_on_one_facet_do_not_cost_the_hull(returns_to_scale):
    """They are cut into simplices of which some are flat, which prove nothing."""
    rng = np.random.default_rng(1)
    inputs = np.exp(rng.normal(size=(60, 2)))
    outputs = np.sqrt(inputs.prod(axis=1, keepdims=True))
    outputs *= np.exp(-0.3 * np.abs(rng.normal(size=outputs.shape)))
    bads = outputs * np.exp(0.3 * rng.normal(size=outputs.shape))
    technology = build_technology(
        inputs, outputs, returns_to_scale=returns_to_scale, bads=bads
    )
    q = np.hstack([inputs, -outputs, bads, np.ones((60, 1))])
    r = np.hstack([0 * inputs, -outputs, -bads, np.zeros((60, 1))])
    fast, slow = (
        engine.solve(technology, q, r, radial=False, solver=s) for s in ("auto", "lp")
    )
    assert fast.counts["by_hull"] >= 55 and slow.counts["by_hull"] == 0
    np.testing.assert_array_equal(fast.status, slow.status)
    np.testing.assert_allclose(fast.t, slow.t, atol=1e-9)
