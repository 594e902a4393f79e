"""Interactive fixed effects and matrix completion: truth, optimality, a peer."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from tests.support.random_panels import KEYS, random_panel

from citypanel import did
from citypanel.did.factors import complete
from citypanel.errors import CityPanelError, EstimationError, OptionError

OWN = dict(outcome="y", treatment="d", unit="i", period="t")


def simulate(
    seed=0, n=40, years=16, rank=1, noise=0.0, effect=2.0, holes=False, ends=False
):
    rng = np.random.default_rng(seed)
    loading, factor = rng.normal(size=(n, rank)), rng.normal(size=(rank, years))
    factor = factor.cumsum(axis=1)
    g = np.full(n, 99)
    chosen = rng.permutation(n)[: n // 4]
    g[chosen] = rng.choice([10, 12], len(chosen))
    i, t = (v.ravel() for v in np.indices((n, years)))
    frame = pd.DataFrame({"i": i, "t": t, "g": g[i]})
    frame["d"] = ((t >= g[i]) & ((t < g[i] + 2) | (not ends))).astype(float)
    frame["x"] = rng.normal(size=len(frame))
    # Treated units load more on the factor.
    loading += (g < 99)[:, None]
    frame["y"] = (
        (loading @ factor).ravel()
        + i % 5
        + 0.1 * t
        + effect * frame["d"]
        + noise * rng.normal(size=len(frame))
    )
    # Holes leave it known when treatment begins.
    dated = (frame["t"] - frame["g"]).isin([-1, 0])
    return frame[(rng.random(len(frame)) > 0.05 * holes) | dated]


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("holes", [False, True])
def test_factors_are_taken_out(rank, holes):
    frame = simulate(rank=rank, holes=holes)
    frame["y"] += 0.7 * frame["x"]
    fit = did.interactive_fixed_effects(
        frame, rank=rank, controls=["x"], draws=0, **OWN
    )
    shown = fit[fit["aggregation"].isin(["simple", "group"])]
    np.testing.assert_allclose(shown["estimate"], 2.0, atol=1e-4)
    leads = fit[(fit["aggregation"] == "dynamic") & (fit["event_time"] < 0)]
    np.testing.assert_allclose(leads["estimate"], 0.0, atol=1e-4)
    plain = did.interactive_fixed_effects(frame, rank=0, controls=["x"], draws=0, **OWN)
    assert abs(plain["estimate"].iloc[0] - 2) > 0.2


def test_the_rank_is_found():
    fit = did.interactive_fixed_effects(
        simulate(1, rank=2, noise=0.3), draws=0, most_rank=3, **OWN
    )
    assert set(fit["rank"]) == {2.0}
    errors = fit.attrs["cross_validation"]["errors"]
    assert min(errors, key=errors.get) == 2.0 and set(errors) == {0, 1, 2, 3}


@pytest.mark.parametrize("options", [{}, {"controls": ["x"]}])
def test_no_factor_is_imputation(options):
    frame = simulate(2, noise=1.0, holes=True)
    frame["c"] = frame["g"].where(frame["g"] < 99)
    own = did.imputation(
        frame, outcome="y", cohort="c", unit="i", period="t", **options
    )
    keys = {"aggregation": "simple", "estimate": "one"}
    for fit in (
        did.interactive_fixed_effects(frame, rank=0, draws=0, **OWN, **options),
        did.matrix_completion(frame, penalty=1e6, draws=0, **OWN, **options),
    ):
        both = fit.merge(own, on=["aggregation", "term"])
        both = both[both["aggregation"].isin(["simple", "group"])]
        assert len(both) == 3, keys
        np.testing.assert_allclose(both["estimate_x"], both["estimate_y"], atol=1e-6)


def test_matrix_completion_is_the_minimum():
    """The conditions of a minimum: gradients of the effects zero, the residuals' matrix
    in the subdifferential of the nuclear norm."""
    frame = simulate(3, noise=1.0, holes=True)
    y = frame.pivot(index="i", columns="t", values="y").to_numpy()
    on = frame.pivot(index="i", columns="t", values="d").to_numpy() == 1
    free = np.isfinite(y) & ~on
    theta = 4.0
    fit, low, settled = complete(
        np.nan_to_num(y)[None], np.zeros((0, 1, *y.shape)), free[None], theta, True
    )
    assert settled.all()
    left = np.where(free, y - fit[0], 0.0)
    np.testing.assert_allclose(left.sum(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(left.sum(axis=1), 0.0, atol=1e-5)
    u, s, v = np.linalg.svd(low[0], full_matrices=False)
    r = int((s > 1e-6).sum())
    assert 0 < r < min(y.shape)
    inner = u[:, :r].T @ left @ v[:r].T
    np.testing.assert_allclose(inner, theta * np.eye(r), atol=1e-4)
    outside = left - u[:, :r] @ (u[:, :r].T @ left)
    outside -= (outside @ v[:r].T) @ v[:r]
    assert np.linalg.norm(outside, 2) <= theta + 1e-4
    np.testing.assert_allclose(left @ v[:r].T, theta * u[:, :r], atol=1e-4)


@pytest.mark.parametrize("method", ["ife", "mc"])
def test_fits_are_statspais(method):
    statspai = pytest.importorskip("statspai")
    frame = simulate(4, noise=0.5)
    options = (
        dict(method="ife", r=1) if method == "ife" else dict(method="mc", lam=0.01)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = statspai.fect(
            frame, "y", "d", "i", "t", tol=1e-12, max_iter=100_000, **options
        )
    if method == "ife":
        own = did.interactive_fixed_effects(frame, rank=1, draws=0, **OWN)
    else:
        # fect's penalty is ours over the number of cells.
        own = did.matrix_completion(frame, penalty=0.01 * 40 * 16, draws=0, **OWN)
    assert own["estimate"].iloc[0] == pytest.approx(peer.estimate, abs=1e-6)


def test_placebo_carry_over_and_equivalence():
    frame = simulate(5, noise=0.5, ends=True)
    fit = did.interactive_fixed_effects(
        frame, rank=1, draws=60, bound=1.0, **OWN
    ).set_index("term")
    assert abs(fit.loc["before_treatment", "estimate"]) < 0.5
    assert fit.loc["before_treatment", "p_value"] > 0.01
    assert abs(fit.loc["after_treatment", "estimate"]) < 0.6
    assert fit.loc["leads_within_bound", "p_value"] < 0.05
    tight = did.interactive_fixed_effects(
        frame, rank=1, draws=60, bound=0.01, **OWN
    ).set_index("term")
    assert tight.loc["leads_within_bound", "p_value"] > 0.5
    # An effect that outlasts its treatment is seen, and one that comes early.
    late = frame["d"].groupby(frame["i"]).shift(1, fill_value=0) * (frame["d"] == 0)
    early = frame["d"].groupby(frame["i"]).shift(-1, fill_value=0) * (frame["d"] == 0)
    frame["y"] += 3.0 * late + 2.0 * early
    fit = did.interactive_fixed_effects(
        frame, rank=1, draws=60, placebo_periods=1, **OWN
    ).set_index("term")
    assert fit.loc["after_treatment", "estimate"] > 1.5
    assert fit.loc["after_treatment", "p_value"] < 0.01
    assert fit.loc["before_treatment", "p_value"] < 0.01
    absorbing = did.matrix_completion(simulate(6), draws=0, **OWN).set_index("term")
    assert absorbing.loc["after_treatment", "note"] == "no treatment ends"


@pytest.mark.slow
def test_size():
    wrong = {"ife": 0, "mc": 0}
    for seed in range(120):
        # Both cohorts begin within the panel: 15 units are treated.
        frame = simulate(seed, n=60, years=14, noise=1.0, effect=0.0, rank=0)
        for name, fit in (
            ("ife", did.interactive_fixed_effects(frame, rank=0, draws=60, **OWN)),
            ("mc", did.matrix_completion(frame, penalty=8.0, draws=60, **OWN)),
        ):
            wrong[name] += fit["p_value"].iloc[0] < 0.05
    # 120 panels: a rate of 5 has a simulation error of 2.
    assert max(wrong.values()) / 120 < 0.12, wrong


def test_what_cannot_be_used_is_named():
    frame = simulate(1)
    with pytest.raises(EstimationError, match="No treated cell"):
        did.matrix_completion(frame.assign(d=0.0), **OWN)
    with pytest.raises(OptionError, match="no number of factors"):
        did.interactive_fixed_effects(frame, rank=-1, **OWN)
    with pytest.raises(OptionError, match="no penalty"):
        did.matrix_completion(frame, penalty=-2, **OWN)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("name", ["interactive_fixed_effects", "matrix_completion"])
def test_any_panel(seed, name):
    case = random_panel(seed)
    more = {"rank": 0} if name.startswith("inter") else {}
    draws = 20 if seed % 4 == 0 else 0
    try:
        fit = getattr(did, name)(case.frame, treatment="d", draws=draws, **KEYS, **more)
    except CityPanelError:
        return
    lost = fit["estimate"].isna() & (fit["aggregation"] != "test")
    assert fit.loc[lost, "note"].notna().all()
    if case.effect == "constant":
        shown = fit[~lost & fit["aggregation"].isin(["simple", "group"])]
        np.testing.assert_allclose(shown["estimate"], 1.0, atol=1e-4)


COMPLETIONS = {
    "interactive_fixed_effects": {"rank": 0},
    "matrix_completion": {"penalty": 0.5},
    "triply_robust": {"unit_decay": 0.1, "time_decay": 0.1, "penalty": 0.5},
}


@pytest.mark.parametrize("name", COMPLETIONS)
def test_a_period_not_seen_does_not_move_the_beginning_of_treatment(name):
    """y = i + t + 1 + periods under treatment, which begins in period 4 of 0 to 8."""
    frame = pd.DataFrame(
        [(i, t) for i in range(8) for t in range(9)], columns=["i", "t"]
    )
    frame["d"] = ((frame["i"] < 4) & (frame["t"] >= 4)).astype(float)
    frame["y"] = frame["i"] + frame["t"] + frame["d"] * (frame["t"] - 3.0)

    def found(lost):
        rows = pd.MultiIndex.from_frame(frame[["i", "t"]]).isin(lost)
        fit = getattr(did, name)(frame[~rows], draws=0, **OWN, **COMPLETIONS[name])
        after = fit[(fit["aggregation"] == "dynamic") & (fit["event_time"] >= 0)]
        truth = after["event_time"].astype(float) + 1.0
        np.testing.assert_allclose(after["estimate"].astype(float), truth, atol=1e-8)
        cohorts = set(fit[fit["aggregation"] == "group"]["cohort"])
        return cohorts, fit.set_index("term").loc["overall"]

    # Not seen while under treatment: it goes on.
    cohorts, overall = found([(0, 6)])
    assert cohorts == {4} and overall["note"] is None
    # Not seen when it begins: it began then or after.
    cohorts, overall = found([(0, 4)])
    assert cohorts == {4} and overall["note"].startswith("1 unit(s) become treated")
    # Where nobody is seen then, the first period under it is taken, and said.
    fit = getattr(did, name)(
        frame[frame["t"] != 4], draws=0, **OWN, **COMPLETIONS[name]
    )
    assert "treatment is dated 5, though" in fit["note"].iloc[0]
