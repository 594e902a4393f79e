"""Extended two-way fixed effects of Wooldridge (2021)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from citypanel.did.frames import staggered_frame
from citypanel.did.linear import TwoWay, controls_left_out, rank_of_columns
from citypanel.did.moments import condense
from citypanel.did.panels import (
    Panel,
    choose,
    on_panel,
    periods_all_treated,
    require_treated_and_control,
)
from citypanel.did.regressions import (
    cell_dummies,
    cells_of,
    dynamic_covariance,
    fit_covariance,
    leads_rows,
    mean_rows,
    regress,
    require_some_cell,
    with_peers,
)

CONTROL_GROUPS = ("not_yet", "never")


@on_panel("cohort", "controls", "weights", "cluster", ready=condense)
def etwfe(
    data: Panel,
    *,
    control_group: str = "not_yet",
    standard_errors: str = "xtreg",
    small_sample: Mapping[str, object] | None = None,
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Saturated pooled regression: a coefficient per treated cohort and period.

    y_it on cohort and period dummies, controls with slopes of their own for each
    cohort and each period, the cells d_gt, and the cells times the controls less
    their cohort mean. In a balanced panel the cohort dummies give the coefficients
    that unit effects would (Wooldridge 2021, section 5); where units come and go, or
    their weights or controls change, unit effects are taken in their place. Rows of
    periods in which every unit is treated stay: their own cells fit them, so that in a
    balanced panel they move no other estimate and count in the small-sample factor
    alone (R's etwfe drops them), and with unit effects they tell of the units' levels.

    Parameters
    ----------
    panel : DataFrame or Panel
        One row per unit and period. Units treated from the first period on are left
        out.
    outcome, cohort, unit, period, controls, weights, cluster, frequency
        Names of columns (see `panels.Design`). Controls are best fixed before
        treatment (see the paper on bad controls). With weights the regression is
        weighted, and a mean of effects is that of the population they stand for.
    control_group : {"not_yet", "never"}
        With "never" every cell but the last period before treatment has a coefficient,
        so that leads appear and only never-treated units are compared with.
    standard_errors, small_sample
        A convention of `twfe` (clustered ones).
    single_unit_std_error : bool
        Report standard errors for rows that rest on one treated unit.
    level : float

    Returns
    -------
    DataFrame
        As `sun_abraham`; intervals are normal.

    Raises
    ------
    EstimationError
        Nobody treated; no never-treated units with ``never``; no effect identified,
        as where every unit is treated in each period with treatment.

    References
    ----------
    Wooldridge (2021), SSRN 3906345; Wooldridge (2023), Econometrics Journal 26.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> found = did.etwfe(zones(), **columns)
    >>> found[found["term"] == "overall"][["estimate", "std_error"]].round(3)
       estimate  std_error
    0     0.128      0.008
    """
    choose("control_group", control_group, CONTROL_GROUPS)
    never = control_group == "never"
    data = data.without_always_treated()
    require_treated_and_control(data, needs="never" if never else "any")
    full = periods_all_treated(data)
    data = data.keep(~full, "every unit is treated in the period")
    wanted = data.treated
    if never:
        wanted = data.ever & ~data.at_base
    cells, codes = cells_of(data, wanted)
    m = len(cells)
    start = np.where(data.never, data.last + 1, data.start)
    cohort = np.unique(start, return_inverse=True)[1][data.unit]
    x, lost = _independent_controls(data, cohort)
    x = x - x.mean(axis=0)  # the dummies span its level, which would only round
    k = x.shape[1]
    w = data.row_weights
    groups = np.eye(cohort.max() + 1)[cohort]
    times = np.eye(len(data.positions))[data.period]
    weighted = groups * w[:, None]
    centred = x - groups @ ((weighted.T @ x) / weighted.sum(axis=0)[:, None])
    d = cell_dummies(codes, m)
    fixed = bool((x == x[data.first_rows][data.unit]).all())
    by_unit = not (data.is_balanced and data.has_even_weights and fixed)
    nuisance = [] if by_unit else [groups, times]
    for j in range(k):
        nuisance += [groups * x[:, [j]], times * x[:, [j]]]
    effects = np.hstack([d] + [d * centred[:, [j]] for j in range(k)])
    design = np.hstack([*nuisance, effects])
    first = design.shape[1] - effects.shape[1]
    unit, period = (data.unit, data.period) if by_unit else (None, None)
    # A cell of one unit leaves no slope of its own on the controls: such columns are
    # left out like other combinations of the columns before them.
    y = data.y_within if by_unit or data.units_nest else data.y
    fit = regress(y, design, unit, period, data.weights)
    linear = np.zeros((m, design.shape[1]))
    linear[:, first : first + m] = np.eye(m)
    for j in range(k):
        means = (d * w[:, None]).T @ centred[:, j] / cells.weight
        at = first + (j + 1) * m
        linear[:, at : at + m] = np.diag(means)
    known = fit.known(linear)
    require_some_cell(data, cells, known)
    data = data.remarking(lost, data.base_note if never else None)
    values = np.where(known, linear[:, fit.keep] @ fit.fit.coefficients, np.nan)
    errors = fit_covariance(
        with_peers(fit.fit, cells, codes, values),
        data,
        standard_errors,
        small_sample,
    )
    estimates, matrix = fit.combine(linear, errors.matrix)
    rows = mean_rows(data, cells, estimates, matrix, df=np.inf, known=known)
    dynamic = dynamic_covariance(data, cells, estimates, matrix, known)
    if never:
        rows += leads_rows(dynamic, before=0, df=data.n_clusters - 1.0)
    return staggered_frame(
        data,
        rows,
        dynamic,
        estimator="etwfe",
        standard_errors=errors.name,
        n_clusters=errors.n_clusters,
        level=level,
        single_unit_std_error=single_unit_std_error,
        reference=data.reference,
    )


def _independent_controls(
    data: Panel, cohort: np.ndarray
) -> tuple[np.ndarray, str | None]:
    """Controls that are not combinations of each other, and word of the others.

    Interactions with cohorts and periods would only repeat them. What the effects
    absorb alone stays: its slopes by cohort or by period need not be absorbed.
    """
    x, names = data.controls, data.control_names
    if not names:
        return x, None
    net = TwoWay(cohort, data.period, data.weights).demean(x)
    keep, absorbed = rank_of_columns(net, x)
    keep |= absorbed
    return x[:, keep], controls_left_out(names, keep, absorbed)
