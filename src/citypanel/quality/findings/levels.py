"""Cells that stand apart from the years beside them, peers' common growth removed.

For each variable the log change of a city from its last printed year, less the median
change of all cities between the same years, is its own change r. A jump is an |r| above
d = max(FLOOR, K sigma), sigma = 1.4826 median |r - median r| over all cities and years
of the variable. A jump that a later jump takes back is a departure: the cells between
are apart from both sides. A jump that stays is a break.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from citypanel.quality.findings.tables import (
    Cells,
    Series,
    finding,
    nanmedian,
    neighbours,
    sigma,
)
from citypanel.quality.findings.trade import trade

# Seven robust standard deviations: changes of city series have fat tails and a panel
# has ten thousand of them; at three a reader would get hundreds of rows (2026-11-25).
K = 7.0
# No change below 8 per cent is reported, however quiet the series: adjustments of
# boundaries and registers of that size are common and harmless (2026-11-25).
FLOOR = 0.08
# Above a factor of four a change is a jump in any series: a slip of the decimal point
# must be seen in a noisy series too.
CEILING = np.log(4.0)
# A departure of more than four years is a series of its own, not a run of wrong cells.
LONGEST_RUN = 4
# Years without a figure between two that are compared.
LONGEST_GAP = 3
# A jump is taken back where what is left of it is under half of the smaller of the two.
LEFT_OVER = 0.5
# A city's series with more jumps than this is erratic as a whole: one row, not many.
MOST_JUMPS = 3
# A power of ten at most this many printed years from an end of the series is a slip at
# the end, not a new level.
SHORT_END = 2
# A change by a power of ten in one city of ten is no growth.
MANY_SLIPS = 0.1
# A factor counts as a power of ten within 7.8 to 12.8, as two within 1.64 to 2.44.
TEN_TOLERANCE = 0.25
TWO_TOLERANCE = 0.20
# A year is a break of the whole series where the median own change is twice that of an
# ordinary year and above two per cent: in 2019, the census, it is four times that.
BREAK_RATIO = 2.0
BREAK_FLOOR = 0.02
# A drift adds up to 15 per cent at least.
DRIFT_FLOOR = 0.15
MIN_DRIFT_CHANGES = 5
# Percentages and quotients of other columns have rules of their own.
NOT_LEVELS = ("gdp_growth_pct", "density_persons_per_km2", "GDPIDX", "FAIPI")


@dataclass
class Jump:
    """A change of one unit at `at`, from its last printed year `before` (indices)."""

    before: int
    at: int
    size: float


@dataclass(frozen=True, eq=False)
class Changes:
    """A variable's common growth, every unit's own changes, and what counts as a jump.

    Attributes
    ----------
    common : (T, T) array
        Median log change of the units that print both years, row to column.
    unit, before, at : int arrays
        Of every change between printed years: the unit's place and the two years'.
    size : array
        The change less the common one.
    threshold : float
        Own changes above it are jumps: min(max(FLOOR, K sigma), CEILING).
    """

    common: np.ndarray
    unit: np.ndarray
    before: np.ndarray
    at: np.ndarray
    size: np.ndarray
    threshold: float

    def jumps(self) -> dict[int, list[Jump]]:
        """Changes beyond the threshold, of each unit with any."""
        found: dict[int, list[Jump]] = {}
        for k in np.flatnonzero(np.abs(self.size) > self.threshold):
            jump = Jump(int(self.before[k]), int(self.at[k]), float(self.size[k]))
            found.setdefault(int(self.unit[k]), []).append(jump)
        return found


@lru_cache(maxsize=256)
def changes_of(series: Series) -> Changes:
    """Common growth, own changes and threshold of a series."""
    common = common_growth(series)
    unit, before, at = _printed_pairs(series)
    logs = series.logs
    size = logs[unit, at] - logs[unit, before] - common[before, at]
    limit = float(min(max(FLOOR, K * sigma(size)), CEILING))
    return Changes(common, unit, before, at, size, limit)


def common_growth(series: Series) -> np.ndarray:
    """Median log change from year s to year t of the units that print both; (T, T).

    Not the sum of yearly medians: where a whole year is missing, growth across it is
    that of the years on either side. 0 where no unit prints both. Where many change by
    a power of ten that is a unit and no growth: the common growth is the others', and
    none where there are no others.
    """
    logs = series.logs
    n_years = logs.shape[1]
    later = np.zeros((n_years, n_years))
    for t in range(n_years):
        changes = logs[:, t + 1 :] - logs[:, [t]]
        near = changes[:, : LONGEST_GAP + 1]
        known = np.isfinite(near).sum(axis=0)
        with np.errstate(invalid="ignore"):
            slips = np.abs(near) >= np.log(10) - TEN_TOLERANCE
        many = slips.sum(axis=0) >= MANY_SLIPS * np.maximum(known, 1)
        near[slips & many] = np.nan
        later[t, t + 1 :] = np.nan_to_num(nanmedian(changes))
    # From a later year to an earlier one the same with the other sign.
    return later - later.T


def _printed_pairs(series: Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Units and years of neighbouring printed figures, `LONGEST_GAP` apart at most."""
    unit, before, at = neighbours(np.isfinite(series.logs))
    near = at - before <= LONGEST_GAP + 1
    return unit[near], before[near], at[near]


