"""The headline over draws of the figures that were never published.

Two kinds of numbers stand in for missing ones, and each has its declared model.

Gaps that the study's rule fills. Its error is measured where the truth is known: for
every reported figure the rule is applied as if it were missing (the mean of both
neighbours, or a neighbour carried one year or two), which gives ln(reported / rule). A
draw is the rule's value times exp of such an error, taken from an approximate Bayesian
bootstrap of the errors of that series (Rubin and Schenker 1986).

Investment after the last reported year s_i. On the city-years in which total and
real-estate investment are both reported,

    ln(I_it / I_i,t-1) = a + b ln(R_it / R_i,t-1) + u_it,  u ~ N(0, s^2),

with (a, b, s) drawn from their posterior under a flat prior, and I_it of later years
drawn year by year from there. `regression` estimates a and b, `proportional` holds them
at 0 and 1: the rule of the option fai_extension = real_estate, with its error. Errors
are independent between cities and years; a shock common to all cities of a year is left
to the year effects.

The m estimates are combined by Rubin's (1987) rules: with U the mean of the squared
standard errors and B the variance of the estimates,

    T = U + (1 + 1/m) B,

and degrees of freedom of Barnard and Rubin (1999), whose complete-data ones are the
cities less one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import special

from citypanel.errors import (
    CityPanelError,
    EstimationError,
    OptionError,
)
from citypanel.influence.cell_changes import series_used
from citypanel.influence.headline import Headline, result_of
from citypanel.study.declaration import declared
from citypanel.study.options import Options
from citypanel.study.run import Study
from citypanel.study.steps.series import common_path, last_known

MODELS = ("regression", "proportional")
#: Growth rates that differ by less are the same with rounding.
ALIKE = 1e-9


@dataclass(frozen=True)
class Pooled:
    """Estimates of several imputations as one.

    Attributes
    ----------
    estimate, std_error, df : float
    within, between : float
        U and B.
    missing_share : float
        Fraction of missing information, (r + 2 / (df + 3)) / (r + 1) with
        r = (1 + 1/m) B / U.
    draws : int
        m.
    dropped : int
        Draws without an estimate, which are not among them.
    """

    estimate: float
    std_error: float
    df: float
    within: float
    between: float
    missing_share: float
    draws: int
    dropped: int = 0

    @property
    def p_value(self) -> float:
        """Two-sided."""
        return float(2 * special.stdtr(self.df, -abs(self.estimate / self.std_error)))

    @property
    def interval(self) -> tuple[float, float]:
        """95 per cent."""
        half = float(special.stdtrit(self.df, 0.975)) * self.std_error
        return self.estimate - half, self.estimate + half


def pool(
    estimates: Sequence[float], std_errors: Sequence[float], *, df_complete: float
) -> Pooled:
    """Rubin's rules with the degrees of freedom of Barnard and Rubin.

    Parameters
    ----------
    estimates, std_errors : sequence of float, length m >= 2
    df_complete : float
        Degrees of freedom had nothing been missing; inf for a normal.

    Returns
    -------
    Pooled

    Raises
    ------
    EstimationError
        Fewer than two draws, or one without an estimate.

    Notes
    -----
    r = (1 + 1/m) B / U, g = (1 + 1/m) B / T,
    v_m = (m - 1) / g^2, v_o = (v_c + 1) / (v_c + 3) v_c (1 - g),
    df = 1 / (1 / v_m + 1 / v_o).

    References
    ----------
    Rubin (1987), Multiple Imputation for Nonresponse in Surveys, section 3.1.
    Barnard and Rubin (1999), Biometrika 86(4), 948-955.
    """
    q, u = np.asarray(estimates, float), np.asarray(std_errors, float) ** 2
    m = len(q)
    bad = np.flatnonzero(~(np.isfinite(q) & np.isfinite(u)))
    if m < 2 or len(bad):
        raise EstimationError.of(
            "influence.imputations_not_combined",
            [f"draw {k + 1}" for k in bad],
            what="" if len(bad) else f": {m} of them",
        )
    within, between = float(u.mean()), float(q.var(ddof=1))
    extra = (1 + 1 / m) * between
    total = within + extra
    share = extra / total
    complete = (
        df_complete
        if np.isinf(df_complete)
        else (df_complete + 1) / (df_complete + 3) * df_complete * (1 - share)
    )
    df = complete if share == 0 else 1 / (share**2 / (m - 1) + 1 / complete)
    r = extra / within if within > 0 else np.inf
    missing = (r + 2 / (df + 3)) / (r + 1) if np.isfinite(r) else 1.0
    missing = 0.0 if between == 0 else missing
    return Pooled(
        float(q.mean()), float(np.sqrt(total)), float(df), within, between, missing, m
    )


@dataclass(frozen=True, eq=False)
class GrowthModel:
    """The model of investment growth, ready to be drawn from.

    Attributes
    ----------
    coefficients : ndarray (2,)
        a, b.
    factor : ndarray (2, 2)
        Cholesky factor of (X'X)^-1; zero where the coefficients are not estimated.
    sum_of_squares : float
        Of the residuals.
    df : int
    n_obs : int
    """

    coefficients: np.ndarray
    factor: np.ndarray
    sum_of_squares: float
    df: int
    n_obs: int

    @property
    def sigma(self) -> float:
        """Residual standard deviation, in logarithms a year."""
        return float(np.sqrt(self.sum_of_squares / self.df))

    def draw(self, generator: np.random.Generator) -> tuple[float, float, float]:
        """a, b and s from their posterior under p(a, b, s) ~ 1/s."""
        sigma = np.sqrt(self.sum_of_squares / generator.chisquare(self.df))
        shift = sigma * (self.factor @ generator.standard_normal(2))
        a, b = self.coefficients + shift
        return float(a), float(b), float(sigma)


def growth_model(
    investment: np.ndarray, estate: np.ndarray, years: np.ndarray, *, model: str
) -> GrowthModel:
    """Estimate the growth of investment on that of real-estate investment.

    Parameters
    ----------
    investment, estate : ndarray (cities, years)
        Reported figures; not a number elsewhere.
    years : ndarray (years,)
    model : {"regression", "proportional"}

    Raises
    ------
    OptionError
        An unknown model.
    EstimationError
        Fewer than ten changes with both figures, or real-estate investment that grows
        alike in all of them.
    """
    if model not in MODELS:
        raise OptionError.of(
            "influence.model_no_model_investment", model=model, models=list(MODELS)
        )
    first = declared().same_rules_from
    growth = np.diff(np.log(investment), axis=1)[:, years[1:] > first]
    of_estate = np.diff(np.log(estate), axis=1)[:, years[1:] > first]
    kept = np.isfinite(growth) & np.isfinite(of_estate)
    y, x = growth[kept], of_estate[kept]
    if len(y) < 10:
        raise EstimationError.of("influence.city_years_growth_total", n_y=len(y))
    if model == "proportional":
        coefficients, factor, df = np.array([0.0, 1.0]), np.zeros((2, 2)), len(y)
        residuals = y - x
    elif np.ptp(x) <= ALIKE * max(np.abs(x).max(), 1.0):
        raise EstimationError.of("influence.real_estate_investment_grows", n_y=len(y))
    else:
        design = np.column_stack([np.ones_like(x), x])
        inverse = np.linalg.inv(design.T @ design)
        coefficients = inverse @ (design.T @ y)
        factor, df = np.linalg.cholesky(inverse), len(y) - 2
        residuals = y - design @ coefficients
    return GrowthModel(coefficients, factor, float(residuals @ residuals), df, len(y))


def rule_errors(
    table: np.ndarray, *, imputation: str = "paper"
) -> dict[str, np.ndarray]:
    """Errors of the gap rules on one reported series, ln(reported / rule).

    Parameters
    ----------
    table : ndarray (cities, years)
        Reported figures; not a number elsewhere.
    imputation : str
        The option. `linear` equals the mean at the single gap whose error is measured;
        `growth_chaining` has its errors net of the cities' common growth.

    Returns
    -------
    dict
        `mean` (of both neighbours), `carry_1`, `carry_2`: errors over the figures for
        which the rule has what it needs.
    """
    logs = np.log(np.where(table > 0, table, np.nan))
    if imputation == "growth_chaining":
        logs = logs - common_path(table)
        errors = {"mean": logs[:, 1:-1] - (logs[:, :-2] + logs[:, 2:]) / 2}
    else:
        between = (table[:, :-2] + table[:, 2:]) / 2
        between = np.log(np.where(between > 0, between, np.nan))
        errors = {"mean": logs[:, 1:-1] - between}
    for lag in (1, 2):
        errors[f"carry_{lag}"] = logs[:, lag:] - logs[:, :-lag]
    return {name: found[np.isfinite(found)] for name, found in errors.items()}


@dataclass(frozen=True, eq=False)
class _Gap:
    """Filled cells of a series that share a rule."""

    variable: str
    cells: tuple[np.ndarray, np.ndarray]
    errors: np.ndarray


def _gaps(headline: Headline) -> list[_Gap]:
    """The filled cells behind the headline and the errors of the rule that filled."""
    study, options = headline.study, headline.options
    raw, filled = study.readings(options), study.series(options)
    mine = np.zeros((len(study.city_ids), len(study.years)), dtype=bool)
    mine[headline.at] = True
    found = []
    for variable in series_used(study, options):
        gap = np.isnan(raw[variable]) & np.isfinite(filled[variable]) & mine
        if not gap.any():
            continue
        errors = rule_errors(raw[variable], imputation=options.imputation)
        known = ~np.isnan(raw[variable])
        for name, cells in _by_rule(gap, known).items():
            found.append(_Gap(variable, cells, errors[name]))
    return found


def _by_rule(gap: np.ndarray, known: np.ndarray) -> dict[str, tuple]:
    """Positions of gaps by the rule that fills them; longer carries count as two."""
    rules: dict[str, list] = {}
    for i, t in np.argwhere(gap):
        before, after = np.flatnonzero(known[i, :t]), np.flatnonzero(known[i, t + 1 :])
        if len(before) and len(after):
            name = "mean"
        else:
            far = t - before[-1] if len(before) else after[0] + 1
            name = f"carry_{min(int(far), 2)}"
        rules.setdefault(name, []).append((i, t))
    return {name: tuple(np.array(cells).T) for name, cells in rules.items()}


def multiple_imputation(
    study: Study,
    options: Options,
    *,
    model: str = "regression",
    draws: int = 100,
    seed: int,
    gaps: bool = True,
) -> tuple[Pooled, pd.DataFrame]:
    """The headline over draws of assumed and imputed figures.

    Parameters
    ----------
    study : Study
    options : Options
        Those of the headline. Under fai_extension = none only gaps are drawn.
    model : {"regression", "proportional"}
        Of investment after the last reported year; it takes the place of the option's
        extension.
    draws : int
        m.
    seed : int
        Of the random numbers.
    gaps : bool
        Whether the gaps inside the series are drawn too.

    Returns
    -------
    Pooled
    DataFrame
        One row per draw: estimate, std_error, mean, std_dev of tfpch, note. Where a
        drawn figure leaves no capital stock or no comparison the note says so; such a
        draw is left out of the pooled estimate and counted there.

    Raises
    ------
    OptionError, EstimationError
        As `growth_model` and `pool`.
    """
    headline = Headline(study, options)
    base = study.investment(options)
    raw = study.readings(options)
    fitted = None
    if base.is_assumed.any():
        both = raw["fai_cny_10k"], raw["real_estate_cny_10k"]
        fitted = growth_model(*both, study.years, model=model)
    cells = _gaps(headline) if gaps else []
    rows = []
    for k, stream in enumerate(np.random.SeedSequence(seed).spawn(draws)):
        generator = np.random.default_rng(stream)
        series = _drawn_series(study.series(options), cells, generator)
        drawn = study.instead(series=series)
        if fitted is not None:
            real = _drawn_investment(series, base.deflator, fitted, generator)
            drawn.given["investment"] = replace(base, real=real)
        rows.append({"draw": k + 1, **_row(headline, drawn)})
    frame = pd.DataFrame(rows)
    there = np.isfinite(frame[["estimate", "std_error"]]).all(axis=1)
    pooled = pool(
        frame.loc[there, "estimate"],
        frame.loc[there, "std_error"],
        df_complete=headline.result.n_cities - 1.0,
    )
    return replace(pooled, dropped=int((~there).sum())), frame


def _row(headline: Headline, drawn: Study) -> dict:
    names = ("estimate", "std_error", "mean", "std_dev")
    try:
        result = result_of(headline, drawn)
    except CityPanelError as error:
        return {**dict.fromkeys(names, np.nan), "note": str(error).splitlines()[0]}
    note = None if np.isfinite(result.std_error) else "no comparison left"
    return {**{name: getattr(result, name) for name in names}, "note": note}


def _drawn_series(series, gaps: Sequence[_Gap], generator) -> dict[str, np.ndarray]:
    drawn = dict(series)
    for gap in gaps:
        pool = generator.choice(gap.errors, size=len(gap.errors))
        errors = generator.choice(pool, size=len(gap.cells[0]))
        table = drawn[gap.variable].copy()
        table[gap.cells] *= np.exp(errors)
        drawn[gap.variable] = table
    return drawn


def _drawn_investment(series, deflator, fitted: GrowthModel, generator) -> np.ndarray:
    """Real investment, years after the last reported one drawn year by year."""
    investment, estate = series["fai_cny_10k"].copy(), series["real_estate_cny_10k"]
    a, b, sigma = fitted.draw(generator)
    last, known = last_known(investment)
    noise = generator.standard_normal(investment.shape)
    for t in range(1, investment.shape[1]):
        later = known & (t > last)
        growth = a + b * np.log(estate[:, t] / estate[:, t - 1]) + sigma * noise[:, t]
        investment[later, t] = investment[later, t - 1] * np.exp(growth[later])
    return investment / deflator
