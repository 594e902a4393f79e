"""What the estimate becomes without a unit, without a batch, and at a fake date."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from citypanel.did.covariances import leave_one_cluster_out
from citypanel.did.frames import NOTE_ROUNDING, OVERALL, join_notes, panel_frame
from citypanel.did.frisch_waugh import Partialled, partial
from citypanel.did.moments import MomentPanel, condense
from citypanel.did.panels import (
    FAR,
    Panel,
    free_name,
    on_panel,
    require_absorbing,
    starts_from_treatment,
)
from citypanel.did.twfe import twfe
from citypanel.errors import EstimationError, OptionError


@on_panel(
    "treatment",
    "controls",
    "weights",
    "cluster",
    groups=("period_effects_by",),
    ready=lambda panel, **options: panel,
)
def jackknife(
    data: Panel,
    *,
    period_effects_by: str | None = None,
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """CV3 standard error: the jackknife over clusters.

    V = (G-1)/G sum_g (b_(g) - b)^2 with b_(g) the estimate without cluster g, from the
    normal equations less the cluster's part. Inference from t(G-1).

    Parameters
    ----------
    panel, outcome, treatment, unit, period, controls, weights, cluster, frequency,
    period_effects_by, single_unit_std_error, level
        As for `twfe`; clusters are whole units.

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

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", treatment="treated", unit="city", period="year")
    >>> found = did.jackknife(zones(), **columns)
    >>> found[["estimate", "std_error"]].round(4)
       estimate  std_error
    0    0.1106      0.016
    """
    sums = condense(data, two_way=True, standard_errors="CR3")
    found = _of_moments(sums) if isinstance(sums, MomentPanel) else None
    if found is None:
        parts = partial(data, period_effects_by=period_effects_by)
        found, data = _of_rows(parts), parts.data
    else:
        data = sums
    return panel_frame(
        data,
        [{"aggregation": "jackknife", "term": OVERALL, "note": data.note, **found}],
        estimator="twfe",
        standard_errors="CV3",
        resolution=data.resolution,
        level=level,
        single_unit_std_error=single_unit_std_error,
    )


def _of_rows(parts: Partialled) -> dict:
    """Numbers of the jackknife."""
    data = parts.data
    left = leave_one_cluster_out(parts.fit, parts.cluster)[:, 0]
    if np.isnan(left).any():
        first = [
            np.flatnonzero(parts.cluster == g)[0]
            for g in np.flatnonzero(np.isnan(left))
        ]
        raise EstimationError.of(
            "did.effect_not_identified_without",
            [f"{data.design.unit} {data.units[data.unit[i]]}" for i in first],
        )
    groups = len(left)
    variance = (groups - 1.0) / groups * ((left - parts.estimate) ** 2).sum()
    return {
        "estimate": parts.estimate,
        "std_error": float(np.sqrt(variance)),
        "df": groups - 1.0,
        "n_treated_units": parts.treated_units,
        "single_unit": parts.rests_on_one,
        "n_obs": data.n_obs,
        "n_units": data.n_units,
        "n_clusters": groups,
    }


def _of_moments(data: MomentPanel) -> dict | None:
    """Numbers of the jackknife; None where a unit is needed to know the effect."""
    require_absorbing(data)
    named = {name: getattr(data.design, name) for name in ("outcome", "unit", "period")}
    fit = twfe(
        data,
        treatment=str(data.design.treatment),
        standard_errors="CR3",
        single_unit_std_error=True,
        **named,
    )
    row = fit[fit["term"] == OVERALL].iloc[0].to_dict()
    if not np.isfinite(row["std_error"]):
        return None
    kept = ["estimate", "std_error", "df", "n_treated_units"]
    kept += ["n_obs", "n_units", "n_clusters"]
    single = row["n_treated_units"] == 1
    return {**{name: row[name] for name in kept}, "single_unit": single}


@on_panel("treatment", "controls", "weights", groups=("period_effects_by",))
def leave_one_unit_out(
    data: Panel, *, period_effects_by: str | None = None
) -> pd.DataFrame:
    """The estimate without each unit in turn, in closed form.

    Parameters
    ----------
    panel, outcome, treatment, unit, period, controls, weights, frequency,
    period_effects_by
        As for `twfe`.

    Returns
    -------
    DataFrame
        One row per unit, sorted by the estimate: term is the unit left out, cohort
        its cohort, ``change`` the estimate less that of the whole sample. Null where
        the rest does not identify the effect.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", treatment="treated", unit="city", period="year")
    >>> found = did.leave_one_unit_out(zones(), **columns)
    >>> found[["term", "estimate", "change"]].iloc[[0, -1]].round(4)
       term  estimate  change
    0   c06    0.1049 -0.0057
    39  c10    0.1159  0.0053
    """
    parts = partial(data, period_effects_by=period_effects_by)
    data, start = parts.data, parts.start
    left = leave_one_cluster_out(parts.fit, data.unit)[:, 0]
    own, note = np.bincount(data.unit), data.note
    rows = [
        {
            "aggregation": "leave_one_unit_out",
            "term": str(data.units[u]),
            "cohort": _cohort_label(data, start[u]),
            "estimate": left[u],
            "change": left[u] - parts.estimate,
            "n_obs": data.n_obs - int(own[u]),
            "n_treated_units": parts.treated_units - int(start[u] < FAR),
            "note": join_notes(
                None if np.isfinite(left[u]) else "not identified without it",
                note,
            ),
        }
        for u in np.lexsort((np.arange(data.n_units), left))
    ]
    return panel_frame(
        data,
        rows,
        estimator="twfe",
        extra_columns=("change", "outcome"),
        n_units=data.n_units - 1,
    )


def leave_one_city_out(panel: pd.DataFrame | Panel, **options: Any) -> pd.DataFrame:
    """The former name of `leave_one_unit_out`; it goes with version 0.3."""
    warnings.warn(
        "leave_one_city_out is called leave_one_unit_out",
        DeprecationWarning,
        stacklevel=2,
    )
    found = leave_one_unit_out(panel, **options)
    found["aggregation"] = "leave_one_city_out"
    return found


def _cohort_label(data: Panel, start: int):
    """A cohort's label; 0 for never among years, null elsewhere."""
    if start < FAR:
        return data.label(start)
    return 0 if data.grid.zero_means_never else None


