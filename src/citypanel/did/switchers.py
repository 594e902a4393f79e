"""Switchers against units that have not switched yet."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from citypanel.did.frames import staggered_frame
from citypanel.did.linear import cluster_sums
from citypanel.did.moments import MomentPanel, condense
from citypanel.did.panels import Panel, on_panel, require_treated_and_control
from citypanel.did.regressions import (
    Cells,
    Untreated,
    dynamic_covariance,
    leads_rows,
    mean_rows,
    regress,
)
from citypanel.errors import EstimationError


@on_panel("cohort", "controls", "weights", "cluster", ready=condense)
def switchers(
    data: Panel,
    *,
    effects: int | None = None,
    placebos: int | None = None,
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Effects of de Chaisemartin and D'Haultfoeuille for an absorbing treatment.

    DID(g, e) is the change of cohort g from b to g+e less that of the units not
    treated by g+e, with b the last period seen before g (g-1 without gaps); event time
    e averages cohorts by size. Placebo k compares b-k with b for the units whose
    effect over as long a time can be estimated.

    Parameters
    ----------
    panel : DataFrame or Panel
        One row per unit and period. Units not seen in every period, and units treated
        from the first period on, are left out (see the note and ``attrs["dropped"]``).
    outcome, cohort, unit, period, controls, weights, cluster, frequency
        Names of columns (see `panels.Design`). Controls are taken out first, with
        slopes from first differences of untreated rows. Changes are averaged with the
        units' weights in period b, and cohorts with the sums of their weights: the
        effect is that of the population the weights stand for.
    effects, placebos : int, optional
        How many periods after and before; all by default.
    single_unit_std_error : bool
        Report standard errors for rows that rest on one treated unit.
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
        Nobody treated; no event time with units that have not switched yet; untreated
        rows that do not identify the slope of a control on which every effect hangs.

    References
    ----------
    de Chaisemartin and D'Haultfoeuille (2020), American Economic Review 110; (2024),
    Review of Economics and Statistics.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> found = did.switchers(zones(), **columns)
    >>> found[found["term"] == "overall"][["estimate", "std_error"]].round(3)
       estimate  std_error
    0     0.118      0.013
    """
    data = data.without_always_treated().balanced()
    require_treated_and_control(data)
    by_group = isinstance(data, MomentPanel)
    clusters = None if by_group else data.unit_clusters
    untreated = _without_controls(data)
    y, w = data.matrix(untreated.outcome), data.matrix(data.row_weights)
    unseen = [data.matrix(column) for column in untreated.unseen.T]
    column = {int(p): j for j, p in enumerate(data.positions)}
    cells, estimates, influence, moved = [], [], [], []
    for g, b, p, pairs in horizons(data, effects, placebos):
        own, rest = data.start == g, data.start > p
        if not rest.any():
            continue
        for at in pairs:
            first, last = column[b], column[at]
            change = y[:, last] - y[:, first]
            if by_group:
                estimate, part = _gap_of_groups(data, change, own, rest)
                part = (part, first, last)
            else:
                estimate, part = mean_gap(change, own, rest, w[:, first])
            cells.append((g, at, w[own, first].sum(), np.flatnonzero(own)))
            estimates.append(estimate)
            influence.append(part)
            moved.append(
                [
                    mean_gap(x[:, last] - x[:, first], own, rest, w[:, first])[0]
                    for x in unseen
                ]
            )
    if not cells:
        raise EstimationError.of(
            "did.no_switcher_unit_not",
            [
                f"cohort {data.name(g)}: {n} unit{'s' if n > 1 else ''}"
                for g, n in data.sizes.items()
            ]
            + ([data.note] if data.note else []),
        )
    found = Cells.of(cells, data.count)
    if by_group:
        matrix = _covariance_of_groups(data, influence)
    else:
        sums = cluster_sums(np.column_stack(influence), clusters)
        matrix = sums.T @ sums
    estimates = np.array(estimates)
    known, said = untreated.judge(found, np.array(moved))
    data = data.remarking(said, data.base_note)
    dynamic = dynamic_covariance(data, found, estimates, matrix, known)
    rows = mean_rows(data, found, estimates, matrix, df=np.inf, known=known)
    rows += leads_rows(dynamic, before=0, df=np.inf)
    return staggered_frame(
        data,
        rows,
        dynamic,
        estimator="switchers",
        standard_errors="cohort-demeaned",
        n_clusters=data.n_clusters,
        level=level,
        single_unit_std_error=single_unit_std_error,
        reference=data.reference,
    )


