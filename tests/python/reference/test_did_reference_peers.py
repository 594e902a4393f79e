"""Estimators without reference files, against packages installed for tests only."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from citypanel import did

OPTIONS = dict(outcome="y", cohort="cohort", unit="city_id", period="year")


def simulate(seed=11, n=60):
    rng = np.random.default_rng(seed)
    years = np.arange(2011, 2020)
    cohort = rng.permutation(np.repeat([0, 2015, 2016, 2018], [24, 9, 12, 15]))
    frame = pd.DataFrame(
        [(i, t, cohort[i]) for i in range(n) for t in years],
        columns=["city_id", "year", "cohort"],
    )
    late = (frame["cohort"] > 0) & (frame["year"] >= frame["cohort"])
    frame["sydid"] = late.astype(int)
    level = np.repeat(rng.normal(size=n), len(years))
    age = (frame["year"] - frame["cohort"]).clip(lower=0)
    frame["y"] = level + 0.1 * late * (1 + age) + rng.normal(0, 0.2, len(frame))
    return frame


@pytest.mark.parametrize("group", ["not_yet", "never"])
@pytest.mark.parametrize("window", [(2, 1), (3, 1)])
def test_stacked_is_diff_diff(group, window):
    diff_diff = pytest.importorskip("diff_diff")
    frame = simulate()
    before, after = window
    options = dict(before=before, after=after, control_group=group, **OPTIONS)
    ours = did.stacked(frame, experiment_effects=False, **options)
    own = did.stacked(frame, **options)
    np.testing.assert_allclose(own["estimate"], ours["estimate"], atol=1e-10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = diff_diff.StackedDiD(
            kappa_pre=before,
            kappa_post=after,
            control_group={"not_yet": "not_yet_treated", "never": "never_treated"}[
                group
            ],
        ).fit(
            frame.assign(g=frame["cohort"].astype(float)),
            outcome="y",
            unit="city_id",
            time="year",
            first_treat="g",
        )
    assert ours.loc[0, "estimate"] == pytest.approx(peer.overall_att, abs=1e-8)
    assert ours.loc[0, "std_error"] == pytest.approx(peer.overall_se, abs=1e-8)
    rows = ours[ours["aggregation"] == "dynamic"].set_index("event_time")
    for e, want in peer.event_study_effects.items():
        assert rows.loc[e, "estimate"] == pytest.approx(want["effect"], abs=1e-8)
        if e != -1:
            assert rows.loc[e, "std_error"] == pytest.approx(want["se"], abs=1e-8)


GROUP_TIME = [
    (dict(anticipation=1), dict(anticipation=1)),
    (
        dict(anticipation=1, control_group="notyettreated", base_period="universal"),
        dict(anticipation=1, control_group="not_yet", base_period="universal"),
    ),
    (dict(xformla="~x", est_method="dr"), dict(controls=["x"])),
    (
        dict(xformla="~x", est_method="reg", base_period="universal"),
        dict(controls=["x"], method="reg", base_period="universal"),
    ),
]


@pytest.mark.parametrize(("theirs", "options"), GROUP_TIME)
def test_anticipation_and_covariates_that_vary_are_moderndid(theirs, options):
    moderndid = pytest.importorskip("moderndid")
    frame = simulate()
    frame["x"] = np.sin(np.arange(len(frame)) ** 1.7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = moderndid.att_gt(
            frame,
            yname="y",
            tname="year",
            idname="city_id",
            gname="cohort",
            boot=False,
            **theirs,
        )
    ours = did.group_time_att(frame, **options, **OPTIONS)
    ours = ours[ours["aggregation"] == "group_time"].set_index(["cohort", "period"])
    assert len(ours) == len(peer.groups)
    for g, t, att, se in zip(
        peer.groups, peer.times, peer.att_gt, peer.se_gt, strict=True
    ):
        row = ours.loc[(int(g), int(t))]
        assert row["estimate"] == pytest.approx(att, abs=1e-8)
        if np.isfinite(row["std_error"]):
            assert row["std_error"] == pytest.approx(se, abs=1e-8)


def test_switchers_is_did_multiplegt_dyn():
    moderndid = pytest.importorskip("moderndid")
    frame = simulate()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = moderndid.did_multiplegt(
            frame,
            yname="y",
            tname="year",
            idname="city_id",
            dname="sydid",
            effects=4,
            placebo=3,
        )
    ours = did.switchers(frame, effects=4, placebos=3, **OPTIONS)
    assert ours.loc[0, "estimate"] == pytest.approx(peer.ate.estimate, abs=1e-8)
    assert ours.loc[0, "std_error"] == pytest.approx(peer.ate.std_error, abs=1e-8)
    rows = ours[ours["aggregation"] == "dynamic"].set_index("event_time")
    for step in range(4):
        row = rows.loc[step]
        assert row["estimate"] == pytest.approx(peer.effects.estimates[step], abs=1e-8)
        assert row["std_error"] == pytest.approx(
            peer.effects.std_errors[step], abs=1e-8
        )
    for step in range(3):
        row = rows.loc[-2 - step]
        assert row["estimate"] == pytest.approx(peer.placebos.estimates[step], abs=1e-8)
        assert row["std_error"] == pytest.approx(
            peer.placebos.std_errors[step], abs=1e-8
        )


@pytest.mark.parametrize("errors", ["xtreg", "full"])
def test_two_way_effects_are_pyfixest(errors):
    pyfixest = pytest.importorskip("pyfixest")
    frame = simulate().assign(x=lambda f: np.sin(np.arange(len(f)) ** 2.0))
    ours = did.twfe(
        frame,
        outcome="y",
        treatment="sydid",
        unit="city_id",
        period="year",
        controls=["x"],
        standard_errors=errors,
    )
    k_fixef = {"xtreg": "nonnested", "full": "full"}[errors]
    peer = pyfixest.feols(
        "y ~ sydid + x | city_id + year",
        frame,
        vcov={"CRV1": "city_id"},
        ssc=pyfixest.ssc(k_fixef=k_fixef),
    )
    np.testing.assert_allclose(ours["estimate"][:2], peer.coef(), atol=1e-8)
    np.testing.assert_allclose(ours["std_error"][:2], peer.se(), atol=1e-8)
