"""Summaries of group-time effects, and uniform bands by multiplier bootstrap."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from citypanel.did.frames import (
    OVERALL,
    WITHOUT_SINGLE,
    Extras,
    critical_value,
    join_notes,
    rests_on_single_units,
    tidy,
)
from citypanel.did.group_time import influence_std_errors
from citypanel.did.linear import cluster_sums
from citypanel.did.panels import choose
from citypanel.errors import EstimationError, OptionError, describe

KINDS = ("simple", "group", "dynamic", "calendar")


def aggregate_att(
    group_time: pd.DataFrame,
    kind: str = "simple",
    *,
    min_event_time: int | None = None,
    max_event_time: int | None = None,
    uniform_band: bool = False,
    draws: int = 999,
    seed: int = 0,
    single_unit_std_error: bool | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Aggregate group-time effects.

    Parameters
    ----------
    group_time : DataFrame
        What `group_time_att` returned.
    kind : {"simple", "group", "dynamic", "calendar"}
        - simple: the mean of the effects after treatment, weighted by cohort size;
        - group: each cohort's mean over its periods; overall, weighted by size;
        - dynamic: by event time, weighted by size; overall, the plain mean over event
          times 0 and later;
        - calendar: by period, weighted by size; overall, the plain mean over periods.
    min_event_time, max_event_time : int, optional
        Limits of the event times used.
    uniform_band : bool
        Add columns band_low, band_high that cover all rows of the kind at once.
    draws, seed : int
        Of the multiplier bootstrap.
    single_unit_std_error : bool, optional
        As in `group_time_att`, whose choice is kept by default.
    level : float
        Coverage.

    Returns
    -------
    DataFrame
        The row ``overall``, then ``overall_without_single_unit_cohorts`` where there
        are cohorts of one unit beside others, then one row per group, event time or
        period. A row that rests on cohorts of one unit alone has no standard error.

    Raises
    ------
    EstimationError
        A frame without influence functions, or no effect to aggregate.
    """
    choose("kind", kind, KINDS)
    if "influence" not in group_time.attrs:
        raise EstimationError(
            describe(
                "The frame carries no influence functions",
                consequence="the standard errors of an aggregate cannot be computed",
                remedy="pass what group_time_att returned, not a copy read from a file",
            )
        )
    extra = group_time.attrs["influence"]
    cells = group_time[group_time["aggregation"] == "group_time"]
    keep = extra["single_unit_std_error"]
    if single_unit_std_error is not None:
        keep = single_unit_std_error
    low = -np.inf if min_event_time is None else min_event_time
    high = np.inf if max_event_time is None else max_event_time
    event = cells["event_time"].to_numpy(np.int64)
    known = cells["estimate"].notna().to_numpy()
    usable = known & (event >= low) & (event <= high)
    rows, columns = _aggregate(cells, extra, kind, usable)
    if not rows:
        raise EstimationError(
            describe(
                f"No effect after treatment to aggregate ({kind})",
                consequence="the summary would be empty",
                remedy="widen the event times, or look at the notes of the cells",
            )
        )
    sizes = extra["sizes"]
    single = [g for g, size in sizes.items() if size == 1]
    if single and len(single) < len(sizes):
        rest = usable & ~cells["cohort"].isin(single).to_numpy()
        more, other = _aggregate(cells, extra, kind, rest)
        if more:
            gone = ", ".join(map(str, single))
            more[0] |= {"term": WITHOUT_SINGLE, "note": f"without cohort {gone}"}
            rows.insert(1, more[0])
            columns = np.insert(columns, 1, other[:, 0], axis=1)
    errors = influence_std_errors(columns, extra["clusters"])
    lost = not known.all()
    for row, error in zip(rows, errors, strict=True):
        row["std_error"] = error if error > 1e-14 else None
        row["single_unit"] = rests_on_single_units(row.pop("cohorts"), sizes)
        if lost and row["term"] == OVERALL:
            row["note"] = join_notes(
                row.get("note"), "cells without an estimate left out"
            )
    names: tuple[str, ...] = ("outcome",)
    if uniform_band:
        parts = [j for j, r in enumerate(rows) if OVERALL not in r["term"]] or [0]
        sure = [
            j
            for j in parts
            if errors[j] > 1e-14 and (keep or not rows[j]["single_unit"])
        ]
        critical = uniform_critical_value(
            columns[:, sure], extra["clusters"], draws=draws, seed=seed, level=level
        )
        for j, row in enumerate(rows):
            width = critical if j in sure else critical_value(np.inf, level)
            row["band_low"] = row["estimate"] - width * errors[j]
            row["band_high"] = row["estimate"] + width * errors[j]
            if row["std_error"] is None:
                row["band_low"] = row["band_high"] = None
        names += ("band_low", "band_high")
    attrs = {"influence": Extras({"matrix": columns, "clusters": extra["clusters"]})}
    path = _path(rows, columns, extra["clusters"]) if kind == "dynamic" else None
    if path is not None:
        attrs["covariance"] = path
    frame = tidy(
        rows,
        estimator="group_time_att",
        level=level,
        single_unit_std_error=keep,
        extra_columns=names,
        aggregation=kind,
        outcome=extra["outcome"],
        n_units=len(extra["cohort"]),
        n_clusters=int(extra["clusters"].max()) + 1,
        standard_errors="influence function",
        attrs=attrs,
    )
    if uniform_band:
        frame = frame.astype({"band_low": float, "band_high": float})
    return frame


