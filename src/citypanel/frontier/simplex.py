"""A dual simplex method for many small programmes at once.

The programmes of a reference technology share their generators and differ in the
point q and the direction r only:

    max t   subject to   sum_j lambda_j g_j - t r = q,   lambda >= 0.

There are d rows, so a basis is a d x d matrix, and the bases of thousands of units
are inverted, priced and changed together by matrix products. Each unit's rows are
divided by the unit's own magnitudes and each column by its largest entry, so that a
spread of many decades between units does not reach the pivots. A dual feasible
basis is a facet of the technology: the start is a facet of one reference unit and
free disposal, so there is no first phase, and an infeasible programme ends with a
proof (a price that separates the point from the cone).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from citypanel.frontier.technology import Technology, clean_prices

#: An intensity is negative, or a pivot different from zero, beyond this share of the
#: terms it is made of.
PIVOT_TOLERANCE = 1e-11

#: A point lies outside the cone beyond this share of the terms that separate it.
SEPARATION = 1e-9

#: Elements in one (units, columns) block of the pricing.
BLOCK = 1 << 20

OPTIMAL, INFEASIBLE, STALLED = 0, 1, 2


@dataclass(frozen=True)
class Bases:
    """Where the simplex method ended.

    Attributes
    ----------
    status : ndarray (n,)
        `OPTIMAL`, `INFEASIBLE` or `STALLED`.
    t : ndarray (n,)
        The optimum; not a number unless optimal.
    members : ndarray (n, d - 1)
        Columns of the technology in the final basis.
    intensities : ndarray (n, d - 1)
        Their weights lambda.
    prices : ndarray (n, d)
        Shadow prices with p.(-r) = 1.
    pivots : int
        Basis changes over all units.
    """

    status: np.ndarray
    t: np.ndarray
    members: np.ndarray
    intensities: np.ndarray
    prices: np.ndarray
    pivots: int


def can_start(technology: Technology) -> bool:
    """Whether free disposal gives every programme a facet to start from.

    Not with weakly disposable bads, whose price has no sign.
    """
    d = technology.dimension - (technology.returns_to_scale != "crs")
    return bool((np.abs(technology.rays[:, :d]).sum(axis=0) > 0).all())


def starting_bases(
    technology: Technology, q: np.ndarray, r: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A facet for every programme to start from, one reference unit and rays.

    Returns members (n, d - 1), and which were found: none where the direction is zero
    in every coordinate that could start.
    """
    m, s, b = technology.n_inputs, technology.n_outputs, technology.n_bads
    rays, n_gen = technology.rays, len(technology.generators)
    scale_free = technology.returns_to_scale == "crs"
    wasted = np.concatenate([np.arange(m), np.arange(m + s, m + s + b)])
    sold = np.arange(m, m + s)
    disposal = n_gen + np.arange(m + s + b)
    candidates: list[tuple[np.ndarray, np.ndarray]] = []

    def basis(unit: int, without: tuple[int, ...], scale_ray: bool) -> np.ndarray:
        keep = np.delete(disposal, without)
        tail = [n_gen + len(rays) - 1] if scale_ray else []
        return np.concatenate([[unit], keep, tail]).astype(int)

    generators = technology.generators
    if technology.returns_to_scale in ("vrs", "nirs"):
        for o in sold:
            unit = int(generators[:, o].argmin())
            price = np.zeros(technology.dimension)
            price[o], price[-1] = 1.0, -generators[unit, o]
            candidates.append((basis(unit, (int(o),), False), price))
    if technology.returns_to_scale in ("vrs", "ndrs"):
        for i in wasted:
            unit = int(generators[:, i].argmin())
            price = np.zeros(technology.dimension)
            price[i], price[-1] = 1.0, -generators[unit, i]
            candidates.append((basis(unit, (int(i),), False), price))
    if technology.returns_to_scale != "vrs":
        for i in wasted:
            for o in sold:
                free = (generators[:, i] == 0) & (generators[:, o] < 0)
                if free.any():
                    continue
                ratio = np.divide(
                    -generators[:, o],
                    generators[:, i],
                    out=np.zeros(n_gen),
                    where=generators[:, i] > 0,
                )
                unit = int(ratio.argmax())
                price = np.zeros(technology.dimension)
                price[i], price[o] = ratio[unit], 1.0
                candidates.append(
                    (basis(unit, (int(i), int(o)), not scale_free), price)
                )
    if not candidates:
        nowhere = np.zeros((len(q), technology.dimension - 1), dtype=int)
        return nowhere, np.zeros(len(q), dtype=bool)
    prices = np.stack([price for _, price in candidates])
    gain = -r @ prices.T
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = np.where(gain > 0, (q @ prices.T) / gain, np.inf)
    best = bound.argmin(axis=1)
    members = np.stack([start for start, _ in candidates])[best]
    return members, np.isfinite(bound[np.arange(len(q)), best])


