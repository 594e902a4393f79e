"""What must hold for any panel."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from citypanel import frontier
from citypanel.frontier.exact import solve_exactly
from citypanel.frontier.simplex import starting_bases
from citypanel.frontier.technology import (
    build_technology,
    input_programmes,
    output_programmes,
)

pytestmark = pytest.mark.filterwarnings("ignore::citypanel.errors.FrontierWarning")

RETURNS = ["crs", "vrs", "nirs", "ndrs"]
INDICES = ["tfpch", "effch", "techch", "pech", "sech"]
#: Values are certified to 1e-9; an index is made of four of them.
TOLERANCE = 5e-9

few = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


def make_panel(seed, units, periods, m, s, sigma, grid, zeros) -> pd.DataFrame:
    """Lognormal, or on a grid of whole numbers full of ties and collinear points."""
    rng = np.random.default_rng(seed)
    n = units * periods
    frame = pd.DataFrame(
        {
            "unit": np.repeat(np.arange(units), periods),
            "period": np.tile(np.arange(periods), units),
        }
    )
    for kind, k in (("x", m), ("y", s)):
        for j in range(k):
            if grid:
                values = rng.integers(1, 5, n).astype(float)
            else:
                values = np.exp(sigma * rng.standard_normal(n))
            if zeros and kind == "y" and j:
                values[rng.random(n) < 0.3] = 0.0
            frame[f"{kind}{j}"] = values
    return frame


def keys(frame: pd.DataFrame) -> dict:
    columns = [str(name) for name in frame.columns]
    return {
        "unit": "unit",
        "period": "period",
        "inputs": [name for name in columns if name.startswith("x")],
        "outputs": [name for name in columns if name.startswith("y")],
    }


@st.composite
def panels(draw, max_sigma=4.0, min_units=2, max_inputs=3):
    return make_panel(
        seed=draw(st.integers(0, 2**32 - 1)),
        units=draw(st.integers(min_units, 14)),
        periods=draw(st.integers(2, 3)),
        m=draw(st.integers(1, max_inputs)),
        s=draw(st.integers(1, 2)),
        sigma=draw(
            st.sampled_from([s for s in (0.3, 1.0, 2.0, 4.0) if s <= max_sigma])
        ),
        grid=draw(st.booleans()),
        zeros=draw(st.booleans()),
    )


orientations = st.sampled_from(["output", "input"])
returns = st.sampled_from(RETURNS)


def close(a, b, rtol=TOLERANCE):
    np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
    np.testing.assert_allclose(a, b, rtol=rtol)


@few
@given(panels(), orientations, returns, st.integers(-6, 6))
def test_units_of_measurement_do_not_matter(panel, orientation, rts, power):
    options = {**keys(panel), "orientation": orientation, "returns_to_scale": rts}
    ours = frontier.malmquist(panel, **options)
    scaled = panel.assign(x0=panel.x0 * 10.0**power, y0=panel.y0 * 3.7)
    close(ours[INDICES], frontier.malmquist(scaled, **options)[INDICES])


@few
@given(panels(), orientations, returns, st.integers(0, 1000))
def test_order_of_rows_does_not_matter_to_the_last_bit(panel, orientation, rts, seed):
    options = {**keys(panel), "orientation": orientation, "returns_to_scale": rts}
    ours = frontier.malmquist(panel, **options)
    shuffled = panel.sample(frac=1, random_state=seed)
    pd.testing.assert_frame_equal(
        ours, frontier.malmquist(shuffled, **options), check_exact=True
    )


@few
@given(panels(), orientations)
def test_components_multiply_up(panel, orientation):
    options = {**keys(panel), "orientation": orientation}
    ours = frontier.malmquist(panel, **options, decomposition="bias")
    close(ours.tfpch, ours.effch * ours.techch, 1e-12)
    close(ours.tfpch, ours.pech * ours.sech * ours.techch, 1e-12)
    close(ours.techch, ours.obtech * ours.ibtech * ours.matech, 1e-12)
    for form in ("geometric", "base"):
        ours = frontier.malmquist(
            panel, **options, decomposition="ray-desli", form=form
        )
        there = ours.techch.notna()
        product = ours.pech * ours.sech * ours.techch
        close(ours.tfpch[there], product[there], 1e-12)


@few
@given(panels())
def test_constant_returns_make_orientations_reciprocal(panel):
    options = keys(panel)
    outward = frontier.malmquist(panel, **options)
    inward = frontier.malmquist(panel, **options, orientation="input")
    names = ["tfpch", "effch", "techch"]
    close(outward[names], inward[names])
    lags = (-1, 0, 1)
    outward = frontier.distance(panel, **options, lags=lags)
    inward = frontier.distance(panel, **options, lags=lags, orientation="input")
    close(outward.distance, 1 / inward.distance)


@few
@given(panels(), returns)
def test_own_period_bounds_and_nested_technologies(panel, rts):
    options = keys(panel)
    outward = frontier.distance(panel, **options, returns_to_scale=rts)
    inward = frontier.distance(
        panel, **options, returns_to_scale=rts, orientation="input"
    )
    assert outward.distance.notna().all()
    assert (outward.distance <= 1 + 1e-9).all()
    assert (inward.distance >= 1 - 1e-9).all()
    constant = frontier.distance(panel, **options, returns_to_scale="crs")
    variable = frontier.distance(panel, **options, returns_to_scale="vrs")
    assert (constant.distance <= outward.distance * (1 + TOLERANCE)).all()
    assert (outward.distance <= variable.distance * (1 + TOLERANCE)).all()
    by_period = outward.groupby("period").distance.max()
    np.testing.assert_allclose(by_period, 1.0, rtol=TOLERANCE)


@few
@given(panels(min_units=3), orientations, returns)
def test_more_reference_units_never_bring_a_unit_nearer(panel, orientation, rts):
    options = {
        **keys(panel),
        "orientation": orientation,
        "returns_to_scale": rts,
        "measure": "shephard" if orientation == "output" else "farrell",
        "lags": (-1, 0, 1),
    }
    some = frontier.distance(panel, **options, reference_units=[0, 1])
    every = frontier.distance(panel, **options)
    sequential = frontier.distance(panel, **options, reference="sequential")
    pooled = frontier.distance(panel, **options, reference="global")
    for larger, smaller in ((every, some), (sequential, every), (pooled, sequential)):
        both = smaller.distance.notna()
        assert larger.distance[both].notna().all()
        shrunk = larger.distance[both] <= smaller.distance[both] * (1 + TOLERANCE)
        assert shrunk.all()


@few
@given(panels(), orientations, returns)
def test_duplicates_change_nothing(panel, orientation, rts):
    options = {**keys(panel), "orientation": orientation, "returns_to_scale": rts}
    ours = frontier.malmquist(panel, **options)
    twins = pd.concat([panel, panel.assign(unit=panel.unit + 100)])
    doubled = frontier.malmquist(twins, **options)
    close(doubled[doubled.unit < 100][INDICES], ours[INDICES])
    close(doubled[doubled.unit >= 100][INDICES], ours[INDICES])


@few
@given(panels(), orientations, returns)
def test_convex_combinations_and_shrunken_units_change_nothing(panel, orientation, rts):
    options = {**keys(panel), "orientation": orientation, "returns_to_scale": rts}
    options["lags"] = (-1, 0, 1)
    names = [*options["inputs"], *options["outputs"]]
    ours = frontier.distance(panel, **options)
    middle = panel[panel.unit == 0].copy()
    other = panel[panel.unit == 1]
    middle[names] = (middle[names].to_numpy() + other[names].to_numpy()) / 2
    middle["unit"] = 1000
    larger = frontier.distance(pd.concat([panel, middle]), **options)
    close(larger[larger.unit < 1000].distance, ours.distance)


@few
@given(panels(max_sigma=1.0), orientations, returns)
def test_three_methods_give_the_same(panel, orientation, rts):
    options = {**keys(panel), "orientation": orientation, "returns_to_scale": rts}
    options["lags"] = (-1, 0, 1)
    hull, simplex, highs = (
        frontier.distance(panel, **options, solver=solver)
        for solver in ("hull", "simplex", "lp")
    )
    close(hull.distance, simplex.distance)
    close(hull.distance, highs.distance)
    assert hull.reason.equals(highs.reason)


@few
@given(panels(), orientations, returns, st.sampled_from(["hull", "simplex", "lp"]))
def test_spreads_of_many_decades_against_rational_arithmetic(
    panel, orientation, rts, solver
):
    options = {**keys(panel), "orientation": orientation, "returns_to_scale": rts}
    ours = frontier.distance(
        panel, **options, lags=(-1, 1), measure="farrell", solver=solver
    )
    x, y = options["inputs"], options["outputs"]
    moves = output_programmes if orientation == "output" else input_programmes
    sample = ours.sample(min(len(ours), 6), random_state=1)
    assert ours.attrs["certificate"]["not_certified"] == 0
    for row in sample.itertuples():
        reference = panel[panel.period == row.period_reference]
        plan = panel[(panel.unit == row.unit) & (panel.period == row.period)]
        if not plan[y].to_numpy().any():
            assert np.isnan(row.distance)
            continue
        cone = build_technology(
            reference[x].to_numpy(), reference[y].to_numpy(), returns_to_scale=rts
        )
        q, r = moves(cone, plan[x].to_numpy(), plan[y].to_numpy())
        start, found = starting_bases(cone, q, r)
        assert found.all()
        exact = solve_exactly(cone, q[0], r[0], [start[0]])
        if np.isnan(exact):
            assert np.isnan(row.distance)
        else:
            assert abs(exact) == pytest.approx(row.distance, rel=2e-9)


@few
@given(panels(), orientations)
def test_global_index_is_circular(panel, orientation):
    options = {**keys(panel), "orientation": orientation, "reference": "global"}
    chained = frontier.malmquist(panel, **options)
    chained = chained.assign(tfpch=chained.groupby("unit").tfpch.cumprod())
    first = frontier.malmquist(panel, **options, base="first")
    close(chained.tfpch, first.tfpch)


@few
@given(panels(), orientations, returns)
def test_metafrontier_and_gap(panel, orientation, rts):
    options = {**keys(panel), "orientation": orientation, "returns_to_scale": rts}
    panel = panel.assign(group=panel.unit % 2)
    ours = frontier.malmquist(panel, **options, reference="metafrontier", group="group")
    close(ours.effch, ours.effch_group * ours.tgrch)
    assert (ours.tgr <= 1 + TOLERANCE).all()
    plain = frontier.malmquist(panel, **options)
    close(ours[INDICES], plain[INDICES], 1e-12)


@few
@given(panels(), orientations)
def test_partial_frontiers_grow_to_the_free_disposal_hull(panel, orientation):
    options = {**keys(panel), "orientation": orientation, "measure": "farrell"}
    levels = [
        frontier.distance(panel, **options, frontier="order-m", order=m).distance
        for m in (1, 5, 50, 10**6)
    ]
    hull = frontier.distance(panel, **options, frontier="order-alpha", order=1).distance
    sign = 1 if orientation == "output" else -1
    for smaller, larger in pairwise(levels):
        both = smaller.notna() & larger.notna()
        gap = sign * (larger - smaller)[both] / smaller[both]
        assert (gap >= -1e-9).all()
    close(levels[-1], hull, 1e-6)
    convex = frontier.distance(panel, **options, returns_to_scale="vrs").distance
    assert (sign * (convex - hull) >= -TOLERANCE * hull).all()
    quantiles = [
        frontier.distance(panel, **options, frontier="order-alpha", order=a).distance
        for a in (0.5, 0.8, 1)
    ]
    for smaller, larger in pairwise(quantiles):
        assert (sign * (larger - smaller) >= 0).all()


@few
@given(
    panels(max_sigma=1.0, max_inputs=2), returns, st.sampled_from(["weak", "strong"])
)
def test_directional_methods_and_units(panel, rts, disposal):
    rng = np.random.default_rng(len(panel))
    panel = panel.assign(bad=panel.y0 * rng.uniform(0.5, 2, len(panel)))
    options = {
        **keys(panel),
        "bads": ["bad"],
        "returns_to_scale": rts,
        "bads_disposal": disposal,
    }
    hull = frontier.directional_distance(panel, **options, lags=(0, 1), solver="hull")
    highs = frontier.directional_distance(panel, **options, lags=(0, 1), solver="lp")
    np.testing.assert_array_equal(hull.distance.isna(), highs.distance.isna())
    np.testing.assert_allclose(hull.distance, highs.distance, atol=1e-8)
    own = hull[hull.period == hull.period_reference]
    assert (own.distance >= -1e-9).all()
    ours = frontier.malmquist_luenberger(panel, **options)
    scaled = panel.assign(bad=panel.bad * 1e3, x0=panel.x0 / 7)
    close(ours.tfpch, frontier.malmquist_luenberger(scaled, **options).tfpch, 1e-8)
    close(ours.tfpch, ours.effch * ours.techch, 1e-12)


@few
@given(st.integers(0, 2**32 - 1), orientations, returns)
def test_one_unit_is_its_own_frontier(seed, orientation, rts):
    panel = make_panel(seed, 1, 2, 2, 1, 1.0, False, False)
    options = {**keys(panel), "orientation": orientation, "returns_to_scale": rts}
    ours = frontier.malmquist(panel, **options)
    np.testing.assert_allclose(ours.effch, 1.0, rtol=1e-12)
    np.testing.assert_allclose(ours.pech, 1.0, rtol=1e-12)
    if rts == "crs":
        # Only technical change: the geometric mean of the two one-unit technologies.
        gain = panel.y0[1] / panel.y0[0]
        ratios = [panel.x0[1] / panel.x0[0], panel.x1[1] / panel.x1[0]]
        expected = gain / np.sqrt(max(ratios) * min(ratios))
        np.testing.assert_allclose(ours.techch, expected, rtol=1e-9)


@few
@given(panels(min_units=4), orientations, returns)
def test_prices_and_peers_reproduce_the_distance(panel, orientation, rts):
    options = {**keys(panel), "orientation": orientation, "returns_to_scale": rts}
    found = frontier.programmes(panel, **options)
    index = ["unit", "period"]
    there = found.distances[found.distances.reason.isna()].set_index(index).distance
    shares = found.prices.assign(
        share=found.prices.share.where(
            found.prices.role != "output", -found.prices.share
        )
    )
    value = shares.groupby(index).share.sum()
    moved = found.prices[found.prices.role == orientation].groupby(index).share.sum()
    close(moved, np.ones(len(moved)))
    # Value at the frontier: v.x + w - u.y = (1 / D - 1) u.y, or (1 - theta) v.x.
    gap = 1 / there - 1 if orientation == "output" else 1 - 1 / there
    np.testing.assert_allclose(value.loc[there.index], gap, atol=1e-7)
    assert (found.slacks.slack >= 0).all()
    sums = found.peers.groupby(index).intensity.sum()
    if rts == "vrs":
        np.testing.assert_allclose(sums, 1.0, rtol=1e-7)