def _path(rows, columns, clusters) -> Extras | None:
    """Event times with their covariance, where all are measured from -1.

    Only the universal base period measures the leads from there; with a varying one
    they are changes from the period before, and no path.
    """
    events = [j for j, row in enumerate(rows) if row.get("event_time") is not None]
    base = [j for j in events if rows[j]["event_time"] == -1]
    if not base or np.abs(columns[:, base[0]]).max() > 1e-14:
        return None
    kept = [j for j in events if j != base[0]]
    sums = cluster_sums(columns[:, kept], clusters)
    return Extras(
        {
            "event_times": np.array([rows[j]["event_time"] for j in kept]),
            "estimates": np.array([rows[j]["estimate"] for j in kept]),
            "matrix": sums.T @ sums / len(columns) ** 2,
            "single": np.array([rows[j]["single_unit"] for j in kept]),
            "reference": -1,
        }
    )


def _weighted(estimates, influence, shares, cohorts, unit_cohort):
    """Size-weighted mean and its influence, the weights' own variation included.

    w_k = p_k / sum p; the influence of the weights is (1{G = g_k} - p_k) / sum p less
    p_k / (sum p)^2 times the sum of the same over k.
    """
    total = shares.sum()
    centred = (unit_cohort[:, None] == cohorts[None, :]) - shares
    weight_part = centred / total - np.outer(centred.sum(axis=1), shares / total**2)
    return (
        float(estimates @ shares / total),
        influence @ (shares / total) + weight_part @ estimates,
    )


