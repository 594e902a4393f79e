"""Switchers against cities that have not switched yet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from citypanel.did.frames import (
    staggered_frame,
)
from citypanel.did.group_time import unit_clusters
from citypanel.did.linear import cluster_sums
from citypanel.did.panels import prepare, require_treated_and_control
from citypanel.did.regressions import (
    Cell,
    absorbed_fit,
    dynamic_covariance,
    mean_rows,
)
from citypanel.did.twfe import wald_row
from citypanel.errors import EstimationError, describe


def switchers(
    panel: pd.DataFrame,
    *,
    outcome: str,
    cohort: str,
    unit: str,
    period: str,
    controls: Sequence[str] = (),
    effects: int | None = None,
    placebos: int | None = None,
    cluster: str | None = None,
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Effects of de Chaisemartin and D'Haultfoeuille for an absorbing treatment.

    DID(g, e) is the change of cohort g from g-1 to g+e less that of the units not
    treated by g+e; event time e averages cohorts by size. Placebo k compares g-1-k
    with g-1 for the units whose effect k-1 can be estimated.

    Parameters
    ----------
    panel : DataFrame
        One row per unit and period. Units not seen in every period, and units treated
        from the first period on, are left out.
    outcome, cohort, unit, period : str
        Column names; cohort 0 or null = never.
    controls : sequence of str
        Taken out first, with slopes from first differences of untreated rows.
    effects, placebos : int, optional
        How many event times after and before; all by default.
    cluster : str, optional
    single_unit_std_error : bool
        Report standard errors for rows that rest on cohorts of one unit.
    level : float

    Returns
    -------
    DataFrame
        ``simple``/``overall`` (switchers' mean effect per treated period),
        ``dynamic`` (placebo k at event time -k-1), ``group``, ``calendar``,
        ``group_time`` and the joint test of the placebos; normal intervals. Standard
        errors: each unit's change less its cohort's mean (or the controls'), scaled
        by n/(n-1).

    Raises
    ------
    EstimationError
        Nobody treated; no event time with units that have not switched yet.

    References
    ----------
    de Chaisemartin and D'Haultfoeuille (2020), American Economic Review 110; (2024),
    Review of Economics and Statistics.
    """
    data = prepare(
        panel,
        outcome=outcome,
        unit=unit,
        period=period,
        cohort=cohort,
        controls=controls,
        cluster=cluster,
        balanced=True,
        first_period_treated="drop",
    )
    require_treated_and_control(data, cohort=cohort, needs="any")
    clusters = unit_clusters(data, cluster)
    y = data.matrix(_without_controls(data))
    sizes = data.cohort_sizes
    cells, estimates, influence = [], [], []
    for g, size in sizes.items():
        start = int(np.searchsorted(data.periods, g))
        own = data.cohort == g
        for step in range(len(data.periods) - start):
            if effects is not None and step >= effects:
                break
            at = start + step
            rest = (data.cohort == 0) | (data.cohort > data.periods[at])
            if not rest.any():
                break
            placebo = start - 2 - step
            pairs = [(g + step, at)]
            if placebo >= 0 and (placebos is None or step < placebos):
                pairs.append((g - 2 - step, placebo))
            for when, column in pairs:
                change = y[:, column] - y[:, start - 1]
                cells.append(Cell(g, int(when), float(size)))
                estimates.append(change[own].mean() - change[rest].mean())
                part = np.zeros(data.n_units)
                part[own] = _scaled(change[own])
                part[rest] = -_scaled(change[rest])
                influence.append(part)
    if not cells:
        raise EstimationError(
            describe(
                "No switcher has a city that has not switched yet beside it",
                [f"cohort {g}: {n} cities" for g, n in sizes.items()],
                consequence="there is no comparison",
                remedy="add never-treated cities or later cohorts",
            )
        )
    sums = cluster_sums(np.column_stack(influence), clusters)
    matrix = sums.T @ sums
    estimates = np.array(estimates)
    rows = mean_rows(cells, estimates, matrix, df=np.inf, sizes=sizes)
    rows.append(_placebo_test(cells, estimates, matrix, sizes))
    return staggered_frame(
        data,
        rows,
        dynamic_covariance(cells, estimates, matrix, sizes),
        estimator="switchers",
        outcome=outcome,
        standard_errors="cohort-demeaned",
        n_clusters=int(clusters.max()) + 1,
        level=level,
        single_unit_std_error=single_unit_std_error,
    )


def _scaled(change: np.ndarray) -> np.ndarray:
    """Deviations from the mean over n, with n/(n-1) on the variance.

    One unit has no deviation; its own change stands for it, as the rows that rest on
    it alone are marked.
    """
    n = len(change)
    if n == 1:
        return change
    return (change - change.mean()) * np.sqrt(n / (n - 1.0)) / n


def _without_controls(data) -> np.ndarray:
    if not data.control_names:
        return data.y
    follows = np.flatnonzero(np.diff(data.unit) == 0) + 1
    both = follows[~data.treated[follows]]
    change = data.y[both] - data.y[both - 1]
    x = data.controls[both] - data.controls[both - 1]
    when = np.unique(data.period[both], return_inverse=True)[1]
    fit = absorbed_fit(change, x, data.control_names, when, None)
    return data.y - data.controls @ fit.coefficients


def _placebo_test(cells, estimates, matrix, sizes) -> dict:
    """Joint test of the event times before -1."""
    event = np.array([c.event_time for c in cells])
    weights = []
    for e in np.unique(event[event < 0]):
        w = np.array([c.weight * (c.event_time == e) for c in cells])
        if all(sizes[c.cohort] == 1 for c in cells if c.event_time == e):
            continue
        weights.append(w / w.sum())
    if not weights:
        return wald_row(np.empty(0), np.empty((0, 0)), df=np.inf)
    w = np.array(weights)
    return wald_row(w @ estimates, w @ matrix @ w.T, df=np.inf)
