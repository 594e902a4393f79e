"""Periods as positions on the grid of their frequency, with their labels apart.

Estimators count positions: 0 is the first period of the panel, and a period nobody is
seen in keeps its place. What a reader sees are the labels the panel came with.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd

from citypanel.errors import OptionError, PanelError

# Periods in a year, and how a year and a part are written as one whole number.
PARTS = {"half-year": (2, 10), "quarter": (4, 10), "month": (12, 100)}
FREQUENCIES = ("year", *PARTS, "week", "day")
ON_GRID = 1e-6


@dataclass(frozen=True, eq=False)
class Grid:
    """The periods of a panel on an even grid.

    Attributes
    ----------
    kind : str
        How periods are read: ``number``, ``date``, ``period`` or, for whole numbers
        such as 201512 and 20154, ``half-year``, ``quarter``, ``month`` or ``week``.
    base : str
        What an ordinal counts, for dates and pandas Periods.
    origin, step : float
        Ordinal of position 0, and ordinals from one position to the next.
    positions : ndarray of int (T,)
        Positions seen, in order; the first is 0.
    labels : list, length T
        Their labels.
    """

    kind: str
    base: str
    origin: float
    step: float
    positions: np.ndarray
    labels: list
    template: Any = None

    @property
    def is_whole(self) -> bool:
        """Whether labels are whole numbers of years or counters."""
        return float(self.origin).is_integer() and float(self.step).is_integer()

    @property
    def zero_means_never(self) -> bool:
        """Whether 0 can stand for never beside the labels of cohorts."""
        return self.kind not in ("date", "period", "text") and self.origin > 0

    @property
    def gaps(self) -> list:
        """Labels of the periods between the first and the last that nobody has."""
        if len(self.positions) > self.positions[-1]:
            return []
        missing = np.setdiff1d(np.arange(self.positions[-1] + 1), self.positions)
        return [self.label(p) for p in missing]

    @property
    def description(self) -> str:
        """How the periods were read, in words."""
        named = {"number": "numbers", "date": "dates", "period": "pandas Periods"}
        kind = named.get(self.kind, f"years and {self.kind}s")
        unit = f"{self.step:g}" + (f" {self.base}s" if self.base else "")
        ends = f"{_name(self.labels[0])} to {_name(self.labels[-1])}"
        text = f"{kind}, one every {unit}, {ends}"
        gaps = [_name(gap) for gap in self.gaps]
        more = f" and {len(gaps) - 10} more" if len(gaps) > 10 else ""
        return text + (f", without {', '.join(gaps[:10])}{more}" if gaps else "")

    def place(self, values: Any) -> np.ndarray:
        """Positions of periods (float; a fraction lies between two periods)."""
        ordinal = _ordinals(values, self.kind, self.base)
        position = (ordinal - self.origin) / self.step
        near = np.rint(position)
        return np.where(np.abs(position - near) < self._tolerance, near, position)

    @property
    def _tolerance(self) -> float:
        return ON_GRID if self.kind != "number" or self.is_whole else 0.07

    def label(self, position: int) -> Any:
        """The label of a position, as the panel writes its periods."""
        position = int(position)
        at = int(np.searchsorted(self.positions, position))
        if at < len(self.positions) and self.positions[at] == position:
            return self.labels[at]
        ordinal = self.origin + self.step * position
        if self.kind == "number":
            return int(ordinal) if self.is_whole else round(float(ordinal), 10)
        if self.kind in PARTS:
            parts, places = PARTS[self.kind]
            return int(ordinal // parts * places + ordinal % parts + 1)
        if self.kind == "week":
            week = date.fromordinal(int(ordinal) * 7 + 1).isocalendar()
            return week[0] * 100 + week[1]
        if self.kind == "period" and self.base == "period":
            return pd.Period(ordinal=int(ordinal), freq=self.template)
        form, day = self.template if self.kind == "text" else ("", self.template)
        start = _timestamp(int(ordinal), self.base, day)
        if self.kind == "period":
            return pd.Period(start, freq=self.template)
        if form == "quarter":
            return f"{start.year}Q{start.quarter}"
        if form:
            return f"{start:%Y-%m}" if form == "month" else f"{start:%Y-%m-%d}"
        return start

    def name(self, position: int) -> str:
        """The label of a position in words, a date without its time of day."""
        return _name(self.label(position))

    def span(self, k: int | float) -> int | float:
        """A distance of k positions in the periods' own units.

        Half-years are halves of a year; dates, pandas Periods and periods such as
        201512 count whole positions.
        """
        if self.kind != "number":
            return int(k)
        length = k * self.step
        return int(length) if self.is_whole else round(float(length), 10)

    def steps(self, distance: float) -> float:
        """The number of positions in a distance given in the periods' own units."""
        if self.kind != "number":
            return float(distance)
        steps = distance / self.step
        near = round(steps)
        return float(near) if abs(steps - near) < self._tolerance else steps

    def whole_steps(self, distance: float, option: str) -> int:
        """`steps` where they must be a whole number."""
        steps = self.steps(distance)
        if not float(steps).is_integer():
            raise OptionError.of(
                "did.option_no_distance_between",
                option=option,
                distance=f"{distance:g}",
                what=self.span(1),
            )
        return int(steps)


