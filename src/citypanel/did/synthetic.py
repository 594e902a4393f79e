"""Synthetic difference-in-differences, cohort by cohort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from citypanel.did.frames import Extras, join_notes, staggered_frame
from citypanel.did.panels import (
    Panel,
    choose,
    prepare,
    require_treated_and_control,
)
from citypanel.did.regressions import (
    Cell,
    absorbed_fit,
    dynamic_covariance,
    mean_rows,
)
from citypanel.errors import EstimationError, OptionError, describe

VARIANCES = ("jackknife", "placebo", "none")
FIRST_PASS = 100
ITERATIONS = 10_000


@dataclass(frozen=True, eq=False)
class CohortFit:
    """One cohort's weights and gaps.

    ``omega`` (n_control,), ``lam`` (n_before,), ``gaps`` (n_after,): the treated mean
    less the synthetic control in each period after, less the same before.
    """

    cohort: int
    omega: np.ndarray
    lam: np.ndarray
    before: np.ndarray
    after: np.ndarray

    def gaps(self, treated: np.ndarray, control: np.ndarray, omega=None) -> np.ndarray:
        """Gaps after, for treated (n1, T) and control (n0, T) outcomes."""
        omega = self.omega if omega is None else omega
        line = treated.mean(axis=0) - omega @ control
        return line[self.after] - self.lam @ line[self.before]


def synthetic_did(
    panel: pd.DataFrame,
    *,
    outcome: str,
    cohort: str,
    unit: str,
    period: str,
    controls: Sequence[str] = (),
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
    panel : DataFrame
        One row per unit and period. Units not seen in every period, and units treated
        before the third period, are left out.
    outcome, cohort, unit, period : str
        Column names; cohort 0 or null = never.
    controls : sequence of str
        Taken out first, with slopes from untreated rows and both effects (the
        "projected" way).
    variance : {"jackknife", "placebo", "none"}
        - jackknife over units with the weights held (renormalised), which treats the
          cities as draws; cohorts of one unit are held fixed;
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
        two periods before every cohort.

    References
    ----------
    Arkhangelsky, Athey, Hirshberg, Imbens and Wager (2021), American Economic Review
    111; Clarke, Pailañir, Athey and Imbens (2024), Stata Journal 24.
    """
    choose("variance", variance, VARIANCES)
    data = prepare(
        panel,
        outcome=outcome,
        unit=unit,
        period=period,
        cohort=cohort,
        controls=controls,
        balanced=True,
        first_period_treated="drop",
    )
    require_treated_and_control(data, cohort=cohort, needs="never")
    y = data.matrix(_without_controls(data))
    groups = [g for g in data.cohort_sizes if (data.periods < g).sum() >= 2]
    if not groups:
        raise EstimationError(
            describe(
                "No cohort has two periods before treatment",
                [f"cohort {g}" for g in data.cohort_sizes],
                consequence="there is no path to match",
                remedy="start the panel earlier",
            )
        )
    control = y[data.cohort == 0]
    treated = [y[data.cohort == g] for g in groups]
    fits = fit_cohorts(treated, control, groups, data.periods)
    estimates = np.concatenate(
        [f.gaps(t, control) for f, t in zip(fits, treated, strict=True)]
    )
    cells = [
        Cell(f.cohort, int(p), float(len(t)))
        for f, t in zip(fits, treated, strict=True)
        for p in data.periods[f.after]
    ]
    sizes = {g: data.cohort_sizes[g] for g in groups}
    note = None
    if variance == "jackknife":
        matrix = _jackknife(fits, treated, control)
        if any(size == 1 for size in sizes.values()):
            note = "jackknife with cohorts of one unit held fixed"
    elif variance == "placebo":
        matrix = _placebo(treated, control, groups, data.periods, draws, seed)
    else:
        matrix = np.full((len(cells),) * 2, np.nan)
    rows = mean_rows(cells, estimates, matrix, df=np.inf, sizes=sizes)
    for row in rows:
        if not np.isfinite(row["std_error"]) or row["std_error"] <= 1e-12:
            row["std_error"] = None
    if note:
        rows[0]["note"] = join_notes(rows[0].get("note"), note)
    never = data.units[data.cohort == 0]
    weights = {
        f.cohort: {
            "omega": dict(zip(never.tolist(), f.omega.tolist(), strict=True)),
            "lambda": dict(
                zip(data.periods[f.before].tolist(), f.lam.tolist(), strict=True)
            ),
        }
        for f in fits
    }
    return staggered_frame(
        data,
        rows,
        dynamic_covariance(cells, estimates, matrix, sizes),
        estimator="synthetic_did",
        outcome=outcome,
        standard_errors=variance,
        n_clusters=data.n_units,
        level=level,
        single_unit_std_error=single_unit_std_error and variance == "placebo",
        attrs={"weights": Extras(weights)},
    )


