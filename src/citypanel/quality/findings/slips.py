"""Slips of a typist: two digits that changed places, a first digit that is one off.

A cell that stands off the line between the years beside it, and that such a slip would
put back on it, is named although it is no farther off than cells of a noisy series are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from citypanel.quality.findings.copies import transposed_digits
from citypanel.quality.findings.identities import GDP, GROWTH, real_growth_of_levels
from citypanel.quality.findings.levels import LONGEST_GAP, NOT_LEVELS, changes_of
from citypanel.quality.findings.tables import SAID, Cells, finding, sigma

# Four robust standard deviations off the line: but for fat tails rarer than one cell in
# ten thousand. A slip that explains it brings the cell within half of one there, and
# within two from eight on: the farther off, the rarer by chance.
SLIP_K = 4.0
FITS, FITS_AT_MOST = 0.5, 2.0
# Both sides lead to the same figure: they differ by a third of the distance at most.
AGREE = 1 / 3
# Less moves no result.
LEVEL_FLOOR = 0.04
RATE_FLOOR = 0.015


def slips(panel: Cells) -> Iterator[dict[str, Any]]:
    """Rule transposed_digits: in constant series, in those that grow, and in rates."""
    named = set()
    for rule in (transposed_digits, mistyped, mistyped_rates):
        for row in rule(panel):
            cell = (row["unit_id"], row["year"], row["variable"])
            if cell not in named:
                named.add(cell)
                yield row


def mistyped(panel: Cells) -> Iterator[dict[str, Any]]:
    """Rule transposed_digits, in series that grow.

    d = ln x_t less the mean of what the printed years before and after lead to expect,
    the common growth of all cities added. |d| > max(`LEVEL_FLOOR`, `SLIP_K` sigma), the
    two sides differ by `AGREE` |d| at most, and with the slip undone |d| is at most
    `FITS` sigma (|d| / (`SLIP_K` sigma))^2, no more than `FITS_AT_MOST` sigma.
    """
    for series in panel.series.values():
        if series.name in NOT_LEVELS:
            continue
        logs, common = series.logs, changes_of(series).common
        places, years, before, after = _between(logs)
        if not len(places):
            continue
        low = logs[places, before] + common[before, years]
        high = logs[places, after] - common[years, after]
        off = logs[places, years] - (low + high) / 2
        spread = sigma(off)
        limit = max(LEVEL_FLOOR, SLIP_K * spread)
        alike = np.abs(high - low) <= AGREE * np.abs(off)
        for k in np.flatnonzero((np.abs(off) > limit) & alike & (spread > 0)):
            line = float(np.exp((low[k] + high[k]) / 2))
            value = series.values[places[k], years[k]]
            undone = _undone(value, line, _within(off[k], spread))
            if undone is None:
                continue
            right, how = undone
            yield finding(
                "transposed_digits",
                "warning",
                **series.cell(places[k], years[k]),
                low=right,
                high=right,
                away=off[k],
                right=right,
                how=SAID(how),
                said="mistyped",
            )


def mistyped_rates(panel: Cells) -> Iterator[dict[str, Any]]:
    """Rule transposed_digits, in the growth of output: the levels say another rate.

    The printed rate is more than max(`RATE_FLOOR`, `SLIP_K` sigma) from the growth of
    the level less prices, and as near as in `mistyped` with two digits exchanged.
    """
    if GROWTH not in panel.series or GDP not in panel.series:
        return
    series = panel.series[GROWTH]
    real = real_growth_of_levels(panel)
    printed = np.log1p(series.values / 100)
    off = printed - real
    spread = sigma(off)
    limit = max(RATE_FLOOR, SLIP_K * spread)
    with np.errstate(invalid="ignore"):
        far = np.abs(off) > limit
    for place, t in zip(*np.nonzero(far & (spread > 0)), strict=True):
        for right in _swapped(series.values[place, t]):
            left = abs(np.log1p(right / 100) - real[place, t])
            if left <= _within(off[place, t], spread):
                yield finding(
                    "transposed_digits",
                    "warning",
                    **series.cell(place, t),
                    low=right,
                    high=right,
                    implied=100 * np.expm1(real[place, t]),
                    right=right,
                    said="mistyped_rate",
                )
                break


def _within(off: float, spread: float) -> float:
    """How near to the line a slip must bring a cell that is so far off it."""
    far = (off / (SLIP_K * spread)) ** 2
    return spread * min(max(FITS * far, FITS), FITS_AT_MOST)


def _between(logs: np.ndarray) -> tuple[np.ndarray, ...]:
    """Cells with a printed year on either side: their place, year, and those years."""
    place, at = np.nonzero(np.isfinite(logs))
    inside = (place[2:] == place[1:-1]) & (place[:-2] == place[1:-1])
    inside &= at[2:] - at[:-2] <= LONGEST_GAP + 2
    return place[1:-1][inside], at[1:-1][inside], at[:-2][inside], at[2:][inside]


def _undone(value: float, line: float, within: float) -> tuple[float, str] | None:
    """The figure that was meant, if a slip explains the distance from the line."""
    for how, candidates in (
        ("digits_swapped", _swapped(value)),
        ("first_digit_off", _first_digit(value)),
    ):
        for right in candidates:
            if right > 0 and abs(np.log(right / line)) <= within:
                return right, how
    return None


def _swapped(value: float) -> list[float]:
    """The figure with each pair of neighbouring digits exchanged."""
    text = f"{value:.10g}"
    if "e" in text:
        return []
    digits = [i for i, letter in enumerate(text) if letter.isdigit()]
    found = []
    for i, j in itertools.pairwise(digits):
        if text[i] == text[j]:
            continue
        letters = list(text)
        letters[i], letters[j] = letters[j], letters[i]
        found.append(float("".join(letters)))
    return found


def _first_digit(value: float) -> list[float]:
    """The figure with its first digit one lower and one higher."""
    if not np.isfinite(value) or value <= 0:
        return []
    step = 10.0 ** np.floor(np.log10(value))
    return [value - step, value + step]
