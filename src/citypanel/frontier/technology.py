"""Technologies as cones: reference units, free disposal and returns to scale.

A reference set of n units with inputs X (n, m), outputs Y (n, s) and, for green
studies, bad outputs B (n, b) is written as generators of a convex cone in
d = m + s + b (+ 1) dimensions,

    g_j = (X_j, -Y_j, B_j, 1),

the last coordinate only where returns to scale are not constant. Free disposal adds
the unit rays of inputs and outputs; non-increasing returns add the ray (0, ..., 1),
non-decreasing ones (0, ..., -1). A plan (x, y) is feasible when (x, -y, b, 1) lies in
the cone, and the cone's facets are the shadow prices (v, -u, p, w) of the technology:

    v X_j + u (-Y_j) + p B_j + w >= 0   for every reference unit j.

Every distance function is then one programme: how far along a direction r can the
point q move before it leaves the cone?

    t* = max { t : q + t r in cone }.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from citypanel.errors import OptionError

RETURNS_TO_SCALE = ("crs", "vrs", "nirs", "ndrs")
ORIENTATIONS = ("output", "input")


def check_option(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """Raise `OptionError` when an option has a value that is not in its list."""
    if value not in allowed:
        raise OptionError.of(
            "frontier.not_option_frontier",
            name=name,
            value=value,
            what=", ".join(map(repr, allowed)),
        )


@dataclass(frozen=True)
class Technology:
    """A reference technology in generator form.

    Attributes
    ----------
    generators : ndarray (n, d)
        One row a reference unit, in scaled units.
    rays : ndarray (k, d)
        Free disposal and returns to scale.
    members : ndarray (n,)
        What each generator is: the row of the panel it comes from. Generators that
        stand for an abated unit (variable returns with bad outputs) carry the row of
        the unit as well.
    n_inputs, n_outputs, n_bads : int
        The sizes m, s and b.
    returns_to_scale : str
        `crs`, `vrs`, `nirs` or `ndrs`.
    """

    generators: np.ndarray
    rays: np.ndarray
    members: np.ndarray
    n_inputs: int
    n_outputs: int
    n_bads: int
    returns_to_scale: str
    cache: dict = field(default_factory=dict, compare=False, repr=False)

    @property
    def dimension(self) -> int:
        """The dimension d of the cone."""
        return self.generators.shape[1]

    @property
    def columns(self) -> np.ndarray:
        """Generators and rays, one row each, (n + k, d)."""
        if "columns" not in self.cache:
            self.cache["columns"] = np.vstack([self.generators, self.rays])
        return self.cache["columns"]


def build_technology(
    inputs: np.ndarray,
    outputs: np.ndarray,
    *,
    returns_to_scale: str,
    members: np.ndarray | None = None,
    bads: np.ndarray | None = None,
    bads_disposal: str = "weak",
) -> Technology:
    """Write a reference set as a cone.

    Parameters
    ----------
    inputs : ndarray (n, m)
        Strictly positive.
    outputs : ndarray (n, s)
        Non-negative.
    returns_to_scale : {"crs", "vrs", "nirs", "ndrs"}
        Constant, variable, non-increasing or non-decreasing.
    members : ndarray (n,), optional
        Labels of the reference units; 0 to n - 1 by default.
    bads : ndarray (n, b), optional
        Undesirable outputs.
    bads_disposal : {"weak", "strong"}
        `weak`: bads fall only together with the good outputs (no disposal ray; under
        variable or non-increasing returns with Kuosmanen's (2005) unit-specific
        abatement, which adds the generators (X_j, 0, 0, 1)). `strong`: more of a bad
        output is always possible, it is treated as an input (Aparicio, Pastor and
        Zofío 2013).

    Returns
    -------
    Technology
        The cone, with an empty cache for its facets.
    """
    n, m = inputs.shape
    s = outputs.shape[1]
    b = 0 if bads is None else bads.shape[1]
    constant = returns_to_scale == "crs"
    d = m + s + b + (0 if constant else 1)
    generators = np.zeros((n, d))
    generators[:, :m] = inputs
    np.negative(outputs, out=generators[:, m : m + s])
    if bads is not None:
        generators[:, m + s : m + s + b] = bads
    if not constant:
        generators[:, -1] = 1.0
    labels = np.arange(n) if members is None else members
    if b and bads_disposal == "weak" and not constant:
        abated = generators.copy()
        abated[:, m : m + s + b] = 0.0
        generators = np.vstack([generators, abated])
        labels = np.concatenate([labels, labels])
    disposable = m + s + (b if bads_disposal == "strong" else 0)
    rays = np.eye(d)[:disposable]
    if returns_to_scale == "nirs":
        rays = np.vstack([rays, np.eye(d)[-1:]])
    elif returns_to_scale == "ndrs":
        rays = np.vstack([rays, -np.eye(d)[-1:]])
    return Technology(generators, rays, labels, m, s, b, returns_to_scale)


def clean_prices(
    technology: Technology, prices: np.ndarray, members: np.ndarray
) -> np.ndarray:
    """Prices (f, d) with the signs and zeros that free disposal dictates.

    A facet that contains the ray of a coordinate, one of its `members` (f, d - 1), has
    a price of exactly zero there, and no price has the wrong sign against a ray.
    """
    prices = prices.copy()
    n = len(technology.generators)
    coordinate = np.abs(technology.rays).argmax(axis=1)
    sign = technology.rays.sum(axis=1)
    prices[:, coordinate] = np.maximum(prices[:, coordinate] * sign, 0.0) * sign
    facet, position = np.nonzero(members >= n)
    prices[facet, coordinate[members[facet, position] - n]] = 0.0
    return prices


def cutting_plane(technology: Technology) -> np.ndarray:
    """A functional c (d,), positive on every generator and ray of the technology.

    c = (1, ..., 1 | u0, ..., u0 | 0 or 1 | w0) over inputs, outputs, bads and the
    returns-to-scale coordinate, with u0 = min(1, half the smallest sum X / sum Y).
    """
    m, s, b = technology.n_inputs, technology.n_outputs, technology.n_bads
    total_inputs = technology.generators[:, :m].sum(axis=1)
    total_outputs = -technology.generators[:, m : m + s].sum(axis=1)
    produces = total_outputs > 0
    u0 = 1.0
    if produces.any():
        u0 = min(1.0, 0.5 * (total_inputs[produces] / total_outputs[produces]).min())
    c = np.ones(technology.dimension)
    c[m : m + s] = u0
    rays = technology.rays
    if b and not rays[:, m + s : m + s + b].any():
        c[m + s : m + s + b] = 0.0
    if technology.returns_to_scale == "ndrs":
        c[-1] = -0.5 * (total_inputs - u0 * total_outputs).min()
    elif technology.returns_to_scale != "crs":
        c[-1] = u0
    return c


def output_programmes(
    technology: Technology, inputs: np.ndarray, outputs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Points and directions of output expansion, q = (x, 0, 1), r = (0, -y, 0).

    Plans (n, m) and (n, s) are in the units of the technology. The optimum t is
    Farrell's output efficiency, the reciprocal of Shephard's output distance function.
    """
    n, m = inputs.shape
    q = np.zeros((n, technology.dimension))
    r = np.zeros((n, technology.dimension))
    q[:, :m] = inputs
    np.negative(outputs, out=r[:, m : m + technology.n_outputs])
    if technology.returns_to_scale != "crs":
        q[:, -1] = 1.0
    return q, r


def input_programmes(
    technology: Technology, inputs: np.ndarray, outputs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Points and directions of input contraction, q = (0, -y, 1), r = (-x, 0, 0).

    The optimum t is minus Farrell's input efficiency theta; Shephard's input distance
    function is 1 / theta.
    """
    n, m = inputs.shape
    q = np.zeros((n, technology.dimension))
    r = np.zeros((n, technology.dimension))
    np.negative(outputs, out=q[:, m : m + technology.n_outputs])
    np.negative(inputs, out=r[:, :m])
    if technology.returns_to_scale != "crs":
        q[:, -1] = 1.0
    return q, r


def power_of_two_scales(values: np.ndarray) -> np.ndarray:
    """Powers of two that bring each column's geometric mean near 1 without rounding.

    Dividing by a power of two changes exponents only, so the scaled data are the
    data, and an index computed from them does not depend on the units beyond the
    last bit. Values (n, k) are non-negative; zeros are left out of the mean.
    """
    positive = values > 0
    logs = np.log2(np.where(positive, values, 1.0)).sum(axis=0)
    return np.exp2(np.round(logs / np.maximum(positive.sum(axis=0), 1)))
