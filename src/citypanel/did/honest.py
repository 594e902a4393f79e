"""Sensitivity to violations of parallel trends (Rambachan and Roth 2023).

delta is the difference in trends that would be there without treatment, zero at the
reference. Smoothness bounds its second differences by M; relative magnitudes bound
its changes after treatment by Mbar times the largest change before.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import scipy
from scipy import linalg, special

from citypanel.did.event_paths import EventPath, event_path, path_frame
from citypanel.did.panels import choose
from citypanel.did.results import remembering
from citypanel.errors import EstimationError, OptionError

MOST_VERTICES = 1_000_000
KINDS = ("relative_magnitude", "smoothness")
TARGETS = ("first", "average")
LARGE_BIAS = 30.0
NOTE_EMPTY = "every null near the estimate is rejected: no interval"


@remembering
def honest_did(
    frame: pd.DataFrame,
    *,
    kind: str = "relative_magnitude",
    bounds: Sequence[float] | None = None,
    target: str | Sequence[float] = "first",
    reference: float | None = None,
    single_units: bool = False,
    level: float = 0.95,
    grid_points: int = 1000,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Confidence intervals that allow for bounded violations of parallel trends.

    Parameters
    ----------
    frame : DataFrame
        An event study with its covariance (see `event_path`).
    kind : {"relative_magnitude", "smoothness"}
        - relative_magnitude: the change of delta between consecutive periods after
          the reference is at most Mbar times the largest such change before. Interval
          by the conditional and least-favourable hybrid test of Andrews, Roth and
          Pakes (2023);
        - smoothness: second differences of delta are at most M in absolute value.
          Fixed-length interval, the shortest affine one.
    bounds : sequence of float, optional
        Values of Mbar (default 0.5, 1, 1.5, 2) or M (default 0 and multiples of half
        the target's standard error).
    target : {"first", "average"} or weights
        Effect at the first event time after the reference, the mean over all of them,
        or a weight for each.
    reference : number, optional
        Event time from which all others are measured and after which violations
        count as later ones; that of the event study by default. An earlier one allows
        for anticipation: event time -1 is then after it, and the first target.
    single_units : bool
        Use event times that rest on cohorts of one unit.
    level : float
    grid_points : int
        Nulls tried within 20 standard errors of zero, or of the estimate where that
        is further away, for relative_magnitude; the search goes on outwards where the
        last of them is not rejected.
    draws, seed : int
        Of the least-favourable critical value.

    Returns
    -------
    DataFrame
        First the original interval (``bound`` null), then one row per bound:
        aggregation is the kind, conf_low, conf_high the robust interval, estimate the
        affine estimate (smoothness) or the original one. ``breakdown`` is the largest
        bound tried whose interval excludes zero, null when none does.

    Raises
    ------
    OptionError
        Unknown kind or target, a negative bound.
    EstimationError
        A reference that is not on the path before treatment, or first of it. An event
        study without a covariance, without pre-periods or without sampling
        variation; more event times after treatment than relative_magnitude can take.

    References
    ----------
    Rambachan and Roth (2023), Review of Economic Studies 90; Andrews, Roth and Pakes
    (2023), Review of Economic Studies 90.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> path = did.event_study(zones(), **columns)
    >>> found = did.honest_did(path, bounds=[0.0, 0.5], grid_points=200, draws=500)
    >>> found[["bound", "conf_low", "conf_high"]].round(2)
       bound  conf_low  conf_high
    0    NaN      0.04       0.10
    1    0.0      0.04       0.10
    2    0.5      0.03       0.11
    """
    choose("kind", kind, KINDS)
    path = event_path(frame, single_units=single_units)
    if reference is not None:
        path = path.rebased(reference)
    weights = _target(target, path.n_after)
    after = path.times > path.reference
    plain = float(weights @ path.estimates[after])
    error = float(np.sqrt(weights @ path.matrix[np.ix_(after, after)] @ weights))
    if not (np.isfinite(path.matrix).all() and error > 1e-12 * abs(plain)):
        raise EstimationError.of(
            "did.event_study_no_sampling",
            [f"estimate {plain:.4g}, standard error {error:.4g}"],
        )
    if bounds is None:
        bounds = (0.5, 1.0, 1.5, 2.0)
        if kind == "smoothness":
            bounds = tuple(0.5 * error * k for k in range(5))
    bad = [b for b in bounds if not b >= 0]
    if bad:
        raise OptionError.of("did.bounds_on_violation_must", [f"{b}" for b in bad])
    label = target if isinstance(target, str) else "weights"
    rows: list[dict[str, Any]] = [
        dict(aggregation="original", term=label, estimate=plain, std_error=error)
    ]
    for bound in bounds:
        if kind == "smoothness":
            estimate, low, high = fixed_length_interval(path, weights, bound, level)
        else:
            estimate = plain
            low, high = relative_magnitude_interval(
                path, weights, bound, 1 - level, grid_points, draws, seed
            )
        rows.append(
            {
                "aggregation": kind,
                "term": label,
                "bound": float(bound),
                "estimate": estimate,
                "conf_low": low,
                "conf_high": high,
                "note": NOTE_EMPTY if np.isnan(low) else None,
            }
        )
    robust = [r["bound"] for r in rows[1:] if r["conf_low"] > 0 or r["conf_high"] < 0]
    out = path_frame(
        frame,
        rows,
        level=level,
        extra_columns=("bound", "breakdown", "outcome"),
        breakdown=max(robust) if robust else None,
    )
    return out.astype({"bound": float, "breakdown": float})


