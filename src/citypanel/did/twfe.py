"""Two-way fixed effects: the published columns and the event study.

y_it = alpha_i + lambda_t + beta D_it + x_it' gamma + e_it, estimated by linearmodels'
PanelOLS; covariances.py adds the conventions the package does not offer. With
staggered adoption and effects that differ between cohorts beta is a weighted mean of
comparisons of which some use treated cities as controls (Goodman-Bacon 2021):
`bacon_decomposition` shows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from linearmodels.panel import PanelOLS
from scipy import linalg, stats

from citypanel.did import covariances as cov
from citypanel.did.frames import (
    NOTE_REFERENCE,
    OVERALL,
    WITHOUT_SINGLE,
    Extras,
    join_notes,
    rests_on_single_units,
    tidy,
)
from citypanel.did.linear import (
    TwoWay,
    cluster_sums,
    require_full_rank,
    symmetric_inverse,
)
from citypanel.did.panels import (
    Panel,
    choose,
    cohort_sizes,
    cohorts_from_treatment,
    prepare,
    require_absorbing,
    require_treated_and_control,
)
from citypanel.errors import EstimationError, OptionError, describe

EFFECTS = ("two_way", "unit", "none")
ENGINES = ("linearmodels", "closed_form")


@dataclass(frozen=True, eq=False)
class Estimate:
    """Coefficients, their covariance and the fit's R2s."""

    fit: cov.Fit
    covariance: cov.Covariance
    r2_within: float
    r2_partial: float
    constant: tuple[float, float]


