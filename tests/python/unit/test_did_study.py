"""The study's tables on a simulated panel of the study's own shape."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from citypanel import did
from citypanel.did import study
from citypanel.study.declaration import declared

REGIONS = {
    "central": (16, {2016: 2, 2018: 3}),
    "eastern": (32, {2015: 1, 2016: 7, 2018: 9}),
    "northeastern": (8, {2016: 1, 2018: 3}),
    "western": (17, {2016: 2, 2018: 6}),
}


@pytest.fixture(scope="module")
def panel():
    rng = np.random.default_rng(8)
    rows = []
    for region, (cities, batches) in REGIONS.items():
        starts = [g for g, n in batches.items() for _ in range(n)]
        starts += [0] * (cities - len(starts))
        for i, g in enumerate(starts):
            level = rng.normal()
            for year in range(2012, 2020):
                rows.append((f"{region}{i}", region, year, g, level + rng.normal()))
    frame = pd.DataFrame(rows, columns=["city_id", "region", "year", "cohort", "eco"])
    late = (frame["cohort"] > 0) & (frame["year"] >= frame["cohort"])
    frame["sydid"] = late.astype(float)
    frame["log_tfpch"] = rng.normal(0, 0.05, len(frame))
    frame["tfpch"] = np.exp(frame["log_tfpch"])
    total = frame.groupby("city_id")["log_tfpch"].cumsum()
    frame["cumulative_log_tfp"] = total
    frame["is_municipality"] = frame["city_id"].isin(["eastern0", "western0"])
    frame["later_batch"] = pd.Series(
        np.where(frame["city_id"] == "western16", 4, np.nan), dtype="Int32"
    )
    return frame


OUTCOMES = ("tfpch", "log_tfpch", "cumulative_log_tfp")


def samples(panel):
    groups = {
        "municipalities": panel["is_municipality"],
        "batch_4": (panel["later_batch"] == 4).fillna(False),
    }
    return study.samples(panel, without=groups, by="region")


def test_samples_are_groups_left_out_and_regions(panel):
    chosen = samples(panel)
    assert list(chosen) == [
        "all",
        "without_municipalities",
        "without_batch_4",
        *sorted(REGIONS),
    ]
    assert chosen["without_municipalities"]["city_id"].nunique() == 71
    assert chosen["without_batch_4"]["city_id"].nunique() == 72
    assert chosen["northeastern"]["city_id"].nunique() == 8


@pytest.fixture(scope="module")
def att(panel):
    chosen = samples(panel)
    kept = {k: chosen[k] for k in ("all", "northeastern")}
    return study.att_table(
        panel, treatment="sydid", outcomes=OUTCOMES, sample=kept, draws=199
    )


def test_every_estimator_on_every_outcome(att):
    overall = att[(att["term"] == "overall") & (att["aggregation"] == "simple")]
    assert set(overall["estimator"]) == set(study.ESTIMATORS)
    counts = overall.groupby(["sample", "outcome"]).size()
    assert counts.eq(len(study.ESTIMATORS)).all() and len(counts) == 6
    assert overall["estimate"].notna().all()


def test_rows_are_what_the_estimators_return(att, panel):
    fit = did.imputation(
        panel, outcome="tfpch", cohort="cohort", unit="city_id", period="year"
    )
    rows = att[
        (att["estimator"] == "imputation")
        & (att["outcome"] == "tfpch")
        & (att["sample"] == "all")
    ]
    assert len(rows) == len(fit)
    np.testing.assert_allclose(rows["estimate"], fit["estimate"])
    np.testing.assert_allclose(rows["std_error"], fit["std_error"])


def test_the_rule_for_single_cities_runs_in_every_estimator_and_subsample(att):
    # In the northeast 2016 is one city; in the whole sample 2015 is.
    for sample, cohort in (("all", 2015), ("northeastern", 2016)):
        part = att[att["sample"] == sample]
        own = part[(part["cohort"] == cohort) & part["estimate"].notna()]
        assert set(own["estimator"]) >= {
            "group_time_att",
            "sun_abraham",
            "imputation",
            "etwfe",
            "switchers",
            "synthetic_did",
        }
        reference = own["note"].eq("reference period")
        assert own.loc[~reference, "note"].str.contains("one unit").all()
        assert own["std_error"].isna().all()
        assert own["conf_low"].isna().all() and own["p_value"].isna().all()
        beside = part[part["term"] == "overall_without_single_unit_cohorts"]
        assert set(beside["estimator"]) >= set(study.ESTIMATORS) - {"stacked"}
        assert beside["std_error"].notna().all()
    # Event time 4 (2019 for the city of 2015) rests on it alone.
    far = att[(att["sample"] == "all") & (att["event_time"] == 4)]
    assert far["estimate"].notna().all() and len(far) >= 15
    assert far["std_error"].isna().all()


def test_signs_and_leads_are_told(att):
    overall = att[(att["term"] == "overall") & (att["aggregation"] == "simple")]
    for _, part in overall.groupby(["sample", "estimator"]):
        differs = len(set(np.sign(part["estimate"]))) > 1
        assert part["sign_differs"].eq(differs).all()
        said = part["note"].fillna("").str.contains("sign differs between outcomes")
        assert said.eq(differs).all()
    tested = overall[overall["estimator"].isin(["twfe", "sun_abraham", "imputation"])]
    assert tested["leads_p_value"].between(0, 1).all()


def test_a_change_of_sign_between_outcomes_is_said(panel):
    flipped = panel.assign(flipped=-panel["tfpch"])
    table = study.att_table(
        flipped, treatment="sydid", outcomes=["tfpch", "flipped"], estimators=["twfe"]
    )
    overall = table[table["term"] == "overall"]
    assert overall["sign_differs"].all()
    signs = ["+" if b > 0 else "-" for b in overall["estimate"]]
    want = f"sign differs between outcomes: tfpch {signs[0]}, flipped {signs[1]}"
    assert overall["note"].tolist() == [want, want]


def test_event_study_rows_for_every_estimator(att):
    table = study.event_study_table(att)
    assert set(table["estimator"]) == set(study.ESTIMATORS)
    assert table.loc[table["aggregation"] == "dynamic", "event_time"].notna().all()


def test_an_estimator_that_fails_leaves_a_row_that_says_why(panel):
    treated = panel[panel["cohort"] == panel["cohort"].max()]
    table = study.att_table(
        treated,
        treatment="sydid",
        outcomes=["tfpch"],
        estimators=["synthetic_did", "imputation"],
    )
    assert table["aggregation"].tolist() == ["none", "none"]
    assert "No unit is never treated" in table.loc[0, "note"]
    assert "Every unit is treated in some year" in table.loc[1, "note"]
    assert table["estimate"].isna().all()


def test_bacon_rows_add_up_to_the_coefficient(panel):
    table = study.bacon_table(panel, treatment="sydid", outcomes=["tfpch", "log_tfpch"])
    for outcome, part in table.groupby("outcome"):
        total = (part["weight"] * part["estimate"]).sum()
        want = did.twfe(
            panel, outcome=outcome, treatment="sydid", unit="city_id", period="year"
        ).loc[0, "estimate"]
        assert total == pytest.approx(want, abs=1e-12)
        assert part["twfe"].iloc[0] == pytest.approx(want, abs=1e-12)
        assert part["weight"].sum() == pytest.approx(1.0)


def test_inference_for_each_published_column(panel):
    columns = study.table_columns(
        panel, declared().columns, treatment="sydid", controls=["eco"]
    )
    assert list(columns) == [
        ("3", "(1)"),
        ("3", "(2)"),
        *(("4", r) for r in ("eastern", "central", "western", "northeastern")),
        ("5", "(1)"),
        ("5", "(2)"),
        ("5", "(3)"),
    ]
    table = study.inference_table(columns, draws=499, permutations=199, bound=0.024)
    assert table["n_obs"].tolist() == [584, 584, 256, 128, 136, 64, 511, 438, 568]
    first = table.iloc[0]
    fit = did.twfe(
        panel, outcome="tfpch", treatment="sydid", unit="city_id", period="year"
    ).iloc[0]
    assert first["std_error"] == pytest.approx(fit["std_error"])
    p_values = table.filter(like="p_value").astype(float)
    assert p_values.notna().all(axis=None)
    assert ((p_values >= 0) & (p_values <= 1)).all(axis=None)
    assert (table["p_value_holm"] >= table["p_value_wild"]).all()
    assert (table["std_error_cv3"] > table["std_error_cr2"]).all()
    assert table.loc[table["n_units"] == 8, "wild_note"].iloc[0].startswith("webb")


def test_all_inference_of_a_weighted_column_is_weighted(panel):
    weighted = panel.assign(w=1.0 + panel.groupby("city_id").ngroup() % 5)
    options = dict(outcome="tfpch", treatment="sydid", unit="city_id", period="year")
    table = study.inference_table(
        {("3", "(1)"): dict(options, panel=weighted, weights="w")},
        draws=499, permutations=99, bound=0.024,
    )  # fmt: skip
    found = table.iloc[0]
    wild = did.wild_cluster_bootstrap(
        weighted, **options, regression_weights="w", draws=499
    ).iloc[0]
    assert found["estimate"] == pytest.approx(wild["estimate"])
    assert found["p_value_wild"] == wild["p_value"]
    assert found.filter(like="p_value").notna().all()


def test_sensitivity_has_every_check(panel):
    chosen = samples(panel)
    table = study.sensitivity_table(
        panel,
        treatment="sydid",
        outcomes=["tfpch"],
        controls=["eco"],
        covariates=["eco"],
        sample=chosen,
        bound=0.024,
    )
    assert set(table["check"]) == {
        "headline",
        "with_controls",
        "group_by_period",
        "by_group",
        "exclusion",
        "honest",
        "pretrend_power",
        "pretrend_line",
        "fake_date",
        "leave_one_cohort_out",
        "leave_one_unit_out",
        "propensity_score",
    }
    assert not (table["aggregation"] == "none").any()
    honest = table[table["check"] == "honest"]
    assert set(honest["estimator"]) == {"twfe", "group_time_att"}
    headline = table[table["check"] == "headline"].iloc[0]
    assert headline["minimum_detectable_effect"] == pytest.approx(
        did.minimum_detectable_effect(headline["std_error"], df=72)
    )
    matched = table[table["check"] == "propensity_score"]
    assert matched["note"].str.contains("matching comes after selection").all()
    balance = study.balance(panel, covariates=["eco"])
    assert balance["sample"].tolist() == ["unmatched", "matched"] * 2


def test_regions_interacted_beside_subsamples(panel):
    table = study.regional_table(panel, treatment="sydid", outcomes=["tfpch"])
    assert len(table) == 8
    keys = dict(outcome="tfpch", treatment="sydid", unit="city_id", period="year")
    for name in REGIONS:
        rows = table[table["sample"] == name].set_index("aggregation")
        own = did.twfe(panel[panel["region"] == name], **keys).loc[0, "estimate"]
        assert rows.loc["subsample", "estimate"] == pytest.approx(own)
        assert rows.loc["interacted", "n_obs"] == len(panel)
        assert rows.loc["interacted", "n_treated_units"] == sum(
            REGIONS[name][1].values()
        )
    assert not np.allclose(
        table.loc[table["aggregation"] == "interacted", "estimate"],
        table.loc[table["aggregation"] == "subsample", "estimate"],
    )


def test_every_event_study_has_a_joint_band(att):
    rows = att[(att["aggregation"] == "dynamic") & att["event_time"].notna()]
    rows = rows[(rows["event_time"] >= 0) & rows["std_error"].notna()]
    assert set(rows["estimator"]) == set(study.ESTIMATORS)
    width = (rows["band_high"] - rows["estimate"]) / rows["std_error"]
    assert rows["band_low"].notna().all()
    assert (width > 1.9599).all() and (width < 4.5).all()
    # One critical value for all event times of a path.
    keys = ["sample", "outcome", "estimator"]
    spread = width.groupby([rows[k] for k in keys]).agg(lambda w: w.max() - w.min())
    assert (spread < 1e-9).all()


def test_critical_value_of_independent_estimates_is_sidak():
    from scipy import stats

    from citypanel.did.aggregate import gaussian_critical_value

    ours = gaussian_critical_value(np.diag([1.0, 4.0, 9.0]), draws=200_000)
    want = stats.norm.ppf(0.5 + 0.5 * 0.95 ** (1 / 3))
    assert ours == pytest.approx(want, abs=0.01)
    same = gaussian_critical_value(np.ones((3, 3)), draws=200_000)
    assert same == pytest.approx(1.96, abs=0.01)
