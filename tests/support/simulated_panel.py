"""Panels of plans whose frontier, and whose effect, are known.

    y_it = A_t k_it^a l_it^(1-a) exp(-u_it),      u_it >= 0

so that under constant returns the true index is M_it = A_t / A_t-1 exp(u_i,t-1 - u_it).
Efficiency starts at a distance from the frontier and drifts; a treated city's growth of
ln y is higher by the effect from its cohort's year on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Distance of the cities from the frontier in the first year, ln d: `near` has many
#: close to it (half-normal), `far` hardly any (gamma with shape 4), as the study has.
LEVELS = ("near", "far")


@dataclass(frozen=True, eq=False)
class SimulatedPanel:
    """Plans with their truth.

    Attributes
    ----------
    outputs, inputs : ndarray (n, T), (n, T, 2)
    treatment : ndarray (n, T)
    cohort : ndarray (n,)
        Column of the first treated year plus 1, 0 = never.
    index : ndarray (n, T-1)
        The true index.
    """

    outputs: np.ndarray
    inputs: np.ndarray
    treatment: np.ndarray
    cohort: np.ndarray
    index: np.ndarray


def simulate_panel(
    generator: np.random.Generator,
    *,
    n: int = 72,
    years: int = 9,
    level: str = "far",
    effect: float = 0.02,
    capital_share: float = 0.5,
    growth_noise: float = 0.05,
) -> SimulatedPanel:
    """Draw a panel.

    Parameters
    ----------
    generator : Generator
    n, years : int
        Cities (half of them treated, a third of those two years before the rest).
    level : {"near", "far"}
        See `LEVELS`.
    effect : float
        On the yearly growth of ln y of a treated city.
    capital_share : float
        a.
    growth_noise : float
        Standard deviation of a city's yearly change of efficiency.

    Returns
    -------
    SimulatedPanel
    """
    size = generator.normal(0.0, 0.8, n)
    cohort = np.zeros(n, dtype=int)
    cohort[: n // 6] = years - 3
    cohort[n // 6 : n // 2] = years - 1
    treated = cohort > 0
    # Treated cities are larger and use more capital per worker.
    size = size + 0.6 * treated
    deepening = 0.05 + 0.02 * generator.normal(size=n)
    t = np.arange(years)
    labour = np.exp(size[:, None] + 0.02 * t)
    mix = 0.4 * treated + 0.5 * generator.normal(size=n)
    capital = labour * np.exp(mix[:, None] + deepening[:, None] * t)
    start = (
        np.abs(generator.normal(0.0, 0.35, n))
        if level == "near"
        else generator.gamma(4.0, 0.15, n)
    )
    steps = generator.normal(0.0, growth_noise, (n, years))
    steps[:, 0] = 0.0
    on = treated[:, None] & (t[None, :] + 1 >= cohort[:, None])
    steps = steps - effect * on
    # An efficiency cannot pass the frontier: it is turned back there.
    u = np.abs(start[:, None] + steps.cumsum(axis=1))
    ln_a = 0.01 * t
    y = np.exp(
        ln_a
        + capital_share * np.log(capital)
        + (1 - capital_share) * np.log(labour)
        - u
    )
    index = np.exp(np.diff(ln_a) - np.diff(u, axis=1))
    return SimulatedPanel(
        y, np.stack([capital, labour], axis=2), on.astype(float), cohort, index
    )
