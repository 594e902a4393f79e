"""Estimators on panels of every shape: the truth, or a word why there is none.

Most panels here have no noise and an effect of exactly one, so that every number an
estimator gives is right to rounding or wrong.
"""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pandas as pd
import pytest
from tests.support.random_panels import (
    ESTIMATORS,
    FUZZED,
    KEYS,
    OF_LEVELS,
    OF_ONE,
    STAGGERED,
    Case,
    group_time,
    mk,
    random_panel,
    with_control,
    wrong_rows,
)

from citypanel import did
from citypanel.did.frames import overall_only
from citypanel.errors import CityPanelError, EstimationError, OptionError, PanelError

COHORTS = dict(outcome="y", cohort="g", unit="id", period="t")
BY_COHORT = sorted(set(ESTIMATORS) - {"twfe", "bacon_decomposition"})
NAMES = sorted(ESTIMATORS)
EVEN_WEIGHTS = ("bacon_decomposition", "synthetic_did")
CONSTANT = ("twfe", "event_study", *OF_ONE)  # right where effects do not differ
WITHOUT_CONTROLS = (
    "augmented_synthetic_control", "bacon_decomposition", "triply_robust",
)  # fmt: skip
UNDATED = ("interactive_fixed_effects", "matrix_completion", "triply_robust")
NEEDS_FIVE = ("conley_taber", "ferman_pinto")  # never-treated units, rare here
FUZZ_QUICK, FUZZ_FULL = 300, 10_000


def with_exposure(frame):
    late = (frame["g"] > 0) & (frame["t"] >= frame["g"])
    return frame.assign(d=late.astype(float))


def as_case(frame, step=1.0):
    """A panel of `mk` with its positions, for `wrong_rows`."""
    frame = with_exposure(frame)
    never = ~(frame["g"] > 0)
    start = float(frame["t"].min())
    return Case(
        frame.assign(
            p=(frame["t"] - start) / step,
            gp=np.where(never, 10**6, (frame["g"] - start) / step),
        ),
        step,
        start,
    )


@pytest.mark.parametrize("name", sorted(FUZZED))
def test_overall_rows_are_the_same_alone(name):
    for seed in range(8):
        frame = random_panel(seed, noise=1.0).frame
        try:
            whole = FUZZED[name](frame)
        except CityPanelError:
            continue  # what keeps another row from being made need not stop these
        with overall_only():
            alone = FUZZED[name](frame)
        fits = []
        for fit in (whole, alone):
            overall = fit["term"].str.startswith("overall")
            fit = fit[overall & fit["aggregation"].eq("simple")]
            labels = ["cohort", "period", "event_time"]  # typed by other rows
            assert fit[labels].isna().all(axis=None)
            fits.append(fit.drop(columns=labels).reset_index(drop=True))
        pd.testing.assert_frame_equal(*fits, check_exact=True)


def test_rows_that_nobody_reads_are_not_made():
    frame = mk(range(2001, 2009), [0, 2003, 2006])
    for name in ("sun_abraham", "imputation", "switchers"):
        with overall_only():
            alone = ESTIMATORS[name](frame)
        assert set(alone["aggregation"]) <= {"simple", "coefficient"}
        assert len(alone) < len(ESTIMATORS[name](frame))


def effects(fit):
    """Estimates that are effects: not tests, controls or reference periods."""
    shown = ~fit["aggregation"].isin(["test", "coefficient", "two_by_two"])
    event = fit["event_time"].fillna(0).astype(float)
    return fit[shown & (event >= 0)]


def all_one(fit, tolerance=1e-8):
    values = effects(fit)["estimate"]
    assert len(values) and values.notna().all()
    np.testing.assert_allclose(values.astype(float), 1.0, atol=tolerance)
    leads = fit[fit["event_time"].fillna(0).astype(float) < 0]["estimate"].dropna()
    np.testing.assert_allclose(leads.astype(float), 0.0, atol=tolerance)


# The table.


def test_a_cohort_without_a_period_before_is_not_identified():
    frame = mk(range(1, 8), [0, 3, 5], lambda i, g, t: g == 3 and t < 3)
    fit = did.etwfe(frame, **COHORTS)
    third = fit[fit["cohort"] == 3]
    assert third["estimate"].isna().all()
    assert third["note"].notna().all()
    rest = effects(fit)
    known = rest["estimate"].notna()
    assert (rest.loc[known, "cohort"] == 5).any()
    np.testing.assert_allclose(rest.loc[known, "estimate"], 1.0, atol=1e-8)
    assert rest.loc[~known, "note"].notna().all()
    overall = fit.iloc[0]
    assert overall["term"] == "overall" and overall["estimate"] == pytest.approx(1.0)


@pytest.mark.parametrize("name", BY_COHORT)
def test_two_years_apart_are_neighbours(name):
    fit = ESTIMATORS[name](mk(range(2008, 2020, 2), [0, 2014]))
    all_one(fit, 1e-6)
    events = fit["event_time"].dropna().astype(int)
    assert set(events % 2) == {0}
    assert 0 in set(events)


def test_unit_effects_are_taken_where_cohorts_change_their_members():
    frame = mk(
        range(1, 5),
        [0, 3],
        lambda i, g, t: i in (9, 11) and t == 1,
        lvl=lambda i, g: 50 * (i in (9, 11)),
    )
    for name in ("etwfe", "etwfe never", "sun_abraham", "imputation", "two_stage"):
        all_one(ESTIMATORS[name](frame))


@pytest.mark.parametrize("name", BY_COHORT)
def test_half_years_keep_their_labels(name):
    # The window of the stacked estimator is two years, four half-years, before.
    halves = np.arange(2010.0, 2015.0, 0.5)
    fit = ESTIMATORS[name](mk(halves, [0, 2012.5, 2013.0]))
    all_one(fit, 1e-6)
    events = fit["event_time"].dropna().astype(float)
    assert {0.0, 0.5} <= set(events) or name == "stacked"
    cells = fit[fit["aggregation"] == "group_time"]
    np.testing.assert_allclose(
        cells["event_time"].astype(float),
        cells["period"].astype(float) - cells["cohort"].astype(float),
    )


