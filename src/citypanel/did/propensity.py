"""Propensity scores: matching or weighting before the difference in differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from citypanel.did.frames import (
    NOTE_ROUNDING,
    OVERALL,
    Extras,
    join_notes,
    panel_frame,
)
from citypanel.did.linear import require_full_rank
from citypanel.did.panels import (
    Design,
    Panel,
    build,
    choose,
    free_name,
    require_treated_and_control,
)
from citypanel.did.propensity_scores import Logit, logit
from citypanel.did.results import remembering
from citypanel.did.twfe import twfe
from citypanel.errors import EstimationError, OptionError

METHODS = ("nearest", "kernel", "weighting")
WARNING = (
    "matching comes after selection: units that are like those chosen for a policy are "
    "seldom untreated"
)


def balance_table(
    panel: pd.DataFrame,
    *,
    cohort: str,
    unit: str,
    period: str,
    covariates: Sequence[str],
    weights: pd.Series | None = None,
    before: Any = None,
    frequency: str | float | None = None,
) -> pd.DataFrame:
    """Means of covariates before treatment, treated against never treated.

    Parameters
    ----------
    panel : DataFrame
    cohort, unit, period : str
    covariates : sequence of str
        Averaged by unit over the periods before ``before``.
    weights : Series, optional
        Weight by unit (index); units that are missing or zero drop out. Adds the
        sample ``matched`` below ``unmatched``.
    before : period, optional
        First period not used; the earliest cohort by default.
    frequency : str or float, optional
        As for `panels.Design`.

    Returns
    -------
    DataFrame
        One row per covariate and sample, then ``all`` with the means over covariates:
        mean_treated, mean_control, bias_pct = 100 (difference) / sqrt of the mean of
        the two unmatched variances, bias_reduction_pct, variance_ratio, t, p_value
        (Welch), n_treated, n_control.

    References
    ----------
    Rosenbaum and Rubin (1985), American Statistician 39.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> found = did.balance_table(
    ...     zones(), cohort="zone", unit="city", period="year",
    ...     covariates=["capital", "labour"],
    ... )
    >>> found[["covariate", "mean_treated", "mean_control", "bias_pct"]].round(1)
      covariate  mean_treated  mean_control  bias_pct
    0   capital         151.1         178.8     -35.3
    1    labour          55.2          63.4     -29.6
    2       all           NaN           NaN      32.5
    """
    keys: dict[str, Any] = dict(
        cohort=cohort, unit=unit, period=period, frequency=frequency
    )
    units, x = _before(panel, keys, covariates, before)
    return _balance(
        units["treated"].to_numpy(),
        x,
        covariates,
        None
        if weights is None
        else weights.reindex(units.index).fillna(0.0).to_numpy(),
    )


@remembering
def propensity_score_did(
    panel: pd.DataFrame,
    *,
    outcome: str,
    cohort: str,
    unit: str,
    period: str,
    covariates: Sequence[str],
    controls: Sequence[str] = (),
    method: str = "nearest",
    neighbours: int = 1,
    caliper: float | None = 0.25,
    bandwidth: float = 0.06,
    common_support: bool = True,
    before: Any = None,
    standard_errors: str = "xtreg",
    frequency: str | float | None = None,
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Two-way fixed effects on units matched or weighted by their propensity score.

    The score is a logit of ever being treated on means of the covariates before any
    treatment.

    Parameters
    ----------
    panel : DataFrame
    outcome, cohort, unit, period : str
    covariates : sequence of str
        Of the score.
    controls : sequence of str
        Of the regression.
    method : {"nearest", "kernel", "weighting"}
        - nearest: with replacement, on the log odds, within ``caliper`` standard
          deviations of them;
        - kernel: Epanechnikov weights on the score with ``bandwidth``;
        - weighting: controls by their odds p / (1 - p).
    neighbours : int
        Controls for each treated unit (nearest).
    caliper : float or None
        None admits any distance.
    common_support : bool
        Leave out treated units whose score lies outside the controls' range.
    before : period, optional
        First period not used for the covariates; the earliest cohort by default.
    standard_errors : str
        Of the weighted regression. The score and the matches are taken as given: the
        refits of CR3, without each cluster in turn, hold the weights and do not
        estimate the score again, so that its own sampling error is not in any of them.
    frequency : str or float, optional
        As for `panels.Design`.

    Returns
    -------
    DataFrame
        The regression's overall row (aggregation the method), with the number of
        units kept and a warning about matching after selection. attrs: ``balance``
        (an `Extras` with the table of `balance_table`) and ``scores`` (unit, treated,
        score, weight).

    Raises
    ------
    EstimationError
        Separation (the covariates tell treated from control), collinear covariates,
        nobody matched, no treated or no never-treated unit seen before treatment.

    References
    ----------
    Heckman, Ichimura and Todd (1997), Review of Economic Studies 64.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> found = did.propensity_score_did(
    ...     zones(), covariates=["population"], method="weighting", **columns
    ... )
    >>> found[found["term"] == "overall"][["estimate", "std_error"]].round(3)
       estimate  std_error
    0     0.092      0.015
    """
    choose("method", method, METHODS)
    if neighbours < 1 or bandwidth <= 0 or (caliper is not None and caliper <= 0):
        raise OptionError.of(
            "did.matching_options_out_range",
            [f"neighbours {neighbours}, caliper {caliper}, bandwidth {bandwidth}"],
        )
    keys: dict[str, Any] = dict(
        cohort=cohort, unit=unit, period=period, frequency=frequency
    )
    units, x = _before(panel, keys, covariates, before)
    treated = units["treated"].to_numpy()
    spread = x.std(axis=0)
    require_full_rank(x - x.mean(axis=0), x, list(covariates))
    design = np.column_stack([np.ones(len(x)), (x - x.mean(axis=0)) / spread])
    # Single units may be certain to be treated: the common support leaves them out.
    score = logit(treated.astype(float), design, overlap=1.0)
    if score is None:
        raise EstimationError.of(
            "did.covariates_separate_treated_from",
            [
                f"{c}: treated {x[treated, j].mean():.4g}, "
                f"control {x[~treated, j].mean():.4g}"
                for j, c in enumerate(covariates)
            ],
        )
    p = score.probability
    weight = _match(p, treated, method, neighbours, caliper, bandwidth, common_support)
    if not (weight[treated] > 0).any():
        raise EstimationError.of(
            "did.no_treated_unit_match",
            [f"caliper {caliper}, common support {common_support}"],
        )
    kept = pd.Series(weight, index=units.index)
    data = build(panel, Design(**keys | {"outcome": outcome, "controls": controls}))
    data = data.without_always_treated()
    matched = data.frame[unit].map(kept).fillna(0.0).to_numpy()
    data = data.keep(matched > 0, "no match or no score")
    on = free_name(data.frame, "treated")
    share = free_name(data.frame, "matched weight")
    fit = twfe(
        data.frame.assign(
            **{share: matched[matched > 0], on: data.treated.astype(float)}
        ),
        outcome=outcome,
        treatment=on,
        unit=unit,
        period=period,
        controls=controls,
        weights=share,
        frequency=frequency,
        standard_errors=standard_errors,
        single_unit_std_error=True,
        level=level,
    )
    row = fit[fit["aggregation"] == OVERALL].iloc[0].to_dict()
    off = int((weight[treated] == 0).sum())
    row |= {
        "aggregation": method,
        "note": join_notes(
            WARNING,
            f"{int((weight[treated] > 0).sum())} treated and "
            f"{int((weight[~treated] > 0).sum())} control units",
            f"{off} treated units without a match" if off else None,
            NOTE_ROUNDING if pd.isna(row["std_error"]) else None,
            data.note,
        ),
        "single_unit": sum(data.sizes.values()) == 1,
    }
    pseudo = _pseudo_r2(score, treated)
    balance = _balance(treated, x, covariates, weight)
    scores = {unit: units.index, "treated": treated, "score": p, "weight": weight}
    return panel_frame(
        data,
        [{k: v for k, v in row.items() if k != "estimator"}],
        estimator="propensity_score_did",
        level=level,
        single_unit_std_error=single_unit_std_error,
        attrs={
            "balance": Extras({"table": balance, "pseudo_r2": pseudo}),
            "scores": Extras({"table": pd.DataFrame(scores)}),
        },
    )


