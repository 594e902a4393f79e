"""Two-way fixed effects: the published columns and the event study.

y_it = alpha_i + lambda_t + beta D_it + x_it' gamma + e_it, least squares net of the
effects; linearmodels' PanelOLS gives the same to rounding, and its own standard errors
where they are asked for. With
staggered adoption and effects that differ between cohorts beta is a weighted mean of
comparisons of which some use treated units as controls (Goodman-Bacon 2021):
`bacon_decomposition` shows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from citypanel.did import covariances as cov
from citypanel.did.frames import (
    NOTE_REFERENCE,
    NOTE_UNKNOWN,
    OVERALL,
    WITHOUT_SINGLE,
    Extras,
    add_note,
    join_notes,
    panel_frame,
)
from citypanel.did.linear import TwoWay, cluster_sums, symmetric_inverse
from citypanel.did.moments import MomentPanel, condense
from citypanel.did.moments import covariance as group_covariance
from citypanel.did.panels import (
    FAR,
    Design,
    Panel,
    choose,
    free_name,
    on_panel,
    prepare,
    require_absorbing,
    require_treated_and_control,
    starts_from_treatment,
)
from citypanel.did.periods import read_periods
from citypanel.did.regressions import (
    Estimate,
    NotIdentifiedError,
    coefficient_rows,
    event_row,
    lost_controls,
    not_identified,
    regress_net,
    wald_row,
)
from citypanel.did.results import remembering
from citypanel.did.spatial import conley, conley_options, unit_coordinates
from citypanel.errors import EstimationError, OptionError, PanelError

EFFECTS = ("two_way", "unit", "none")
ENGINES = ("closed_form", "linearmodels")
# Options of `twfe` that name a column of its design.
NAMED = (
    "outcome", "treatment", "unit", "period", "controls", "weights", "cluster",
    "frequency",
)  # fmt: skip


@remembering
def twfe(
    panel: Any,
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
    frequency: str | float | None = None,
    absorbing: bool = True,
    single_unit_std_error: bool = False,
    without_single_units: bool = False,
    level: float = 0.95,
    engine: str | None = None,
    coordinates: Sequence[str] | None = None,
    cutoff_km: float | None = None,
    kernel: str = "bartlett",
    lags: float | None = None,
) -> pd.DataFrame:
    """Two-way fixed effects regression of an outcome on a treatment.

    Parameters
    ----------
    panel : DataFrame, Panel, DuckDB relation, or path of a Parquet file
        One row per unit and period, balanced or not, in any order. A relation or a file
        need not fit into memory; its treatment is 0 or 1 and stays, its weights and
        clusters are the same in all rows of a unit, and what needs the rows themselves
        (other effects, ``by``, ``outcome_shift``, ``CR2`` ...) is refused by name.
    outcome, treatment, unit, period : str
        Column names. A treatment within [0, 1] must not fall within a unit.
    controls : sequence of str
        Further regressors. One that is a combination of others or of the effects is
        left out, and the note names it.
    standard_errors : str
        ``xtreg`` (default), ``reghdfe`` (the same without singletons: units, and
        period effects, with one row), ``fixest``, ``linearmodels``,
        ``full``, ``CR0``, ``CR2``, ``CR3``, ``conventional``, ``HC1`` or
        ``conley`` (errors shared by neighbours, see `spatial`); the
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
        regression with common controls and period effects. Rows without a group are
        left out, those of never-treated units too.
    outcome_shift : int
        Outcome this many periods ahead (negative: before); rows without it drop out.
    weights : str, optional
        Column of positive weights of the rows. The coefficient is then that of the
        population they stand for; with effects that differ, each unit's share in it
        follows its weight as well as the timing of its treatment.
    frequency : str or float, optional
        Distance between neighbouring periods (see `periods.read_periods`).
    absorbing : bool
        Check that a treatment in [0, 1] never falls within a unit.
    single_unit_std_error : bool
        Report a standard error for a coefficient that rests on one treated unit.
    without_single_units : bool
        Add the row ``overall_without_single_unit_cohorts``: the same regression
        without the units that make up cohorts of one.
    level : float
        Coverage of the intervals.
    engine : {"closed_form", "linearmodels"}, optional
        Who solves the regression; the numbers agree to rounding. The closed form unless
        given, and linearmodels for the standard errors named after it.
    coordinates : two str, optional
        For ``conley``: columns of latitude and longitude, in degrees; rows without
        them are left out.
    cutoff_km : float, optional
        For ``conley``: distance from which on errors are independent.
    kernel : {"bartlett", "uniform"}
        For ``conley``: weights that fall to zero at the cutoff, or one up to it.
    lags : number, optional
        For ``conley``: None lets errors of neighbours depend on each other over any
        number of periods; a number counts neighbours within a period only, and a
        unit's own periods up to that far apart with Bartlett's weights (Hsiang 2010).

    Returns
    -------
    DataFrame
        Rows with aggregation ``coefficient`` (treatment, controls, ``const`` as
        xtreg prints it: the mean effect in the first period), then ``overall`` with
        term ``overall``, the treatment's coefficient as a one-number summary. Extra
        columns: outcome, r2_within (as ``xtreg y x i.year, fe`` prints it: residual
        over unit-demeaned sum of squares), r2_partial (of the regressors after both
        effects). ``attrs``: covariance (an `Extras` with terms, matrix), dropped, and
        periods, how they were read.

    Raises
    ------
    PanelError
        Keys, columns or cells that cannot be used; a treatment that switches off.
    EstimationError
        A treatment that is absorbed by the effects, or collinear with the controls.
    OptionError
        An option that is not on its list.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", treatment="treated", unit="city", period="year")
    >>> found = did.twfe(zones(), **columns)
    >>> found[["term", "estimate", "std_error", "p_value"]].round(3)
          term  estimate  std_error  p_value
    0  treated     0.111      0.016      0.0
    1    const     9.976      0.007      0.0
    2  overall     0.111      0.016      0.0
    >>> found.confint(level=0.9).round(3)
          term  conf_low  conf_high
    0  treated     0.084      0.137
    1    const     9.965      9.987
    2  overall     0.084      0.137
    """
    # As given: nothing else is a local yet.
    options: dict[str, Any] = dict(locals())
    del options["panel"]
    choose("standard_errors", standard_errors, (*cov.CONVENTIONS, "conley"))
    choose("effects", effects, EFFECTS)
    engine = _engine(engine, standard_errors)
    columns = {name: options[name] for name in NAMED}
    spatial = standard_errors == "conley"
    at = conley_options(coordinates, cutoff_km, kernel) if spatial else ()
    if spatial and cluster is not None:
        raise OptionError.of("did.conley_and_clusters", cluster=cluster)
    if outcome_shift and isinstance(panel, pd.DataFrame):
        panel = shift_outcome(
            panel, outcome, unit, period, outcome_shift, frequency=frequency
        )
    elif outcome_shift:
        raise PanelError.of("did.moments_do_not_suffice", ["outcome_shift"])
    away = None
    if not isinstance(panel, pd.DataFrame | Panel):
        asked = {
            "by": by is not None,
            "period_effects_by": period_effects_by is not None,
            "coordinates": spatial,
            "without_single_units": without_single_units,
            f"effects {effects}": effects != "two_way",
        }
        panel, away = _of_relation(
            panel, Design(**columns), asked, standard_errors, small_sample
        )
    data = prepare(panel, groups=(period_effects_by, by, *at), **columns)
    if away is None:
        if effects == "none" or without_single_units or spatial:
            data = data.rows
        else:
            data = condense(data, two_way=True, standard_errors=standard_errors)
    exposure = bool(((data.treatment >= 0) & (data.treatment <= 1)).all())
    if exposure and absorbing and effects == "two_way":
        require_absorbing(data)
    if standard_errors == "reghdfe":
        data = _without_singletons(data, effects, period_effects_by)
    d, names = _treatment_columns(data, treatment, by)
    estimate = away or _estimate(
        data,
        np.column_stack([d, data.controls]),
        [*names, *data.control_names],
        effects=effects,
        second=data.period_effects(period_effects_by),
        convention="HC1" if spatial else standard_errors,
        small_sample=small_sample,
        engine=engine,
        treatments=len(names),
    )
    if spatial:
        errors = conley(
            estimate.fit,
            data,
            unit_coordinates(data, at),
            cutoff_km=float(cutoff_km or 0),
            kernel=kernel,
            lags=lags,
            small_sample=small_sample,
        )
        constant = (estimate.constant[0], float("nan"))
        estimate = replace(estimate, covariance=errors, constant=constant)
    data = data.remarking(
        lost_controls(estimate.regression, data.control_names, len(names))
    )
    start = starts_from_treatment(data) if exposure else None
    rows = _coefficient_rows(data, estimate, names, d, start)
    shown = outcome if not outcome_shift else f"{outcome} {outcome_shift:+d}"
    if by is None:
        rows.append({**rows[0], "aggregation": OVERALL, "term": OVERALL})
    add_note([*rows[: len(names)], *rows[-1:]] if by is None else rows, data.note)
    if without_single_units and by is None and start is not None:
        # The outcome of this panel is shifted already.
        again = dict(outcome_shift=0, without_single_units=False)
        again |= dict(single_unit_std_error=False)
        rows += _without_single_rows(data, start, panel, {**options, **again})
    terms = [*names, *data.control_names]
    kept = [
        term for term, ok in zip(terms, estimate.regression.keep, strict=True) if ok
    ]
    return panel_frame(
        data,
        rows,
        estimator="twfe",
        level=level,
        single_unit_std_error=single_unit_std_error,
        resolution=data.resolution,
        extra_columns=("outcome", "r2_within", "r2_partial"),
        attrs={
            "covariance": Extras({"terms": kept, "matrix": estimate.covariance.matrix}),
            "periods": data.grid.description,
        },
        **_common(data, estimate, shown),
    )


def _of_relation(
    relation: Any,
    design: Design,
    asked: Mapping[str, bool],
    convention: str,
    small_sample: Mapping[str, object] | None,
) -> tuple[MomentPanel, Estimate | None]:
    """The sums of a relation, and with controls the regression itself.

    ``asked`` says of each option that needs the rows whether it is used.
    """
    from citypanel.did.partialling import regress_relation
    from citypanel.did.relations import read_moments

    needs = [name for name, used in asked.items() if used]
    if design.controls and convention in ("CR2", "CR3", "reghdfe"):
        needs.append(f"standard_errors {convention} with controls")
    if needs:
        raise PanelError.of("did.moments_do_not_suffice", needs)
    if not design.controls:
        return read_moments(relation, design), None
    return regress_relation(
        relation, design, standard_errors=convention, small_sample=small_sample
    )


def shift_outcome(
    panel: pd.DataFrame,
    outcome: str,
    unit: str,
    period: str,
    shift: int,
    *,
    frequency: str | float | None = None,
) -> pd.DataFrame:
    """Replace the outcome by its value ``shift`` periods later, matched by period."""
    panel = panel.reset_index(drop=True)
    grid = read_periods(panel[period], name=period, frequency=frequency)
    when = grid.place(panel[period])
    key = free_name(panel, "when")
    later = panel[[unit, outcome]].assign(**{key: when - shift})
    left = panel.drop(columns=outcome).assign(**{key: when})
    return left.merge(later, on=[unit, key], how="left").drop(columns=key)


def _without_singletons(data: Panel, effects: str, by: str | None) -> Panel:
    """Leave out effects with one row, which fit it exactly, until none is left."""
    while effects != "none":
        once = [np.bincount(data.unit)[data.unit] == 1]
        if effects == "two_way":
            second = data.period_effects(by)
            once.append(data.effect_rows(second) == 1)
        rows = np.logical_or.reduce(once)
        if not rows.any():
            break
        data = data.keep(~rows, "singleton: the only row of its effect")
    return data


def _treatment_columns(
    data: Panel, treatment: str, by: str | None
) -> tuple[np.ndarray, list[str]]:
    if by is None:
        return data.treatment[:, None], [treatment]
    groups = data.frame[by]
    labels = sorted(groups.dropna().unique())
    treated = [g for g in labels if (data.treatment[(groups == g)] != 0).any()]
    if not treated:
        treated = labels
    columns = [data.treatment * (groups == g).to_numpy() for g in treated]
    return np.column_stack(columns), [f"{treatment}:{g}" for g in treated]


def _engine(asked: str | None, standard_errors: str) -> str:
    if asked is None:
        return "linearmodels" if standard_errors == "linearmodels" else "closed_form"
    choose("engine", asked, ENGINES)
    return asked


def _model(y, x, unit, second, effects, weights):
    """PanelOLS of the regression and the names of its regressors."""
    # Imported where used: it takes longer than the regression.
    from linearmodels.panel import PanelOLS

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
    convention: str = "xtreg",
    small_sample: Mapping[str, object] | None = None,
    engine: str = "closed_form",
    treatments: int = 0,
) -> Estimate:
    """Solve the regression and give it a covariance.

    The first ``treatments`` coefficients must not all be unidentified.
    """
    first = data.unit if effects != "none" else None
    times = data.period if second is None else second
    second = times if effects == "two_way" else None
    y, weights = data.y, data.weights
    root = np.ones(len(data.unit))
    if weights is not None:
        weights = weights / data.mean_weight
        root = np.sqrt(weights)
    transform = None if first is None else TwoWay(first, second, weights)
    raw = np.column_stack([y, x])
    demeaned = _demean(raw, transform, root)
    regression = regress_net(
        demeaned[:, 0],
        demeaned[:, 1:],
        root[:, None] * x,
        first,
        second,
        weights,
        constant=True,
    )
    if treatments and not regression.first_known(treatments).any():
        raise not_identified(regression, names, treatments)
    keep, yd = regression.keep, demeaned[:, 0]
    fit, reported = regression.fit, None
    if isinstance(data, MomentPanel):
        return _of_moments(data, regression, convention, small_sample, raw, transform)
    if engine == "linearmodels":
        model, labels = _model(y, x[:, keep], data.unit, times, effects, weights)
        # Its cheapest covariance: the coefficients alone are read.
        result = model.fit(cov_type="unadjusted")
        coefficients = result.params[labels].to_numpy()
        residuals = yd - fit.x @ coefficients
        fit = replace(fit, coefficients=coefficients, residuals=residuals)
        regression = replace(regression, fit=fit)
        if convention == "linearmodels":
            reported = _reported(model, labels, data)
    elif convention == "linearmodels":
        raise OptionError.of("did.standard_errors_linearmodels_needs")
    one = data.clusters[0]
    two = data.clusters[1] if len(data.clusters) > 1 else None
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
    if transform is None:
        within = root * (y - np.average(y, weights=root**2))
    else:
        within = root * transform.within(y)
    ssr = fit.residuals @ fit.residuals
    constant = _constant(y, x[:, keep], root, fit, covariance, one, two, transform)
    return Estimate(
        regression,
        covariance,
        1 - ssr / (within @ within),
        1 - ssr / (yd @ yd),
        constant,
    )


def _of_moments(data, regression, convention, small_sample, raw, transform):
    """The estimate from groups: their means' fit, and the spread within them."""
    fit = regression.fit
    root, x = np.sqrt(fit.weights), raw[:, 1:][:, regression.keep]
    covariance = group_covariance(data, fit, convention, small_sample)
    noise = (fit.weights / data.weights * data.noise()).sum()
    ssr = fit.residuals @ fit.residuals + noise
    within = root * transform.within(raw[:, 0])
    net = _demean(raw[:, :1], transform, root)[:, 0]
    constant, w = _constant_and_direction(
        raw[:, 0], x, data.n_obs, fit, root, transform
    )
    error = np.nan
    if covariance.name not in ("CR2", "CR3"):
        error = _constant_error(data, fit, covariance, w, root)
    return Estimate(
        regression,
        covariance,
        1 - ssr / (within @ within + noise),
        1 - ssr / (net @ net + noise),
        (constant, error),
    )