def read_periods(
    values: pd.Series | np.ndarray,
    *,
    name: str = "period",
    frequency: str | float | None = None,
    others: Iterable[Any] = (),
) -> Grid:
    """Read the periods of a panel.

    Parameters
    ----------
    values : Series
        Whole numbers, fractions of years, dates, pandas Periods, or text such as
        2015Q4, 2015-12 and 2015-12-31; no nulls.
    name : str
        Column, for messages.
    frequency : str or float, optional
        ``year``, ``half-year``, ``quarter``, ``month``, ``week``, ``day``, or a
        number in the periods' own units. By default the greatest common divisor of
        the distances between the periods seen. Whole numbers of six digits that all
        end in 01 to 12 (of five that end in 1 to 4) are months (quarters) of a year;
        declare ``frequency=1`` where they are plain numbers.
    others : iterable
        Cohorts, which must be written the same way for that rule to hold.

    Raises
    ------
    OptionError
        A frequency that is not known or does not fit the periods.
    PanelError
        Periods that can be read in two ways, or not at all.
    """
    plain = plain_numbers(values)
    seen = pd.unique(pd.Series(values) if plain is None else plain)
    kind, base, template = _kind(seen, name, frequency, list(others))
    ordinal = _ordinals(seen, kind, base)
    order = np.argsort(ordinal, kind="stable")
    ordinal, seen = ordinal[order], seen[order]
    step = _step(ordinal, kind, base, frequency, name)
    position = (ordinal - ordinal[0]) / step
    whole = np.rint(position)
    loose = 0.07 if kind == "number" and not float(step).is_integer() else ON_GRID
    off = np.abs(position - whole) > loose
    if off.any() or (np.diff(whole) < 1).any():
        off[1:] |= np.diff(whole) < 1
        named = isinstance(frequency, str)
        raise PanelError.of(
            "did.periods_off_grid",
            [f"{name} {label}" for label in seen[off]],
            name=name,
            step=f"one {frequency}" if named else f"{frequency or step:g}",
        )
    if base == "day" and frequency is None:
        _require_even_days(ordinal, whole, seen, name)
    if kind == "date" and template is None:
        template = _day_of_month(seen)
    labels = seen.tolist()
    if kind == "date":
        labels = [pd.Timestamp(label) for label in seen]
    elif kind not in ("period", "text"):
        whole_numbers = float(step).is_integer() and float(ordinal[0]).is_integer()
        number = int if kind != "number" or whole_numbers else float
        labels = [number(label) for label in seen]
    return Grid(
        kind, base, float(ordinal[0]), float(step), whole.astype(int), labels, template
    )


def _require_even_days(ordinal, positions, seen, name) -> None:
    """Raise where dates of different months lie on a grid of days that is mostly empty.

    First working days are such dates: months to their reader, and uneven in days.
    """
    days = pd.DatetimeIndex(ordinal.astype("datetime64[D]"))
    sparse = len(days) > 2 and positions[-1] + 1 > 3 * len(positions)
    if sparse and not days.to_period("M").has_duplicates:
        shown = [f"{name} {_name(label)}" for label in seen]
        raise PanelError.of("did.dates_uneven", shown, name=name)


