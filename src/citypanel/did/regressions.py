"""What the regression-based estimators share: a fit, and means of its coefficients.

Sun and Abraham's, Wooldridge's and the stacked estimator are one regression with a
coefficient per cell, followed by weighted means of cells. The weights are sample
shares and are taken as fixed, so a mean w'b has variance w'Vw.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from citypanel.did.covariances import Covariance, Fit, covariance
from citypanel.did.frames import OVERALL, WITHOUT_SINGLE, rests_on_single_units
from citypanel.did.linear import TwoWay, require_full_rank


@dataclass(frozen=True, eq=False)
class Cell:
    """A cohort in a period: its place among the coefficients and its rows."""

    cohort: int
    period: int
    weight: float

    @property
    def event_time(self) -> int:
        return self.period - self.cohort


def absorbed_fit(
    y: np.ndarray,
    x: np.ndarray,
    names: Sequence[str],
    first: np.ndarray | None,
    second: np.ndarray | None,
    weights: np.ndarray | None = None,
) -> Fit:
    """Least squares net of two effects, with the rank checked.

    Parameters
    ----------
    y : ndarray (n,)
    x : ndarray (n, k)
    names : sequence of str, length k
    first, second : ndarray of int (n,) or None
        Effects absorbed; none absorbed when ``first`` is None.
    weights : ndarray (n,), optional
        Regression weights, only without absorbed effects.

    Returns
    -------
    Fit
    """
    if first is None:
        root = 1.0 if weights is None else np.sqrt(weights)
        yd, xd = root * y, (x.T * root).T
    else:
        both = TwoWay(first, second).demean(np.column_stack([y, x]))
        yd, xd = both[:, 0], both[:, 1:]
    require_full_rank(xd, x, names)
    bread = linalg.inv(xd.T @ xd)
    b = bread @ (xd.T @ yd)
    return Fit(xd, b, yd - xd @ b, bread, first, second, False, weights)


def mean_rows(
    cells: Sequence[Cell],
    estimates: np.ndarray,
    matrix: np.ndarray,
    *,
    df: float,
    sizes: Mapping[int, int],
    pre: bool = True,
) -> list[dict]:
    """Cells, event times, cohorts, periods and the overall effect, as tidy rows.

    Parameters
    ----------
    cells : sequence of Cell, length m
        In the order of the first m coefficients.
    estimates : ndarray (m,)
    matrix : ndarray (m, m)
        Covariance of the cells.
    df : float
        Degrees of freedom of the t distribution.
    sizes : mapping
        Units per cohort.
    pre : bool
        Also give the event times before treatment.

    Returns
    -------
    list of dict
        ``overall`` (and without cohorts of one unit), then ``dynamic``, ``group``,
        ``calendar`` and ``group_time`` rows.
    """
    weights = np.array([c.weight for c in cells])
    event = np.array([c.event_time for c in cells])
    cohort = np.array([c.cohort for c in cells])
    period = np.array([c.period for c in cells])
    post = event >= 0

    def row(mask, **labels):
        w = np.where(mask, weights, 0.0)
        w = w / w.sum()
        behind = np.unique(cohort[mask]).tolist()
        return {
            "estimate": float(w @ estimates),
            "std_error": float(np.sqrt(max(w @ matrix @ w, 0.0))),
            "df": df,
            "n_treated_units": sum(sizes[g] for g in behind),
            "single_unit": rests_on_single_units(behind, sizes),
            **labels,
        }

    rows = [row(post, aggregation="simple", term=OVERALL)]
    single = [g for g, n in sizes.items() if n == 1]
    rest = post & ~np.isin(cohort, single)
    if single and rest.any():
        rows.append(
            row(
                rest,
                aggregation="simple",
                term=WITHOUT_SINGLE,
                note="without cohort " + ", ".join(map(str, single)),
            )
        )
    kept = post | pre
    for e in np.unique(event[kept]):
        rows.append(
            row(
                kept & (event == e),
                aggregation="dynamic",
                event_time=e,
                term=f"event_time_{e}",
            )
        )
    for g in np.unique(cohort[post]):
        rows.append(
            row(post & (cohort == g), aggregation="group", cohort=g, term=f"cohort_{g}")
        )
    for t in np.unique(period[post]):
        rows.append(
            row(
                post & (period == t),
                aggregation="calendar",
                period=t,
                term=f"period_{t}",
            )
        )
    for j in np.flatnonzero(kept):
        mask = np.zeros(len(cells), bool)
        mask[j] = True
        rows.append(
            row(
                mask,
                aggregation="group_time",
                cohort=cohort[j],
                period=period[j],
                event_time=event[j],
                term=f"cohort_{cohort[j]}_period_{period[j]}",
            )
        )
    return rows


def dynamic_covariance(cells, estimates, matrix, sizes) -> dict:
    """Event-time effects, their covariance, and which rest on single units."""
    event = np.array([c.event_time for c in cells])
    times = np.unique(event)
    weights = np.array([[c.weight * (c.event_time == e) for c in cells] for e in times])
    weights = weights / weights.sum(axis=1, keepdims=True)
    single = [
        all(sizes[c.cohort] == 1 for c in cells if c.event_time == e) for e in times
    ]
    return {
        "event_times": times,
        "estimates": weights @ estimates,
        "matrix": weights @ matrix @ weights.T,
        "single": np.array(single),
    }


def coefficient_rows(
    names: Iterable[str], start: int, fit: Fit, errors: Covariance
) -> list[dict]:
    """Tidy rows of the controls, whose coefficients begin at ``start``."""
    return [
        {
            "aggregation": "coefficient",
            "term": name,
            "estimate": fit.coefficients[j],
            "std_error": errors.std_errors[j],
            "df": errors.df[j],
        }
        for j, name in enumerate(names, start=start)
    ]


def fit_covariance(
    fit: Fit, cluster: np.ndarray, convention: str, small_sample: Mapping | None
) -> Covariance:
    """Covariance of an absorbed fit by cluster."""
    return covariance(
        fit, convention=convention, cluster=cluster, small_sample=small_sample
    )