def apart(series: Series) -> Iterator[dict[str, Any]]:
    """Departures, breaks and erratic series of one variable."""
    changes = changes_of(series)
    for place, jumps in changes.jumps().items():
        if len(jumps) > MOST_JUMPS:
            largest = max(jumps, key=lambda jump: abs(jump.size))
            a, b = largest.before, largest.at
            yield finding(
                "erratic_series",
                "warning",
                series.name,
                unit_id=series.units[place],
                n_jumps=len(jumps),
                threshold=changes.threshold,
                from_value=series.values[place, a],
                start=series.years[a],
                to_value=series.values[place, b],
                end=series.years[b],
            )
            continue
        waiting = list(jumps)
        while waiting:
            jump = waiting.pop(0)
            if waiting and _takes_back(waiting[0], jump, series.logs[place], changes):
                yield from _departure(series, place, jump, waiting.pop(0), changes)
            else:
                yield from _break(series, place, jump, jumps, changes)


def _takes_back(later: Jump, jump: Jump, logs, changes) -> bool:
    """Whether the next jump takes one back."""
    if later.size * jump.size >= 0 or later.before - jump.at + 1 > LONGEST_RUN:
        return False
    common = changes.common[jump.before, later.at]
    left = logs[later.at] - logs[jump.before] - common
    smaller = min(abs(jump.size), abs(later.size))
    return abs(left) <= LEFT_OVER * smaller


def _departure(series, place, jump, back, changes) -> Iterator[dict[str, Any]]:
    """The cells between a jump and the one that takes it back."""
    logs, common = series.logs[place], changes.common
    a, b = jump.before, back.at
    cells = [t for t in range(jump.at, back.before + 1) if np.isfinite(logs[t])]
    drift = logs[b] - logs[a] - common[a, b]
    expected = {t: logs[a] + common[a, t] + drift * (t - a) / (b - a) for t in cells}
    size = float(np.mean([logs[t] - expected[t] for t in cells]))
    rule = "leaves_and_returns"
    if power_of_ten(size):
        rule = "power_of_ten"
    elif abs(abs(size) - np.log(2)) <= TWO_TOLERANCE:
        rule = "halved_or_doubled"
    return _cells_apart(series, place, rule, expected, a, b, changes.threshold)


def _break(series, place, jump, jumps, changes) -> Iterator[dict[str, Any]]:
    """A jump that stays; by a power of ten at an end of the series, a slip there.

    What a year or two before the end (or after the start) are a power of ten away from
    cannot be seen to return: those years are the ones that are wrong.
    """
    a, b = jump.before, jump.at
    power = power_of_ten(jump.size)
    logs, limit = series.logs[place], changes.threshold
    printed = np.flatnonzero(np.isfinite(logs)).tolist()
    after, before = [t for t in printed if t >= b], [t for t in printed if t <= a]
    later = any(other.before >= b for other in jumps)
    earlier = any(other.at <= a for other in jumps)
    cells: list[int] = []
    if power and len(after) <= SHORT_END and not later and len(after) <= len(before):
        cells, base = after, a
    elif (
        power and len(before) <= SHORT_END and not earlier and len(before) < len(after)
    ):
        cells, base = before, b
    if cells:
        expected = {t: logs[base] + changes.common[base, t] for t in cells}
        yield from _cells_apart(
            series, place, "power_of_ten", expected, base, base, limit
        )
        return
    rule = "power_of_ten" if power else "level_break"
    values = series.values[place]
    yield finding(
        rule,
        "critical" if power else "warning",
        **series.cell(place, b),
        expected=values[b] * np.exp(-jump.size),
        within=limit,
        from_value=values[a],
        start=series.years[a],
        jump=jump.size,
        size=abs(jump.size),
        stays=True,
        said=rule if power is None else "power_break",
    )


def _cells_apart(series, place, rule, expected, a, b, limit) -> Iterator[dict]:
    """A row a cell apart from what the years on both sides, or on one, let expect."""
    values, years = series.values[place], series.years
    for t, log in expected.items():
        figure = float(np.exp(log))
        yield finding(
            rule,
            "critical" if rule == "power_of_ten" else "warning",
            **series.cell(place, t),
            expected=figure,
            within=limit,
            away=np.log(values[t] / figure),
            start=years[a],
            from_value=values[a],
            end=years[b],
            to_value=values[b],
            said="departure" if a != b else "departure_at_an_end",
        )


