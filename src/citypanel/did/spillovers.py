"""What a policy does to the neighbours of the treated, and to the estimate.

Controls near treated units may be touched by the policy too. They are then no
controls, and the difference between treated and control units is the effect on the
treated less the effect on them (Butts 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from citypanel.did.frames import OVERALL, add_note, join_notes, panel_frame
from citypanel.did.linear import NormalEquations, cluster_sums
from citypanel.did.panels import FAR, Panel, on_panel, require_treated_and_control
from citypanel.did.spatial import (
    conley_options,
    distances_km,
    kernel_weights,
    unit_coordinates,
)
from citypanel.errors import EstimationError, OptionError

RINGS = (0.0, 100.0, 200.0, 300.0)
NOTE_EMPTY = "no untreated unit is there"
NOTE_UNKNOWN = "not identified: no row untouched connects its unit and period"


@on_panel(
    "cohort",
    "controls",
    "weights",
    "cluster",
    groups=("coordinates", "neighbours"),
)
def spillovers(
    data: Panel,
    *,
    coordinates: Sequence[str] | None = None,
    neighbours: str | None = None,
    rings: Sequence[float] = RINGS,
    cutoff_km: float | None = None,
    kernel: str = "bartlett",
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Effects on the treated and on their untreated neighbours.

    Untreated rows are in ring j where the nearest unit treated by then lies within
    (r_j-1, r_j] km, or, with ``neighbours``, where a unit of the same group is. With
    alpha_i, lambda_t and gamma from the rows that are neither treated nor in a ring,

        y_it = alpha_i + lambda_t + x_it' gamma + tau D_it + sum_j delta_j R^j_it + e,

    tau is the mean gap of treated rows, delta_j that of ring j: imputation with
    the touched rows left out of the first stage, so that effects may differ by
    cohort and time. What touches the treated from each other is part of tau.

    Parameters
    ----------
    panel : DataFrame or Panel
        Rows without a place are left out. Units treated from the first period on
        touch their neighbours before they leave. Treated units that are not in the
        panel touch nobody: give the whole panel.
    outcome, cohort, unit, period, controls, weights, cluster, frequency
        Names of columns (see `panels.Design`).
    coordinates : two str, optional
        Columns of latitude and longitude, in degrees.
    neighbours : str, optional
        Column of groups of neighbours (provinces); instead of coordinates.
    rings : sequence of float
        Edges in km, increasing; nobody beyond the last is touched.
    cutoff_km, kernel
        With a cutoff, errors of neighbours go together as in ``conley`` of `twfe`;
        else those of clusters.
    single_unit_std_error : bool
    level : float

    Returns
    -------
    DataFrame
        Aggregation ``simple``: ``overall`` (as if nobody were touched), ``direct``
        (tau); ``spillover``: a row a ring with delta_j, n_treated_units the untreated
        units in it; ``donut``: tau with never-treated units left out that ever are
        within each edge of a treated unit; ``contamination``: ``overall`` less
        ``direct``. Columns ring_from_km and ring_to_km. Conservative standard errors
        (`imputation`); intervals from t with (sum phi^2)^2 / sum phi^4 - 1 degrees of
        freedom, phi the clusters' parts in the estimate, as a ring may rest on a few
        units; what the untouched rows do not determine is
        null with a note.

    Raises
    ------
    PanelError, EstimationError
        As `imputation`; also where every row is touched.
    OptionError
        Neither coordinates nor neighbours, or both; edges that do not increase.

    References
    ----------
    Butts (2021), arXiv 2105.03737; Borusyak, Jaravel and Spiess (2024), Review of
    Economic Studies 91.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> found = did.spillovers(
    ...     zones(), coordinates=["latitude", "longitude"], rings=[0, 100], **columns
    ... )
    >>> found[["aggregation", "term", "estimate", "std_error"]].head(4).round(3)
         aggregation                 term  estimate  std_error
    0         simple              overall     0.128      0.007
    1         simple               direct     0.129      0.009
    2  contamination  overall_less_direct    -0.002      0.002
    3      spillover        ring_0_100_km     0.006      0.008
    """
    edges = _edges(coordinates, neighbours, rings)
    if (data.start > data.last).all():
        require_treated_and_control(data)
    nearest = _nearest(data, coordinates, neighbours)
    places = None
    if cutoff_km is not None:
        at = conley_options(coordinates, cutoff_km, kernel)
        places = unit_coordinates(data, at)
    while (data.start <= 0).any():
        late, first = data.start > 0, data.name(0)
        nearest = nearest[late[data.unit]]
        places = None if places is None else places[late]
        data = data.keep_units(late, f"treated from the first period ({first}) on")
    require_treated_and_control(data)
    spread = None
    if places is not None:
        spread = kernel_weights(distances_km(places), float(cutoff_km or 0), kernel)

    ring = np.searchsorted(edges[1:], nearest, side="left")
    ring = np.where(data.treated | (ring >= len(edges) - 1), -1, ring)
    names = [f"ring_{low:g}_{high:g}_km" for low, high in pairwise(edges)]
    if neighbours:
        names = [f"same_{neighbours}"]
    m = len(names)
    plain = Gaps(data, data.treated)
    codes = np.where(data.treated, m, ring)
    clean = Gaps(data, codes >= 0)
    if not (clean.known & data.treated).any():
        raise EstimationError.of("did.every_row_touched")

    whole = plain.mean(data.treated)
    direct = clean.mean(data.treated)
    difference = Mean(
        whole.estimate - direct.estimate, whole.influence - direct.influence, None, ()
    )
    rows = [
        _row(data, whole, spread, aggregation="simple", term=OVERALL),
        _row(data, direct, spread, aggregation="simple", term="direct"),
        _row(
            data,
            difference,
            spread,
            aggregation="contamination",
            term="overall_less_direct",
            units=direct.units,
        ),
    ]
    for j, (name, (low, high)) in enumerate(zip(names, pairwise(edges), strict=True)):
        shown: dict[str, Any] = dict(aggregation="spillover", term=name)
        if neighbours is None:
            shown |= dict(ring_from_km=low, ring_to_km=high)
        found = clean.mean(ring == j)
        rows.append(_row(data, found, spread, **shown))
    for high in edges[1:]:
        ever = np.zeros(data.n_units, bool)
        ever[data.unit[nearest <= high]] = True
        out = ever & data.never
        shown = dict(
            aggregation="donut",
            term="without_neighbours" if neighbours else f"without_{high:g}_km",
            ring_to_km=None if neighbours else high,
        )
        if not (data.never & ~out).any():
            note = "no never-treated unit is left"
            rows.append({**shown, "estimate": None, "note": note})
            continue
        part = data.keep_units(~out, "near a treated unit")
        kept = None if spread is None else spread[np.ix_(~out, ~out)]
        found = Gaps(part, part.treated).mean(part.treated)
        row = _row(part, found, kept, **shown)
        row["note"] = join_notes(row.get("note"), f"{int(out.sum())} units left out")
        rows.append(row)
    add_note(rows[:1], data.note)
    kind = "conservative"
    if cutoff_km is not None:
        kind += f", conley {kernel} {cutoff_km:g} km"
    return panel_frame(
        data,
        rows,
        estimator="spillovers",
        level=level,
        single_unit_std_error=single_unit_std_error,
        extra_columns=("ring_from_km", "ring_to_km", "outcome"),
        standard_errors=kind,
        n_clusters=data.n_clusters,
    ).astype({"ring_from_km": float, "ring_to_km": float})


