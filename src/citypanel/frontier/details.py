"""What stands behind a distance: peers, intensities, slacks and shadow prices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from citypanel.errors import FrontierError, OptionError
from citypanel.frontier.engine import FINE
from citypanel.frontier.evaluation import reason_texts
from citypanel.frontier.hull import find_facets
from citypanel.frontier.linear import solve_linear
from citypanel.frontier.panel import Observations, listed
from citypanel.frontier.results import FrontierResult, remembering
from citypanel.frontier.simplex import OPTIMAL, solve_bases
from citypanel.frontier.start import start
from citypanel.frontier.technology import (
    Technology,
    check_option,
    input_programmes,
    output_programmes,
)

#: References with one technology a period; the others pool periods.
REFERENCES = ("contemporaneous", "sequential", "window", "global")

#: What a peer gives to the point, as a share of it, below which it is rounding.
NEGLIGIBLE = 1e-12

#: A price, a profit or a slack below this share of the point is none.
TIED = 1e-9

#: What the second stage pays for a share of the point that rounding left over.
SPARE_PRICE = 1e4


@dataclass(frozen=True)
class Programmes:
    """The solved programmes of some units, as long frames.

    Attributes
    ----------
    distances : DataFrame
        One row a unit and period: `distance` (Shephard's), `reason`.
    peers : DataFrame
        One row a unit, period and peer: `peer_<unit>`, `peer_<period>`, `intensity`
        (lambda; they sum to 1 under variable returns).
    prices : DataFrame
        One row a unit, period and variable: `variable`, `role`, `price`, `share`.
        Prices are in 1 / the variable's unit and normalised so that the value of what
        moves is 1: u.y = 1 output-oriented, v.x = 1 input-oriented; `share` is price
        times quantity. `role` is `input`, `output` or `scale`; the latter is w.
    slacks : DataFrame
        One row a unit, period and variable: `value`, `slack` (what is left after the
        radial movement, in the variable's unit), `target` (the efficient quantity);
        both null where rounding leaves the second stage without a solution.
    """

    distances: pd.DataFrame
    peers: pd.DataFrame
    prices: pd.DataFrame
    slacks: pd.DataFrame


def programmes(
    panel: pd.DataFrame,
    *,
    unit: str,
    period: str,
    outputs: Sequence[str],
    inputs: Sequence[str],
    orientation: str = "output",
    returns_to_scale: str = "crs",
    reference: str = "contemporaneous",
    of: Iterable[tuple[object, object]] | None = None,
    slacks: bool = True,
    window: int | None = None,
    reference_units: Iterable[object] | None = None,
) -> Programmes:
    """Peers, intensities, shadow prices and slacks of own-period programmes.

    Parameters
    ----------
    panel, unit, period, outputs, inputs, orientation, returns_to_scale, window,
    reference_units
        See `distance`.
    reference : {"contemporaneous", "sequential", "window", "global"}
        See `malmquist`.
    of : iterable of (unit, period), optional
        Whose programmes; all by default.
    slacks : bool
        Whether slacks are wanted: units with several optima cost a linear programme.

    Returns
    -------
    Programmes
        Frames sorted by unit and period.

    Raises
    ------
    OptionError, PanelError
        See `distance`; also when `of` names a unit and period that is not there.

    Notes
    -----
    A unit on the frontier lies on several facets, and its prices are those of one of
    them; a price of zero means that the unit has too much of that input for its price
    to matter. Slacks maximise the sum of slacks in shares of the plan's quantities
    after the radial movement (of the technology's mean where a plan has none), which
    makes them independent of units of measurement.

    Examples
    --------
    >>> from citypanel import frontier
    >>> from citypanel.examples import zones
    >>> plans = dict(
    ...     unit="city", period="year", outputs=["output"], inputs=["capital", "labour"]
    ... )
    >>> found = frontier.programmes(zones().query("year == 2010"), **plans)
    >>> found.peers.head(2).round(3)
      city  year peer_city  peer_year  intensity
    0  c01  2010       c19       2010      1.570
    1  c01  2010       c38       2010      1.245
    >>> found.prices.head(2).round(4)
      city  year variable   role   price   share
    0  c01  2010  capital  input  0.0022  0.6063
    1  c01  2010   labour  input  0.0041  0.5245
    """
    check_option("reference", reference, REFERENCES)
    evaluator, scheme = start(
        panel,
        unit=unit,
        period=period,
        outputs=outputs,
        inputs=inputs,
        orientation=orientation,
        returns_to_scale=returns_to_scale,
        reference=reference,
        window=window,
        reference_units=reference_units,
    )
    data = evaluator.panel
    names = [*listed(inputs), *listed(outputs)]
    chosen = _chosen(data, of)
    found: dict[str, list] = {"distances": [], "peers": [], "prices": [], "slacks": []}
    for p in np.unique(data.period_of[chosen]):
        rows = chosen[data.period_of[chosen] == p]
        span = scheme.pooled(p, p) or scheme.own(int(p))
        technology = evaluator.technology(
            (span, 0), scheme.rows(span), returns_to_scale
        )
        values, status = evaluator.efficiencies(technology, rows, rows)
        reasons = pd.array(reason_texts({"": status}), dtype="string")
        shephard = values if orientation == "output" else 1.0 / values
        keys = data.keys(rows)
        found["distances"].append(keys.assign(distance=shephard, reason=reasons))
        fine = rows[status == FINE]
        if not len(fine):
            continue
        moves = output_programmes if orientation == "output" else input_programmes
        q, r = moves(technology, data.inputs[fine], data.outputs[fine])
        t = values[status == FINE]
        points = q + (1.0 / t if orientation == "output" else -t)[:, None] * r
        solved = (points, *_bases(technology, q, r, points))
        found["peers"].append(_peers(data, technology, fine, *solved[:3]))
        found["prices"].append(_prices(data, technology, fine, solved[3], names))
        if slacks:
            found["slacks"].append(_slacks(data, technology, fine, *solved, names))
    order = [unit, period]
    frames = {
        name: pd.concat(parts, ignore_index=True).sort_values(
            order, kind="stable", ignore_index=True
        )
        if parts
        else pd.DataFrame(columns=order)
        for name, parts in found.items()
    }
    return Programmes(**frames)


def _chosen(
    data: Observations, of: Iterable[tuple[object, object]] | None
) -> np.ndarray:
    """Rows of the units and periods asked for."""
    if of is None:
        return np.arange(len(data.unit_of))
    table = data.row_of()
    units = {value: k for k, value in enumerate(data.units.tolist())}
    periods = {value: k for k, value in enumerate(data.periods.tolist())}
    wanted = list(of)
    rows = [
        table[units[u], periods[p]] if u in units and p in periods else -1
        for u, p in wanted
    ]
    absent = [pair for pair, row in zip(wanted, rows, strict=True) if row < 0]
    if absent or not wanted:
        raise OptionError.of(
            "frontier.absent",
            [f"{data.unit} {u}, {data.period} {p}" for u, p in absent],
            absent=absent,
            unit=data.unit,
            period=data.period,
        )
    return np.unique(rows)


def _bases(
    technology: Technology, q: np.ndarray, r: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns, intensities and prices of every optimum."""
    d = technology.dimension
    bases = solve_bases(technology, q, r)
    members, intensities = bases.members.copy(), bases.intensities.copy()
    prices = bases.prices.copy()
    for row in np.flatnonzero(bases.status != OPTIMAL):
        answer = solve_linear(technology, q[row], r[row])
        heavy = np.argsort(-answer.intensities, kind="stable")[: d - 1]
        members[row], intensities[row] = heavy, answer.intensities[heavy]
        prices[row] = answer.prices
    shares = np.abs(prices) * _sizes(technology, points)
    prices[shares <= TIED * shares.max(axis=1, keepdims=True)] = 0.0
    return members, np.maximum(intensities, 0.0), prices


def _peers(data, technology, rows, points, members, intensities) -> pd.DataFrame:
    columns = np.abs(technology.columns[members]) / _sizes(technology, points)[:, None]
    used = (members < len(technology.generators)) & (
        intensities * columns.max(axis=2) > NEGLIGIBLE
    )
    which, position = np.nonzero(used)
    peer = technology.members[members[which, position]]
    order = np.lexsort((peer, which))
    which, position, peer = which[order], position[order], peer[order]
    peers = data.keys(peer).add_prefix("peer_")
    return pd.concat([data.keys(rows[which]), peers], axis=1).assign(
        intensity=intensities[which, position]
    )


def _prices(data, technology, rows, prices, names) -> pd.DataFrame:
    """Prices of every variable in its own unit, and their shares."""
    m, s = technology.n_inputs, technology.n_outputs
    scales = np.concatenate([data.input_scales, data.output_scales])
    quantities = np.hstack([data.inputs[rows], data.outputs[rows]])
    values = prices[:, : m + s]
    shares = values * quantities
    roles = ["input"] * m + ["output"] * s
    values = values / scales
    if technology.returns_to_scale != "crs":
        names, roles = [*names, "returns to scale"], [*roles, "scale"]
        values = np.hstack([values, prices[:, -1:]])
        shares = np.hstack([shares, prices[:, -1:]])
    k = len(names)
    return (
        data.keys(np.repeat(rows, k))
        .assign(variable=np.tile(names, len(rows)), role=np.tile(roles, len(rows)))
        .assign(price=values.ravel(), share=shares.ravel())
    )


def _slacks(
    data, technology, rows, points, members, intensities, prices, names
) -> pd.DataFrame:
    """Second stage: the largest sum of relative slacks at the radial projection.

    Only columns without profit at the optimal prices can carry weight; where they are
    the basis itself the intensities are unique and no programme is needed. Prices,
    profits and slacks are judged in shares of the point, where rounding has one size.
    """
    m, s = technology.n_inputs, technology.n_outputs
    n_gen = len(technology.generators)
    scales = np.concatenate([data.input_scales, data.output_scales])
    sizes = _sizes(technology, points)
    columns, absolute = technology.columns, np.abs(technology.columns)
    slack = np.zeros((len(rows), m + s))
    for k, (point, scale) in enumerate(zip(points, sizes, strict=True)):
        usable = columns @ prices[k] <= TIED * (absolute @ np.abs(prices[k]))
        usable[members[k]] = True
        weights = np.zeros(len(columns))
        weights[members[k]] = intensities[k]
        if usable.sum() > members.shape[1]:
            weights = _largest_slacks(technology, point, scale, usable)
        slack[k] = weights[n_gen : n_gen + m + s]
        slack[k, slack[k] < TIED * scale[: m + s]] = 0.0
    targets = np.abs(points[:, : m + s]) + slack * np.where(np.arange(m + s) < m, -1, 1)
    values = np.hstack([data.inputs[rows], data.outputs[rows]])
    return data.keys(np.repeat(rows, m + s)).assign(
        variable=np.tile(names, len(rows)),
        role=np.tile(["input"] * m + ["output"] * s, len(rows)),
        value=(values * scales).ravel(),
        slack=(slack * scales).ravel(),
        target=(targets * scales).ravel(),
    )


def _sizes(technology: Technology, points: np.ndarray) -> np.ndarray:
    """Each point's own quantities; the technology's mean where a point has none."""
    typical = np.abs(technology.generators).mean(axis=0)
    typical[typical == 0] = 1.0
    return np.where(points == 0, typical, np.abs(points))


def _largest_slacks(
    technology: Technology, point: np.ndarray, scale: np.ndarray, usable: np.ndarray
) -> np.ndarray:
    """Weights of all columns with the largest sum of slacks in shares of the scale.

    With that sum as one more coordinate, which nothing else has and the direction
    takes away, it is a programme like any other. Rays in every direction take up, at a
    price, what rounding left between the point and its face; null where that is not
    enough.
    """
    k, n_gen = technology.n_inputs + technology.n_outputs, len(technology.generators)
    n, d = len(technology.columns), len(point)
    spare = np.vstack([np.diag(scale), -np.diag(scale)])
    worth = np.zeros((n + 2 * d, 1))
    worth[n_gen : n_gen + k, 0] = -1.0 / scale[:k]
    worth[n:] = SPARE_PRICE
    stage = replace(
        technology,
        generators=np.hstack([technology.generators, worth[:n_gen]]),
        rays=np.hstack([np.vstack([technology.rays, spare]), worth[n_gen:]]),
        cache={},
    )
    # No column can use more of an input than the point has.
    m = technology.n_inputs
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = point[:m] / technology.columns[:, :m]
    most = np.where(technology.columns[:, :m] > 0, ratio, np.inf).min(axis=1)
    most = np.append(np.where(usable, 1.01 * most, 0.0), np.full(2 * d, TIED))
    q, r = np.append(point, 0.0), np.append(np.zeros(d), -1.0)
    answer = solve_linear(stage, q, r, most=most)
    return answer.intensities[:n]


@remembering
def super_efficiency(
    panel: pd.DataFrame,
    *,
    unit: str,
    period: str,
    outputs: Sequence[str],
    inputs: Sequence[str],
    orientation: str = "output",
    returns_to_scale: str = "crs",
    solver: str = "auto",
) -> FrontierResult:
    """Distances of every unit to its period's technology without the unit itself.

    Parameters
    ----------
    panel, unit, period, outputs, inputs, orientation, returns_to_scale, solver
        See `distance`.

    Returns
    -------
    DataFrame
        One row a unit and period: `distance` (Shephard's, own technology),
        `super_distance` (Shephard's without the unit: beyond 1 for a unit that carries
        the frontier, the same as `distance` for the others) and `reason`, null unless
        the programme without the unit is infeasible.

    Raises
    ------
    OptionError, PanelError
        See `distance`.

    References
    ----------
    Andersen and Petersen (1993), Management Science 39.

    Examples
    --------
    >>> from citypanel import frontier
    >>> from citypanel.examples import zones
    >>> plans = dict(
    ...     unit="city", period="year", outputs=["output"], inputs=["capital", "labour"]
    ... )
    >>> found = frontier.super_efficiency(zones().query("year == 2010"), **plans)
    >>> found.sort_values("super_distance").tail(2).round(3)
       city  year  distance  super_distance reason
    16  c17  2010       1.0           1.127   <NA>
    9   c10  2010       1.0           1.144   <NA>
    """
    evaluator, _ = start(
        panel,
        unit=unit,
        period=period,
        outputs=outputs,
        inputs=inputs,
        orientation=orientation,
        returns_to_scale=returns_to_scale,
        solver=solver,
    )
    data = evaluator.panel
    n = len(data.unit_of)
    own, without = np.full(n, np.nan), np.full(n, np.nan)
    status = np.zeros(n, dtype=int)
    for p in range(len(data.periods)):
        rows = np.flatnonzero(data.period_of == p)
        technology = evaluator.technology((p,), rows, returns_to_scale)
        own[rows], status[rows] = evaluator.efficiencies(technology, rows, rows)
        without[rows] = own[rows]
        for row in rows[own[rows] > 1.0 - 1e-9]:
            others = rows[rows != row]
            technology = evaluator.technology((p, row), others, returns_to_scale)
            just = np.array([row])
            value, state = evaluator.efficiencies(technology, just, just)
            without[row], status[row] = value[0], state[0]
    if orientation == "input":
        own, without = 1.0 / own, 1.0 / without
    columns = {"distance": own, "super_distance": without}
    return evaluator.frame(np.arange(n), columns, reason_texts({"": status}))


@dataclass(frozen=True)
class Frontier:
    """A technology's frontier, for pictures and tables.

    Attributes
    ----------
    vertices : DataFrame
        One row a unit that spans a facet: unit, period, its inputs and outputs.
    facets : DataFrame
        One row a facet: `facet`, `price_<variable>` for every variable and `constant`
        (w; 0 under constant returns). On the facet, inputs at these prices minus
        outputs at these prices plus the constant are 0; they are >= 0 for every unit.
    corners : DataFrame
        One row a facet and unit that spans it: `facet`, unit, period. A facet with
        fewer units than variables extends by free disposal.
    """

    vertices: pd.DataFrame
    facets: pd.DataFrame
    corners: pd.DataFrame


def frontier(
    panel: pd.DataFrame,
    *,
    unit: str,
    period: str,
    outputs: Sequence[str],
    inputs: Sequence[str],
    at: object,
    returns_to_scale: str = "crs",
    reference: str = "contemporaneous",
    window: int | None = None,
    reference_units: Iterable[object] | None = None,
) -> Frontier:
    """The vertices and facets of the frontier of one period.

    Parameters
    ----------
    panel, unit, period, outputs, inputs, returns_to_scale, window, reference_units
        See `distance`.
    at : object
        The period.
    reference : {"contemporaneous", "sequential", "window", "global"}
        See `malmquist`.

    Returns
    -------
    Frontier
        With two inputs and one output under constant returns, the vertices divided by
        their output are the corners of the unit isoquant.

    Raises
    ------
    OptionError
        The panel has no such period.
    FrontierError
        No reference unit is observed by then, or the technology is flat, so that it has
        no facets (all units alike in a way that leaves a dimension out).

    Examples
    --------
    >>> from citypanel import frontier
    >>> from citypanel.examples import zones
    >>> plans = dict(
    ...     unit="city", period="year", outputs=["output"], inputs=["capital", "labour"]
    ... )
    >>> found = frontier.frontier(zones(), at=2010, **plans)
    >>> found.vertices
      city  year  capital  labour  output
    0  c10  2010  193.046  35.070  80.469
    1  c17  2010   53.303  77.863  47.489
    2  c19  2010   88.928  52.778  65.330
    3  c32  2010   97.597  68.255  75.482
    4  c38  2010  106.669  37.315  61.647
    """
    check_option("reference", reference, REFERENCES)
    evaluator, scheme = start(
        panel,
        unit=unit,
        period=period,
        outputs=outputs,
        inputs=inputs,
        returns_to_scale=returns_to_scale,
        reference=reference,
        window=window,
        reference_units=reference_units,
    )
    data = evaluator.panel
    check_option("at", at, tuple(data.periods.tolist()))
    p = data.periods.tolist().index(at)
    span = scheme.pooled(p, p) or scheme.own(p)
    rows = scheme.rows(span)
    if not len(rows):
        raise FrontierError.of(
            "frontier.technology_no_reference_unit", period=period, at=at
        )
    technology = evaluator.technology(span, rows, returns_to_scale)
    facets = find_facets(technology)
    if facets is None:
        raise FrontierError.of("frontier.technology_flat", period=period, at=at)
    names = [*listed(inputs), *listed(outputs)]
    scales = np.concatenate([data.input_scales, data.output_scales])
    k = len(names)
    prices, facet_of = _distinct(technology, facets.prices, k)
    table = pd.DataFrame({"facet": np.arange(len(prices))})
    for j, name in enumerate(names):
        table[f"price_{name}"] = prices[:, j] / scales[j]
    table["constant"] = prices[:, -1] if returns_to_scale != "crs" else 0.0
    which, position = np.nonzero(facets.members < len(rows))
    corner = rows[facets.members[which, position]]
    pairs = np.unique(np.column_stack([facet_of[which], corner]), axis=0)
    corner = pairs[:, 1]
    corners = pd.concat(
        [pd.DataFrame({"facet": pairs[:, 0]}), data.keys(corner)], axis=1
    )
    vertex = np.unique(corner)
    return Frontier(
        data.frame.loc[vertex, [unit, period, *names]].reset_index(drop=True),
        table,
        corners,
    )


def _distinct(
    technology: Technology, prices: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Prices of each facet once, sorted, and the place of every simplex among them.

    A facet with more units on it than it needs comes in several simplices. Prices of
    the k variables add up to 1 in scaled units; they are compared in shares of the mean
    quantities.
    """
    typical = _sizes(technology, np.zeros((1, technology.dimension)))[0]
    shares = prices * typical
    shares = shares / np.abs(shares).max(axis=1, keepdims=True)
    shares[np.abs(shares) <= TIED] = 0.0
    _, first, facet_of = np.unique(
        np.round(shares, 9) + 0.0, axis=0, return_index=True, return_inverse=True
    )
    distinct = np.where(shares[first] == 0, 0.0, prices[first])
    size = np.abs(distinct[:, :k]).sum(axis=1, keepdims=True)
    distinct = distinct / np.where(size > 0, size, 1.0)
    order = np.lexsort(distinct.T[::-1])
    return distinct[order], np.argsort(order)[facet_of.ravel()]