CALENDARS = {
    "months": lambda k: 100 * (2015 + (k + 8) // 12) + (k + 8) % 12 + 1,
    "quarters": lambda k: 10 * (2015 + (k + 2) // 4) + (k + 2) % 4 + 1,
    "dates": lambda k: pd.Timestamp("2011-01-01") + pd.DateOffset(years=k),
    "months of dates": lambda k: pd.Timestamp("2015-09-01") + pd.DateOffset(months=k),
    "years": lambda k: pd.Period("2011", "Y") + k,
    "quarters of pandas": lambda k: pd.Period("2011Q3", "Q") + k,
    "months of pandas": lambda k: pd.Period("2015-09", "M") + k,
}


# The reading of periods is one for all estimators: the rest take two calendars each.
CALENDAR_OF = [
    (name, calendar)
    for name in BY_COHORT
    for k, calendar in enumerate(CALENDARS)
    if name == "sun_abraham" or k in (0, 1 + BY_COHORT.index(name) % 6)
]


@pytest.mark.parametrize(("name", "calendar"), CALENDAR_OF)
def test_months_quarters_and_dates_are_the_integers_they_stand_for(name, calendar):
    label = CALENDARS[calendar]
    frame = noisy()
    never = frame["g"] == 0
    want = ESTIMATORS[name](frame)
    labels = {k: label(k - 1) for k in range(1, 9)}
    cohort = frame["g"].map(labels)
    if calendar in ("months", "quarters"):
        cohort = cohort.where(~never, 0).astype(int)
    else:
        cohort = cohort.where(~never, pd.NaT)
    other = frame.assign(t=frame["t"].map(labels), g=cohort)
    got = ESTIMATORS[name](other)
    same_numbers(got, want, rtol=1e-9)
    pd.testing.assert_series_equal(
        got["event_time"].astype(float), want["event_time"].astype(float)
    )
    cells = want["period"].notna()
    seen = [str(v) for v in got.loc[cells, "period"]]
    assert seen == [str(labels[int(k)]) for k in want.loc[cells, "period"]]


def test_a_missing_period_keeps_its_place():
    frame = mk([1, 2, 3, 4, 6, 7, 8], [0, 3, 6])
    age = (frame["t"] - frame["g"]).where((frame["g"] > 0), -1)
    frame["y"] += age.where(age > 0, 0)
    for name in BY_COHORT:
        fit = ESTIMATORS[name](frame)
        rows = fit[fit["aggregation"].isin(["dynamic", "event"])]
        rows = rows[rows["event_time"].astype(float) >= 0]
        known = rows["estimate"].notna()
        want = rows["event_time"].astype(float) + 1.0
        np.testing.assert_allclose(rows.loc[known, "estimate"], want[known], atol=1e-6)
        assert not (fit["term"] == "period_5").any()
        assert 2 in set(rows.loc[known, "event_time"]) or name == "stacked"


@pytest.mark.parametrize("name", BY_COHORT)
def test_never_may_be_0_where_0_is_the_first_period(name):
    frame = mk(range(7), [0, 4], n=8)
    want = ESTIMATORS[name](frame.assign(g=frame["g"].replace(0, np.nan)))
    same_numbers(ESTIMATORS[name](frame), want)
    with pytest.raises(PanelError, match="0"):
        ESTIMATORS[name](frame.assign(t=frame["t"] - 2))


def test_negative_cohorts_are_cohorts():
    frame = mk(range(-4, 5), [-2, 2, 99])
    late = (frame["g"] < 99) & (frame["t"] >= frame["g"])
    frame["y"] = frame["id"] + frame["t"] + 2.0 * late
    frame["g"] = frame["g"].where(frame["g"] < 99, np.inf)
    for name in BY_COHORT:
        if name == "event_study":
            continue
        fit = ESTIMATORS[name](frame)
        values = effects(fit)["estimate"]
        np.testing.assert_allclose(values.dropna(), 2.0, atol=1e-6)
        assert fit[fit["estimate"].notna()]["cohort"].eq(-2).any() or (
            "group" not in set(fit["aggregation"])
        )


@pytest.mark.parametrize(
    "name", ["imputation", "two_stage", "etwfe", "etwfe never", "sun_abraham"]
)
def test_untreated_rows_that_do_not_connect_identify_nothing(name):
    frame = mk(range(2000, 2006), [0, 2003], lambda i, g, t: g == 0 and t < 2003)
    try:
        fit = ESTIMATORS[name](frame)
    except CityPanelError as error:
        assert "identif" in str(error) or "connect" in str(error)
        return
    rows = effects(fit)
    levels = rows[rows["aggregation"] == "simple"]
    assert levels["estimate"].isna().all()
    assert levels["note"].notna().all()


def by_region():
    frame = pd.DataFrame(
        [(i, t, float(i < 9 and t >= 2)) for i in range(12) for t in range(4)],
        columns=["id", "t", "d"],
    )
    frame["region"] = frame["id"].map(lambda i: ("E", "W", None)[i % 3])
    frame["y"] = 10.0 * frame["id"] + frame["t"] + 5.0 * frame["d"]
    return frame


def test_units_without_a_group_are_not_controls():
    fit = did.twfe(by_region(), treatment="d", by="region", **KEYS)
    shown = fit[fit["term"].isin(["d:E", "d:W"])]
    np.testing.assert_allclose(shown["estimate"], 5.0, atol=1e-9)
    lost = fit.attrs["dropped"]["rows"]
    assert set(lost["id"]) >= {2, 5, 8}
    assert lost["reason"].str.contains("region").any()


# Anticipation.


def anticipating(k, cohorts=(0, 4, 6), last=8):
    frame = mk(range(1, last), list(cohorts))
    late = (frame["g"] > 0) & (frame["t"] >= frame["g"] - k)
    return frame.assign(y=frame["id"] + frame["t"] + 1.0 * late)


@pytest.mark.parametrize("base", ["varying", "universal"])
@pytest.mark.parametrize("group", ["never", "not_yet"])
@pytest.mark.parametrize("k", [1, 2])
def test_units_that_anticipate_are_compared_with_the_period_before_they_do(
    k, group, base
):
    fit = did.group_time_att(
        anticipating(k),
        anticipation=k,
        control_group=group,
        base_period=base,
        **COHORTS,
    )
    rows = fit[fit["aggregation"] == "group_time"]
    early = rows["event_time"] < -k
    np.testing.assert_allclose(rows.loc[early, "estimate"], 0.0, atol=1e-12)
    np.testing.assert_allclose(rows.loc[~early, "estimate"], 1.0, atol=1e-12)


def test_the_joint_test_leaves_out_the_declared_window():
    """With an effect in the window and parallel trends before it."""
    small = 0
    for seed in range(10):
        frame = anticipating(1, cohorts=[0, 0, 5, 7], last=9)
        wide = pd.concat(
            [frame.assign(id=frame["id"] + 100 * k) for k in range(4)],
            ignore_index=True,
        )
        rng = np.random.default_rng(seed)
        wide["y"] += 0.3 * rng.normal(size=len(wide))
        for base in ("varying", "universal"):
            fit = did.group_time_att(wide, anticipation=1, base_period=base, **COHORTS)
            test = fit[fit["aggregation"] == "test"].iloc[0]
            leads = fit[
                (fit["aggregation"] == "group_time")
                & (fit["event_time"] < -1)
                & fit["std_error"].notna()
            ]
            assert f"F({len(leads)}," in test["note"]
            small += test["p_value"] < 0.05
    assert small <= 5  # of 20; all were with the window among the leads


def test_anticipation_is_in_the_periods_own_units():
    frame = anticipating(1)
    want = did.group_time_att(frame, anticipation=1, **COHORTS)
    for start, step, k in ((2000, 2, 2), (2011.0, 0.5, 0.5), (0, 2, 1)):
        other = frame.assign(
            t=start + step * frame["t"],
            g=(start + step * frame["g"]).where(frame["g"] > 0, np.nan),
        )
        got = did.group_time_att(other, anticipation=k, **COHORTS)
        if k == step:
            same_numbers(got, want)
        else:  # a year is less than a period of two: nobody reacts in the period before
            same_numbers(got, did.group_time_att(frame, **COHORTS))


@pytest.mark.parametrize("group", ["never", "not_yet"])
def test_a_cohort_that_anticipates_after_the_panel_is_not_never_treated(group):
    frame = anticipating(1, cohorts=[0, 5, 8], last=8)
    fit = did.group_time_att(frame, anticipation=1, control_group=group, **COHORTS)
    cells = fit[(fit["cohort"] == 5) & (fit["event_time"] >= -1)]
    np.testing.assert_allclose(cells["estimate"], 1.0, atol=1e-12)
    only = did.group_time_att(
        frame[frame["g"] != 0], anticipation=1, control_group="not_yet", **COHORTS
    )
    late = only[(only["cohort"] == 5) & (only["period"] == 7)]
    assert late["estimate"].isna().all() and late["note"].notna().all()


# Singletons, weights, and gaps before treatment.


def test_singletons_count_in_no_error_of_reghdfe():
    frame = with_exposure(noisy())
    once = pd.DataFrame(
        [(200 + k, 1 + k % 8, 0, 5.0 * k, 0.0) for k in range(12)],
        columns=["id", "t", "g", "y", "d"],
    )
    options = dict(treatment="d", standard_errors="reghdfe", **KEYS)
    want = did.twfe(frame, **options).iloc[0]
    more = did.twfe(
        pd.concat([frame, once], ignore_index=True)[["id", "t", "g", "y", "d"]],
        **options,
    )
    for column in ("estimate", "std_error", "df", "p_value"):
        assert more.loc[0, column] == pytest.approx(want[column], rel=1e-10)
    assert (more.attrs["dropped"]["rows"]["id"] >= 200).sum() == 12


def weighted_square_root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    keep = values > 1e-10
    root = np.where(keep, np.where(keep, values, 1.0) ** -0.5, 0.0)
    return (vectors * root) @ vectors.T


@pytest.mark.parametrize("weights", ["w", "v"])
@pytest.mark.parametrize("cluster", [None, "c"])
def test_weights_stand_in_the_hat_matrix_of_cr2_and_cr3(weights, cluster):
    frame = with_exposure(noisy(24, seed=2))
    rng = np.random.default_rng(2)
    frame["w"] = rng.uniform(0.5, 2.0, 24)[frame["id"]]
    frame["v"] = rng.uniform(0.5, 2.0, len(frame))
    frame["c"] = frame["id"] // 2
    frame = frame[rng.random(len(frame)) > 0.1]
    fit = {
        name: did.twfe(
            frame,
            treatment="d",
            weights=weights,
            cluster=cluster,
            standard_errors=name,
            single_unit_std_error=True,
            **KEYS,
        ).iloc[0]
        for name in ("CR2", "CR3")
    }
    y, w = frame["y"].to_numpy(), frame[weights].to_numpy()
    codes = frame[cluster or "id"].to_numpy()
    x = np.column_stack(
        [
            frame["d"],
            pd.get_dummies(frame["id"]).astype(float),
            pd.get_dummies(frame["t"]).astype(float).iloc[:, 1:],
        ]
    )
    m = np.linalg.inv(x.T @ (w[:, None] * x))
    b = m @ x.T @ (w * y)
    residual = y - x @ b
    net = np.eye(len(y)) - x @ m @ x.T * w
    square = net @ net.T
    variance, influence, squares = 0.0, [], 0.0
    groups = np.unique(codes)
    for g in groups:
        rows = np.flatnonzero(codes == g)
        adjust = weighted_square_root(square[np.ix_(rows, rows)])
        scaled = adjust @ (w[rows, None] * x[rows]) @ m[:, 0]
        variance += (scaled @ residual[rows]) ** 2
        influence.append(net[rows].T @ scaled)
        rest = codes != g
        root = np.sqrt(w[rest])
        refit = np.linalg.lstsq(root[:, None] * x[rest], root * y[rest], rcond=None)
        squares += (refit[0][0] - b[0]) ** 2
    p = np.array(influence) @ np.array(influence).T
    n = len(groups)
    assert fit["CR2"]["std_error"] == pytest.approx(np.sqrt(variance), rel=1e-8)
    assert fit["CR2"]["df"] == pytest.approx(np.trace(p) ** 2 / (p**2).sum(), rel=1e-6)
    assert fit["CR3"]["std_error"] == pytest.approx(
        np.sqrt((n - 1) / n * squares), rel=1e-8
    )


def test_cr3_of_matched_units_is_their_refits_with_the_score_held():
    frame = with_exposure(noisy(n=30, seed=5))
    rng = np.random.default_rng(5)
    frame["x"] = rng.normal(size=30)[frame["id"]] + 0.5 * (frame["g"] > 0)
    fit = did.propensity_score_did(
        frame, covariates=["x"], method="kernel", standard_errors="CR3", **COHORTS
    )
    weight = fit.attrs["scores"]["table"].set_index("id")["weight"]
    used = frame.assign(w=frame["id"].map(weight))
    used = used[used["w"] > 0]
    options = dict(treatment="d", weights="w", **KEYS)
    options |= dict(engine="closed_form")
    full = did.twfe(used, **options).loc[0, "estimate"]
    assert fit.loc[0, "estimate"] == pytest.approx(full, rel=1e-10)
    units = used["id"].unique()
    refits = [
        did.twfe(used[used["id"] != u], **options).loc[0, "estimate"] for u in units
    ]
    squares = ((np.array(refits) - full) ** 2).sum()
    want = np.sqrt((len(units) - 1) / len(units) * squares)
    assert fit.loc[0, "std_error"] == pytest.approx(want, rel=1e-8)


@pytest.mark.parametrize("name", BY_COHORT)
def test_a_gap_before_treatment_moves_the_base_to_the_last_period_seen(name):
    frame = mk([1, 2, 3, 5, 6, 7, 8], [0, 5])  # 4 is missing
    fit = ESTIMATORS[name](frame)
    all_one(fit, 1e-6)
    base = fit[fit["note"].fillna("").str.contains("reference")]
    if len(base):
        assert set(base["event_time"].astype(int)) == {-2}


# Silent losses and crashes.


@pytest.mark.parametrize("name", [*BY_COHORT, "twfe", "bacon_decomposition"])
def test_every_row_is_used_or_listed(name):
    """Rows used and rows listed as left out add up to the panel."""
    for seed in range(6):
        case = random_panel(900 + seed)
        try:
            fit = ESTIMATORS[name](case.frame)
        except CityPanelError:
            continue
        if "dropped" not in fit.attrs:
            continue
        lost = fit.attrs["dropped"]["rows"]
        key = ["observation" if name.endswith("repeated") else "id", "t"]
        assert not lost[key].duplicated().any()
        assert lost["reason"].notna().all()
        n_obs = fit["n_obs"].dropna()
        if name in ("twfe", "event_study", "sun_abraham", "etwfe", "etwfe never"):
            assert n_obs.iloc[0] + len(lost) == len(case.frame)
        if len(lost):
            notes = fit["note"].dropna()
            assert notes.str.contains("left out|dropped|rows").any(), name


@pytest.mark.parametrize("name", ["switchers", "synthetic_did", "group_time_att"])
def test_units_that_enter_and_leave_are_counted_in_the_note(name):
    frame = mk(range(1, 8), [0, 4], lambda i, g, t: i >= 8 and t == 1 + i % 5)
    fit = ESTIMATORS[name](frame)
    notes = " ".join(fit["note"].dropna())
    assert "4" in notes and "left out" in notes


def noisy(n=16, seed=1):
    frame = mk(range(1, 9), [0, 4, 6, 0], n=n)
    rng = np.random.default_rng(seed)
    return frame.assign(y=frame["y"] + rng.normal(size=len(frame)))


def same_numbers(got, want, rtol=1e-7, factor=1.0, columns=("estimate", "std_error")):
    assert len(got) == len(want)
    for column in columns:
        a = got[column].astype(float).to_numpy()
        b = factor * want[column].astype(float).to_numpy()
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-9 * factor)


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_weights_that_are_none_at_all_are_named(name):
    frame = with_exposure(noisy())
    frame["w"] = 1.0
    for bad, message in ((-1.0, "negative"), (np.inf, "w")):
        broken = frame.assign(w=np.where(frame["id"] == 3, bad, 1.0))
        with pytest.raises(CityPanelError, match=message):
            ESTIMATORS[name](broken, weights="w")
    for nothing in (np.nan, 0.0):
        absent = frame.assign(w=np.where(frame["id"] == 3, nothing, 1.0))
        got = ESTIMATORS[name](absent, weights="w")
        want = ESTIMATORS[name](frame[frame["id"] != 3], weights="w")
        same_numbers(got, want, rtol=1e-9)


@pytest.mark.parametrize(
    "name",
    sorted(set(ESTIMATORS) - {"stacked", "synthetic_did", "bacon_decomposition"}),
)
def test_rows_without_a_cluster_are_left_out(name):
    frame = with_exposure(noisy())
    frame["c"] = (frame["id"] // 2).astype(float)
    absent = frame.assign(c=frame["c"].where(frame["id"] != 3))
    got = ESTIMATORS[name](absent, cluster="c")
    want = ESTIMATORS[name](frame[frame["id"] != 3], cluster="c")
    same_numbers(got, want, rtol=1e-9)


TREATMENT = dict(treatment="d", **KEYS)
ONE_CLUSTERING = {
    name: ESTIMATORS[name]
    for name in BY_COHORT
    if name not in ("event_study", "synthetic_did")
} | {
    "wild_cluster_bootstrap": lambda f, **o: did.wild_cluster_bootstrap(
        f, draws=99, **TREATMENT, **o
    ),
    "jackknife": lambda f, **o: did.jackknife(f, **TREATMENT, **o),
    "randomisation_inference": lambda f, **o: did.randomisation_inference(
        f, draws=99, **TREATMENT, **o
    ),
    "randomisation_draws": lambda f, **o: did.randomisation_draws(
        f, draws=99, **TREATMENT, **o
    ),
}


@pytest.mark.parametrize("name", sorted(ONE_CLUSTERING))
def test_a_second_clustering_is_refused_where_one_is_taken(name):
    frame = with_exposure(noisy())
    frame["c"], frame["half"] = frame["id"] // 2, frame["id"] % 2
    ONE_CLUSTERING[name](frame, cluster=["c"])
    with pytest.raises(OptionError, match="More than one column") as caught:
        ONE_CLUSTERING[name](frame, cluster=["c", "half"])
    assert "half" in str(caught.value)


@pytest.mark.parametrize("name", ["twfe", "event_study"])
def test_two_clusterings_are_used_and_three_refused(name):
    frame = with_exposure(noisy())
    frame["c"], frame["half"] = frame["id"] // 2, frame["id"] % 2
    errors = [
        ESTIMATORS[name](frame, cluster=c)["std_error"].max()
        for c in (["c"], ["c", "t"])
    ]
    assert errors[0] != pytest.approx(errors[1], rel=1e-3)
    with pytest.raises(OptionError, match="More than two columns"):
        ESTIMATORS[name](frame, cluster=["c", "half", "t"])


FROM_UNTREATED = ("imputation", "two_stage", "switchers", "synthetic_did")


@pytest.mark.parametrize("name", FROM_UNTREATED)
def test_a_slope_the_untreated_rows_do_not_show_leaves_no_number(name):
    """A control that moves only in treated rows of the cohort of 4."""
    frame = mk(range(1, 9), [0, 4, 6, 0])
    late = (frame["g"] == 4) & (frame["t"] >= 4)
    frame["x"] = np.where(late, np.random.default_rng(2).normal(size=len(frame)), 0.0)
    frame["y"] += 3.0 * frame["x"]
    fit = ESTIMATORS[name](frame, controls=["x"])
    assert fit["note"].dropna().str.contains("slope of a control|its slope").any()
    rows = effects(fit)
    rows = rows[rows["estimate"].notna()]
    assert 6 in set(rows["cohort"].dropna()) and 4 not in set(rows["cohort"].dropna())
    np.testing.assert_allclose(rows["estimate"].astype(float), 1.0, atol=1e-6)
    only = frame[frame["g"] != 6]
    with pytest.raises(EstimationError, match=r"slope of x|No effect is identified"):
        ESTIMATORS[name](only, controls=["x"])


@pytest.mark.parametrize("name", FROM_UNTREATED)
def test_a_control_that_the_effects_absorb_is_only_left_out(name):
    frame = noisy().assign(x=lambda f: f["id"] ** 2 + 0.5 * f["t"] ** 2)
    got = ESTIMATORS[name](frame, controls=["x"])
    assert got["note"].dropna().str.contains("control x left out").any()
    if name != "synthetic_did":  # whose weights see common shocks
        same_numbers(got, ESTIMATORS[name](frame))
    assert effects(got)["estimate"].notna().all()


@pytest.mark.parametrize("name", ["etwfe", "imputation", "two_stage"])
def test_periods_with_everyone_treated_cost_their_own_effects_only(name):
    frame = with_exposure(mk(range(1, 9), [3, 5, 7]))
    frame["y"] += np.random.default_rng(5).normal(size=len(frame))
    early = frame[frame["t"] < 7].assign(g=lambda f: f["g"].where(f["g"] < 7, 0))
    got, want = ESTIMATORS[name](frame), ESTIMATORS[name](early)
    key = ["aggregation", "cohort", "period"]
    both = effects(got).merge(effects(want), on=key, suffixes=("", "_early"))
    both = both[both["aggregation"].isin(["simple", "calendar", "group_time"])]
    assert len(both) > 4
    np.testing.assert_allclose(both["estimate"], both["estimate_early"], rtol=1e-9)
    full = effects(got)[effects(got)["period"].fillna(0) >= 7]
    assert full["estimate"].isna().all()
    assert set(got.dropped["t"]) == {7, 8}
    assert isinstance(got.loc[0, "note"], str)


@pytest.mark.parametrize("name", BY_COHORT)
def test_only_a_cohort_of_the_first_period_is_an_error_with_a_name(name):
    with pytest.raises(CityPanelError, match="treated"):
        ESTIMATORS[name](mk(range(1, 6), [0, 1]))


@pytest.mark.parametrize("name", ["group_time_att", "switchers", "synthetic_did"])
def test_controls_lost_to_balancing_are_not_called_absent(name):
    frame = mk(range(1, 6), [0, 3], lambda i, g, t: g == 0 and t == 1 + i % 5)
    with pytest.raises(CityPanelError) as caught:
        ESTIMATORS[name](frame)
    text = str(caught.value)
    assert "not seen in all" in text
    assert "city" not in text


def test_states_that_each_adopt_in_a_year_of_their_own_have_errors():
    rng = np.random.default_rng(3)
    frame = mk(range(1, 14), [0], n=20)
    frame["g"] = frame["id"].map(lambda i: 4 + i if i < 9 else 0)
    frame = with_exposure(frame)
    frame["y"] = frame["id"] + frame["t"] + frame["d"] + rng.normal(size=len(frame))
    for name in ("twfe", "imputation", "etwfe", "sun_abraham", "two_stage"):
        overall = ESTIMATORS[name](frame).query("term == 'overall'")
        assert (overall["std_error"] > 0).all(), name
    fit = group_time(frame, **COHORTS)
    overall = fit.query("term == 'overall'")
    assert (overall["std_error"] > 0).all()
    # A row of one state has none.
    assert fit.query("aggregation == 'group_time'")["std_error"].isna().all()


@pytest.mark.parametrize("name", sorted(set(ESTIMATORS) - {"bacon_decomposition"}))
def test_a_collinear_control_is_named_dropped_and_told(name):
    frame = with_exposure(noisy())
    rng = np.random.default_rng(8)
    frame["x"] = rng.normal(size=len(frame))
    frame["twice"] = 2.0 * frame["x"] + 1.0
    if name.startswith("group_time"):
        fixed = rng.normal(size=16)
        frame["x"] = fixed[frame["id"]]
        frame["twice"] = 2.0 * frame["x"]
    want = ESTIMATORS[name](frame, controls=["x"])
    got = ESTIMATORS[name](frame, controls=["x", "twice"])
    notes = got["note"].dropna()
    assert notes.str.contains("twice").any()
    keep = got["term"] != "twice"
    same_numbers(got[keep].reset_index(drop=True), want, rtol=1e-7)


# Sensitivity analysis on any scale.


def event_path(scale=1.0, effect=1.0, noise=1.0):
    frame = noisy(40, seed=4)
    base = mk(range(1, 9), [0, 4, 6, 0], n=40)
    frame["y"] = scale * (
        base["y"]
        + (effect - 1.0) * (base["t"] >= base["g"]) * (base["g"] > 0)
        + noise * (frame["y"] - base["y"])
    )
    return did.sun_abraham(frame, **COHORTS)


@pytest.mark.parametrize("kind", ["relative_magnitude", "smoothness"])
@pytest.mark.parametrize("scale", [1e-6, 1e12])
def test_sensitivity_scales_with_the_outcome(kind, scale):
    bounds = [0.0, 0.5, 1.0]
    factor = 1.0 if kind == "relative_magnitude" else scale
    want = did.honest_did(event_path(), kind=kind, bounds=bounds)
    got = did.honest_did(
        event_path(scale), kind=kind, bounds=[b * factor for b in bounds]
    )
    for column in ("conf_low", "conf_high"):
        np.testing.assert_allclose(got[column] / scale, want[column], rtol=1e-4)


def test_a_large_effect_is_robust_and_its_interval_is_not_empty():
    for noise in (0.02, 0.002):
        fit = did.honest_did(event_path(effect=5.0, noise=noise), bounds=[0.5, 1.0])
        rows = fit[fit["aggregation"] == "relative_magnitude"]
        assert abs(fit.loc[0, "statistic"]) > 20
        assert rows[["conf_low", "conf_high"]].notna().all(axis=None)
        assert (rows["conf_low"] < 5.0).all() and (rows["conf_high"] > 5.0).all()
        assert (rows["breakdown"] == 1.0).all()


# Influence functions know which row they belong to.


@pytest.mark.parametrize("kind", ["simple", "group", "dynamic", "calendar"])
def test_sorting_the_cells_does_not_move_an_aggregate(kind):
    cells = did.group_time_att(noisy(), base_period="universal", **COHORTS)
    want = did.aggregate_att(cells, kind)
    for other in (
        cells.sort_values("p_value"),
        cells.iloc[::-1],
        cells.sample(frac=1, random_state=1).reset_index(drop=True),
    ):
        got = did.aggregate_att(other, kind)
        pd.testing.assert_frame_equal(got, want)


def test_some_of_the_cells_give_the_aggregate_of_those():
    cells = did.group_time_att(noisy(), **COHORTS)
    part = did.aggregate_att(cells.query("event_time >= -3"), "dynamic")
    whole = did.aggregate_att(cells, "dynamic", min_event_time=-3)
    pd.testing.assert_frame_equal(part, whole)
    one = did.aggregate_att(cells.query("cohort == 4"), "simple").loc[0]
    own = did.aggregate_att(cells, "group").set_index("term").loc["cohort_4"]
    assert one["estimate"] == pytest.approx(own["estimate"], rel=1e-12)
    assert one["std_error"] == pytest.approx(own["std_error"], rel=1e-9)


def test_cells_that_are_not_those_estimated_are_refused():
    cells = did.group_time_att(noisy(), **COHORTS)
    changed = cells.assign(estimate=cells["estimate"] * 2)
    with pytest.raises(EstimationError, match="estimate"):
        did.aggregate_att(changed)
    moved = cells.assign(cohort=cells["cohort"] + 1)
    with pytest.raises(EstimationError, match="cohort"):
        did.aggregate_att(moved)
    twice = pd.concat([cells, cells.iloc[[2]]])
    twice.attrs = dict(cells.attrs)
    with pytest.raises(EstimationError, match="twice"):
        did.aggregate_att(twice)


@pytest.mark.parametrize("name", ["event_study", "sun_abraham", "two_stage"])
def test_sensitivity_uses_the_event_times_that_are_there(name):
    fit = ESTIMATORS[name](noisy(40))
    bounds = dict(bounds=[0.5], kind="smoothness")
    want = did.honest_did(fit, **bounds)
    same_numbers(did.honest_did(fit.sort_values("p_value"), **bounds), want)
    near = fit[fit["event_time"].fillna(0).astype(float).between(-3, 1)]
    part = did.honest_did(near, target="average", **bounds)
    shown = near[near["event_time"].isin([0, 1])]["estimate"]
    assert part.loc[0, "estimate"] == pytest.approx(shown.mean(), rel=1e-9)
    with pytest.raises(EstimationError, match="estimate"):
        did.honest_did(fit.assign(estimate=fit["estimate"] + 1.0), **bounds)
    with pytest.raises(EstimationError, match="side"):
        did.honest_did(fit[fit["event_time"] >= 0], **bounds)


# Invariances.

INVARIANT = sorted(set(ESTIMATORS) - {"bacon_decomposition"})


def shaken(seed):
    return random_panel(seed, noise=1.0).frame


def result(name, frame, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ESTIMATORS[name](frame, **options)
        except CityPanelError as error:
            return type(error)


def agree(got, want, **options):
    if isinstance(want, type) or isinstance(got, type):
        assert got is want
    else:
        same_numbers(got, want, **options)


def plain(seed):
    """A drawn panel with whole positions for labels and never as null."""
    frame = shaken(seed)
    cohort = frame["gp"].where(frame["gp"] < 10**6)
    return frame.assign(t=frame["p"] + 100, g=cohort + 100)


SEEDS = [range(40, 42), pytest.param(range(50, 90), marks=pytest.mark.slow)]


@functools.cache
def wanted(name, seed):
    return result(name, plain(seed))


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("name", INVARIANT)
def test_time_may_be_shifted_and_stretched(name, seeds):
    for seed in seeds:
        frame, want = plain(seed), wanted(name, seed)
        for shift, stretch in ((-1000, 1), (1995, 0.5), (0, 5)):
            moved = frame.assign(
                t=shift + stretch * frame["t"], g=shift + stretch * frame["g"]
            )
            options = {"before": 2 * stretch, "after": stretch}
            if name == "stacked" and stretch != 1:
                got = result_stacked(moved, **options)
            else:
                got = result(name, moved)
            agree(got, want, rtol=1e-8)
            if not isinstance(want, type):
                np.testing.assert_allclose(
                    got["event_time"].astype(float),
                    stretch * want["event_time"].astype(float),
                )


def result_stacked(frame, **options):
    try:
        return did.stacked(frame, **options, **STAGGERED)
    except CityPanelError as error:
        return type(error)


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("name", INVARIANT)
def test_units_may_be_renamed_and_rows_reordered(name, seeds):
    for seed in seeds:
        frame, want = plain(seed), wanted(name, seed)
        other = frame.sample(frac=1.0, random_state=seed)
        other["id"] = "u" + (500 - other["unit_number"]).astype(str)
        agree(result(name, other), want, rtol=1e-6)


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("name", INVARIANT)
@pytest.mark.parametrize("scale", [1e-6, 1e12])
def test_the_scale_of_the_outcome_scales_the_result(name, scale, seeds):
    for seed in seeds:
        frame, want = plain(seed), wanted(name, seed)
        got = result(name, frame.assign(y=scale * frame["y"]))
        if isinstance(want, type):
            assert got is want
            continue
        same_numbers(got, want, rtol=1e-5, factor=scale)
        assert got["std_error"].notna().equals(want["std_error"].notna())
        same_numbers(got, want, rtol=1e-5, columns=("p_value",))


# Rounding is no sampling variation, and large levels are no noise.


@pytest.mark.parametrize("name", sorted(set(ESTIMATORS) - {"bacon_decomposition"}))
def test_a_panel_without_noise_has_no_standard_errors(name):
    frame = with_exposure(mk(range(1, 9), [0, 4, 6, 0], n=16))
    if name == "group_time_att repeated":
        frame["y"] -= frame["id"]
    for scale in (1.0, 1e8):
        fit = ESTIMATORS[name](frame.assign(y=scale * frame["y"]))
        assert fit["std_error"].isna().all() and fit["p_value"].isna().all()
        rows = effects(fit)
        rows = rows[rows["aggregation"] != "event"]
        assert rows["note"].fillna("").str.contains("rounding of the outcome").all()


def test_leads_that_the_first_stage_fits_exactly_are_not_tested():
    frame = noisy(12)
    frame = frame[(frame["g"] > 0) | (frame["t"] >= 4)]
    frame = frame[(frame["g"] != 6) | (frame["t"] >= 3)]
    alone = frame[(frame["g"] != 4) | (frame["t"] > 1)]
    fit = did.two_stage(alone, **COHORTS)
    exact = fit["estimate"].abs() < 1e-9
    assert exact.any() and fit.loc[exact, "p_value"].isna().all()


@pytest.mark.parametrize("name", INVARIANT)
@pytest.mark.parametrize("level", [1e6, 1e9])
def test_levels_of_units_do_not_touch_effects_and_errors(name, level):
    if name == "group_time_att repeated":
        return
    frame = with_exposure(noisy())
    want = ESTIMATORS[name](frame)
    got = ESTIMATORS[name](frame.assign(y=frame["y"] + level * (1 + frame["id"] % 3)))
    keep = (want["term"] != "const").to_numpy()
    for column in ("estimate", "std_error", "p_value"):
        a, b = (f.loc[keep, column].astype(float).to_numpy() for f in (got, want))
        np.testing.assert_allclose(a, b, rtol=1e-13 * level, atol=1e-14 * level)


def test_more_parameters_than_rows_leave_no_error_and_say_so():
    frame = mk(range(60), [0, 30, 40], n=3)
    frame["y"] += np.random.default_rng(1).normal(size=len(frame))
    fit = did.etwfe(frame, control_group="never", **COHORTS)
    assert fit["std_error"].isna().all()
    assert fit.loc[fit["term"] == "leads_jointly_zero", "p_value"].isna().all()


def test_more_event_times_than_vertices_can_be_listed_is_an_error_with_a_name():
    frame = mk(range(40), [0, 20, 0, 22], n=60)
    frame["y"] += np.random.default_rng(1).normal(size=len(frame))
    fit = did.sun_abraham(frame, **COHORTS)
    with pytest.raises(EstimationError, match="20 event times after treatment"):
        did.honest_did(fit, bounds=[0.5])
    near = fit[fit["event_time"].fillna(0).astype(float).between(-3, 3)]
    assert did.honest_did(near, bounds=[0.5])["conf_low"].notna().all()


def test_means_of_whoever_is_seen_are_called_that():
    frame = noisy()
    frame = frame[(frame["id"] > 3) | (frame["t"] > 4)]
    fit = did.group_time_att(frame, panel="unbalanced", **COHORTS)
    cells = fit[fit["aggregation"] == "group_time"]
    mixed = cells["note"].fillna("").str.contains("whoever is seen")
    assert mixed.any() and not mixed.all()


def test_an_experiment_with_nobody_on_one_side_costs_its_own_cohort_only():
    frame = mk(range(1, 9), [3, 7, 5], n=12)
    fit = did.stacked(frame, before=2, after=1, **COHORTS)
    assert fit.loc[0, "estimate"] == pytest.approx(1.0)
    note = fit.loc[0, "note"]
    assert "nobody is seen on one side of the experiment for cohort 7" in note
    assert fit.loc[0, "n_treated_units"] == 8
    with pytest.raises(EstimationError, match="nobody on one side"):
        did.stacked(mk(range(1, 9), [4]), before=2, after=1, **COHORTS)


def test_what_a_cohort_alone_identifies_is_null_without_it():
    fit = did.leave_one_batch_out(
        with_exposure(mk(range(1, 9), [4, 6])), treatment="d", **KEYS
    )
    assert fit["estimate"].isna().all()
    assert (fit["note"] == "not identified without it").all()


@pytest.mark.parametrize(
    "name", ["wild_cluster_bootstrap", "jackknife", "randomisation_inference"]
)
def test_inference_lists_the_rows_it_leaves_out(name):
    frame = with_exposure(noisy())
    frame.loc[[3, 40], "y"] = np.nan
    fit = ONE_CLUSTERING[name](frame)
    lost = fit.attrs["dropped"]["rows"]
    assert len(lost) >= 2 and lost["reason"].str.contains("missing value of y").any()


def test_a_group_column_without_treated_rows_is_an_error_with_a_name():
    frame = by_region().assign(d=0.0)
    with pytest.raises(EstimationError, match="combinations"):
        did.twfe(frame, treatment="d", by="region", **KEYS)


def test_an_index_named_as_a_column_is_no_matter():
    frame = with_exposure(noisy())
    frame["z"] = frame["id"] % 5
    named = frame.set_index(["id", "t"], drop=False)
    options = dict(treatment="d", outcome_shift=1, **KEYS)
    same_numbers(did.twfe(named, **options), did.twfe(frame, **options))
    test = functools.partial(did.permutation_test, draws=99, **COHORTS)
    same_numbers(test(named, did.switchers), test(frame, did.switchers))


RESAMPLED = ["wild_cluster_bootstrap", "jackknife", "randomisation_inference"]


@pytest.mark.parametrize("name", [*RESAMPLED, "randomisation_draws"])
def test_one_cluster_or_no_residual_is_an_error_with_a_name(name):
    frame = with_exposure(noisy()).assign(c=1)
    with pytest.raises(EstimationError, match="two clusters"):
        ONE_CLUSTERING[name](frame, cluster="c")
    if name in ("wild_cluster_bootstrap", "randomisation_draws"):
        frame["x"] = frame["y"]
        with pytest.raises(EstimationError, match="fit the outcome exactly"):
            ONE_CLUSTERING[name](frame, controls=["x"])


@pytest.mark.parametrize("name", INVARIANT)
def test_the_level_of_a_control_is_no_matter(name):
    if name.startswith("group_time"):  # whose controls are the units' own
        return
    frame = with_exposure(noisy())
    frame["x"] = np.random.default_rng(8).normal(size=len(frame))
    want = ESTIMATORS[name](frame, controls=["x"])
    got = ESTIMATORS[name](frame.assign(x=frame["x"] + 1e7), controls=["x"])
    keep = ~want["term"].isin(["const"])
    same_numbers(got[keep], want[keep], rtol=1e-5)


# The fuzz.


def fuzz(seeds, every):
    """How often each estimator gave numbers; it must never have given a wrong one.

    Each panel goes to one of ``every`` estimators and its next but ``every``.
    """
    names = sorted(FUZZED)
    right, wrong = dict.fromkeys(names, 0), []
    for k, seed in enumerate(seeds):
        for name in names[k % every :: every]:
            case = random_panel(seed, levels="common" if name in OF_LEVELS else "unit")
            if name in CONSTANT and case.effect != "constant":
                continue
            weights = [None, "w", "w" if name in EVEN_WEIGHTS else "v"][seed // 7 % 3]
            frame, options = case.frame, dict(weights=weights)
            if seed // 21 % 2 and name not in WITHOUT_CONTROLS:
                frame = with_control(case, name)
                options["controls"] = ["x"]
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    fit = FUZZED[name](frame, **options)
            except CityPanelError:
                continue
            except Exception as error:
                wrong.append((name, case.story, options, repr(error)))
                continue
            # A gap of the panel hides when a treatment began, if no cohort tells.
            dated = name not in UNDATED or case.story["missing"] != "gap"
            bad = wrong_rows(fit, case, dated=dated)
            if bad:
                wrong.append((name, case.story, options, bad[:3]))
            right[name] += not bad
    assert not wrong, "\n".join(map(str, wrong[:10])) + f"\n{len(wrong)} in all"
    return right


def test_estimators_return_the_truth_or_say_why_not():
    right = fuzz(range(FUZZ_QUICK), every=len(FUZZED) // 2)
    # Refusing everything is no answer.
    for name in NEEDS_FIVE:
        right.pop(name)
    assert min(right.values()) > 0, right


@pytest.mark.parametrize(("seed", "weights"), [(12_339, "w"), (18_423, None)])
def test_columns_that_hardly_differ_keep_their_digits(seed, weights):
    """Slopes by cohort and period that few rows tell apart."""
    case = random_panel(seed)
    frame = with_control(case, "etwfe")
    fit = ESTIMATORS["etwfe"](frame, controls=["x"], weights=weights)
    assert fit["estimate"].notna().any()
    assert not wrong_rows(fit, case)


BLOCKS = [range(k, k + 1_000) for k in range(10_000, 10_000 + FUZZ_FULL, 1_000)]


@pytest.mark.slow
@pytest.mark.parametrize("seeds", BLOCKS, ids=lambda seeds: str(seeds.start))
def test_estimators_return_the_truth_or_say_why_not_in_ten_thousand_panels(seeds):
    right = fuzz(seeds, every=3)
    for name in NEEDS_FIVE:
        right.pop(name)
    assert min(right.values()) > 5, right
