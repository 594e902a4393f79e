"""The panel that every estimator takes: checked once, sorted, and turned into arrays.

A row is a unit in a period. Rows are sorted by unit and period, so that no result
depends on the order in which they came. Periods and cohorts are positions on the grid
of the frequency (`periods`); who is never treated is a mask. Every row that is left out
is in one log with its reason.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import (
    Callable,
    Collection,
    Hashable,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd

from citypanel.did.linear import cluster_sums
from citypanel.did.periods import Grid, is_missing, plain_numbers, read_periods
from citypanel.did.results import Extras, remember
from citypanel.errors import EstimationError, OptionError, PanelError
from citypanel.panel import factorize, require_columns, require_unique_key

# Position of a treatment that never comes: after every period.
FAR = np.int64(2**40)
# Squares and products of larger numbers overflow, those of smaller ones vanish.
LARGEST, SMALLEST = 1e100, 1e-100
# Periods from here on are years, or years and parts: no cohort of theirs is negative.
YEARS = 1000
# Column of the log of rows left out, beside the unit and the period.
REASON = "reason"


@dataclass(frozen=True)
class Design:
    """Names of the columns of a panel, shared by every estimator.

    Attributes
    ----------
    outcome, unit, period : str
        Outcome, and the two columns of the key.
    treatment : str, optional
        Treatment of each row.
    cohort : str, optional
        First treated period of each unit, written as the periods are. Null, NaT and
        infinity mean never, and so does 0 where it is not a period of the panel's
        grid; a cohort after the last period is not treated within the panel.
    controls : sequence of str
        Numeric controls.
    weights : str, optional
        Positive weights of the rows: how many observations or people one stands for.
    cluster : str or sequence of str, optional
        Columns to cluster on; units by default.
    groups : sequence of str
        Further columns that must be known for a row to be used.
    frequency : str or float, optional
        Distance between neighbouring periods (see `periods.read_periods`).
    carried : sequence of str
        Further columns that the rows keep, whether known or not.
    """

    outcome: str
    unit: str
    period: str
    treatment: str | None = None
    cohort: str | None = None
    controls: tuple[str, ...] = ()
    weights: str | None = None
    cluster: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    frequency: str | float | None = None
    carried: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("controls", "cluster", "groups", "carried"):
            given = getattr(self, name)
            listed = (given,) if isinstance(given, str) else tuple(given or ())
            object.__setattr__(self, name, tuple(c for c in listed if c is not None))
        for name in ("outcome", "unit", "period", "treatment", "cohort", "weights"):
            given = getattr(self, name)
            if not isinstance(given, Hashable):
                raise OptionError.of(
                    "did.option_takes_one_column", name=name, given=given
                )
        if self.unit == self.period and self.unit != "":
            raise OptionError.of("did.unit_is_period", unit=self.unit)
        if REASON in (self.unit, self.period):
            raise OptionError.of("did.column_called_reason")

    def columns_given(self) -> dict[str, Any]:
        """Keyword arguments of an estimator on the same columns, groups left out."""
        names = [field.name for field in fields(self)]
        names = [name for name in names if name not in ("groups", "carried")]
        return {name: getattr(self, name) for name in names if getattr(self, name)}

    @property
    def numeric(self) -> list[str]:
        """Columns that must hold numbers."""
        named = [self.outcome, *self.controls, self.treatment, self.weights]
        return list(dict.fromkeys(c for c in named if c is not None))

    @property
    def columns(self) -> list[str]:
        """Every column, once."""
        named = [*self.numeric, self.unit, self.period, self.cohort]
        named += [*self.cluster, *self.groups, *self.carried]
        return list(dict.fromkeys(c for c in named if c is not None))


@dataclass(frozen=True, eq=False)
class Panel:
    """A checked panel, sorted by unit and period.

    Attributes
    ----------
    design : Design
    frame : DataFrame
        The rows used, in order.
    dropped : DataFrame
        The log of rows left out: unit, period, reason.
    grid : Grid
        Periods as positions, and their labels.
    unit, period : ndarray of int (n,)
        Codes of each row's unit and period: 0, 1, ... without holes.
    units : ndarray (n_units,)
        Labels of the units.
    start : ndarray of int (n_units,)
        Position of the first treated period, ``FAR`` where it never comes; None where
        the design names no cohort. It can lie
        before the first period (negative) or after the last.
    total : int
        Rows of the panel as it was given.
    remarks : tuple of str
        What else a reader of the results should know; stands in their note.
    """

    design: Design
    frame: pd.DataFrame
    dropped: pd.DataFrame
    grid: Grid
    unit: np.ndarray
    period: np.ndarray
    units: np.ndarray
    start: np.ndarray
    total: int
    remarks: tuple[str, ...] = ()

    # --- rows ---

    @cached_property
    def y(self) -> np.ndarray:
        """Outcome (n,)."""
        return self.frame[self.design.outcome].to_numpy(float)

    @cached_property
    def resolution(self) -> float:
        """Standard errors up to this are rounding of the outcome."""
        return 1e-13 * float(np.abs(self.y).max(initial=0.0))

    @cached_property
    def units_nest(self) -> bool:
        """Whether no unit has rows in several clusters."""
        return bool((self.cluster == self.cluster[self.first_rows][self.unit]).all())

    @cached_property
    def y_within(self) -> np.ndarray:
        """Outcome less its mean by unit (n,).

        Where unit effects, or effects that the units nest in, are in a regression the
        coefficients are the same, without the rounding of large levels.
        """
        means = np.bincount(self.unit, self.y) / np.bincount(self.unit)
        return self.y - means[self.unit]

    @cached_property
    def controls(self) -> np.ndarray:
        """Controls (n, k)."""
        columns = [self.frame[name].to_numpy(float) for name in self.design.controls]
        return np.array(columns).reshape(len(columns), len(self.unit)).T

    @property
    def control_names(self) -> tuple[str, ...]:
        return self.design.controls

    @cached_property
    def treatment(self) -> np.ndarray:
        """Treatment (n,), as given; None where the design names none."""
        name = self.design.treatment
        return None if name is None else self.frame[name].to_numpy(float)

    @cached_property
    def weights(self) -> np.ndarray | None:
        """Weights (n,), or None where every row counts once."""
        name = self.design.weights
        return None if name is None else self.frame[name].to_numpy(float)

    @cached_property
    def row_weights(self) -> np.ndarray:
        """Weights (n,), ones where none were given."""
        return np.ones(len(self.unit)) if self.weights is None else self.weights

    @cached_property
    def unit_clusters(self) -> np.ndarray:
        """Code of the cluster of each unit (n_units,); clusters hold whole units."""
        name = self.design.cluster[0] if self.design.cluster else self.design.unit
        return self.of_units(self.cluster, name)

    @cached_property
    def unit_weights(self) -> np.ndarray:
        """Weight of each unit (n_units,), which must be the same in all its rows."""
        return self.of_units(self.row_weights, str(self.design.weights))

    @cached_property
    def clusters(self) -> tuple[np.ndarray, ...]:
        """Codes (n,) of one or two clusterings; the units where none was given."""
        names = self.design.cluster or (self.design.unit,)
        if len(names) > 2:
            raise OptionError.of("did.more_than_two_columns", names)
        return tuple(self.codes(name) for name in names)

    @property
    def cluster(self) -> np.ndarray:
        """Codes (n,) of the only clustering, for estimators that take one."""
        if len(self.design.cluster) > 1:
            raise OptionError.of("did.more_than_one_column", self.design.cluster)
        return self.clusters[0]

    @cached_property
    def when(self) -> np.ndarray:
        """Position of each row's period (n,)."""
        return self.grid.positions[self.period]

    @cached_property
    def row_start(self) -> np.ndarray:
        """Position of the cohort of each row's unit (n,)."""
        return self.start[self.unit]

    @cached_property
    def event(self) -> np.ndarray:
        """Positions since treatment (n,); far below zero for the never-treated."""
        return self.when - self.row_start

    @cached_property
    def treated(self) -> np.ndarray:
        """Rows (n,) at or after their unit's cohort."""
        return self.event >= 0

    @cached_property
    def ever(self) -> np.ndarray:
        """Rows (n,) of units that are treated within the panel."""
        return ~self.never[self.unit]

    # --- units and cohorts ---

    @property
    def n_obs(self) -> int:
        return len(self.unit)

    @property
    def n_units(self) -> int:
        return len(self.units)

    @property
    def n_clusters(self) -> int:
        return int(self.cluster.max()) + 1

    def count(self, units: np.ndarray) -> int:
        """How many units some codes stand for, each once."""
        return np.count_nonzero(np.bincount(units))

    @cached_property
    def mean_weight(self) -> float:
        """Mean of the weights over the rows."""
        return self.row_weights.mean()

    def effect_rows(self, codes: np.ndarray) -> np.ndarray:
        """How many rows share each row's effect, by its code (n,)."""
        return np.bincount(codes)[codes]

    def rows_behind(self, units: np.ndarray) -> int:
        """How many rows some rows stand for, given the codes of their units."""
        return len(units)

    def products(self, scores: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        """Sum over clusters of the outer products of their scores (m, m).

        Parameters
        ----------
        scores : ndarray (n, m)
            Each row's part of its cluster's score, linear in the outcome.
        slopes : ndarray (n, m)
            Their derivatives by the outcome, which only sums of units need.
        """
        sums = cluster_sums(scores, self.cluster)
        return sums.T @ sums

    @property
    def positions(self) -> np.ndarray:
        """Positions of the periods seen (T,), in order."""
        return self.grid.positions

    @property
    def last(self) -> int:
        """Position of the last period."""
        return int(self.grid.positions[-1])

    @cached_property
    def never(self) -> np.ndarray:
        """Units (n_units,) that are not treated within the panel."""
        return self.start > self.last

    @cached_property
    def sizes(self) -> dict[int, int]:
        """Units of each treated cohort, by its position, in order."""
        values, counts = np.unique(self.start[~self.never], return_counts=True)
        return {int(v): int(c) for v, c in zip(values, counts, strict=True)}

    @cached_property
    def at_base(self) -> np.ndarray:
        """Rows (n,) in the last period their cohort is seen in before treatment."""
        early = self.ever & (self.event < 0)
        cohort, codes = np.unique(self.row_start, return_inverse=True)
        last = np.full(len(cohort), -FAR)
        np.maximum.at(last, codes[early], self.when[early])
        return early & (self.when == last[codes])

    @property
    def base_note(self) -> str | None:
        """Which cohorts are measured from a period earlier than the one before."""
        early = self.at_base & (self.event < -1)
        pairs = sorted({*zip(self.row_start[early], self.when[early], strict=True)})
        said = [f"cohort {self.name(g)} from {self.name(b)}" for g, b in pairs]
        return (
            "measured from the last period seen: " + ", ".join(said) if said else None
        )

    @cached_property
    def reference(self) -> Any:
        """Last event position before treatment that anyone is seen at, or None."""
        early = self.event[self.ever & (self.event < 0)]
        return int(early.max()) if len(early) else None

    @cached_property
    def first_rows(self) -> np.ndarray:
        """Row at which each unit begins (n_units,)."""
        if self.is_balanced:
            return np.arange(0, len(self.unit), len(self.positions))
        return _first_rows(self.unit)

    def codes(self, column: str) -> np.ndarray:
        """Codes (n,) of a column's values, in sorted order."""
        if column == self.design.unit:
            return self.unit
        if column == self.design.period:
            return self.period
        return pd.factorize(self.frame[column], sort=True)[0].astype(np.int64)

    def of_units(self, codes: np.ndarray, column: str) -> np.ndarray:
        """Values that stand for whole units, one a unit.

        Raises
        ------
        PanelError
            A unit with two values.
        """
        first = codes[self.first_rows]
        changed = np.unique(self.unit[first[self.unit] != codes])
        if len(changed):
            raise PanelError.of(
                "did.column_changes_within_unit",
                [f"{self.design.unit} {self.units[u]}" for u in changed],
                column=column,
            )
        return first

    def period_effects(self, by: str | None = None) -> np.ndarray:
        """Codes (n,) of the period effects, for each value of a column if given."""
        if by is None:
            return self.period
        codes = self.codes(by) * len(self.positions) + self.period
        return np.unique(codes, return_inverse=True)[1]

    # --- shape ---

    @property
    def rows(self) -> Panel:
        """The panel of the rows: this one, unless it holds sums."""
        return self

    @cached_property
    def is_balanced(self) -> bool:
        """Every unit in every period that is seen."""
        return self.n_obs == self.n_units * len(self.positions)

    @cached_property
    def has_even_weights(self) -> bool:
        """No weights, or the same in every row of a unit."""
        if self.weights is None:
            return True
        return bool((self.weights == self.weights[self.first_rows][self.unit]).all())

    def matrix(self, values: np.ndarray) -> np.ndarray:
        """A column as units x periods seen; nan where a unit is not seen."""
        values = np.asarray(values)
        shape = (len(self.units), len(self.positions))
        if self.is_balanced:
            return values.reshape(shape)
        out = np.full(shape, np.nan)
        out[self.unit, self.period] = values
        return out

    # --- rows left out ---

    @property
    def lost(self) -> pd.Series:
        """Rows left out by reason."""
        return self.dropped["reason"].value_counts(sort=False)

    @property
    def left_before(self) -> list[str]:
        """For messages: the rows left out so far, if any."""
        return [f"left out before: {self.note}"] if len(self.dropped) else []

    @property
    def note(self) -> str | None:
        """Rows left out and why, and the remarks; None where there are none."""
        said = list(self.remarks)
        if len(self.dropped):
            reasons = self.lost
            why = ", ".join(f"{reason} ({count})" for reason, count in reasons.items())
            said.append(f"{reasons.sum()} of {self.total} rows left out: {why}")
        return "; ".join(said) or None

    def remarking(self, *remarks: str | None) -> Panel:
        """The panel with something to tell its readers."""
        more = tuple(remark for remark in remarks if remark)
        return replace(self, remarks=(*self.remarks, *more)) if more else self

    def keep(self, rows: np.ndarray, reason: str) -> Panel:
        """The panel with some rows (n,) only; the others are logged with the reason."""
        return self if rows.all() else self.leave_out([(~rows, reason)])

    def logging(self, lost: Sequence[tuple[np.ndarray, str]]) -> Panel:
        """The panel with some rows (n,) in the log, each with its first reason."""
        log, free = [self.dropped], np.ones(len(self.unit), bool)
        for out, reason in lost:
            log.append(self._lines(out & free).assign(reason=reason))
            free &= ~out
        log = [part for part in log if len(part)]
        return replace(self, dropped=pd.concat(log, ignore_index=True))

    def _lines(self, rows: np.ndarray) -> pd.DataFrame:
        """Unit and period of some rows (n,)."""
        return self.frame.loc[rows, [self.design.unit, self.design.period]]

    def leave_out(self, lost: Sequence[tuple[np.ndarray, str]]) -> Panel:
        """The panel without some rows (n,), each logged with its first reason.

        Positions stay what they are, unless the first period goes.
        """
        rows = ~np.logical_or.reduce([out for out, _ in lost])
        dropped = self.logging(lost).dropped
        if not rows.any():
            raise _nothing_left(self.design, dropped)
        return replace(self.only(rows), dropped=dropped)

    def only(self, rows: np.ndarray) -> Panel:
        """The panel of some rows (n,), without a word of the others."""
        present, unit = np.unique(self.unit[rows], return_inverse=True)
        seen, period = np.unique(self.period[rows], return_inverse=True)
        shift = int(self.positions[seen[0]])
        grid = replace(
            self.grid,
            origin=self.grid.origin + shift * self.grid.step,
            positions=self.positions[seen] - shift,
            labels=[self.grid.labels[j] for j in seen],
        )
        start = self.start
        if start is not None:
            start = start[present]
            start = np.where(start == FAR, FAR, start - shift)
        return replace(
            self,
            grid=grid,
            unit=unit,
            period=period,
            units=self.units[present],
            start=start,
            **self._rest(rows, present, seen),
        )

    def _rest(self, rows: np.ndarray, units: np.ndarray, periods: np.ndarray) -> dict:
        """What else a panel of some rows has, given the codes that remain."""
        return {"frame": self.frame[rows].reset_index(drop=True)}

    def keep_units(self, units: np.ndarray, reason: str) -> Panel:
        """The panel with some units (n_units,) only."""
        return self.keep(units[self.unit], reason)

    def balanced(self) -> Panel:
        """Only units seen in every period that anyone is seen in."""
        counts = np.bincount(self.unit, minlength=len(self.units))
        t = len(self.positions)
        return self.keep_units(counts == t, f"not seen in all {t} periods")

    def without_always_treated(self) -> Panel:
        """Only units with a period before their treatment on the panel's grid.

        Without them another period may come first, and other units go too.
        """
        data = self
        while (data.start <= 0).any():
            first = data.name(0)
            reason = f"treated from the first period ({first}) on"
            data = data.keep_units(data.start > 0, reason)
        return data

    # --- labels ---

    def label(self, position: int) -> Any:
        """The label of a period or cohort."""
        return self.grid.label(position)

    def name(self, position: int) -> str:
        """The label in words."""
        return self.grid.name(position)


def choose(option: str, value: object, allowed: Sequence[object]) -> None:
    """Raise when an option has a value that is not on its list."""
    if value not in allowed:
        raise OptionError.of(
            "did.option_value",
            option=option,
            value=value,
            what=", ".join(repr(a) for a in allowed),
        )


def on_panel(
    *columns: str,
    groups: Sequence[str] = (),
    carried: Sequence[str] = (),
    ready: Callable[..., Panel] = lambda panel, **options: panel.rows,
) -> Callable:
    """Give an estimator of a `Panel` its public face: a frame and names of columns.

    Parameters
    ----------
    *columns : str
        What the estimator takes beyond outcome, unit, period and frequency: names of
        `Design`. ``cohort`` and ``treatment`` are required where they are named.
        The weights of the bootstrap, whose ``weights`` are its draws', are called
        ``regression_weights``.
    groups : sequence of str
        Options of the estimator that name a further column, or several.
    carried : sequence of str
        The same for columns that may be null.
    ready : callable
        Gives the estimator its panel, from the one built and its options; by default
        that of its rows.

    Returns
    -------
    decorator
        The estimator is then called as ``estimator(frame, outcome=..., unit=...,
        period=..., ...)``, or with a `Panel` and its own options only.
    """
    names = ("outcome", *columns[:1], "unit", "period", *columns[1:], "frequency")
    required = {"outcome", "unit", "period", "cohort", "treatment"} & set(names)

    def face(estimator: Callable) -> Callable:
        own = list(inspect.signature(estimator).parameters.values())[1:]
        defaults = {each.name: each.default for each in own}

        def estimated(data: Panel, options: dict[str, Any]) -> pd.DataFrame:
            result = estimator(ready(data, **options), **options)
            if isinstance(result, pd.DataFrame):
                result.attrs.setdefault("dropped", Extras({"rows": data.dropped}))
            used = {**data.design.columns_given(), **defaults, **options}
            return remember(result, estimator.__name__, used)

        @functools.wraps(estimator)
        def call(panel: pd.DataFrame | Panel, **options: Any) -> pd.DataFrame:
            if isinstance(panel, Panel):
                require_same_columns(panel, (options.get(name) for name in groups))
                return estimated(panel, options)
            given = {
                name.removeprefix("regression_"): options.pop(name)
                for name in names
                if name in options
            }
            absent = required - set(given)
            if absent:
                raise TypeError(
                    f"{estimator.__name__}() lacks {', '.join(sorted(absent))}"
                )
            for kind, its in (("groups", groups), ("carried", carried)):
                given[kind] = _named(options.get(name) for name in its)
            return estimated(build(panel, Design(**given)), options)

        frame = inspect.Parameter("panel", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        signature = inspect.Signature([frame, *column_options(names, required), *own])
        setattr(call, "__signature__", signature)  # noqa: B010
        return call

    return face


def _named(options: Iterable[str | Iterable[str] | None]) -> tuple[str, ...]:
    """Columns that options name, each of them one or several."""
    return tuple(
        name
        for one in options
        for name in ((one,) if isinstance(one, str) else one or ())
    )


def require_same_columns(
    data: Panel,
    groups: Iterable[str | Iterable[str] | None],
    **columns: Any,
) -> None:
    """Raise where columns are named that a panel was not built with."""
    wanted = Design(**{"outcome": "", "unit": "", "period": "", **columns})
    odd = [
        f"{name}: {column} asked for, {getattr(data.design, name) or 'none'} built in"
        for name, column in wanted.columns_given().items()
        if column != getattr(data.design, name)
    ]
    known = [] if data.frame is None else data.design.columns
    absent = [name for name in _named(groups) if name not in known]
    odd += [f"{name}: not built in" for name in absent]
    if odd:
        raise OptionError.of("did.panel_built_with_other_columns", odd)


def column_options(
    names: Iterable[str], required: Collection[str]
) -> list[inspect.Parameter]:
    """Columns as keyword options of a signature, with the defaults of `Design`."""
    default = {field.name: field.default for field in fields(Design)}
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if name in required else default.get(name),
        )
        for name in names
    ]


