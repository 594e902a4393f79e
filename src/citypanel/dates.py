"""Dates as people write them: a day, a month, a quarter or a year, never a guess.

`read_span` gives the days that a date stands for. What may be read in two ways, such as
06/12/2015, is refused with what to write instead.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass

PRECISIONS = ("day", "month", "quarter", "year")
#: What a time of day is: refused, dropped, or shifted by hours to the time at home.
REFUSE, AS_WRITTEN = "refuse", "as_written"
EARLIEST, LATEST = dt.date(1900, 1, 1), dt.date(2100, 12, 31)
# Day 0 of Excel's count; it takes 1900 for a leap year, so smaller serials are others.
_EXCEL_ZERO = dt.date(1899, 12, 30)
_SERIALS = (18264, 73415)  # 1950 to 2100
_HOURS = re.compile(r"([+-])(\d{1,2}):?([0-5]\d)?")
_QUARTERS = {"一": 1, "二": 2, "三": 3, "四": 4, "1": 1, "2": 2, "3": 3, "4": 4}
_MONTHS = {
    name.lower(): number
    for names in (calendar.month_name, calendar.month_abbr)
    for number, name in enumerate(names)
    if name
} | {"sept": 9}
_YEAR = r"(?P<year>[12]\d{3})"
_MONTH = r"(?P<month>0?[1-9]|1[0-2])"
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])"
_NAME = r"(?P<name>[A-Za-z]{3,9})\.?"
_FORMS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_YEAR}(?P<sep>[-/.]){_MONTH}(?P=sep){_DAY}",
        rf"{_YEAR}年{_MONTH}月{_DAY}[日号]?",
        r"(?P<year>[12]\d{3})(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])",
        rf"{_DAY}(?:st|nd|rd|th)? {_NAME},? {_YEAR}",
        rf"{_NAME} {_DAY}(?:st|nd|rd|th)?,? {_YEAR}",
        rf"{_YEAR}[-/]{_MONTH}",
        r"(?P<year>[12]\d{3})\.(?P<month>0[1-9]|1[0-2])",
        r"(?P<year>[12]\d{3})(?P<month>0[1-9]|1[0-2])",
        rf"{_YEAR}[mM]{_MONTH}",
        rf"{_YEAR}年{_MONTH}月份?",
        rf"{_NAME},? {_YEAR}",
        rf"{_YEAR}[- ]?Q(?P<quarter>[1-4])",
        rf"Q(?P<quarter>[1-4])[- ]?{_YEAR}",
        rf"{_YEAR}年?第?(?P<quarter>[一二三四1-4])季度?",
        rf"{_YEAR}(?:\.0+)?年?",
    )
]
_TIME = re.compile(
    r"(?P<date>.*\d[日号]?)[T ]+(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)"
    r"(?::(?P<second>[0-5]\d)(?:\.\d+)?)?\s*(?P<zone>Z|UTC|[+-]\d{1,2}:?\d{0,2})?",
    re.IGNORECASE,
)


class NoDate(ValueError):
    """A value that names no day, month, quarter or year, or several."""


@dataclass(frozen=True)
class Span:
    """The days that a date stands for.

    Attributes
    ----------
    first, last : date
    precision : str
        One of `PRECISIONS`.
    """

    first: dt.date
    last: dt.date
    precision: str


def read_span(value: object, *, times: str = REFUSE) -> Span:
    """The days that a date stands for.

    Parameters
    ----------
    value : object
        2015-06-12, 2015/6/12, 20150612, 2015年6月12日, 12 June 2015, a spreadsheet's
        date or its serial number (42167); 2015-06, 201506, 2015年6月, June 2015;
        2015Q2, 2015年第二季度; 2015, 2015年.
    times : str
        What a time of day other than midnight is. ``refuse``; ``as_written``, the day
        that stands before it; or how far home is ahead of the clock that wrote it, as
        ``+08:00``: 2015-12-31 16:00 UTC is then 1 January 2016.

    Raises
    ------
    NoDate
        Anything else, with why.

    Examples
    --------
    >>> read_span("2015年9月")
    Span(first=datetime.date(2015, 9, 1), last=datetime.date(2015, 9, 30), \
precision='month')
    """
    if value is None or value != value:
        value = ""
    if isinstance(value, bool):
        raise NoDate("is true or false, and no date")
    if isinstance(value, dt.datetime):
        return _at(value.replace(tzinfo=None), value.utcoffset(), times)
    if isinstance(value, dt.date):
        return _span(value.year, value.month, value.day)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, float):
        return _serial(value, times)
    text = " ".join(str(value).translate(_FULL_WIDTH).split())
    text = re.sub(r" ?([年月第]) ?| (?=[日号季])", r"\1", text)
    if re.fullmatch(r"[1-9]\d{4}(?:\.\d+)?", text):
        return _serial(float(text), times)
    timed = _TIME.fullmatch(text)
    if timed:
        day = read_span(timed["date"])
        if day.precision != "day":
            raise NoDate("has a time of day and no day")
        hours = int(timed["hour"])
        moment = dt.datetime.combine(day.first, dt.time()) + dt.timedelta(
            hours=hours, minutes=int(timed["minute"]), seconds=int(timed["second"] or 0)
        )
        return _at(moment, _offset(timed["zone"]), times)
    for form in _FORMS:
        found = form.fullmatch(text)
        if found:
            part = found.groupdict()
            month = part.get("month")
            if part.get("name"):
                month = _MONTHS.get(part["name"].lower())
                if month is None:
                    continue
            return _span(
                int(part["year"]),
                int(month) if month else None,
                int(part["day"]) if part.get("day") else None,
                _QUARTERS[part["quarter"]] if part.get("quarter") else None,
            )
    raise NoDate(_why(text))


def _why(text: str) -> str:
    if not text:
        return "is empty; write a date such as 2015-06-12, 2015-06 or 2015"
    if re.fullmatch(r"\d{1,2}[-/.]\d{1,2}[-/.]\d{4}", text):
        return "may be day or month first; write 2015-06-12"
    if re.fullmatch(r"\d{2}[-/.]\d{1,2}[-/.]\d{1,2}", text):
        return "has no century; write 2015-06-12"
    if re.fullmatch(r"[12]\d{3}\.\d", text):
        return "may be a month or a number that lost a zero; write 2015-06 or 2015-10"
    if re.fullmatch(r"[12]\d{3}\D+\d{1,2}\D+\d{1,2}\D?", text) or re.fullmatch(
        r"[12]\d{7}", text
    ):
        return "is no day of the calendar"
    return "is no date; write 2015-06-12, 2015-06, 2015Q2 or 2015"


def _span(
    year: int,
    month: int | None = None,
    day: int | None = None,
    quarter: int | None = None,
) -> Span:
    if not EARLIEST.year <= year <= LATEST.year:
        raise NoDate(f"lies outside {EARLIEST.year} to {LATEST.year}")
    if day is not None and month is not None:
        try:
            found = dt.date(year, month, day)
        except ValueError:
            raise NoDate("is no day of the calendar") from None
        return Span(found, found, "day")
    first, last, precision = 1, 12, "year"
    if month is not None:
        first, last, precision = month, month, "month"
    elif quarter is not None:
        first, last, precision = 3 * quarter - 2, 3 * quarter, "quarter"
    end = calendar.monthrange(year, last)[1]
    return Span(dt.date(year, first, 1), dt.date(year, last, end), precision)


def _serial(value: float, times: str) -> Span:
    if not _SERIALS[0] <= value < _SERIALS[1] + 1:
        raise NoDate(
            "is no date; as a spreadsheet's serial number it lies outside 1950 to 2100"
        )
    days = int(value)
    seconds = round((value - days) * 86_400)
    midnight = dt.datetime.combine(_EXCEL_ZERO + dt.timedelta(days), dt.time())
    return _at(midnight + dt.timedelta(seconds=seconds), None, times)


def _at(moment: dt.datetime, zone: dt.timedelta | None, times: str) -> Span:
    """The day of a moment by the rule for times; midnight of no zone is a plain day."""
    is_plain = zone is None and moment.time() == dt.time()
    if times == REFUSE and not is_plain:
        raise NoDate(
            "has a time of day, which may be the next day at home: write the day "
            "alone, or say how times are read (as_written, or home's distance, +08:00)"
        )
    if not is_plain and times != AS_WRITTEN:
        moment = moment - (zone or dt.timedelta()) + _hours(times)
    return _span(moment.year, moment.month, moment.day)


def is_rule_for_times(text: str) -> bool:
    """Whether a text says how times of day are read."""
    return text in (REFUSE, AS_WRITTEN) or bool(_HOURS.fullmatch(text))


def _hours(text: str) -> dt.timedelta:
    found = _HOURS.fullmatch(text)
    if not found:
        raise NoDate(f"cannot be read by the rule {text!r}")
    ahead = dt.timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return -ahead if found[1] == "-" else ahead


def _offset(zone: str | None) -> dt.timedelta | None:
    if not zone:
        return None
    return dt.timedelta() if zone.upper() in ("Z", "UTC") else _hours(zone)


# Full-width digits and signs, the ideographic space, and spaces that do not break.
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x3000: 0x20, 0x2212: 0x2D, 0x00A0: 0x20, 0x202F: 0x20, 0xFEFF: None, 0x200B: None,
}  # fmt: skip