def horizons(
    data: Panel, effects: int | None, placebos: int | None
) -> Iterator[tuple[int, int, int, list[int]]]:
    """Cohort, its base, a period after, and what is compared with the base.

    That is the period itself and, for a placebo, its mirror image before the base.
    """
    positions = [int(p) for p in data.positions]
    for g in data.sizes:
        b = max(p for p in positions if p < g)
        for p in (p for p in positions if p >= g):
            if effects is not None and p - g >= effects:
                break
            mirrored = 2 * b - p
            is_placebo = mirrored in positions and (
                placebos is None or p - g < placebos
            )
            yield g, b, p, [p, mirrored] if is_placebo else [p]


def mean_gap(
    change: np.ndarray, own: np.ndarray, rest: np.ndarray, weight: np.ndarray
) -> tuple[float, np.ndarray]:
    """Mean change of a cohort less that of the rest, and each unit's part in it."""
    part, means = np.zeros(len(change)), []
    for side, sign in ((own, 1.0), (rest, -1.0)):
        mean, moved = _mean(change[side], weight[side])
        means.append(mean)
        part[side] = sign * moved
    return means[0] - means[1], part


def _gap_of_groups(data, change, own, rest) -> tuple[float, np.ndarray]:
    """`mean_gap` from groups: difference, and the scores and slopes (2, U) in it."""
    total, stands = data.weights[data.first_rows], data.stands
    parts, means = np.zeros((2, len(change))), []
    for side, sign in ((own, 1.0), (rest, -1.0)):
        n, share = stands[side].sum(), 1.0 / total[side].sum()
        mean = total[side] @ change[side] * share
        means.append(mean)
        scale, centre = (share * np.sqrt(n / (n - 1.0)), mean) if n > 1 else (share, 0)
        parts[0, side] = sign * scale * (change[side] - centre)
        parts[1, side] = sign * scale
    return float(means[0] - means[1]), parts


def _covariance_of_groups(data, influence) -> np.ndarray:
    level = np.column_stack([part[0] for part, _, _ in influence])
    slope = np.zeros((len(level), data.sums.seen.shape[1], len(influence)))
    for j, (part, first, last) in enumerate(influence):
        slope[:, data.column[last], j] += part[1]
        slope[:, data.column[first], j] -= part[1]
    return data.outer(level, data.with_level(slope))


def _mean(change: np.ndarray, weight: np.ndarray) -> tuple[float, np.ndarray]:
    """Weighted mean, and each unit's part in it with n/(n-1) on the variance.

    One unit has no deviation from its mean; its own change stands for it, as the rows
    that rest on it alone are marked.
    """
    n = len(change)
    if n == 1:
        return float(change[0]), change
    if (weight == weight[0]).all():
        mean = change.mean()
        return float(mean), (change - mean) * np.sqrt(n / (n - 1.0)) / n
    share = weight / weight.sum()
    mean = share @ change
    return float(mean), (change - mean) * share * np.sqrt(n / (n - 1.0))


def _without_controls(data: Panel) -> Untreated:
    """The outcome net of the controls."""
    if not data.control_names:
        return Untreated(data, None)
    follows = np.flatnonzero(np.diff(data.unit) == 0) + 1
    both = follows[~data.treated[follows]]
    change = data.y[both] - data.y[both - 1]
    x = data.controls[both] - data.controls[both - 1]
    when = np.unique(data.period[both], return_inverse=True)[1]
    weights = None if data.weights is None else data.weights[both]
    return Untreated(data, regress(change, x, when, None, weights))