def free_name(frame: pd.DataFrame, wanted: str) -> str:
    """A name for a further column, which the frame has not."""
    while wanted in frame.columns:
        wanted += "_"
    return wanted


def prepare(panel: pd.DataFrame | Panel, **columns: Any) -> Panel:
    """Check a panel and turn it into arrays.

    Parameters
    ----------
    panel : DataFrame or Panel
        One row per unit and period. A panel that is built already stays as it is.
    **columns
        Names of columns, as for `Design`.

    Returns
    -------
    Panel

    Raises
    ------
    PanelError
        Missing or non-numeric columns, duplicated keys, a cohort that varies within
        a unit or is no period of the grid, weights below zero, no unit left.
    OptionError
        A frequency that does not fit the periods.
    """
    if not isinstance(panel, Panel):
        return build(panel, Design(**columns))
    require_same_columns(panel, columns.pop("groups", ()), **columns)
    return panel


def build(panel: pd.DataFrame, design: Design) -> Panel:
    """Build the panel of a design: the one place where a frame is checked."""
    unit, period = design.unit, design.period
    require_columns(panel, design.columns)
    numeric = {column: panel[column] for column in design.numeric}
    _require_numbers(panel, numeric, unit, period)
    frame = panel.take([panel.columns.get_loc(c) for c in design.columns], axis=1)
    unknown = []
    for column, given in numeric.items():
        if given.dtype == np.float64:
            values = given.to_numpy()
        else:
            values = pd.to_numeric(given).to_numpy(float, na_value=np.nan)
            frame[column] = values
        if not np.isfinite(values).all():
            unknown.append(column)
        _require_size(frame, column, values, design)
    found = coded(frame[unit])
    when = frame[period]
    lost = is_missing(when)
    if (found.codes < 0).any():
        lost |= found.rows < 0
    if lost.any():
        raise PanelError.of(
            "did.rows_without_or",
            [f"row {row}" for row in np.flatnonzero(lost)],
            unit=unit,
            period=period,
        )
    if frame.empty:
        raise _nothing_left(design, _no_rows(unit, period))
    cohorts = None if design.cohort is None else coded(frame[design.cohort])
    times = coded(when)
    grid = read_periods(
        times.seen,
        name=period,
        frequency=design.frequency,
        others=[] if cohorts is None else cohorts.seen.tolist(),
    )
    place = np.searchsorted(grid.positions, grid.place(times.seen).astype(np.int64))
    times = replace(times, codes=place[times.codes])
    if grid.kind == "number" and grid.is_whole and when.dtype != np.int64:
        frame[period] = pd.to_numeric(when).astype(np.int64)
    labels = _in_label_order(found)
    even = _in_order(labels, times, len(grid.positions))
    unit_codes, period_codes, units = labels.rows, times.rows, labels.seen
    order = None
    if not even:
        order = _order(unit_codes, period_codes, len(units), len(grid.positions))
    if order is not None:
        frame = frame.iloc[order]
        unit_codes, period_codes = unit_codes[order], period_codes[order]
        if cohorts is not None:
            cohorts = replace(cohorts, codes=cohorts.rows[order], each=1)
    frame.index = pd.RangeIndex(len(frame))
    if not even and _repeats(unit_codes, period_codes):
        require_unique_key(frame, [unit, period])
        # Two labels of one period, such as two days of a month.
        named = [grid.label(grid.positions[code]) for code in period_codes]
        require_unique_key(frame.assign(**{period: named}), [unit, period])
    start = remark = None
    if cohorts is not None:
        width = len(grid.positions) if even else None
        start, remark = starts_of(frame, design, grid, unit_codes, cohorts, width)
    data = Panel(
        design,
        frame,
        _no_rows(unit, period),
        grid,
        unit_codes,
        period_codes,
        np.asarray(units),
        start,
        len(frame),
        () if remark is None else (remark,),
    )
    data = _without_unknown(data, unknown)
    if len(design.controls) >= data.n_obs:
        raise PanelError.of(
            "did.more_controls_than_rows", k=len(design.controls), n=data.n_obs
        )
    return data