def _target(target: str | Sequence[float], n_after: int) -> np.ndarray:
    if isinstance(target, str):
        choose("target", target, TARGETS)
        if target == "average":
            return np.full(n_after, 1.0 / n_after)
        return np.eye(n_after)[0]
    weights = np.asarray(target, float)
    if weights.shape != (n_after,):
        raise OptionError.of(
            "did.target_weights_event_times", size=weights.size, n_after=n_after
        )
    return weights


def folded_normal_quantile(shift: float, level: float = 0.95) -> float:
    """Quantile of |N(shift, 1)|."""
    c = shift + special.ndtri(level)
    if shift > LARGE_BIAS:
        return float(c)
    # Newton from the upper bound at which the far tail is counted too.
    c = max(c, special.ndtri(0.5 + level / 2))
    for _ in range(60):
        miss = special.ndtr(c - shift) - special.ndtr(-c - shift) - level
        density = (
            np.exp(-0.5 * (c - shift) ** 2) + np.exp(-0.5 * (c + shift) ** 2)
        ) / np.sqrt(2 * np.pi)
        step = miss / density
        c -= step
        if abs(step) < 1e-13:
            break
    return float(c)


def fixed_length_interval(
    path: EventPath, weights: np.ndarray, bound: float, level: float
) -> tuple[float, float, float]:
    """Shortest interval centred on an affine estimate, for smoothness.

    The estimate is v'b with v = ``weights`` after the reference. Its bias is finite
    only if v is orthogonal to a linear trend; then it is at most M |C'v|_1, with C
    the paths that unit second differences make. v minimises sd times the quantile of
    |N(bias/sd, 1)|.

    Returns
    -------
    estimate, low, high : float
    """
    # Second differences (m-1, m) of delta, its zero at the reference.
    line = np.insert(np.eye(len(path.times)), path.n_before, 0.0, axis=0)
    d2 = np.diff(line, n=2, axis=0)
    trend = (path.times - path.reference).astype(float)
    # Any path is a trend plus C times its second differences.
    c = np.linalg.pinv(d2)
    n, before = len(path.times), path.times < path.reference
    free = np.flatnonzero(before)
    base = np.zeros(n)
    base[~before] = weights
    # v_pre = particular + null * z keeps v orthogonal to the trend.
    row = trend[free][None, :]
    particular = np.linalg.pinv(row)[:, 0] * -(trend @ base)
    null = linalg.null_space(row)
    start = base.copy()
    start[free] = particular
    basis = np.zeros((n, null.shape[1]))
    basis[free] = null
    root = covariance_root(path.matrix).T
    scale = float(np.sqrt(base @ path.matrix @ base))
    k, m = basis.shape[1], c.shape[1]

    def length(x):
        v = start + basis @ x[:k]
        sd = np.linalg.norm(root @ v)
        bias = bound * np.abs(c.T @ v).sum()
        return sd * folded_normal_quantile(bias / sd, level) / scale

    # Least variance first, then the exact objective in epigraph form.
    gram = root @ basis
    z = -np.linalg.lstsq(gram, root @ start, rcond=None)[0] if k else np.zeros(0)
    best = z
    if k and bound > 0:
        u = np.abs(c.T @ (start + basis @ z))

        def objective(x):
            v = start + basis @ x[:k]
            sd = np.linalg.norm(root @ v)
            bias = bound * x[k:].sum()
            return sd * folded_normal_quantile(max(bias, 0.0) / sd, level) / scale

        upper = np.hstack([-c.T @ basis, np.eye(m)])
        lower = np.hstack([c.T @ basis, np.eye(m)])
        offset = np.concatenate([-c.T @ start, c.T @ start])
        solved = scipy.optimize.minimize(
            objective,
            np.concatenate([z, u]),
            method="SLSQP",
            constraints={
                "type": "ineq",
                "fun": lambda x: np.vstack([upper, lower]) @ x + offset,
                "jac": lambda x: np.vstack([upper, lower]),
            },
            options={"maxiter": 500, "ftol": 1e-12},
        )
        polished = scipy.optimize.minimize(
            length,
            solved.x[:k],
            method="Nelder-Mead",
            options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000},
        )
        best = min((z, solved.x[:k], polished.x), key=length)
    v = start + basis @ best
    half = length(best) * scale
    estimate = float(v @ path.estimates)
    return estimate, estimate - half, estimate + half


