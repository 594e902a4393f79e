"""Sensitivity, pre-test power, detectable effects and propensity scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special, stats

from citypanel import did
from citypanel.did import honest
from citypanel.did.event_paths import event_path
from citypanel.did.frames import Extras, tidy
from citypanel.did.propensity_scores import logit


def path_frame(estimates, matrix, times, single=None):
    """An event study with given numbers."""
    times = np.asarray(times)
    rows = [
        {
            "aggregation": "event",
            "event_time": e,
            "term": f"event_time_{e}",
            "estimate": b,
            "std_error": np.sqrt(v),
        }
        for e, b, v in zip(times, estimates, np.diag(matrix), strict=True)
    ]
    return tidy(
        rows,
        estimator="twfe",
        attrs={
            "covariance": Extras(
                {
                    "event_times": times,
                    "estimates": np.asarray(estimates, float),
                    "matrix": np.asarray(matrix, float),
                    "reference": -1,
                    "single": np.zeros(len(times), bool) if single is None else single,
                }
            )
        },
    )


@pytest.mark.parametrize("shift", [0.0, 0.3, 2.0, 10.0, 29.0, 31.0])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_folded_normal_quantile(shift, level):
    ours = honest.folded_normal_quantile(shift, level)
    assert stats.foldnorm.cdf(ours, shift) == pytest.approx(level, abs=1e-9)


def test_no_violation_and_one_lead_is_the_plain_trend_line():
    # M = 0 with one lead: the effect is b_0 + b_lead, the trend taken out.
    frame = path_frame([0.2, 1.0], np.diag([0.04, 0.09]), [-2, 0])
    row = did.honest_did(frame, kind="smoothness", bounds=[0.0]).iloc[1]
    error = np.sqrt(0.04 + 0.09)
    assert row["estimate"] == pytest.approx(1.2)
    assert row["conf_low"] == pytest.approx(1.2 - 1.959964 * error, abs=1e-6)
    # With M > 0 the one lead leaves no choice: bias is at most M.
    row = did.honest_did(frame, kind="smoothness", bounds=[0.5]).iloc[1]
    half = error * honest.folded_normal_quantile(0.5 / error)
    assert row["conf_high"] == pytest.approx(1.2 + half, abs=1e-6)


def test_no_relative_violation_is_the_usual_interval():
    # Mbar = 0 leaves the effect itself; the hybrid gives up a tenth of the level.
    frame = path_frame([0.1, -0.1, 1.0], 0.04 * np.eye(3), [-3, -2, 0])
    row = did.honest_did(frame, bounds=[0.0]).iloc[1]
    usual = did.honest_did(frame, bounds=[0.0]).iloc[0]
    assert row["conf_low"] == pytest.approx(usual["conf_low"], abs=0.03)
    assert row["conf_high"] == pytest.approx(usual["conf_high"], abs=0.03)
    wider = did.honest_did(frame, bounds=[0.5, 1.0, 2.0]).iloc[1:]
    assert wider["conf_low"].is_monotonic_decreasing
    assert wider["conf_high"].is_monotonic_increasing


def test_vertices_solve_the_linear_programme():
    rng = np.random.default_rng(3)
    x, s = rng.normal(size=(9, 2)), rng.uniform(0.5, 2.0, 9)
    vertices = honest._vertices(x, s)
    assert (vertices >= 0).all()
    np.testing.assert_allclose(vertices @ x, 0, atol=1e-8)
    np.testing.assert_allclose(vertices @ s, 1, atol=1e-8)
    for _ in range(20):
        y = rng.normal(size=9)
        # min eta subject to y - x t <= s eta
        solved = optimize.linprog(
            [1, 0, 0],
            A_ub=-np.column_stack([s, x]),
            b_ub=-y,
            bounds=[(None, None)] * 3,
        )
        assert (vertices @ y).max() == pytest.approx(solved.fun, abs=1e-8)


def test_truncated_tail():
    x, low, high = (
        np.array([1.0, 9.0, -3.0]),
        np.array([0.5, 8.5, -4.0]),
        np.array([2.0, 12.0, 1.0]),
    )
    want = [
        (special.ndtr(-a) - special.ndtr(-c)) / (special.ndtr(-b) - special.ndtr(-c))
        for a, b, c in zip(x, low, high, strict=True)
    ]
    np.testing.assert_allclose(honest._upper_tail(x, low, high), want, rtol=1e-8)


def test_relative_interval_covers_under_the_violation():
    # delta falls by 1 before and after; the effect is 0, Mbar = 1 is the truth.
    rng = np.random.default_rng(5)
    matrix = 0.05 * (np.eye(4) + 0.5)
    root = np.linalg.cholesky(matrix)
    times = [-3, -2, 0, 1]
    delta = np.array([2.0, 1.0, -1.0, -2.0]) * 0.5
    covered = naive = 0
    for _ in range(120):
        frame = path_frame(delta + root @ rng.normal(size=4), matrix, times)
        fit = did.honest_did(frame, bounds=[1.0], grid_points=300, draws=500)
        covered += fit.loc[1, "conf_low"] <= 0 <= fit.loc[1, "conf_high"]
        naive += fit.loc[0, "conf_low"] <= 0 <= fit.loc[0, "conf_high"]
    assert covered >= 110  # at least 92%, for a nominal 95%
    assert naive < 90


def test_path_stops_before_single_units():
    single = np.array([False, False, False, True])
    frame = path_frame(np.zeros(4), np.eye(4), [-3, -2, 0, 1], single)
    assert event_path(frame).times.tolist() == [-3, -2, 0]
    assert event_path(frame, single_units=True).times.tolist() == [-3, -2, 0, 1]


def test_power_of_one_lead_in_closed_form():
    frame = path_frame([0.0, 0.3], [[0.04, 0.01], [0.01, 0.09]], [-2, 0])
    fit = did.pretrend_power(frame, powers=[0.5], slopes=[0.1])
    slope = fit.loc[0, "slope"]

    def power(s):
        z = s / 0.2
        return stats.norm.sf(1.959964 - z) + stats.norm.cdf(-1.959964 - z)

    assert power(slope) == pytest.approx(0.5, abs=5e-3)
    assert fit.loc[1, "power"] == pytest.approx(power(0.1), abs=5e-3)
    # One period after the reference the trend's bias is one slope.
    assert fit.loc[0, "bias"] == pytest.approx(slope)
    # Truncated normal mean of the lead, carried over by the regression on it.
    low, high = (-1.959964 * 0.2 + 0.1) / 0.2, (1.959964 * 0.2 + 0.1) / 0.2
    mean = (
        0.2
        * (stats.norm.pdf(low) - stats.norm.pdf(high))
        / (stats.norm.cdf(high) - stats.norm.cdf(low))
    )
    want = 0.1 + 0.01 / 0.04 * mean
    assert fit.loc[1, "bias_if_passed"] == pytest.approx(want, abs=2e-3)
    ratio = (1 - power(0.1)) / 0.95
    assert fit.loc[1, "passed_ratio"] == pytest.approx(ratio, abs=5e-3)


def test_the_line_through_the_leads_by_hand():
    matrix = [[0.04, 0.01, 0.0], [0.01, 0.09, 0.0], [0.0, 0.0, 1.0]]
    # Leads 0.4 and 0.1, two and one periods before the reference.
    frame = path_frame([0.4, 0.1, 5.0], matrix, [-3, -2, 0])
    (slope,) = did.pretrend_line(frame).to_dict("records")
    # V^-1 = (9, -1; -1, 4) / 0.35 per hundred, so r'V^-1 is -(17, 2) / 0.35.
    precision = (2 * 17 + 1 * 2) / 0.35
    assert slope["estimate"] == pytest.approx(-(17 * 0.4 + 2 * 0.1) / 36)
    assert slope["std_error"] == pytest.approx(precision**-0.5)
    one = path_frame([0.3, 0.2], np.eye(2) * 0.01, [-2, 0])
    assert did.pretrend_line(one)["estimate"].tolist() == pytest.approx([-0.3])


def test_the_line_is_the_one_whose_power_is_told():
    frame = path_frame([0.4, 0.1, 5.0], np.diag([0.04, 0.09, 1.0]), [-3, -2, 0])
    line, told = did.pretrend_line(frame), did.pretrend_at_slope(frame, draws=2000)
    for column in ("estimate", "std_error", "p_value"):
        assert line[column].iloc[0] == told[column].iloc[0]
    assert (told["slope"] == line["estimate"].iloc[0]).all()
    power = did.pretrend_power(
        frame, powers=(), slopes=(line["estimate"].iloc[0],), draws=2000
    )
    assert told["power"].iloc[0] == power["power"].iloc[0]


def test_what_is_computed_from_a_result_says_how_and_from_which_rows():
    frame = path_frame([0.4, 0.1, 5.0], np.diag([0.04, 0.09, 1.0]), [-3, -2, 0])
    study = did.Result(frame)
    lost = pd.DataFrame({"id": [3], "t": [1], "reason": ["missing value of y"]})
    study.attrs = {**frame.attrs, "dropped": Extras({"rows": lost})}
    for made in (
        did.pretrend_line(study),
        did.pretrend_at_slope(study, draws=2000),
        did.pretrend_power(study),
        did.honest_did(study, bounds=[0.5]),
    ):
        assert made.options["level"] == 0.95
        pd.testing.assert_frame_equal(made.dropped, lost)
        assert len(made.confint()) and made.summary()


def test_joint_pre_test_has_its_size_and_power():
    frame = path_frame(np.zeros(4), np.eye(4) * 0.01, [-4, -3, -2, 0])
    fit = did.pretrend_power(frame, test="joint", powers=[0.8], slopes=[0.0, 0.05])
    assert fit.loc[1, "power"] == pytest.approx(0.05, abs=3e-3)
    shift = ((0.05 * np.array([1, 2, 3]) / 0.1) ** 2).sum()
    want = stats.ncx2.sf(stats.chi2.ppf(0.95, 3), 3, shift)
    assert fit.loc[2, "power"] == pytest.approx(want, abs=5e-3)


def test_detectable_effect_and_equivalence_by_hand():
    assert did.minimum_detectable_effect(1.0) == pytest.approx(
        stats.norm.ppf(0.975) + stats.norm.ppf(0.8), abs=1e-4
    )
    # A standard error of 0.014 cannot see the published 0.024.
    mde = did.minimum_detectable_effect(0.014, df=69)
    assert mde == pytest.approx(0.0398, abs=2e-4)
    assert did.power_at(0.024, 0.014, df=69) < 0.5
    assert did.power_at(mde, 0.014, df=69) == pytest.approx(0.8, abs=1e-9)
    test = did.equivalence_test(0.005, 0.01, 0.024, df=69)
    assert test["p_value"] == pytest.approx(stats.t.sf(1.9, 69))
    assert test["equivalent"]
    edge = did.equivalence_test(0.005, 0.01, test["smallest_bound"], df=69)
    assert edge["p_value"] == pytest.approx(0.05, abs=1e-12)
    assert not did.equivalence_test(0.02, 0.014, 0.024, df=69)["equivalent"]


def test_power_table_leaves_rows_without_errors_null():
    frame = path_frame([0.1, 0.2], np.diag([0.01, 0.0]), [-2, 0])
    table = did.power_table(frame, bound=0.3)
    assert table.loc[0, "power_at_bound"] == pytest.approx(
        stats.norm.sf(1.959964 - 3) + stats.norm.cdf(-1.959964 - 3), abs=1e-5
    )
    assert np.isnan(table.loc[1, "minimum_detectable_effect"])
    assert pd.isna(table.loc[1, "equivalent"])


def score_panel(seed=0, n=120, effect=0.5):
    rng = np.random.default_rng(seed)
    size = rng.normal(size=n)
    treated = rng.random(n) < special.expit(size)
    years = np.arange(2012, 2020)
    frame = pd.DataFrame(
        [(i, t, 2016 * treated[i], size[i]) for i in range(n) for t in years],
        columns=["city_id", "year", "cohort", "size"],
    )
    late = (frame["cohort"] > 0) & (frame["year"] >= 2016)
    # Large cities grow faster after 2016, treated or not.
    boost = frame["size"] * (frame["year"] >= 2016)
    frame["y"] = effect * late + boost + rng.normal(0, 0.3, len(frame))
    return frame


SCORE = dict(cohort="cohort", unit="city_id", period="year", covariates=["size"])


def test_logit_solves_its_score_equations():
    rng = np.random.default_rng(2)
    x = np.column_stack([np.ones(80), rng.normal(size=(80, 2))])
    d = (rng.random(80) < special.expit(x @ [0.2, 1.0, -0.5])).astype(float)
    fit = logit(d, x)
    np.testing.assert_allclose(x.T @ (d - fit.probability), 0, atol=1e-9)
    assert logit((x[:, 1] > 0).astype(float), x) is None  # separated


@pytest.mark.parametrize("method", ["nearest", "kernel", "weighting"])
def test_matching_removes_the_bias_of_selection_on_size(method):
    frame = score_panel()
    fit = did.propensity_score_did(frame, outcome="y", method=method, **SCORE)
    late = (frame["cohort"] > 0) & (frame["year"] >= 2016)
    plain = did.twfe(
        frame.assign(d=late.astype(float)),
        outcome="y",
        treatment="d",
        unit="city_id",
        period="year",
    ).iloc[0]
    assert plain["estimate"] > 0.9
    assert fit.loc[0, "estimate"] == pytest.approx(0.5, abs=0.2)
    assert "matching comes after selection" in fit.loc[0, "note"]
    table = fit.attrs["balance"]["table"].set_index(["covariate", "sample"])
    before = table.loc[("size", "unmatched"), "bias_pct"]
    after = table.loc[("size", "matched"), "bias_pct"]
    assert abs(after) < 0.35 * abs(before)
    assert table.loc[("size", "matched"), "bias_reduction_pct"] == pytest.approx(
        100 * (1 - abs(after) / abs(before))
    )


def test_balance_table_by_hand():
    frame = pd.DataFrame(
        {
            "city_id": list("aabbccdd"),
            "year": [1, 2] * 4,
            "cohort": [2, 2, 2, 2, 0, 0, 0, 0],
            "x": [1.0, 9.0, 3.0, 9.0, 0.0, 9.0, 1.0, 9.0],
        }
    )
    row = did.balance_table(
        frame, cohort="cohort", unit="city_id", period="year", covariates=["x"]
    ).iloc[0]
    assert (row["mean_treated"], row["mean_control"]) == (2.0, 0.5)
    assert row["bias_pct"] == pytest.approx(100 * 1.5 / np.sqrt((2 + 0.5) / 2))
    assert row["variance_ratio"] == pytest.approx(4.0)
    welch = stats.ttest_ind([1, 3], [0, 1], equal_var=False)
    assert row["t"] == pytest.approx(welch.statistic)
    assert row["p_value"] == pytest.approx(welch.pvalue)


def test_a_city_certain_to_be_treated_is_off_the_support():
    frame = score_panel()
    giant = frame["city_id"].eq(frame.loc[frame["cohort"] > 0, "city_id"].iloc[0])
    frame.loc[giant, "size"] = 12.0
    fit = did.propensity_score_did(frame, outcome="y", **SCORE)
    assert "treated units without a match" in fit.loc[0, "note"]
    scores = fit.attrs["scores"]["table"].set_index("city_id")
    assert scores.loc[frame.loc[giant, "city_id"].iloc[0], "weight"] == 0