def twfe(
    panel: pd.DataFrame,
    *,
    outcome: str,
    treatment: str,
    unit: str,
    period: str,
    controls: Sequence[str] = (),
    standard_errors: str = "xtreg",
    cluster: str | Sequence[str] | None = None,
    small_sample: Mapping[str, object] | None = None,
    effects: str = "two_way",
    period_effects_by: str | None = None,
    by: str | None = None,
    outcome_shift: int = 0,
    weights: str | None = None,
    absorbing: bool = True,
    single_unit_std_error: bool = False,
    without_single_units: bool = False,
    level: float = 0.95,
    engine: str = "linearmodels",
) -> pd.DataFrame:
    """Two-way fixed effects regression of an outcome on a treatment.

    Parameters
    ----------
    panel : DataFrame
        One row per unit and period, balanced or not, in any order.
    outcome, treatment, unit, period : str
        Column names. A treatment within [0, 1] must not fall within a unit.
    controls : sequence of str
        Further regressors.
    standard_errors : str
        ``xtreg`` (default; the same as ``reghdfe``), ``fixest``, ``linearmodels``,
        ``full``, ``CR0``, ``CR2``, ``CR3``, ``conventional`` or ``HC1``; the
        name stands in the output. p-values from t(G-1), for ``linearmodels``,
        ``conventional`` and ``HC1`` from t(residual df), for ``CR2`` from
        Satterthwaite's.
    cluster : str or two of them, optional
        Columns to cluster on, ``unit`` by default; two give two-way clustering.
    small_sample : mapping, optional
        For ``fixest``: ``K.fixef`` ("nonnested", "none", "full"), ``K.adj``,
        ``G.adj`` (bool), ``G.df`` ("min", "conventional").
    effects : {"two_way", "unit", "none"}
        Effects absorbed; "none" is pooled least squares with a constant.
    period_effects_by : str, optional
        Period effects for each value of this column (region-by-year effects).
    by : str, optional
        Interact the treatment with this column: one coefficient a group in one
        regression with common controls and period effects.
    outcome_shift : int
        Outcome this many periods ahead (negative: before); rows without it drop out.
    weights : str, optional
        Column of analytic weights.
    absorbing : bool
        Check that a treatment in [0, 1] never falls within a unit.
    single_unit_std_error : bool
        Report a standard error for a coefficient that rests on cohorts of one unit.
    without_single_units : bool
        Add the row ``overall_without_single_unit_cohorts``: the same regression
        without the cities that make up cohorts of one.
    level : float
        Coverage of the intervals.
    engine : {"linearmodels", "closed_form"}
        Who solves the regression; the numbers agree to rounding.

    Returns
    -------
    DataFrame
        Rows with aggregation ``coefficient`` (treatment, controls, ``const`` as
        xtreg prints it: the mean effect in the first period), then ``overall`` with
        term ``overall``, the treatment's coefficient as a one-number summary. Extra
        columns: outcome, r2_within (as ``xtreg y x i.year, fe`` prints it: residual
        over unit-demeaned sum of squares), r2_partial (of the regressors after both
        effects). ``attrs``: covariance (an `Extras` with terms, matrix), dropped.

    Raises
    ------
    PanelError
        Keys, columns or cells that cannot be used; a treatment that switches off.
    EstimationError
        A regressor absorbed by the effects or collinear.
    OptionError
        An option that is not on its list.
    """
    choose("standard_errors", standard_errors, cov.CONVENTIONS)
    choose("effects", effects, EFFECTS)
    choose("engine", engine, ENGINES)
    controls = [controls] if isinstance(controls, str) else list(controls)
    clusters = [cluster] if isinstance(cluster, str) else list(cluster or ())
    if len(clusters) > 2:
        raise OptionError(
            describe(
                "More than two columns to cluster on",
                clusters,
                consequence="only one-way and two-way clustering is offered",
                remedy="name one or two columns",
            )
        )
    if outcome_shift:
        panel = shift_outcome(panel, outcome, unit, period, outcome_shift)
    keep = [c for c in (*clusters, period_effects_by, by, weights) if c is not None]
    data = prepare(
        panel,
        outcome=outcome,
        unit=unit,
        period=period,
        treatment=treatment,
        controls=controls,
        keep=keep,
    )
    exposure = bool(((data.treatment >= 0) & (data.treatment <= 1)).all())
    if exposure and absorbing and effects == "two_way":
        require_absorbing(data)
    d, names = _treatment_columns(data, treatment, by)
    x = np.column_stack([d, data.controls])
    estimate = _estimate(
        data,
        x,
        [*names, *data.control_names],
        effects=effects,
        second=_period_codes(data, period_effects_by),
        clusters=[pd.factorize(data.frame[c], sort=True)[0] for c in clusters],
        convention=standard_errors,
        small_sample=small_sample,
        weights=None if weights is None else data.frame[weights].to_numpy(float),
        engine=engine,
    )
    cohort = cohorts_from_treatment(data) if exposure else None
    rows = _coefficient_rows(data, estimate, names, by, cohort)
    common = _common(
        data,
        estimate,
        outcome if not outcome_shift else f"{outcome} {outcome_shift:+d}",
    )
    if by is None:
        rows.append({**rows[0], "aggregation": OVERALL, "term": OVERALL})
    if without_single_units and by is None and cohort is not None:
        rows += _without_single_rows(
            data,
            cohort,
            panel,
            rows[0],
            unit,
            dict(
                outcome=outcome,
                treatment=treatment,
                unit=unit,
                period=period,
                controls=controls,
                standard_errors=standard_errors,
                cluster=cluster,
                small_sample=small_sample,
                effects=effects,
                period_effects_by=period_effects_by,
                weights=weights,
                absorbing=absorbing,
                level=level,
                engine=engine,
            ),
        )
    terms = [*names, *data.control_names]
    return tidy(
        rows,
        estimator="twfe",
        level=level,
        single_unit_std_error=single_unit_std_error,
        extra_columns=("outcome", "r2_within", "r2_partial"),
        attrs={
            "covariance": Extras(
                {"terms": terms, "matrix": estimate.covariance.matrix}
            ),
            "dropped": Extras({"rows": data.dropped}),
        },
        **common,
    )


def shift_outcome(
    panel: pd.DataFrame, outcome: str, unit: str, period: str, shift: int
) -> pd.DataFrame:
    """Replace the outcome by its value ``shift`` periods later, matched by period."""
    later = panel[[unit, period, outcome]].copy()
    later[period] = later[period] - shift
    return panel.drop(columns=outcome).merge(later, on=[unit, period], how="left")


def _period_codes(data: Panel, by: str | None) -> np.ndarray:
    if by is None:
        return data.period
    groups = pd.factorize(data.frame[by], sort=True)[0]
    codes = groups * len(data.periods) + data.period
    return np.unique(codes, return_inverse=True)[1]


def _treatment_columns(
    data: Panel, treatment: str, by: str | None
) -> tuple[np.ndarray, list[str]]:
    if by is None:
        return data.treatment[:, None], [treatment]
    groups = data.frame[by]
    labels = sorted(groups.dropna().unique())
    treated = [g for g in labels if (data.treatment[(groups == g)] != 0).any()]
    columns = [data.treatment * (groups == g).to_numpy() for g in treated]
    return np.column_stack(columns), [f"{treatment}:{g}" for g in treated]