def solve_bases(
    technology: Technology,
    q: np.ndarray,
    r: np.ndarray,
    *,
    start: np.ndarray | None = None,
    max_pivots: int | None = None,
) -> Bases:
    """Solve every programme of a technology by the dual simplex method.

    Parameters
    ----------
    technology : Technology
        The reference; `can_start` must hold.
    q, r : ndarray (n, d)
        Points and directions.
    start : ndarray (n, d - 1), optional
        Dual feasible bases to start from.
    max_pivots : int, optional
        Basis changes a programme may take; 60 + 20 d by default.

    Returns
    -------
    Bases
        A programme that took too many pivots, or met a singular basis, is `STALLED`.
    """
    n, d = q.shape
    columns = technology.columns
    absolute = np.abs(columns)
    limit = 60 + 20 * d if max_pivots is None else max_pivots
    if start is None:
        members, found = starting_bases(technology, q, r)
    else:
        members, found = start.copy(), np.ones(n, dtype=bool)
    scale = np.abs(q) + np.abs(r)
    scale[scale == 0] = 1.0
    result = Bases(
        np.full(n, STALLED),
        np.full(n, np.nan),
        members,
        np.full((n, d - 1), np.nan),
        np.full((n, d), np.nan),
        0,
    )
    pivots = 0
    step = max(1, BLOCK // len(columns))
    pending = np.flatnonzero(found)
    for block in (pending[i : i + step] for i in range(0, len(pending), step)):
        pivots += _solve_block(columns, absolute, q, r, scale, block, result, limit)
    return Bases(
        result.status,
        result.t,
        result.members,
        result.intensities,
        clean_prices(technology, result.prices, result.members),
        pivots,
    )


def _solve_block(columns, absolute, q, r, scale, active, result, limit) -> int:
    """Pivot one block of programmes to their ends; fills `result`."""
    d = q.shape[1]
    pivots = 0
    for _ in range(limit + 1):
        if not len(active):
            break
        s = scale[active]
        rows = columns[result.members[active]] / s[:, None, :]
        norms = np.abs(rows).max(axis=2)
        square = np.empty((len(active), d, d))
        square[:, :-1] = rows / norms[:, :, None]
        square[:, -1] = -r[active] / s
        inverse, regular = invert(square)
        point = q[active] / s
        weights = np.einsum("ai,aij->aj", point, inverse)
        terms = np.einsum("ai,aij->aj", np.abs(point), np.abs(inverse))
        slack = weights[:, :-1] / np.maximum(terms[:, :-1], 1e-300)
        small = np.abs(weights[:, :-1]) <= PIVOT_TOLERANCE
        slack = np.where(small, 0.0, slack)
        leaving = np.where(slack < -PIVOT_TOLERANCE, weights[:, :-1], 0.0).argmin(
            axis=1
        )
        each = np.arange(len(active))
        optimal = regular & ~(slack[each, leaving] < -PIVOT_TOLERANCE)
        done = active[optimal]
        result.status[done] = OPTIMAL
        result.t[done] = weights[optimal, -1]
        result.intensities[done] = weights[optimal, :-1] / norms[optimal]
        result.prices[done] = inverse[optimal, :, -1] / s[optimal]
        going = regular & ~optimal
        active = active[going]
        if not len(active):
            break
        each = np.arange(len(active))
        s, inverse, leaving = s[going], inverse[going], leaving[going]
        short = slack[going][each, leaving]
        direction = inverse[each, :, leaving] / s
        price = inverse[:, :, -1] / s
        alpha = direction @ columns.T
        size = np.abs(direction) @ absolute.T
        usable = alpha < -PIVOT_TOLERANCE * size
        usable[each[:, None], result.members[active]] = False
        reduced = price @ columns.T
        np.maximum(reduced, 0.0, out=reduced)
        np.divide(reduced, -alpha, out=reduced, where=usable)
        reduced[~usable] = np.inf
        entering = reduced.argmin(axis=1)
        blocked = ~np.isfinite(reduced[each, entering])
        # A point that close to the cone is left to rational arithmetic.
        clear = blocked & (short < -SEPARATION)
        result.status[active[clear]] = INFEASIBLE
        moving = active[~blocked]
        result.members[moving, leaving[~blocked]] = entering[~blocked]
        pivots += len(moving)
        active = moving
    return pivots


def invert(square: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverses of a stack of matrices and which of them exist."""
    try:
        inverse = np.linalg.inv(square)
    except np.linalg.LinAlgError:
        inverse = np.full_like(square, np.nan)
        for k, matrix in enumerate(square):
            try:
                inverse[k] = np.linalg.inv(matrix)
            except np.linalg.LinAlgError:
                continue
    regular = np.isfinite(inverse).all(axis=(1, 2))
    inverse[~regular] = 0.0
    return inverse, regular
