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


def weighted(seed=4):
    frame = simulate(seed)
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.5, 2.0, 60)
    return frame.assign(w=weights[frame["city_id"]])


def _diff_diff(estimator, frame, **columns):
    diff_diff = pytest.importorskip("diff_diff")
    given = dict(outcome="y", unit="city_id", time="year")
    given |= columns or {"first_treat": "cohort"}
    design = diff_diff.SurveyDesign(weights="w", weight_type="pweight", psu="city_id")
    name, options = estimator
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = getattr(diff_diff, name)(**options)
        return fitted.fit(frame, survey_design=design, **given)


def _cs(frame, **options):
    return did.aggregate_att(did.group_time_att(frame, **options), "simple")


# Estimator, its peer, and the peer's error over ours: survey designs count n/(n-1)
# units where influence functions count none, and no parameters where xtreg counts
# those of cells (8 x 3 + 9 with n = 540).
WITH_WEIGHTS = {
    "group_time_att": (
        _cs,
        ("CallawaySantAnna", dict(control_group="never_treated")),
        np.sqrt(60 / 59),
    ),
    "imputation": (did.imputation, ("ImputationDiD", {}), np.sqrt(60 / 59)),
    "two_stage": (did.two_stage, ("TwoStageDiD", {}), 1.0),
    "sun_abraham": (did.sun_abraham, ("SunAbraham", {}), np.sqrt((540 - 33) / 539)),
}


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_weights_are_those_of_diff_diff(name):
    estimator, peer, factor = WITH_WEIGHTS[name]
    frame = weighted()
    ours = estimator(frame, weights="w", **OPTIONS).loc[0]
    theirs = _diff_diff(peer, frame)
    assert ours["estimate"] == pytest.approx(theirs.overall_att, abs=1e-8)
    # The imputation there is iterated; the others agree to 1e-9.
    loose = 1e-4 if name == "imputation" else 1e-8
    assert factor * ours["std_error"] == pytest.approx(theirs.overall_se, rel=loose)


def test_diff_diff_averages_weighted_cells_without_the_weights():
    """etwfe: the cells agree; the mean here is over the population, by hand."""
    frame = weighted()
    theirs = _diff_diff(
        ("WooldridgeDiD", dict(control_group="not_yet_treated")),
        frame,
        cohort="cohort",
    )
    ours = did.etwfe(frame, weights="w", **OPTIONS)
    cells = ours[ours["aggregation"] == "group_time"]
    late = frame[frame["sydid"] == 1].groupby(["cohort", "year"])
    of = pd.MultiIndex.from_frame(cells[["cohort", "period"]].astype(int))
    for key, value in zip(of, cells["estimate"], strict=True):
        peer = theirs.group_time_effects[key]["att"]
        assert value == pytest.approx(peer, abs=1e-8)
    counts, sums = late.size().reindex(of), late["w"].sum().reindex(of)
    means = [np.average(cells["estimate"], weights=w) for w in (counts, sums)]
    assert theirs.overall_att == pytest.approx(means[0], abs=1e-8)
    assert ours.loc[0, "estimate"] == pytest.approx(means[1], abs=1e-8)


def test_diff_diff_stacks_by_counts_of_units_where_weights_are_given():
    """stacked: each cohort's weighted difference of changes, by its weight, by hand."""
    frame = weighted()
    theirs = _diff_diff(("StackedDiD", dict(kappa_pre=2, kappa_post=1)), frame)
    ours = did.stacked(frame, before=2, after=1, weights="w", **OPTIONS)
    y = frame.pivot(index="city_id", columns="year", values="y")
    about = frame.groupby("city_id")[["cohort", "w"]].first()
    effects, sizes = [], []
    for g in (2015, 2016, 2018):
        change = y[g] - y[g - 1]
        own = about["cohort"] == g
        free = (about["cohort"] == 0) | (about["cohort"] > g + 1)
        effects.append(
            np.average(change[own], weights=about["w"][own])
            - np.average(change[free], weights=about["w"][free])
        )
        sizes.append(about["w"][own].sum())
    at_0 = ours.loc[ours["term"] == "event_time_0", "estimate"].item()
    assert at_0 == pytest.approx(np.average(effects, weights=sizes), abs=1e-10)
    assert abs(theirs.event_study_effects[0]["effect"] - at_0) > 1e-4