def _model(y, x, unit, second, effects, weights):
    """PanelOLS of the regression and the names of its regressors."""
    index = pd.MultiIndex.from_arrays([unit, second])
    names = [f"x{j}" for j in range(x.shape[1])]
    exog = pd.DataFrame(x, index=index, columns=names)
    if effects == "none":
        exog["const"] = 1.0
    options: dict = {"drop_absorbed": False, "check_rank": False}
    if weights is not None:
        options["weights"] = pd.Series(weights, index=index)
    options["entity_effects"] = effects != "none"
    options["time_effects"] = effects == "two_way"
    model = PanelOLS(pd.Series(y, index=index, name="y"), exog, **options)
    return model, names


def _estimate(
    data: Panel,
    x: np.ndarray,
    names: Sequence[str],
    *,
    effects: str = "two_way",
    second: np.ndarray | None = None,
    clusters: Sequence[np.ndarray] = (),
    convention: str = "xtreg",
    small_sample: Mapping[str, object] | None = None,
    weights: np.ndarray | None = None,
    engine: str = "linearmodels",
) -> Estimate:
    """Solve the regression and give it a covariance."""
    first = data.unit if effects != "none" else None
    second = (
        (data.period if second is None else second) if effects == "two_way" else None
    )
    root = np.ones(data.n_obs) if weights is None else np.sqrt(weights / weights.mean())
    y = data.y
    transform = None if first is None else TwoWay(first, second)
    demeaned = _demean(np.column_stack([y, x]), first, second, root, transform)
    require_full_rank(demeaned[:, 1:], x, names)
    yd, xd = demeaned[:, 0], demeaned[:, 1:]
    bread = linalg.inv(xd.T @ xd)
    reported = None
    if engine == "linearmodels":
        times = data.period if second is None else second
        model, labels = _model(y, x, data.unit, times, effects, weights)
        result = model.fit(
            cov_type="clustered",
            clusters=pd.DataFrame(data.unit, index=model.dependent.index),
            auto_df=False,
            count_effects=False,
            debiased=False,
        )
        coefficients = result.params[labels].to_numpy()
        if convention == "linearmodels":
            reported = _reported(model, labels, data, clusters)
    else:
        coefficients = bread @ (xd.T @ yd)
    if convention == "linearmodels" and reported is None:
        raise OptionError(
            describe(
                'standard_errors="linearmodels" needs engine="linearmodels"',
                consequence="the convention is that package's own",
                remedy='leave engine at its default, or choose "xtreg"',
            )
        )
    fit = cov.Fit(
        xd,
        coefficients,
        yd - xd @ coefficients,
        bread,
        first,
        second,
        weights=None if weights is None else root**2,
    )
    one = clusters[0] if clusters else data.unit
    two = clusters[1] if len(clusters) > 1 else None
    if reported is not None:
        covariance = reported
    else:
        covariance = cov.covariance(
            fit,
            convention=convention,
            cluster=one,
            second_cluster=two,
            small_sample=small_sample,
        )
    within = _demean(y[:, None], first, None, root)[:, 0]
    if first is None:
        within = root * (y - np.average(y, weights=root**2))
    ssr = fit.residuals @ fit.residuals
    constant = _constant(y, x, root, fit, covariance, one, two, transform)
    return Estimate(
        fit, covariance, 1 - ssr / (within @ within), 1 - ssr / (yd @ yd), constant
    )


def _demean(values, first, second, root, transform=None) -> np.ndarray:
    """Columns net of the effects, times the root of the weights."""
    if first is None:
        mean = np.average(values, axis=0, weights=root**2)
        return root[:, None] * (values - mean)
    if (root == 1).all():
        return (transform or TwoWay(first, second)).demean(values)
    columns = [values]
    if second is not None:
        columns.append(np.eye(int(second.max()) + 1)[second][:, 1:])
    stacked = np.hstack(columns)
    total = cluster_sums(root**2, first)
    means = cluster_sums(root[:, None] ** 2 * stacked, first) / total[:, None]
    net = root[:, None] * (stacked - means[first])
    k = values.shape[1]
    if second is None:
        return net
    coefficients = np.linalg.lstsq(net[:, k:], net[:, :k], rcond=None)[0]
    return net[:, :k] - net[:, k:] @ coefficients


