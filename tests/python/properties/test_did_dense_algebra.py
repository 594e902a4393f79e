"""Every estimator against textbook algebra written out with dense matrices.

Panels are drawn with noise and holes of every kind; the formulas below know nothing of
the library's closed forms. A quantity the design does not identify has no number to be
compared with: the library has to leave it null.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from tests.support.random_panels import KEYS, STAGGERED, random_panel

from citypanel import did
from citypanel.errors import CityPanelError

COUNTS = [4, pytest.param(300, marks=pytest.mark.slow)]
WEIGHTS = [None, "w", "v"]
CLOSED = dict(engine="closed_form", **KEYS)


def dummies(codes) -> np.ndarray:
    values, codes = np.unique(np.asarray(codes), return_inverse=True)
    return np.eye(len(values))[codes]


def cluster_squares(scores, clusters) -> np.ndarray:
    total = np.zeros((scores.shape[1],) * 2)
    for c in np.unique(clusters):
        s = scores[clusters == c].sum(axis=0)
        total += np.outer(s, s)
    return total


class Dense:
    """Weighted least squares on a full design; combinations of coefficients."""

    def __init__(self, y, x, weights, clusters):
        w = np.ones(len(y)) if weights is None else np.asarray(weights, float)
        self.x, self.w, self.clusters = x, w, np.asarray(clusters)
        root = np.sqrt(w)[:, None]
        length = np.sqrt(((root * x) ** 2).sum(axis=0))
        length[length == 0] = 1.0
        _, values, vectors = np.linalg.svd(root * x / length, full_matrices=False)
        rows = vectors[values > 1e-9 * values.max()] * length
        self.row_space = np.linalg.qr(rows.T)[0]
        self.m = np.linalg.pinv(x.T @ (w[:, None] * x), rcond=1e-12, hermitian=True)
        self.b = self.m @ (x.T @ (w * np.asarray(y)))
        self.e = np.asarray(y) - x @ self.b
        scores = x * (w * self.e)[:, None]
        self.cr0 = self.m @ cluster_squares(scores, self.clusters) @ self.m

    def identified(self, combination) -> bool:
        inside = self.row_space @ (self.row_space.T @ combination)
        return np.abs(inside - combination).max() < 1e-7

    def __getitem__(self, combination):
        value = combination @ self.b
        return value, np.sqrt(max(combination @ self.cr0 @ combination, 0.0))


def draws(count, **options):
    for seed in range(count):
        yield random_panel(seed + 5_000, noise=1.0, **options)


def tried(call):
    """The result, or None where the library says by name that there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return call()
        except CityPanelError:
            return None


def used_rows(fit, frame) -> pd.DataFrame:
    """Rows of the panel that the result does not list as left out."""
    lost = fit.attrs["dropped"]["rows"]
    key = pd.MultiIndex.from_frame(frame[["id", "t"]])
    gone = pd.MultiIndex.from_frame(lost[["id", "t"]])
    return frame[~key.isin(gone)].reset_index(drop=True)


def cells_of(fit) -> dict:
    rows = fit[fit["aggregation"] == "group_time"]
    return {
        (float(r["cohort"]), float(r["period"])): (r["estimate"], r["std_error"])
        for r in rows.to_dict("records")
    }


def agree(got, want, errors=True):
    """Estimate and, where one is given, standard error."""
    estimate, error = got
    assert estimate == pytest.approx(want[0], rel=1e-7, abs=1e-8)
    if errors and pd.notna(error):
        assert error == pytest.approx(want[1], rel=1e-6, abs=1e-8)


def base_of(rows, cohort) -> float | None:
    """Last period before treatment in which the cohort is seen."""
    seen = rows.loc[(rows["gp"] == cohort) & (rows["p"] < cohort), "p"]
    return seen.max() if len(seen) else None


def has_lonely_cells(rows) -> bool:
    """Whether two units or more are alone in a cell: their errors rest on each other.

    A cell of one unit has no residual; it is taken around other such cells, which no
    textbook does, so that only the estimates are compared.
    """
    treated = rows[rows["gp"] <= rows["p"].max()]
    alone = treated.groupby(["gp", "p"])["unit_number"].transform("nunique") == 1
    return treated.loc[alone, "unit_number"].nunique() > 1


