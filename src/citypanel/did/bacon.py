"""The comparisons behind a two-way fixed effects coefficient."""

from __future__ import annotations

import numpy as np
import pandas as pd

from citypanel.did.frames import join_notes, panel_frame
from citypanel.did.linear import TwoWay, weighted_mean
from citypanel.did.moments import condense
from citypanel.did.panels import (
    FAR,
    Panel,
    on_panel,
    require_absorbing,
    require_binary,
    starts_from_treatment,
)
from citypanel.did.periods import label_array
from citypanel.did.regressions import lost_controls, not_identified, regress
from citypanel.errors import EstimationError

NOTE_SINGLE_SIDE = "one side is a cohort of one unit"


@on_panel("treatment", "controls", "weights", ready=condense)
def bacon_decomposition(data: Panel) -> pd.DataFrame:
    """Goodman-Bacon decomposition of the two-way fixed effects coefficient.

    In a balanced panel the coefficient on an absorbing 0/1 treatment is the weighted
    mean of all 2x2 comparisons of cohorts. With n_k the share of cohort k, d_k the
    share of periods it is treated, s = n_k / (n_k + n_l) and k treated before l, the
    weights are proportional to

    - treated against never treated: (n_k + n_u)^2 s (1-s) d_k (1-d_k);
    - earlier against later: (n_k + n_l)^2 s (1-s) (d_k - d_l) (1 - d_k);
    - later against earlier: (n_k + n_l)^2 s (1-s) d_l (d_k - d_l).

    With controls the treatment net of controls and effects, d_it, has a part that
    varies within cohorts and one, its cohort means d_kt, between them. The coefficient
    is Omega beta_w + (1 - Omega) times a weighted mean over pairs of cohorts (section
    V of the paper), with Omega the share of the first part's variance,

        beta_kl = sum_t (d_kt - d_lt)(y_kt - y_lt) / sum_t (d_kt - d_lt)^2

    and weights n_k n_l times the denominator; as controls move every period's
    comparison, earlier against later and later against earlier are one term a pair.

    Parameters
    ----------
    panel : DataFrame or Panel
        The decomposition is of the units seen in every period; the note says how many
        rows are left out, and ``attrs["dropped"]`` which.
    outcome, treatment, unit, period, controls, weights, frequency
        Names of columns (see `panels.Design`); the treatment is 0/1 and does not fall
        within a unit. With weights, which must be constant within units, n_k is the
        share of the weights, and the coefficient that of the weighted regression.

    Returns
    -------
    DataFrame
        One row per 2x2: cohort (the side whose treatment changes), control_cohort
        (0 or null = never), type, weight (sum to 1), estimate; no standard error, as
        the comparisons are not independent. ``attrs["twfe"]`` is the coefficient, equal
        to the sum of weight times estimate.

    Raises
    ------
    PanelError
        A treatment that switches off, weights that change within a unit.
    EstimationError
        A fractional treatment, or one that never changes.

    References
    ----------
    Goodman-Bacon (2021), Journal of Econometrics 225.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", treatment="treated", unit="city", period="year")
    >>> found = did.bacon_decomposition(zones(), **columns)
    >>> found.groupby("type")["weight"].sum().round(3)
    type
    Earlier vs Later Treated    0.05
    Later vs Earlier Treated    0.05
    Treated vs Untreated        0.90
    Name: weight, dtype: float64
    """
    data = data.balanced()
    require_absorbing(data)
    require_binary(data, "the decomposition is defined for a 0/1 treatment")
    start, weight = starts_from_treatment(data), data.unit_weights
    if data.control_names:
        return _with_controls(data, start, weight)
    y, positions = data.matrix(data.y), data.positions
    cohorts = np.unique(start).tolist()
    members = {g: start == g for g in cohorts}
    count = {g: data.count(np.flatnonzero(m)) for g, m in members.items()}
    means = {g: weighted_mean(y[m], weight[m]) for g, m in members.items()}
    even = data.weights is None
    size = {g: count[g] if even else weight[m].sum() for g, m in members.items()}
    treated = {g: positions >= g for g in cohorts}
    rows = []
    # The never-treated, who are last by position, come first in the table.
    others = sorted(cohorts, key=lambda g: (g != FAR, g))
    for g in cohorts:
        if g == FAR or treated[g].all():
            continue
        for other in others:
            if other != g:
                row = _two_by_two(g, other, size, means, treated)
                never = other == FAR
                sides = (data.label(g), "never" if never else data.label(other))
                row |= {
                    "cohort": sides[0],
                    "control_cohort": _never_label(data) if never else sides[1],
                    "term": f"{data.name(g)} vs "
                    + ("never" if never else data.name(other)),
                    "n_treated_units": count[g],
                    "n_units": count[g] + count[other],
                }
                row["n_obs"] = row["n_units"] * row.pop("n_periods")
                alone = NOTE_SINGLE_SIDE if min(count[g], count[other]) == 1 else None
                row["note"] = join_notes(alone, data.note)
                rows.append(row)
    if not rows:
        raise EstimationError.of(
            "did.treatment_never_changes_within",
            [data.note] if data.note else [],
            treatment=data.design.treatment,
        )
    total = sum(row["weight"] for row in rows)
    for row in rows:
        row["weight"] /= total
    d = TwoWay(data.unit, data.period, data.weights).demean(data.treatment)
    w = data.row_weights
    return _frame(data, rows, float(d @ (w * data.y) / (d @ (w * d))))


