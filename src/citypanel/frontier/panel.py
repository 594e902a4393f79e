"""From a long frame to checked, sorted, scaled arrays."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from citypanel.errors import FrontierWarning, OptionError, PanelError
from citypanel.frontier.technology import power_of_two_scales
from citypanel.panel import factorize, require_columns, require_unique_key


@dataclass(frozen=True)
class Observations:
    """A panel ready for distance functions, sorted by unit and period.

    Attributes
    ----------
    unit, period : str
        Names of the key columns.
    units, periods : ndarray
        Distinct keys in order.
    unit_of, period_of : ndarray (n,)
        Position of each row's unit and period in them.
    inputs, outputs, bads : ndarray (n, m), (n, s), (n, b)
        Values divided by powers of two, so that no rounding enters.
    input_scales, output_scales, bad_scales : ndarray
        Those powers of two.
    frame : DataFrame
        The rows kept, in the same order.
    dropped : tuple of dict
        Rows that could not be used: unit, period and reason.
    """

    unit: str
    period: str
    units: np.ndarray
    periods: np.ndarray
    unit_of: np.ndarray
    period_of: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray
    bads: np.ndarray
    input_scales: np.ndarray
    output_scales: np.ndarray
    bad_scales: np.ndarray
    frame: pd.DataFrame
    dropped: tuple[dict, ...]

    def row_of(self) -> np.ndarray:
        """Row number by unit and period, -1 where the unit is absent."""
        table = np.full((len(self.units), len(self.periods)), -1)
        table[self.unit_of, self.period_of] = np.arange(len(self.unit_of))
        return table

    def key_values(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Unit and period of rows by their names."""
        return {
            self.unit: self.units[self.unit_of[rows]],
            self.period: self.periods[self.period_of[rows]],
        }

    def keys(self, rows: np.ndarray) -> pd.DataFrame:
        """Unit and period of rows."""
        return pd.DataFrame(self.key_values(rows))

    def label(self, row: int) -> str:
        """How messages name a row."""
        return (
            f"{self.unit} {self.units[self.unit_of[row]]}, "
            f"{self.period} {self.periods[self.period_of[row]]}"
        )


def plain(value: object) -> object:
    """A key as a plain Python value, so that reports can be written as JSON."""
    return value.item() if isinstance(value, np.generic) else value


def prepare(
    panel: pd.DataFrame,
    *,
    unit: str,
    period: str,
    outputs: Sequence[str],
    inputs: Sequence[str],
    bads: Sequence[str] = (),
) -> Observations:
    """Check a panel and turn it into arrays.

    Parameters
    ----------
    panel : DataFrame
        One row a unit and period, in any order.
    unit, period : str
        Key columns.
    outputs, inputs : sequence of str
        Columns of outputs (>= 0) and inputs (> 0; a zero in
        some of them is a warning).
    bads : sequence of str
        Columns of undesirable outputs (>= 0).

    Returns
    -------
    Observations
        Sorted by unit and period; independent of the order of rows.

    Raises
    ------
    OptionError
        No input or no output is named, or a column is named twice.
    PanelError
        A column is missing, a key is missing or duplicated, a value is not a number
        or is infinite or negative, or every input of a unit is zero.

    Warns
    -----
    FrontierWarning
        A row has a missing value and is left out; an input is zero; a period has fewer
        units than inputs plus outputs.
    """
    outputs, inputs, bads = listed(outputs), listed(inputs), listed(bads)
    measures = [*inputs, *outputs, *bads]
    _check_names(inputs, outputs, [unit, period, *measures])
    require_columns(panel, [unit, period, *measures])
    if not len(panel):
        raise PanelError.of("frontier.panel_no_rows")
    order, unit_of, units, period_of, periods = _sorted_keys(panel, unit, period)
    in_order = (order == np.arange(len(order))).all()
    frame = (panel if in_order else panel.take(order)).reset_index(drop=True)
    values = np.column_stack([_numbers(frame, name, unit, period) for name in measures])
    frame, values, dropped = _without_missing(frame, values, measures, unit, period)
    m, s = len(inputs), len(outputs)
    _check_signs(frame, values, measures, m, unit, period)
    scales = power_of_two_scales(values)
    values = values / scales
    if dropped:
        _, unit_of, units, period_of, periods = _sorted_keys(frame, unit, period)
    prepared = Observations(
        unit,
        period,
        units,
        periods,
        unit_of,
        period_of,
        np.ascontiguousarray(values[:, :m]),
        np.ascontiguousarray(values[:, m : m + s]),
        np.ascontiguousarray(values[:, m + s :]),
        scales[:m],
        scales[m : m + s],
        scales[m + s :],
        frame,
        dropped,
    )
    _warn_of_thin_periods(prepared, m + s + len(bads))
    return prepared


