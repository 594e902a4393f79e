"""Summaries of group-time effects, and uniform bands by multiplier bootstrap."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from citypanel.did.frames import (
    NOTE_ROUNDING,
    OVERALL,
    WITHOUT_SINGLE,
    Extras,
    critical_value,
    join_notes,
    tidy,
)
from citypanel.did.linear import cluster_sums
from citypanel.did.panels import choose
from citypanel.did.results import remembering
from citypanel.errors import EstimationError, OptionError

KINDS = ("simple", "group", "dynamic", "calendar")


@remembering
def aggregate_att(
    group_time: pd.DataFrame,
    kind: str = "simple",
    *,
    min_event_time: float | None = None,
    max_event_time: float | None = None,
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
        What `group_time_att` returned, or some of its rows in any order: the mean is
        over the cells that are there. Where that had ``weights``, cohorts count with
        their weight and not with their number of units.
    kind : {"simple", "group", "dynamic", "calendar"}
        - simple: the mean of the effects after treatment, weighted by cohort size;
        - group: each cohort's mean over its periods; overall, weighted by size;
        - dynamic: by event time, weighted by size; overall, the plain mean over event
          times 0 and later;
        - calendar: by period, weighted by size; overall, the plain mean over periods.
    min_event_time, max_event_time : float, optional
        Limits of the event times used, as the frame writes them.
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
        period. A row that rests on one treated unit alone has no standard error.

    Raises
    ------
    EstimationError
        A frame without influence functions or with cells that are not those
        estimated; no effect to aggregate.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> cells = did.group_time_att(zones(), **columns)
    >>> found = did.aggregate_att(cells, "group")
    >>> found[["term", "estimate", "std_error"]].round(3)
              term  estimate  std_error
    0      overall     0.106      0.019
    1  cohort_2014     0.167      0.017
    2  cohort_2016     0.045      0.013
    >>> late = cells[cells["period"] >= 2018]
    >>> did.aggregate_att(late).loc[0, "estimate"].round(3)
    np.float64(0.136)
    """
    choose("kind", kind, KINDS)
    cells = _Cells.of(group_time)
    extra = cells.extra
    keep = extra["single_unit_std_error"]
    if single_unit_std_error is not None:
        keep = single_unit_std_error
    low = -np.inf if min_event_time is None else min_event_time
    high = np.inf if max_event_time is None else max_event_time
    span = cells.grid.span
    inside = np.array([low <= span(e) <= high for e in cells.event], bool)
    usable = cells.known & inside
    rows, columns = cells.aggregate(kind, usable)
    if not rows:
        raise EstimationError.of("did.no_effect_after_treatment", kind=kind)
    sizes = cells.sizes
    single = [g for g, size in sizes.items() if size == 1]
    if single and len(single) < len(sizes):
        more, other = cells.aggregate(kind, usable & ~np.isin(cells.cohort, single))
        if more:
            gone = ", ".join(str(cells.grid.label(g)) for g in single)
            more[0] |= {"term": WITHOUT_SINGLE, "note": f"without cohort {gone}"}
            rows.insert(1, more[0])
            columns = np.insert(columns, 1, other[:, 0], axis=1)
    law = extra["law"]
    errors = law.std_errors(columns)
    sure = errors > extra["resolution"]
    lost = not cells.known.all()
    for row, error, certain in zip(rows, errors, sure, strict=True):
        row["std_error"] = error if certain else None
        if not certain and (error or row["estimate"]):
            row["note"] = join_notes(row.get("note"), NOTE_ROUNDING)
        row["single_unit"] = row["n_treated_units"] == 1
        if row["term"] == OVERALL:
            row["note"] = join_notes(
                row.get("note"),
                "cells without an estimate left out" if lost else None,
                extra["note"],
            )
    names: tuple[str, ...] = ("outcome",)
    if uniform_band:
        parts = [j for j, r in enumerate(rows) if OVERALL not in r["term"]] or [0]
        wide = [j for j in parts if sure[j] and (keep or not rows[j]["single_unit"])]
        critical = uniform_critical_value(
            law.units(columns[:, wide]),
            extra["clusters"],
            draws=draws,
            seed=seed,
            level=level,
        )
        for j, row in enumerate(rows):
            width = critical if j in wide else critical_value(np.inf, level)
            row["band_low"] = row["estimate"] - width * errors[j]
            row["band_high"] = row["estimate"] + width * errors[j]
            if row["std_error"] is None:
                row["band_low"] = row["band_high"] = None
        names += ("band_low", "band_high")
    attrs = {
        "influence": Extras(law.extras(columns)),
        "dropped": group_time.attrs["dropped"],
    }
    path = cells.path(rows, columns, usable) if kind == "dynamic" else None
    if path is not None:
        attrs["covariance"] = path
    for row in rows:
        row.pop("event", None)
    frame = tidy(
        rows,
        estimator="group_time_att",
        level=level,
        single_unit_std_error=keep,
        extra_columns=names,
        aggregation=kind,
        outcome=extra["outcome"],
        n_units=law.n_units,
        n_clusters=extra["n_clusters"],
        standard_errors="influence function",
        attrs=attrs,
    )
    if uniform_band:
        frame = frame.astype({"band_low": float, "band_high": float})
    return frame