def _before(panel, keys, covariates, before):
    """Units with their covariates' means before treatment."""
    covariates = list(covariates)
    if not covariates:
        raise OptionError.of("did.no_covariate_balance_or")
    data = build(panel, Design(covariates[0], controls=tuple(covariates[1:]), **keys))
    data = data.without_always_treated()
    require_treated_and_control(data, needs="never")
    first = min(data.sizes)
    if before is not None:
        first = _place(data, before)
    early = data.when < first
    if not early.any():
        raise EstimationError.of(
            "did.no_period_before", what=data.label(first) if before is None else before
        )
    means = data.frame[early].groupby(keys["unit"])[covariates].mean()
    treated = pd.Series(~data.never, index=data.units).reindex(means.index)
    if treated.all() or not treated.any():
        what = "never-treated" if treated.all() else "treated"
        places = [f"rows before {data.name(first)}: {int(early.sum())}"]
        raise EstimationError.of("did.nobody_seen_before", places, what=what)
    return pd.DataFrame({"treated": treated}), means.to_numpy(float)


def _place(data: Panel, before: Any) -> float:
    place = float(data.grid.place([before])[0])
    if not np.isfinite(place):
        raise OptionError.of(
            "did.option_before_value",
            [f"the periods are {data.grid.description}"],
            before=before,
        )
    return place