def listed(value: str | Sequence[str]) -> list[str]:
    """Names of columns, of which one may stand alone."""
    return [value] if isinstance(value, str) else list(value)


def _check_names(inputs: list[str], outputs: list[str], names: list[str]) -> None:
    for what, given in (("inputs", inputs), ("outputs", outputs)):
        if not given:
            raise OptionError.of("frontier.names_no_column", what=what)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OptionError.of("frontier.column_named_more_than", twice)


def _sorted_keys(panel: pd.DataFrame, unit: str, period: str):
    """The order of rows by unit and period, and both keys as sorted codes."""
    unit_of, units = factorize(panel[unit], sort=True)
    period_of, periods = factorize(panel[period], sort=True)
    missing = (unit_of < 0) | (period_of < 0)
    if missing.any():
        raise PanelError.of(
            "frontier.key_missing",
            [f"row {label}" for label in panel.index[missing]],
            unit=unit,
            period=period,
        )
    units, periods = np.asarray(units), np.asarray(periods)
    code = unit_of * len(periods) + period_of
    order = np.argsort(code, kind="stable")
    code = code[order]
    if (code[1:] == code[:-1]).any():
        require_unique_key(panel, [unit, period])
    return order, unit_of[order], units, period_of[order], periods


def _place(unit: str, a: object, period: str, b: object) -> str:
    return f"{unit} {a}, {period} {b}"


def _numbers(frame: pd.DataFrame, name: str, unit: str, period: str) -> np.ndarray:
    column = frame[name]
    if column.dtype == np.float64:
        values = column.to_numpy()
        bad = np.isinf(values)
    else:
        numbers = pd.to_numeric(column, errors="coerce")
        values = numbers.to_numpy(dtype=float, na_value=np.nan)
        bad = np.isinf(values) | (np.isnan(values) & column.notna().to_numpy())
    if bad.any():
        raise PanelError.of(
            "frontier.column_holds_something_not",
            [
                f"{_place(unit, a, period, b)}: {value!r}"
                for a, b, value in frame.loc[bad, [unit, period, name]].to_numpy(
                    dtype=object
                )
            ],
            name=name,
        )
    return values


def _without_missing(frame, values, measures, unit, period):
    """Leave rows with a missing value out, and say so."""
    missing = np.isnan(values)
    rows = missing.any(axis=1)
    if not rows.any():
        return frame, values, ()
    keys = frame.loc[rows, [unit, period]].to_numpy(dtype=object)
    dropped = tuple(
        {
            unit: plain(a),
            period: plain(b),
            "reason": "missing "
            + ", ".join(np.array(measures, dtype=object)[gaps].tolist()),
        }
        for (a, b), gaps in zip(keys, missing[rows], strict=True)
    )
    places = [
        f"{_place(unit, d[unit], period, d[period])}: {d['reason']}" for d in dropped
    ]
    if rows.all():
        raise PanelError.of("frontier.every_row_missing_value", places)
    warnings.warn(
        FrontierWarning.of("frontier.rows_missing_value", places), stacklevel=5
    )
    kept = frame[~rows].reset_index(drop=True)
    return kept, values[~rows], dropped


def _check_signs(frame, values, measures, m, unit, period) -> None:
    """Negative values and units without input are errors, a zero input a warning."""

    def places(rows: np.ndarray, column: int) -> list[str]:
        keys = frame.loc[rows, [unit, period]].to_numpy(dtype=object)
        return [
            f"{_place(unit, a, period, b)}, {measures[column]}: {value:g}"
            for (a, b), value in zip(keys, values[rows, column], strict=True)
        ]

    negative = values < 0
    if negative.any():
        raise PanelError.of(
            "frontier.input_or_output_negative",
            [p for k in range(len(measures)) for p in places(negative[:, k], k)],
        )
    zero = values[:, :m] == 0
    nothing = zero.all(axis=1)
    if nothing.any():
        raise PanelError.of("frontier.every_input_unit_zero", places(nothing, 0))
    if zero.any():
        found = [p for k in range(m) for p in places(zero[:, k], k)]
        warnings.warn(FrontierWarning.of("frontier.input_zero", found), stacklevel=5)


def _warn_of_thin_periods(panel: Observations, variables: int) -> None:
    counts = np.bincount(panel.period_of, minlength=len(panel.periods))
    thin = np.flatnonzero(counts < variables)
    if len(thin):
        found = [
            f"{panel.period} {panel.periods[p]}: "
            + ", ".join(
                f"{panel.unit} {u}"
                for u in panel.units[panel.unit_of[panel.period_of == p]]
            )
            for p in thin
        ]
        warnings.warn(
            FrontierWarning.of("frontier.thin_period", found, variables=variables),
            stacklevel=5,
        )