def _with_controls(data: Panel, start: np.ndarray, weight: np.ndarray) -> pd.DataFrame:
    """The pairs of cohorts, and the part of the treatment that controls make vary."""
    x = np.column_stack([data.treatment, data.controls])
    fit = regress(data.y, x, data.unit, data.period, data.weights)
    if not fit.first_known(1)[0]:
        names = [str(data.design.treatment), *data.control_names]
        raise not_identified(fit, names, 1)
    data = data.remarking(lost_controls(fit, data.control_names, 1))
    net = fit.fit.x / np.sqrt(data.row_weights)[:, None]
    slopes = np.linalg.lstsq(fit.fit.x[:, 1:], fit.fit.x[:, 0], rcond=None)[0]
    d, y = data.matrix(net[:, 0] - net[:, 1:] @ slopes), data.matrix(data.y)
    cohorts, code = np.unique(start, return_inverse=True)
    size = np.bincount(code, weight)
    count = np.bincount(code)
    means = [
        np.array(
            [weighted_mean(v[code == k], weight[code == k]) for k in range(len(size))]
        )
        for v in (d, y)
    ]
    within = d - means[0][code]
    total = float(weight @ (d**2).sum(axis=1))
    inner = float(weight @ (within**2).sum(axis=1))
    never = _never_label(data)
    labels = [never if g == FAR else data.label(g) for g in cohorts]
    names = ["never" if g == FAR else data.name(g) for g in cohorts]
    rows: list[dict] = []
    for k in range(len(cohorts)):
        for m in range(k + 1, len(cohorts)):
            gap, moved = (v[k] - v[m] for v in means)
            spread = float(gap @ gap)
            share = size[k] * size[m] / size.sum() * spread / total
            alone = NOTE_SINGLE_SIDE if min(count[k], count[m]) == 1 else None
            row = {
                "cohort": labels[k],
                "control_cohort": labels[m],
                "term": f"{names[k]} vs {names[m]}",
                "type": "Treated vs Untreated" if cohorts[m] == FAR else "Two cohorts",
                "weight": share,
                "n_treated_units": count[k],
                "n_units": count[k] + count[m],
                "n_obs": (count[k] + count[m]) * len(data.positions),
                "note": join_notes(alone, data.note),
            }
            if spread > 0:
                row["estimate"] = float(gap @ moved) / spread
            rows.append(row)
    if inner > 1e-12 * total:
        moved = float(weight @ (within * y).sum(axis=1))
        rows.append(
            {
                "term": "within cohorts",
                "type": "Within cohorts",
                "weight": inner / total,
                "estimate": moved / inner,
                "n_units": data.n_units,
                "n_obs": data.n_obs,
                "note": data.note,
            }
        )
    return _frame(data, rows, float(fit.fit.coefficients[0]))


def _frame(data: Panel, rows: list[dict], twfe: float) -> pd.DataFrame:
    frame = panel_frame(
        data,
        rows,
        estimator="bacon_decomposition",
        aggregation="two_by_two",
        extra_columns=("control_cohort", "type", "weight", "outcome"),
        attrs={"twfe": twfe},
    )
    control = label_array(frame["control_cohort"].tolist())
    return frame.assign(control_cohort=control).astype({"weight": float})


def _never_label(data: Panel) -> int | None:
    """Never, beside the labels of cohorts: 0 among years, null elsewhere."""
    return 0 if data.grid.zero_means_never else None


def _two_by_two(g, other, size, means, treated) -> dict:
    """Estimate and unscaled weight of cohort g against another cohort."""
    own, control = treated[g], treated[other]
    dg, do = own.mean(), control.mean()
    both = size[g] + size[other]
    share = size[g] / both
    spread = both**2 * share * (1 - share)
    if other == FAR:
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
    return {
        "type": kind,
        "weight": spread * weight,
        "estimate": float(gap[window & own].mean() - gap[window & ~own].mean()),
        "n_periods": int(window.sum()),
    }