def treated_cohorts(rows):
    return sorted(set(rows.loc[rows["gp"] <= rows["p"].max(), "gp"]))


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("cluster", [None, "c"])
def test_two_way_effects_are_least_squares_on_dummies(weights, cluster, count):
    compared = 0
    for case in draws(count):
        fit = tried(
            lambda f=case.frame: did.twfe(
                f, treatment="d", weights=weights, cluster=cluster, **CLOSED
            )
        )
        if fit is None:
            continue
        rows = used_rows(fit, case.frame)
        x = np.column_stack([rows["d"], dummies(rows["id"]), dummies(rows["t"])])
        w = None if weights is None else rows[weights]
        clusters = rows[cluster or "id"]
        dense = Dense(rows["y"], x, w, clusters)
        value, error = dense[np.eye(x.shape[1])[0]]
        n, groups = len(rows), clusters.nunique()
        k = 1 + rows["t"].nunique()
        error *= np.sqrt(groups / (groups - 1) * (n - 1) / (n - k))
        agree(fit.loc[0, ["estimate", "std_error"]], (value, error))
        compared += 1
    assert compared >= count / 2


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_an_event_study_is_least_squares_on_event_times(weights, count):
    compared = 0
    for case in draws(count):
        fit = tried(
            lambda f=case.frame: did.event_study(
                f,
                standard_errors="CR0",
                weights=weights,
                engine="closed_form",
                **STAGGERED,
            )
        )
        if fit is None:
            continue
        rows = used_rows(fit, case.frame)
        treated = rows["gp"] <= rows["p"].max()
        event = np.where(treated, rows["p"] - rows["gp"], np.nan)
        shown = fit[fit["aggregation"] == "event"]
        base = shown.loc[shown["note"] == "reference period", "event_time"]
        base = float(base.iloc[0]) / case.step
        times = np.unique(event[np.isfinite(event)])
        times = times[times != base]
        columns = event[:, None] == times[None, :]
        x = np.column_stack([columns, dummies(rows["id"]), dummies(rows["t"])])
        w = None if weights is None else rows[weights]
        dense = Dense(rows["y"], x.astype(float), w, rows["id"])
        got = {float(r["event_time"]) / case.step: r for r in shown.to_dict("records")}
        for j, e in enumerate(times):
            pick = np.eye(x.shape[1])[j]
            row = got[e]
            if pd.notna(row["estimate"]):
                assert dense.identified(pick)
                agree((row["estimate"], row["std_error"]), dense[pick])
                compared += 1
    assert compared > count


def saturated(rows, weights, cells):
    columns = [(rows["gp"] == g) & (rows["p"] == p) for g, p in cells]
    x = np.column_stack([*columns, dummies(rows["id"]), dummies(rows["t"])])
    w = None if weights is None else rows[weights]
    return Dense(rows["y"], x.astype(float), w, rows["id"])


SATURATED = {
    "sun_abraham": (did.sun_abraham, {}, True),
    "etwfe": (did.etwfe, {}, False),
    "etwfe never": (did.etwfe, dict(control_group="never"), True),
}


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("name", SATURATED)
def test_saturated_regressions_are_least_squares(name, weights, count):
    estimator, options, leads = SATURATED[name]
    compared = 0
    for case in draws(count):
        fit = tried(
            lambda f=case.frame: estimator(
                f, standard_errors="CR0", weights=weights, **options, **STAGGERED
            )
        )
        if fit is None:
            continue
        rows = used_rows(fit, case.frame)
        if name == "sun_abraham" and not (rows["gp"] > rows["p"].max()).any():
            continue
        cells = [
            (g, p)
            for g in treated_cohorts(rows)
            for p in sorted(set(rows.loc[rows["gp"] == g, "p"]))
            if p >= g or (leads and p != base_of(rows, g))
        ]
        dense = saturated(rows, weights, cells)
        got, errors = cells_of(fit), not has_lonely_cells(rows)
        size = dense.x.shape[1]
        for j, (g, p) in enumerate(cells):
            label = (case.start + case.step * g, case.start + case.step * p)
            pick = np.eye(size)[j]
            if label not in got or pd.isna(got[label][0]):
                # Whole cohorts without a base may be left out, nothing else.
                assert not dense.identified(pick) or base_of(rows, g) is None
                continue
            assert dense.identified(pick), (case.story, g, p)
            agree(got[label], dense[pick], errors)
            compared += 1
        if all(pd.notna(v[0]) for v in got.values()):
            post = [j for j, (g, p) in enumerate(cells) if p >= g]
            w = np.ones(len(rows)) if weights is None else rows[weights].to_numpy()
            share = np.zeros(size)
            share[post] = (dense.x[:, post] * w[:, None]).sum(axis=0)
            if share.any():
                mean = dense[share / share.sum()]
                agree(fit.loc[0, ["estimate", "std_error"]], mean, errors)
    assert compared > count


