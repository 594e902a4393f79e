"""Group-time average treatment effects of Callaway and Sant'Anna (2021).

ATT(g, t) compares the change of cohort g between a base period and t with that of
units not treated by then. Every estimator below returns, with the effect, the
influence function from which standard errors, aggregates and uniform bands follow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import linalg

from citypanel.did.frames import NOTE_REFERENCE, NOTE_SINGLE, Extras, tidy
from citypanel.did.linear import cluster_sums
from citypanel.did.panels import (
    Panel,
    choose,
    prepare,
    require_treated_and_control,
)
from citypanel.did.propensity_scores import logit
from citypanel.did.twfe import wald_row
from citypanel.errors import EstimationError, PanelError, describe

CONTROL_GROUPS = ("never", "not_yet")
METHODS = ("dr", "ipw", "reg")
BASE_PERIODS = ("varying", "universal")
TRIM = 0.995
NOTE_OVERLAP = "no overlap: the covariates separate this cohort from its controls"
NOTE_FEW = "too few control units for the covariates"


def group_time_att(
    panel: pd.DataFrame,
    *,
    outcome: str,
    cohort: str,
    unit: str,
    period: str,
    controls: Sequence[str] = (),
    control_group: str = "never",
    method: str = "dr",
    base_period: str = "varying",
    anticipation: int = 0,
    cluster: str | None = None,
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Average effect on each cohort in each period.

    ATT(g, t) = E[dY | G = g] - E[m(X) | G = g] with dY = Y_t - Y_base and m(X) what
    the controls' change would be at the cohort's covariates: by outcome regression,
    inverse probability weights (normalised), or both (doubly robust).

    Parameters
    ----------
    panel : DataFrame
        One row per unit and period. Units not seen in every period, and units treated
        from the first period on, are left out (``attrs["dropped"]``).
    outcome, cohort, unit, period : str
        Column names; cohort 0 or null = never.
    controls : sequence of str
        Covariates, taken from the earlier period of each comparison.
    control_group : {"never", "not_yet"}
        Units never treated, or also those treated only after both periods (and after
        the anticipation).
    method : {"dr", "ipw", "reg"}
        How covariates enter; without controls the three are the same difference of
        means.
    base_period : {"varying", "universal"}
        Before treatment, compare with the period before (pseudo effects of entering
        next period) or with the last period before treatment throughout.
    anticipation : int
        Periods before treatment in which units may already react.
    cluster : str, optional
        Clusters of whole units.
    single_unit_std_error : bool
        Report standard errors for cohorts of one unit, which have no sampling
        distribution.
    level : float
        Coverage of the (normal) pointwise intervals.

    Returns
    -------
    DataFrame
        One row per cohort and period (aggregation ``group_time``), then the joint
        test that every effect before treatment is zero (``test``; statistic is the
        Wald statistic over its degrees of freedom). ``attrs["influence"]`` carries
        what `aggregate_att` needs.

    Raises
    ------
    PanelError
        Cohorts that vary within a unit, clusters that cut units, no unit left.
    EstimationError
        Nobody treated; nobody never treated with ``control_group="never"``; with
        ``not_yet``, a period in which every unit is treated.

    References
    ----------
    Callaway and Sant'Anna (2021), Journal of Econometrics 225; Sant'Anna and Zhao
    (2020), Journal of Econometrics 219.
    """
    choose("control_group", control_group, CONTROL_GROUPS)
    choose("method", method, METHODS)
    choose("base_period", base_period, BASE_PERIODS)
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
    require_treated_and_control(data, cohort=cohort, needs=control_group)
    if control_group == "not_yet":
        _require_not_yet(data, period)
    clusters = unit_clusters(data, cluster)
    rows, influence = _cells(
        data, control_group, method, base_period, anticipation, clusters
    )
    sizes = data.cohort_sizes
    rows.append(_pretest_row(rows, influence, clusters, sizes))
    return tidy(
        rows,
        estimator="group_time_att",
        level=level,
        single_unit_std_error=single_unit_std_error,
        extra_columns=("outcome",),
        outcome=outcome,
        n_clusters=int(clusters.max()) + 1,
        standard_errors="influence function",
        attrs={
            "influence": Extras(
                {
                    "matrix": influence,
                    "cohort": data.cohort,
                    "clusters": clusters,
                    "sizes": sizes,
                    "single_unit_std_error": single_unit_std_error,
                    "outcome": outcome,
                }
            ),
            "dropped": Extras({"rows": data.dropped}),
        },
    )


def unit_clusters(data: Panel, cluster: str | None) -> np.ndarray:
    """Cluster code of each unit; clusters must hold whole units."""
    starts = np.searchsorted(data.unit, np.arange(data.n_units))
    codes = data.cluster[starts]
    if (codes[data.unit] != data.cluster).any():
        bad = np.unique(data.unit[codes[data.unit] != data.cluster])
        raise PanelError(
            describe(
                f"Cluster {cluster} changes within a city",
                [str(data.units[u]) for u in bad],
                consequence="the city's observations would count as independent",
                remedy="cluster on the city or on groups of whole cities",
            )
        )
    return codes


