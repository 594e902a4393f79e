"""Synthetic difference-in-differences, cohort by cohort."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from citypanel.did.frames import Extras, add_note, staggered_frame
from citypanel.did.linear import weighted_mean
from citypanel.did.panels import (
    Panel,
    choose,
    on_panel,
    require_treated_and_control,
)
from citypanel.did.regressions import (
    Cells,
    Untreated,
    dynamic_covariance,
    mean_rows,
    regress,
)
from citypanel.errors import EstimationError, OptionError

#: Levels of units, over the largest deviation from them, that are taken off.
LARGE_LEVELS = 1e3
VARIANCES = ("jackknife", "placebo", "none")
FIRST_PASS = 100
ITERATIONS = 10_000


@dataclass(frozen=True, eq=False)
class CohortFit:
    """One cohort's weights and gaps.

    ``omega`` (n_control,), ``lam`` (n_before,), ``gaps`` (n_after,): the treated mean
    less the synthetic control in each period after, less the same before. ``before``
    and ``after`` are columns of the periods seen.
    """

    cohort: int
    omega: np.ndarray
    lam: np.ndarray
    before: np.ndarray
    after: np.ndarray

    def gaps(self, treated, control, weight) -> np.ndarray:
        """Gaps after, for treated (n1, T) and control (n0, T) outcomes."""
        return self.of_line(weighted_mean(treated, weight) - self.omega @ control)

    def of_line(self, line: np.ndarray) -> np.ndarray:
        """Gaps after, from the treated mean less the synthetic control (T,)."""
        return line[self.after] - self.lam @ line[self.before]


@on_panel("cohort", "controls", "weights")
def synthetic_did(
    data: Panel,
    *,
    variance: str = "jackknife",
    draws: int = 100,
    seed: int = 0,
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Synthetic difference-in-differences against never-treated units.

    For each cohort, unit weights omega match the controls' path before treatment to
    the cohort's up to a level, time weights lambda match the periods before to the
    mean after, and the effect is the difference in differences under both. Cohorts
    are averaged with their treated unit-periods as weights.

    Parameters
    ----------
    panel : DataFrame or Panel
        One row per unit and period. Units not seen in every period, and units treated
        before the third period, are left out (see the note and ``attrs["dropped"]``).
    outcome, cohort, unit, period, controls, weights, frequency
        Names of columns (see `panels.Design`). Controls are taken out first, with
        slopes from untreated rows and both effects (the "projected" way). Weights,
        constant within units, weight the treated units in their cohort and the cohorts
        in the mean; controls have omega instead, which the method chooses.
    variance : {"jackknife", "placebo", "none"}
        - jackknife over units with the weights held (renormalised), which treats the
          units as draws; cohorts of one unit are held fixed;
        - placebo: as many controls as there are treated are given their cohorts
          (each of them in turn where one unit is treated), which assumes equal
          variances and needs more controls than treated.
    draws, seed : int
        Of the placebo.
    single_unit_std_error : bool
        Report standard errors for rows that rest on cohorts of one unit (placebo
        only: the jackknife has none).
    level : float

    Returns
    -------
    DataFrame
        ``simple``/``overall``, ``dynamic``, ``group``, ``calendar``, ``group_time``;
        normal intervals. ``attrs["weights"]``: for each cohort omega by control unit
        and lambda by period.

    Raises
    ------
    EstimationError
        Nobody treated or never treated; too few controls for the placebo; fewer than
        two periods before every cohort; untreated rows that do not identify the slope
        of a control on which every effect hangs.

    References
    ----------
    Arkhangelsky, Athey, Hirshberg, Imbens and Wager (2021), American Economic Review
    111; Clarke, Pailañir, Athey and Imbens (2024), Stata Journal 24.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> found = did.synthetic_did(zones(), **columns)
    >>> found[found["term"] == "overall"][["estimate", "std_error"]].round(3)
       estimate  std_error
    0     0.125      0.008
    """
    choose("variance", variance, VARIANCES)
    data = data.without_always_treated().balanced()
    require_treated_and_control(data, needs="never")
    weight = data.unit_weights
    untreated = _without_controls(data)
    late = [g for g in data.sizes if (data.positions < g).sum() >= 2]
    if not late:
        raise EstimationError.of(
            "did.no_cohort_two_periods", [f"cohort {data.name(g)}" for g in data.sizes]
        )
    y = data.matrix(untreated.outcome)
    # Both kinds of weights match paths up to a level. Large levels would only round;
    # others stay, since where the search for the weights stops depends on rounding.
    levels = y.mean(axis=1, keepdims=True)
    if np.abs(levels).max() > LARGE_LEVELS * np.abs(y - levels).max():
        y = y - levels
    unseen = [data.matrix(column) for column in untreated.unseen.T]
    keep = data.never | np.isin(data.start, late)
    y, weight = y[keep], weight[keep]
    unseen = [x[keep] for x in unseen]
    data = data.keep_units(keep, "treated before the third period")
    control = y[data.never]
    members = [np.flatnonzero(data.start == g) for g in late]
    treated, weights = [y[m] for m in members], [weight[m] for m in members]
    fits = fit_cohorts(treated, control, late, data.positions, weights)
    whole = [
        f.gaps(t, control, w) for f, t, w in zip(fits, treated, weights, strict=True)
    ]
    estimates = np.concatenate(whole)
    keys = [
        (f.cohort, int(p), float(w.sum()), m)
        for f, w, m in zip(fits, weights, members, strict=True)
        for p in data.positions[f.after]
    ]
    cells = Cells.of(keys)
    moved = [
        np.concatenate(
            [
                f.gaps(x[m], x[data.never], w)
                for f, m, w in zip(fits, members, weights, strict=True)
            ]
        )
        for x in unseen
    ]
    known, said = untreated.judge(cells, np.reshape(moved, (-1, len(cells))).T)
    data = data.remarking(said)
    matrix, note = np.full((len(cells),) * 2, np.nan), None
    if variance == "jackknife" and len(control) == 1:
        note = "one control unit, which the jackknife cannot leave out"
    elif variance == "jackknife":
        matrix = _jackknife(fits, treated, control, weights)
        if any(len(m) == 1 for m in members):
            note = "jackknife with cohorts of one unit held fixed"
    elif variance == "placebo":
        matrix = _placebo(treated, control, late, data.positions, weights, draws, seed)
    rows = mean_rows(data, cells, estimates, matrix, df=np.inf, known=known)
    for row in rows:
        if not np.isfinite(row.get("std_error", np.nan)):
            row["std_error"] = None
    add_note(rows[:1], note)
    never = data.units[data.never]
    labels = np.array(data.grid.labels, object)
    chosen = {
        data.label(f.cohort): {
            "omega": dict(zip(never.tolist(), f.omega.tolist(), strict=True)),
            "lambda": dict(zip(labels[f.before], f.lam.tolist(), strict=True)),
        }
        for f in fits
    }
    return staggered_frame(
        data,
        rows,
        dynamic_covariance(data, cells, estimates, matrix, known),
        estimator="synthetic_did",
        standard_errors=variance,
        n_clusters=data.n_units,
        level=level,
        single_unit_std_error=single_unit_std_error and variance == "placebo",
        attrs={"weights": Extras(chosen)},
        reference=data.reference,
    )


