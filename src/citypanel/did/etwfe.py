"""Extended two-way fixed effects of Wooldridge (2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from citypanel.did.frames import (
    staggered_frame,
)
from citypanel.did.linear import independent_columns
from citypanel.did.panels import (
    choose,
    prepare,
    require_treated_and_control,
    require_untreated_each_period,
)
from citypanel.did.regressions import (
    Cell,
    absorbed_fit,
    dynamic_covariance,
    fit_covariance,
    mean_rows,
)
from citypanel.did.twfe import wald_row

CONTROL_GROUPS = ("not_yet", "never")


def etwfe(
    panel: pd.DataFrame,
    *,
    outcome: str,
    cohort: str,
    unit: str,
    period: str,
    controls: Sequence[str] = (),
    control_group: str = "not_yet",
    standard_errors: str = "xtreg",
    cluster: str | None = None,
    small_sample: Mapping[str, object] | None = None,
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Saturated pooled regression: a coefficient per treated cohort and period.

    y_it on cohort and period dummies, controls with slopes of their own for each
    cohort and each period, the cells d_gt, and the cells times the controls less
    their cohort mean. In a balanced panel the cohort dummies give the coefficients
    that unit effects would (Wooldridge 2021, section 5).

    Parameters
    ----------
    panel : DataFrame
        One row per unit and period. Units treated from the first period on are left
        out.
    outcome, cohort, unit, period : str
        Column names; cohort 0 or null = never.
    controls : sequence of str
        Best fixed before treatment (see the paper on bad controls).
    control_group : {"not_yet", "never"}
        With "never" every cell but the period before treatment has a coefficient, so
        that leads appear and only never-treated units are compared with.
    standard_errors, small_sample
        A convention of `twfe` (clustered ones), by ``cluster`` (units by default).
    single_unit_std_error : bool
        Report standard errors for rows that rest on cohorts of one unit.
    level : float

    Returns
    -------
    DataFrame
        As `sun_abraham`; intervals are normal.

    Raises
    ------
    EstimationError
        Nobody treated; no never-treated units with ``never``; with ``not_yet`` a
        period in which every unit is treated.

    References
    ----------
    Wooldridge (2021), SSRN 3906345; Wooldridge (2023), Econometrics Journal 26.
    """
    choose("control_group", control_group, CONTROL_GROUPS)
    data = prepare(
        panel,
        outcome=outcome,
        unit=unit,
        period=period,
        cohort=cohort,
        controls=controls,
        cluster=cluster,
        first_period_treated="drop",
    )
    needs = "never" if control_group == "never" else "any"
    require_treated_and_control(data, cohort=cohort, needs=needs)
    require_untreated_each_period(data, period=period)
    sizes = data.cohort_sizes
    row_cohort = data.cohort[data.unit]
    row_period = data.periods[data.period]
    cells, members = [], []
    for g in sizes:
        for t in data.periods:
            wanted = t >= g or (control_group == "never" and t != g - 1)
            rows = (row_cohort == g) & (row_period == t)
            if wanted and rows.any():
                cells.append(Cell(g, int(t), float(rows.sum())))
                members.append(rows)
    d = np.column_stack(members).astype(float)
    x = data.controls
    k = x.shape[1]
    codes = np.unique(row_cohort, return_inverse=True)[1]
    groups = np.eye(codes.max() + 1)[codes]
    times = np.eye(len(data.periods))[data.period]
    centred = x - groups @ ((groups.T @ x) / groups.sum(axis=0)[:, None])
    nuisance = [groups, times]
    for j in range(k):
        nuisance += [groups * x[:, [j]], times * x[:, [j]]]
    blocks = [d] + [d * centred[:, [j]] for j in range(k)]
    effects = np.hstack(blocks)
    design = np.hstack([*nuisance, effects])
    keep = independent_columns(design)
    first = design.shape[1] - effects.shape[1]
    # A cell of one city leaves no slope of its own on the controls: such columns are
    # left out like other combinations of the columns before them.
    m = len(cells)
    order = np.flatnonzero(keep)
    place = np.full(design.shape[1], -1)
    place[order] = np.arange(len(order))
    names = [f"column {j}" for j in order]
    fit = absorbed_fit(data.y, design[:, order], names, None, None)
    errors = fit_covariance(fit, data.cluster, standard_errors, small_sample)
    linear = np.zeros((m, len(order)))
    for c in range(m):
        linear[c, place[first + c]] = 1.0
        for j in range(k):
            at = place[first + (j + 1) * m + c]
            if at >= 0:
                linear[c, at] = centred[members[c], j].mean()
    estimates = linear @ fit.coefficients
    matrix = linear @ errors.matrix @ linear.T
    rows = mean_rows(cells, estimates, matrix, df=np.inf, sizes=sizes)
    dynamic = dynamic_covariance(cells, estimates, matrix, sizes)
    leads = [
        j
        for j, e in enumerate(dynamic["event_times"])
        if e < -1 and not dynamic["single"][j]
    ]
    if control_group == "never":
        rows.append(
            wald_row(
                dynamic["estimates"][leads],
                dynamic["matrix"][np.ix_(leads, leads)],
                df=data.n_clusters - 1.0,
            )
        )
    return staggered_frame(
        data,
        rows,
        dynamic,
        estimator="etwfe",
        outcome=outcome,
        standard_errors=errors.name,
        n_clusters=errors.n_clusters,
        level=level,
        single_unit_std_error=single_unit_std_error,
    )
