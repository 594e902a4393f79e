"""The facets of a technology, from the convex hull of a projective image.

A pointed cone is cut by the plane c.g = 1, where c is positive on every generator
and ray. The cut is a bounded polytope in d - 1 dimensions; its facets are the
technology's facets. What qhull says about them is used for the combinatorics only
(which generators lie on a facet): prices are recomputed from the generators, and
every facet is checked against every reference unit before it is used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from citypanel.frontier.simplex import invert
from citypanel.frontier.technology import Technology, clean_prices, cutting_plane

#: Reference units above which the hull grows from a sample of them.
SAMPLE_ABOVE = 600

#: A facet is supporting when no unit lies beyond it by more than this share of the
#: sum of absolute values in p.g.
SUPPORT_TOLERANCE = 1e-11

#: Beyond this the prices of a facet do not even support what spans it.
FLAT = 1e-8

#: Elements in a block of an (n, facets) product: 2 MB of doubles stays in cache.
BLOCK = 1 << 18


@dataclass(frozen=True)
class Facets:
    """Facets of a technology and what is needed to use them.

    Attributes
    ----------
    prices : ndarray (f, d)
        Shadow prices; p.g >= 0 for every generator and ray g.
    members : ndarray (f, d - 1)
        Columns of the technology (generators, then rays) that span each facet.
    inverse : ndarray (f, d, d)
        Inverse of each facet's basis, normalised member rows above an interior row.
    basis : ndarray (f, d - 1, d)
        The normalised member rows.
    refused : int
        Facets of the hull that were not supporting within the tolerance.
    """

    prices: np.ndarray
    members: np.ndarray
    inverse: np.ndarray
    basis: np.ndarray
    refused: int


def _facets_of(columns: np.ndarray, subset: np.ndarray) -> np.ndarray:
    """Members of the hull's simplices, as positions in `columns`."""
    # Any coordinate with c != 0 follows from the others; the first input always does.
    cut = columns[subset, 1:]
    spread = cut.max(axis=0) - cut.min(axis=0)
    hull = ConvexHull(cut / np.where(spread > 0, spread, 1.0))
    return subset[hull.simplices]


def _prices_of(
    columns: np.ndarray, members: np.ndarray, interior: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Members, inverse bases, bases and prices with p.interior = 1.

    Where many units lie on one facet (as all abated ones do) qhull cuts it into
    simplices, and some are flat: the others hold the same prices, and these are left
    out.
    """
    f, k = members.shape
    basis = columns[members]
    square = np.empty((f, k + 1, k + 1))
    square[:, :k] = basis
    square[:, k] = interior
    inverse, regular = invert(square)
    if not regular.all():
        members, basis, inverse = members[regular], basis[regular], inverse[regular]
    return members, inverse, basis, inverse[:, :, k]


def _beyond(columns: np.ndarray, prices: np.ndarray) -> np.ndarray:
    """The most any column lies beyond each facet, and each facet beyond each column.

    Returns the smallest p.g / sum |p g| of every column, shape (columns,).
    """
    n, f = len(columns), len(prices)
    worst = np.empty(n)
    step = max(1, BLOCK // f)
    absolute_columns, absolute_prices = np.abs(columns), np.abs(prices)
    for start in range(0, n, step):
        part = slice(start, start + step)
        value = columns[part] @ prices.T
        size = absolute_columns[part] @ absolute_prices.T
        value /= np.maximum(size, 1e-300, out=size)
        worst[part] = value.min(axis=1)
    return worst


def find_facets(technology: Technology) -> Facets | None:
    """The supporting facets of a technology, or None where the hull is flat or fails.

    The caller answers with linear programmes then. Above `SAMPLE_ABOVE` reference units
    the hull of a sample is taken first, the units that lie beyond it are added, and so
    on until none does: most units are never handed to qhull. The sample is every k-th
    unit, so the result depends on the data alone.
    """
    if "facets" not in technology.cache:
        technology.cache["facets"] = _find_facets(technology)
    return technology.cache["facets"]


def _find_facets(technology: Technology) -> Facets | None:
    columns = technology.columns
    norms = columns @ cutting_plane(technology)
    if not (norms > 0).all():
        return None
    projected = columns / norms[:, None]
    n = len(technology.generators)
    n_rays = len(technology.rays)
    rays = np.arange(n, n + n_rays)
    interior = projected.mean(axis=0)
    try:
        if n <= SAMPLE_ABOVE:
            members = _facets_of(projected, np.arange(n + n_rays))
        else:
            members = _grow(technology, projected, rays, interior)
    except QhullError:
        return None
    members, inverse, basis, prices = _prices_of(projected, members, interior)
    if not len(members):
        return None
    prices = clean_prices(technology, prices, members)
    checked = projected if n <= SAMPLE_ABOVE else projected[np.unique(members)]
    supporting = _supporting(checked, prices)
    return Facets(
        prices[supporting],
        members[supporting],
        inverse[supporting],
        basis[supporting],
        int((~supporting).sum()),
    )


def _grow(
    technology: Technology,
    projected: np.ndarray,
    rays: np.ndarray,
    interior: np.ndarray,
) -> np.ndarray:
    """Hull of a sample, then of its vertices with the units beyond it, and so on."""
    n = len(technology.generators)
    sample = np.arange(0, n, max(1, n // SAMPLE_ABOVE))
    candidates = np.arange(n)
    vertices = np.concatenate([sample, rays])
    while True:
        members = _facets_of(projected, vertices)
        vertices = np.unique(members)
        if not len(candidates):
            return members
        regular, *_, prices = _prices_of(projected, members, interior)
        # A price that rounding puts below zero is against its ray in full.
        prices = clean_prices(technology, prices, regular)
        # The prices of simplices that are all but flat are rounding.
        prices = prices[_beyond(prices, projected[vertices]) > -FLAT]
        beyond = _beyond(projected[candidates], prices) < -1e-15
        candidates = np.setdiff1d(candidates[beyond], vertices)
        if not len(candidates):
            return members
        step = max(1, len(candidates) // (2 * SAMPLE_ABOVE))
        vertices = np.union1d(np.union1d(vertices, candidates[::step]), rays)


def _supporting(checked: np.ndarray, prices: np.ndarray) -> np.ndarray:
    """Which facets no reference unit and no ray lies beyond."""
    value = prices @ checked.T
    size = np.abs(prices) @ np.abs(checked).T
    return (value >= -SUPPORT_TOLERANCE * size).all(axis=1)