def _without_controls(data: Panel) -> Untreated:
    """The outcome net of the controls."""
    if not data.control_names:
        return Untreated(data, None)
    rows = ~data.treated
    fit = regress(
        data.y[rows],
        data.controls[rows],
        np.unique(data.unit[rows], return_inverse=True)[1],
        data.period[rows],
        None if data.weights is None else data.weights[rows],
    )
    return Untreated(data, fit)


def fit_cohorts(treated, control, groups, periods, weights) -> list[CohortFit]:
    """Weights of every cohort for one sample; cohorts and periods are positions."""
    stacked = [weighted_mean(t, w)[None] for t, w in zip(treated, weights, strict=True)]
    counts = [len(t) for t in treated]
    batched = _fit_batch(stacked, counts, control[None], groups, periods)
    return [
        CohortFit(g, omega[0], lam[0], before, after)
        for g, omega, lam, before, after in batched
    ]


def _fit_batch(means, counts, control, groups, periods):
    """Weights of every cohort for a batch of samples.

    Parameters
    ----------
    means : list of ndarray (b, T)
        Treated means of each cohort.
    control : ndarray (b, n0, T)

    Notes
    -----
    The noise level is the standard deviation of first differences of the controls
    before treatment; omega's ridge is (N_tr T_post)^(1/4) times it, lambda's 1e-6
    times it (Arkhangelsky et al. 2021, algorithm 1).
    """
    out = []
    for mean, n_treated, g in zip(means, counts, groups, strict=True):
        before, after = np.flatnonzero(periods < g), np.flatnonzero(periods >= g)
        early = control[:, :, before]
        steps = np.diff(early, axis=2)
        alone = steps.shape[1] * steps.shape[2] < 2
        noise = np.zeros(len(steps)) if alone else steps.std(axis=(1, 2), ddof=1)
        late = control[:, :, after].mean(axis=2)
        stop = 1e-5 * noise
        lam = _weights(early, late, 1e-6 * noise, stop)
        ridge = (n_treated * len(after)) ** 0.25 * noise
        omega = _weights(early.transpose(0, 2, 1), mean[:, before], ridge, stop)
        out.append((g, omega, lam, before, after))
    return out


