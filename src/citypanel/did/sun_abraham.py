"""Interaction-weighted event study of Sun and Abraham (2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from citypanel.did.frames import (
    staggered_frame,
)
from citypanel.did.panels import prepare, require_treated_and_control
from citypanel.did.regressions import (
    Cell,
    absorbed_fit,
    coefficient_rows,
    dynamic_covariance,
    fit_covariance,
    mean_rows,
)
from citypanel.did.twfe import wald_row
from citypanel.errors import EstimationError, describe


def sun_abraham(
    panel: pd.DataFrame,
    *,
    outcome: str,
    cohort: str,
    unit: str,
    period: str,
    controls: Sequence[str] = (),
    reference: int = -1,
    standard_errors: str = "xtreg",
    cluster: str | None = None,
    small_sample: Mapping[str, object] | None = None,
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Event study with a coefficient per cohort and event time.

    y_it = alpha_i + lambda_t + sum over g, e of d_ge 1{G_i = g} 1{t - g = e}
    + x_it' gamma + e_it, e not ``reference``; an event time's effect is the mean of
    d_ge over cohorts with their shares of the rows at e as weights.

    Parameters
    ----------
    panel : DataFrame
        One row per unit and period. Units treated from the first period on are left
        out. Without never-treated units the last cohort is the control group, and
        the periods from its treatment on are left out.
    outcome, cohort, unit, period : str
        Column names; cohort 0 or null = never.
    controls : sequence of str
    reference : int
        Event time left out.
    standard_errors, small_sample
        A convention of `twfe` (clustered ones).
    cluster : str, optional
    single_unit_std_error : bool
        Report standard errors for rows that rest on cohorts of one unit.
    level : float

    Returns
    -------
    DataFrame
        Rows ``simple``/``overall`` (rows at event time 0 and later), ``dynamic``,
        ``group``, ``calendar``, ``group_time``, ``coefficient`` and the joint test of
        the leads. ``attrs["covariance"]``: event_times, estimates and matrix of the
        dynamic effects.

    Raises
    ------
    EstimationError
        Nobody treated, no control group, or a collinear control.

    References
    ----------
    Sun and Abraham (2021), Journal of Econometrics 225.
    """
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
    require_treated_and_control(data, cohort=cohort, needs="any")
    if (data.cohort > 0).all():
        last = int(data.cohort.max())
        early = panel[panel[period] < last]
        if len(data.cohort_sizes) == 1 or early.empty:
            raise EstimationError(
                describe(
                    "All cities are treated at the same time",
                    [f"cohort {last}: {data.n_units} cities"],
                    consequence="nobody shows what would have happened",
                    remedy="add never-treated cities or later cohorts",
                )
            )
        return sun_abraham(
            early.assign(**{cohort: early[cohort].where(early[cohort] < last, 0)}),
            outcome=outcome,
            cohort=cohort,
            unit=unit,
            period=period,
            controls=controls,
            reference=reference,
            standard_errors=standard_errors,
            cluster=cluster,
            small_sample=small_sample,
            single_unit_std_error=single_unit_std_error,
            level=level,
        )
    sizes = data.cohort_sizes
    row_cohort = data.cohort[data.unit]
    row_period = data.periods[data.period]
    cells, columns = [], []
    for g in sizes:
        for t in data.periods:
            rows = (row_cohort == g) & (row_period == t)
            if t - g != reference and rows.any():
                cells.append(Cell(g, int(t), float(rows.sum())))
                columns.append(rows)
    names = [f"cohort {c.cohort}, {period} {c.period}" for c in cells]
    x = np.column_stack([*columns, data.controls]).astype(float)
    fit = absorbed_fit(data.y, x, [*names, *data.control_names], data.unit, data.period)
    errors = fit_covariance(fit, data.cluster, standard_errors, small_sample)
    m = len(cells)
    estimates, matrix = fit.coefficients[:m], errors.matrix[:m, :m]
    rows = mean_rows(cells, estimates, matrix, df=data.n_clusters - 1.0, sizes=sizes)
    dynamic = dynamic_covariance(cells, estimates, matrix, sizes)
    leads = [
        j
        for j, e in enumerate(dynamic["event_times"])
        if e < reference and not dynamic["single"][j]
    ]
    rows.append(
        wald_row(
            dynamic["estimates"][leads],
            dynamic["matrix"][np.ix_(leads, leads)],
            df=data.n_clusters - 1.0,
        )
    )
    rows += coefficient_rows(data.control_names, m, fit, errors)
    return staggered_frame(
        data,
        rows,
        dynamic,
        estimator="sun_abraham",
        outcome=outcome,
        standard_errors=errors.name,
        n_clusters=errors.n_clusters,
        level=level,
        single_unit_std_error=single_unit_std_error,
        reference=reference,
    )