def _reported(model, labels, data, clusters) -> cov.Covariance:
    """linearmodels' own clustered standard errors with its defaults."""
    codes = np.column_stack(list(clusters) or [data.unit])
    result = model.fit(
        cov_type="clustered",
        clusters=pd.DataFrame(codes, index=model.dependent.index),
    )
    matrix = result.cov.loc[labels, labels].to_numpy()
    groups = min(len(np.unique(c)) for c in codes.T)
    df = np.full(len(labels), float(result.df_resid))
    name = "linearmodels" + (" two-way" if codes.shape[1] > 1 else "")
    return cov.Covariance(matrix, df, groups, name)


def _constant(y, x, root, fit, covariance, one, two, transform):
    """xtreg's constant and its standard error, with the slopes' factor.

    The constant of a regression on x, the period dummies but the first, and 1, each
    column net of unit means with the grand mean put back, is w'y with
    w = 1/n - W (W'W)^-1 m: W the columns net of unit means, m their means.
    """
    w = 1.0 / len(y) * root - _mean_direction(x, fit, root, transform)
    constant = float(w @ (root * y))
    if two is not None or covariance.name in ("CR2", "CR3"):
        return constant, float("nan")
    slopes = fit.x @ fit.bread[0]
    if covariance.name == "conventional":
        variance, plain = w @ w, slopes @ slopes
    else:
        scores, slope_scores = w * fit.residuals, slopes * fit.residuals
        if covariance.name != "HC1":
            scores = cluster_sums(scores, one)
            slope_scores = cluster_sums(slope_scores, one)
        variance, plain = scores @ scores, slope_scores @ slope_scores
    factor = covariance.matrix[0, 0] / plain if plain > 0 else np.nan
    return constant, float(np.sqrt(variance * factor))


def _mean_direction(x, fit, root, transform) -> np.ndarray:
    """W (W'W)^-1 m of `_constant`; without weights the dummies are never built."""
    first, second, weights = fit.unit, fit.period, root**2
    means = np.average(x, axis=0, weights=weights)
    if first is None or second is None or (root != 1).any():
        columns = x
        if second is not None:
            dummies = np.eye(int(second.max()) + 1)[second][:, 1:]
            columns = np.hstack([x, dummies])
            means = np.average(columns, axis=0, weights=weights)
        w = _demean(columns, first, None, root)
        return w @ (symmetric_inverse(w.T @ w) @ means)
    net = TwoWay(first).demean(x)
    across = (transform.sum_second @ net)[1:]
    gram = np.block([[net.T @ net, across.T], [across, transform.schur[1:, 1:]]])
    shares = np.bincount(second) / len(second)
    solved = symmetric_inverse(gram) @ np.concatenate([means, shares[1:]])
    k = x.shape[1]
    line = np.concatenate([[0.0], solved[k:]])
    return net @ solved[:k] + line[second] - (transform.share @ line)[first]


def _coefficient_rows(data, estimate, names, by, cohort) -> list[dict]:
    """One row per coefficient, the constant last."""
    errors, df = estimate.covariance.std_errors, estimate.covariance.df
    terms = [*names, *data.control_names]
    rows = []
    for j, term in enumerate(terms):
        row = {
            "aggregation": "coefficient",
            "term": term,
            "estimate": estimate.fit.coefficients[j],
            "std_error": errors[j],
            "df": df[j],
        }
        if j < len(names) and cohort is not None:
            behind = cohort
            if by is not None:
                starts = np.searchsorted(data.unit, np.arange(data.n_units))
                group = data.frame[by].to_numpy()[starts]
                mine = np.array([f"{term.split(':')[0]}:{g}" == term for g in group])
                behind = np.where(mine, cohort, 0)
            sizes = cohort_sizes(behind)
            row["n_treated_units"] = int((behind > 0).sum())
            row["single_unit"] = rests_on_single_units(sizes, sizes)
        rows.append(row)
    rows.append(
        {
            "aggregation": "coefficient",
            "term": "const",
            "estimate": estimate.constant[0],
            "std_error": estimate.constant[1],
            "df": df[0],
            "note": None
            if np.isfinite(estimate.constant[1])
            else "no standard error for the constant under this convention",
        }
    )
    return rows


