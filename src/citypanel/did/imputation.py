"""Imputation estimator of Borusyak, Jaravel and Spiess (2024)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from citypanel.did.first_stage import (
    cell_codes,
    mean_weights,
    prepare_first_stage,
)
from citypanel.did.frames import (
    rests_on_single_units,
    staggered_frame,
)
from citypanel.did.linear import cluster_sums
from citypanel.did.regressions import (
    Cell,
    absorbed_fit,
    dynamic_covariance,
    fit_covariance,
    mean_rows,
)
from citypanel.did.twfe import wald_row


def imputation(
    panel: pd.DataFrame,
    *,
    outcome: str,
    cohort: str,
    unit: str,
    period: str,
    controls: Sequence[str] = (),
    leads: int | Sequence[int] | None = None,
    cluster: str | None = None,
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Effects as gaps to outcomes imputed from untreated rows.

    tau_it = y_it - alpha_i - lambda_t - x_it' gamma on treated rows, with the effects
    and gamma from untreated rows; every summary is a mean of tau_it.

    Parameters
    ----------
    panel : DataFrame
        One row per unit and period, balanced or not. Units without an untreated row
        are left out.
    outcome, cohort, unit, period : str
        Column names; cohort 0 or null = never.
    controls : sequence of str
    leads : int or sequence of int, optional
        Event times before treatment that get coefficients in a regression over
        untreated rows only, the test of parallel trends that does not reuse the
        effects' rows; a number k means -k to -1. By default all but -1. At least one
        event time must be left out.
    cluster : str, optional
    single_unit_std_error : bool
        Report standard errors for rows that rest on cohorts of one unit.
    level : float

    Returns
    -------
    DataFrame
        ``simple``/``overall``, ``dynamic`` (leads included, with the ``xtreg``
        convention and t(G-1)), ``group``, ``calendar``, ``group_time`` and the joint
        test of the leads. Standard errors are the conservative ones of the paper:
        effects vary around their cohort-by-period mean; intervals are normal.

    Raises
    ------
    EstimationError
        Nobody treated; a period in which every unit is treated; a collinear control.

    References
    ----------
    Borusyak, Jaravel and Spiess (2024), Review of Economic Studies 91.
    """
    first = prepare_first_stage(
        panel,
        outcome=outcome,
        cohort=cohort,
        unit=unit,
        period=period,
        controls=controls,
        cluster=cluster,
    )
    data, sizes = first.data, first.data.cohort_sizes
    codes, labels = cell_codes(data, first.treated)
    weights = mean_weights(codes, len(labels))
    estimates = weights.T @ first.gap
    # tau less its cell mean, weighted by the squared weights: a plain mean here, as
    # weights are constant within cells.
    centred = np.where(first.treated, first.gap - estimates[codes], first.gap)
    signed = weights - first.projection(weights)
    influence = cluster_sums(signed * centred[:, None], data.cluster)
    counts = np.bincount(codes[codes >= 0], minlength=len(labels))
    cells = [Cell(g, t, float(c)) for (g, t), c in zip(labels, counts, strict=True)]
    matrix = influence.T @ influence
    rows = mean_rows(cells, estimates, matrix, df=np.inf, sizes=sizes)
    more, test = _lead_rows(data, first.treated, leads)
    dynamic = [j for j, row in enumerate(rows) if row["aggregation"] == "dynamic"]
    at = dynamic[0] if dynamic else len(rows)
    rows[at:at] = more
    rows.append(test)
    return staggered_frame(
        data,
        rows,
        dynamic_covariance(cells, estimates, matrix, sizes),
        estimator="imputation",
        outcome=outcome,
        standard_errors="conservative",
        n_clusters=data.n_clusters,
        level=level,
        single_unit_std_error=single_unit_std_error,
    )


def _lead_rows(data, treated, leads):
    """Event times before treatment, from a regression over untreated rows."""
    rows = ~treated
    event = data.event_time[rows]
    seen = np.unique(event[(event < 0) & (data.cohort[data.unit[rows]] > 0)])
    if leads is None:
        wanted = range(seen.min(initial=0), -1)
    else:
        wanted = range(-leads, 0) if isinstance(leads, int) else list(leads)
    kept = [int(e) for e in seen if e in wanted]
    if not kept:
        return [], wald_row(np.empty(0), np.empty((0, 0)), df=np.inf)
    x = (event[:, None] == np.array(kept)[None, :]).astype(float)
    names = [f"event time {e}" for e in kept]
    unit = np.unique(data.unit[rows], return_inverse=True)[1]
    cluster = np.unique(data.cluster[rows], return_inverse=True)[1]
    fit = absorbed_fit(
        data.y[rows],
        np.column_stack([x, data.controls[rows]]),
        [*names, *data.control_names],
        unit,
        data.period[rows],
    )
    errors = fit_covariance(fit, cluster, "xtreg", None)
    sizes = data.cohort_sizes
    out = []
    for j, e in enumerate(kept):
        units = np.unique(data.unit[rows][event == e])
        cohorts = np.unique(data.cohort[units])
        out.append(
            {
                "aggregation": "dynamic",
                "event_time": e,
                "term": f"event_time_{e}",
                "estimate": fit.coefficients[j],
                "std_error": errors.std_errors[j],
                "df": errors.df[j],
                "n_treated_units": len(units),
                "single_unit": rests_on_single_units(cohorts, sizes),
                "standard_errors": errors.name,
            }
        )
    sure = [j for j, row in enumerate(out) if not row["single_unit"]]
    test = wald_row(
        fit.coefficients[sure],
        errors.matrix[np.ix_(sure, sure)],
        df=errors.n_clusters - 1.0,
    )
    return out, test
