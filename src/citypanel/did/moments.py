"""Estimation from the moments of each cohort instead of from its rows.

Without controls, an estimator for staggered adoption is linear in the outcomes, with
coefficients that are the same for all units of a cohort that are seen in the same
periods. Its estimate is then a function of the groups' counts and means, and its
clustered error one of their covariances: with s_i = a + B'y_i the score of unit i,

    sum_i w_i^2 s_i s_i' = W_2 s s' + (B'v) s' + s (B'v)' + B'Q B,

where s is the score at the group's mean, W_2 = sum w_i^2, and v and Q are the sums of
w_i^2 (y_i - mean) and of w_i^2 (y_i - mean)(y_i - mean)'. Clusters of several units
need each group's sums by cluster only. `condense` turns a panel into one whose units
are such groups; every estimator then runs on it as on any other.

Outcomes are held as a unit's mean and the departures from it. Scores net of unit
effects take the departures alone, so that the levels of the units, however large,
cost them no digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import linalg

from citypanel.did import covariances as cov
from citypanel.did.linear import TwoWay, cluster_sums, symmetric_inverse
from citypanel.did.panels import FAR, Design, Panel, build, starts_from_treatment
from citypanel.did.results import Later
from citypanel.errors import PanelError

# Panels with fewer rows are estimated row by row: there is nothing to gain.
LARGE = 20_000
# Rows that draws go over, all together, from which on sums are taken.
MANY = 5_000_000
# Rows that one row of the groups stands for, at least.
GAIN = 4
NOTHING = 1e-10

_way: ContextVar[str] = ContextVar("way", default="auto")


@contextmanager
def way(name: str) -> Iterator[None]:
    """Estimate from moments ``always`` where they suffice, ``never``, or as ``auto``.

    By default panels of `LARGE` rows and more are, where groups are few.
    """
    token = _way.set(name)
    try:
        yield
    finally:
        _way.reset(token)


def moments(
    panel: Any,
    *,
    outcome: str,
    unit: str,
    period: str,
    cohort: str | None = None,
    treatment: str | None = None,
    controls: Sequence[str] = (),
    weights: str | None = None,
    cluster: str | None = None,
    frequency: str | float | None = None,
) -> MomentPanel:
    """Counts, means and covariances of the outcome by cohort, which estimators take.

    Parameters
    ----------
    panel : DataFrame, DuckDB relation, or path of a Parquet file
        One row per unit and period. A relation or a file is read in parts and need not
        fit into memory.
    outcome, unit, period, cohort, treatment, weights, cluster, frequency
        Names of columns (see `panels.Design`). A treatment is 0 or 1 and stays; weights
        and clusters are the same in all rows of a unit.
    controls : sequence of str
        Covariates fixed in time that take few values, for `group_time_att` on units
        seen in every period: groups are then of the same covariates too.

    Returns
    -------
    MomentPanel
        To be given to `twfe`, `event_study`, `bacon_decomposition`, `group_time_att`,
        `sun_abraham`, `imputation`, `two_stage`, `etwfe`, `stacked` and `switchers`
        in place of a panel. Units of the same cohort that are seen in the same periods
        are one group. From a relation, rows left out are logged by reason and period
        with their number, and not one by one.

    Raises
    ------
    PanelError
        A panel that no estimator takes, and one whose sums do not suffice: weights or
        clusters that change within a unit, other treatments, or as many patterns of
        missing periods as units.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> kept = did.moments(zones(), **columns)
    >>> found = did.imputation(kept)
    >>> found[found["term"] == "overall"][["estimate", "std_error"]].round(3)
       estimate  std_error
    0     0.128      0.007
    """
    design = Design(
        outcome,
        unit,
        period,
        treatment=treatment,
        cohort=cohort,
        controls=tuple(controls),
        weights=weights,
        cluster=(cluster,) if isinstance(cluster, str) else tuple(cluster or ()),
        frequency=frequency,
    )
    if not isinstance(panel, pd.DataFrame):
        from citypanel.did.relations import read_moments

        return read_moments(panel, design)
    found = _moments_of(build(panel, design), True)
    if found is None:
        raise PanelError.of("did.moments_do_not_suffice")
    return found


@dataclass(frozen=True, eq=False)
class Groups:
    """Sums over units of the same cohort, periods and, where asked for, cluster.

    The outcomes of a unit are its mean and its departures from it, in this order.

    Attributes
    ----------
    positions : ndarray of int (T,)
        Positions of the periods.
    first : ndarray of int (G,)
        Position of the first treated row, ``FAR`` for none.
    seen : ndarray of bool (G, T)
    count : ndarray of int (G,)
        Units.
    total, squares, uneven : ndarray (G,)
        Sums of the units' weights, of their squares, and of their squared distances
        from the mean weight.
    mean : ndarray (G, T+1)
        Weighted mean of the outcomes.
    cross : ndarray (G, T+1)
        Sums of squared weights times distances from that mean, the same as those
        of the weights' distances from theirs times weights times distances.
    spread, once : ndarray (G, T+1, T+1)
        Sums of products of the distances, times squared weights and times weights.
    largest : ndarray (G,)
        Largest absolute outcome.
    controls : ndarray (G, k) or None
        Covariates of the groups' units, where groups are of the same ones.
    cluster : ndarray of int (G,) or None
        Cluster of each group; None where every unit is one.
    member : ndarray of int (units,)
        Group of each unit of the panel they come from, where there is one.
    """

    positions: np.ndarray
    first: np.ndarray
    seen: np.ndarray
    count: np.ndarray
    total: np.ndarray
    squares: np.ndarray
    uneven: np.ndarray
    mean: np.ndarray
    cross: np.ndarray
    spread: np.ndarray
    once: np.ndarray
    largest: np.ndarray
    controls: np.ndarray | None = None
    cluster: np.ndarray | None = None
    member: Any = None


# What `group_sums` makes of them.
SUMS = (
    "count", "total", "squares", "uneven", "mean", "cross", "spread", "once", "largest",
)  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class MomentPanel(Panel):
    """A panel whose units are groups of units (see `Groups`).

    Rows are a group in a period. Weights are the sums of the units' weights, outcomes
    their means; `n_obs`, `n_units`, `sizes` and `count` are of the units behind them.

    Attributes
    ----------
    sums : Groups
    group, column : ndarray of int
        Each unit's group, and each period's column, in ``sums``.
    source : Panel or None
        The panel of the rows, where there is one.
    """

    sums: Groups
    group: np.ndarray
    column: np.ndarray
    source: Any = None

    @classmethod
    def of(cls, sums, design, dropped, grid, start, total, remarks=(), source=None):
        """The panel of all groups in every period they are seen in."""
        unit, period = np.nonzero(sums.seen)
        size, width = sums.seen.shape
        return cls(
            design=design,
            frame=None,
            dropped=dropped,
            grid=grid,
            unit=unit,
            period=period,
            units=np.arange(size),
            start=start,
            total=total,
            remarks=remarks,
            sums=sums,
            group=np.arange(size),
            column=np.arange(width),
            source=source,
        )

    @property
    def rows(self) -> Panel:
        """The panel of the rows, for what sums do not suffice for."""
        if self.source is None:
            raise PanelError.of("did.moments_do_not_suffice")
        return self.source

    # --- what the estimators read ---

    @cached_property
    def stands(self) -> np.ndarray:
        """Units (U,) that each unit stands for."""
        return self.sums.count[self.group]

    @cached_property
    def y(self) -> np.ndarray:
        mean = self.sums.mean[self.group]
        return mean[self.unit, 0] + mean[self.unit, 1 + self.column[self.period]]

    @cached_property
    def resolution(self) -> float:
        # A sum of squares that cancels leaves the root of what its terms round by.
        spread = np.diagonal(self.sums.spread, axis1=1, axis2=2)
        size = np.sqrt((spread.max(axis=1, initial=0.0) / self.sums.squares).max())
        largest = self.sums.largest[self.group].max(initial=0.0)
        return float(max(1e-13 * largest, 1e-8 * size))

    @cached_property
    def controls(self) -> np.ndarray:
        if self.sums.controls is None:
            return np.empty((len(self.unit), 0))
        return self.sums.controls[self.group][self.unit]

    @cached_property
    def treatment(self) -> np.ndarray:
        when = self.sums.positions[self.column[self.period]]
        return (when >= self.sums.first[self.group][self.unit]).astype(float)

    @cached_property
    def weights(self) -> np.ndarray:
        return self.sums.total[self.group][self.unit]

    @cached_property
    def mean_weight(self) -> float:
        """Mean of the weights over the rows behind."""
        return float(self.weights.sum() / self.n_obs)

    @property
    def cluster(self) -> np.ndarray:
        raise AttributeError("a panel of moments has clusters in its sums only")

    clusters = unit_clusters = cluster

    @cached_property
    def n_obs(self) -> int:
        return int(self.stands[self.unit].sum())

    @cached_property
    def n_units(self) -> int:
        return int(self.stands.sum())

    @property
    def n_clusters(self) -> int:
        return self.clusters_of(np.arange(len(self.units)))

    @property
    def units_nest(self) -> bool:
        return True

    @property
    def is_balanced(self) -> bool:
        return len(self.unit) == len(self.units) * len(self.positions)

    @property
    def has_even_weights(self) -> bool:
        return True

    @cached_property
    def sizes(self) -> dict[int, int]:
        values, codes = np.unique(self.start[~self.never], return_inverse=True)
        counts = np.bincount(codes, self.stands[~self.never], len(values))
        return {int(v): int(c) for v, c in zip(values, counts, strict=True)}

    def count(self, units: np.ndarray) -> int:
        return int(self.stands[np.unique(units)].sum())

    def effect_rows(self, codes: np.ndarray) -> np.ndarray:
        return np.bincount(codes, self.stands[self.unit])[codes]

    def rows_behind(self, units: np.ndarray) -> int:
        return int(self.stands[units].sum())

    def clusters_of(self, units: np.ndarray) -> int:
        """Number of clusters of some units' codes."""
        if self.sums.cluster is None:
            return self.count(units)
        return len(np.unique(self.sums.cluster[self.group[units]]))

    # --- rows left out ---

    def _rest(self, rows: np.ndarray, units: np.ndarray, periods: np.ndarray) -> dict:
        return {"group": self.group[units], "column": self.column[periods]}

    @property
    def lost(self) -> pd.Series:
        if self.source is not None:
            return super().lost
        return self.dropped.groupby("reason", sort=False)["rows"].sum().astype(int)

    def _lines(self, rows: np.ndarray) -> pd.DataFrame:
        """Unit and period of the rows behind some rows."""
        cells = np.zeros(self.sums.seen.shape, bool)
        cells[self.group[self.unit[rows]], self.column[self.period[rows]]] = True
        source, design = self.source, self.design
        if source is None:
            period = self.period[rows]
            lines = pd.DataFrame({design.unit: None, design.period: period})
            lines["rows"] = self.stands[self.unit[rows]]
            lines = lines.groupby(design.period, as_index=False).agg(
                {design.unit: "first", "rows": "sum"}
            )
            labels = [self.grid.labels[t] for t in lines[design.period]]
            return lines.assign(**{design.period: labels})
        at = cells[self.sums.member[source.unit], source.period]
        return source.frame.loc[at, [design.unit, design.period]]

    # --- sums over units ---

    def by_unit(
        self, scores: np.ndarray, slopes: np.ndarray, unit=None, period=None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores (U, m) and slopes (U, T+1, m) of one unit of weight one.

        Rows are those of the panel, or have the unit and period codes given.
        """
        unit = self.unit if unit is None else unit
        period = self.period if period is None else period
        size, width = len(self.units), self.sums.seen.shape[1]
        total = self.sums.total[self.group]
        level = cluster_sums(scores, unit, size) / total[:, None]
        places = unit * width + self.column[period]
        flat = cluster_sums(slopes, places, size * width)
        by_period = flat.reshape(size, width, -1) / total[:, None, None]
        return level, self.with_level(by_period)

    @staticmethod
    def with_level(slopes: np.ndarray) -> np.ndarray:
        """Slopes (U, T, m) by period, those by the unit's mean put first.

        Where they cancel over a unit's periods its mean has none.
        """
        total, size = slopes.sum(axis=1), np.abs(slopes).sum(axis=1)
        total[np.abs(total) <= NOTHING * size] = 0.0
        return np.concatenate([total[:, None], slopes], axis=1)

    def products(
        self, scores: np.ndarray, slopes: np.ndarray, unit=None, period=None
    ) -> np.ndarray:
        return self.outer(*self.by_unit(scores, slopes, unit, period))

    def outer(self, level: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """Sum over clusters of the outer products of their scores (m, m).

        Parameters
        ----------
        level : ndarray (U, m)
            Score of a unit of weight one at its group's mean.
        slope : ndarray (U, T+1, m)
            Its derivatives by the outcomes (see `Groups`).
        """
        if self.sums.cluster is not None:
            sums = level * self.sums.total[self.group][:, None]
            sums = cluster_sums(sums, self.sums.cluster[self.group])
            return sums.T @ sums
        out = np.zeros((level.shape[1], level.shape[1]))
        for g, s, b in zip(self.group, level, slope, strict=True):
            v = b.T @ self.sums.cross[g]
            out += np.outer(s * self.sums.squares[g] + v, s) + np.outer(s, v)
            out += b.T @ self.sums.spread[g] @ b
        return (out + out.T) / 2

    @cached_property
    def square_shift(self) -> np.ndarray:
        """Mean outcome by squared weights less that by weights, by row."""
        shift = self.sums.cross[self.group] / self.sums.squares[self.group][:, None]
        return shift[self.unit, 0] + shift[self.unit, 1 + self.column[self.period]]

    @cached_property
    def square_ratio(self) -> np.ndarray:
        """Sum of squared weights over the square of their sum, by row."""
        ratio = self.sums.squares / self.sums.total**2
        return ratio[self.group][self.unit]

    def noise(self, by_unit: bool = True) -> np.ndarray:
        """Weighted squares of the outcomes about the groups' means, by row.

        Net of the mean over the unit's rows, unless ``by_unit`` is false.
        """
        return self._squares(self.sums.once, by_unit)

    def row_squares(self, residual: np.ndarray, by_unit: bool) -> np.ndarray:
        """Sums of squared weights times squared residuals (n,).

        ``residual`` (n,) holds those of the groups' means.
        """
        squares = self.sums.squares[self.group][self.unit]
        shift = self.square_shift
        if by_unit:
            shift = TwoWay(self.unit).demean(shift)
        own = self._squares(self.sums.spread, by_unit)
        return squares * residual**2 + 2 * squares * shift * residual + own

    def _squares(self, spread: np.ndarray, by_unit: bool) -> np.ndarray:
        out = np.zeros(len(self.unit))
        for u, g in enumerate(self.group):
            rows = np.flatnonzero(self.unit == u)
            take = np.zeros((len(rows), spread.shape[1]))
            take[np.arange(len(rows)), 1 + self.column[self.period[rows]]] = 1.0
            if by_unit:
                take -= take.mean(axis=0)
            else:
                take[:, 0] = 1.0
            out[rows] = np.einsum("ra,ab,rb->r", take, spread[g], take)
        return out


@dataclass(frozen=True, eq=False)
class GroupInfluence:
    """Influence functions held group by group: columns (U * (T+3), m).

    That of unit i of a group is c + w_i (k + b'(y_i - mean)), and a column holds
    c, k and b (T+1) of every group. Sums over units follow from `Groups`, and the
    function of each unit where the panel of the rows is at hand.
    """

    data: MomentPanel

    @property
    def n_units(self) -> int:
        return self.data.n_units

    @property
    def width(self) -> int:
        """Length of a column."""
        return len(self.data.units) * self.by_group

    @property
    def by_group(self) -> int:
        return self.data.sums.seen.shape[1] + 3

    @cached_property
    def seen(self) -> np.ndarray:
        """Whether each group is seen in each period (U, T)."""
        out = np.zeros((len(self.data.units), len(self.data.positions)), bool)
        out[self.data.unit, self.data.period] = True
        return out

    @cached_property
    def mean(self) -> np.ndarray:
        """Mean outcomes (U, T), zero where a group is not seen."""
        out = np.zeros(self.seen.shape)
        out[self.data.unit, self.data.period] = self.data.y
        return out

    def column(self, level: np.ndarray, slopes: Mapping[int, np.ndarray]) -> np.ndarray:
        """A column from k (U,) and the slopes (U,) by some of the periods' codes."""
        by_period = np.zeros((len(level), self.by_group - 3, 1))
        for t, slope in slopes.items():
            by_period[:, self.data.column[t], 0] += slope
        out = np.zeros((len(level), self.by_group))
        out[:, 1] = level
        out[:, 2:] = self.data.with_level(by_period)[:, :, 0]
        return out.ravel()

    @cached_property
    def roots(self) -> np.ndarray:
        """Roots (U, T+3, T+3) of the sums of products of 1, w and w (y - mean)."""
        sums, parts = self.data.sums, []
        for g in self.data.group:
            n, uneven = np.sqrt([sums.count[g], sums.uneven[g]])
            root = np.zeros((self.by_group, self.by_group))
            root[0, :2] = n, sums.total[g] / n
            rest = sums.spread[g]
            if uneven > 0:
                root[1, 1], root[1, 2:] = uneven, sums.cross[g] / uneven
                rest = rest - np.outer(root[1, 2:], root[1, 2:])
            root[2:, 2:] = _root(rest, np.sqrt(np.diag(sums.spread[g])))
            parts.append(root)
        return np.array(parts)

    def _sums(self, columns: np.ndarray) -> np.ndarray:
        """Rows whose products are those of the clusters' sums."""
        data, m = self.data, columns.shape[1]
        forms = columns.reshape(len(data.units), self.by_group, m)
        if data.sums.cluster is not None:
            sums = forms[:, 0] * data.stands[:, None]
            sums += forms[:, 1] * data.sums.total[data.group][:, None]
            return cluster_sums(sums, data.sums.cluster[data.group])
        return (self.roots @ forms).reshape(len(data.units) * self.by_group, m)

    def std_errors(self, columns: np.ndarray) -> np.ndarray:
        return np.sqrt((self._sums(columns) ** 2).sum(axis=0)) / self.n_units

    def covariance(self, columns: np.ndarray) -> np.ndarray:
        sums = self._sums(columns)
        return sums.T @ sums / self.n_units**2

    def shares(self, cohorts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cohorts' shares of the weights (c,), and their influence as columns."""
        data = self.data
        total = data.sums.total[data.group]
        mean = total.sum() / self.n_units
        member = data.start[:, None] == cohorts[None, :]
        shares = total @ member / mean / self.n_units
        forms = np.zeros((len(data.units), self.by_group, len(cohorts)))
        forms[:, 0] = -shares
        forms[:, 1] = member / mean
        return shares, forms.reshape(-1, len(cohorts))

    @cached_property
    def members(self) -> tuple[np.ndarray, np.ndarray]:
        """Units of the panel of the rows that are in it, and their groups here."""
        data = self.data
        if data.source is None:
            raise PanelError.of("did.moments_do_not_suffice")
        here = np.full(len(data.sums.count), -1)
        here[data.group] = np.arange(len(data.group))
        owner = here[data.sums.member]
        units = np.flatnonzero(owner >= 0)
        return units, owner[units]

    def units(self, columns: np.ndarray) -> np.ndarray:
        """Columns unit by unit (n_units, m)."""
        data, source = self.data, self.data.rows
        units, owner = self.members
        forms = columns.reshape(len(data.units), self.by_group, columns.shape[1])
        seen = data.sums.seen[data.group]
        y = np.nan_to_num(source.matrix(source.y)[units])
        level = y.sum(axis=1) / seen[owner].sum(axis=1)
        own = np.column_stack([level, np.where(seen[owner], y - level[:, None], 0.0)])
        own -= data.sums.mean[data.group][owner]
        weight = np.ones(len(units))
        if source.weights is not None:
            weight = source.unit_weights[units]
        slope = np.empty((len(units), forms.shape[2]))
        for u in range(len(data.units)):
            at = owner == u
            slope[at] = forms[u, 1] + own[at] @ forms[u, 2:]
        return forms[owner, 0] + weight[:, None] * slope

    def _of_units(self, name: str) -> np.ndarray:
        units, owner = self.members
        source = self.data.rows
        if name == "start":
            return self.data.start[owner]
        if name == "weights":
            return source.row_weights[source.first_rows][units]
        codes = source.cluster[source.first_rows][units]
        return np.unique(codes, return_inverse=True)[1]

    def extras(self, columns: np.ndarray) -> dict[str, Any]:
        """What a frame carries of them."""
        later = {
            name: Later(partial(self._of_units, name))
            for name in ("start", "weights", "clusters")
        }
        whole = Later(partial(self.units, columns))
        return {"law": self, "columns": columns, "matrix": whole, **later}


def _root(matrix: np.ndarray, size: np.ndarray) -> np.ndarray:
    """R with R'R the matrix, given the sizes of its variables; none for those of 0."""
    scale = np.outer(size, size)
    scaled = np.divide(matrix, scale, out=np.zeros_like(matrix), where=scale > 0)
    values, vectors = linalg.eigh(scaled)
    return (vectors * np.sqrt(np.clip(values, 0.0, None))).T * size


def large_enough(data: Panel, draws: int = 0) -> bool:
    """Whether a panel is to be estimated from sums where they suffice.

    With ``draws`` resamples of it fewer rows will do.
    """
    chosen = _way.get()
    large = data.n_obs >= LARGE or data.n_obs * draws >= MANY
    return chosen == "always" or (chosen == "auto" and large)


def condense(
    data: Panel, *, two_way: bool = False, strata: bool = False, **options: Any
) -> Panel:
    """The panel as groups of units, where their sums suffice and are few.

    Parameters
    ----------
    data : Panel
    two_way : bool
        For an estimator whose one regression is on the panel's own rows.
    strata : bool
        For an estimator whose controls, where they are fixed in time, may divide the
        groups.
    **options
        Of the estimator, as it was called.
    """
    chosen = _way.get()
    if isinstance(data, MomentPanel):
        if chosen == "never" or not _enough(data, two_way, strata, options):
            return data.rows
        return data
    if not large_enough(data) or not _enough(data, two_way, strata, options):
        return data
    kept = data.__dict__.get("_moments")
    if kept is None:
        kept = _moments_of(data, chosen == "always")
        data.__dict__["_moments"] = kept
    return kept or data


def _enough(
    data: Panel, two_way: bool, strata: bool, options: Mapping[str, Any]
) -> bool:
    """Whether sums suffice for the design and the options."""
    design = data.design
    if (design.controls and not strata) or design.groups or len(design.cluster) > 1:
        return False
    convention = options.get("standard_errors")
    if convention in ("CR2", "CR3"):
        alone = design.cluster in ((), (design.unit,))
        return two_way and alone and design.weights is None
    return two_way or convention not in ("conventional", "HC1")


def _moments_of(data: Panel, any_number: bool) -> MomentPanel | None:
    """The sums of a panel; None where its units do not form few groups."""
    design = data.design
    if not data.has_even_weights or len(design.cluster) > 1:
        return None
    first = np.full(data.n_units, FAR)
    if design.treatment is not None:
        first = starts_from_treatment(data)
        if data.is_balanced:
            treatment = data.matrix(data.treatment)
            absorbs = treatment == (data.positions >= first[:, None])
        else:
            absorbs = data.treatment == (data.when >= first[data.unit])
        if not absorbs.all():
            return None
    keys = [first if data.start is None else data.start, first]
    cluster = None
    if design.cluster and design.cluster != (design.unit,):
        row = data.cluster
        cluster = row[data.first_rows]
        if (cluster[data.unit] != row).any():
            return None
        keys.append(cluster)
    controls = None
    if design.controls:
        controls = data.controls[data.first_rows]
        if (controls[data.unit] != data.controls).any():
            return None
        keys += list(controls.T)
    width = len(data.positions)
    if not data.is_balanced:
        seen = np.zeros((data.n_units, width), bool)
        seen[data.unit, data.period] = True
        packed = np.packbits(seen, axis=1)
        keys += list(packed.T)
    most = data.n_units if any_number else data.n_units // GAIN
    member, members = grouping(keys, data.n_units, most)
    if not members:
        return None
    if not any_number and len(members) * (width + 1) ** 2 > GAIN * data.n_obs:
        return None
    at = np.array([units[0] for units in members])
    if data.is_balanced:
        y = data.y.reshape(data.n_units, width)
        seen = np.ones((len(at), width), bool)
    else:
        y = np.zeros((data.n_units, width))
        y[data.unit, data.period] = data.y
        seen = seen[at]
    weight = None if data.weights is None else data.unit_weights
    sums = group_sums(y, seen, weight, members, width)
    groups = Groups(
        data.positions,
        first[at],
        seen,
        **sums,
        controls=None if controls is None else controls[at],
        cluster=None if cluster is None else cluster[at],
        member=member,
    )
    start = None if data.start is None else data.start[at]
    return MomentPanel.of(
        groups, design, data.dropped, data.grid, start, data.total, data.remarks, data
    )


def grouping(
    keys: Iterable[np.ndarray], n: int, most: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Groups of units that share every key: each unit's code, and each group's units.

    No group where there are more than ``most``.
    """
    member, size = np.zeros(n, np.int64), 1
    for key in keys:
        codes, values = pd.factorize(key, sort=True)
        if len(values) == 1:
            continue
        member = codes if size == 1 else member * len(values) + codes
        member, present = pd.factorize(member, sort=True)
        size = len(present)
        if size > most:
            return member, []
    small = member.astype(np.uint16) if size < 2**16 else member  # sorted by digits
    order = np.argsort(small, kind="stable")
    return member, np.split(order, np.cumsum(np.bincount(member, minlength=size))[:-1])


#: Units whose sums are taken at once.
BLOCK = 2_048


def group_sums(y, seen, weight, members, width) -> dict[str, np.ndarray]:
    """`SUMS` of groups of units whose outcomes are y (n, width)."""
    g, k = len(members), width + 1
    count = np.array([len(m) for m in members])
    total, squares, uneven = count.astype(float), count.astype(float), np.zeros(g)
    mean, cross, largest = np.zeros((g, k)), np.zeros((g, k)), np.zeros(g)
    spread = np.zeros((g, k, k))
    once = spread if weight is None else np.zeros((g, k, k))
    for j, rows in enumerate(members):
        place = np.concatenate([[0], 1 + np.flatnonzero(seen[j])])
        part = np.empty((len(rows), len(place)))
        for first in range(0, len(rows), BLOCK):  # small enough for the cache
            block = slice(first, first + BLOCK)
            values = y[rows[block]]
            if len(place) < k:
                values = values[:, place[1:] - 1]
            largest[j] = max(largest[j], values.max(), -values.min())
            part[block, 0] = values.mean(axis=1)
            np.subtract(values, part[block, :1], out=part[block, 1:])
        w = None if weight is None else weight[rows]
        if w is None or (w == w[0]).all():
            scale = 1.0 if w is None else w[0]
            middle = part.mean(axis=0)
            part -= middle
            inner = part.T @ part
            here = (scale * inner, scale**2 * inner, 0.0)
            total[j], squares[j] = scale * len(rows), scale**2 * len(rows)
        else:
            total[j], squares[j] = w.sum(), (w**2).sum()
            uneven[j] = ((w - w.mean()) ** 2).sum()
            middle = w @ part / total[j]
            part -= middle
            weighted = w[:, None] * part
            here = (
                part.T @ weighted,
                weighted.T @ weighted,
                (w - w.mean()) @ weighted,
            )
        mean[j, place] = middle
        once[np.ix_([j], place, place)] = here[0]
        spread[np.ix_([j], place, place)] = here[1]
        cross[j, place] = here[2]
    return {
        "count": count, "total": total, "squares": squares, "uneven": uneven,
        "mean": mean, "cross": cross, "spread": spread, "once": once,
        "largest": largest,
    }  # fmt: skip


# --- covariances of a regression on groups ---


def covariance(
    data: MomentPanel,
    fit: cov.Fit,
    convention: str,
    small_sample: Mapping[str, object] | None = None,
    *,
    unit: np.ndarray | None = None,
    period: np.ndarray | None = None,
) -> cov.Covariance:
    """`covariances.covariance` of a regression whose rows are groups in periods.

    ``unit`` and ``period`` are the rows' codes in the panel, by default its own rows.
    """
    codes = data.unit if unit is None else unit
    if convention in ("CR2", "CR3"):
        groups, k = data.clusters_of(np.unique(codes)), fit.x.shape[1]
        cov.require_clusters(groups)
        build = _cr2 if convention == "CR2" else _cr3
        matrix, df = build(data, fit, np.full(k, groups - 1.0))
        return cov.Covariance(matrix, df, groups, convention)
    factor, like = small_sample_rule(data, fit, convention, small_sample, codes)
    if convention in ("conventional", "HC1"):
        return replace(like, matrix=factor * _by_row(data, fit, convention))
    scores = fit.scores @ fit.bread
    slopes = (np.sqrt(fit.weights)[:, None] * fit.x) @ fit.bread
    return replace(like, matrix=factor * data.products(scores, slopes, unit, period))


def small_sample_rule(
    data: MomentPanel,
    fit: cov.Fit,
    convention: str,
    small_sample: Mapping[str, object] | None = None,
    codes: np.ndarray | None = None,
) -> tuple[float, cov.Covariance]:
    """The factor of a convention that sums scores, and a covariance yet without matrix.

    ``codes`` holds the units of the regression's rows, by default the panel's own.
    """
    codes = data.unit if codes is None else codes
    n, k = data.rows_behind(codes), fit.x.shape[1]
    if convention in ("conventional", "HC1"):
        some = fit.unit is not None or fit.period is not None
        used = k + (_n_effects(data, fit, codes) if some else int(fit.constant))
        left = np.full(k, float(n - used))
        like = cov.Covariance(np.zeros((k, k)), left, None, convention)
        return (n if convention == "HC1" else 1.0) / (n - used), like
    groups = data.clusters_of(np.unique(codes))
    cov.require_clusters(groups)
    if convention == "linearmodels":
        # Unit effects lie within the clusters: alone they count in the df only.
        effects = _n_effects(data, fit, codes)
        used = k if fit.period is None else k + effects
        left = np.full(k, float(n - k - effects))
        like = cov.Covariance(np.zeros((k, k)), left, groups, convention)
        return n / (n - used), like
    options, which, name = cov.small_sample_rule(convention, small_sample)
    used = _parameters(data, fit, which, codes)
    factor = cov.small_sample_factor(
        n, used, groups, k_adj=options["K.adj"], g_adj=options["G.adj"]
    )
    df = np.full(k, groups - 1.0)
    return factor, cov.Covariance(np.zeros((k, k)), df, groups, name)


def _parameters(data: MomentPanel, fit: cov.Fit, which: str, codes) -> int:
    """`covariances.count_parameters`; units lie within clusters."""
    k, effects = fit.x.shape[1], [e for e in (fit.unit, fit.period) if e is not None]
    if which == "none":
        return k + int(not effects and fit.constant)
    if not effects:
        return k + int(fit.constant)
    if which == "full":
        return k + _n_effects(data, fit, codes)
    if fit.period is None:
        return k + 1
    periods = int(fit.period.max()) + 1
    seen_by = (np.unique(codes[fit.period == t]) for t in range(periods))
    nested = all(data.clusters_of(units) == 1 for units in seen_by)
    return k + (1 if nested else periods)


def _n_effects(data: MomentPanel, fit: cov.Fit, codes: np.ndarray) -> int:
    """Independent dummies of the effects absorbed, the constant included."""
    if fit.unit is None:
        return len(np.unique(fit.period))
    stands = data.stands[codes].astype(float)
    units = int(stands[np.unique(fit.unit, return_index=True)[1]].sum())
    if fit.period is None:
        return units
    values = linalg.eigvalsh(TwoWay(fit.unit, fit.period, stands).schur)
    return units + int((values > 1e-9 * values.max()).sum())


def _by_row(data, fit, convention) -> np.ndarray:
    """What conventional and HC1, which sum over rows, have before their factor."""
    by_unit = fit.unit is not None
    scale = fit.weights / data.weights
    if convention == "conventional":
        noise = (scale * data.noise(by_unit)).sum()
        return (fit.residuals @ fit.residuals + noise) * fit.bread
    x = fit.x / np.sqrt(fit.weights)[:, None]
    residual = fit.residuals / np.sqrt(fit.weights)
    squares = data.row_squares(residual, by_unit) * scale**2
    return fit.bread @ (x.T * squares) @ x @ fit.bread


def _net_design(data, fit):
    """Regressors and period dummies net of unit means, of length one, and lengths."""
    root = np.sqrt(fit.weights)
    columns = [fit.x / root[:, None]]
    if fit.period is not None:
        columns.append(np.eye(int(fit.period.max()) + 1)[fit.period][:, 1:])
    z = TwoWay(fit.unit).demean(np.hstack(columns))
    stands = data.stands[data.unit]
    length = np.sqrt(stands @ z**2)
    length = np.where(length > 0, length, 1.0)
    z = z / length
    rows = [np.flatnonzero(data.unit == u) for u in range(len(data.units))]
    return z, length, z.T @ (stands[:, None] * z), rows, root


def _cr2(data, fit, df):
    """`covariances.cr2` with a unit a cluster, one adjustment a group."""
    z, _, gram, rows, root = _net_design(data, fit)
    inverse, k = symmetric_inverse(gram), fit.x.shape[1]
    x, residuals = fit.x / root[:, None], fit.residuals / root
    stands, adjusted, own = data.stands, np.empty_like(x), []
    for at in rows:
        net = np.eye(len(at)) - 1.0 / len(at)
        own.append(net)
        hat = z[at] @ inverse @ z[at].T
        adjusted[at] = cov.inverse_power(net - hat, -0.5) @ x[at]
    slopes = (stands[data.unit][:, None] * adjusted) @ fit.bread
    scale = fit.weights[0] / stands[data.unit[0]]
    matrix = data.products(slopes * residuals[:, None], slopes) * scale**2
    single = adjusted @ fit.bread
    df = np.empty(k)
    for j in range(k):
        a = cluster_sums(single[:, [j]] * z, data.unit)
        p = -(a @ inverse @ a.T)
        mine = [
            single[at, j] @ m @ single[at, j] for at, m in zip(rows, own, strict=True)
        ]
        diagonal = np.diag(p)
        full = diagonal + mine
        squares = stands @ p**2 @ stands + stands @ (full**2 - diagonal**2)
        df[j] = (stands @ full) ** 2 / squares
    return matrix, df


def _cr3(data, fit, df):
    """`covariances.cr3` with a unit a cluster, one system a group."""
    changes, slopes = leave_one_unit_out(data, fit)
    groups = df[0] + 1.0
    scores = np.zeros((len(data.unit), fit.x.shape[1]))
    weight = data.sums.total[data.group]
    scores[data.first_rows] = changes * weight[:, None]
    matrix = data.products(scores, slopes * data.weights[:, None])
    return (groups - 1.0) / groups * matrix, df


def leave_one_unit_out(
    data: MomentPanel, fit: cov.Fit
) -> tuple[np.ndarray, np.ndarray]:
    """Change of the coefficients without one unit of each group.

    Returns
    -------
    ndarray (U, k), ndarray (n, k)
        The change without a unit that has its group's mean outcomes, nan where the
        others do not identify a coefficient; and what an outcome more adds to it.
    """
    z, length, gram, rows, root = _net_design(data, fit)
    k, stands = fit.x.shape[1], data.stands
    y = (fit.x @ fit.coefficients + fit.residuals) / root
    side = z.T @ (stands[data.unit] * y)
    change, slope = np.empty((len(rows), k)), np.zeros((len(data.unit), k))
    for u, at in enumerate(rows):
        rest = gram - z[at].T @ z[at]
        solved, _, rank, _ = linalg.lstsq(rest, np.eye(len(rest)), cond=1e-11)
        solved = solved[:k] / length[:k, None]
        change[u] = solved @ (side - z[at].T @ y[at]) - fit.coefficients
        slope[at] = -(solved @ z[at].T).T
        if rank < len(rest):
            null = linalg.null_space(rest, rcond=1e-11)
            if null.size:
                change[u, np.abs(null[:k]).max(axis=1) > 1e-8] = np.nan
    return change, slope
