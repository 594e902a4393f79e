"""Partial frontiers: order-m and order-alpha.

A DEA frontier is carried by its extreme units, which can be two or three.
A partial frontier does not envelop every unit, so single units move it little. Only
free disposal is assumed: no convexity and no returns to scale.

For a plan (x, y), let J be the reference units that use no more of any input, and
tau_j = min_k Y_jk / y_k what unit j says y could be multiplied by. Then, with tau
sorted upwards and N = |J|,

    order-m:      phi = E[max of m draws from J] = sum_j tau_(j) ((j/N)^m - ((j-1)/N)^m)
    order-alpha:  phi = tau_(ceil(alpha N))

and Shephard's output distance is 1 / phi; it exceeds 1 for a plan above the partial
frontier. Input-oriented, J are the units that produce no less of any output and
tau_j = max_k X_jk / x_k, of which the expected minimum and the lower quantile give
theta. m -> infinity and alpha = 1 give the free disposal hull.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from citypanel.errors import OptionError
from citypanel.frontier.engine import FINE, OUTSIDE
from citypanel.frontier.evaluation import NO_OUTPUT, Evaluator

FRONTIERS = ("dea", "order-m", "order-alpha")
DEFAULT_ORDER = {"order-m": 25, "order-alpha": 0.95}

#: Elements in one (plans, units, variables) block, which a cache holds.
BLOCK = 1 << 18


def check_order(frontier: str, order: float | None) -> float | None:
    """The order of a partial frontier: m, a whole number from 1 on, or alpha in (0, 1].

    25 and 0.95 by default, None for `dea`. OptionError when it does not fit.
    """
    if frontier == "dea":
        if order is None:
            return None
        fits = False
    elif order is None:
        return DEFAULT_ORDER[frontier]
    elif frontier == "order-m":
        fits = order >= 1 and float(order).is_integer()
    else:
        fits = 0 < order <= 1
    if not fits:
        raise OptionError.of("frontier.order_frontier", order=order, frontier=frontier)
    return order


@dataclass
class PartialEvaluator(Evaluator):
    """Efficiencies against the partial frontier of the reference units.

    Attributes
    ----------
    frontier : str
        `order-m` or `order-alpha`.
    order : float
        m or alpha.
    """

    frontier: str = "order-m"
    order: float = 25

    def technology(
        self, key: Hashable, rows: np.ndarray, returns_to_scale: str
    ) -> np.ndarray:
        """The reference rows themselves: there are no returns to scale."""
        return rows

    def efficiencies(
        self, technology: np.ndarray, of_inputs: np.ndarray, of_outputs: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Evaluator.efficiencies`."""
        panel = self.panel
        values, status = partial_efficiencies(
            panel.inputs[technology],
            panel.outputs[technology],
            panel.inputs[of_inputs],
            panel.outputs[of_outputs],
            orientation=self.orientation,
            frontier=self.frontier,
            order=self.order,
        )
        self.tally.programmes += len(values)
        self.tally.by_closed_form += len(values)
        self.tally.infeasible += int((status == OUTSIDE).sum())
        return values, status


