"""Few treated units: the law of the error, a peer, size and coverage by simulation."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from tests.support.random_panels import KEYS, random_panel

from citypanel import did
from citypanel.did.few_treated import error_law, parts_of_units
from citypanel.did.frisch_waugh import partial
from citypanel.errors import CityPanelError, EstimationError, PanelError

OWN = dict(outcome="y", treatment="d", unit="i", period="t")


def simulate(rng, *, n=40, treated=2, years=8, starts=(4,), size=None, beta=0.0):
    noise = np.zeros((n, years))
    noise[:, 0] = rng.normal(size=n)
    for t in range(1, years):
        noise[:, t] = 0.5 * noise[:, t - 1] + np.sqrt(0.75) * rng.normal(size=n)
    g = np.full(n, 99)
    g[:treated] = np.resize(starts, treated)
    m = np.ones(n) if size is None else size
    noise *= np.sqrt(0.2 + 1.0 / m)[:, None]
    i, t = (v.ravel() for v in np.indices((n, years)))
    frame = pd.DataFrame({"i": i, "t": t, "m": m[i], "d": (t >= g[i]).astype(float)})
    frame["x"] = rng.normal(size=len(frame))
    frame["y"] = noise.ravel() + beta * frame["d"] + 0.5 * frame["x"] + 3 * (i % 4)
    return frame.assign(region=i % 2)


@pytest.mark.parametrize("method", ["conley_taber", "ferman_pinto"])
def test_the_parts_of_the_treated_are_statspais(method):
    statspai = pytest.importorskip("statspai")
    rng = np.random.default_rng(3)
    frame = simulate(rng, treated=1, size=rng.uniform(0.3, 4, 40))
    size = "m" if method == "ferman_pinto" else None
    parts = partial(frame, controls=["x"], keep=["m"], **OWN)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = statspai.did_few_treated(
            frame,
            "y",
            "i",
            "t",
            "d",
            method=method,
            covariates=["x"],
            group_size=size,
            null_value=parts.estimate,
        )
    assert peer.estimate == pytest.approx(parts.estimate, abs=1e-9)
    # The peer's law is the part of the treated units, without the correction for n.
    part, never = parts_of_units(parts, size)
    scale = np.sqrt(39 / 38)
    np.testing.assert_allclose(
        part[0] / scale, peer.detail["w"].to_numpy(), rtol=1e-6, atol=1e-9
    )
    assert never.sum() == 39


def test_the_law_is_the_ratio_of_the_regression():
    """Every draw is the coefficient of a panel of drawn residual paths."""
    rng = np.random.default_rng(1)
    frame = simulate(rng, treated=3, starts=(3, 5))
    parts = partial(frame, controls=["x"], **OWN)
    law = error_law(parts, None, 6, 4)
    fit = did.twfe(frame, controls=["x"], engine="closed_form", **OWN)
    whole = np.column_stack(
        [frame[["d", "x"]], pd.get_dummies(frame["i"]), pd.get_dummies(frame["t"])]
    ).astype(float)
    solve = np.linalg.pinv(whole)
    residual = frame["y"] - whole @ (solve @ frame["y"])
    paths = residual.to_numpy().reshape(40, 8)[3:] * np.sqrt(37 / 36)
    drawn = np.random.default_rng(4).integers(0, 37, (6, 40))
    for value, donors in zip(law.values, drawn, strict=True):
        assert value == pytest.approx((solve @ paths[donors].ravel())[0], abs=1e-10)
    assert fit["estimate"].iloc[0] == pytest.approx(parts.estimate)


def rejections(method, draws, **options):
    rng = np.random.default_rng(8)
    wrong, covered, n = 0, 0, 200
    for _ in range(n):
        n_units = options.get("n", 40)
        m = rng.uniform(0.2, 5, n_units) if method == "ferman_pinto" else None
        if m is not None:
            m[: options["treated"]] = 3.0
        frame = simulate(rng, size=m, beta=0.7, **options)
        frame["y"] -= 0.7 * frame["d"]
        more = {"size": "m"} if m is not None else {}
        call = getattr(did, method)
        fit = call(frame, by_cohort=False, draws=draws, **more, **OWN).iloc[0]
        wrong += fit["p_value"] < 0.05
        covered += fit["conf_low"] <= 0 <= fit["conf_high"]
    return wrong / n, covered / n


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("conley_taber", dict(treated=1)),
        ("conley_taber", dict(treated=13, n=53, starts=(4, 6))),
        pytest.param("ferman_pinto", dict(treated=1), marks=pytest.mark.slow),
    ],
)
def test_size_and_coverage(method, options):
    wrong, covered = rejections(method, 299, **options)
    # 200 panels: a rate of 5 has a simulation error of 1.5.
    assert 0.01 <= wrong <= 0.095
    assert covered >= 0.90


@pytest.mark.slow
def test_size_mends_most_of_what_a_small_treated_unit_spoils():
    """One treated unit of a tenth of the mean size rejects a tenth of true nulls."""
    rng = np.random.default_rng(8)
    plain = mended = 0
    for _ in range(120):
        m = rng.uniform(0.2, 5, 40)
        m[0] = 0.25
        frame = simulate(rng, treated=1, size=m)
        given = dict(by_cohort=False, draws=199, **OWN)
        plain += did.conley_taber(frame, **given)["p_value"].iloc[0] < 0.05
        mended += did.ferman_pinto(frame, size="m", **given)["p_value"].iloc[0] < 0.05
    assert plain / 120 > 0.2
    assert mended / 120 < 0.18 and mended < 0.6 * plain


def test_cohorts_and_groups_with_few_treated_have_rows():
    rng = np.random.default_rng(5)
    frame = simulate(rng, n=50, treated=14, starts=(3, 5, 5, 5, 5))
    table = did.few_treated(frame, by="region", size="m", draws=99, **OWN)
    assert set(table["term"]) == {"conley_taber", "ferman_pinto", "randomisation"}
    assert set(table["sample"]) == {"3", "0", "1"}
    assert table["p_value"].between(0, 1).all()
    assert table["std_error"].isna().all()
    cohort = table[(table["aggregation"] == "cohort")]
    assert (cohort["n_treated_units"] == 3).all()
    own = did.conley_taber(frame, draws=99, **OWN).set_index("term")
    assert own.loc["cohort_3", "estimate"] == pytest.approx(cohort["estimate"].iloc[0])


def test_what_cannot_be_used_is_named():
    rng = np.random.default_rng(5)
    frame = simulate(rng, n=8, treated=4)
    with pytest.raises(EstimationError, match="4 units are never treated"):
        did.conley_taber(frame, **OWN)
    frame = simulate(rng).assign(m=0.0)
    with pytest.raises(PanelError, match="not positive"):
        did.ferman_pinto(frame, size="m", **OWN)


@pytest.mark.parametrize("seed", range(40))
def test_any_panel(seed):
    case = random_panel(seed)
    try:
        fit = did.conley_taber(case.frame, treatment="d", draws=99, **KEYS)
    except CityPanelError:
        return
    if case.effect == "constant":
        known = fit[fit["estimate"].notna()]
        np.testing.assert_allclose(known["estimate"], 1.0, atol=1e-7)
    lost = fit[fit["estimate"].isna()]
    assert lost["note"].notna().all()
