"""Dates of rosters: whatever way a day is written, it is that day or is refused."""

from __future__ import annotations

import calendar
import datetime as dt

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citypanel.dates import NoDate, read_span

QUIET = settings(deadline=None, max_examples=150, derandomize=True)
DAYS = st.dates(dt.date(1950, 1, 1), dt.date(2100, 12, 31))
ZERO = dt.date(1899, 12, 30)
WAYS = {
    "iso": lambda d: d.isoformat(),
    "slashes": lambda d: f"{d.year}/{d.month}/{d.day}",
    "dots": lambda d: f"{d.year}.{d.month}.{d.day}",
    "digits": lambda d: f"{d:%Y%m%d}",
    "a number": lambda d: int(f"{d:%Y%m%d}"),
    "a float": lambda d: float(f"{d:%Y%m%d}"),
    "Chinese": lambda d: f"{d.year}年{d.month}月{d.day}日",
    "Chinese, spaced": lambda d: f" {d.year} 年 {d.month:02d} 月 {d.day:02d} 日",
    "full width": lambda d: d.isoformat().translate(
        {c: c + 0xFEE0 for c in range(0x30, 0x3A)}
    ),
    "English": lambda d: f"{d.day} {calendar.month_name[d.month]} {d.year}",
    "American": lambda d: f"{calendar.month_abbr[d.month]} {d.day}, {d.year}",
    "a serial": lambda d: (d - ZERO).days,
    "a serial as text": lambda d: str((d - ZERO).days),
    "a serial as a float": lambda d: float((d - ZERO).days),
    "midnight": lambda d: dt.datetime.combine(d, dt.time()),
    "a timestamp": pd.Timestamp,
    "midnight as text": lambda d: f"{d.isoformat()} 00:00:00",
    "a date": lambda d: d,
}


@pytest.mark.parametrize("way", WAYS)
@QUIET
@given(day=DAYS)
def test_a_day_is_the_same_in_every_way_of_writing(way, day):
    span = read_span(WAYS[way](day))
    assert (span.first, span.last, span.precision) == (day, day, "day")


@QUIET
@given(day=DAYS)
def test_months_quarters_and_years_hold_their_days_and_no_others(day):
    quarter = (day.month + 2) // 3
    written = {
        "month": [
            f"{day:%Y-%m}", f"{day.year}/{day.month}", f"{day.year}年{day.month}月",
            f"{day:%Y%m}", int(f"{day:%Y%m}"), f"{calendar.month_name[day.month]} "
            f"{day.year}", f"{day:%Y.%m}",
        ],
        "quarter": [
            f"{day.year}Q{quarter}", f"{day.year}-q{quarter}", f"Q{quarter} {day.year}",
            f"{day.year}年第{'一二三四'[quarter - 1]}季度",
            f"{day.year}年{quarter}季度",
        ],
        "year": [day.year, str(day.year), float(day.year), f"{day.year}年"],
    }  # fmt: skip
    for precision, ways in written.items():
        spans = {read_span(way) for way in ways}
        assert len(spans) == 1
        span = spans.pop()
        assert span.precision == precision and span.first <= day <= span.last
        after = span.last + dt.timedelta(1)
        assert span.first.day == 1 and after.day == 1
        months = (after.year - span.first.year) * 12 + after.month - span.first.month
        assert months == {"month": 1, "quarter": 3, "year": 12}[precision]


@QUIET
@given(moment=st.datetimes(dt.datetime(1950, 1, 2), dt.datetime(2100, 12, 30)))
def test_a_time_of_day_is_refused_or_read_by_the_rule_that_is_declared(moment):
    moment = moment.replace(microsecond=0)
    serial = (moment - dt.datetime.combine(ZERO, dt.time())) / dt.timedelta(1)
    home = (moment + dt.timedelta(hours=8)).date()
    zoned = moment.replace(tzinfo=dt.timezone(dt.timedelta(hours=-5)))
    for value in (moment, f"{moment:%Y-%m-%d %H:%M:%S}", serial):
        if moment.time() == dt.time():
            assert read_span(value).first == moment.date()
            continue
        with pytest.raises(NoDate, match="time of day"):
            read_span(value)
        assert read_span(value, times="as_written").first == moment.date()
        assert read_span(value, times="+08:00").first == home
    for value in (zoned, zoned.isoformat()):
        with pytest.raises(NoDate, match="time of day"):
            read_span(value)
        moved = (moment + dt.timedelta(hours=13)).date()
        assert read_span(value, times="+08:00").first == moved


REFUSED = [
    "", None, float("nan"), pd.NaT, True, "soon", "06/12/2015", "12.6.2015", "15-06-12",
    "2015-02-30", "2015年13月", "20150231", "2015.1", 2015.1, 12, 99999, "1850", 3000,
    "2015-06-12 25:00", "2015Q5", "2015-06 14:00", "12 Brumaire 2015",
]  # fmt: skip


@pytest.mark.parametrize("value", REFUSED, ids=repr)
def test_what_is_no_date_or_several_is_refused_with_a_reason(value):
    with pytest.raises(NoDate) as raised:
        read_span(value)
    assert len(str(raised.value)) > 8


@QUIET
@given(text=st.text(max_size=20) | st.floats() | st.integers())
def test_anything_else_is_a_date_or_refused(text):
    try:
        span = read_span(text)
    except NoDate:
        return
    assert dt.date(1900, 1, 1) <= span.first <= span.last <= dt.date(2100, 12, 31)