def _require_not_yet(data: Panel, period: str) -> None:
    """Every period needs a unit that is not yet treated in it."""
    last = data.periods.max()
    if (data.cohort == 0).any() or (data.cohort > last).any():
        return
    full = data.periods[data.periods >= data.cohort.max()]
    raise EstimationError(
        describe(
            f"Every city is treated in some {period}",
            [f"{period} {p}" for p in full],
            consequence='control_group="not_yet" has nobody left to compare with',
            remedy=f"end the panel before {full[0]}: the last cohort then serves as "
            "the control group",
        )
    )


def influence_std_errors(influence: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Standard errors from influence functions, summed within clusters.

    Parameters
    ----------
    influence : ndarray (n, m)
    clusters : ndarray of int (n,)

    Returns
    -------
    ndarray (m,)
        sqrt(sum over clusters of (sum of influence)^2) / n.
    """
    sums = cluster_sums(influence, clusters)
    return np.sqrt((sums**2).sum(axis=0)) / len(influence)


def _cells(data, control_group, method, base_period, anticipation, clusters):
    """One row and one influence column per cohort and period."""
    n, periods = data.n_units, data.periods
    y = data.matrix(data.y)
    covariates = data.controls.reshape(n, len(periods), -1)
    rows, columns = [], []
    for g, size in data.cohort_sizes.items():
        before = np.flatnonzero(periods + anticipation < g)
        if not len(before):
            continue
        universal = before[-1]
        for t in range(len(periods)):
            post = periods[t] >= g
            if base_period == "varying" and t == 0:
                continue
            base = universal if post or base_period == "universal" else t - 1
            row = {
                "aggregation": "group_time",
                "cohort": g,
                "period": periods[t],
                "event_time": periods[t] - g,
                "term": f"cohort_{g}_period_{periods[t]}",
                "n_treated_units": size,
                "single_unit": size == 1,
            }
            if base == t:
                rows.append(
                    {
                        **row,
                        "estimate": 0.0,
                        "note": NOTE_REFERENCE,
                        "single_unit": False,
                    }
                )
                columns.append(np.zeros(n))
                continue
            treated = data.cohort == g
            control = data.cohort == 0
            if control_group == "not_yet":
                latest = periods[max(t, base)] + anticipation
                control = control | ((data.cohort > latest) & ~treated)
            used = treated | control
            x = np.column_stack([np.ones(n), covariates[:, min(base, t)]])[used]
            effect, part, note = _difference(
                (y[:, t] - y[:, base])[used], treated[used].astype(float), x, method
            )
            influence = np.zeros(n)
            if note is None:
                influence[used] = part * n / used.sum()
                row["std_error"] = float(
                    influence_std_errors(influence[:, None], clusters)[0]
                )
            row |= {
                "estimate": effect,
                "note": note,
                "n_units": int(used.sum()),
                "n_obs": 2 * int(used.sum()),
            }
            rows.append(row)
            columns.append(influence)
    return rows, np.column_stack(columns)


def _difference(dy, d, x, method):
    """Effect on the treated, its influence function (n,) and a note if it fails."""
    nothing = (float("nan"), None)
    control = d == 0
    gram = x[control].T @ x[control]
    if control.sum() < x.shape[1] or np.linalg.cond(gram) > 1e12:
        return (*nothing, NOTE_FEW)
    n = len(dy)
    if method == "ipw" or (method == "dr" and x.shape[1] > 1):
        score = logit(d, x)
        if score is None:
            return (*nothing, NOTE_OVERLAP)
        p = np.minimum(score.probability, 1 - 1e-6)
        keep = np.where(control, p < TRIM, True)
        odds = np.where(control & keep, p / (1 - p), 0.0)
        ps_influence = (d - p)[:, None] * x @ score.inverse_information * n
    else:
        # With a constant alone the odds are a number and cancel.
        odds, ps_influence = control.astype(float), np.zeros_like(x)
    fitted = np.zeros(n)
    ols_influence = np.zeros_like(x)
    if method != "ipw":
        inverse = linalg.inv(gram)
        fitted = x @ (inverse @ (x[control].T @ dy[control]))
        ols_influence = (control * (dy - fitted))[:, None] * x @ inverse * n
    gap = dy - fitted
    mean_treated = d @ gap / d.sum()
    treated_part = d * (gap - mean_treated) - ols_influence @ (d @ x) / n
    influence = treated_part / d.mean()
    if method == "reg":
        return float(mean_treated), influence, None
    mean_control = odds @ gap / odds.sum()
    centred = odds * (gap - mean_control)
    control_part = (
        centred + ps_influence @ (centred @ x) / n - ols_influence @ (odds @ x) / n
    )
    influence = influence - control_part / odds.mean()
    return float(mean_treated - mean_control), influence, None


def _pretest_row(rows, influence, clusters, sizes) -> dict:
    """Wald test that the effects before treatment are zero."""
    cells = [
        j
        for j, row in enumerate(rows)
        if row["event_time"] < 0
        and row.get("std_error", 0) > 0
        and sizes[row["cohort"]] > 1
    ]
    sums = cluster_sums(influence[:, cells], clusters)
    n = len(influence)
    estimates = np.array([rows[j]["estimate"] for j in cells])
    skipped = any(r["single_unit"] and r["event_time"] < 0 for r in rows)
    return wald_row(
        estimates,
        sums.T @ sums / n**2,
        df=np.inf,
        note=f"cohorts of one unit left out ({NOTE_SINGLE})" if skipped else None,
    )