@dataclass(frozen=True, eq=False)
class _Cells:
    """Cells of a frame with their influence functions, in the order of estimation.

    ``cohort``, ``period`` and ``event`` (m,) are positions, ``influence`` their
    columns, as the frame's ``law`` holds them.
    """

    extra: Extras
    cohort: np.ndarray
    period: np.ndarray
    base: np.ndarray
    estimate: np.ndarray
    influence: np.ndarray

    @classmethod
    def of(cls, frame: pd.DataFrame) -> _Cells:
        """Match the rows of a frame by cohort and period to what was estimated."""
        extra = frame.attrs.get("influence")
        if not isinstance(extra, Extras) or "cells" not in extra:
            raise EstimationError.of("did.frame_carries_no_influence")
        grid, stored = extra["grid"], extra["cells"]
        rows = frame[frame["aggregation"] == "group_time"]
        place = {
            (grid.label(g), grid.label(t)): j
            for j, (g, t) in enumerate(
                zip(stored["cohort"], stored["period"], strict=True)
            )
        }
        keys = list(zip(rows["cohort"], rows["period"], strict=True))
        found = np.array([place.get(key, -1) for key in keys], int)
        values = rows["estimate"].to_numpy(float)
        own = stored["estimate"].to_numpy(float)[found]
        same = (found >= 0) & ((values == own) | (np.isnan(values) & np.isnan(own)))
        twice = pd.Series(found).duplicated().to_numpy() & (found >= 0)
        for kind, bad in (("unknown", found < 0), ("twice", twice), ("changed", ~same)):
            if bad.any():
                shown = rows.loc[bad, ["cohort", "period", "estimate"]]
                raise EstimationError.of(
                    "did.cells_of_others",
                    (
                        f"cohort {g}, period {t}: {value:.6g}"
                        for g, t, value in shown.itertuples(index=False)
                    ),
                    unknown=kind == "unknown",
                    twice=kind == "twice",
                    changed=kind == "changed",
                )
        order = np.sort(found)
        kept = stored.iloc[order]
        return cls(
            extra,
            kept["cohort"].to_numpy(int),
            kept["period"].to_numpy(int),
            kept["base"].to_numpy(float),
            kept["estimate"].to_numpy(float),
            extra["columns"][:, order],
        )

    @property
    def grid(self):
        return self.extra["grid"]

    @property
    def sizes(self) -> dict[int, int]:
        return self.extra["sizes"]

    @property
    def event(self) -> np.ndarray:
        return self.period - self.cohort

    @property
    def known(self) -> np.ndarray:
        return ~np.isnan(self.estimate)

    def _weighted(self, values, influence, cohorts):
        """Weighted mean and its influence, the weights' own variation included.

        With p_k the mean over units of w_i 1{G_i = g_k}, the weights are p_k / sum p;
        their influence is (w_i 1{G_i = g_k} - p_k) / sum p less p_k / (sum p)^2 times
        the sum of the same over k.
        """
        shares, centred = self.extra["law"].shares(cohorts)
        total = shares.sum()
        weight_part = centred / total - np.outer(centred.sum(axis=1), shares / total**2)
        return (
            float(values @ shares / total),
            influence @ (shares / total) + weight_part @ values,
        )

    def _mean(self, mask):
        return self._weighted(
            self.estimate[mask], self.influence[:, mask], self.cohort[mask]
        )

    def _row(self, term, value, cohorts, **more):
        cohorts = np.unique(cohorts).tolist()
        return {
            "term": term,
            "estimate": value,
            "n_treated_units": sum(self.sizes[g] for g in cohorts),
            **more,
        }

    def aggregate(self, kind: str, usable: np.ndarray):
        """Rows (the overall first) and influence columns of one kind."""
        post = usable & (self.event >= 0)
        if not post.any():
            return [], np.empty((len(self.influence), 0))
        label, span = self.grid.label, self.grid.span
        everyone = self.cohort[post]
        if kind == "simple":
            value, column = self._mean(post)
            return [self._row(OVERALL, value, everyone)], column[:, None]
        parts, columns = [], []
        if kind == "group":
            groups = np.unique(everyone)
            for g in groups:
                mask = post & (self.cohort == g)
                value, name = self.estimate[mask].mean(), label(g)
                parts.append(self._row(f"cohort_{name}", value, [g], cohort=name))
                columns.append(self.influence[:, mask].mean(axis=1))
            values = np.array([p["estimate"] for p in parts])
            value, column = self._weighted(values, np.column_stack(columns), groups)
            overall = self._row(OVERALL, value, groups)
            return [overall, *parts], np.column_stack([column, *columns])
        key, pool = (self.event, usable) if kind == "dynamic" else (self.period, post)
        late = []
        for k in np.unique(key[pool]):
            mask = pool & (key == k)
            value, column = self._mean(mask)
            if kind == "dynamic":
                name = {"event_time": span(k), "event": int(k)}
                term = f"event_time_{span(k)}"
            else:
                name, term = {"period": label(k)}, f"period_{label(k)}"
            if kind != "dynamic" or k >= 0:
                late.append(len(parts))
            parts.append(self._row(term, value, self.cohort[mask], **name))
            columns.append(column)
        value = float(np.mean([parts[j]["estimate"] for j in late]))
        column = np.column_stack([columns[j] for j in late]).mean(axis=1)
        overall = self._row(OVERALL, value, everyone)
        return [overall, *parts], np.column_stack([column, *columns])

    def path(self, rows, columns, usable) -> Extras | None:
        """Event times with their covariance, where all share one reference.

        Only the universal base period measures the leads from one event time; with a
        varying one they are changes from the period before, and no path.
        """
        bases = np.unique((self.base - self.cohort)[usable])
        events = {r["event"]: j for j, r in enumerate(rows) if "event" in r}
        if len(bases) != 1 or bases[0] not in events:
            return None
        reference = int(bases[0])
        kept = [j for e, j in events.items() if e != reference]
        positions = np.array([rows[j]["event"] for j in kept])
        return Extras(
            {
                "positions": positions,
                "event_times": np.array([rows[j]["event_time"] for j in kept]),
                "estimates": np.array([rows[j]["estimate"] for j in kept]),
                "matrix": self.extra["law"].covariance(columns[:, kept]),
                "single": np.array([rows[j]["single_unit"] for j in kept]),
                "reference": reference,
                "span": self.grid.span,
            }
        )


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
        raise OptionError.of("did.bootstrap_draws_too_few_2", draws=draws)
    pointwise = critical_value(np.inf, level)
    if influence.shape[1] == 0:
        return pointwise
    sums = cluster_sums(influence, clusters)
    rng = np.random.default_rng(seed)
    root = np.sqrt(5.0)
    low, high = (1 - root) / 2, (1 + root) / 2
    flat = rng.random((draws, len(sums))) < (root + 1) / (2 * root)
    moved = np.where(flat, low, high) @ sums / np.sqrt(len(influence))
    quarter = special.ndtri(0.75) - special.ndtri(0.25)
    spread = np.quantile(moved, 0.75, axis=0) - np.quantile(moved, 0.25, axis=0)
    largest = np.abs(moved / (spread / quarter)).max(axis=1)
    return max(float(np.quantile(largest, level)), pointwise)


@functools.lru_cache(maxsize=2)
def _normals(seed: int, draws: int, m: int) -> np.ndarray:
    """Standard normal draws (draws, m), the same for all bands of a table."""
    drawn = np.random.default_rng(seed).standard_normal((draws, m))
    drawn.flags.writeable = False
    return drawn


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
    drawn = _normals(seed, draws, len(size)) @ root.T
    largest = np.abs(drawn).max(axis=1)
    return max(float(np.quantile(largest, level)), critical_value(np.inf, level))
