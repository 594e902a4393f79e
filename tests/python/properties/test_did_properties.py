"""Identities between estimators, invariance, and known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citypanel import did

KEYS = dict(outcome="y", unit="city_id", period="year")
STAGGERED = dict(cohort="cohort", **KEYS)
YEARS = np.arange(2012, 2020)

BY_COHORT = {
    "event_study": did.event_study,
    "group_time_att": did.group_time_att,
    "sun_abraham": did.sun_abraham,
    "imputation": did.imputation,
    "two_stage": did.two_stage,
    "etwfe": did.etwfe,
    "stacked": did.stacked,
    "switchers": did.switchers,
    "synthetic_did": did.synthetic_did,
}
OVERALL = {
    **{
        k: f for k, f in BY_COHORT.items() if k not in ("event_study", "group_time_att")
    },
    "aggregate_att": lambda frame, **o: did.aggregate_att(
        did.group_time_att(frame, **o)
    ),
}


def panel(seed=0, effect=None, noise=0.3, counts=None, slope=0.0):
    """Cities with levels and common shocks; effect is a function of cohort and age."""
    rng = np.random.default_rng(seed)
    counts = counts or {0: 10, 2015: 3, 2016: 5, 2018: 4}
    cohort = np.repeat(list(counts), list(counts.values()))
    n = len(cohort)
    frame = pd.DataFrame(
        {
            "city_id": np.repeat(np.arange(n) + 100, len(YEARS)),
            "year": np.tile(YEARS, n),
            "cohort": np.repeat(cohort, len(YEARS)),
        }
    )
    late = (frame["cohort"] > 0) & (frame["year"] >= frame["cohort"])
    frame["sydid"] = late.astype(float)
    age = frame["year"] - frame["cohort"]
    truth = effect(frame["cohort"], age) * late if effect else 0.0
    level = rng.normal(size=n).repeat(len(YEARS))
    shock = np.tile(rng.normal(size=len(YEARS)), n)
    frame["truth"] = truth
    trend = slope * (frame["cohort"] > 0) * (frame["year"] - 2012)
    frame["y"] = level + shock + truth + trend + noise * rng.normal(size=len(frame))
    return frame


def constant(cohort, age):
    return 0.7


def growing(cohort, age):
    return 0.2 * (1 + age) + 0.1 * (cohort - 2015)


@pytest.mark.parametrize("name", OVERALL)
def test_a_constant_effect_without_noise_is_found_exactly(name):
    fit = OVERALL[name](panel(effect=constant, noise=0.0), **STAGGERED)
    tolerance = 1e-3 if name == "synthetic_did" else 1e-9
    assert fit.loc[0, "term"] == "overall"
    assert fit.loc[0, "estimate"] == pytest.approx(0.7, abs=tolerance)


@pytest.mark.parametrize("name", sorted(set(OVERALL) - {"stacked"}))
def test_effects_that_grow_are_averaged_and_not_contaminated(name):
    frame = panel(effect=growing, noise=0.0)
    truth = frame.loc[frame["sydid"] == 1, "truth"].mean()
    fit = OVERALL[name](frame, **STAGGERED)
    tolerance = 1e-2 if name == "synthetic_did" else 1e-9
    assert fit.loc[0, "estimate"] == pytest.approx(truth, abs=tolerance)
    plain = did.twfe(frame, treatment="sydid", **KEYS).loc[0, "estimate"]
    assert abs(plain - truth) > 0.03  # two-way effects do not recover it


@pytest.mark.parametrize("name", sorted(set(BY_COHORT) - {"event_study"}))
def test_event_times_that_grow_are_found(name):
    # The same path in every cohort, so that every weighting of cohorts agrees.
    frame = panel(effect=lambda cohort, age: 0.2 * (1 + age), noise=0.0)
    fit = BY_COHORT[name](frame, **STAGGERED)
    if name == "group_time_att":
        fit = did.aggregate_att(fit, "dynamic")
    rows = fit[(fit["aggregation"] == "dynamic") & (fit["event_time"] >= 0)]
    tolerance = 2e-2 if name == "synthetic_did" else 1e-9
    want = 0.2 * (1 + rows["event_time"].astype(float))
    np.testing.assert_allclose(rows["estimate"], want, atol=tolerance)


@pytest.mark.parametrize("name", OVERALL)
def test_estimators_recover_the_truth_on_average(name):
    gaps, errors = [], []
    for seed in range(40):
        frame = panel(seed=seed, effect=growing)
        fit = OVERALL[name](frame, **STAGGERED).iloc[0]
        if name == "stacked":
            near = (frame["year"] - frame["cohort"]).isin([0, 1])
            truth = frame.loc[near & (frame["cohort"] > 0), "truth"].mean()
        else:
            truth = frame.loc[frame["sydid"] == 1, "truth"].mean()
        gaps.append(fit["estimate"] - truth)
        errors.append(fit["std_error"])
    gaps = np.array(gaps)
    assert abs(gaps.mean()) < 4 * gaps.std() / np.sqrt(len(gaps))
    # The standard errors are of the size of the spread.
    assert 0.6 < np.mean(errors) / gaps.std() < 1.8


@pytest.mark.parametrize("name", BY_COHORT)
def test_row_order_and_city_names_do_not_matter(name):
    frame = panel()
    frame["cohort"] = frame["cohort"].where(frame["city_id"] != 111, 2015)
    want = BY_COHORT[name](frame, **STAGGERED)
    shuffled = frame.sample(frac=1.0, random_state=3)
    got = BY_COHORT[name](shuffled, **STAGGERED)
    pd.testing.assert_frame_equal(want, got, check_exact=True)
    renamed = shuffled.assign(city_id="c" + (999 - shuffled["city_id"]).astype(str))
    got = BY_COHORT[name](renamed, **STAGGERED)
    for column in ("estimate", "std_error"):
        np.testing.assert_allclose(got[column], want[column], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", BY_COHORT)
def test_units_of_measurement_do_not_matter(name):
    frame = panel()
    want = BY_COHORT[name](frame, **STAGGERED)
    scaled = BY_COHORT[name](frame.assign(y=5.0 - 1e4 * frame["y"]), **STAGGERED)
    for column, factor in (("estimate", -1e4), ("std_error", 1e4)):
        np.testing.assert_allclose(
            scaled[column], factor * want[column], rtol=1e-6, atol=1e-5
        )
    both = want["p_value"].notna()
    np.testing.assert_allclose(
        scaled.loc[both, "p_value"], want.loc[both, "p_value"], atol=1e-6
    )


def test_never_null_zero_and_infinite_are_the_same():
    frame = panel()
    want = did.group_time_att(frame, **STAGGERED)
    for mark in (np.nan, np.inf, 2030):
        other = frame.assign(cohort=frame["cohort"].astype(float).replace(0, mark))
        pd.testing.assert_frame_equal(did.group_time_att(other, **STAGGERED), want)


def test_imputation_two_stage_and_etwfe_are_one_estimator():
    frame = panel(seed=4)
    fits = [f(frame, **STAGGERED) for f in (did.imputation, did.two_stage, did.etwfe)]
    for kind in ("simple", "group", "calendar"):
        values = [f.loc[f["aggregation"] == kind, "estimate"] for f in fits]
        np.testing.assert_allclose(values[0], values[1], atol=1e-10)
        np.testing.assert_allclose(values[0], values[2], atol=1e-10)


def test_sun_abraham_is_group_time_against_never_from_the_last_period_before():
    frame = panel(seed=5)
    ours = did.sun_abraham(frame, **STAGGERED)
    cells = did.group_time_att(frame, base_period="universal", **STAGGERED)
    want = did.aggregate_att(cells, "dynamic").iloc[1:].set_index("event_time")
    rows = ours[ours["aggregation"] == "dynamic"].set_index("event_time")
    np.testing.assert_allclose(
        rows["estimate"], want.loc[rows.index, "estimate"], atol=1e-10
    )


def test_switchers_are_group_time_against_not_yet_treated():
    frame = panel(seed=6)
    cells = did.group_time_att(frame, control_group="not_yet", **STAGGERED)
    want = did.aggregate_att(cells, "simple").loc[0, "estimate"]
    ours = did.switchers(frame, **STAGGERED).loc[0, "estimate"]
    assert ours == pytest.approx(want, abs=1e-10)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.sampled_from([0, 2012, 2014, 2015, 2018, 2019]), min_size=6, max_size=14
    ),
    st.integers(0, 10_000),
)
def test_bacon_weights_reproduce_two_way_effects(cohorts, seed):
    starts = [*cohorts, 2016, 0]
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        [
            (i, t, float(0 < g <= t), rng.normal())
            for i, g in enumerate(starts)
            for t in YEARS
        ],
        columns=["city_id", "year", "sydid", "y"],
    )
    table = did.bacon_decomposition(frame, treatment="sydid", **KEYS)
    assert table["weight"].sum() == pytest.approx(1.0, abs=1e-12)
    assert (table["weight"] >= 0).all()
    want = did.twfe(frame, treatment="sydid", engine="closed_form", **KEYS)
    total = (table["weight"] * table["estimate"]).sum()
    assert total == pytest.approx(want.loc[0, "estimate"], abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 0.3))
def test_closed_form_is_linearmodels(seed, missing):
    frame = panel(seed=seed)
    rng = np.random.default_rng(seed)
    frame["x"] = rng.normal(size=len(frame)) * 1e5
    frame = frame[rng.random(len(frame)) >= missing]
    options = dict(treatment="sydid", controls=["x"], **KEYS)
    one = did.twfe(frame, engine="linearmodels", **options)
    two = did.twfe(frame, **options)
    for column in ("estimate", "std_error", "r2_within"):
        np.testing.assert_allclose(one[column], two[column], rtol=1e-7)


def test_uniform_bands_contain_the_intervals_and_cover_jointly():
    covered = 0
    for seed in range(60):
        frame = panel(seed=seed, counts={0: 40, 2015: 15, 2016: 15, 2018: 15})
        cells = did.group_time_att(frame, base_period="universal", **STAGGERED)
        fit = did.aggregate_att(cells, "dynamic", uniform_band=True, draws=499)
        rows = fit.iloc[1:]
        rows = rows[rows["std_error"].notna()]
        assert (rows["band_low"] <= rows["conf_low"] + 1e-12).all()
        assert (rows["band_high"] >= rows["conf_high"] - 1e-12).all()
        covered += ((rows["band_low"] <= 0) & (rows["band_high"] >= 0)).all()
    assert covered >= 50  # nominal 57 of 60, fewer in samples of this size


def test_bands_of_pointwise_intervals_would_not_cover_jointly():
    frame = panel(seed=1, counts={0: 40, 2015: 15, 2016: 15, 2018: 15})
    cells = did.group_time_att(frame, base_period="universal", **STAGGERED)
    fit = did.aggregate_att(cells, "dynamic", uniform_band=True)
    rows = fit.iloc[1:]
    rows = rows[rows["std_error"].notna()]
    width = (rows["band_high"] - rows["estimate"]) / rows["std_error"]
    assert width.max() == pytest.approx(width.min())
    assert 2.3 < width.iloc[0] < 3.5  # between pointwise and Bonferroni-like


@pytest.mark.parametrize("name", sorted(set(BY_COHORT) - {"synthetic_did", "stacked"}))
def test_a_trend_before_treatment_is_rejected_by_the_leads(name):
    frame = panel(slope=0.4, counts={0: 20, 2016: 12, 2018: 12})
    options = dict(STAGGERED)
    if name == "etwfe":
        options["control_group"] = "never"
    fit = BY_COHORT[name](frame, **options)
    test = fit[fit["term"] == "leads_jointly_zero"].iloc[0]
    assert test["p_value"] < 1e-3
    none = BY_COHORT[name](panel(counts={0: 20, 2016: 12, 2018: 12}), **options)
    test = none[none["term"] == "leads_jointly_zero"].iloc[0]
    assert test["p_value"] > 0.01


def test_clusters_of_whole_cities_change_the_errors_only():
    frame = panel(counts={0: 20, 2016: 12, 2018: 12})
    frame["province"] = frame["city_id"] // 2
    for name in (
        "group_time_att",
        "sun_abraham",
        "imputation",
        "two_stage",
        "etwfe",
        "switchers",
    ):
        plain = BY_COHORT[name](frame, **STAGGERED)
        wide = BY_COHORT[name](frame, cluster="province", **STAGGERED)
        np.testing.assert_allclose(wide["estimate"], plain["estimate"], atol=1e-12)
        assert wide["n_clusters"].iloc[0] == 22
        assert not np.allclose(
            wide["std_error"].dropna(), plain["std_error"].dropna(), rtol=1e-3
        )
