"""Weighted group-time effects against printed figures and other people's packages.

Medicaid expansion and mortality: Baker, Callaway, Cunningham, Goodman-Bacon and
Sant'Anna, "Difference-in-Differences Designs: A Practitioner's Guide" (arXiv
2503.13323), Table 2 and Figures 3 and 8. Their errors look bootstrapped, so they are
met within 2 per cent; the analytic ones beside them are pinned.
"""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from tests.support.validation import not_shipped

from citypanel import did

KEYS = dict(outcome="rate", cohort="g", unit="county_code", period="year")


@pytest.fixture(scope="module")
def medicaid():
    from tests.python.conftest import SHARED

    folder = SHARED / "studies" / "medicaid_mortality"
    if not folder.is_dir():
        pytest.skip(not_shipped("studies/medicaid_mortality"))
    frame = pd.read_csv(folder / "county_years.csv", dtype={"county_code": str})
    before = frame[frame["year"] == 2013].set_index("county_code")["pop"]
    frame["weight"] = frame["county_code"].map(before)
    printed = json.loads((folder / "expected.json").read_text())
    assert frame["g"][frame["year"] == 2013].value_counts().to_dict() == {
        int(g): n for g, n in printed["cohorts"].items()
    }
    return frame, printed


def pair(row):
    return row["estimate"], row["std_error"]


@pytest.mark.parametrize(
    ("weights", "regression"), [(None, (0.122, 3.748)), ("weight", (-2.563, 1.490))]
)
def test_two_by_two(medicaid, weights, regression):
    frame, printed = medicaid
    part = frame[frame["g"].isin([0, 2014]) & frame["year"].isin([2013, 2014])]
    fit = did.group_time_att(part, weights=weights, **KEYS).iloc[0]
    want = printed["table2_2x2"]["weighted" if weights else "unweighted"]
    assert round(fit["estimate"], 1) == want["did"]
    assert round(fit["std_error"], 1) == want["se"]
    # A weighted regression with both effects, whose errors differ by its factor.
    options = dict(outcome="rate", treatment="d", unit="county_code", period="year")
    d = ((part["g"] == 2014) & (part["year"] == 2014)).astype(float)
    own = {
        name: did.twfe(
            part.assign(d=d), weights=weights, standard_errors=name, **options
        ).iloc[0]
        for name in ("CR0", "xtreg")
    }
    np.testing.assert_allclose(pair(own["CR0"]), pair(fit), rtol=1e-8)
    np.testing.assert_allclose(pair(own["xtreg"]), regression, atol=5e-4)


def first_five_years(frame, cohorts, **options):
    """Mean of event times 0 to 5, weighted by population."""
    part = frame if cohorts is None else frame[frame["g"].isin(cohorts)]
    cells = did.group_time_att(
        part,
        weights="weight",
        control_group="not_yet",
        base_period="universal",
        **options,
        **KEYS,
    )
    return did.aggregate_att(cells, "dynamic", max_event_time=5).iloc[0]


@pytest.mark.parametrize(
    ("figure", "cohorts", "analytic"),
    [
        ("figure3_2xT_weighted_e0_5", [0, 2014], (-0.7035, 2.0200)),
        ("figure8_GxT_weighted_notyet_universal_e0_5", None, (0.0868, 1.8906)),
    ],
)
def test_mean_of_event_times_zero_to_five(medicaid, figure, cohorts, analytic):
    frame, printed = medicaid
    fit = first_five_years(frame, cohorts)
    assert fit["term"] == "overall"
    assert round(fit["estimate"], 2) == pytest.approx(
        printed[figure]["estimate"], abs=0.006
    )
    assert fit["std_error"] == pytest.approx(printed[figure]["se"], rel=0.02)
    np.testing.assert_allclose(pair(fit), analytic, atol=5e-5)


@pytest.mark.parametrize(("cohorts", "printed"), [(None, 5.12), ([0, 2014], 5.36)])
def test_errors_by_state_where_the_policy_is_made(medicaid, cohorts, printed):
    frame, _ = medicaid
    fit = first_five_years(frame, cohorts, cluster="st")
    assert round(fit["std_error"], 2) == pytest.approx(printed, abs=0.006)


