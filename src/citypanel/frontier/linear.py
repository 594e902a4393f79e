"""Programmes by HiGHS, one at a time: the independent second way.

The hull and the dual simplex method share ideas of this package; scipy's HiGHS does
not. It serves `solver="lp"`, technologies without free disposal that the hull cannot
take, and the tests that solve the same programmes both ways.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from citypanel.frontier.technology import Technology


@dataclass(frozen=True)
class LinearSolution:
    """What HiGHS says of one programme.

    Attributes
    ----------
    status : {"optimal", "infeasible", "unbounded", "failed"}
        Its verdict.
    t : float
        The optimum.
    intensities : ndarray (n + k,)
        Weights of every column of the technology.
    prices : ndarray (d,)
        Shadow prices, p.(-r) = 1.
    """

    status: str
    t: float
    intensities: np.ndarray
    prices: np.ndarray


def solve_linear(
    technology: Technology,
    q: np.ndarray,
    r: np.ndarray,
    *,
    most: np.ndarray | None = None,
) -> LinearSolution:
    """Solve max t, sum lambda_j g_j - t r = q, lambda >= 0, by HiGHS.

    Parameters
    ----------
    technology : Technology
        The reference.
    q, r : ndarray (d,)
        Point and direction.
    most : ndarray (n + k,), optional
        The largest weight of every column; no limit by default.

    Returns
    -------
    LinearSolution
        Rows are scaled by the unit's magnitudes and columns by their largest entry
        before HiGHS sees them; the solution is in the technology's units.
    """
    scale = np.abs(q) + np.abs(r)
    scale[scale == 0] = 1.0
    rows = technology.columns / scale
    norms = np.abs(rows).max(axis=1)
    matrix = np.vstack([rows / norms[:, None], -r / scale]).T
    bounds = [(0, None)] * len(rows) + [(None, None)]
    if most is not None:
        bounds = [*((0, limit) for limit in most * norms), (None, None)]
    cost = np.zeros(len(rows) + 1)
    cost[-1] = -1.0
    answer = scipy.optimize.linprog(
        cost, A_eq=matrix, b_eq=q / scale, bounds=bounds, method="highs"
    )
    empty = np.full(len(rows), np.nan)
    if answer.status != 0:
        status = {2: "infeasible", 3: "unbounded"}.get(answer.status, "failed")
        return LinearSolution(status, np.nan, empty, np.full(len(q), np.nan))
    return LinearSolution(
        "optimal",
        float(answer.x[-1]),
        answer.x[:-1] / norms,
        -answer.eqlin.marginals / scale,
    )
