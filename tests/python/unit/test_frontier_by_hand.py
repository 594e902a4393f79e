"""Frontiers small enough to check on paper."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from citypanel import frontier
from citypanel.errors import FrontierWarning

#: Two inputs, one output of 1. A, B, C are the isoquant (1, 4), (2, 2), (4, 1);
#: D = (4, 4) lies on the ray through B at twice its distance; E = (8, 1) has four
#: units of x1 too many.
ISOQUANT = pd.DataFrame(
    {
        "firm": list("ABCDE"),
        "year": 2000,
        "x1": [1.0, 2.0, 4.0, 4.0, 8.0],
        "x2": [4.0, 2.0, 1.0, 4.0, 1.0],
        "y": 1.0,
    }
)
KEYS = {"unit": "firm", "period": "year", "outputs": ["y"], "inputs": ["x1", "x2"]}

#: One input, one output: A = (1, 1), B = (2, 4), C = (4, 5), D = (2, 2).
CURVE = pd.DataFrame(
    {
        "firm": list("ABCD"),
        "year": 2000,
        "x": [1.0, 2.0, 4.0, 2.0],
        "y": [1.0, 4.0, 5.0, 2.0],
    }
)
CURVE_KEYS = {"unit": "firm", "period": "year", "outputs": ["y"], "inputs": ["x"]}

SOLVERS = ["hull", "simplex", "lp"]


@pytest.mark.parametrize("solver", SOLVERS)
def test_isoquant(solver):
    ours = frontier.distance(ISOQUANT, **KEYS, solver=solver)
    np.testing.assert_allclose(ours.distance, [1, 1, 1, 0.5, 1], rtol=1e-12)
    assert ours.reason.isna().all()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("returns", "output", "theta"),
    [
        ("crs", [0.5, 1, 0.625, 0.5], [0.5, 1, 0.625, 0.5]),
        # D reaches the segment AB at x = 4/3; A is the smallest.
        ("vrs", [1, 1, 1, 0.5], [1, 1, 1, 2 / 3]),
        ("nirs", [0.5, 1, 1, 0.5], [0.5, 1, 1, 0.5]),
        ("ndrs", [1, 1, 0.625, 0.5], [1, 1, 0.625, 2 / 3]),
    ],
)
def test_returns_to_scale(solver, returns, output, theta):
    options = {**CURVE_KEYS, "returns_to_scale": returns, "solver": solver}
    ours = frontier.distance(CURVE, **options)
    np.testing.assert_allclose(ours.distance, output, rtol=1e-12)
    ours = frontier.distance(CURVE, **options, orientation="input", measure="farrell")
    np.testing.assert_allclose(ours.distance, theta, rtol=1e-12)
    ours = frontier.distance(CURVE, **options, orientation="input")
    np.testing.assert_allclose(ours.distance, 1 / np.array(theta), rtol=1e-12)


def test_peers_prices_and_slacks():
    found = frontier.programmes(ISOQUANT, **KEYS, of=[("D", 2000), ("E", 2000)])
    peers = found.peers
    # D is measured against B alone, doubled; E against C.
    assert peers.firm.tolist() == ["D", "E"]
    assert peers.peer_firm.tolist() == ["B", "C"]
    np.testing.assert_allclose(peers.intensity, [2.0, 1.0])
    slack = found.slacks.set_index(["firm", "variable"]).slack
    assert slack["E", "x1"] == pytest.approx(4.0)
    assert slack["E", "x2"] == slack["E", "y"] == slack["D", "x1"] == 0.0
    target = found.slacks.set_index(["firm", "variable"]).target
    assert target["D", "y"] == pytest.approx(2.0)
    assert target["E", "x1"] == pytest.approx(4.0)
    price = found.prices.set_index(["firm", "variable"]).price
    # E has x1 to spare: worthless; its x2 is worth the output it allows, 1 a unit.
    assert price["E", "x1"] == 0.0
    assert price["E", "x2"] == pytest.approx(1.0)
    assert price["E", "y"] == price["D", "y"] == pytest.approx(1.0)
    # D lies on the ray through B, between the segments AB and BC: v = (2/6, 1/6)
    # or (1/6, 2/6), and the value of its inputs is 2 either way.
    value = 4 * price["D", "x1"] + 4 * price["D", "x2"]
    assert value == pytest.approx(2.0)


def test_super_efficiency():
    ours = frontier.super_efficiency(ISOQUANT, **KEYS)
    # Without B the isoquant's middle is the segment AC: x1 + x2 = 5 against 4.
    np.testing.assert_allclose(ours.super_distance[1], 1.25, rtol=1e-12)
    # Without C, E and B are left: nothing else reaches x2 = 1 but E itself.
    np.testing.assert_allclose(ours.distance, [1, 1, 1, 0.5, 1], rtol=1e-12)
    np.testing.assert_allclose(ours.super_distance[3], 0.5, rtol=1e-12)
    variable = frontier.super_efficiency(CURVE, **CURVE_KEYS, returns_to_scale="vrs")
    # Without A nothing is as small as A.
    assert np.isnan(variable.super_distance[0])
    assert variable.reason[0] == "infeasible"


def test_frontier_of_a_period():
    found = frontier.frontier(ISOQUANT, **KEYS, at=2000)
    assert {"A", "B", "C"} <= set(found.vertices.firm) <= set("ABCE")
    columns = ["x1", "x2", "y"]
    prices = found.facets[[f"price_{c}" for c in columns]].to_numpy()
    value = prices @ (ISOQUANT[columns] * [1, 1, -1]).to_numpy().T
    assert (value >= -1e-12).all()
    on = found.corners.merge(ISOQUANT.reset_index(), on="firm")
    assert np.abs(value[on.facet, on["index"]]).max() < 1e-12
    # The segment AB: 2 x1 + x2 = 6 y.
    slopes = prices / np.maximum(prices[:, [1]], 1e-300)
    assert np.isclose(slopes, [2, 1, 6]).all(axis=1).any()


def test_order_m_expectation_by_enumeration():
    ours = frontier.distance(CURVE, **CURVE_KEYS, frontier="order-m", order=2)
    # D = (2, 2): A, B and D use no more; outputs over 2 are 0.5, 2, 1. The nine pairs
    # have maxima 0.5 once, 1 three times, 2 five times: 27 / 18.
    mean = (0.5 + 3 * 1 + 5 * 2) / 9
    assert ours.distance[3] == pytest.approx(1 / mean, rel=1e-12)
    ours = frontier.distance(
        CURVE, **CURVE_KEYS, frontier="order-m", order=2, orientation="input"
    )
    # Inputs of those that produce at least 2: B 2, C 4, D 2, over 2: 1, 2, 1; the
    # smaller of two draws is 2 once in nine.
    assert 1 / ours.distance[3] == pytest.approx((8 * 1 + 1 * 2) / 9, rel=1e-12)


def test_order_alpha_quantile():
    options = {**CURVE_KEYS, "frontier": "order-alpha"}
    # D: sorted 0.5, 1, 2; the median is 1, the maximum 2.
    half = frontier.distance(CURVE, **options, order=0.5)
    full = frontier.distance(CURVE, **options, order=1)
    assert half.distance[3] == 1.0
    assert full.distance[3] == 0.5
    # Beyond the partial frontier: C = 5 against the median 2 of 1, 2, 4, 5.
    assert half.distance[2] == 2.5


def test_directional_distance():
    panel = pd.DataFrame(
        {
            "plant": list("PQR"),
            "year": 2000,
            "x": 1.0,
            "good": [2.0, 4.0, 2.0],
            "bad": [1.0, 4.0, 4.0],
        }
    )
    options = {
        "unit": "plant",
        "period": "year",
        "outputs": ["good"],
        "inputs": ["x"],
        "bads": ["bad"],
    }
    # R moves along (2 + 2 b, 4 - 4 b). Its frontier is PQ, good = 2 + 2 (bad - 1) / 3:
    # 2 b = 2 - 8 b / 3, b = 3 / 7.
    for solver in SOLVERS:
        ours = frontier.directional_distance(panel, **options, solver=solver)
        np.testing.assert_allclose(ours.distance, [0, 0, 3 / 7], atol=1e-12)
    # With only the good moving: R to Q's 4, and with 1 a unit per beta, 2.
    ours = frontier.directional_distance(
        panel, **options, output_direction="unit", bad_direction="zero"
    )
    np.testing.assert_allclose(ours.distance, [0, 0, 2], atol=1e-12)


def test_weak_and_strong_disposal_differ():
    # S pollutes more and produces less than Q: under weak disposal it may still be
    # on the frontier.
    panel = pd.DataFrame(
        {
            "plant": list("PQS"),
            "year": 2000,
            "x": 1.0,
            "good": [2.0, 4.0, 3.0],
            "bad": [1.0, 4.0, 6.0],
        }
    )
    options = {
        "unit": "plant",
        "period": "year",
        "outputs": ["good"],
        "inputs": ["x"],
        "bads": ["bad"],
        "bad_direction": "zero",
    }
    weak = frontier.directional_distance(panel, **options)
    strong = frontier.directional_distance(panel, **options, bads_disposal="strong")
    assert weak.distance[2] == pytest.approx(0.0, abs=1e-12)
    assert strong.distance[2] == pytest.approx(1 / 3)


@pytest.mark.filterwarnings("ignore::citypanel.errors.FrontierWarning")
def test_kuosmanen_abatement_under_variable_returns():
    # T has one bad. Q abated by half gives (1, 1) with Q's input, twice T's good;
    # without abatement bads of 1 could not be reached under variable returns.
    panel = pd.DataFrame(
        {
            "plant": ["Q", "T"],
            "year": 2000,
            "x": [1.0, 1.0],
            "good": [2.0, 0.5],
            "bad": [2.0, 1.0],
        }
    )
    ours = frontier.directional_distance(
        panel,
        unit="plant",
        period="year",
        outputs=["good"],
        inputs=["x"],
        bads=["bad"],
        bad_direction="zero",
        returns_to_scale="vrs",
    )
    np.testing.assert_allclose(ours.distance, [0.0, 1.0], atol=1e-12)


@pytest.mark.filterwarnings("ignore:a period has fewer")
def test_dropped_rows_and_changes_are_reported():
    panel = pd.DataFrame(
        {
            "c": ["a", "a", "a", "b", "b", "d", "d", "d"],
            "t": [1, 2, 3, 1, 3, 1, 2, 3],
            "x": [1.0, 1, 1, 2, 2, 3, np.nan, 3],
            "y": [1.0, 2, 3, 1, 2, 4, 4, 6],
        }
    )
    with pytest.warns(FrontierWarning, match="d, t 2: missing x"):
        ours = frontier.malmquist(
            panel, unit="c", period="t", outputs=["y"], inputs=["x"]
        )
    assert list(zip(ours.c, ours.t, strict=True)) == [("a", 2), ("a", 3)]
    absent = "no change: not observed in 2"
    assert {(d["c"], d["t"], d["reason"]) for d in ours.attrs["dropped"]} == {
        ("d", 2, "missing x"),
        ("b", 2, absent),
        ("b", 3, absent),
        ("d", 2, absent),
        ("d", 3, absent),
    }


def test_biennial_and_global_pool_their_periods():
    panel = pd.DataFrame(
        {
            "c": list("aabb"),
            "t": [1, 2, 1, 2],
            "x": 1.0,
            "y": [1.0, 2.0, 4.0, 3.0],
        }
    )
    keys = {"unit": "c", "period": "t", "outputs": ["y"], "inputs": ["x"]}
    for reference in ("biennial", "global"):
        ours = frontier.malmquist(panel, **keys, reference=reference)
        # Pooled best is 4: a goes from 1/4 to 2/4, b from 4/4 to 3/4.
        np.testing.assert_allclose(ours.tfpch, [2.0, 0.75])
        np.testing.assert_allclose(ours.effch, [(2 / 3) / (1 / 4), 1.0])
    sequential = frontier.malmquist(panel, **keys, reference="sequential")
    # The frontier cannot fall: techch is 1 and b loses efficiency.
    np.testing.assert_allclose(sequential.techch, [1.0, 1.0])
    np.testing.assert_allclose(sequential.effch, [2.0, 0.75])


def test_reference_units_leave_a_unit_out_of_the_frontier():
    keys = {**CURVE_KEYS}
    ours = frontier.distance(CURVE, **keys, reference_units=["A", "C", "D"])
    # Without B the best ratio is 1.25 of C; B itself is beyond it.
    np.testing.assert_allclose(ours.distance, [0.8, 1.6, 1.0, 0.8], rtol=1e-12)


def test_summaries():
    frame = pd.DataFrame(
        {"year": [1, 1, 2], "tfpch": [2.0, 8.0, 1.0], "distance": [1.0, 3.0, 5.0]}
    )
    ours = frontier.summarise(frame, by="year")
    assert ours.year.tolist() == [1, 2, "mean"]
    np.testing.assert_allclose(ours.tfpch, [4.0, 1.0, 2.0])
    np.testing.assert_allclose(ours.distance, [2.0, 5.0, 3.5])


def test_metafrontier_groups_have_technologies_of_their_own():
    panel = pd.DataFrame(
        {
            "c": list("aabbccdd"),
            "t": [1, 2] * 4,
            "x": 1.0,
            "y": [1.0, 2.0, 2.0, 2.0, 4.0, 4.0, 8.0, 10.0],
            "region": ["east"] * 4 + ["west"] * 4,
        }
    )
    keys = {"unit": "c", "period": "t", "outputs": ["y"], "inputs": ["x"]}
    keys |= {"reference": "metafrontier", "group": "region"}
    ours = frontier.malmquist(panel, **keys)
    # East's best is 2 and 2, west's 8 and 10, which is the metafrontier too.
    np.testing.assert_allclose(ours.tgr_from, [0.25, 0.25, 1, 1])
    np.testing.assert_allclose(ours.tgr, [0.2, 0.2, 1, 1])
    np.testing.assert_allclose(ours.effch_group, [2, 1, 0.8, 1])
    np.testing.assert_allclose(ours.techch_group, [1, 1, 1.25, 1.25])
    np.testing.assert_allclose(ours.effch, [1.6, 0.8, 0.8, 1])
    np.testing.assert_allclose(ours.tfpch, ours.tfpch_group)
    levels = frontier.distance(panel, **keys)
    np.testing.assert_allclose(
        levels.distance_group, [0.5, 1, 1, 1, 0.5, 0.4, 1, 1], rtol=1e-12
    )
    np.testing.assert_allclose(levels.tgr, [0.25, 0.2] * 2 + [1] * 4, rtol=1e-12)


@pytest.mark.filterwarnings("ignore::citypanel.errors.FrontierWarning")
@pytest.mark.parametrize("frontier_kind", ["dea", "order-m"])
@pytest.mark.parametrize("reference", ["sequential", "window"])
def test_reference_units_that_come_later(reference, frontier_kind):
    """The change out of a period without any of them is infeasible, the rest stand."""
    rng = np.random.default_rng(0)
    rows = [
        (u, t, *rng.uniform(1, 3, 3)) for u in "abcde" for t in range(4) if u < "c" or t
    ]
    panel = pd.DataFrame(rows, columns=["unit", "period", "k", "l", "y"])
    options = dict(
        unit="unit",
        period="period",
        inputs=["k", "l"],
        outputs=["y"],
        reference=reference,
        frontier=frontier_kind,
    )
    ours = frontier.malmquist(panel, **options, reference_units=["c", "d", "e"])
    first = ours["period"] == 1
    assert first.sum() == 2 and ours.loc[first, "tfpch"].isna().all()
    assert ours.loc[first, "reason"].str.contains("e_from_from infeasible").all()
    later = frontier.malmquist(
        panel[panel["period"] > 0], **options, reference_units=["c", "d", "e"]
    )
    columns = ["unit", "period", "tfpch", "effch", "techch"]
    pd.testing.assert_frame_equal(
        ours.loc[~first, columns].reset_index(drop=True), later[columns]
    )


@pytest.mark.filterwarnings("ignore::citypanel.errors.FrontierWarning")
def test_directional_distance_without_reference_units_yet():
    panel = pd.DataFrame(
        [("a", 1, 1.0, 1.0, 1.0), ("a", 2, 1.0, 2.0, 1.0), ("b", 2, 1.0, 3.0, 1.0)],
        columns=["unit", "period", "x", "y", "b"],
    )
    ours = frontier.directional_distance(
        panel,
        unit="unit",
        period="period",
        inputs=["x"],
        outputs=["y"],
        bads=["b"],
        reference="sequential",
        reference_units=["b"],
    )
    assert ours["reason"].fillna("").tolist() == ["infeasible", "", ""]


def test_a_facet_with_more_units_than_it_needs_is_one_facet():
    columns = ["x1", "x2", "y1", "y2"]
    # All four and the fifth lie on x1 + x2 = 4 (y1 + y2) / 3.
    rows = [
        ("A", 1, 3, 1, 2), ("B", 3, 1, 1, 2), ("C", 1, 3, 2, 1), ("D", 3, 1, 2, 1),
        ("E", 2, 2, 1.5, 1.5),
    ]  # fmt: skip
    panel = pd.DataFrame(rows, columns=["firm", *columns]).assign(year=2000)
    found = frontier.frontier(
        panel,
        unit="firm",
        period="year",
        inputs=["x1", "x2"],
        outputs=["y1", "y2"],
        at=2000,
    )
    prices = found.facets[[f"price_{c}" for c in columns]].to_numpy()
    assert len(np.unique(prices.round(9), axis=0)) == len(prices)
    whole = (prices > 0).all(axis=1) & np.isclose(prices[:, 0], prices[:, 1])
    np.testing.assert_allclose(
        prices[whole] / prices[whole][:, :1], [[1, 1, 4 / 3, 4 / 3]]
    )
    on_it = found.corners.loc[found.corners["facet"] == np.flatnonzero(whole)[0]]
    assert set("ABCD") <= set(on_it["firm"]) and not on_it["firm"].duplicated().any()