@on_panel("treatment", "controls", "weights", groups=("period_effects_by",))
def leave_one_batch_out(
    data: Panel,
    *,
    standard_errors: str = "xtreg",
    period_effects_by: str | None = None,
    single_unit_std_error: bool = False,
) -> pd.DataFrame:
    """The estimate without the units of each cohort in turn.

    Parameters
    ----------
    panel, outcome, treatment, unit, period, controls, weights, frequency,
    standard_errors, period_effects_by, single_unit_std_error
        As for `twfe`.

    Returns
    -------
    DataFrame
        One row per cohort left out: term, cohort and ``change`` from the whole
        sample's estimate. Cohorts without which nobody is treated have no row.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", treatment="treated", unit="city", period="year")
    >>> found = did.leave_one_batch_out(zones(), **columns)
    >>> found[["term", "estimate", "change"]].round(3)
                      term  estimate  change
    0  without cohort 2014     0.057  -0.054
    1  without cohort 2016     0.176   0.066
    """
    require_absorbing(data)
    start = starts_from_treatment(data)
    options = dict(
        data.design.columns_given(),
        standard_errors=standard_errors,
        period_effects_by=period_effects_by,
        single_unit_std_error=True,
        engine="closed_form",
    )
    whole = twfe(data.frame, **options).iloc[0]["estimate"]
    rows = []
    for g in np.unique(start[start < FAR]):
        rest = start[(start < FAR) & (start != g)]
        if not len(rest):
            continue
        out = (start == g)[data.unit]
        label = data.label(g)
        labels = {
            "aggregation": "leave_one_batch_out",
            "cohort": label,
            "term": f"without cohort {data.name(g)}",
            "n_treated_units": len(rest),
        }
        try:
            row = twfe(data.frame[~out], **options).iloc[0].to_dict()
        except EstimationError:
            rows.append({**labels, "note": "not identified without it"})
            continue
        rows.append(
            {
                **row,
                **labels,
                "change": row["estimate"] - whole,
                "single_unit": len(rest) == 1,
                "note": join_notes(
                    NOTE_ROUNDING if pd.isna(row["std_error"]) else None, data.note
                ),
            }
        )
    return panel_frame(
        data,
        rows,
        estimator="twfe",
        single_unit_std_error=single_unit_std_error,
        extra_columns=("change", "outcome"),
        outcome=None,
    )


