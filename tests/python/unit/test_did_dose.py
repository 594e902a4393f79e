"""Effects by dose: truth, the regression by hand, derivatives, size."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from tests.support.random_panels import STAGGERED, random_panel

from citypanel import did
from citypanel.errors import CityPanelError, OptionError, PanelError

OWN = dict(outcome="y", cohort="g", unit="i", period="t", dose="d")


def simulate(seed=0, n=80, years=6, noise=0.0, effect=True, starts=(3, 4)):
    rng = np.random.default_rng(seed)
    g = np.where(rng.random(n) < 0.6, rng.choice(starts, n), 0)
    dose = rng.uniform(0.5, 3, n)
    i, t = (v.ravel() for v in np.indices((n, years)))
    frame = pd.DataFrame({"i": i, "t": t, "g": g[i], "d": dose[i]})
    on = (frame["g"] > 0) & (t >= frame["g"])
    frame["y"] = i % 7 + 0.4 * t**2 + noise * rng.normal(size=len(frame))
    frame["y"] += effect * on * (1 + 2 * frame["d"] - 0.5 * frame["d"] ** 2)
    frame["w"] = rng.uniform(0.5, 2, n)[i]
    return frame


@pytest.mark.parametrize("knots", [0, 2])
@pytest.mark.parametrize("options", [{}, {"weights": "w"}, {"control_group": "never"}])
def test_the_truth_without_noise(knots, options):
    frame = simulate()
    fit = did.dose_response(frame, knots=knots, **OWN, **options)
    att, acr = fit[fit["term"] == "att"], fit[(fit["term"] == "acr")].iloc[1:]
    d = att["dose"]
    assert len(d) == 9
    np.testing.assert_allclose(att["estimate"], 1 + 2 * d - 0.5 * d**2, atol=1e-8)
    np.testing.assert_allclose(acr["estimate"], 2 - acr["dose"], atol=1e-7)


def test_the_mean_is_that_of_group_time_att():
    frame = simulate(1, noise=1.0)
    fit = did.dose_response(frame, **OWN)
    keys = {k: v for k, v in OWN.items() if k != "dose"}
    cells = did.group_time_att(frame, control_group="not_yet", **keys)
    own = did.aggregate_att(cells, "simple").iloc[0]
    assert fit["estimate"].iloc[0] == pytest.approx(own["estimate"])


def test_one_cohort_is_a_cubic_by_least_squares():
    frame = simulate(2, noise=1.0, starts=(5,))
    fit = did.dose_response(frame, doses=[1.0, 2.0], **OWN)
    wide = frame.pivot(index="i", columns="t", values="y")
    units = frame.drop_duplicates("i")
    dy, own = (wide[5] - wide[4]).to_numpy(), (units["g"] == 5).to_numpy()
    b = np.polyfit(units["d"][own], dy[own], 3)
    for row in fit[fit["term"] == "att"].to_dict("records"):
        want = np.polyval(b, row["dose"]) - dy[~own].mean()
        assert row["estimate"] == pytest.approx(want)
    acr = fit[fit["term"] == "acr"]
    line = np.polyder(b)
    assert acr["estimate"].iloc[0] == pytest.approx(
        np.polyval(line, units["d"][own]).mean()
    )
    assert acr["estimate"].iloc[1] == pytest.approx(np.polyval(line, 1.0))
    # The curve's error is that of the regression with robust errors, and the mean's.
    x = np.vander(units["d"][own], 4)
    e = dy[own] - x @ b
    n = own.sum()
    bread = np.linalg.inv(x.T @ x)
    at = np.vander([1.0], 4)[0]
    variance = n / (n - 4) * ((x @ bread @ at) ** 2 @ e**2)
    variance += dy[~own].var(ddof=1) / (~own).sum()
    shown = fit[(fit["term"] == "att") & (fit["dose"] == 1.0)]["std_error"].iloc[0]
    assert shown == pytest.approx(np.sqrt(variance))


def test_influence_is_the_derivative_by_a_units_weight():
    frame = simulate(3, n=24, noise=1.0, starts=(5,)).assign(v=1.0)
    options = dict(doses=[1.5], degree=1, **OWN)
    fit = did.dose_response(frame, weights="v", **options)

    def at(unit, step):
        moved = frame.assign(v=1.0 + step * (frame["i"] == unit))
        return did.dose_response(moved, weights="v", **options)["estimate"].to_numpy(
            float
        )

    units = range(24)
    parts = np.array([(at(u, 1e-5) - at(u, -1e-5)) / 2e-5 for u in units])
    own = (frame.drop_duplicates("i")["g"] > 0).to_numpy()
    n, m = own.sum(), (~own).sum()
    mean = parts[:, 0].copy()
    mean[own] *= np.sqrt(n / (n - 1))
    mean[~own] *= np.sqrt(m / (m - 1))
    assert fit["std_error"].iloc[0] == pytest.approx(np.sqrt(mean @ mean), rel=1e-5)
    curve = parts[:, 2].copy()
    curve[own] *= np.sqrt(n / (n - 2))
    curve[~own] *= np.sqrt(m / (m - 1))
    assert fit["std_error"].iloc[2] == pytest.approx(np.sqrt(curve @ curve), rel=1e-5)


@pytest.mark.slow
def test_size():
    wrong = np.zeros(2)
    for seed in range(200):
        frame = simulate(seed, n=100, noise=1.0, effect=False)
        fit = did.dose_response(frame, doses=[1.5], **OWN)
        wrong += fit["p_value"].iloc[[0, 2]].to_numpy() < 0.05
    # 200 panels: a rate of 5 has a simulation error of 1.5.
    assert (wrong / 200 < 0.11).all(), wrong


def test_what_cannot_be_used_is_named():
    frame = simulate(1)
    with pytest.raises(OptionError, match="are not possible"):
        did.dose_response(frame, degree=-1, **OWN)
    frame.loc[(frame["g"] > 0) & (frame["t"] == 2), "d"] = 9.0
    with pytest.raises(PanelError, match="no single positive dose"):
        did.dose_response(frame, **OWN)


def test_doses_out_of_range_are_null_with_a_note():
    fit = did.dose_response(simulate(1), doses=[1.0, 99.0], **OWN)
    far = fit[fit["dose"] == 99.0]
    assert far["estimate"].isna().all() and far["note"].notna().all()


@pytest.mark.parametrize("seed", range(60))
def test_any_panel(seed):
    case = random_panel(seed)
    dose = np.random.default_rng(seed).uniform(0.5, 2, 200)
    frame = case.frame.assign(dose=dose[case.frame["unit_number"]])
    try:
        fit = did.dose_response(frame, dose="dose", degree=1, **STAGGERED)
    except CityPanelError:
        return
    lost = fit["estimate"].isna()
    assert fit.loc[lost, "note"].notna().all()
    if case.effect == "constant":
        level = fit["term"].isin(["overall", "att"])
        np.testing.assert_allclose(fit.loc[~lost & level, "estimate"], 1, atol=1e-7)
        slope = fit.loc[~lost & ~level, "estimate"]
        np.testing.assert_allclose(slope, 0, atol=1e-6)


@pytest.mark.parametrize("starts", [(5,), (3, 4)])
def test_the_curve_is_contdids(starts):
    contdid = pytest.importorskip("contdid")
    data = pytest.importorskip("contdid.data")
    frame = simulate(2, noise=1.0, starts=starts)
    # The peer has a dose of zero where nobody is treated.
    panel = data.PanelData(
        frame.assign(d=frame["d"] * (frame["g"] > 0)), "i", "t", "y", "g", "d"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = contdid.cont_did(panel, dvals=[1.0, 2.0], biters=20)
    fit = did.dose_response(frame, doses=[1.0, 2.0], **OWN)
    own = fit[fit["term"] == "att"]["estimate"]
    np.testing.assert_allclose(own, np.ravel(peer.estimate), atol=1e-8)
