"""How far each plan can move: the choice of method, the certificate, the repair.

Every optimum is certified. A pair of intensities and prices proves it when the
intensities reach the moved point, the prices support the technology and the value
does not rest on a cancellation; what is not proved to `CERTIFIED` is solved again,
by the dual simplex method and, in the end, in rational arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from citypanel.frontier.exact import solve_exactly
from citypanel.frontier.hull import BLOCK, Facets, find_facets
from citypanel.frontier.linear import solve_linear
from citypanel.frontier.simplex import (
    INFEASIBLE,
    OPTIMAL,
    can_start,
    solve_bases,
    starting_bases,
)
from citypanel.frontier.technology import Technology

SOLVERS = ("auto", "hull", "simplex", "lp")

#: Relative error up to which a value counts as proved.
CERTIFIED = 1e-9

#: A point this far beyond a facet, as a share of the terms of p.q, is on it.
ROUNDING = 1e-12

#: Cone dimension up to which `auto` takes the hull. Beyond it facets outnumber
#: the pivots they would save.
HULL_DIMENSION = 5

#: Facets beyond which pivots are cheaper, if free disposal allows them.
MANY_FACETS = 20_000

FINE, OUTSIDE, UNBOUNDED, UNPROVED = 0, 1, 2, 3


@dataclass(frozen=True)
class Solution:
    """Optima of one technology's programmes and how they were proved.

    Attributes
    ----------
    t : ndarray (n,)
        Optima; not a number unless `status` is `FINE`.
    status : ndarray (n,)
        `FINE`, `OUTSIDE` (infeasible), `UNBOUNDED` or `UNPROVED`.
    counts : dict of str to int
        How many programmes were settled by_hull, by_simplex, by_lp and by_rational.
    """

    t: np.ndarray
    status: np.ndarray
    counts: dict[str, int] = field(default_factory=dict)


def solve(
    technology: Technology,
    q: np.ndarray,
    r: np.ndarray,
    *,
    radial: bool,
    solver: str = "auto",
) -> Solution:
    """Maximise t such that q + t r stays in the technology, for every row.

    Parameters
    ----------
    technology : Technology
        The reference.
    q, r : ndarray (n, d)
        Points and directions.
    radial : bool
        True for output and input distances, where t is a ratio and its relative
        error counts; False for directional ones, where 1 + t is used.
    solver : {"auto", "hull", "simplex", "lp"}
        `hull` takes facets, `simplex` the batched dual simplex method, `lp` HiGHS;
        `auto` takes the hull up to `HULL_DIMENSION` dimensions. The answer is the
        same; the cost is not.

    Returns
    -------
    Solution
        Certified optima. Without a reference unit no plan is feasible.
    """
    n = len(q)
    t = np.full(n, np.nan)
    if not len(technology.generators):
        return Solution(t, np.full(n, OUTSIDE))
    status = np.full(n, UNPROVED)
    counts = {"by_hull": 0, "by_simplex": 0, "by_lp": 0, "by_rational": 0}
    hints: dict[int, list[np.ndarray]] = {}
    hull_pays = technology.dimension <= HULL_DIMENSION or not can_start(technology)
    if solver == "hull" or (solver == "auto" and hull_pays):
        facets = find_facets(technology)
        n_facets = 0 if facets is None else len(facets.prices)
        pays = n_facets <= MANY_FACETS or not can_start(technology)
        if facets is not None and n_facets and pays:
            t, status = _by_facets(facets, q, r, radial, t, status)
            counts["by_hull"] = int((status != UNPROVED).sum())
    steps = ["by_rational", "by_lp", "by_rational"]
    if solver == "lp":
        steps = steps[1:]
    elif can_start(technology):
        steps = ["by_simplex", *steps]
    for step in steps:
        open_rows = np.flatnonzero(status == UNPROVED)
        if not len(open_rows):
            break
        method = METHODS[step]
        counts[step] += method(technology, q, r, radial, open_rows, t, status, hints)
    return Solution(t, status, counts)


def _by_facets(
    facets: Facets,
    q: np.ndarray,
    r: np.ndarray,
    radial: bool,
    t: np.ndarray,
    status: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Minimum ratio over facets, block by block, and its certificate."""
    step = max(1, BLOCK // len(facets.prices))
    for start in range(0, len(q), step):
        part = slice(start, start + step)
        ratio = _minimum_ratio if radial else _bracketed_ratio
        t[part], facet, status[part] = ratio(facets.prices, q[part], r[part])
        if facets.refused:
            # What no facet limits may be limited by one of those left out.
            status[part][status[part] == UNBOUNDED] = UNPROVED
        fine = status[part] == FINE
        proved = _proved(facets, q[part], r[part], t[part], facet, radial)
        status[part] = np.where(fine & ~proved, UNPROVED, status[part])
    t[status != FINE] = np.nan
    return t, status


def _minimum_ratio(
    prices: np.ndarray, q: np.ndarray, r: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """t = min p.q / p.(-r) where prices and directions make p.(-r) >= 0."""
    value = q @ prices.T
    gain = r @ -prices.T
    with np.errstate(divide="ignore", invalid="ignore"):
        np.divide(value, gain, out=value)
    facet = value.argmin(axis=1)
    each = np.arange(len(q))
    t = value[each, facet]
    status = np.full(len(q), FINE)
    odd = ~np.isfinite(t)
    if odd.any():
        t[odd], facet[odd], status[odd] = _doubtful_ratio(prices, q[odd], r[odd])
    return t, facet, status


def _doubtful_ratio(
    prices: np.ndarray, q: np.ndarray, r: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same where some p.(-r) is zero: such a facet asks for p.q >= 0."""
    value = q @ prices.T
    gain = r @ -prices.T
    size = np.abs(q) @ np.abs(prices).T
    flat = gain == 0
    status = np.full(len(q), FINE)
    beyond = np.where(flat, value, 0.0) / np.maximum(size, 1e-300)
    lowest = beyond.min(axis=1)
    status[lowest < -ROUNDING] = UNPROVED
    status[lowest < -CERTIFIED] = OUTSIDE
    value = np.divide(value, gain, out=np.full_like(value, np.inf), where=~flat)
    facet = value.argmin(axis=1)
    t = value[np.arange(len(q)), facet]
    status[(status == FINE) & ~np.isfinite(t)] = UNBOUNDED
    return t, facet, status


def _bracketed_ratio(
    prices: np.ndarray, q: np.ndarray, r: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """t between the facets the direction leaves by and those it enters by."""
    value = q @ prices.T
    gain = r @ -prices.T
    terms = np.abs(q) @ np.abs(prices).T
    size = np.abs(r) @ np.abs(prices).T + terms
    leaves = gain > ROUNDING * size
    enters = gain < -ROUNDING * size
    flat = ~leaves & ~enters
    ratio = np.divide(value, gain, out=np.full_like(value, np.inf), where=leaves)
    facet = ratio.argmin(axis=1)
    t = ratio[np.arange(len(q)), facet]
    lower = np.divide(value, gain, out=np.full_like(value, -np.inf), where=enters)
    lowest = lower.max(axis=1)
    beyond = (np.where(flat, value, 0.0) / np.maximum(terms, 1e-300)).min(axis=1)
    status = np.full(len(q), FINE)
    status[~np.isfinite(t)] = UNBOUNDED
    with np.errstate(invalid="ignore"):
        excess = (lowest - t) / np.maximum(np.abs(t), 1.0)
    status[(excess > ROUNDING) | (beyond < -ROUNDING)] = UNPROVED
    status[(excess > CERTIFIED) | (beyond < -CERTIFIED)] = OUTSIDE
    return t, facet, status


def _proved(
    facets: Facets,
    q: np.ndarray,
    r: np.ndarray,
    t: np.ndarray,
    facet: np.ndarray,
    radial: bool,
) -> np.ndarray:
    """Whether the facet's own units reach the moved point, and without cancellation."""
    moved = np.where(np.isfinite(t), t, 0.0)[:, None] * r
    weights = _products(q + moved, facets.inverse[:, :, :-1], facet)
    weights = np.maximum(weights, 0.0, out=weights)
    error, gain = _rounding(q, r, facets.prices[facet])
    return (
        np.isfinite(t)
        & _reached(q, moved, weights, facets.basis, facet)
        & (error <= CERTIFIED * gain * _magnitude(t, radial))
    )


def _products(points: np.ndarray, stack: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Each row of points (n, d) times its own matrix of a stack (f, d, k)."""
    return np.einsum("nd,ndk->nk", points, stack.take(which, axis=0))


def _reached(
    q: np.ndarray,
    moved: np.ndarray,
    weights: np.ndarray,
    bases: np.ndarray,
    which: np.ndarray,
) -> np.ndarray:
    """Whether the weights of a basis, of several, make up the moved point."""
    missed = np.abs(q + moved - _products(weights, bases, which))
    scale = np.abs(q) + np.abs(moved)
    empty = scale == 0
    if empty.any():
        used = _products(weights, np.abs(bases), which)
        scale = np.where(empty, used + scale.max(axis=1, keepdims=True), scale)
    return (missed <= CERTIFIED * scale).all(axis=1)


def _rounding(
    q: np.ndarray, r: np.ndarray, prices: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What rounding can do to p.q, and p.(-r)."""
    error = np.finfo(float).eps * (np.abs(q) * np.abs(prices)).sum(axis=1)
    return error, -(r * prices).sum(axis=1)


def _magnitude(t: np.ndarray, radial: bool) -> np.ndarray:
    """What an error of t is relative to."""
    t = np.where(np.isfinite(t), np.abs(t), 0.0)
    return t if radial else np.maximum(t, 1.0)


def _supported(technology: Technology, prices: np.ndarray) -> np.ndarray:
    """Whether no column lies beyond a price vector, for every row of prices."""
    columns = technology.columns
    absolute = np.abs(columns)
    # No column's size is less than that of the least of each: few need their own.
    observed = len(technology.generators)
    least = absolute[:observed].min(axis=0)
    fine = np.empty(len(prices), dtype=bool)
    step = max(1, (1 << 20) // len(columns))
    for start in range(0, len(prices), step):
        part = prices[start : start + step]
        size = np.abs(part)
        value = part @ columns.T
        rays = -CERTIFIED * (size @ absolute[observed:].T)
        done = (value[:, observed:] >= rays).all(axis=1)
        done &= value[:, :observed].min(axis=1) >= -CERTIFIED * (size @ least)
        rest = np.flatnonzero(~done)
        done[rest] = (value[rest] >= -CERTIFIED * (size[rest] @ absolute.T)).all(axis=1)
        fine[start : start + step] = done
    return fine


def _certificate(
    technology: Technology,
    q: np.ndarray,
    r: np.ndarray,
    t: np.ndarray,
    members: np.ndarray,
    intensities: np.ndarray,
    prices: np.ndarray,
    radial: bool,
) -> np.ndarray:
    """Whether a basis, its intensities and its prices prove t."""
    weights = np.maximum(np.nan_to_num(intensities), 0.0)
    moved = np.nan_to_num(t)[:, None] * r
    prices = np.nan_to_num(prices)
    error, gain = _rounding(q, r, prices)
    with np.errstate(invalid="ignore"):
        gap = np.abs((q * prices).sum(axis=1) - gain * t)
        proved = np.maximum(error, gap) <= CERTIFIED * gain * _magnitude(t, radial)
    return (
        np.isfinite(t)
        & _reached(q, moved, weights, technology.columns[members], np.arange(len(q)))
        & proved
        & _supported(technology, prices)
    )


def _by_bases(technology, q, r, radial, rows, t, status, hints) -> int:
    """Dual simplex for some rows; fills t and status, leaves hints for the rest."""
    found = solve_bases(technology, q[rows], r[rows])
    proved = (found.status == OPTIMAL) & _certificate(
        technology,
        q[rows],
        r[rows],
        found.t,
        found.members,
        found.intensities,
        found.prices,
        radial,
    )
    outside = found.status == INFEASIBLE
    t[rows[proved]] = found.t[proved]
    status[rows[proved]] = FINE
    status[rows[outside]] = OUTSIDE
    for k in np.flatnonzero(~proved & ~outside):
        hints[int(rows[k])] = [found.members[k]]
    return int((proved | outside).sum())


def _by_lp(technology, q, r, radial, rows, t, status, hints) -> int:
    """HiGHS for some rows; fills t and status."""
    settled = 0
    verdicts = {"infeasible": OUTSIDE, "unbounded": UNBOUNDED}
    every = np.arange(len(technology.columns))[None]
    for row in rows:
        answer = solve_linear(technology, q[row], r[row])
        if answer.status in verdicts:
            status[row] = verdicts[answer.status]
            settled += 1
            continue
        if answer.status != "optimal":
            continue
        point = slice(row, row + 1)
        if _certificate(
            technology,
            q[point],
            r[point],
            np.array([answer.t]),
            every,
            answer.intensities[None],
            answer.prices[None],
            radial,
        )[0]:
            t[row], status[row] = answer.t, FINE
            settled += 1
        else:
            heaviest = np.argsort(-answer.intensities, kind="stable")
            hints[int(row)] = [np.sort(heaviest[: technology.dimension - 1])]
    return settled


def _by_rational(technology, q, r, radial, rows, t, status, hints) -> int:
    """Rational arithmetic for what floating point could not prove."""
    settled = 0
    if can_start(technology):
        standard, _ = starting_bases(technology, q[rows], r[rows])
    else:
        standard = np.empty((len(rows), 0), dtype=int)
    for k, row in enumerate(rows):
        starts = [*hints.get(int(row), [])]
        if standard.shape[1]:
            starts.append(standard[k])
        answer = solve_exactly(technology, q[row], r[row], starts)
        if answer is None:
            continue
        settled += 1
        t[row] = answer
        status[row] = FINE if np.isfinite(answer) else OUTSIDE
    return settled


METHODS = {"by_simplex": _by_bases, "by_lp": _by_lp, "by_rational": _by_rational}
