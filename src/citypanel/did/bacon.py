"""The comparisons behind a two-way fixed effects coefficient."""

from __future__ import annotations

import numpy as np
import pandas as pd

from citypanel.did.frames import Extras, join_notes, tidy
from citypanel.did.linear import TwoWay
from citypanel.did.panels import cohorts_from_treatment, prepare
from citypanel.errors import EstimationError, describe

NOTE_SINGLE_SIDE = "one side is a cohort of one unit"


def bacon_decomposition(
    panel: pd.DataFrame, *, outcome: str, treatment: str, unit: str, period: str
) -> pd.DataFrame:
    """Goodman-Bacon decomposition of the two-way fixed effects coefficient.

    In a balanced panel the coefficient on an absorbing 0/1 treatment is the weighted
    mean of all 2x2 comparisons of cohorts. With n_k the share of cohort k, d_k the
    share of periods it is treated, s = n_k / (n_k + n_l) and k treated before l, the
    weights are proportional to

    - treated against never treated: (n_k + n_u)^2 s (1-s) d_k (1-d_k);
    - earlier against later: (n_k + n_l)^2 s (1-s) (d_k - d_l) (1 - d_k);
    - later against earlier: (n_k + n_l)^2 s (1-s) d_l (d_k - d_l).

    Parameters
    ----------
    panel : DataFrame
        Units not seen in every period are left out (``attrs["dropped"]``).
    outcome, treatment, unit, period : str
        Column names; the treatment is 0/1 and does not fall within a unit.

    Returns
    -------
    DataFrame
        One row per 2x2: cohort (the side whose treatment changes), control_cohort
        (0 = never), type, weight (sum to 1), estimate; no standard error, as the
        comparisons are not independent. ``attrs["twfe"]`` is the coefficient, equal
        to the sum of weight times estimate.

    Raises
    ------
    PanelError
        A treatment that switches off.
    EstimationError
        A fractional treatment, or one that never changes.

    References
    ----------
    Goodman-Bacon (2021), Journal of Econometrics 225.
    """
    data = prepare(
        panel,
        outcome=outcome,
        unit=unit,
        period=period,
        treatment=treatment,
        balanced=True,
        absorbing=True,
    )
    fractional = ~np.isin(data.treatment, (0.0, 1.0))
    if fractional.any():
        rows = data.frame[fractional]
        raise EstimationError(
            describe(
                f"Treatment {treatment} is a fraction",
                [
                    f"{unit} {u}, {period} {t}, {treatment} = {v}"
                    for u, t, v in zip(
                        rows[unit], rows[period], rows[treatment], strict=True
                    )
                ],
                consequence="the decomposition is defined for a 0/1 treatment",
                remedy="date the exposure from the approval year or from the next",
            )
        )
    cohort = cohorts_from_treatment(data)
    y = data.matrix(data.y)
    labels, counts = np.unique(cohort, return_counts=True)
    size = dict(zip(labels.tolist(), counts.tolist(), strict=True))
    means = {g: y[cohort == g].mean(axis=0) for g in size}
    treated = {g: (data.periods >= g) & (g > 0) for g in size}
    rows = []
    for g in size:
        if g == 0 or treated[g].all():
            continue
        for other in size:
            if other != g:
                rows.append(_two_by_two(g, other, size, means, treated))
    if not rows:
        raise EstimationError(
            describe(
                f"Treatment {treatment} never changes within a city",
                consequence="there is no 2x2 comparison",
                remedy="check the exposure and the years of the panel",
            )
        )
    total = sum(row["weight"] for row in rows)
    for row in rows:
        row["weight"] /= total
        row["n_units"] = row.pop("sizes")
        row["n_obs"] = row["n_units"] * row.pop("n_periods")
    d = TwoWay(data.unit, data.period).demean(data.treatment)
    return tidy(
        rows,
        estimator="bacon_decomposition",
        aggregation="two_by_two",
        extra_columns=("control_cohort", "type", "weight", "outcome"),
        outcome=outcome,
        attrs={
            "twfe": float(d @ data.y / (d @ d)),
            "dropped": Extras({"rows": data.dropped}),
        },
    ).astype({"control_cohort": "Int64", "weight": float})


def _two_by_two(g, other, size, means, treated) -> dict:
    """Estimate and unscaled weight of cohort g against another cohort."""
    own, control = treated[g], treated[other]
    dg, do = own.mean(), control.mean()
    both = size[g] + size[other]
    share = size[g] / both
    spread = both**2 * share * (1 - share)
    if other == 0:
        kind, weight = "Treated vs Untreated", dg * (1 - dg)
        window = np.ones(len(own), bool)
    elif control.all():
        kind, weight = "Later vs Always Treated", dg * (1 - dg)
        window = np.ones(len(own), bool)
    elif g < other:
        kind, weight = "Earlier vs Later Treated", (dg - do) * (1 - dg)
        window = ~control
    else:
        kind, weight = "Later vs Earlier Treated", dg * (do - dg)
        window = control
    gap = means[g] - means[other]
    estimate = gap[window & own].mean() - gap[window & ~own].mean()
    single = NOTE_SINGLE_SIDE if min(size[g], size[other]) == 1 else None
    return {
        "cohort": g,
        "control_cohort": other,
        "term": f"{g} vs {other or 'never'}",
        "type": kind,
        "weight": spread * weight,
        "estimate": float(estimate),
        "sizes": both,
        "n_periods": int(window.sum()),
        "n_treated_units": size[g],
        "note": join_notes(single),
    }