@on_panel("cohort", "controls", "weights", groups=("period_effects_by",))
def fake_date_placebo(
    data: Panel,
    *,
    years_before: int | Sequence[int] = (1, 2, 3),
    standard_errors: str = "xtreg",
    period_effects_by: str | None = None,
    single_unit_std_error: bool = False,
) -> pd.DataFrame:
    """Two-way fixed effects at dates before the policy, on rows before it.

    Rows at or after a unit's cohort are left out, and the treatment starts
    ``years_before`` periods earlier; an effect there is not the policy's.

    Parameters
    ----------
    panel, outcome, cohort, unit, period, controls, weights, frequency
        Names of columns (see `panels.Design`).
    years_before : int or sequence of int
        How many positions of the panel's grid before the policy.
    standard_errors, period_effects_by, single_unit_std_error
        As for `twfe`.

    Returns
    -------
    DataFrame
        One row per fake date: term, event_time = -years_before in the periods' units.

    Raises
    ------
    OptionError
        A date that is not before the policy.
    EstimationError
        Nobody is seen on both sides of the fake date.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> found = did.fake_date_placebo(zones(), **columns)
    >>> found[["term", "estimate", "p_value"]].round(2)
                           term  estimate  p_value
    0  treated 1 periods before      0.01     0.35
    1  treated 2 periods before      0.01     0.45
    2  treated 3 periods before      0.01     0.56
    """
    ahead = [int(k) for k in np.atleast_1d(np.asarray(years_before, int))]
    late = [k for k in ahead if k < 1]
    if late:
        raise OptionError.of(
            "did.fake_date_not_before", [f"years_before = {k}" for k in late]
        )
    data = data.without_always_treated()
    before = ~data.treated
    frame = data.frame[before].copy()
    columns = data.design.columns_given()
    del columns["cohort"]
    note = data.note
    rows: list[dict] = []
    errors: list[EstimationError] = []
    for k in ahead:
        fake = data.ever[before] & (data.event[before] >= -k)
        labels = {
            "aggregation": "fake_date",
            "event_time": data.grid.span(-k),
            "term": f"treated {k} periods before",
        }
        treatment = free_name(frame, f"treated {k} periods before")
        try:
            fit = twfe(
                frame.assign(**{treatment: fake.astype(float)}),
                **dict(columns, treatment=treatment),
                standard_errors=standard_errors,
                period_effects_by=period_effects_by,
                single_unit_std_error=True,
            ).iloc[0]
        except EstimationError as error:
            errors.append(error)
            rows.append({**labels, "note": join_notes(error.problem, note)})
            continue
        rows.append(
            {
                **fit,
                **labels,
                "single_unit": len(np.unique(data.unit[before][fake])) == 1,
                "note": join_notes(
                    NOTE_ROUNDING if pd.isna(fit["std_error"]) else None, data.note
                ),
            }
        )
    if len(errors) == len(rows) and errors:
        raise errors[0]
    return panel_frame(
        data,
        rows,
        estimator="twfe",
        single_unit_std_error=single_unit_std_error,
        outcome=None,
    )
