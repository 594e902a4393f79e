"""How a two-way fixed effects coefficient weights the effects behind it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from citypanel.did.frames import OVERALL, Extras, add_note, join_notes, panel_frame
from citypanel.did.linear import TwoWay
from citypanel.did.panels import FAR, Panel, on_panel, starts_from_treatment
from citypanel.did.regressions import lost_controls, not_identified, regress
from citypanel.errors import PanelError

COLUMNS = ("weight", "negative_weight", "share", "outcome")
EVEN = 1e-9


@on_panel("treatment", "controls", "weights", groups=("period_effects_by",))
def twfe_weights(data: Panel, *, period_effects_by: str | None = None) -> pd.DataFrame:
    """Weights of de Chaisemartin and D'Haultfoeuille behind the two-way coefficient.

    With d_it the treatment D_it net of the effects and controls and n_it the row's
    weight, beta is a weighted sum of the rows' effects (per unit of treatment) under
    parallel trends,

        beta = sum over treated rows of w_it tau_it,
        w_it = n_it d_it D_it / sum of n d D,

    which sum to one and may be negative. Two numbers say how far effects must differ
    to turn the coefficient's meaning round. With shares s = n D / sum of n D and
    W = d / (sum of s d), sorted downwards, and P_k, S_k, T_k the sums of s, s W and
    s W^2 from the k-th on:

    - ``sigma_zero`` = |beta| / sqrt(sum of s (W - 1)^2), the smallest standard
      deviation of effects at which their mean over the treated can be zero;
    - ``sigma_opposite`` = |beta| / sqrt(T_k + S_k^2 / (1 - P_k)), k the first with
      W_k < -S_k / (1 - P_k), the smallest at which every effect can have the other
      sign; there is none where no weight is negative.

    Parameters
    ----------
    panel : DataFrame or Panel
        Balanced or not; the treatment may switch off, and need not be 0/1.
    outcome, treatment, unit, period, controls, weights, frequency
        Names of columns (see `panels.Design`); the treatment must not be negative.
    period_effects_by : str, optional
        As for `twfe`.

    Returns
    -------
    DataFrame
        ``overall`` (the coefficient), ``positive`` and ``negative`` (``weight``: their
        sum; ``share``: of the treated rows; n_obs: how many), ``sigma_zero`` and
        ``sigma_opposite`` (as ``estimate``), then one row a cohort (first treated
        period) and period with its ``weight`` and the part of it that is negative.
        ``attrs["rows"]`` holds each treated row's weight.

    Raises
    ------
    PanelError
        A panel that cannot be used, or a negative treatment.
    EstimationError
        A treatment that the effects or controls absorb.

    References
    ----------
    de Chaisemartin and D'Haultfoeuille (2020), American Economic Review 110, theorem 1
    and corollary 1.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", treatment="treated", unit="city", period="year")
    >>> found = did.twfe_weights(zones(), **columns)
    >>> found[["term", "estimate", "weight"]].head(3).round(3)
           term  estimate  weight
    0   overall     0.111     NaN
    1  positive       NaN     1.0
    2  negative       NaN     0.0
    """
    if (data.treatment < 0).any():
        wrong = data.frame[data.treatment < 0]
        keys = [data.design.unit, data.design.period, str(data.design.treatment)]
        raise PanelError.of(
            "did.treatment_negative",
            [f"{u}, {t}: {v:g}" for u, t, v in wrong[keys].itertuples(index=False)],
            treatment=data.design.treatment,
        )
    second = data.period_effects(period_effects_by)
    x = np.column_stack([data.treatment, data.controls])
    fit = regress(data.y, x, data.unit, second, data.weights)
    names = [str(data.design.treatment), *data.control_names]
    if not fit.first_known(1)[0]:
        raise not_identified(fit, names, 1)
    data = data.remarking(lost_controls(fit, data.control_names, 1))
    beta = float(fit.fit.coefficients[0])
    net = TwoWay(data.unit, second, data.weights).demean(x[:, fit.keep])
    n = data.row_weights
    root = np.sqrt(n)[:, None] * net
    slopes = np.linalg.lstsq(root[:, 1:], root[:, 0], rcond=None)[0]
    d = net[:, 0] - net[:, 1:] @ slopes

    on = data.treatment > 0
    share = n[on] * data.treatment[on]
    share = share / share.sum()
    relative = d[on] / (share @ d[on])
    # What is zero up to rounding is neither positive nor negative.
    relative = np.where(np.abs(relative) < EVEN, 0.0, relative)
    weight = share * relative
    below = weight < 0
    rows: list[dict] = [{"term": OVERALL, "estimate": beta}]
    for term, some in (("positive", weight > 0), ("negative", below)):
        rows.append(
            {
                "term": term,
                "weight": weight[some].sum(),
                "share": some.mean(),
                "n_obs": some.sum(),
            }
        )
    for row in rows:
        row["aggregation"] = "summary"
    rows += _ratios(beta, share, relative)
    add_note(rows[:1], data.note)
    rows += _cells(data, on, weight)
    treated = data.frame.loc[on, [data.design.unit, data.design.period]]
    return panel_frame(
        data,
        rows,
        estimator="twfe_weights",
        extra_columns=COLUMNS,
        n_obs=data.n_obs,
        n_units=data.n_units,
        attrs={"rows": Extras({"rows": treated.assign(weight=weight)})},
    ).astype(dict.fromkeys(COLUMNS[:3], float))


def _ratios(beta: float, share: np.ndarray, relative: np.ndarray) -> list[dict]:
    spread = float(np.sqrt(share @ (relative - 1.0) ** 2))
    zero: dict = {"aggregation": "ratio", "term": "sigma_zero"}
    if spread > EVEN:
        zero["estimate"] = abs(beta) / spread
    else:
        zero["note"] = "all weights are equal: the coefficient is the mean effect"
    other: dict = {"aggregation": "ratio", "term": "sigma_opposite"}
    if (relative < 0).any():
        order = np.argsort(-relative, kind="stable")
        s, w = share[order], relative[order]
        p, sw, sww = (np.cumsum(v[::-1])[::-1] for v in (s, s * w, s * w**2))
        # The first has P = 1, and S = 1: it never satisfies the condition.
        k = 1 + int(np.argmax(w[1:] < -sw[1:] / (1.0 - p[1:])))
        other["estimate"] = abs(beta) / np.sqrt(sww[k] + sw[k] ** 2 / (1.0 - p[k]))
    else:
        other["note"] = "no weight is negative"
    return [zero, other]


def _cells(data: Panel, on: np.ndarray, weight: np.ndarray) -> list[dict]:
    start = starts_from_treatment(data)[data.unit[on]]
    when, unit = data.when[on], data.unit[on]
    rows = []
    for g in np.unique(start[start < FAR]):
        for t in np.unique(when[start == g]):
            some = (start == g) & (when == t)
            units = np.unique(unit[some])
            rows.append(
                {
                    "aggregation": "group_time",
                    "cohort": data.label(g),
                    "period": data.label(t),
                    "event_time": data.grid.span(t - g),
                    "term": f"cohort_{data.name(g)}_period_{data.name(t)}",
                    "weight": weight[some].sum(),
                    "negative_weight": weight[some & (weight < 0)].sum(),
                    "n_obs": some.sum(),
                    "n_treated_units": len(units),
                    "note": join_notes("one unit" if len(units) == 1 else None),
                }
            )
    return rows