def _edges(coordinates, neighbours, rings) -> list[float]:
    if (coordinates is None) == (neighbours is None):
        raise OptionError.of("did.neighbours_by_one")
    if neighbours is not None:
        return [0.0, 0.5]
    edges = [float(r) for r in rings]
    if len(edges) < 2 or edges[0] < 0 or (np.diff(edges) <= 0).any():
        raise OptionError.of("did.rings_increase", rings=tuple(rings))
    edges[0] = 0.0
    return edges


def _nearest(data: Panel, coordinates, neighbours) -> np.ndarray:
    """Distance (n,) of each row's unit to the nearest other unit treated by then.

    In km, or 0 for a treated unit of the same group; infinite where there is none.
    """
    treated = np.flatnonzero(~data.never)
    if neighbours is not None:
        codes = data.of_units(data.codes(neighbours), neighbours)
        apart = np.where(codes[:, None] == codes[treated], 0.0, np.inf)
    else:
        assert coordinates is not None
        places = unit_coordinates(data, coordinates)
        apart = distances_km(places, places[treated])
    apart[treated, np.arange(len(treated))] = np.inf
    out, nearest = np.full(data.n_obs, np.inf), np.full(data.n_units, np.inf)
    since, last = data.start[treated], -FAR
    for j, p in enumerate(data.positions):
        more = (since > last) & (since <= p)
        nearest = np.minimum(nearest, apart[:, more].min(axis=1, initial=np.inf))
        rows, last = data.period == j, p
        out[rows] = nearest[data.unit[rows]]
    return out


@dataclass(frozen=True, eq=False)
class Mean:
    """A mean of gaps, each unit's part in it (n_units,), and the units behind it."""

    estimate: float
    influence: np.ndarray
    units: np.ndarray | None
    notes: tuple[str, ...]