def _weights(a, b, ridge, stop) -> np.ndarray:
    """Simplex weights x (batch, m) for a x close to b up to a constant.

    Two passes of Frank-Wolfe: a short one, whose small weights are set to zero, and
    one to convergence.
    """
    a = a - a.mean(axis=1, keepdims=True)
    b = b - b.mean(axis=1, keepdims=True)
    return np.array([_frank_wolfe(*s) for s in zip(a, b, ridge, stop, strict=True)])


def _frank_wolfe(a, b, ridge, stop) -> np.ndarray:
    """Minimise ridge^2 |x|^2 + |a x - b|^2 / n over the simplex, for one sample.

    Parameters
    ----------
    a : ndarray (n, m)
    b : ndarray (n,)
    ridge, stop : float
        Steps end once one improves by no more than stop^2.
    """
    n, m = a.shape
    h, s, limit = a.T @ a, a.T @ b, n * stop**2
    h[np.diag_indices(m)] += n * ridge**2
    x = _descend(h, s, np.full(m, 1.0 / m), limit, FIRST_PASS)
    x = np.where(x <= x.max() / 4, 0.0, x)
    return _descend(h, s, x / x.sum(), limit, ITERATIONS)


def _descend(h, s, x, limit, iterations) -> np.ndarray:
    """Frank-Wolfe on x'hx - 2 s'x with exact steps.

    A step t towards vertex i changes hx, s'x and x'hx by known amounts, so that an
    iteration costs one pass over m numbers; the improvement is taken from the step
    itself, without subtracting two large values.
    """
    both = np.array([x, h @ x])
    x, hx = both
    diagonal, columns = np.diag(h).tolist(), list(h)
    gradient, moved = np.empty_like(x), np.empty_like(x)
    # A product with an array is quicker than with a float, and so is an element of a
    # memoryview than an array's; the loop is long and the arrays are short.
    factors = np.empty(2)
    kept, taken = factors[0, ...], factors[1, ...]
    views: list[Any] = [memoryview(array) for array in (x, hx, gradient, factors)]
    x_at, hx_at, gradient_at, factor_at = views
    subtract, multiply, add = np.subtract, np.multiply, np.add
    lowest, x_times, s_times = gradient.argmin, x.dot, s.dot
    for iteration in range(iterations):
        subtract(hx, s, gradient)
        i = int(lowest())
        xhx = float(x_times(hx))
        slope = gradient_at[i] - (xhx - float(s_times(x)))
        curvature = diagonal[i] - 2.0 * hx_at[i] + xhx
        step = -slope / curvature if curvature > 0 else 0.0
        step = 0.0 if step < 0.0 else 1.0 if step > 1.0 else step
        factor_at[0], factor_at[1] = 1.0 - step, step
        multiply(both, kept, both)
        x_at[i] += step
        multiply(columns[i], taken, moved)
        add(hx, moved, hx)
        better = -step * (2.0 * slope + step * curvature)
        if iteration and better <= limit:
            break
    return x