def _without_controls(data: Panel) -> np.ndarray:
    if not data.control_names:
        return data.y
    rows = ~data.treated
    fit = absorbed_fit(
        data.y[rows],
        data.controls[rows],
        data.control_names,
        data.unit[rows],
        data.period[rows],
    )
    return data.y - data.controls @ fit.coefficients


def fit_cohorts(treated, control, groups, periods) -> list[CohortFit]:
    """Weights of every cohort for one sample."""
    stacked = [t.mean(axis=0)[None] for t in treated]
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
    start = np.full((a.shape[0], a.shape[2]), 1.0 / a.shape[2])
    x = _frank_wolfe(a, b, ridge, stop, start, FIRST_PASS)
    x = np.where(x <= x.max(axis=1, keepdims=True) / 4, 0.0, x)
    x = x / x.sum(axis=1, keepdims=True)
    return _frank_wolfe(a, b, ridge, stop, x, ITERATIONS)


def _frank_wolfe(a, b, ridge, stop, x, iterations) -> np.ndarray:
    """Minimise ridge^2 |x|^2 + |a x - b|^2 / n over the simplex, sample by sample.

    Parameters
    ----------
    a : ndarray (batch, n, m)
    b : ndarray (batch, n)
    ridge, stop : ndarray (batch,)
        A sample stops once a step improves by no more than stop^2.
    x : ndarray (batch, m)
        Starting weights.
    """
    n = a.shape[1]
    out = np.empty_like(x)
    for j in range(len(x)):
        h = a[j].T @ a[j] + n * ridge[j] ** 2 * np.eye(a.shape[2])
        limit = n * stop[j] ** 2
        out[j] = _descend(h, a[j].T @ b[j], x[j].copy(), limit, iterations)
    return out


def _descend(h, s, x, limit, iterations) -> np.ndarray:
    """Frank-Wolfe on x'hx - 2 s'x with exact steps.

    A step t towards vertex i changes hx, s'x and x'hx by known amounts, so that an
    iteration costs one pass over m numbers; the improvement is taken from the step
    itself, without subtracting two large values.
    """
    hx = h @ x
    diagonal = np.diag(h).copy()
    for iteration in range(iterations):
        gradient = hx - s
        i = int(gradient.argmin())
        xhx = x @ hx
        slope = gradient[i] - (xhx - s @ x)
        curvature = diagonal[i] - 2.0 * hx[i] + xhx
        step = -slope / curvature if curvature > 0 else 0.0
        step = min(max(step, 0.0), 1.0)
        x *= 1.0 - step
        x[i] += step
        hx *= 1.0 - step
        hx += step * h[i]
        better = -step * (2.0 * slope + step * curvature)
        if iteration and better <= limit:
            break
    return x


def _jackknife(fits, treated, control) -> np.ndarray:
    """Covariance of the cells with each unit left out in turn, weights held."""
    moved = []
    for i in range(len(control)):
        parts = []
        for fit, own in zip(fits, treated, strict=True):
            omega = np.delete(fit.omega, i)
            total = omega.sum()
            omega = omega / total if total > 0 else np.full(len(omega), 1 / len(omega))
            parts.append(fit.gaps(own, np.delete(control, i, axis=0), omega))
        moved.append(np.concatenate(parts))
    whole = [f.gaps(t, control) for f, t in zip(fits, treated, strict=True)]
    for c, (fit, own) in enumerate(zip(fits, treated, strict=True)):
        if len(own) == 1:
            continue
        for i in range(len(own)):
            parts = list(whole)
            parts[c] = fit.gaps(np.delete(own, i, axis=0), control)
            moved.append(np.concatenate(parts))
    # The estimate itself stands for a unit that cannot be left out.
    values = np.array(moved)
    n = len(values)
    changes = values - np.concatenate(whole)
    return (n - 1.0) / n * changes.T @ changes


def _placebo(treated, control, groups, periods, draws, seed) -> np.ndarray:
    """Covariance of the cells with cohorts given to controls."""
    needed = sum(len(t) for t in treated)
    if needed >= len(control):
        raise EstimationError(
            describe(
                f"{len(control)} never-treated cities cannot stand in for {needed}",
                consequence="no control would be left in a placebo",
                remedy='use variance="jackknife"',
            )
        )
    if draws < 20:
        raise OptionError(
            describe(
                f"{draws} placebo draws are too few",
                consequence="the standard error would be noise",
                remedy="use 100 or more",
            )
        )
    rng = np.random.default_rng(seed)
    order = np.argsort(rng.random((draws, len(control))), axis=1)
    if needed == 1:
        # One treated unit: each control stands in once, and nothing is random.
        ring = np.arange(len(control))
        order = (ring[:, None] + ring) % len(control)
    means, start = [], 0
    for own in treated:
        chosen = order[:, start : start + len(own)]
        means.append(control[chosen].mean(axis=1))
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
