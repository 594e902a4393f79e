"""Two-stage difference-in-differences of Gardner (2022)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from citypanel.did.first_stage import FirstStage, mean_weights, prepare_first_stage
from citypanel.did.frames import (
    OVERALL,
    WITHOUT_SINGLE,
    rests_on_single_units,
    staggered_frame,
)
from citypanel.did.linear import cluster_sums
from citypanel.did.twfe import wald_row


def two_stage(
    panel: pd.DataFrame,
    *,
    outcome: str,
    cohort: str,
    unit: str,
    period: str,
    controls: Sequence[str] = (),
    reference: int = -1,
    cluster: str | None = None,
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Outcome net of effects fitted on untreated rows, regressed on treatment.

    The first stage is that of `imputation`; the second regresses the gaps of all rows
    on dummies (of treatment, event time, cohort or period), so that event times before
    treatment are means of first-stage residuals. Standard errors treat both stages as
    one method of moments.

    Parameters
    ----------
    panel, outcome, cohort, unit, period, controls, cluster, single_unit_std_error,
    level
        As for `imputation`.
    reference : int
        Event time without a dummy in the event study.

    Returns
    -------
    DataFrame
        ``simple``/``overall``, ``dynamic``, ``group``, ``calendar`` and the joint test
        of the leads; p-values from t(G-1). ``attrs["covariance"]``: event_times,
        estimates and matrix of the dynamic effects.

    Raises
    ------
    EstimationError
        As for `imputation`.

    References
    ----------
    Gardner (2022), arXiv 2207.05943; Butts and Gardner (2022), R Journal 14.
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
    row_cohort = data.cohort[data.unit]
    event = data.event_time
    df = data.n_clusters - 1.0
    rows, _, _ = _second_stage(first, first.treated, None, "simple", df)
    single = [g for g, n in sizes.items() if n == 1]
    rest = first.treated & ~np.isin(row_cohort, single)
    if single and rest.any():
        more, _, _ = _second_stage(first, rest, None, "simple", df)
        more[0] |= {
            "term": WITHOUT_SINGLE,
            "note": "without cohort " + ", ".join(map(str, single)),
        }
        rows += more
    shown = (row_cohort > 0) & (event != reference)
    dynamic, influence, times = _second_stage(first, shown, event, "dynamic", df)
    rows += dynamic
    rows += _second_stage(first, first.treated, row_cohort, "group", df)[0]
    when = data.periods[data.period]
    rows += _second_stage(first, first.treated, when, "calendar", df)[0]
    matrix = influence.T @ influence
    estimates = np.array([row["estimate"] for row in dynamic])
    leads = [
        j
        for j, row in enumerate(dynamic)
        if row["event_time"] < reference and not row["single_unit"]
    ]
    rows.append(wald_row(estimates[leads], matrix[np.ix_(leads, leads)], df=df))
    return staggered_frame(
        data,
        rows,
        {
            "event_times": np.array(times),
            "estimates": estimates,
            "matrix": matrix,
            "single": np.array([row["single_unit"] for row in dynamic]),
        },
        estimator="two_stage",
        outcome=outcome,
        standard_errors="two-stage",
        n_clusters=data.n_clusters,
        level=level,
        single_unit_std_error=single_unit_std_error,
        reference=reference,
    )


LABELS = {"dynamic": "event_time", "group": "cohort", "calendar": "period"}


def _second_stage(
    first: FirstStage, shown: np.ndarray, key: np.ndarray | None, kind: str, df: float
):
    """Means of the gaps by key over the rows shown, with their influence by cluster.

    psi = B x_2' e_2 - B (x_2'x_1)(x_10'x_10)^-1 x_10' e_1 with B = (x_2'x_2)^-1.
    """
    data = first.data
    if key is None:
        key = np.zeros(data.n_obs, np.int64)
    values = np.unique(key[shown])
    codes = np.where(shown, np.searchsorted(values, key), -1)
    weights = mean_weights(codes, len(values))
    estimates = weights.T @ first.gap
    second = np.where(shown, first.gap - estimates[codes], first.gap)
    residual = np.where(first.treated, 0.0, first.gap)
    influence = cluster_sums(
        weights * second[:, None] - first.projection(weights) * residual[:, None],
        data.cluster,
    )
    errors = np.sqrt((influence**2).sum(axis=0))
    sizes = data.cohort_sizes
    rows = []
    for j, value in enumerate(values.tolist()):
        units = np.unique(data.unit[codes == j])
        cohorts = np.unique(data.cohort[units])
        row = {
            "aggregation": kind,
            "term": OVERALL,
            "estimate": estimates[j],
            "std_error": errors[j],
            "df": df,
            "n_treated_units": len(units),
            "single_unit": rests_on_single_units(cohorts, sizes),
        }
        if kind != "simple":
            row |= {LABELS[kind]: value, "term": f"{LABELS[kind]}_{value}"}
        rows.append(row)
    return rows, influence, values.tolist()