def simulate(seed=2, n=80, holes=False):
    rng = np.random.default_rng(seed)
    g = rng.choice([0, 3, 5], n)
    frame = pd.DataFrame(
        [(i, t, g[i]) for i in range(n) for t in range(1, 7)],
        columns=["id", "t", "g"],
    )
    x = rng.normal(size=n)
    frame["x"] = x[frame["id"]] + 0.3 * (frame["g"] > 0)
    late = (frame["g"] > 0) & (frame["t"] >= frame["g"])
    trend = 0.3 * frame["x"] * frame["t"]
    frame["y"] = rng.normal(size=len(frame)) + trend + late
    frame["w"] = rng.uniform(0.5, 2.0, n)[frame["id"]]
    keep = rng.random(len(frame)) > 0.15 if holes else np.ones(len(frame), bool)
    return frame[keep].reset_index(drop=True)


def peer_cells(frame, **options):
    moderndid = pytest.importorskip("moderndid")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = moderndid.att_gt(
            frame,
            yname="y",
            tname="t",
            gname="g",
            boot=False,
            base_period="universal",
            **options,
        )
    keys = zip(map(int, fit.groups), map(int, fit.times), strict=True)
    return dict(zip(keys, zip(fit.att_gt, fit.se_gt, strict=True), strict=True))


@pytest.mark.parametrize("method", ["dr", "ipw", "reg"])
@pytest.mark.parametrize("controls", [[], ["x"]])
@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("panel", ["balanced", "repeated"])
def test_weights_and_repeated_cross_sections_are_moderndid(
    panel, weights, controls, method
):
    """All but one error agree to rounding.

    The doubly robust estimator for repeated cross-sections regresses the controls'
    outcome in both periods. The effect of that estimation on the earlier period enters
    the influence function with a minus, since the earlier mean is subtracted;
    moderndid 0.2.0 and R DRDID 1.3.0 (drdid_rc, inf.treat.or and inf.cont.or) add it.
    The difference vanishes in large samples with the right score. That ours is the
    derivative of the estimate is shown in `test_did_influence_functions`.
    """
    frame = simulate(holes=panel == "repeated")
    peer = peer_cells(
        frame,
        idname="id" if panel == "balanced" else None,
        panel=panel == "balanced",
        weightsname=weights,
        est_method=method,
        xformla="~" + ("+".join(controls) or "1"),
    )
    ours = did.group_time_att(
        frame,
        panel=panel,
        weights=weights,
        method=method,
        controls=controls,
        base_period="universal",
        outcome="y",
        cohort="g",
        unit="id",
        period="t",
    )
    rows = ours[ours["aggregation"] == "group_time"].set_index(["cohort", "period"])
    assert len(rows) == len(peer)
    differs = panel == "repeated" and method == "dr" and controls
    for key, (att, error) in peer.items():
        assert rows.loc[key, "estimate"] == pytest.approx(att, abs=1e-10)
        if np.isfinite(error) and pd.notna(rows.loc[key, "std_error"]):
            assert rows.loc[key, "std_error"] == pytest.approx(
                error, rel=0.15 if differs else 1e-10
            )


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("cluster", [None, "c"])
def test_weighted_regressions_are_pyfixest(weights, cluster):
    pyfixest = pytest.importorskip("pyfixest")
    frame = simulate(holes=True)
    frame["c"] = frame["id"] // 2
    frame["d"] = ((frame["g"] > 0) & (frame["t"] >= frame["g"])).astype(float)
    ours = did.twfe(
        frame,
        outcome="y",
        treatment="d",
        unit="id",
        period="t",
        weights=weights,
        cluster=cluster,
    ).iloc[0]
    peer = pyfixest.feols(
        "y ~ d | id + t",
        frame,
        weights=weights,
        vcov={"CRV1": cluster or "id"},
        ssc=pyfixest.ssc(k_fixef="nonnested"),
    )
    assert ours["estimate"] == pytest.approx(peer.coef()["d"], abs=1e-9)
    assert ours["std_error"] == pytest.approx(peer.se()["d"], rel=1e-7)