def _name(label: Any) -> str:
    if isinstance(label, pd.Timestamp) and label == label.normalize():
        return f"{label:%Y-%m-%d}"
    return str(label)


def plain_numbers(values: Any) -> np.ndarray | None:
    """The array of a column of NumPy's numbers; None of any other."""
    kind = getattr(values, "dtype", None)
    if isinstance(kind, np.dtype) and kind.kind in "iuf":
        return np.asarray(values)
    return None


def is_missing(values: Any) -> np.ndarray:
    """Nulls, NaT and infinities of a column of periods."""
    plain = plain_numbers(values)
    if plain is not None:
        return ~np.isfinite(plain)
    series = pd.Series(values)
    missing = series.isna().to_numpy(copy=True)
    if series.dtype.kind == "f":
        return missing | np.isinf(series.to_numpy(float, na_value=np.nan))
    if series.dtype == object:
        infinite = [
            isinstance(v, float | np.floating) and math.isinf(v) for v in series
        ]
        return missing | np.array(infinite, bool)
    return missing


def _kind(seen, name, frequency, others) -> tuple[str, str, Any]:
    """How the periods are written: kind, what ordinals count, and a template."""
    if isinstance(frequency, str) and frequency not in FREQUENCIES:
        raise OptionError.of(
            "did.option_frequency_value",
            frequency=frequency,
            what=", ".join(map(repr, FREQUENCIES)),
        )
    plain = plain_numbers(seen)
    if plain is not None and not np.isnan(plain).any():
        return _number_kind(plain.astype(float), name, frequency, others), "", None
    series = pd.Series(seen)
    if isinstance(series.dtype, pd.PeriodDtype) or isinstance(seen[0], pd.Period):
        periods = pd.PeriodIndex(series)
        _only_named(frequency, name)
        return "period", frequency or "period", periods.freqstr
    if series.dtype.kind == "M" or isinstance(seen[0], date | np.datetime64):
        _only_named(frequency, name)
        return "date", frequency or _date_base(pd.DatetimeIndex(series)), None
    if all(isinstance(v, str) for v in seen):
        return _text_kind(series, name, frequency, others)
    numbers = pd.to_numeric(series, errors="coerce")
    if numbers.isna().any():
        raise PanelError.of(
            "did.column_holds_text_2",
            [f"{name} = {v!r}" for v in series[numbers.isna()]],
            name=name,
        )
    return _number_kind(numbers.to_numpy(float), name, frequency, others), "", None


def _only_named(frequency, name) -> None:
    if frequency is not None and not isinstance(frequency, str):
        raise OptionError.of(
            "did.option_frequency_value_2",
            [f"{name} holds dates"],
            frequency=frequency,
            what=", ".join(map(repr, FREQUENCIES)),
        )


def _date_base(dates: pd.DatetimeIndex) -> str:
    """Months where all dates have one day of the month, or its end; else days."""
    same = len(set(dates.day)) == 1 or dates.is_month_end.all()
    same &= bool((dates == dates.normalize()).all())
    return "month" if same and len(dates) > 1 else "day"


def _text_kind(series, name, frequency, others):
    text = series.astype(str)
    for pattern, base in (
        (r"\d{4}-?Q[1-4]", "quarter"),
        (r"\d{4}-(0[1-9]|1[0-2])", "month"),
        (r"\d{4}-\d{2}-\d{2}", "day"),
    ):
        if text.str.fullmatch(pattern).all():
            form = base
            if form == "day":
                days = pd.DatetimeIndex(pd.to_datetime(text, errors="coerce"))
                if days.isna().any():
                    break
                base = _date_base(days)
                return "text", frequency or base, (form, _day_of_month(days))
            return "text", frequency or base, (form, 1)
    numbers = pd.to_numeric(text, errors="coerce")
    if numbers.notna().all():
        others = pd.to_numeric(pd.Series(others, dtype=object), errors="coerce")
        kind = _number_kind(
            numbers.to_numpy(float), name, frequency, others.dropna().tolist()
        )
        return kind, "", None
    raise PanelError.of(
        "did.column_holds_text_no", [f"{name} = {v!r}" for v in text], name=name
    )