@dataclass(frozen=True, eq=False)
class Coded:
    """A column as codes, short where a panel's order shows them.

    Attributes
    ----------
    codes : ndarray of int
        They stand ``each`` times, and all of that until there are ``n``; null is -1.
    seen : array
        The value of each code.
    each, n : int
    """

    codes: np.ndarray
    seen: Any
    each: int
    n: int

    @cached_property
    def rows(self) -> np.ndarray:
        """The code of every row (n,)."""
        rows = np.repeat(self.codes, self.each) if self.each > 1 else self.codes
        return np.tile(rows, self.n // len(rows)) if len(rows) < self.n else rows


def coded(values: pd.Series) -> Coded:
    """`pandas.factorize`, quick where a panel's order shows the codes.

    Numbers that stand in runs, as a unit's do, or that repeat in one order, as periods
    do, are read once a run or once.
    """
    n = len(values)
    array = plain_numbers(values)
    if array is None:
        return _factorized(values, 1, n)
    if n < 1_000:
        return _factorized(array, 1, n)
    size = _until(array[1:1_000] != array[0])
    if size > 1 and n % size == 0:
        runs = array.reshape(-1, size)
        if (runs[:, 1:] == runs[:, :1]).all():
            return _factorized(runs[:, 0].copy(), size, n)
    size = _until(array[1:1_000] == array[0])
    if size > 1 and n % size == 0 and (array.reshape(-1, size) == array[:size]).all():
        return _factorized(array[:size], 1, n)
    ends = np.flatnonzero(array[1:] != array[:-1])
    if 4 * len(ends) < n:
        first = np.concatenate([[0], ends + 1])
        codes, seen = pd.factorize(array[first])
        return Coded(np.repeat(codes, np.diff(first, append=n)), seen, 1, n)
    return _factorized(array, 1, n)


def _factorized(values: Any, each: int, n: int) -> Coded:
    codes, seen = factorize(values)
    return Coded(codes, seen, each, n)


def _until(wanted: np.ndarray) -> int:
    """How many values stand before the first that is wanted, with the one before."""
    found = np.flatnonzero(wanted)
    return int(found[0]) + 1 if len(found) else 1


def _in_label_order(found: Coded) -> Coded:
    """Codes in the order of their labels."""
    units = found.seen
    if pd.Index(units, dtype=units.dtype).is_monotonic_increasing:
        return found
    place, units = pd.factorize(units, sort=True)
    return replace(found, codes=place.astype(np.int64)[found.codes], seen=units)


def _in_order(units: Coded, periods: Coded, width: int) -> bool:
    """Whether it shows that every unit has every period, row after row."""
    return bool(
        units.each == len(periods.codes) == width
        and periods.each == 1
        and len(units.codes) * width == units.n
        and (units.codes == np.arange(len(units.codes))).all()
        and (periods.codes == np.arange(width)).all()
    )


def _repeats(unit: np.ndarray, period: np.ndarray) -> bool:
    """Whether rows in order have a unit and a period twice."""
    same = np.flatnonzero(period[1:] == period[:-1])
    return bool((unit[same] == unit[same + 1]).any())


def _order(unit: np.ndarray, period: np.ndarray, units: int, periods: int) -> Any:
    """Order (n,) of the rows by unit and period, None where they are in it."""
    back = np.flatnonzero(period[1:] < period[:-1])
    if (unit[back] < unit[back + 1]).all() and (unit[1:] >= unit[:-1]).all():
        return None
    key = unit * periods + period
    if units * periods <= 4 * len(key):
        place = np.full(units * periods, -1)
        place[key] = np.arange(len(key))
        order = place[place >= 0]
        if len(order) == len(key):  # no key twice
            return order
    return np.lexsort((period, unit))


def _without_unknown(data: Panel, unknown: Sequence[str]) -> Panel:
    """Leave out rows with a null, an infinity or a weight of zero, one log entry each.

    ``unknown`` are the numeric columns that have a null or an infinity. All are looked
    at before any row goes, so that a row is logged once, with the first reason it has.
    """
    design, frame, lost = data.design, data.frame, []
    if data.weights is not None:
        broken = (data.weights < 0) | np.isinf(data.weights)
        if broken.any():
            raise PanelError.of(
                "did.weights_negative_or_infinite",
                _places(frame[broken], design, design.weights),
                weights=design.weights,
            )
    for column in unknown:
        value = frame[column].to_numpy(float)
        lost.append((np.isnan(value), f"missing value of {column}"))
        lost.append((np.isinf(value), f"infinite {column}"))
    for column in dict.fromkeys((*design.cluster, *design.groups)):
        lost.append((is_missing(frame[column]), f"missing value of {column}"))
    if data.weights is not None:
        lost.append((data.weights == 0, f"{design.weights} of zero"))
    lost = [(rows, reason) for rows, reason in lost if rows.any()]
    return data.leave_out(lost) if lost else data


@cache
def _no_rows(unit: str, period: str) -> pd.DataFrame:
    """A log of rows left out without a row."""
    return pd.DataFrame(columns=[unit, period, "reason"])


def _nothing_left(design: Design, log: pd.DataFrame) -> PanelError:
    reasons = log["reason"].value_counts(sort=False)
    balancing = any(reason.startswith("not seen in all") for reason in reasons.index)
    named = ", ".join(design.numeric)
    return PanelError.of(
        "did.no_unit_left_after",
        [f"{reason}: {count} rows" for reason, count in reasons.items()],
        balancing=balancing,
        named=named,
    )


def _places(rows: pd.DataFrame, design: Design, *columns: str | None) -> list[str]:
    """Name the unit, the period and the values of some rows."""
    return [
        f"{design.unit} {row[design.unit]}, {design.period} {row[design.period]}"
        + "".join(f", {column} = {row[column]!r}" for column in columns)
        for row in rows.to_dict("records")
    ]


def _require_numbers(
    panel: pd.DataFrame, columns: Mapping[str, pd.Series], unit: str, period: str
) -> None:
    for column, values in columns.items():
        if values.dtype == np.float64:
            continue
        if pd.api.types.is_complex_dtype(values):
            raise PanelError.of("did.column_complex", column=column)
        if pd.api.types.is_numeric_dtype(values):
            continue
        numbers = pd.to_numeric(values, errors="coerce")
        bad = panel[numbers.isna() & values.notna()]
        if bad.empty:  # objects that are numbers or nothing
            continue
        raise PanelError.of(
            "did.column_holds_text",
            _places(bad, Design(column, unit, period), column),
            column=column,
        )


def _require_size(
    frame: pd.DataFrame, column: str, values: np.ndarray, design: Design
) -> None:
    """Raise where squares of a column would overflow, or all of them vanish."""
    largest = max(values.max(initial=0.0), -values.min(initial=0.0))
    if largest == 0 or SMALLEST <= largest <= LARGEST:  # neither null nor infinite
        return
    size = np.abs(values)
    size = np.where(np.isfinite(size), size, 0.0)
    largest = size.max(initial=0.0)
    if largest <= LARGEST and not 0 < largest < SMALLEST:
        return
    extreme = frame[size > LARGEST] if largest > LARGEST else frame[size == largest]
    raise PanelError.of(
        "did.column_too_large_or_small", _places(extreme, design, column), column=column
    )


def starts_of(
    frame: pd.DataFrame,
    design: Design,
    grid: Grid,
    unit: np.ndarray,
    cohorts: Coded | None = None,
    width: int | None = None,
) -> tuple[np.ndarray, str | None]:
    """Position of each unit's cohort, ``FAR`` for never, and how 0 was read.

    ``unit`` are the rows' units in order, ``cohorts`` the rows' cohorts, ``width`` how
    many rows every unit has, where that is one number.
    """
    cohorts = coded(frame[design.cohort]) if cohorts is None else cohorts
    values = cohorts.seen
    plain = plain_numbers(values)
    kinds = pd.Series(values) if plain is None else plain
    never = is_missing(kinds)
    if plain is not None:
        zero = plain == 0
    elif kinds.dtype.kind in "iuf":
        zero = (kinds == 0).to_numpy(bool, na_value=False)
    else:
        numbers = [v if isinstance(v, str | Number) else None for v in kinds]
        zero = pd.to_numeric(pd.Series(numbers, dtype=object), errors="coerce") == 0
        zero = zero.to_numpy(bool, na_value=False)
    last, remark = grid.positions[-1], None
    if zero.any() and grid.kind == "number":
        at = grid.place(np.zeros(1))[0]
        some_missing = never.any() or (cohorts.codes < 0).any()
        if at == 0 and not some_missing:
            remark = "cohort 0 is read as never treated, though 0 is the first period"
        elif 0 <= at <= last and at == np.floor(at):
            if not some_missing:
                raise PanelError.of(
                    "did.cohort_period_panel",
                    _places(frame[_among(cohorts.rows, zero)], design),
                    cohort=design.cohort,
                )
            zero = np.zeros(len(kinds), bool)
    never |= zero
    if grid.origin >= YEARS and grid.kind not in ("date", "period", "text"):
        written = plain
        if written is None:
            written = pd.to_numeric(kinds, errors="coerce")
            written = written.to_numpy(float, na_value=0.0)
        below = ~never & (written < 0)
        if below.any():
            raise PanelError.of(
                "did.cohort_below_zero",
                _places(frame[_among(cohorts.rows, below)], design, design.cohort),
                cohort=design.cohort,
            )
    start = np.full(len(kinds) + 1, FAR)  # the last stands for nulls
    if not never.all():
        place = grid.place(values[~never])
        unread = ~np.isfinite(place)
        # Cohorts outside the panel need no place on its grid.
        inside = (place > 0) & (place < last)
        place = np.where(unread | inside, place, np.ceil(place))
        off = np.zeros(len(kinds), bool)
        off[~never] = unread | (place != np.floor(place))
        if off.any():
            rows = frame[_among(cohorts.rows, off)]
            raise PanelError.of(
                "did.cohort_not_whole_period",
                _places(rows, design, design.cohort),
                cohort=design.cohort,
                description=grid.description,
            )
        start[:-1][~never] = place.astype(np.int64)
    if width and cohorts.each % width == 0:
        return start[np.repeat(cohorts.codes, cohorts.each // width)], remark
    codes = cohorts.rows
    changed = np.flatnonzero(codes[1:] != codes[:-1])
    if (unit[changed] == unit[changed + 1]).any():
        _require_one_cohort(frame, design, unit, start[codes])
    return start[codes[_first_rows(unit)]], remark


def _first_rows(unit: np.ndarray) -> np.ndarray:
    """Row at which each unit begins (n_units,), from the units of rows in order."""
    return np.concatenate([[0], np.flatnonzero(unit[1:] != unit[:-1]) + 1])


def _among(codes: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Rows (n,) whose codes are of some values; nulls have the code -1."""
    return (codes >= 0) & which[codes]


def _require_one_cohort(frame, design, unit, start) -> None:
    """Raise where a unit has rows of two cohorts."""
    changed = (unit[1:] == unit[:-1]) & (start[1:] != start[:-1])
    if not changed.any():
        return
    rows = np.isin(unit, unit[1:][changed])
    seen: dict = {}
    for name, value, at in zip(
        frame.loc[rows, design.unit],
        frame.loc[rows, design.cohort],
        start[rows],
        strict=True,
    ):
        shown = "never" if at == FAR else _written(value)
        seen.setdefault(name, set()).add(shown)
    raise PanelError.of(
        "did.cohort_varies_within_unit",
        [f"{design.unit} {u}: {', '.join(sorted(c))}" for u, c in seen.items()],
        cohort=design.cohort,
    )


def _written(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def require_absorbing(data: Panel) -> None:
    """Raise where a treatment falls within a unit or leaves [0, 1]."""
    name, values = data.design.treatment, data.treatment
    outside = (values < 0) | (values > 1)
    if outside.any():
        raise PanelError.of(
            "did.treatment_outside",
            _places(data.frame[outside], data.design, name),
            name=name,
        )
    falls = np.zeros(len(data.unit), bool)
    falls[1:] = (data.unit[1:] == data.unit[:-1]) & (values[1:] < values[:-1])
    if falls.any():
        raise PanelError.of(
            "did.treatment_switches_off",
            _places(data.frame[falls], data.design, name),
            name=name,
        )


def require_binary(data: Panel, why: str) -> None:
    """Raise where a treatment is neither 0 nor 1."""
    name = data.design.treatment
    between = ~np.isin(data.treatment, (0.0, 1.0))
    if between.any():
        raise EstimationError.of(
            "did.treatment_fraction",
            _places(data.frame[between], data.design, name),
            name=name,
            why=why,
        )


def starts_from_treatment(data: Panel) -> np.ndarray:
    """Position of the first row with a positive treatment (n_units,), else FAR."""
    start = np.full(len(data.units), FAR)
    rows = np.flatnonzero(data.treatment > 0)[::-1]
    start[data.unit[rows]] = data.when[rows]
    return start


def require_treated_and_control(data: Panel, *, needs: str = "any") -> None:
    """Raise when no unit is treated or none is left to compare with."""
    cohort, lost = data.design.cohort, data.left_before
    if data.never.all():
        raise EstimationError.of("did.no_unit_treated_column", lost, cohort=cohort)
    if needs == "never" and not data.never.any():
        cohorts = [
            f"cohort {data.name(g)}: {n} unit{'s' if n > 1 else ''}"
            for g, n in data.sizes.items()
        ]
        raise EstimationError.of(
            "did.no_unit_never_treated", [*cohorts, *lost], cohort=cohort, lost=lost
        )


def periods_all_treated(data: Panel) -> np.ndarray:
    """Rows (n,) of periods in which every unit is treated: they show no effect.

    Raises
    ------
    EstimationError
        No treated row in another period.
    """
    untreated = np.bincount(data.period, ~data.treated, len(data.positions))
    full_rows = (untreated == 0)[data.period]
    if full_rows.any() and not (data.treated & ~full_rows).any():
        full = [data.name(p) for p in data.positions[untreated == 0]]
        period = data.design.period
        raise EstimationError.of(
            "did.every_unit_treated_some",
            [f"{period} {p}" for p in full] + data.left_before,
            period=period,
            what=full[0],
        )
    return full_rows
