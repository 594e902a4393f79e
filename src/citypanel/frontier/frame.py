"""The few reference units that span a technology.

Only extreme units carry a frontier; the others can be left out of every programme
without moving a distance. They are found by growing a small set: the units that lie
beyond the technology of the set are ranked along the prices at which they lie beyond
it, the best along each price are extreme and join the set, until no unit lies beyond.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from citypanel.frontier.hull import cutting_plane
from citypanel.frontier.simplex import OPTIMAL, solve_bases
from citypanel.frontier.technology import (
    Technology,
    input_programmes,
    output_programmes,
)

#: Reference units from which on the search pays.
WORTHWHILE = 150

#: A unit lies beyond the set when its efficiency exceeds 1 by more than this.
BEYOND = 1e-13

#: Units without a finite efficiency that join the set in one round.
STRAYS = 40


def spanning_technology(technology: Technology) -> Technology:
    """The same technology from its spanning units only.

    It is the technology itself where that is small, or where its generators are not one
    plan each (bads).
    """
    small = len(technology.generators) < WORTHWHILE
    if small or technology.n_bads:
        return technology
    if "spanning" not in technology.cache:
        kept = _spanning_units(technology)
        technology.cache["spanning"] = _restricted(technology, kept)
    return technology.cache["spanning"]


def _restricted(technology: Technology, kept: np.ndarray) -> Technology:
    return replace(
        technology,
        generators=technology.generators[kept],
        members=technology.members[kept],
        cache={},
    )


def _spanning_units(technology: Technology) -> np.ndarray:
    """Positions of generators that span the cone, sorted."""
    generators = technology.generators
    n, m = len(generators), technology.n_inputs
    inputs, outputs = generators[:, :m], -generators[:, m : m + technology.n_outputs]
    idle = ~outputs.any(axis=1)
    level = generators @ cutting_plane(technology)
    corners = [(generators / level[:, None]).argmin(axis=0), generators.argmin(axis=0)]
    kept = np.unique(np.concatenate([*corners, np.flatnonzero(idle)]))
    outside = np.setdiff1d(np.arange(n), kept)
    while len(outside):
        cone = _restricted(technology, kept)
        t, prices = _efficiencies(cone, inputs[outside], outputs[outside])
        beyond = ~(t <= 1.0 + BEYOND)
        outside, prices = outside[beyond], prices[beyond]
        if not len(outside):
            break
        known = np.isfinite(prices).all(axis=1)
        profit = prices[known] @ (generators[outside] / level[outside, None]).T
        best = outside[profit.argmin(axis=1)] if known.any() else outside[:0]
        strays = outside[~known]
        strays = strays[:: max(1, len(strays) // STRAYS)]
        kept = np.unique(np.concatenate([kept, best, strays]))
        outside = np.setdiff1d(outside, kept)
    return kept


def _efficiencies(
    cone: Technology, inputs: np.ndarray, outputs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Efficiencies against the set, > 1 beyond it, and prices; null where none."""
    output = cone.returns_to_scale != "ndrs"
    moves = output_programmes if output else input_programmes
    bases = solve_bases(cone, *moves(cone, inputs, outputs))
    with np.errstate(divide="ignore"):
        t = 1.0 / bases.t if output else -bases.t
    fine = bases.status == OPTIMAL
    return np.where(fine, t, np.nan), np.where(fine[:, None], bases.prices, np.nan)