def power_of_ten(size: float, tolerance: float = TEN_TOLERANCE) -> int | None:
    """The power of ten nearest to a log distance, where it is near one (not 0)."""
    power = round(size / np.log(10))
    near = abs(size - power * np.log(10)) <= tolerance
    return power if power and near else None


def departures_and_breaks(panel: Cells) -> Iterator[dict[str, Any]]:
    """Rules power_of_ten, halved_or_doubled, leaves_and_returns, level_break, erratic.

    Changes of imports and exports that `trade` explains are left to it.
    """
    explained = {(row["unit_id"], row["variable"], row["year"]) for row in trade(panel)}
    revised = {(row["variable"], row["year"]) for row in break_years(panel)}
    for series in panel.series.values():
        if series.name in NOT_LEVELS:
            continue
        for row in apart(series):
            unit, name, year = row["unit_id"], row["variable"], row["year"]
            if year is not None and explained & {
                (unit, name, year),
                (unit, name, year - 1),
            }:
                continue
            # The break of the whole series is a row of its own.
            if row["rule"] == "level_break" and (name, year) in revised:
                row["severity"] = "info"
            yield row


def break_years(panel: Cells) -> Iterator[dict[str, Any]]:
    """Years in which a whole variable breaks: census revisions, changed coverage.

    A year's median |own change| is `BREAK_RATIO` times that of the median year, and
    above `BREAK_FLOOR`.
    """
    for series in panel.series.values():
        if series.name in NOT_LEVELS:
            continue
        changes = np.diff(series.logs, axis=1)
        enough = np.isfinite(changes).sum(axis=0) >= max(5, len(series.units) // 4)
        if enough.sum() < 4:
            continue
        common = np.where(enough, nanmedian(changes), np.nan)
        spread = np.where(enough, nanmedian(np.abs(changes - common)), np.nan)
        usual = float(np.nanmedian(spread))
        for t in np.flatnonzero(enough):
            if spread[t] <= max(BREAK_RATIO * usual, BREAK_FLOOR):
                continue
            own = np.abs(changes[:, t] - common[t])
            limit = max(2 * BREAK_RATIO * usual, FLOOR)
            yield finding(
                "break_year",
                "warning",
                series.name,
                scope="study",
                year=series.years[t + 1],
                departure=spread[t],
                usual=usual,
                many=int(np.nansum(own > limit)),
                limit=limit,
            )


def drifts(panel: Cells) -> Iterator[dict[str, Any]]:
    """Series that leave their peers little by little, without one large jump.

    The own change from the first to the last printed year, n changes later, is above
    max(`DRIFT_FLOOR`, K sigma sqrt(n)), what a random walk of the series' own changes
    does not reach, and no single year makes half of it.
    """
    for series in panel.series.values():
        if series.name in NOT_LEVELS:
            continue
        logs, changes = series.logs, changes_of(series)
        n = len(series.units)
        spread = sigma(changes.size)
        count = np.bincount(changes.unit, minlength=n)
        wholes = np.bincount(changes.unit, changes.size, minlength=n)
        largest = np.zeros(n)
        np.maximum.at(largest, changes.unit, np.abs(changes.size))
        limits = np.maximum(DRIFT_FLOOR, K * spread * np.sqrt(count))
        far = (count >= MIN_DRIFT_CHANGES) & (np.abs(wholes) > limits)
        for place in np.flatnonzero(far & (largest <= np.abs(wholes) / 2)):
            whole, limit = wholes[place], limits[place]
            mine = changes.unit == place
            a, b = changes.before[mine][0], changes.at[mine][-1]
            yield finding(
                "drift",
                "info",
                **series.cell(place, b),
                expected=np.exp(logs[place, b] - whole),
                within=limit,
                from_value=series.values[place, a],
                start=series.years[a],
                whole=whole,
            )


def province_breaks(panel: Cells) -> Iterator[dict[str, Any]]:
    """Rule province_break: the same jumps in the provinces' own series."""
    for series in panel.province.values():
        if series.name in NOT_LEVELS:
            continue
        changes = changes_of(series)
        for place, row in sorted(changes.jumps().items()):
            values = series.values[place]
            for jump in row:
                a, b = jump.before, jump.at
                yield finding(
                    "province_break",
                    "warning",
                    **series.cell(place, b),
                    scope="province",
                    source="province",
                    expected=values[b] * np.exp(-jump.size),
                    within=changes.threshold,
                    from_value=values[a],
                    start=series.years[a],
                    change=np.log(values[b] / values[a]),
                    jump=jump.size,
                )