@dataclass(frozen=True, eq=False)
class Moments:
    """Moment inequalities of one maximal change before, ready for any null.

    Under theta: y(theta) = y0 - theta * slope, and some nuisance t has
    E y(theta) - X t <= 0. ``root`` (m, e) times its transpose is the covariance of y,
    from the event times' Cholesky factor: unlike eigenvectors, whose signs are
    arbitrary, it does not turn with rounding, and neither do the draws. ``vertices``
    (k, m) are those of {g >= 0, g'X = 0, g's = 1} with s the standard deviations.
    """

    y0: np.ndarray
    slope: np.ndarray
    root: np.ndarray
    vertices: np.ndarray


def relative_magnitude_interval(
    path: EventPath,
    weights: np.ndarray,
    bound: float,
    alpha: float,
    grid_points: int,
    draws: int,
    seed: int,
) -> tuple[float, float]:
    """Nulls not rejected under any location and sign of the largest change before.

    Returns
    -------
    low, high : float
        Edges of the nulls kept, found on a grid and refined by bisection; nan when
        none is kept, infinite where the search finds no null that is rejected.
    """
    after = path.times > path.reference
    error = np.sqrt(weights @ path.matrix[np.ix_(after, after)] @ weights)
    # In units of about one standard error, exactly: a power of two.
    unit = 2.0 ** np.rint(np.log2(error))
    path = replace(path, estimates=path.estimates / unit, matrix=path.matrix / unit**2)
    plain, error = weights @ path.estimates[after], error / unit
    centre = plain if abs(plain) > 20 * error else 0.0
    grid = centre + np.linspace(-20 * error, 20 * error, grid_points)
    kappa = alpha / 10.0
    sets = []
    for place, sign in itertools.product(range(path.n_before), (1.0, -1.0)):
        moments = _moments(path, weights, bound, place, sign)
        critical = _least_favourable(moments, kappa, draws, seed)
        sets.append((moments, critical))

    def kept(nulls: np.ndarray) -> np.ndarray:
        out = np.zeros(len(nulls), bool)
        for moments, critical in sets:
            rest = np.flatnonzero(~out)
            if len(rest):
                out[rest] = ~_rejects(moments, nulls[rest], critical, alpha, kappa)
        return out

    inside = np.flatnonzero(kept(grid))
    if not len(inside):
        return float("nan"), float("nan")
    fine = (grid[1] - grid[0]) / 2**12
    edges = []
    for edge, side in ((inside[0], -1), (inside[-1], 1)):
        good, step = grid[edge], grid[1] - grid[0]
        bad = good + side * step
        while step < 1e12 and kept(np.array([bad]))[0]:
            good, step = bad, 2 * step
            bad = good + side * step
        if step >= 1e12:
            edges.append(side * np.inf)
            continue
        for _ in range(round(np.log2(step / fine))):
            middle = (good + bad) / 2
            if kept(np.array([middle]))[0]:
                good = middle
            else:
                bad = middle
        edges.append(good * unit)
    return float(edges[0]), float(edges[1])


def covariance_root(matrix: np.ndarray) -> np.ndarray:
    """L with L L' = matrix, which may be singular."""
    try:
        return linalg.cholesky(matrix, lower=True)
    except linalg.LinAlgError:
        values, vectors = linalg.eigh(matrix)
        return vectors * np.sqrt(np.clip(values, 0.0, None))