def _match(p, treated, method, neighbours, caliper, bandwidth, common_support):
    """Weight of each unit: 1 for matched treated, shares of them for controls."""
    usable = treated.copy()
    if common_support:
        low, high = p[~treated].min(), p[~treated].max()
        usable &= (p >= low) & (p <= high)
    weight = np.zeros(len(p))
    control = np.flatnonzero(~treated)
    if method == "weighting":
        weight[usable] = 1.0
        odds = p[control] / (1 - p[control])
        weight[control] = odds / odds.sum() * usable.sum()
        return weight
    inside = np.clip(p, 1e-12, 1 - 1e-12)
    odds = np.log(inside / (1 - inside))
    limit = np.inf if caliper is None else caliper * odds.std(ddof=1)
    for i in np.flatnonzero(usable):
        if method == "nearest":
            distance = np.abs(odds[control] - odds[i])
            order = np.argsort(distance, kind="stable")[:neighbours]
            chosen = order[distance[order] <= limit]
            share = np.ones(len(chosen))
        else:
            u = (p[control] - p[i]) / bandwidth
            chosen = np.flatnonzero(np.abs(u) < 1)
            share = 1 - u[chosen] ** 2
        if len(chosen):
            weight[i] = 1.0
            weight[control[chosen]] += share / share.sum()
    return weight


def _balance(treated, x, covariates, weight) -> pd.DataFrame:
    samples = [("unmatched", np.ones(len(treated)))]
    if weight is not None:
        samples.append(("matched", weight))
    one, two = (
        x[rows].var(axis=0, ddof=1) if rows.sum() > 1 else np.full(x.shape[1], np.nan)
        for rows in (treated, ~treated)
    )
    scale = np.sqrt((one + two) / 2)
    rows = []
    for j, name in enumerate(covariates):
        first = None
        for sample, w in samples:
            one = _moments(x[treated, j], w[treated])
            two = _moments(x[~treated, j], w[~treated])
            gap = one["mean"] - two["mean"]
            error = np.sqrt(one["var"] / one["size"] + two["var"] / two["size"])
            bias = 100 * _ratio(gap, scale[j])
            first = bias if first is None else first
            spread = sum(
                _ratio((part["var"] / part["size"]) ** 2, part["size"] - 1)
                for part in (one, two)
            )
            df, t = _ratio(error**4, spread), _ratio(gap, error)
            rows.append(
                {
                    "covariate": name,
                    "sample": sample,
                    "mean_treated": one["mean"],
                    "mean_control": two["mean"],
                    "bias_pct": bias,
                    "bias_reduction_pct": None
                    if sample == "unmatched"
                    else 100 * (1 - _ratio(abs(bias), abs(first))),
                    "variance_ratio": _ratio(one["var"], two["var"]),
                    "t": t,
                    "p_value": 2 * special.stdtr(df, -abs(t)),
                    "n_treated": one["count"],
                    "n_control": two["count"],
                }
            )
    table = pd.DataFrame(rows)
    for sample, _ in samples:
        part = table[table["sample"] == sample]
        rows.append(
            {
                "covariate": "all",
                "sample": sample,
                "bias_pct": part["bias_pct"].abs().mean(),
                "n_treated": part["n_treated"].iloc[0],
                "n_control": part["n_control"].iloc[0],
            }
        )
    return pd.DataFrame(rows).astype({"bias_reduction_pct": float})


def _ratio(a: float, b: float) -> float:
    """a / b; nan where b is zero."""
    return a / b if b else np.nan


def _moments(values, weights) -> dict:
    """Weighted mean and variance; the size is Kish's effective number of units."""
    kept = weights > 0
    values, weights = values[kept], weights[kept] / weights[kept].sum()
    size = 1.0 / (weights**2).sum()
    mean = weights @ values
    variance = weights @ (values - mean) ** 2
    if size > 1:
        variance *= size / (size - 1)
    return {"mean": mean, "var": variance, "size": size, "count": len(values)}


def _pseudo_r2(score: Logit, treated: np.ndarray) -> float:
    """McFadden's: 1 less the log likelihood over that of the constant."""
    p = np.where(treated, score.probability, 1 - score.probability)
    share = treated.mean()
    null = np.where(treated, share, 1 - share)
    return float(1 - np.log(p).sum() / np.log(null).sum())
