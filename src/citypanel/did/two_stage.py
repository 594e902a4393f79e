"""Two-stage difference-in-differences of Gardner (2022)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from citypanel.did.first_stage import FirstStage, first_stage, mean_weights
from citypanel.did.frames import OVERALL, WITHOUT_SINGLE, staggered_frame
from citypanel.did.linear import cluster_sums
from citypanel.did.moments import MomentPanel, condense
from citypanel.did.panels import Panel, on_panel
from citypanel.did.regressions import leads_rows


@on_panel("cohort", "controls", "weights", "cluster", ready=condense)
def two_stage(
    data: Panel,
    *,
    reference: float | None = None,
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
    panel, outcome, cohort, unit, period, controls, weights, cluster, frequency,
    single_unit_std_error, level
        As for `imputation`; both stages are weighted.
    reference : number, optional
        Event time without a dummy in the event study, in the periods' own units; the
        last one before treatment by default.

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

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> found = did.two_stage(zones(), **columns)
    >>> found[found["term"] == "overall"][["estimate", "std_error"]].round(3)
       estimate  std_error
    0     0.128      0.016
    """
    first = first_stage(data)
    data = first.data
    base = data.reference
    if reference is not None:
        base = data.grid.whole_steps(reference, "reference")
    df = data.n_clusters - 1.0
    rows, _ = _second_stage(first, first.treated, None, "simple", df)
    single = [g for g, n in data.sizes.items() if n == 1]
    rest = first.treated & ~np.isin(data.row_start, single)
    if single and rest.any():
        more, _ = _second_stage(first, rest, None, "simple", df)
        gone = ", ".join(data.name(g) for g in single)
        more[0] |= {"term": WITHOUT_SINGLE, "note": f"without cohort {gone}"}
        rows += more
    shown = data.ever & (data.event != base)
    dynamic, matrix = _second_stage(first, shown, data.event, "dynamic", df)
    rows += dynamic
    rows += _second_stage(first, first.treated, data.row_start, "group", df)[0]
    rows += _second_stage(first, first.treated, data.when, "calendar", df)[0]
    path = {
        "positions": np.unique(data.event[shown]),
        "event_times": np.array([row["event_time"] for row in dynamic]),
        "estimates": np.array([row["estimate"] for row in dynamic]),
        "matrix": matrix,
        "single": np.array([row["single_unit"] for row in dynamic], bool),
        "resolution": data.resolution,
    }
    rows += leads_rows(path, before=base, df=df)
    return staggered_frame(
        data,
        rows,
        path,
        estimator="two_stage",
        standard_errors="two-stage",
        n_clusters=data.n_clusters,
        level=level,
        single_unit_std_error=single_unit_std_error,
        reference=base,
    )


LABELS = {"dynamic": "event_time", "group": "cohort", "calendar": "period"}


def _second_stage(
    first: FirstStage, shown: np.ndarray, key: np.ndarray | None, kind: str, df: float
) -> tuple[list[dict], np.ndarray]:
    """Means of the gaps by key over the rows shown, and their covariance.

    psi = B x_2' e_2 - B (x_2'x_1)(x_10'x_10)^-1 x_10' e_1 with B = (x_2'x_2)^-1, each
    product weighted where the panel has weights.
    """
    data = first.data
    if key is None:
        key = np.zeros(len(data.unit), np.int64)
    values = np.unique(key[shown])
    if not len(values):
        return [], np.zeros((0, 0))
    codes = np.where(shown, np.searchsorted(values, key), -1)
    weights = mean_weights(codes, len(values), data.row_weights)
    estimates = weights.T @ first.gap
    second = np.where(shown, first.gap - estimates[codes], first.gap)
    residual = np.where(first.treated, 0.0, first.gap)
    mirrored = first.projection(weights)
    scores = weights * second[:, None] - mirrored * residual[:, None]
    matrix = data.products(scores, weights - mirrored)
    if isinstance(data, MomentPanel):
        errors = np.sqrt(np.clip(np.diag(matrix), 0.0, None))
    else:
        errors = np.sqrt((cluster_sums(scores, data.cluster) ** 2).sum(axis=0))
    label = data.grid.span if kind == "dynamic" else data.label
    rows = []
    for j, value in enumerate(values):
        units = data.count(data.unit[codes == j])
        row = {
            "aggregation": kind,
            "term": OVERALL,
            "estimate": estimates[j],
            "std_error": errors[j],
            "df": df,
            "n_treated_units": units,
            "single_unit": units == 1,
        }
        if kind != "simple":
            name, shown = LABELS[kind], label(value)
            text = str(shown) if kind == "dynamic" else data.name(value)
            row |= {name: shown, "term": f"{name}_{text}"}
        rows.append(row)
    return rows, matrix
