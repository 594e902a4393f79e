"""What the estimate becomes without a city, without a batch, and at a fake date."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from citypanel.did.covariances import leave_one_cluster_out
from citypanel.did.frames import OVERALL, rests_on_single_units, tidy
from citypanel.did.frisch_waugh import partial
from citypanel.did.panels import cohort_sizes, cohorts_from_treatment, prepare
from citypanel.did.twfe import twfe
from citypanel.errors import EstimationError, OptionError, describe


def jackknife(
    panel: pd.DataFrame,
    *,
    outcome: str,
    treatment: str,
    unit: str,
    period: str,
    controls: Sequence[str] = (),
    cluster: str | None = None,
    period_effects_by: str | None = None,
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """CV3 standard error: the jackknife over clusters.

    V = (G-1)/G sum_g (b_(g) - b)^2 with b_(g) the estimate without cluster g, from the
    normal equations less the cluster's part. Inference from t(G-1).

    Returns
    -------
    DataFrame
        One row, aggregation ``jackknife``.

    Raises
    ------
    EstimationError
        A cluster without which the effect is not identified (the only treated one).

    References
    ----------
    MacKinnon, Nielsen and Webb (2023), Journal of Applied Econometrics 38.
    """
    parts = partial(
        panel,
        outcome=outcome,
        treatment=treatment,
        unit=unit,
        period=period,
        controls=controls,
        cluster=cluster,
        period_effects_by=period_effects_by,
    )
    data = parts.data
    left = leave_one_cluster_out(parts.fit, parts.cluster)[:, 0]
    if np.isnan(left).any():
        first = [
            np.flatnonzero(parts.cluster == g)[0]
            for g in np.flatnonzero(np.isnan(left))
        ]
        raise EstimationError(
            describe(
                "The effect is not identified without some clusters",
                [f"{unit} {data.units[data.unit[i]]}" for i in first],
                consequence="the jackknife has no value for them",
                remedy="use a sample in which more than one cluster is treated",
            )
        )
    groups = len(left)
    variance = (groups - 1.0) / groups * ((left - parts.estimate) ** 2).sum()
    cohort = cohorts_from_treatment(data)
    sizes = cohort_sizes(cohort)
    row = {
        "aggregation": "jackknife",
        "term": OVERALL,
        "estimate": parts.estimate,
        "std_error": float(np.sqrt(variance)),
        "df": groups - 1.0,
        "n_treated_units": int((cohort > 0).sum()),
        "single_unit": rests_on_single_units(sizes, sizes),
    }
    return tidy(
        [row],
        estimator="twfe",
        level=level,
        single_unit_std_error=single_unit_std_error,
        extra_columns=("outcome",),
        outcome=outcome,
        n_obs=data.n_obs,
        n_units=data.n_units,
        n_clusters=groups,
        standard_errors="CV3",
    )


def leave_one_city_out(
    panel: pd.DataFrame,
    *,
    outcome: str,
    treatment: str,
    unit: str,
    period: str,
    controls: Sequence[str] = (),
    period_effects_by: str | None = None,
) -> pd.DataFrame:
    """The estimate without each city in turn, in closed form.

    Returns
    -------
    DataFrame
        One row per city, sorted by the estimate: term is the city left out, cohort
        its cohort, ``change`` the estimate less that of the whole sample. Null where
        the rest does not identify the effect.
    """
    parts = partial(
        panel,
        outcome=outcome,
        treatment=treatment,
        unit=unit,
        period=period,
        controls=controls,
        period_effects_by=period_effects_by,
    )
    data = parts.data
    left = leave_one_cluster_out(parts.fit, data.unit)[:, 0]
    cohort = cohorts_from_treatment(data)
    rows = [
        {
            "aggregation": "leave_one_city_out",
            "term": str(data.units[u]),
            "cohort": cohort[u],
            "estimate": left[u],
            "change": left[u] - parts.estimate,
            "n_obs": data.n_obs - int((data.unit == u).sum()),
            "n_treated_units": int((cohort > 0).sum() - (cohort[u] > 0)),
            "note": None if np.isfinite(left[u]) else "not identified without it",
        }
        for u in np.lexsort((np.arange(data.n_units), left))
    ]
    return tidy(
        rows,
        estimator="twfe",
        extra_columns=("change", "outcome"),
        outcome=outcome,
        n_units=data.n_units - 1,
    )


def leave_one_batch_out(
    panel: pd.DataFrame,
    *,
    outcome: str,
    treatment: str,
    unit: str,
    period: str,
    controls: Sequence[str] = (),
    standard_errors: str = "xtreg",
    period_effects_by: str | None = None,
    single_unit_std_error: bool = False,
) -> pd.DataFrame:
    """The estimate without the cities of each cohort in turn.

    Returns
    -------
    DataFrame
        One row per cohort left out: term, cohort and ``change`` from the whole
        sample's estimate. Cohorts without which nobody is treated have no row.
    """
    data = prepare(
        panel,
        outcome=outcome,
        unit=unit,
        period=period,
        treatment=treatment,
        controls=controls,
        keep=[period_effects_by] if period_effects_by else [],
        absorbing=True,
    )
    cohort = cohorts_from_treatment(data)
    options = dict(
        outcome=outcome,
        treatment=treatment,
        unit=unit,
        period=period,
        controls=controls,
        standard_errors=standard_errors,
        period_effects_by=period_effects_by,
        single_unit_std_error=True,
        engine="closed_form",
    )
    whole = twfe(panel, **options).iloc[0]["estimate"]
    rows = []
    for g in np.unique(cohort[cohort > 0]):
        rest = cohort[(cohort > 0) & (cohort != g)]
        if not len(rest):
            continue
        out = panel[unit].isin(data.units[cohort == g])
        fit = twfe(panel[~out], **options)
        row = fit.iloc[0].to_dict()
        sizes = cohort_sizes(rest)
        rows.append(
            {
                **{k: v for k, v in row.items() if k not in ("estimator", "note")},
                "aggregation": "leave_one_batch_out",
                "cohort": g,
                "term": f"without cohort {g}",
                "change": row["estimate"] - whole,
                "single_unit": rests_on_single_units(sizes, sizes),
            }
        )
    return tidy(
        rows,
        estimator="twfe",
        single_unit_std_error=single_unit_std_error,
        extra_columns=("change", "outcome"),
    )


def fake_date_placebo(
    panel: pd.DataFrame,
    *,
    outcome: str,
    cohort: str,
    unit: str,
    period: str,
    controls: Sequence[str] = (),
    years_before: Sequence[int] = (1, 2, 3),
    standard_errors: str = "xtreg",
    period_effects_by: str | None = None,
    single_unit_std_error: bool = False,
) -> pd.DataFrame:
    """Two-way fixed effects at dates before the policy, on rows before it.

    Rows at or after a city's cohort are left out, and the treatment starts
    ``years_before`` periods earlier; an effect there is not the policy's.

    Returns
    -------
    DataFrame
        One row per fake date: term, event_time = -years_before.

    Raises
    ------
    OptionError
        A date that is not before the policy.
    EstimationError
        Nobody is seen on both sides of the fake date.
    """
    late = [k for k in years_before if k < 1]
    if late:
        raise OptionError(
            describe(
                "A fake date is not before the policy",
                [f"years_before = {k}" for k in late],
                consequence="the placebo would contain the policy's own effect",
                remedy="use 1, 2, ... periods before",
            )
        )
    data = prepare(
        panel,
        outcome=outcome,
        unit=unit,
        period=period,
        cohort=cohort,
        controls=controls,
        keep=[period_effects_by] if period_effects_by else [],
        first_period_treated="drop",
    )
    frame = data.frame[~data.treated].copy()
    start = data.cohort[data.unit][~data.treated]
    sizes = data.cohort_sizes
    rows = []
    for k in years_before:
        fake = (start > 0) & (frame[period].to_numpy() >= start - k)
        fit = twfe(
            frame.assign(_fake=fake.astype(float)),
            outcome=outcome,
            treatment="_fake",
            unit=unit,
            period=period,
            controls=controls,
            standard_errors=standard_errors,
            period_effects_by=period_effects_by,
            single_unit_std_error=True,
        ).iloc[0]
        behind = np.unique(start[fake])
        rows.append(
            {
                **{c: v for c, v in fit.items() if c not in ("estimator", "note")},
                "aggregation": "fake_date",
                "event_time": -k,
                "term": f"treated {k} periods before",
                "single_unit": rests_on_single_units(behind, sizes),
            }
        )
    return tidy(
        rows,
        estimator="twfe",
        single_unit_std_error=single_unit_std_error,
        extra_columns=("outcome",),
    )
