"""Closed-form resampling against loops of refits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from citypanel import did
from citypanel.did import bootstrap, frisch_waugh, randomisation

OPTIONS = dict(
    outcome="y", treatment="sydid", unit="city_id", period="year", controls=["x"]
)


def simulate(n=14, seed=1, missing=0.0, effect=0.3):
    rng = np.random.default_rng(seed)
    years = np.arange(2011, 2020)
    cohort = np.array([2015] + [2016] * 3 + [2018] * 3 + [0] * (n - 7))
    frame = pd.DataFrame(
        [(f"{100 + i}", t, cohort[i], "ab"[i % 2]) for i in range(n) for t in years],
        columns=["city_id", "year", "cohort", "region"],
    )
    late = (frame["cohort"] > 0) & (frame["year"] >= frame["cohort"])
    frame["sydid"] = late.astype(float)
    frame["x"] = rng.normal(size=len(frame))
    level = np.repeat(rng.normal(size=n), len(years))
    frame["y"] = effect * frame["sydid"] + level + rng.normal(size=len(frame))
    return frame[rng.random(len(frame)) >= missing].reset_index(drop=True)


def refit_t(frame, y, null=0.0):
    fit = did.twfe(frame.assign(y=y), **OPTIONS).iloc[0]
    return (fit["estimate"] - null) / fit["std_error"]


@pytest.mark.parametrize("missing", [0.0, 0.15])
@pytest.mark.parametrize("null", [0.0, 0.4])
def test_wild_bootstrap_is_a_loop_of_refits(missing, null):
    frame = simulate(missing=missing).sort_values(["city_id", "year"])
    parts = frisch_waugh.partial(frame, **OPTIONS)
    weights, _ = bootstrap.draw_weights(parts.data.n_clusters, "webb", 20, seed=3)
    law = bootstrap.WildLaw(parts, weights)
    ours = law.statistics(null) / np.sqrt(parts.factor)
    # Restricted fit by explicit dummies.
    dummies = pd.get_dummies(frame[["city_id", "year"]].astype(str), dtype=float)
    z = np.column_stack([frame["x"], dummies])
    y = frame["y"] - null * frame["sydid"]
    fitted = z @ np.linalg.lstsq(z, y, rcond=None)[0]
    residual = (y - fitted).to_numpy()
    codes = pd.factorize(frame["city_id"])[0]
    for b in range(20):
        drawn = fitted + null * frame["sydid"] + residual * weights[codes, b]
        t = refit_t(frame, drawn, null)
        assert ours[b] == pytest.approx(abs(t), rel=1e-8)
    sample = law.sample_statistic(null) / np.sqrt(parts.factor)
    assert sample == pytest.approx(abs(refit_t(frame, frame["y"], null)), rel=1e-8)


def test_interval_holds_the_nulls_that_are_not_rejected():
    frame = simulate()
    fit = did.wild_cluster_bootstrap(frame, draws=999, **OPTIONS).iloc[0]
    for bound, inward in ((fit["conf_low"], 1e-4), (fit["conf_high"], -1e-4)):
        inside = did.wild_cluster_bootstrap(
            frame, draws=999, null=bound + inward, confidence_interval=False, **OPTIONS
        ).loc[0, "p_value"]
        outside = did.wild_cluster_bootstrap(
            frame, draws=999, null=bound - inward, confidence_interval=False, **OPTIONS
        ).loc[0, "p_value"]
        assert inside > 0.05 >= outside
    assert fit["conf_low"] < fit["estimate"] < fit["conf_high"]
    assert (fit["p_value"] > 0.05) == (fit["conf_low"] <= 0 <= fit["conf_high"])


def test_few_clusters_get_webb_weights_and_small_ones_are_enumerated():
    few = simulate(n=10)
    note = did.wild_cluster_bootstrap(few, draws=199, **OPTIONS).loc[0, "note"]
    assert note == "webb weights, 199 draws"
    note = did.wild_cluster_bootstrap(
        few, draws=1999, weights="rademacher", **OPTIONS
    ).loc[0, "note"]
    assert note == "enumerated rademacher weights, 1024 draws"
    many = did.wild_cluster_bootstrap(simulate(), draws=199, **OPTIONS).loc[0, "note"]
    assert many.startswith("rademacher")


def test_a_p_value_of_zero_says_what_it_is_below():
    fit = did.wild_cluster_bootstrap(
        simulate(effect=3), draws=199, seed=1, confidence_interval=False, **OPTIONS
    ).iloc[0]
    assert fit["p_value"] == 0.0
    assert fit["note"].endswith("none as large: p is below 1/199")


@pytest.mark.parametrize("kind", ["rademacher", "webb", "mammen"])
def test_draws_in_blocks_are_the_draws_at_once(kind, monkeypatch):
    frame = simulate(missing=0.1)
    call = dict(weights=kind, draws=199, seed=5, **OPTIONS)
    whole, weights = (
        did.wild_cluster_bootstrap(frame, **call),
        bootstrap.draw_weights(40, kind, 199, 5)[0],
    )
    monkeypatch.setattr(bootstrap, "BLOCK", 1_500)
    np.testing.assert_array_equal(bootstrap.draw_weights(40, kind, 199, 5)[0], weights)
    pd.testing.assert_frame_equal(did.wild_cluster_bootstrap(frame, **call), whole)


@pytest.mark.parametrize("kind", ["rademacher", "webb", "mammen"])
def test_weights_have_mean_zero_and_variance_one(kind):
    drawn, _ = bootstrap.draw_weights(40, kind, 20_000, 7)
    assert abs(drawn.mean()) < 4e-3
    assert drawn.var() == pytest.approx(1.0, abs=6e-3)
    assert len(np.unique(drawn)) == {"rademacher": 2, "webb": 6, "mammen": 2}[kind]


@pytest.mark.parametrize("missing", [0.0, 0.15])
def test_randomisation_is_a_loop_of_refits(missing):
    frame = simulate(missing=missing)
    # A city's path is dealt as far as it is seen: keep the years it changes in.
    whole = simulate()
    onset = whole[whole["cohort"].eq(whole["year"])]
    frame = pd.concat([frame, onset]).drop_duplicates(["city_id", "year"])
    parts = frisch_waugh.partial(frame, **OPTIONS)
    ours = randomisation.permuted_statistics(parts, 12, 5)
    order = randomisation.permutations(parts.data.n_units, 12, 5, None)
    cities = parts.data.units
    cohort = frame.groupby("city_id")["cohort"].first()
    for b in range(12):
        dealt = dict(zip(cities, cohort[cities].to_numpy()[order[b]], strict=True))
        g = frame["city_id"].map(dealt)
        late = ((g > 0) & (frame["year"] >= g)).astype(float)
        fit = did.twfe(frame.assign(sydid=late), **OPTIONS).iloc[0]
        assert ours[b] == pytest.approx(fit["statistic"], rel=1e-8)


def test_permutations_keep_the_batches():
    strata = np.array([0, 1, 0, 1, 1, 0, 2])
    order = randomisation.permutations(7, 50, 1, strata)
    for row in order:
        assert sorted(row) == list(range(7))
        np.testing.assert_array_equal(strata[row], strata)
    assert len({tuple(row) for row in order}) > 20


def test_randomisation_p_value_counts_the_sample():
    frame = simulate(effect=50.0)
    row = did.randomisation_inference(frame, draws=199, **OPTIONS).iloc[0]
    assert row["p_value"] == pytest.approx(1 / 200)
    none = did.randomisation_inference(simulate(effect=0.0), draws=199, **OPTIONS)
    assert 0.02 < none.loc[0, "p_value"] <= 1.0


def test_leave_one_out_in_closed_form():
    frame = simulate(missing=0.1)
    table = did.leave_one_unit_out(frame, **OPTIONS).set_index("term")
    assert len(table) == 14
    assert table["estimate"].is_monotonic_increasing
    for city in ("100", "103", "110"):
        rest = did.twfe(frame[frame["city_id"] != city], **OPTIONS).iloc[0]
        assert table.loc[city, "estimate"] == pytest.approx(rest["estimate"], rel=1e-9)
        assert table.loc[city, "n_obs"] == rest["n_obs"]
    frame = simulate()
    batch = did.leave_one_batch_out(frame, **OPTIONS).set_index("cohort")
    assert batch.index.tolist() == [2015, 2016, 2018]
    rest = did.twfe(frame[frame["cohort"] != 2016], **OPTIONS).iloc[0]
    assert batch.loc[2016, "estimate"] == pytest.approx(rest["estimate"], rel=1e-9)
    assert batch.loc[2016, "std_error"] == pytest.approx(rest["std_error"], rel=1e-9)


def test_jackknife_row_is_cr3():
    frame = simulate()
    row = did.jackknife(frame, **OPTIONS).iloc[0]
    cr3 = did.twfe(frame, standard_errors="CR3", **OPTIONS).iloc[0]
    for column in ("estimate", "std_error", "p_value", "conf_low"):
        assert row[column] == pytest.approx(cr3[column], rel=1e-10)


def test_fake_dates_use_rows_before_the_policy():
    frame = simulate(effect=100.0)
    table = did.fake_date_placebo(
        frame,
        outcome="y",
        cohort="cohort",
        unit="city_id",
        period="year",
        years_before=(1, 2),
    )
    assert table["event_time"].tolist() == [-1, -2]
    assert (table["estimate"].abs() < 5).all()  # the effect of 100 never enters
    before = frame[(frame["cohort"] == 0) | (frame["year"] < frame["cohort"])]
    fake = (before["cohort"] > 0) & (before["year"] >= before["cohort"] - 2)
    want = did.twfe(
        before.assign(sydid=fake.astype(float)),
        outcome="y",
        treatment="sydid",
        unit="city_id",
        period="year",
    ).iloc[0]
    assert table.loc[1, "estimate"] == pytest.approx(want["estimate"])
    assert table.loc[1, "n_obs"] == len(before)


def test_holm_by_hand():
    ours = did.holm([0.01, 0.04, np.nan, 0.03, 0.5])
    np.testing.assert_allclose(ours, [0.04, 0.09, np.nan, 0.09, 0.5])


def test_romano_wolf_lies_between_the_unadjusted_and_bonferroni():
    frame = simulate(n=30, seed=4)
    columns = {
        name: dict(
            OPTIONS, panel=frame if name == "whole" else frame[frame["region"] == name]
        )
        for name in ("whole", "a", "b")
    }
    table = did.romano_wolf(columns, draws=1999, seed=2)
    assert (table["p_romano_wolf"] >= table["p_value"] - 1e-12).all()
    assert (table["p_romano_wolf"] <= table["p_holm"] + 0.03).all()
    alone = did.romano_wolf({"whole": columns["whole"]}, draws=1999, seed=2)
    assert alone.loc[0, "p_romano_wolf"] == alone.loc[0, "p_value"]
    # The same column twice is one hypothesis: no price for asking twice.
    twice = did.romano_wolf(
        {"one": columns["whole"], "two": columns["whole"]}, draws=1999, seed=2
    )
    assert twice["p_romano_wolf"].tolist() == twice["p_value"].tolist()


def test_fixed_seeds_give_fixed_numbers():
    frame = simulate()
    shuffled = frame.sample(frac=1, random_state=1)
    for function in (did.wild_cluster_bootstrap, did.randomisation_inference):
        one = function(frame, draws=199, **OPTIONS)
        two = function(shuffled, draws=199, **OPTIONS)
        pd.testing.assert_frame_equal(one, two)
        other = function(frame, draws=199, seed=9, **OPTIONS)
        assert not one.equals(other)


def twfe_of_cohorts(frame, *, cohort, **options):
    late = (frame[cohort] > 0) & (frame["year"] >= frame[cohort])
    frame = frame.assign(sydid=late.astype(float))
    return did.twfe(frame, treatment="sydid", **options)


def test_permutation_of_any_estimator_is_the_batched_test_for_two_way_effects():
    frame = simulate()
    keys = {k: v for k, v in OPTIONS.items() if k != "treatment"}
    batched = did.randomisation_inference(frame, draws=99, **OPTIONS).iloc[0]
    ours = did.permutation_test(
        frame, twfe_of_cohorts, cohort="cohort", draws=99, **keys
    ).iloc[0]
    assert ours["p_value"] == batched["p_value"]
    assert ours["statistic"] == pytest.approx(batched["statistic"])
    assert np.isnan(ours["conf_low"])


@pytest.mark.slow
def test_permuted_tests_of_small_samples_do_not_reject_half_the_nulls():
    # The joint test of the leads in a region of 8 cities: F rejects about half.
    rejected = {"f": 0, "permuted": 0}
    for seed in range(12):
        rng = np.random.default_rng(seed)
        years = np.arange(2012, 2020)
        starts = [2016, 2018, 2018, 2018, 0, 0, 0, 0]
        frame = pd.DataFrame(
            [(i, t, g, rng.normal()) for i, g in enumerate(starts) for t in years],
            columns=["city_id", "year", "cohort", "y"],
        )
        options = dict(
            cohort="cohort",
            unit="city_id",
            outcome="y",
            period="year",
            engine="closed_form",
        )
        fit = did.event_study(frame, **options)
        test = fit.loc[fit["term"] == "leads_jointly_zero", "p_value"].iloc[0]
        ours = did.permutation_test(
            frame, did.event_study, term="leads_jointly_zero", draws=99, **options
        )
        rejected["f"] += test < 0.05
        rejected["permuted"] += ours.loc[0, "p_value"] < 0.05
    assert rejected["f"] >= 3
    assert rejected["permuted"] <= 3