def partial_efficiencies(
    reference_inputs: np.ndarray,
    reference_outputs: np.ndarray,
    inputs: np.ndarray,
    outputs: np.ndarray,
    *,
    orientation: str,
    frontier: str,
    order: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Order-m or order-alpha efficiencies in closed form.

    Parameters
    ----------
    reference_inputs, reference_outputs : ndarray (r, m), (r, s)
        The reference units.
    inputs, outputs : ndarray (n, m), (n, s)
        The plans.
    orientation : {"output", "input"}
        What moves.
    frontier : {"order-m", "order-alpha"}
        Cazals, Florens and Simar (2002), or Aragon, Daouia and Thomas-Agnan (2005).
    order : float
        m or alpha.

    Returns
    -------
    values : ndarray (n,)
        Shephard's output distance or Farrell's theta; above 1 beyond the frontier.
    status : ndarray (n,)
        `OUTSIDE` where no reference unit is comparable.

    Notes
    -----
    The expectation of order-m is exact; nothing is simulated.
    """
    n, r = len(inputs), len(reference_inputs)
    values = np.full(n, np.nan)
    status = np.full(n, FINE)
    output = orientation == "output"
    # What may be no more than the plan's, and what tau is a ratio of: with signs by
    # which the smallest tau is the worst of a unit's ratios, the largest the best.
    if output:
        bound, plan_bound = reference_inputs, inputs
        moving, plan_moving, sign, blank = reference_outputs, outputs, 1.0, np.inf
    else:
        bound, plan_bound = -reference_outputs, -outputs
        moving, plan_moving, sign, blank = reference_inputs, inputs, -1.0, 0.0
    # One ratio alone ranks the units alike for every plan: they are sorted once.
    alone = moving.shape[1] == 1
    if alone:
        order_of = np.argsort(sign * moving[:, 0], kind="stable")
        bound, moving = bound[order_of], moving[order_of]
    step = max(1, BLOCK // (max(r, 1) * max(inputs.shape[1], outputs.shape[1])))
    for start in range(0, n, step):
        part = slice(start, start + step)
        comparable = _at_most(bound, plan_bound[part])
        plans, _ = comparable.shape
        at = np.flatnonzero(comparable)
        first = np.searchsorted(at, r * np.arange(plans + 1))
        number = np.diff(first)
        # The ranks, from 1, of the comparable units' tau that a plan's phi is made of.
        if frontier == "order-m":
            plan = np.repeat(np.arange(plans), number)
            rank = np.arange(1, len(at) + 1) - first[plan]
        else:
            plan = np.flatnonzero(number)
            # A quantile rank that rounding pushed over a whole number stays on it.
            wanted = np.ceil(order * number[plan] - 1e-9).astype(int)
            rank = np.clip(wanted, 1, number[plan])
            at = at[first[plan] + rank - 1]
        count = number[plan]
        if alone:
            own = plan_moving[part, 0][plan]
            tau = np.full(len(plan), blank)
            np.divide(moving[:, 0].take(at - r * plan), own, out=tau, where=own > 0)
            tau *= sign
        else:
            every = (sign * _ratios(moving, plan_moving[part], blank)).min(axis=0)
            every = np.sort(np.where(comparable, every, -np.inf), axis=1)
            # The comparable ones are the last.
            tau = every[plan, r - count + rank - 1]
        if frontier == "order-m":
            share = (rank / count) ** order
            lowest = first[:-1][number > 0]
            weight = share.copy()
            weight[1:] -= share[:-1]
            weight[lowest] = share[lowest]
            # Summed at the end of a row of all units each.
            summed = np.zeros(comparable.shape)
            shift = r * np.arange(1, plans + 1) - first[1:]
            summed.reshape(-1)[np.arange(len(tau)) + shift[plan]] = tau * weight
            found = np.where(number > 0, summed.sum(axis=1), np.nan)
        else:
            found = np.full(plans, np.nan)
            found[plan] = tau
        with np.errstate(divide="ignore"):
            values[part] = 1.0 / found if output else -found
        status[part][number == 0] = OUTSIDE
    idle = ~outputs.any(axis=1)
    status[idle] = NO_OUTPUT
    dead = ~np.isfinite(values) & (status == FINE)
    status[dead] = OUTSIDE
    values[status != FINE] = np.nan
    return values, status


def _at_most(reference: np.ndarray, plans: np.ndarray) -> np.ndarray:
    """Whether a unit has no more of anything than a plan, (plans, units)."""
    below = np.ones((len(plans), len(reference)), dtype=bool)
    for units, plan in zip(np.ascontiguousarray(reference.T), plans.T, strict=True):
        below &= units <= plan[:, None]
    return below


def _ratios(reference: np.ndarray, plans: np.ndarray, blank: float) -> np.ndarray:
    """Reference over plan, (variables, plans, units); `blank` where the plan is 0."""
    units, own = reference.T[:, None, :], plans.T[:, :, None]
    shape = np.broadcast_shapes(units.shape, own.shape)
    return np.divide(units, own, out=np.full(shape, blank), where=own > 0)