def _number_kind(numbers, name, frequency, others) -> str:
    """Whether whole numbers are years and parts written as one number."""
    if isinstance(frequency, int | float) and not isinstance(frequency, bool):
        if not (math.isfinite(frequency) and frequency > 0):
            raise OptionError.of("did.option_frequency_value_3", frequency=frequency)
        return "number"
    low, year = numbers.min(), np.floor(numbers)
    if (numbers != year).any() and frequency is None:
        part = np.round((numbers - year) * 100, 6)
        tenths, hundredths = set(part / 10), set(part)
        if len(set(year)) > 1 and (
            tenths <= {1, 2, 3, 4} or hundredths <= set(range(1, 13))
        ):
            raise _ambiguous(name, numbers)
    if low < 10_000 or (numbers != year).any():
        return "number"
    if low > 18_000_000 and frequency is None:
        days = pd.to_datetime(
            pd.Series(numbers.astype(np.int64).astype(str)),
            format="%Y%m%d",
            errors="coerce",
        )
        if days.notna().all():
            raise _ambiguous(name, numbers)
    written = np.array(
        [v for v in others if isinstance(v, int | float | np.number) and v > 0], float
    )
    every = np.concatenate([numbers, written[np.isfinite(written)]])

    def fits(kind: str) -> bool:
        last, places = (53, 100) if kind == "week" else PARTS[kind]
        year, part = every // places, every % places
        return bool(
            ((year >= 1800) & (year < 2200) & (part >= 1) & (part <= last)).all()
        )

    if frequency in (*PARTS, "week"):
        return frequency if fits(frequency) else "number"
    if frequency is not None:
        return "number"
    kind = next((k for k in ("month", "quarter", "week") if fits(k)), None)
    if kind is None:
        return "number"
    places = 100 if kind == "week" else PARTS[kind][1]
    parts, years = set(numbers % places), set(numbers // places)
    if kind == "week" and len(years) == 1:
        return "number"
    low_parts = {"month": ({1, 2}, {1, 2, 3}, {1, 2, 3, 4}), "quarter": ({1, 2},)}
    if kind == "week" or (len(years) > 1 and parts in low_parts.get(kind, ())):
        raise _ambiguous(name, numbers)
    return kind


def _ambiguous(name: str, numbers: np.ndarray) -> PanelError:
    return PanelError.of(
        "did.periods_can_read_more",
        [f"{name} {value:.10g}" for value in np.unique(numbers)],
        name=name,
    )


def _ordinals(values: Any, kind: str, base: str) -> np.ndarray:
    """Ordinals of periods, as float; nan for what cannot be read.

    A date among numbers, or a number among dates, cannot: pandas would take nanoseconds
    for years.
    """
    dated, plain = kind in ("date", "text", "period"), plain_numbers(values)
    if plain is not None and not dated:
        return _number_ordinals(plain.astype(float), kind)
    series = pd.Series(values)
    other = _is_number(series) if dated else _is_date(series)
    if kind == "period" and not isinstance(series.dtype, pd.PeriodDtype):
        other |= np.array([not isinstance(v, pd.Period) for v in series], bool)
    if other.any():
        out = np.full(len(series), np.nan)
        if not other.all():
            out[~other] = _ordinals(series[~other], kind, base)
        return out
    if not dated:
        number = pd.to_numeric(series, errors="coerce")
        return _number_ordinals(number.to_numpy(float, na_value=np.nan), kind)
    if kind == "period":
        index = pd.PeriodIndex(series)
        if base != "period":
            return _date_ordinals(index.to_timestamp(), base)
        return np.where(index.isna(), np.nan, index.asi8.astype(float))
    if kind == "text":
        text = series.astype(str).str.replace("-Q", "Q")
        return _date_ordinals(pd.PeriodIndex(text, freq="D").to_timestamp(), base)
    dates = pd.DatetimeIndex(pd.to_datetime(series, errors="coerce"))
    return _date_ordinals(dates, base)


def _is_number(series: pd.Series) -> np.ndarray:
    if series.dtype.kind in "biufM":
        return np.full(len(series), series.dtype.kind != "M")
    return np.array([isinstance(v, Number) for v in series], bool)


def _number_ordinals(number: np.ndarray, kind: str) -> np.ndarray:
    if kind == "number":
        return number
    if kind == "week":
        return np.array([_week(v) for v in number])
    parts, places = PARTS[kind]
    return number // places * parts + number % places - 1


def _is_date(series: pd.Series) -> np.ndarray:
    if series.dtype.kind in "biufM":
        return np.full(len(series), series.dtype.kind == "M")
    kinds = (date, np.datetime64, pd.Period, pd.Timedelta)
    return np.array([isinstance(v, kinds) for v in series], bool)


def _date_ordinals(index: pd.DatetimeIndex, base: str) -> np.ndarray:
    known = ~index.isna()
    year, month = index.year.to_numpy(float), index.month.to_numpy(float)
    if base == "year":
        out = year
    elif base in PARTS:
        parts = PARTS[base][0]
        out = year * parts + (month - 1) // (12 // parts)
    else:
        days = index.values.astype("datetime64[s]").astype(np.int64) / 86400.0
        out = np.floor((days + 3) / 7) if base == "week" else days
    return np.where(known, out, np.nan)


def _week(value: float) -> float:
    if not math.isfinite(value):
        return math.nan
    year, week = divmod(int(value), 100)
    return (date.fromisocalendar(year, week, 1).toordinal() - 1) // 7


def _timestamp(ordinal: int, base: str, template: Any) -> pd.Timestamp:
    if base in ("day", "week"):
        days = ordinal if base == "day" else ordinal * 7 - 3
        return pd.Timestamp(date(1970, 1, 1) + timedelta(days=days))
    per_year = 1 if base == "year" else PARTS[base][0]
    year, part = divmod(ordinal, per_year)
    first = pd.Timestamp(year=int(year), month=int(part) * (12 // per_year) + 1, day=1)
    if template == "end":
        return first + pd.offsets.MonthEnd(12 // per_year)
    day = template if isinstance(template, int) else 1
    return first + pd.Timedelta(days=day - 1)


def _day_of_month(seen) -> int | str:
    dates = pd.DatetimeIndex(pd.Series(seen))
    if dates.is_month_end.all():
        return "end"
    return int(dates.day[0]) if len(set(dates.day)) == 1 else 1


def _step(ordinal, kind, base, frequency, name) -> float:
    """Distance between neighbouring positions: declared, or the common divisor."""
    if isinstance(frequency, int | float):
        return float(frequency)
    if frequency is not None:
        if kind != "number":
            return 1.0
        per_year = {"year": 1, "half-year": 2, "quarter": 4, "month": 12}
        fraction = (ordinal != np.floor(ordinal)).any()
        return 1.0 / per_year.get(frequency, 1) if fraction else 1.0
    distances = np.diff(ordinal)
    if not len(distances):
        return 1.0
    if (distances == np.floor(distances)).all():
        return float(np.gcd.reduce(distances.astype(np.int64)))
    for parts in (2, 4, 12):
        # Years and months are often written with two decimals.
        slack = 1e-6 if parts < 12 else 0.0051
        if (np.abs(ordinal - np.rint(ordinal * parts) / parts) < slack).all():
            whole = np.diff(np.rint(ordinal * parts)).astype(np.int64)
            return float(np.gcd.reduce(whole)) / parts
    step = distances.min()
    for distance in distances:
        while distance > ON_GRID * step:
            step, distance = distance, math.fmod(step, distance)
            if step - distance < 1e-6 * step:
                distance = 0.0
    return float(step)


def is_absent(value: Any) -> bool:
    """`pandas.isna` of one value, quickly."""
    return value is None or value is pd.NA or value != value


def label_array(values: Sequence[Any]) -> Any:
    """A column of labels: whole numbers with nulls, numbers, dates, or as they are."""
    gap = np.array([is_absent(v) for v in values], dtype=bool)
    known = [v for v, g in zip(values, gap, strict=True) if not g]
    if all(isinstance(v, int | float | np.number) for v in known):
        number = np.array([0 if g else v for v, g in zip(values, gap, strict=True)])
        if (number == np.floor(number.astype(float))).all():
            return pd.arrays.IntegerArray(number.astype(np.int64), gap)
        return np.where(gap, np.nan, number)
    if all(isinstance(v, pd.Timestamp) for v in known):
        return pd.to_datetime(pd.Series(list(values)))
    shown = [None if g else v for v, g in zip(values, gap, strict=True)]
    return pd.Series(shown, dtype=object)
