"""Technologies of one output; with two inputs and constant returns in closed form.

In the plane of inputs per unit of output it is what lies above and to the right of the
lower hull of its plans. The most that inputs x produce is the smallest p.x over the
hull's facets, and both the output distance and theta are y over it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from citypanel.frontier.engine import CERTIFIED
from citypanel.frontier.evaluation import radial_efficiencies
from citypanel.frontier.hull import find_facets
from citypanel.frontier.technology import Technology, build_technology


@dataclass(frozen=True, eq=False)
class Isoquant:
    """The lower hull.

    Attributes
    ----------
    prices : ndarray (f, 2)
        Prices p >= 0 of each facet, p.x = y on it.
    vertices : ndarray of int (v,)
        Positions of the plans at its corners, from the vertical facet to the
        horizontal one.
    corners : ndarray (v, 2)
        Their inputs per unit of output.
    """

    prices: np.ndarray
    vertices: np.ndarray
    corners: np.ndarray

    def efficiencies(self, inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Output distances of plans (..., 2), (...): at most 1 inside."""
        return outputs / (inputs @ self.prices.T).min(axis=-1)

    def proved_efficiencies(
        self, inputs: np.ndarray, outputs: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Output distances of plans (k, 2), (k,), and which of them are proved.

        A plan is proved where the corners of the facet that decides reach it: its ratio
        of inputs lies between theirs. All inputs are positive.
        """
        most = inputs @ self.prices.T
        facet = most.argmin(axis=1)
        # The vertical facet ends at the first corner, the horizontal begins at the
        # last, and the others lie between one corner and the next.
        axes = np.eye(2)
        left = np.concatenate([axes[1:], self.corners[-1:], self.corners[:-1]]).T
        right = np.concatenate([self.corners[:1], axes[:1], self.corners[1:]]).T
        first, second = inputs.T
        slack = 1.0 + CERTIFIED
        after = left[0].take(facet) * second <= left[1].take(facet) * first * slack
        before = right[1].take(facet) * first <= right[0].take(facet) * second * slack
        least = most.take(facet + most.shape[1] * np.arange(len(most)))
        return outputs / least, after & before


@dataclass(frozen=True, eq=False)
class Cone:
    """The same questions put to the frontier engine."""

    technology: Technology
    orientation: str

    def efficiencies(self, inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Output distances or theta of plans (..., m), (...); null where infeasible."""
        values, status = radial_efficiencies(
            self.technology,
            inputs.reshape(outputs.size, -1),
            outputs.reshape(-1, 1),
            orientation=self.orientation,
        )
        return np.where(status == 0, values, np.nan).reshape(outputs.shape)

    @property
    def vertices(self) -> np.ndarray | None:
        """Plans that span a facet; None where there are no facets to tell by."""
        if self.technology.dimension > 5:
            return None
        facets = find_facets(self.technology)
        if facets is None or facets.refused:
            return None
        used = np.unique(facets.members)
        return used[used < len(self.technology.generators)]


def technology_of(
    inputs: np.ndarray, outputs: np.ndarray, returns_to_scale: str, orientation: str
) -> Isoquant | Cone:
    """The technology of some plans with one output, by the faster of the two ways.

    Parameters
    ----------
    inputs, outputs : ndarray (n, m), (n,)
        Outputs are positive.
    returns_to_scale, orientation : str
        See `citypanel.frontier.distance`.
    """
    if returns_to_scale == "crs" and inputs.shape[1] == 2:
        return isoquant(inputs, outputs)
    technology = build_technology(
        inputs, outputs[:, None], returns_to_scale=returns_to_scale
    )
    return Cone(technology, orientation)


def isoquant(inputs: np.ndarray, outputs: np.ndarray) -> Isoquant:
    """The lower hull of some plans (Andrew's monotone chain).

    Parameters
    ----------
    inputs, outputs : ndarray (n, 2), (n,)
        Outputs are positive. Of the inputs none is negative; one that some plan does
        without limits no output alone, so that its facet is not there.

    Returns
    -------
    Isoquant
    """
    first, second = inputs[:, 0] / outputs, inputs[:, 1] / outputs
    # What needs more of both than one good plan, as most do, is no corner.
    good = (first * second).argmin()
    near = np.flatnonzero((first <= first[good]) | (second <= second[good]))
    order = near[np.lexsort((second[near], first[near]))]
    first, second = first[order], second[order]
    lowest = np.minimum.accumulate(second)
    keep = np.concatenate([[True], second[1:] < lowest[:-1]])
    chain: list[tuple[float, float]] = []
    corners: list[int] = []
    kept = (first[keep].tolist(), second[keep].tolist(), order[keep].tolist())
    for a, b, place in zip(*kept, strict=True):
        while len(chain) > 1:
            (a0, b0), (a1, b1) = chain[-2:]
            if (b1 - b0) * (a - a0) < (b - b0) * (a1 - a0):
                break
            chain.pop()
            corners.pop()
        chain.append((a, b))
        corners.append(place)
    least_first, least_second = chain[0][0], chain[-1][1]
    prices = [(1.0 / least_first, 0.0)] if least_first else []
    prices += [(0.0, 1.0 / least_second)] if least_second else []
    for (a0, b0), (a1, b1) in pairwise(chain):
        # a1 b0 - a0 b1 without cancellation where two plans differ by rounding.
        size = (a1 - a0) * b0 + a0 * (b0 - b1)
        prices.append(((b0 - b1) / size, (a1 - a0) / size))
    return Isoquant(np.array(prices), np.array(corners), np.array(chain))


def second_price_is_zero(
    inputs: np.ndarray, outputs: np.ndarray, *, tolerance: float
) -> np.ndarray:
    """Whether some optimal prices of a plan leave the second input without one.

    Then its distance stays when that input is left out: the facet x_1 = const binds.

    Parameters
    ----------
    inputs, outputs : ndarray (n, 2), (n,)
        As for `isoquant`, the first input positive.
    tolerance : float
        Relative difference up to which two distances are the same.

    Returns
    -------
    ndarray of bool (n,)
    """
    most = isoquant(inputs, outputs).prices @ inputs.T
    least = most.min(axis=0)
    return np.abs(most[0] - least) <= tolerance * np.abs(least)
