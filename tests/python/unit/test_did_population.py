"""Finite populations, clusters above the unit, and the scale of parallel trends."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from citypanel import did
from citypanel.errors import EstimationError, OptionError, PanelError

OWN = dict(outcome="y", treatment="d", unit="i", period="t")
COHORT = dict(outcome="y", cohort="g", unit="i", period="t")


def population(n=60, periods=4, seed=0):
    """Fixed outcomes without and with treatment; the effect follows an attribute."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    without = rng.normal(size=(n, 1)) + 0.3 * rng.normal(size=(n, periods))
    return z, without, without + 1.0 + 2.0 * z[:, None]


def assigned(rng, z, without, treated):
    n, periods = without.shape
    chosen = np.isin(np.arange(n), rng.choice(n, n // 2, replace=False))
    d = chosen[:, None] & (np.arange(periods) >= periods // 2)
    i, t = (v.ravel() for v in np.indices(d.shape))
    y = np.where(d, treated, without)
    return pd.DataFrame(
        {"i": i, "t": t, "d": d.ravel().astype(float), "y": y.ravel(), "z": z[i]}
    )


def test_the_finite_error_is_nearer_the_truth_and_not_below():
    z, without, treated = population()
    rng = np.random.default_rng(1)
    found, errors = [], []
    for _ in range(300):
        fit = did.population_inference(
            assigned(rng, z, without, treated), attributes="z", **OWN
        ).set_index("term")
        found.append(fit.loc["unit", "estimate"])
        errors.append(fit["std_error"].to_numpy() ** 2)
    truth = np.var(found)
    unit, finite = np.mean(errors, axis=0)
    assert unit > 1.5 * truth
    assert 0.9 * truth < finite < 1.3 * truth


def test_a_small_share_gives_the_usual_error():
    z, without, treated = population()
    frame = assigned(np.random.default_rng(2), z, without, treated)
    plain = did.twfe(frame, **OWN).iloc[0]
    fit = did.population_inference(frame, share=1e-9, attributes=["z"], **OWN)
    for term in ("unit", "finite"):
        row = fit.set_index("term").loc[term]
        assert row["estimate"] == pytest.approx(plain["estimate"])
        assert row["std_error"] == pytest.approx(plain["std_error"], rel=1e-6)
    half = did.population_inference(frame, share=0.5, attributes=["z"], **OWN)
    whole = did.population_inference(frame, attributes=["z"], **OWN)
    squares = [f["std_error"].iloc[1] ** 2 for f in (fit, half, whole)]
    assert squares[1] == pytest.approx((squares[0] + squares[2]) / 2, rel=1e-6)


def test_levels_above_by_hand():
    z, without, treated = population()
    frame = assigned(np.random.default_rng(3), z, without, treated)
    frame["p"] = frame["i"] % 6
    fit = did.population_inference(frame, above="p", **OWN).set_index("term")
    wide = did.twfe(frame, cluster="p", **OWN).iloc[0]
    assert fit.loc["above", "std_error"] == pytest.approx(wide["std_error"])
    within = did.twfe(frame, period_effects_by="p", **OWN).iloc[0]
    assert fit.loc["unit_within", "std_error"] == pytest.approx(within["std_error"])
    shares = frame.groupby("i")[["p", "d"]].max().groupby("p")["d"].mean()
    spread = shares * (1 - shares)
    mix = 1 - spread.mean() ** 2 / (spread**2).mean()
    row = fit.loc["mixed"]
    assert row["share"] == pytest.approx(mix)
    assert row["std_error"] ** 2 == pytest.approx(
        mix * fit.loc["above_within", "std_error"] ** 2
        + (1 - mix) * fit.loc["unit_within", "std_error"] ** 2
    )
    # Treatment that whole clusters share leaves nothing to compare within.
    whole = frame.assign(d=((frame["p"] < 3) & (frame["t"] > 1)).astype(float))
    alone = did.population_inference(whole, above="p", **OWN).set_index("term")
    assert pd.isna(alone.loc["mixed", "estimate"]) and alone.loc["mixed", "note"]


def test_mistakes_are_named():
    z, without, treated = population()
    frame = assigned(np.random.default_rng(3), z, without, treated)
    with pytest.raises(OptionError, match="share is 0"):
        did.population_inference(frame, share=0.0, **OWN)
    with pytest.raises(PanelError, match="y"):
        did.population_inference(frame.assign(x=frame["y"]), attributes="x", **OWN)


def untreated(seed, *, late=0.0, n=90, log=False):
    """Two cohorts and the never-treated; a shock that only some outcomes can bear."""
    rng = np.random.default_rng(seed)
    g = np.array([4, 6, 0])[np.arange(n) % 3]
    i, t = (v.ravel() for v in np.indices((n, 8)))
    level = rng.normal(size=n) + 1.5 * (g > 0)
    y = level[i] + 0.3 * rng.normal(size=n * 8) + late * (t >= 4)
    return pd.DataFrame({"i": i, "t": t, "g": g[i], "y": np.exp(y) if log else y})


def test_alike_groups_pass_and_others_cannot():
    same = untreated(1)
    same["y"] -= 1.5 * (same["g"] > 0)
    fit = did.functional_form_test(same, draws=500, **COHORT)
    assert fit["p_value"].iloc[-1] > 0.2
    shares = fit[fit["aggregation"] == "implied_share"]
    assert shares["estimate"].sum() == pytest.approx(1.0)
    # The treated lie above; a fall of the low outcomes is one that they cannot take.
    apart = untreated(2, late=-3.0).query("g != 6").copy()
    apart["y"] += 3.0 * (apart["g"] > 0)
    options = dict(draws=500, **COHORT)
    fit = did.functional_form_test(apart, **options)
    assert fit["p_value"].iloc[-1] < 0.01
    # What it says does not depend on the scale.
    logs = did.functional_form_test(apart.assign(y=np.exp(apart["y"])), **options)
    np.testing.assert_allclose(fit["estimate"].iloc[:-1], logs["estimate"].iloc[:-1])


def test_shares_by_hand():
    frame = untreated(3)
    frame = frame[(frame["g"] != 6) & frame["t"].isin([3, 4])]
    fit = did.functional_form_test(frame, bins=3, draws=200, **COHORT)
    wide = frame.pivot(index="i", columns="t", values="y")
    treated = frame.groupby("i")["g"].first() > 0
    edges = np.quantile(frame["y"], [1 / 3, 2 / 3])
    bins = wide.apply(lambda c: np.searchsorted(edges, c, side="right"))
    for k in range(3):
        share = (bins == k).astype(float)
        want = (
            share.loc[treated, 3].mean()
            + share.loc[~treated, 4].mean()
            - share.loc[~treated, 3].mean()
        )
        assert fit["estimate"].iloc[k] == pytest.approx(want)
    with pytest.raises(OptionError, match="bins is 1"):
        did.functional_form_test(frame, bins=1, **COHORT)
    with pytest.raises(EstimationError, match="one value"):
        did.functional_form_test(frame.assign(y=1.0), **COHORT)


@pytest.mark.slow
def test_size_of_the_test_of_scale():
    wrong = 0
    for seed in range(200):
        frame = untreated(seed)
        frame["y"] -= 1.5 * (frame["g"] > 0)
        fit = did.functional_form_test(frame, draws=500, **COHORT)
        wrong += fit["p_value"].iloc[-1] < 0.05
    # The least favourable critical value errs to the safe side.
    assert wrong / 200 <= 0.08


def test_another_reference_is_that_of_another_event_study():
    frame = untreated(5).assign(y=lambda f: f["y"] + 0.5 * (f["t"] >= f["g"]))
    path = did.event_study(frame, **COHORT)
    other = did.event_study(frame, reference=-2, **COHORT)
    for kind in ("smoothness", "relative_magnitude"):
        options = dict(kind=kind, bounds=[0.5], grid_points=100, draws=300)
        ours = did.honest_did(path, reference=-2, **options)
        want = did.honest_did(other, **options)
        columns = ["estimate", "conf_low", "conf_high"]
        np.testing.assert_allclose(ours[columns], want[columns], atol=1e-6)
    with pytest.raises(EstimationError):
        did.honest_did(path, reference=1)