def _common(data: Panel, estimate: Estimate, outcome: str) -> dict:
    return {
        "n_obs": data.n_obs,
        "n_units": data.n_units,
        "n_clusters": estimate.covariance.n_clusters,
        "standard_errors": estimate.covariance.name,
        "outcome": outcome,
        "r2_within": estimate.r2_within,
        "r2_partial": estimate.r2_partial,
    }


def _without_single_rows(data, cohort, panel, first, unit, options) -> list[dict]:
    """The overall row of the regression without cohorts of one unit."""
    values, counts = np.unique(cohort[cohort > 0], return_counts=True)
    single = values[counts == 1]
    left = np.isin(cohort, single)
    if not len(single) or len(single) == len(values):
        return []
    smaller = panel[~panel[unit].isin(data.units[left])]
    other = twfe(smaller, **options)
    row = other[other["aggregation"] == OVERALL].iloc[0].to_dict()
    gone = ", ".join(str(int(c)) for c in single)
    row["term"] = WITHOUT_SINGLE
    row["note"] = join_notes(row["note"], f"without cohort {gone}")
    return [row]


def event_study(
    panel: pd.DataFrame,
    *,
    outcome: str,
    cohort: str,
    unit: str,
    period: str,
    controls: Sequence[str] = (),
    reference: int = -1,
    bin_before: int | None = None,
    bin_after: int | None = None,
    standard_errors: str = "xtreg",
    cluster: str | None = None,
    small_sample: Mapping[str, object] | None = None,
    period_effects_by: str | None = None,
    single_unit_std_error: bool = False,
    level: float = 0.95,
    engine: str = "linearmodels",
) -> pd.DataFrame:
    """Two-way fixed effects event study with a joint test of the leads.

    y_it = alpha_i + lambda_t + sum over e of beta_e 1{t - g_i = e} + x_it' gamma
    + e_it, with beta at ``reference`` set to zero.

    Parameters
    ----------
    panel, outcome, unit, period, controls, standard_errors, cluster, small_sample,
    period_effects_by, single_unit_std_error, level, engine
        As for `twfe`.
    cohort : str
        First treated period, 0 or null = never.
    reference : int
        Event time left out.
    bin_before, bin_after : int, optional
        Event times at or before ``bin_before`` share one coefficient, and those at
        or after ``bin_after``; none by default. With batches of 1, 12 and 21 cities
        the far event times rest on few cities (see ``n_treated_units``).

    Returns
    -------
    DataFrame
        One row per event time (aggregation ``event``; binned ends carry it in the
        note; the reference has estimate 0 and no standard error), controls
        (``coefficient``), and a row ``test`` / ``leads_jointly_zero``: ``statistic``
        is F = W/q with W the Wald statistic of the q leads that rest on more than one
        unit, ``df`` its denominator, G-1, and p_value from F(q, G-1). attrs:
        covariance (`Extras` with event_times, matrix of the event-time
        coefficients, and reference).

    Raises
    ------
    PanelError, EstimationError, OptionError
        As for `twfe`; also a reference that no treated unit reaches.
    """
    choose("standard_errors", standard_errors, cov.CONVENTIONS)
    data = prepare(
        panel,
        outcome=outcome,
        unit=unit,
        period=period,
        cohort=cohort,
        controls=controls,
        cluster=cluster,
        keep=[period_effects_by] if period_effects_by else [],
    )
    require_treated_and_control(data, cohort=cohort, needs="any")
    lower = -np.inf if bin_before is None else bin_before
    upper = np.inf if bin_after is None else bin_after
    if not lower < reference < upper:
        raise OptionError(
            describe(
                f"Reference {reference} lies in a bin ({bin_before}, {bin_after})",
                consequence="the reference would be a mean of several event times",
                remedy="take bin_before < reference < bin_after",
            )
        )
    ever = data.cohort[data.unit] > 0
    raw = data.event_time
    binned = np.where(ever, np.clip(raw, lower, upper), np.nan)
    times = np.unique(binned[ever]).astype(int)
    if reference not in times:
        raise EstimationError(
            describe(
                f"No treated city is seen at the reference event time {reference}",
                [f"event times seen: {', '.join(map(str, times))}"],
                consequence="the other event times have nothing to be measured from",
                remedy="choose a reference among the event times seen",
            )
        )
    kept = times[times != reference]
    dummies = (binned[:, None] == kept[None, :]).astype(float)
    names = [f"event time {e}" for e in kept]
    clusters = [] if cluster is None else [data.cluster]
    estimate = _estimate(
        data,
        np.column_stack([dummies, data.controls]),
        [*names, *data.control_names],
        second=_period_codes(data, period_effects_by),
        clusters=clusters,
        convention=standard_errors,
        small_sample=small_sample,
        engine=engine,
    )
    rows = _event_rows(
        data, estimate, times, kept, binned, reference, bin_before, bin_after
    )
    rows.append(_leads_row(estimate, rows, kept, reference))
    m = len(kept)
    single = {row["event_time"] for row in rows if row.get("single_unit")}
    return tidy(
        rows,
        estimator="twfe",
        level=level,
        single_unit_std_error=single_unit_std_error,
        extra_columns=("outcome", "r2_within", "r2_partial"),
        attrs={
            "covariance": Extras(
                {
                    "event_times": kept,
                    "estimates": estimate.fit.coefficients[:m],
                    "matrix": estimate.covariance.matrix[:m, :m],
                    "reference": reference,
                    "single": np.array([e in single for e in kept]),
                }
            ),
            "dropped": Extras({"rows": data.dropped}),
        },
        **_common(data, estimate, outcome),
    )


