"""Interaction-weighted event study of Sun and Abraham (2021)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from citypanel.did.frames import staggered_frame
from citypanel.did.moments import condense
from citypanel.did.panels import Panel, on_panel, require_treated_and_control
from citypanel.did.regressions import (
    cell_dummies,
    cells_of,
    coefficient_rows,
    dynamic_covariance,
    fit_covariance,
    leads_rows,
    lost_controls,
    mean_rows,
    regress,
    require_some_cell,
    with_peers,
)
from citypanel.errors import EstimationError


@on_panel("cohort", "controls", "weights", "cluster", ready=condense)
def sun_abraham(
    data: Panel,
    *,
    reference: float | None = None,
    standard_errors: str = "xtreg",
    small_sample: Mapping[str, object] | None = None,
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Event study with a coefficient per cohort and event time.

    y_it = alpha_i + lambda_t + sum over g, e of d_ge 1{G_i = g} 1{t - g = e}
    + x_it' gamma + e_it, e not ``reference``; an event time's effect is the mean of
    d_ge over cohorts with their shares of the rows (of their weights) at e as weights.

    Parameters
    ----------
    panel : DataFrame or Panel
        One row per unit and period. Units treated from the first period on are left
        out. Without never-treated units the last cohort is the control group, and
        the periods from its treatment on are left out.
    outcome, cohort, unit, period, controls, weights, cluster, frequency
        Names of columns (see `panels.Design`). With weights the regression is
        weighted, and a mean of effects is that of the population they stand for.
    reference : number, optional
        Event time left out, in the periods' own units; by default the last period
        each cohort is seen in before its treatment.
    standard_errors, small_sample
        A convention of `twfe` (clustered ones).
    single_unit_std_error : bool
        Report standard errors for rows that rest on one treated unit.
    level : float

    Returns
    -------
    DataFrame
        Rows ``simple``/``overall`` (rows at event time 0 and later), ``dynamic``,
        ``group``, ``calendar``, ``group_time``, ``coefficient`` and the joint test of
        the leads. What the rows used do not identify is null, and the note says so.
        ``attrs["covariance"]``: event_times, estimates and matrix of the dynamic
        effects.

    Raises
    ------
    EstimationError
        Nobody treated, no control group, or no effect identified.

    References
    ----------
    Sun and Abraham (2021), Journal of Econometrics 225.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> found = did.sun_abraham(zones(), **columns)
    >>> found[found["term"] == "overall"][["estimate", "std_error"]].round(3)
       estimate  std_error
    0     0.118      0.013
    """
    data = data.without_always_treated()
    require_treated_and_control(data)
    if not data.never.any():
        data = _last_as_control(data)
    base, limit = data.at_base, 0
    if reference is not None:
        limit = data.grid.whole_steps(reference, "reference")
        base = data.event == limit
    cells, codes = cells_of(data, data.ever & ~base)
    m = len(cells)
    x = np.column_stack([cell_dummies(codes, m), data.controls])
    fit = regress(data.y, x, data.unit, data.period, data.weights)
    known = fit.first_known(m)
    require_some_cell(data, cells, known)
    data = data.remarking(
        lost_controls(fit, data.control_names, m),
        data.base_note if reference is None else None,
    )
    effects = fit.spread(fit.fit.coefficients)[:m]
    errors = fit_covariance(
        with_peers(fit.fit, cells, codes, np.where(known, effects, np.nan)),
        data,
        standard_errors,
        small_sample,
    )
    estimates, matrix = fit.combine(np.eye(m, len(fit.keep)), errors.matrix)
    df = data.n_clusters - 1.0
    rows = mean_rows(data, cells, estimates, matrix, df=df, known=known)
    dynamic = dynamic_covariance(data, cells, estimates, matrix, known)
    rows += leads_rows(dynamic, before=limit, df=df)
    rows += coefficient_rows(data.control_names, m, fit, errors)
    return staggered_frame(
        data,
        rows,
        dynamic,
        estimator="sun_abraham",
        standard_errors=errors.name,
        n_clusters=errors.n_clusters,
        level=level,
        single_unit_std_error=single_unit_std_error,
        reference=data.reference if reference is None else limit,
    )


def _last_as_control(data: Panel) -> Panel:
    """Without never-treated units: the last cohort, before its treatment."""
    last = max(data.sizes)
    label = data.name(last)
    if len(data.sizes) == 1:
        count = data.sizes[last]
        raise EstimationError.of(
            "did.all_units_treated_same",
            [f"cohort {label}: {count} unit{'s' if count > 1 else ''}"],
        )
    return data.keep(data.when < last, f"every unit is treated from {label} on")