def _constant_error(data, fit, covariance, w, root) -> float:
    """Standard error of the constant, as `_constant` has it."""
    both = np.column_stack([w, fit.x @ fit.bread[0]])
    if covariance.name == "conventional":
        variance, plain = (both**2).sum(axis=0)
    elif covariance.name == "HC1":
        squares = data.row_squares(fit.residuals / root, True)
        squares *= (fit.weights / data.weights) ** 2
        variance, plain = squares @ (both / root[:, None]) ** 2
    else:
        slopes = root[:, None] * both
        means = TwoWay(data.unit).demean(slopes)
        matrix = data.products(both * fit.residuals[:, None], means)
        variance, plain = np.diag(matrix)
    factor = covariance.matrix[0, 0] / plain if plain > 0 else np.nan
    return float(np.sqrt(variance * factor))


def _demean(
    values: np.ndarray, transform: TwoWay | None, root: np.ndarray
) -> np.ndarray:
    """Columns net of the effects (of the mean without), times root weights (n,)."""
    if transform is None:
        net = values - np.average(values, axis=0, weights=root**2)
    else:
        net = transform.demean(values)
    return net if (root == 1).all() else root[:, None] * net


def _reported(model, labels, data) -> cov.Covariance:
    """linearmodels' own clustered standard errors with its defaults."""
    codes = np.column_stack(data.clusters)
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
    constant, w = _constant_and_direction(y, x, len(y), fit, root, transform)
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


