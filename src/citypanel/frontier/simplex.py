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

from dataclasses import dataclass, replace

import numpy as np

from citypanel.frontier.technology import Technology, clean_prices, cutting_plane

#: An intensity is negative, or a pivot different from zero, beyond this share of the
#: terms it is made of.
PIVOT_TOLERANCE = 1e-11

#: Entries of a direction below this share of its largest one are zero.
NOISE = 1e-15

#: A pivot below this share of what it could be is made in a fresh basis only.
DOUBTFUL = 1e-7

#: A point lies outside the cone beyond this share of the terms that separate it.
SEPARATION = 1e-9

#: Elements in one (units, columns) block of the pricing.
BLOCK = 1 << 18

#: A column lies beyond prices by more than this share of the terms of p.g.
BEYOND = 1e-13

#: Columns up to which all of them take part from the start.
FEW_COLUMNS = 150

#: Programmes of the first batch; every next one is twice as large.
FIRST_BATCH = 128

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
    """

    status: np.ndarray
    t: np.ndarray
    members: np.ndarray
    intensities: np.ndarray
    prices: np.ndarray


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


def solve_bases(technology: Technology, q: np.ndarray, r: np.ndarray) -> Bases:
    """Solve every programme of a technology by the dual simplex method.

    Parameters
    ----------
    technology : Technology
        The reference; `can_start` must hold.
    q, r : ndarray (n, d)
        Points and directions.

    Returns
    -------
    Bases
        A programme that took too many pivots (about 60 + 20 d), or met a singular
        basis, is `STALLED`.

    Notes
    -----
    Most columns carry no facet, and programmes near each other end on the same one. So
    programmes are taken in growing batches, each starts from the best facet that an
    earlier one ended on, and columns take part once the prices of a programme show
    that they lie beyond what takes part already: a programme is done when no column
    does.
    """
    n, d = q.shape
    members, found = starting_bases(technology, q, r)
    result = Bases(
        np.full(n, STALLED),
        np.full(n, np.nan),
        members,
        np.full((n, d - 1), np.nan),
        np.full((n, d), np.nan),
    )
    search = _Search(technology, q, r, result, found)
    rows = np.flatnonzero(found)
    # Every k-th row first, so that the first batches reach all of the frontier.
    rows = rows[np.argsort(np.arange(len(rows)) % max(1, len(rows) // FIRST_BATCH))]
    first, size = 0, FIRST_BATCH
    while first < len(rows):
        search.settle(rows[first : first + size])
        first, size = first + size, 2 * size
    prices = clean_prices(technology, result.prices, result.members)
    return replace(result, prices=prices)


class _Search:
    """Programmes of one technology, what takes part in them and where they ended."""

    def __init__(self, technology, q, r, result, found):
        self.technology, self.columns = technology, technology.columns
        self.q, self.r, self.result = q, r, result
        self.scale = np.abs(q) + np.abs(r)
        self.scale[self.scale == 0] = 1.0
        n = len(self.columns)
        self.level = np.maximum(self.columns @ cutting_plane(technology), 1e-300)
        if n <= FEW_COLUMNS:
            kept = np.arange(n)
        else:
            level = self.columns / self.level[:, None]
            corners = [level.argmin(axis=0), self.columns.argmin(axis=0)]
            rays = np.arange(len(technology.generators), n)
            kept = np.concatenate([*corners, rays])
        self.first = result.members.copy()
        self.takes_part = np.zeros(n, dtype=bool)
        self.takes_part[kept] = True
        self.takes_part[self.first[found]] = True
        self.known: set[bytes] = set()
        self.pool = np.empty((0, q.shape[1] - 1), dtype=int)
        self.prices = np.empty((0, q.shape[1]))

    def settle(self, rows: np.ndarray) -> None:
        """Solve some programmes, and take in the columns that they turn out to need."""
        result = self.result
        while len(rows):
            self._from_pool(rows)
            support = np.zeros((len(rows), self.q.shape[1]))
            step = max(1, BLOCK // int(self.takes_part.sum()))
            for first in range(0, len(rows), step):
                part = slice(first, first + step)
                support[part] = self._solve(rows[part])
            lies_beyond, most = self._beyond(support)
            self._remember(rows[~lies_beyond])
            rows = rows[lies_beyond]
            self.takes_part[most[lies_beyond]] = True
            result.status[rows] = STALLED

    def _from_pool(self, rows: np.ndarray) -> None:
        """Start each programme from the facet that binds it most."""
        self.result.members[rows] = self.first[rows]
        if not len(self.pool):
            return
        step = max(1, BLOCK // len(self.pool))
        for first in range(0, len(rows), step):
            part = rows[first : first + step]
            gain = -self.r[part] @ self.prices.T
            value = self.q[part] @ self.prices.T
            with np.errstate(divide="ignore", invalid="ignore"):
                np.divide(value, gain, out=value)
            value[~(gain > 0)] = np.inf
            best = value.argmin(axis=1)
            each = np.arange(len(part))
            # A facet that the direction runs along decides nothing.
            size = (np.abs(self.r[part]) * np.abs(self.prices[best])).sum(axis=1)
            there = np.isfinite(value[each, best])
            there &= gain[each, best] > SEPARATION * size
            self.result.members[part[there]] = self.pool[best[there]]

    def _remember(self, rows: np.ndarray) -> None:
        """Add the facets that programmes ended on to those that others start from."""
        rows = rows[self.result.status[rows] == OPTIMAL]
        members = np.sort(self.result.members[rows], axis=1)
        new = []
        for k, basis in enumerate(members):
            key = basis.tobytes()
            if key not in self.known:
                self.known.add(key)
                new.append(k)
        prices = self.result.prices[rows[new]]
        prices = clean_prices(self.technology, prices, members[new])
        size = np.abs(prices).max(axis=1, keepdims=True)
        self.pool = np.vstack([self.pool, members[new]])
        self.prices = np.vstack([self.prices, prices / size])

    def _beyond(self, support: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whether a column that takes no part lies beyond prices, and which one most.

        A column that lies beyond most, as a share of its level, is an extreme one.
        """
        lies, most = np.zeros(len(support), dtype=bool), np.zeros(len(support), int)
        out = np.flatnonzero(~self.takes_part)
        if not len(out):
            return lies, most
        columns = self.columns[out] / self.level[out, None]
        absolute = np.abs(columns)
        step = max(1, BLOCK // len(out))
        for first in range(0, len(support), step):
            part = slice(first, first + step)
            value = support[part] @ columns.T
            furthest = value.argmin(axis=1)
            worst = value[np.arange(len(value)), furthest]
            size = (np.abs(support[part]) * absolute[furthest]).sum(axis=1)
            lies[part] = worst < -BEYOND * size
            most[part] = out[furthest]
        return lies, most

    def _solve(self, rows: np.ndarray) -> np.ndarray:
        """Pivot one block of programmes to their ends; fills `result`.

        Returns what proves each end: its prices, or the direction that separates an
        infeasible point from the cone; zero where it stalled.
        """
        result, d = self.result, self.q.shape[1]
        kept = np.flatnonzero(self.takes_part)
        columns = self.columns[kept]
        absolute = np.abs(columns)
        place = np.searchsorted(kept, result.members[rows])
        proof = np.zeros((len(rows), d))
        at = np.arange(len(rows))
        s, back = self.scale[rows], -self.r[rows] / self.scale[rows]
        point = self.q[rows] / s
        inverse, norms, regular = _inverses(columns, place, s, back)
        # A basis is inverted once and updated from pivot to pivot; nothing ends, and no
        # doubtful pivot is made, before it has been inverted afresh.
        fresh, stale = np.ones(len(rows), bool), np.zeros(len(rows), bool)
        for _ in range(2 * (60 + 20 * d)):
            if stale.any():
                inverse[stale], norms[stale], regular[stale] = _inverses(
                    columns, place[stale], s[stale], back[stale]
                )
                fresh |= stale
            if not regular.all():
                at, place, s, back, point, inverse, norms, fresh = (
                    part[regular]
                    for part in (at, place, s, back, point, inverse, norms, fresh)
                )
            if not len(at):
                break
            each = np.arange(len(at))
            regular, stale = np.ones(len(at), bool), np.zeros(len(at), bool)
            weights = np.einsum("ai,aij->aj", point, inverse)
            terms = np.einsum("ai,aij->aj", np.abs(point), np.abs(inverse))
            slack = weights[:, :-1] / np.maximum(terms[:, :-1], 1e-300)
            slack[np.abs(weights[:, :-1]) <= PIVOT_TOLERANCE] = 0.0
            leaving = np.where(slack < -PIVOT_TOLERANCE, weights[:, :-1], 0.0).argmin(
                axis=1
            )
            short = slack[each, leaving]
            ended = ~(short < -PIVOT_TOLERANCE)
            stale[ended & ~fresh] = True
            done = ended & fresh
            regular[done] = False
            where = rows[at[done]]
            result.status[where] = OPTIMAL
            result.t[where] = weights[done, -1]
            result.intensities[where] = weights[done, :-1] / norms[done]
            result.prices[where] = inverse[done, :, -1] / s[done]
            result.members[where] = kept[place[done]]
            proof[at[done]] = result.prices[where]
            going = np.flatnonzero(~ended)
            direction = inverse[going, :, leaving[going]] / s[going]
            price = inverse[going, :, -1] / s[going]
            entering, alpha = _entering(
                direction, price, columns, absolute, place[going]
            )
            blocked = ~(alpha < 0)
            most = np.abs(inverse[going, :, leaving[going]]).max(axis=1)
            most *= np.abs(columns[entering] / s[going]).max(axis=1)
            doubtful = blocked | (alpha > -DOUBTFUL * most)
            doubtful &= ~fresh[going]
            stale[going[doubtful]] = True
            blocked &= ~doubtful
            # A point that close to the cone is left to rational arithmetic.
            clear = blocked & (short[going] < -SEPARATION)
            result.status[rows[at[going[clear]]]] = INFEASIBLE
            proof[at[going[blocked]]] = direction[blocked]
            result.members[rows[at[going[blocked]]]] = kept[place[going[blocked]]]
            regular[going[blocked]] = False
            moves = ~blocked & ~doubtful
            moving, entering = going[moves], entering[moves]
            leaves = leaving[moving]
            place[moving, leaves] = entering
            row = columns[entering] / s[moving]
            length = np.abs(row).max(axis=1)
            norms[moving, leaves] = length
            _replace_row(inverse, moving, leaves, row / length[:, None])
            fresh[moving] = False
        return proof


def _entering(direction, price, columns, absolute, members):
    """The column that each basis takes in, and its pivot, which is zero where none can.

    The ratio test of the dual simplex method, upside down: of the columns whose pivot
    is negative, the one whose pivot is largest beside its reduced cost.
    """
    each = np.arange(len(members))
    alpha = direction @ columns.T
    alpha[each[:, None], members] = 0.0
    ratio = price @ columns.T
    np.maximum(ratio, np.finfo(float).tiny, out=ratio)
    with np.errstate(over="ignore"):
        np.divide(alpha, ratio, out=ratio)
    best = ratio.argmin(axis=1)
    pivot = alpha[each, best]
    # A pivot that rounding could have made is none: those rows are looked at again.
    size = (np.abs(direction) * absolute[best]).sum(axis=1)
    small = np.flatnonzero((pivot < 0) & (pivot >= -PIVOT_TOLERANCE * size))
    if len(small):
        size = np.abs(direction[small]) @ absolute.T
        usable = alpha[small] < -PIVOT_TOLERANCE * size
        best[small] = np.where(usable, ratio[small], 0.0).argmin(axis=1)
        pivot[small] = np.where(usable, alpha[small], 0.0)[
            np.arange(len(small)), best[small]
        ]
    return best, np.minimum(pivot, 0.0)


def _inverses(columns, place, s, back):
    """Inverse bases, what their rows were divided by, and which of them exist."""
    rows = columns[place] / s[:, None, :]
    norms = np.abs(rows).max(axis=2)
    square = np.empty((len(place), s.shape[1], s.shape[1]))
    square[:, :-1] = rows / norms[:, :, None]
    square[:, -1] = back
    inverse, regular = invert(square)
    # What rounding makes of a zero is no pivot.
    size = np.abs(inverse)
    inverse[size <= NOISE * size.max(axis=1, keepdims=True)] = 0.0
    return inverse, norms, regular


def _replace_row(inverse, which, position, row) -> None:
    """Update inverses for one row of each basis replaced (Sherman and Morrison)."""
    part = inverse[which]
    each = np.arange(len(which))
    change = np.einsum("ai,aij->aj", row, part)
    pivot = change[each, position].copy()
    column = part[each, :, position].copy()
    change[each, position] -= 1.0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        column /= pivot[:, None]
        part -= column[:, :, None] * change[:, None, :]
    inverse[which] = part


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