def _moments(path, weights, bound, place, sign) -> Moments:
    """Inequalities A delta <= 0 with the largest change before at ``place``."""
    m, before = len(path.times), path.n_before
    line = np.insert(np.eye(m), before, 0.0, axis=0)
    changes = np.diff(line, axis=0)
    largest = sign * changes[place]
    limit = np.where(np.arange(m) < before, 1.0, bound)[:, None] * largest
    a = np.vstack([changes - limit, -changes - limit])
    a = a[np.abs(a).max(axis=1) > 1e-12]
    # Only inequalities that involve periods after treatment bear on the effect.
    after = path.times > path.reference
    a = a[np.abs(a[:, after]).max(axis=1) > 1e-12]
    # tau = first * theta + rest * t, with weights' first = 1 and weights' rest = 0.
    first = weights / (weights @ weights)
    rest = linalg.null_space(weights[None, :])
    post = a[:, after]
    root = a @ covariance_root(path.matrix)
    nuisance = post @ rest
    return Moments(
        a @ path.estimates,
        post @ first,
        root,
        _vertices(nuisance, np.sqrt((root**2).sum(axis=1))),
    )


def _vertices(x: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Vertices (k, m) of {g >= 0, g'X = 0, g's = 1}: at most rank X + 1 non-zeros."""
    m = len(s)
    if x.shape[1]:
        u, values, _ = linalg.svd(x, full_matrices=False)
        x = u[:, values > 1e-10 * max(values.max(), 1.0)]
    size = x.shape[1] + 1
    if math.comb(m, size) > MOST_VERTICES:
        raise EstimationError.of("did.too_many_event_times_after", times=size)
    system = np.column_stack([x, s])
    chosen = np.array(list(itertools.combinations(range(m), size)))
    left = system[chosen].transpose(0, 2, 1)
    right = np.zeros(size)
    right[-1] = 1.0
    scale = np.abs(np.linalg.det(left / np.linalg.norm(left, axis=1, keepdims=True)))
    fine = scale > 1e-10
    solved = np.linalg.solve(
        left[fine], np.broadcast_to(right[:, None], (int(fine.sum()), size, 1))
    )[:, :, 0]
    positive = (solved >= -1e-10).all(axis=1)
    out = np.zeros((int(positive.sum()), m))
    rows = np.arange(len(out))[:, None]
    out[rows, chosen[fine][positive]] = np.clip(solved[positive], 0.0, None)
    return np.unique(out.round(12), axis=0)


def _least_favourable(moments: Moments, kappa: float, draws: int, seed: int) -> float:
    """1 - kappa quantile of the largest vertex value when every moment binds."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((draws, moments.root.shape[1])) @ moments.root.T
    return float(np.quantile((noise @ moments.vertices.T).max(axis=1), 1 - kappa))


def _rejects(moments, nulls, critical, alpha, kappa) -> np.ndarray:
    """Hybrid test of each null (n,): least favourable first, then conditional.

    Given the optimal vertex g and the part of y independent of g'y, g'y is normal
    truncated to where g stays optimal, [low, high]; the first stage adds
    high <= critical.
    """
    sigma = moments.root @ moments.root.T
    y = moments.y0[:, None] - moments.slope[:, None] * nulls[None, :]
    values = moments.vertices @ y
    best = values.argmax(axis=0)
    out = np.zeros(len(nulls), bool)
    level = (alpha - kappa) / (1 - kappa)
    for vertex in np.unique(best):
        at = np.flatnonzero(best == vertex)
        g = moments.vertices[vertex]
        variance = g @ sigma @ g
        eta = values[vertex, at]
        if variance <= 1e-14:
            out[at] = eta > 1e-12
            continue
        b = sigma @ g / variance
        along = moments.vertices @ b
        apart = values[:, at] - along[:, None] * eta
        gap = 1.0 - along
        with np.errstate(divide="ignore", invalid="ignore"):
            limit = apart / gap[:, None]
        low = np.where(gap[:, None] > 1e-9, limit, -np.inf).max(axis=0)
        high = np.where(gap[:, None] < -1e-9, limit, np.inf).min(axis=0)
        high = np.minimum(high, critical)
        sd = np.sqrt(variance)
        p = _upper_tail(eta / sd, low / sd, high / sd)
        out[at] = (eta > critical) | ((p < level) & (eta > 0))
    return out


def _upper_tail(x, low, high) -> np.ndarray:
    """P(Z > x | low <= Z <= high) for a standard normal Z, without cancellation."""
    flip = low > 0
    a = np.where(flip, -high, low)
    b = np.where(flip, -low, high)
    point = np.where(flip, -x, x)
    total = special.log_ndtr(b), special.log_ndtr(a)
    middle = special.log_ndtr(point)
    # An empty interval (low > high, the critical value) is one that rejects anyway.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        below = np.exp(middle - total[0]) - np.exp(total[1] - total[0])
        whole = 1.0 - np.exp(total[1] - total[0])
        share = np.clip(below / whole, 0.0, 1.0)
    return np.where(flip, share, 1.0 - share)
