"""Imputation estimator of Borusyak, Jaravel and Spiess (2024)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from citypanel.did.first_stage import FirstStage, first_stage, mean_weights
from citypanel.did.frames import staggered_frame, wants_all
from citypanel.did.moments import condense
from citypanel.did.panels import Panel, on_panel
from citypanel.did.regressions import (
    cells_of,
    dynamic_covariance,
    event_row,
    fit_covariance,
    mean_rows,
    regress,
    wald_row,
)


@on_panel("cohort", "controls", "weights", "cluster", ready=condense)
def imputation(
    data: Panel,
    *,
    leads: float | Sequence[float] | None = None,
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Effects as gaps to outcomes imputed from untreated rows.

    tau_it = y_it - alpha_i - lambda_t - x_it' gamma on treated rows, with the effects
    and gamma from untreated rows; every summary is a mean of tau_it.

    Parameters
    ----------
    panel : DataFrame or Panel
        One row per unit and period, balanced or not. Units without an untreated row
        are left out, and so are treated rows whose untreated outcome the untreated
        rows do not determine (see the note and ``attrs["dropped"]``).
    outcome, cohort, unit, period, controls, weights, cluster, frequency
        Names of columns (see `panels.Design`). Weights weight the regression over
        untreated rows and the means of tau_it, which are then those of the population
        the weights stand for.
    leads : number or sequence of numbers, optional
        Event times before treatment that get coefficients in a regression over
        untreated rows only, the test of parallel trends that does not reuse the
        effects' rows; a number k means all from -k on. By default all but the last
        before treatment. At least one event time must be left out.
    single_unit_std_error : bool
        Report standard errors for rows that rest on one treated unit.
    level : float

    Returns
    -------
    DataFrame
        ``simple``/``overall``, ``dynamic`` (leads included, with the ``xtreg``
        convention and t(G-1)), ``group``, ``calendar``, ``group_time`` and the joint
        test of the leads. Standard errors are the conservative ones of the paper:
        effects vary around their cohort-by-period mean, and those of cohorts of one
        unit around the mean of such cohorts at the event time; intervals are normal.

    Raises
    ------
    EstimationError
        Nobody treated; no effect identified, as where every unit is treated in each
        period with treatment.

    References
    ----------
    Borusyak, Jaravel and Spiess (2024), Review of Economic Studies 91.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> found = did.imputation(zones(), **columns)
    >>> found[found["term"] == "overall"][["estimate", "std_error"]].round(3)
       estimate  std_error
    0     0.128      0.007
    """
    first = first_stage(data)
    data = first.data
    cells, codes = cells_of(data, first.treated)
    weights = mean_weights(codes, len(cells), data.row_weights)
    estimates = weights.T @ first.gap
    # tau less its cell mean, weighted by the squared weights; where the cell is one
    # unit, less the mean of its peers.
    centre = first.centre(weights)
    for group in cells.peers():
        centre[group] = np.average(estimates[group], weights=cells.weight[group])
    centred = np.where(first.treated, first.gap - centre[codes], first.gap)
    signed = weights - first.projection(weights)
    matrix = data.products(signed * centred[:, None], signed)
    rows = mean_rows(data, cells, estimates, matrix, df=np.inf)
    if wants_all():
        more, test = _lead_rows(first, leads)
        dynamic = [j for j, row in enumerate(rows) if row["aggregation"] == "dynamic"]
        at = dynamic[0] if dynamic else len(rows)
        rows[at:at] = more
        rows.append(test)
    return staggered_frame(
        data,
        rows,
        dynamic_covariance(data, cells, estimates, matrix),
        estimator="imputation",
        standard_errors="conservative",
        n_clusters=data.n_clusters,
        level=level,
        single_unit_std_error=single_unit_std_error,
    )


def _lead_rows(first: FirstStage, leads) -> tuple[list[dict], dict]:
    """Event times before treatment, from a regression over untreated rows."""
    data, grid = first.data, first.data.grid
    rows = ~first.treated
    event, ever = data.event[rows], data.ever[rows]
    kept = np.unique(event[ever])
    if leads is None:
        kept = kept[:-1]
    elif isinstance(leads, int | float):
        kept = kept[kept >= -grid.steps(leads)]
    else:
        kept = kept[np.isin(kept, [grid.steps(e) for e in leads])]
    if not len(kept):
        return [], wald_row(np.empty(0), np.empty((0, 0)), df=np.inf)
    x = (ever & (event == kept[:, None])).T.astype(float)
    fit = regress(
        data.y[rows],
        np.column_stack([x, data.controls[rows]]),
        np.unique(data.unit[rows], return_inverse=True)[1],
        data.period[rows],
        None if data.weights is None else data.weights[rows],
    )
    errors = fit_covariance(fit.fit, data, "xtreg", rows=rows)
    # Where the effects absorb every lead, no coefficient has degrees of freedom.
    df = float(errors.df[0]) if len(errors.df) else np.inf
    m = len(kept)
    known = fit.first_known(m)
    estimates, matrix = fit.combine(np.eye(m, len(fit.keep)), errors.matrix)
    out = []
    for j, e in enumerate(kept):
        units = data.count(data.unit[rows][ever & (event == e)])
        error = np.sqrt(max(matrix[j, j], 0.0))
        numbers = (estimates[j], error, df) if known[j] else None
        row = event_row(data, e, units, numbers)
        out.append({**row, "standard_errors": errors.name})
    sure = [j for j in range(m) if known[j] and not out[j]["single_unit"]]
    return out, wald_row(estimates[sure], matrix[np.ix_(sure, sure)], df=df)