def _constant_and_direction(y, x, n, fit, root, transform):
    """The constant of `_constant`, and w with which it is w'y (times root weights).

    What the dummies take of the means m is taken off first: means far from zero cost
    no digits, and the dummies are never built.
    """
    weights, columns = root**2, np.column_stack([y, x])
    means, line = np.average(columns, axis=0, weights=weights), 0.0
    if fit.period is not None:
        _, shift = transform.effects(columns - means)
        shares = np.bincount(fit.period, weights) / weights.sum()
        means = means - shares @ (shift - shift[0])
        ahead = np.zeros(len(shares))
        ahead[1:] = symmetric_inverse(transform.schur[1:, 1:]) @ shares[1:]
        line = root * (ahead[fit.period] - (transform.share @ ahead)[fit.unit])
    slopes = fit.x @ (fit.bread @ means[1:])
    constant = float(means[0] - means[1:] @ fit.coefficients)
    return constant, root / n - slopes - line


def _coefficient_rows(data, estimate, names, d, start) -> list[dict]:
    """One row per coefficient, the constant last."""
    columns = [estimate.column(c) for c in ("coefficients", "std_errors", "df")]
    values, errors, df = columns
    known = estimate.regression.first_known(len(names))
    rows = []
    for j, term in enumerate(names):
        row = {"aggregation": "coefficient", "term": term}
        if known[j]:
            row |= {"estimate": values[j], "std_error": errors[j], "df": df[j]}
        else:
            row["note"] = NOTE_UNKNOWN
        if start is not None:
            count = data.count(data.unit[d[:, j] > 0])
            row["n_treated_units"], row["single_unit"] = count, count == 1
        rows.append(row)
    rows += coefficient_rows(
        data.control_names, len(names), estimate.regression, estimate.covariance
    )
    rows.append(
        {
            "aggregation": "coefficient",
            "term": "const",
            "estimate": estimate.constant[0],
            "std_error": estimate.constant[1],
            "df": estimate.covariance.df[0],
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


def _without_single_rows(data, start, panel, options) -> list[dict]:
    """The overall row of the regression without cohorts of one unit."""
    values, counts = np.unique(start[start < FAR], return_counts=True)
    single = values[counts == 1]
    left = np.isin(start, single)
    if not len(single) or len(single) == len(values):
        return []
    frame = panel if isinstance(panel, pd.DataFrame) else data.frame
    smaller = frame[~frame[options["unit"]].isin(data.units[left])]
    other = twfe(smaller, **options)
    row = other[other["aggregation"] == OVERALL].iloc[0].to_dict()
    gone = ", ".join(data.name(g) for g in single)
    row["term"] = WITHOUT_SINGLE
    row["note"] = join_notes(row["note"], f"without cohort {gone}")
    return [row]


@on_panel(
    "cohort",
    "controls",
    "weights",
    "cluster",
    groups=("period_effects_by",),
    ready=partial(condense, two_way=True),
)
def event_study(
    data: Panel,
    *,
    reference: float | None = None,
    bin_before: float | None = None,
    bin_after: float | None = None,
    standard_errors: str = "xtreg",
    small_sample: Mapping[str, object] | None = None,
    period_effects_by: str | None = None,
    single_unit_std_error: bool = False,
    level: float = 0.95,
    engine: str | None = None,
) -> pd.DataFrame:
    """Two-way fixed effects event study with a joint test of the leads.

    y_it = alpha_i + lambda_t + sum over e of beta_e 1{t - g_i = e} + x_it' gamma
    + e_it, with beta at ``reference`` set to zero.

    Parameters
    ----------
    panel : DataFrame or Panel
    outcome, cohort, unit, period, controls, weights, cluster, frequency
        Names of columns (see `panels.Design`). With weights an event time's effect is
        that of the population the weights stand for.
    standard_errors, small_sample, period_effects_by, single_unit_std_error, level,
    engine
        As for `twfe`.
    reference : number, optional
        Event time left out, in the periods' own units; the last one before treatment
        by default.
    bin_before, bin_after : number, optional
        Event times at or before ``bin_before`` share one coefficient, and those at
        or after ``bin_after``; none by default. Far event times rest on few units
        (see ``n_treated_units``).

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

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> found = did.event_study(zones(), bin_before=-4, bin_after=3, **columns)
    >>> found.loc[2:5, ["event_time", "estimate", "std_error"]].round(3)
       event_time  estimate  std_error
    2          -2    -0.007      0.017
    3          -1     0.000        NaN
    4           0     0.072      0.015
    5           1     0.088      0.018
    >>> figure = found.plot()
    """
    choose("standard_errors", standard_errors, cov.CONVENTIONS)
    require_treated_and_control(data)
    if standard_errors == "reghdfe":
        data = _without_singletons(data, "two_way", period_effects_by)
    grid, ever = data.grid, data.ever
    base = data.reference
    if reference is not None:
        base = grid.whole_steps(reference, "reference")
    low = -FAR if bin_before is None else grid.whole_steps(bin_before, "bin_before")
    high = FAR if bin_after is None else grid.whole_steps(bin_after, "bin_after")
    if base is not None and not low < base < high:
        raise OptionError.of(
            "did.reference_lies_bin",
            what=grid.span(base),
            bin_before=bin_before,
            bin_after=bin_after,
        )
    binned = np.where(ever, np.clip(data.event, low, high), FAR)
    times = np.unique(binned[ever])
    if base not in times or len(times) == 1:
        seen = ", ".join(str(grid.span(e)) for e in times)
        at = "before treatment" if base is None else f"{grid.span(base)}"
        raise EstimationError.of(
            "did.no_treated_unit_seen_2", [f"event times seen: {seen}"], at=at
        )
    kept = times[times != base]
    m = len(kept)
    dummies = (binned[:, None] == kept[None, :]).astype(float)
    labels = [grid.span(e) for e in kept]
    try:
        estimate = _estimate(
            data,
            np.column_stack([dummies, data.controls]),
            [*(f"event time {e}" for e in labels), *data.control_names],
            second=data.period_effects(period_effects_by),
            convention=standard_errors,
            small_sample=small_sample,
            engine=_engine(engine, standard_errors),
            treatments=m,
        )
    except NotIdentifiedError:
        if data.never.any():
            raise
        raise EstimationError.of(
            "did.event_times_without_never_treated",
            [f"cohort {data.name(g)}: {n} units" for g, n in data.sizes.items()]
            + data.left_before,
            cohort=data.design.cohort,
        ) from None
    known = estimate.regression.first_known(m)
    data = data.remarking(lost_controls(estimate.regression, data.control_names, m))
    rows = _event_rows(data, estimate, times, kept, binned, base, (low, high), known)
    single = np.array([row.get("single_unit", False) for row in rows])
    single = single[: m + 1][times != base]
    values = np.where(known, estimate.column("coefficients")[:m], 0.0)
    _, matrix = estimate.regression.combine(
        np.eye(m, m + len(data.control_names)), estimate.covariance.matrix
    )
    df = float(estimate.covariance.df[0])
    rows.append(_leads_row(values, matrix, kept, base, known, single, df))
    add_note(rows[-1:], data.note)
    add_note([row for row in rows if row.get("note") != NOTE_REFERENCE][:1], data.note)
    return panel_frame(
        data,
        rows,
        estimator="twfe",
        level=level,
        single_unit_std_error=single_unit_std_error,
        resolution=data.resolution,
        extra_columns=("outcome", "r2_within", "r2_partial"),
        attrs={
            "covariance": Extras(
                {
                    "positions": kept[known],
                    "event_times": np.array(labels)[known],
                    "estimates": values[known],
                    "matrix": matrix[np.ix_(known, known)],
                    "reference": base,
                    "single": single[known],
                    "span": grid.span,
                }
            ),
            "periods": data.grid.description,
        },
        **_common(data, estimate, data.design.outcome),
    )


def _event_rows(data, estimate, times, kept, binned, base, bins, known) -> list[dict]:
    columns = [estimate.column(c) for c in ("coefficients", "std_errors", "df")]
    values, errors, df = columns
    rows = []
    for e in times:
        units, j = data.count(data.unit[binned == e]), int(np.searchsorted(kept, e))
        if e == base:
            row = event_row(data, e, units, None, "event")
            row |= {"estimate": 0.0, "note": NOTE_REFERENCE}
        else:
            numbers = (values[j], errors[j], df[j]) if known[j] else None
            row = event_row(data, e, units, numbers, "event")
            if known[j] and e in bins:
                side = "before" if e < 0 else "after"
                row["note"] = f"binned: {row['event_time']} and {side}"
        rows.append(row)
    rows += coefficient_rows(
        data.control_names, len(kept), estimate.regression, estimate.covariance
    )
    return rows


def _leads_row(values, matrix, kept, base, known, single, df) -> dict:
    """Joint Wald test of the leads that have a sampling distribution."""
    early = (kept < base) & known
    leads = early & ~single
    return wald_row(
        values[leads],
        matrix[np.ix_(leads, leads)],
        df=df,
        note="leads that rest on one unit left out" if (early & single).any() else None,
    )