class Gaps:
    """Outcomes less what the untouched rows say of them.

    Parameters
    ----------
    data : Panel
    touched : ndarray of bool (n,)
        Rows that are left out of the first stage.

    Attributes
    ----------
    gap : ndarray (n,)
    known : ndarray of bool (n,)
        Rows whose untouched outcome the other rows determine.
    """

    def __init__(self, data: Panel, touched: np.ndarray):
        self.data, self.touched = data, touched
        rows = ~touched
        if not rows.any():
            raise EstimationError.of("did.every_row_touched")
        weights = None if data.weights is None else data.weights[rows]
        dummies = np.eye(len(data.positions))[data.period]
        self.other = np.hstack([dummies, data.controls])
        # Units without an untouched row have no level; they are never known.
        self.seen = np.bincount(data.unit[rows], minlength=data.n_units) > 0
        code = np.cumsum(self.seen) - 1
        self.code = np.where(self.seen, code, 0)
        self.equations = NormalEquations(
            self.code[data.unit[rows]], self.other[rows], int(self.seen.sum()), weights
        )
        known = self.equations.determines(self.code[data.unit], self.other)
        self.known = known & self.seen[data.unit]
        on_units, on_other = self.equations.fit(data.y[rows])
        fitted = on_units[self.code[data.unit]] + self.other @ on_other
        self.gap = data.y - fitted

    def mean(self, rows: np.ndarray) -> Mean:
        """Weighted mean gap of some touched rows, where it is identified."""
        data = self.data
        some = rows & self.known
        if not some.any():
            note = NOTE_UNKNOWN if rows.any() else NOTE_EMPTY
            return Mean(np.nan, np.full(data.n_units, np.nan), None, (note,))
        notes: tuple[str, ...] = ()
        if (rows & ~self.known).any():
            lost = int((rows & ~self.known).sum())
            notes = (f"without {lost} rows that the untouched do not determine",)
        share = np.where(some, data.row_weights, 0.0)
        share = share / share.sum()
        estimate = float(share @ self.gap)
        centred = np.where(self.touched, self.gap - self._centre(some, share), self.gap)
        signed = (share - self._mirror(share)) * centred
        influence = cluster_sums(signed, data.unit, data.n_units)
        return Mean(estimate, influence, np.unique(data.unit[some]), notes)

    def _centre(self, some: np.ndarray, share: np.ndarray) -> np.ndarray:
        """What effects are taken around: cells of cohort and period.

        A cell of one unit has no spread of its own: it goes with the event time's
        other such cells, or with all of them.
        """
        data = self.data
        cells = np.unique(
            np.column_stack([data.row_start, data.period])[some],
            axis=0,
            return_inverse=True,
        )[1].ravel()
        squares = share[some] ** 2
        gap, unit = self.gap[some], data.unit[some]
        count = np.bincount(cells)
        lonely = count[cells] == 1
        event = np.where(data.ever, data.event, 0)[some]
        group = np.where(lonely, cells.max() + 1 + event - event.min(), cells)
        group = np.unique(group, return_inverse=True)[1]
        alone = (np.bincount(group)[group] == 1) & lonely
        if alone.any() and len(np.unique(unit[alone])) > 1:
            group = np.where(alone, group.max() + 1, group)
        group = np.unique(group, return_inverse=True)[1]
        mean = np.bincount(group, squares * gap) / np.bincount(group, squares)
        out = np.zeros(data.n_obs)
        out[some] = mean[group]
        return out

    def _mirror(self, share: np.ndarray) -> np.ndarray:
        """Weights (n,) on untouched rows of the fitted values' weighted sum."""
        data = self.data
        on_units = np.bincount(self.code[data.unit], share, int(self.seen.sum()))
        units, other = self.equations.solve(on_units, self.other.T @ share)
        fitted = units[self.code[data.unit]] + self.other @ other
        if data.weights is not None:
            fitted = fitted * data.weights
        return np.where(self.touched, 0.0, fitted)


def _row(
    data: Panel,
    found: Mean,
    spread: np.ndarray | None,
    units: np.ndarray | None = None,
    **labels,
) -> dict:
    """The tidy row of a mean, errors clustered or shared by neighbours."""
    units = found.units if units is None else units
    row: dict = {
        **labels,
        "n_obs": data.n_obs,
        "n_units": data.n_units,
        "n_treated_units": 0 if units is None else len(units),
        "note": join_notes(*found.notes),
    }
    if not np.isfinite(found.estimate):
        return {**row, "estimate": None, "note": row["note"] or NOTE_UNKNOWN}
    sums = np.bincount(data.unit_clusters, found.influence)
    variance = float(sums @ sums)
    # A ring may rest on a handful of units: as many carry the variance as count.
    carry = variance**2 / float((sums**4).sum()) if variance > 0 else 1.0
    if spread is not None:
        variance = float(found.influence @ spread @ found.influence)
    row |= {"estimate": found.estimate, "df": max(carry - 1.0, 1.0)}
    row["single_unit"] = units is not None and len(units) == 1
    if variance > 0:
        row["std_error"] = np.sqrt(variance)
    return row