def _event_rows(
    data, estimate, times, kept, binned, reference, bin_before, bin_after
) -> list[dict]:
    errors, df = estimate.covariance.std_errors, estimate.covariance.df
    rows = []
    for e in times:
        here = np.unique(data.unit[binned == e])
        cohorts = np.unique(data.cohort[here])
        row = {
            "aggregation": "event",
            "event_time": e,
            "term": f"event_time_{e}",
            "n_treated_units": len(here),
        }
        if e == reference:
            row |= {"estimate": 0.0, "note": NOTE_REFERENCE}
        else:
            j = int(np.flatnonzero(kept == e)[0])
            row |= {
                "estimate": estimate.fit.coefficients[j],
                "std_error": errors[j],
                "df": df[j],
                "single_unit": rests_on_single_units(cohorts, data.cohort_sizes),
            }
            if e in (bin_before, bin_after):
                row["note"] = f"binned: {e} and {'before' if e < 0 else 'after'}"
        rows.append(row)
    for j, term in enumerate(data.control_names, start=len(kept)):
        rows.append(
            {
                "aggregation": "coefficient",
                "term": term,
                "estimate": estimate.fit.coefficients[j],
                "std_error": errors[j],
                "df": df[j],
            }
        )
    return rows


def _leads_row(estimate, rows, kept, reference) -> dict:
    """Joint Wald test of the leads that have a sampling distribution."""
    single = {r["event_time"] for r in rows if r.get("single_unit")}
    leads = [j for j, e in enumerate(kept) if e < reference and e not in single]
    return wald_row(
        estimate.fit.coefficients[leads],
        estimate.covariance.matrix[np.ix_(leads, leads)],
        df=float(estimate.covariance.df[0]),
        note="leads that rest on one unit left out"
        if single & {e for e in kept if e < reference}
        else None,
    )


def wald_row(
    estimates: np.ndarray,
    matrix: np.ndarray,
    *,
    df: float,
    term: str = "leads_jointly_zero",
    note: str | None = None,
) -> dict:
    """Row of a joint test: F = b' V^-1 b / q against F(q, df), chi2/q for df = inf."""
    q = len(estimates)
    row = {"aggregation": "test", "term": term, "note": note, "df": df}
    if q == 0:
        row["note"] = join_notes(note, "no lead to test")
        return row
    rank = _rank(matrix)
    if rank < q or (np.isfinite(df) and q > df):
        fewer = min(rank, int(min(df, q)))
        row["note"] = join_notes(note, f"{q} leads but a covariance of rank {fewer}")
        return row
    statistic = float(estimates @ linalg.solve(matrix, estimates, assume_a="pos")) / q
    p = (
        stats.chi2.sf(statistic * q, q)
        if np.isinf(df)
        else stats.f.sf(statistic, q, df)
    )
    row |= {"statistic": statistic, "p_value": float(p)}
    row["note"] = join_notes(note, f"F({q}, {df:g})")
    return row


def _rank(matrix: np.ndarray) -> int:
    """Rank of a covariance, whatever the units of its variables."""
    size = np.sqrt(np.clip(np.diag(matrix), 0.0, None))
    if (size == 0).any():
        return int((size > 0).sum())
    values = linalg.eigvalsh(matrix / np.outer(size, size))
    return int((values > 1e-10 * values.max()).sum())