@pytest.mark.parametrize("missing", ["none", "holes"])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_periods_in_which_everyone_is_treated_are_in_no_regression(weights, missing):
    """As in R's etwfe: the last cohort is the control group until its treatment."""
    compared = 0
    for case in draws(12, missing=missing):
        frame = case.frame[case.frame["gp"] <= case.frame["p"].max()]
        last = frame["gp"].max() if len(frame) else 0
        early = frame[frame["p"] < last]
        treated = early[(early["gp"] <= early["p"]) & (early["gp"] > 0)]
        if treated.empty:
            continue
        options = dict(weights=weights, **STAGGERED)
        fit = tried(lambda f=frame, o=options: did.etwfe(f, standard_errors="CR0", **o))
        if fit is None:
            continue
        lost = fit.dropped
        assert (lost["reason"] == "every unit is treated in the period").any()
        rows = used_rows(fit, frame)
        assert rows["p"].max() < last
        cells = [
            (g, p)
            for g in treated_cohorts(rows)
            for p in sorted(set(rows.loc[rows["gp"] == g, "p"]))
            if p >= g
        ]
        dense = saturated(rows, weights, cells)
        got, errors = cells_of(fit), not has_lonely_cells(rows)
        for j, (g, p) in enumerate(cells):
            label = (case.start + case.step * g, case.start + case.step * p)
            pick = np.eye(dense.x.shape[1])[j]
            if label in got and pd.notna(got[label][0]):
                agree(got[label], dense[pick], errors)
                compared += 1
        if weights is None and missing == "none":
            gaps = tried(lambda f=frame, o=options: did.imputation(f, **o))
            want = cells_of(gaps)
            for label, (value, _) in cells_of(fit).items():
                if pd.notna(value):
                    assert value == pytest.approx(want[label][0], abs=1e-9)
    assert compared > 10


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_imputation_is_gaps_to_a_regression_on_untreated_rows(weights, count):
    """tau = y - fit; its variance from v, the weights that each outcome gets."""
    compared = 0
    for case in draws(count):
        fit = tried(
            lambda f=case.frame: did.imputation(f, weights=weights, **STAGGERED)
        )
        if fit is None:
            continue
        rows = used_rows(fit, case.frame)
        design = np.column_stack([dummies(rows["id"]), dummies(rows["t"])])
        free = rows["d"].to_numpy() == 0
        w = np.ones(len(rows)) if weights is None else rows[weights].to_numpy()
        first = Dense(rows["y"][free], design[free], w[free], rows["id"][free])
        y = rows["y"].to_numpy()
        gap = y - design @ first.b
        got, errors = cells_of(fit), not has_lonely_cells(rows)
        for (g, p), _ in rows[~free].groupby(["gp", "p"]):
            label = (case.start + case.step * g, case.start + case.step * p)
            cell = ((rows["gp"] == g) & (rows["p"] == p)).to_numpy()
            known = all(first.identified(design[i]) for i in np.flatnonzero(cell))
            if label not in got or pd.isna(got[label][0]):
                assert not known, (case.story, g, p)
                continue
            assert known, (case.story, g, p)
            v = np.where(cell, w, 0.0) / w[cell].sum()
            mirrored = np.zeros(len(rows))
            mirrored[free] = w[free] * (design[free] @ (first.m @ (design.T @ v)))
            mean = v**2 @ gap / (v**2).sum()
            parts = np.where(cell, v * (gap - mean), 0.0) - mirrored * gap
            sums = pd.Series(parts).groupby(rows["id"]).sum()
            agree(got[label], (v @ gap, np.sqrt((sums**2).sum())), errors)
            compared += 1
    assert compared > count


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_two_stages_are_one_method_of_moments(weights, count):
    compared = 0
    for case in draws(count):
        fit = tried(lambda f=case.frame: did.two_stage(f, weights=weights, **STAGGERED))
        if fit is None or pd.isna(fit.loc[0, "estimate"]) or fit.loc[0, "note"]:
            continue
        rows = used_rows(fit, case.frame)
        design = np.column_stack([dummies(rows["id"]), dummies(rows["t"])])
        d = rows["d"].to_numpy()
        free = (d == 0).astype(float)
        w = np.ones(len(rows)) if weights is None else rows[weights].to_numpy()
        first = Dense(rows["y"], design * free[:, None], w, rows["id"])
        gap = rows["y"].to_numpy() - design @ first.b
        bread = 1.0 / (w @ d)
        effect = bread * (w * d) @ gap
        second = d * (gap - effect)
        mirror = (w * d) @ design @ first.m @ (design * free[:, None]).T
        parts = bread * (w * second - mirror * w * free * gap)
        sums = pd.Series(parts).groupby(rows["id"]).sum()
        agree(
            fit.loc[0, ["estimate", "std_error"]],
            (effect, np.sqrt((sums**2).sum())),
        )
        compared += 1
    assert compared > count / 3