def _aggregate(cells, extra: Mapping, kind: str, usable: np.ndarray):
    """Rows (the overall first) and influence columns of one kind."""
    unit_cohort = extra["cohort"]
    n = len(unit_cohort)
    cohort = cells["cohort"].to_numpy(np.int64)
    event = cells["event_time"].to_numpy(np.int64)
    periods = cells["period"].to_numpy(np.int64)
    estimate = cells["estimate"].to_numpy(float)
    influence = extra["matrix"]
    sizes = extra["sizes"]
    share = np.array([sizes[g] / n for g in cohort])
    post = usable & (event >= 0)
    if not post.any():
        return [], np.empty((n, 0))

    def mean(mask):
        return _weighted(
            estimate[mask], influence[:, mask], share[mask], cohort[mask], unit_cohort
        )

    def row(term, value, cohorts, **more):
        cohorts = np.unique(cohorts).tolist()
        return {
            "term": term,
            "estimate": value,
            "cohorts": cohorts,
            "n_treated_units": sum(sizes[g] for g in cohorts),
            **more,
        }

    if kind == "simple":
        value, column = mean(post)
        return [row(OVERALL, value, cohort[post])], column[:, None]
    parts, columns, everyone = [], [], []
    if kind == "group":
        groups = np.unique(cohort[post])
        for g in groups:
            mask = post & (cohort == g)
            parts.append(row(f"cohort_{g}", estimate[mask].mean(), [g], cohort=g))
            columns.append(influence[:, mask].mean(axis=1))
        values = np.array([p["estimate"] for p in parts])
        shares = np.array([sizes[g] / n for g in groups])
        value, column = _weighted(
            values, np.column_stack(columns), shares, groups, unit_cohort
        )
        everyone = groups
    else:
        key = event if kind == "dynamic" else periods
        pool = usable if kind == "dynamic" else post
        name = "event_time" if kind == "dynamic" else "period"
        for k in np.unique(key[pool]):
            mask = pool & (key == k)
            value, column = mean(mask)
            parts.append(row(f"{name}_{k}", value, cohort[mask], **{name: k}))
            columns.append(column)
        late = [
            j for j, p in enumerate(parts) if kind != "dynamic" or p["event_time"] >= 0
        ]
        value = float(np.mean([parts[j]["estimate"] for j in late]))
        column = np.column_stack([columns[j] for j in late]).mean(axis=1)
        everyone = cohort[post]
    overall = row(OVERALL, value, everyone)
    return [overall, *parts], np.column_stack([column, *columns])


def uniform_critical_value(
    influence: np.ndarray,
    clusters: np.ndarray,
    *,
    draws: int = 999,
    seed: int = 0,
    level: float = 0.95,
) -> float:
    """Critical value of a band that covers several effects at once.

    Each draw multiplies the cluster sums of the influence functions by Mammen's
    two-point weights; the value is the quantile of the largest absolute t over the
    effects, each scaled by its bootstrap interquartile range.

    Parameters
    ----------
    influence : ndarray (n, m)
    clusters : ndarray of int (n,)

    Returns
    -------
    float
        Never below the pointwise value.
    """
    if draws < 100:
        raise OptionError(
            describe(
                f"{draws} bootstrap draws are too few",
                consequence="the quantile of the largest t would be noise",
                remedy="use 999 draws or more",
            )
        )
    pointwise = critical_value(np.inf, level)
    if influence.shape[1] == 0:
        return pointwise
    sums = cluster_sums(influence, clusters)
    rng = np.random.default_rng(seed)
    root = np.sqrt(5.0)
    low, high = (1 - root) / 2, (1 + root) / 2
    flat = rng.random((draws, len(sums))) < (root + 1) / (2 * root)
    moved = np.where(flat, low, high) @ sums / np.sqrt(len(influence))
    quarter = stats.norm.ppf(0.75) - stats.norm.ppf(0.25)
    spread = np.quantile(moved, 0.75, axis=0) - np.quantile(moved, 0.25, axis=0)
    largest = np.abs(moved / (spread / quarter)).max(axis=1)
    return max(float(np.quantile(largest, level)), pointwise)


def gaussian_critical_value(
    matrix: np.ndarray,
    *,
    draws: int = 20_000,
    seed: int = 0,
    level: float = 0.95,
) -> float:
    """Critical value of a joint band from a covariance: the quantile of max |t|.

    Parameters
    ----------
    matrix : ndarray (m, m)
        Covariance of the estimates (Montiel Olea and Plagborg-Moller 2019).

    Returns
    -------
    float
        Never below the pointwise normal value.
    """
    size = np.sqrt(np.diag(matrix))
    values, vectors = np.linalg.eigh(matrix / np.outer(size, size))
    root = vectors * np.sqrt(np.clip(values, 0.0, None))
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((draws, len(size))) @ root.T
    largest = np.abs(drawn).max(axis=1)
    return max(float(np.quantile(largest, level)), critical_value(np.inf, level))
