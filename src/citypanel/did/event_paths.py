"""The event-time estimates and covariance that sensitivity analyses start from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from citypanel.did.frames import Extras, Result, tidy
from citypanel.errors import EstimationError


@dataclass(frozen=True, eq=False)
class EventPath:
    """Event times around a reference, in order, without the reference itself.

    ``times`` (m,) and ``reference`` are positions on the panel's grid, ``labels`` (m,)
    the same in the periods' own units, ``base`` that of the reference; ``estimates``
    (m,), ``matrix`` (m, m). The times are contiguous with the reference.
    """

    times: np.ndarray
    labels: np.ndarray
    estimates: np.ndarray
    matrix: np.ndarray
    reference: int
    base: object

    @property
    def n_before(self) -> int:
        return int((self.times < self.reference).sum())

    @property
    def n_after(self) -> int:
        return int((self.times > self.reference).sum())

    def rebased(self, reference: float) -> EventPath:
        """The same path measured from another event time before treatment.

        With one base for all, b_e - b_r has the covariance of the difference.

        Raises
        ------
        EstimationError
            An event time that is not on the path, or nothing before it.
        """
        if reference == self.base:
            return self
        found = np.flatnonzero((self.labels == reference) & (self.times < 0))
        if not len(found) or found[0] == 0:
            raise _no_side(reference, self.labels)
        here = int(found[0])
        # The old base takes the new one's place: zero less what stood there.
        moved = np.eye(len(self.times))
        moved[:, here] -= 1.0
        moved[here, here] = -1.0
        times, labels = self.times.copy(), self.labels.copy()
        times[here], labels[here] = self.reference, self.base
        order = np.argsort(times)
        moved = moved[order]
        return EventPath(
            times[order],
            labels[order],
            moved @ self.estimates,
            moved @ self.matrix @ moved.T,
            int(self.times[here]),
            self.labels[here],
        )


def event_path(frame: pd.DataFrame, *, single_units: bool = False) -> EventPath:
    """Event path of an event study.

    Parameters
    ----------
    frame : DataFrame
        From `event_study`, `sun_abraham`, `two_stage`, `etwfe`, `stacked`, or
        `aggregate_att` (dynamic, universal base period), or some of its rows in any
        order: event times whose row is not there are not used.
    single_units : bool
        Keep event times that rest on one treated unit; by default the path ends
        before them.

    Raises
    ------
    EstimationError
        A frame without a covariance of event times, or with estimates that are not
        those it belongs to; a path without one event time on each side of the
        reference.
    """
    extra = frame.attrs.get("covariance")
    if not isinstance(extra, Extras) or "event_times" not in extra:
        raise EstimationError.of("did.frame_carries_no_covariance")
    labels = np.asarray(extra["event_times"])
    times = np.asarray(extra["positions"]) if "positions" in extra else labels
    if extra["reference"] is None:
        raise _no_side("none", times)
    reference = int(extra["reference"])
    estimates = np.asarray(extra["estimates"], float)
    usable = ~np.asarray(extra["single"]) | single_units
    usable &= np.isfinite(estimates) & _shown(frame, labels, estimates)
    kept = []
    for side in (-1, 1):
        e = reference + side
        while e in times and usable[np.flatnonzero(times == e)[0]]:
            kept.append(e)
            e += side
    order = [int(np.flatnonzero(times == e)[0]) for e in sorted(kept)]
    path = EventPath(
        times[order],
        labels[order],
        estimates[order],
        np.asarray(extra["matrix"])[np.ix_(order, order)],
        reference,
        _label(extra, reference),
    )
    if path.n_before == 0 or path.n_after == 0:
        raise _no_side(_label(extra, reference), path.labels)
    return path


def path_frame(frame: pd.DataFrame, rows: list[dict], **options: Any) -> Result:
    """`tidy` under the estimator and the outcome of an event study."""
    return tidy(
        rows,
        estimator=str(frame["estimator"].iloc[0]),
        outcome=frame["outcome"].iloc[0] if "outcome" in frame else None,
        **options,
    )


def _shown(frame: pd.DataFrame, labels, estimates) -> np.ndarray:
    """Event times (m,) that have a row in the frame, with the estimate they had."""
    rows = frame[frame["aggregation"].isin(["dynamic", "event"])]
    values = dict(zip(rows["event_time"], rows["estimate"], strict=True))
    shown = np.array([label in values for label in labels], bool)
    rounding = 1e-9 * np.abs(estimates[np.isfinite(estimates)]).max(initial=0.0)
    for label, own in zip(labels[shown], estimates[shown], strict=True):
        if abs(values[label] - own) > rounding:
            raise EstimationError.of(
                "did.rows_frame_hold_estimate",
                [f"event time {label}: {values[label]:.6g} for {own:.6g}"],
            )
    return shown


def _label(extra: Extras, position: int) -> object:
    return extra["span"](position) if "span" in extra else position


def _no_side(reference: object, usable: np.ndarray) -> EstimationError:
    return EstimationError.of(
        "did.no_event_time_on",
        [f"event times usable: {', '.join(map(str, usable)) or 'none'}"],
        reference=reference,
    )
