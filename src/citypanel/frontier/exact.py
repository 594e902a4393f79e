"""One programme in rational arithmetic, for what floating point cannot certify.

The data are binary fractions, so a basis can be inverted, priced and judged without
any rounding. It is slow (milliseconds a programme) and always right; it is used for
the few programmes whose certificate fails in floating point.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from citypanel.frontier.technology import Technology

_ZERO, _ONE = Fraction(0), Fraction(1)

#: Basis changes before giving up.
MAX_PIVOTS = 500
#: Share of its terms up to which the sign of a product is judged without rounding.
DOUBTFUL = 1e-9


def _fractions(values: np.ndarray) -> list[Fraction]:
    return [Fraction(float(value)) for value in values]


def _inverse(matrix: list[list[Fraction]]) -> list[list[Fraction]] | None:
    """Gauss-Jordan inverse of a small matrix, or None when it is singular."""
    d = len(matrix)
    work = [
        list(row) + [_ONE if i == j else _ZERO for j in range(d)]
        for i, row in enumerate(matrix)
    ]
    for k in range(d):
        pivot = next((i for i in range(k, d) if work[i][k]), None)
        if pivot is None:
            return None
        work[k], work[pivot] = work[pivot], work[k]
        head = work[k][k]
        work[k] = [value / head for value in work[k]]
        for i in range(d):
            factor = work[i][k]
            if i != k and factor:
                work[i] = [
                    a - factor * b for a, b in zip(work[i], work[k], strict=True)
                ]
    return [row[d:] for row in work]


def _dot(a: list[Fraction], b: list[Fraction]) -> Fraction:
    return sum((x * y for x, y in zip(a, b, strict=True) if x and y), _ZERO)


def solve_exactly(
    technology: Technology,
    q: np.ndarray,
    r: np.ndarray,
    start: list[np.ndarray],
) -> float | None:
    """Solve one programme without rounding.

    Parameters
    ----------
    technology : Technology
        The reference.
    q, r : ndarray (d,)
        Point and direction.
    start : list of ndarray (d - 1,)
        Bases to try in turn; the first that is dual feasible is taken.

    Returns
    -------
    float or None
        t, rounded once, to double precision; nan when the programme is infeasible.
        None when no start is dual feasible or the pivots ran out.

    Notes
    -----
    Dual simplex with Bland's rule, which cannot cycle.
    """
    columns = technology.columns
    exact: dict[int, list[Fraction]] = {}

    def column(j: int) -> list[Fraction]:
        if j not in exact:
            exact[j] = _fractions(columns[j])
        return exact[j]

    point, back = _fractions(q), [-value for value in _fractions(r)]
    for candidate in start:
        found = _pivot(columns, column, point, back, candidate)
        if found is not None:
            return found
    return None


def _suspects(columns: np.ndarray, price: list[Fraction]) -> np.ndarray:
    """Columns whose sign under a price floating point cannot vouch for."""
    p = np.array([float(value) for value in price])
    value = columns @ p
    return np.flatnonzero(value <= DOUBTFUL * (np.abs(columns) @ np.abs(p)))


def _pivot(columns, column, point, back, candidate) -> float | None:
    """Dual simplex from one basis; None when it is not dual feasible."""
    members = [int(j) for j in candidate]
    for step in range(MAX_PIVOTS + 1):
        inverse = _inverse([*(column(j) for j in members), back])
        if inverse is None:
            return None
        d = len(back)
        price = [inverse[i][d - 1] for i in range(d)]
        if step == 0:
            doubtful = _suspects(columns, price)
            if any(_dot(price, column(int(j))) < 0 for j in doubtful):
                return None
        weights = [
            sum((point[i] * inverse[i][k] for i in range(d)), _ZERO) for k in range(d)
        ]
        negative = [k for k in range(d - 1) if weights[k] < 0]
        if not negative:
            return float(weights[-1])
        leaving = min(negative, key=lambda k: members[k])
        direction = [inverse[i][leaving] for i in range(d)]
        best, entering = None, None
        for j in _suspects(columns, direction):
            slope = _dot(direction, column(int(j)))
            if slope < 0:
                ratio = _dot(price, column(int(j))) / -slope
                if best is None or ratio < best:
                    best, entering = ratio, int(j)
        if entering is None:
            return float("nan")
        members[leaving] = entering
    return None