def _jackknife(fits, treated, control, weights) -> np.ndarray:
    """Covariance of the cells with each unit left out in turn, weights held."""
    means = [weighted_mean(t, w) for t, w in zip(treated, weights, strict=True)]
    moved = []
    for rest, *omegas in _without_each(control, *(fit.omega for fit in fits)):
        parts = []
        for fit, mean, omega in zip(fits, means, omegas, strict=True):
            total = omega.sum()
            omega = omega / total if total > 0 else np.full(len(omega), 1 / len(omega))
            parts.append(fit.of_line(mean - omega @ rest))
        moved.append(np.concatenate(parts))
    synthetic = [fit.omega @ control for fit in fits]
    whole = [
        fit.of_line(mean - line)
        for fit, mean, line in zip(fits, means, synthetic, strict=True)
    ]
    for c, (own, weight) in enumerate(zip(treated, weights, strict=True)):
        if len(own) == 1:
            continue
        for rest, its in _without_each(own, weight):
            parts = list(whole)
            parts[c] = fits[c].of_line(weighted_mean(rest, its) - synthetic[c])
            moved.append(np.concatenate(parts))
    # The estimate itself stands for a unit that cannot be left out.
    values = np.array(moved)
    n = len(values)
    changes = values - np.concatenate(whole)
    return (n - 1.0) / n * changes.T @ changes


def _without_each(*arrays: np.ndarray) -> Iterator[list[np.ndarray]]:
    """Arrays without their first element, then without their second, and so on.

    The same memory each time, in which the element left out before takes its place.
    """
    rest = [array[1:].copy() for array in arrays]
    for i in range(len(arrays[0])):
        if i:
            for part, array in zip(rest, arrays, strict=True):
                part[i - 1] = array[i - 1]
        yield rest


def _placebo(treated, control, groups, periods, weights, draws, seed) -> np.ndarray:
    """Covariance of the cells with cohorts given to controls."""
    needed = sum(len(t) for t in treated)
    if needed >= len(control):
        raise EstimationError.of(
            "did.never_treated_units_not", n_control=len(control), needed=needed
        )
    if draws < 20:
        raise OptionError.of("did.placebo_draws_too_few", draws=draws)
    rng = np.random.default_rng(seed)
    order = np.argsort(rng.random((draws, len(control))), axis=1)
    if needed == 1:
        # One treated unit: each control stands in once, and nothing is random.
        ring = np.arange(len(control))
        order = (ring[:, None] + ring) % len(control)
    means, start = [], 0
    for own, weight in zip(treated, weights, strict=True):
        chosen = order[:, start : start + len(own)]
        even = (weight == weight[0]).all()
        share = None if even else weight / weight.sum()
        drawn = control[chosen]
        mean = drawn.mean(axis=1) if even else np.einsum("n,bnt->bt", share, drawn)
        means.append(mean)
        start += len(own)
    rest = control[order[:, needed:]]
    counts = [len(t) for t in treated]
    gaps = []
    for mean, (_, omega, lam, before, after) in zip(
        means, _fit_batch(means, counts, rest, groups, periods), strict=True
    ):
        line = mean - np.einsum("bn,bnt->bt", omega, rest)
        base = np.einsum("bt,bt->b", lam, line[:, before])
        gaps.append(line[:, after] - base[:, None])
    values = np.hstack(gaps)
    centred = values - values.mean(axis=0)
    return centred.T @ centred / len(values)
