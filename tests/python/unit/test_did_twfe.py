"""Two-way fixed effects by hand and by explicit dummies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from linearmodels.panel import PanelOLS

from citypanel import did
from citypanel.did import covariances
from citypanel.did.linear import TwoWay

OPTIONS = dict(outcome="y", unit="city_id", period="year")


def simulate(n=24, first=2011, last=2019, seed=1, missing=0.0):
    rng = np.random.default_rng(seed)
    years = np.arange(first, last + 1)
    cohort = rng.choice([0, 0, 2015, 2016, 2016, 2018], n)
    cohort[:2] = [2015, 2015]
    frame = pd.DataFrame(
        [(f"{100 + i}", t, cohort[i], "ab"[i % 2]) for i in range(n) for t in years],
        columns=["city_id", "year", "cohort", "region"],
    )
    frame["sydid"] = (
        (frame["cohort"] > 0) & (frame["year"] >= frame["cohort"])
    ).astype(float)
    frame["x"] = rng.normal(size=len(frame))
    frame["y"] = frame["sydid"] + frame["x"] + rng.normal(size=len(frame))
    return frame[rng.random(len(frame)) >= missing].reset_index(drop=True)


def test_two_by_two_by_hand():
    frame = pd.DataFrame(
        {
            "city_id": ["a", "a", "b", "b", "c", "c", "d", "d"],
            "year": [1, 2] * 4,
            "y": [1.0, 4.0, 2.0, 6.0, 1.0, 2.0, 3.0, 4.0],
            "sydid": [0, 1, 0, 1, 0, 0, 0, 0],
        }
    )
    fit = did.twfe(frame, treatment="sydid", **OPTIONS)
    # (3 + 4)/2 - (1 + 1)/2; the constant is the mean of the first year net of it.
    assert fit.loc[0, "estimate"] == pytest.approx(2.5)
    assert fit.loc[1, "term"] == "const"
    assert fit.loc[1, "estimate"] == pytest.approx(np.mean([1, 2, 1, 3]))
    # Scores by city are -+0.25 0 0: differences less their group means, over 4.
    # CR0 variance: sum of (0.25 (d - mean))^2 / (D'D = 1)^2 with x = -+0.25.
    residual = np.array([-0.5, 0.5, 0.0, 0.0])
    x_gap = np.array([0.5, 0.5, -0.5, -0.5])
    cr0 = np.sqrt(((x_gap * residual / 2) ** 2).sum()) / (x_gap**2 / 2).sum()
    plain = did.twfe(frame, treatment="sydid", standard_errors="CR0", **OPTIONS)
    assert plain.loc[0, "std_error"] == pytest.approx(cr0)
    factor = (4 / 3) * (7 / (8 - 3))
    assert fit.loc[0, "std_error"] == pytest.approx(cr0 * np.sqrt(factor))


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_within_transformation_is_least_squares_on_dummies(missing):
    frame = simulate(missing=missing)
    unit = pd.factorize(frame["city_id"])[0]
    period = pd.factorize(frame["year"], sort=True)[0]
    both = np.hstack([np.eye(unit.max() + 1)[unit], np.eye(9)[period]])
    values = frame[["y", "x"]].to_numpy()
    fitted = both @ np.linalg.lstsq(both, values, rcond=None)[0]
    np.testing.assert_allclose(
        TwoWay(unit, period).demean(values), values - fitted, atol=1e-10
    )
    assert TwoWay(unit, period).n_effects == np.linalg.matrix_rank(both)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_recipes_on_linearmodels(missing):
    """`full` and `xtreg` are PanelOLS with the settings the package offers."""
    frame = simulate(missing=missing)
    data = frame.set_index(["city_id", "year"])
    exog = data[["sydid", "x"]]
    clustered = dict(cov_type="clustered", cluster_entity=True, group_debias=True)
    options = dict(controls=["x"], treatment="sydid", **OPTIONS)

    model = PanelOLS(
        data["y"], exog.assign(const=1.0), entity_effects=True, time_effects=True
    )
    full = model.fit(auto_df=False, count_effects=True, **clustered)
    ours = did.twfe(frame, standard_errors="full", **options).set_index("term")
    np.testing.assert_allclose(
        ours.loc[["sydid", "x"], "std_error"],
        full.std_errors[["sydid", "x"]],
        rtol=1e-10,
    )

    model = PanelOLS(data["y"], exog, entity_effects=True, time_effects=True)
    nested = model.fit(auto_df=False, count_effects=False, **clustered)
    n, k, t = len(frame), 2, 9
    factor = np.sqrt((n - k) / (n - k - t))
    ours = did.twfe(frame, **options).set_index("term")
    np.testing.assert_allclose(
        ours.loc[["sydid", "x"], "std_error"], factor * nested.std_errors, rtol=1e-10
    )
    alias = did.twfe(frame, standard_errors="reghdfe", **options).set_index("term")
    np.testing.assert_array_equal(alias["std_error"], ours["std_error"])

    default = model.fit(cov_type="clustered", cluster_entity=True)
    ours = did.twfe(frame, standard_errors="linearmodels", **options).set_index("term")
    np.testing.assert_allclose(
        ours.loc[["sydid", "x"], "std_error"], default.std_errors, rtol=1e-12
    )
    np.testing.assert_allclose(
        ours.loc[["sydid", "x"], "p_value"], default.pvalues, rtol=1e-9
    )


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_constant_and_within_r2_are_xtreg_with_year_dummies(missing):
    """xtreg y x i.year, fe vce(cluster) is PanelOLS with explicit dummies."""
    frame = simulate(missing=missing)
    data = frame.set_index(["city_id", "year"])
    dummies = pd.get_dummies(frame["year"], dtype=float).iloc[:, 1:]
    dummies.columns = [f"year{c}" for c in dummies]
    dummies.index = data.index
    exog = pd.concat([data[["sydid", "x"]], dummies], axis=1).assign(const=1.0)
    explicit = PanelOLS(data["y"], exog, entity_effects=True).fit(
        cov_type="clustered",
        cluster_entity=True,
        group_debias=True,
        auto_df=False,
        count_effects=False,
    )
    ours = did.twfe(frame, treatment="sydid", controls=["x"], **OPTIONS)
    ours = ours.set_index("term")
    for term in ("sydid", "x", "const"):
        assert ours.loc[term, "estimate"] == pytest.approx(explicit.params[term])
        assert ours.loc[term, "std_error"] == pytest.approx(explicit.std_errors[term])
    assert ours["r2_within"].iloc[0] == pytest.approx(explicit.rsquared_within)


def test_engines_agree():
    frame = simulate(missing=0.1)
    options = dict(treatment="sydid", controls=["x"], **OPTIONS)
    one = did.twfe(frame, engine="linearmodels", **options)
    two = did.twfe(frame, **options)
    pd.testing.assert_frame_equal(one, two, rtol=1e-9, check_exact=False)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_jackknife_closed_form_is_a_loop_of_refits(missing):
    frame = simulate(missing=missing)
    options = dict(treatment="sydid", controls=["x"], **OPTIONS)
    ours = did.twfe(frame, standard_errors="CR3", **options)
    whole = ours.loc[0, "estimate"]
    cities = frame["city_id"].unique()
    left = [
        did.twfe(frame[frame["city_id"] != c], **options).loc[0, "estimate"]
        for c in cities
    ]
    g = len(cities)
    want = np.sqrt((g - 1) / g * ((np.array(left) - whole) ** 2).sum())
    assert ours.loc[0, "std_error"] == pytest.approx(want, rel=1e-9)


def test_one_regression_interacted_by_group():
    frame = simulate()
    fit = did.twfe(frame, treatment="sydid", by="region", **OPTIONS)
    dummy = frame["region"].eq("a").astype(float)
    wide = frame.assign(a=frame["sydid"] * dummy, b=frame["sydid"] * (1 - dummy))
    data = wide.set_index(["city_id", "year"])
    want = PanelOLS(
        data["y"], data[["a", "b"]], entity_effects=True, time_effects=True
    ).fit()
    assert fit["term"].tolist() == ["sydid:a", "sydid:b", "const"]
    np.testing.assert_allclose(fit["estimate"][:2], want.params, rtol=1e-10)


def test_outcome_ahead_is_matched_by_period():
    frame = simulate()
    shifted = did.twfe(frame, treatment="sydid", outcome_shift=1, **OPTIONS)
    ahead = frame.sort_values(["city_id", "year"])
    ahead = ahead.assign(y=ahead.groupby("city_id")["y"].shift(-1)).dropna()
    want = did.twfe(ahead, treatment="sydid", **OPTIONS)
    assert shifted.loc[0, "n_obs"] == len(frame) - frame["city_id"].nunique()
    assert shifted.loc[0, "estimate"] == pytest.approx(want.loc[0, "estimate"])
    assert shifted.loc[0, "outcome"] == "y +1"


def test_event_study_reference_bins_and_leads_test():
    frame = simulate()
    fit = did.event_study(frame, cohort="cohort", bin_before=-4, bin_after=2, **OPTIONS)
    events = fit[fit["aggregation"] == "event"].set_index("event_time")
    assert events.index.tolist() == list(range(-4, 3))
    assert events.loc[-1, "estimate"] == 0
    assert np.isnan(events.loc[-1, "std_error"])
    assert events.loc[-1, "note"] == "reference period"
    assert events.loc[2, "note"] == "binned: 2 and after"
    test = fit[fit["term"] == "leads_jointly_zero"].iloc[0]
    extra = fit.attrs["covariance"]
    leads = extra["event_times"] < -1
    b = extra["estimates"][leads]
    v = extra["matrix"][np.ix_(leads, leads)]
    assert test["statistic"] == pytest.approx(b @ np.linalg.solve(v, b) / 3)
    assert test["note"] == "F(3, 23)"


def test_event_time_of_one_city_has_no_standard_error_unless_asked():
    frame = simulate()
    single = frame["city_id"] == frame.loc[frame["cohort"] == 2015, "city_id"].iloc[0]
    frame = frame[single | (frame["cohort"] != 2015)]
    options = dict(cohort="cohort", **OPTIONS)
    fit = did.event_study(frame, **options).set_index("term")
    far = fit.loc["event_time_4"]  # 2019 - 2015: one city
    assert far["n_treated_units"] == 1
    assert np.isfinite(far["estimate"])
    assert fit.loc["event_time_4", ["std_error", "conf_low", "p_value"]].isna().all()
    assert "one unit" in far["note"]
    assert np.isfinite(fit.loc["event_time_3", "std_error"])
    asked = did.event_study(frame, single_unit_std_error=True, **options)
    asked = asked.set_index("term")
    assert np.isfinite(asked.loc["event_time_4", "std_error"])
    assert "one unit" in asked.loc["event_time_4", "note"]
    both = did.twfe(frame, treatment="sydid", without_single_units=True, **OPTIONS)
    assert both["term"].tolist()[-2:] == [
        "overall",
        "overall_without_single_unit_cohorts",
    ]
    rest = did.twfe(frame[frame["cohort"] != 2015], treatment="sydid", **OPTIONS)
    assert both["estimate"].iloc[-1] == pytest.approx(rest["estimate"].iloc[0])


def test_region_by_year_effects_are_dummies():
    frame = simulate()
    fit = did.twfe(frame, treatment="sydid", period_effects_by="region", **OPTIONS)
    cells = pd.get_dummies(frame["region"] + frame["year"].astype(str), dtype=float)
    units = pd.get_dummies(frame["city_id"], dtype=float)
    x = np.column_stack([frame["sydid"], cells, units])
    b = np.linalg.lstsq(x, frame["y"], rcond=None)[0][0]
    assert fit.loc[0, "estimate"] == pytest.approx(b, rel=1e-9)


def test_two_way_clustering_by_inclusion_and_exclusion():
    frame = simulate()
    options = dict(
        treatment="sydid",
        standard_errors="fixest",
        small_sample={"K.adj": False, "G.adj": False},
        **OPTIONS,
    )
    both = did.twfe(frame, cluster=["city_id", "year"], **options).loc[0, "std_error"]
    city = did.twfe(frame, cluster="city_id", **options).loc[0, "std_error"]
    year = did.twfe(frame, cluster="year", **options).loc[0, "std_error"]
    rows = frame.assign(row=np.arange(len(frame)))
    row = did.twfe(rows, cluster="row", **options).loc[0, "std_error"]
    assert both**2 == pytest.approx(city**2 + year**2 - row**2)


def test_parameters_counted_per_convention():
    frame = simulate()
    unit = pd.factorize(frame["city_id"])[0]
    period = pd.factorize(frame["year"], sort=True)[0]
    x = TwoWay(unit, period).demean(frame[["sydid"]].to_numpy())
    fit = covariances.Fit(
        x, np.zeros(1), frame["y"].to_numpy(), np.eye(1), unit, period
    )
    n_units, n_periods = unit.max() + 1, 9
    count = covariances.count_parameters
    assert count(fit, [unit], "none") == 1
    assert count(fit, [unit], "nonnested") == 1 + n_periods
    assert count(fit, [period], "nonnested") == 1 + n_units
    assert count(fit, [unit, period], "nonnested") == 2
    assert count(fit, [unit], "full") == 1 + n_units + n_periods - 1


def test_nullable_and_object_columns_are_read_as_numbers():
    frame = simulate()
    want = did.event_study(frame, cohort="cohort", controls=["x"], **OPTIONS)
    other = frame.convert_dtypes()
    other["cohort"] = [None if g == 0 else g for g in frame["cohort"]]
    other["cohort"] = other["cohort"].astype("Int64")
    other["x"] = frame["x"].astype(object)
    got = did.event_study(other, cohort="cohort", controls=["x"], **OPTIONS)
    pd.testing.assert_frame_equal(got, want)


def test_a_group_with_one_treated_city_has_no_standard_error():
    frame = simulate()
    treated = frame.loc[frame["cohort"] > 0, "city_id"].unique()
    never = frame.loc[frame["cohort"] == 0, "city_id"].unique()
    frame["region"] = np.where(
        frame["city_id"].eq(treated[0]) | frame["city_id"].eq(never[0]), "one", "rest"
    )
    fit = did.twfe(frame, treatment="sydid", by="region", **OPTIONS).set_index("term")
    assert fit.loc["sydid:one", "n_treated_units"] == 1
    assert np.isnan(fit.loc["sydid:one", "std_error"])
    assert np.isfinite(fit.loc["sydid:one", "estimate"])
    assert np.isfinite(fit.loc["sydid:rest", "std_error"])
    asked = did.twfe(
        frame, treatment="sydid", by="region", single_unit_std_error=True, **OPTIONS
    ).set_index("term")
    assert np.isfinite(asked.loc["sydid:one", "std_error"])