def wide(frame, column, positions):
    table = frame.pivot(index="unit_number", columns="p", values=column)
    return table.dropna() if column == "y" else table


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("control_group", ["never", "not_yet"])
@pytest.mark.parametrize("weights", [None, "w"])
def test_group_time_effects_are_differences_of_changes(control_group, weights, count):
    """ATT(g, t), its influence function, and the delta method for the mean."""
    compared = 0
    for case in draws(count):
        options = {} if weights is None else dict(weights=weights)
        fit = tried(
            lambda f=case.frame, o=options: did.group_time_att(
                f,
                control_group=control_group,
                base_period="universal",
                single_unit_std_error=True,
                **o,
                **STAGGERED,
            )
        )
        if fit is None:
            continue
        rows = used_rows(fit, case.frame)
        y = rows.pivot(index="unit_number", columns="p", values="y")
        assert y.notna().all(axis=None)
        about = rows.groupby("unit_number")[["gp", "w"]].first()
        g = about["gp"].to_numpy()
        w = np.ones(len(y)) if weights is None else about["w"].to_numpy()
        w = w / w.mean()
        last = max(y.columns)
        got = cells_of(fit)
        post = []
        for (cohort, period), values in got.items():
            cohort, period = case.position(cohort), case.position(period)
            base = max(p for p in y.columns if p < cohort)
            if period == base:
                assert values[0] == 0.0
                continue
            own = (g == cohort) * w
            free = g > last
            if control_group == "not_yet":
                free = (g > max(period, base)) & (g != cohort)
            if not free.any():
                assert pd.isna(values[0])
                continue
            free = free * w
            change = (y[period] - y[base]).to_numpy()
            one, two = (own @ change) / own.sum(), (free @ change) / free.sum()
            n = len(y)
            influence = n * (
                own * (change - one) / own.sum() - free * (change - two) / free.sum()
            )
            agree(values, (one - two, np.sqrt((influence**2).sum()) / n))
            compared += 1
            if period >= cohort:
                post.append((cohort, one - two, influence))
        if not post:
            continue
        mean = did.aggregate_att(fit, "simple").loc[0]
        cohorts = np.array([c for c, _, _ in post])
        effects = np.array([e for _, e, _ in post])
        psi = np.column_stack([i for _, _, i in post])
        member = (g[:, None] == cohorts) * w[:, None]
        share = member.mean(axis=0)
        total = share.sum()
        value = effects @ share / total
        moved = psi @ share + (member - share) @ (effects - value)
        error = np.sqrt(((moved / total) ** 2).sum()) / len(y)
        agree(mean[["estimate", "std_error"]], (value, error))
    assert compared > count


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("weights", [None, "w"])
def test_switchers_are_changes_against_those_not_yet_switched(weights, count):
    compared = 0
    for case in draws(count):
        options = {} if weights is None else dict(weights=weights)
        fit = tried(
            lambda f=case.frame, o=options: did.switchers(
                f, single_unit_std_error=True, **o, **STAGGERED
            )
        )
        if fit is None:
            continue
        rows = used_rows(fit, case.frame)
        y = rows.pivot(index="unit_number", columns="p", values="y")
        about = rows.groupby("unit_number")[["gp", "w"]].first()
        g = about["gp"].to_numpy()
        w = np.ones(len(y)) if weights is None else about["w"].to_numpy()
        for (cohort, period), values in cells_of(fit).items():
            cohort, period = case.position(cohort), case.position(period)
            if period < cohort or pd.isna(values[0]):
                continue
            base = max(p for p in y.columns if p < cohort)
            own, free = (g == cohort) * w, (g > period) * w
            change = (y[period] - y[base]).to_numpy()
            means = [(s @ change) / s.sum() for s in (own, free)]
            assert values[0] == pytest.approx(means[0] - means[1], abs=1e-8)
            compared += 1
            sizes = [(s > 0).sum() for s in (own, free)]
            if min(sizes) > 1:
                variance = sum(
                    m / (m - 1) * ((s / s.sum() * (change - c)) ** 2).sum()
                    for s, c, m in zip((own, free), means, sizes, strict=True)
                )
                assert values[1] == pytest.approx(np.sqrt(variance), rel=1e-6)
    assert compared > count / 2
