"""Figures that look copied or mistyped: twice the same, or its digits out of order."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from citypanel.quality.findings.tables import Cells, Series, finding, nanmedian

# Chance that a figure repeats by itself: its printed step over 2.5 typical changes (the
# density of a normal distribution in its middle). A panel has ten thousand pairs of
# years: below one in 3000 a repeat is telling, above one in 200 it is left out.
TELLING_CHANCE = 1 / 3000
MOST_CHANCE = 1 / 200
# A series in which every twentieth pair of years is equal is constant by nature (land
# area) or rounded (persons in 10,000): equality says nothing there.
USUAL_SHARE = 0.05
# Constant by nature: half of the pairs of years are equal (land area).
CONSTANT_SHARE = 0.5
MIN_DIGITS = 4
# A row is copied when this share of its comparable cells repeats, and at least three.
ROW_SHARE = 0.5
ROW_CELLS = 3
# Across cities: figures of five digits coincide every few years.
MIN_DIGITS_ACROSS = 6


def digits(value: float) -> int:
    """Significant digits, trailing zeros not counted: 132000 has three."""
    if not np.isfinite(value) or value == 0:
        return 0
    text = f"{abs(value):.10g}".replace(".", "").strip("0")
    return len(text)


def step(value: float) -> float:
    """The unit a figure is printed in: 1000 for 132000, 0.1 for 45.2."""
    text = f"{abs(value):.10g}"
    if "." in text:
        return 10.0 ** -len(text.split(".")[1])
    return 10.0 ** (len(text) - len(text.rstrip("0")))


def chance_of_repeat(series: Series, value: float) -> float:
    """Probability that a year's figure equals the last by chance; at most 1."""
    change = _typical_change(series) * abs(value)
    return min(1.0, step(value) / (2.5 * change)) if change > 0 else 1.0


@lru_cache(maxsize=256)
def _typical_change(series: Series) -> float:
    """Median |log change| of a year."""
    changes = np.abs(np.diff(series.logs, axis=1)).reshape(-1, 1)
    return float(nanmedian(changes)[0])


def _repeats(series: Series) -> np.ndarray:
    """True where a cell equals the one of the year before; shape (n, T)."""
    same = np.zeros(series.values.shape, dtype=bool)
    same[:, 1:] = series.values[:, 1:] == series.values[:, :-1]
    return same


def usually_equal(series: Series, share: float = USUAL_SHARE) -> bool:
    """Whether more than a share of the pairs of neighbouring years are equal."""
    pairs = np.isfinite(series.values[:, 1:]) & np.isfinite(series.values[:, :-1])
    n_pairs = int(pairs.sum())
    return bool(n_pairs) and _repeats(series).sum() / n_pairs > share


def repeated_values(panel: Cells) -> Iterator[dict[str, Any]]:
    """Rules repeated_value and copied_row.

    A cell equals that of the year before in a series where that is not ordinary. Where
    half of a row's comparable cells do, the row is the finding, not the cells.
    """
    telling = {
        name: series
        for name, series in panel.series.items()
        if not usually_equal(series) and name != "gdp_growth_pct"
    }
    if not telling:
        return
    names = list(telling)
    same = np.stack([_repeats(telling[name]) for name in names])
    pairs = np.zeros_like(same)
    for k, name in enumerate(names):
        known = np.isfinite(telling[name].values)
        pairs[k, :, 1:] = known[:, 1:] & known[:, :-1]
    same &= pairs
    n_same, n_pairs = same.sum(axis=0), pairs.sum(axis=0)
    is_row = n_same >= np.maximum(ROW_CELLS, ROW_SHARE * n_pairs)
    for place, t in zip(*np.nonzero(n_same), strict=True):
        repeated = [names[k] for k in np.flatnonzero(same[:, place, t])]
        if is_row[place, t]:
            yield finding(
                "copied_row",
                "critical",
                "all_variables",
                unit_id=panel.city_ids[place],
                year=panel.years[t],
                members=repeated,
                n_repeated=len(repeated),
                n_comparable=int(n_pairs[place, t]),
            )
            continue
        for name in repeated:
            value = telling[name].values[place, t]
            chance = chance_of_repeat(telling[name], value) if value else 1.0
            if chance > MOST_CHANCE:
                continue
            yield finding(
                "repeated_value",
                "warning" if chance < TELLING_CHANCE else "info",
                **telling[name].cell(place, t),
                years_between=1 / chance,
            )


def across_cities(panel: Cells) -> Iterator[dict[str, Any]]:
    """Rule same_in_two_cities: one figure of six digits for two cities in one year."""
    names = panel.names
    for series in panel.series.values():
        for t in range(len(panel.years)):
            column = series.values[:, t]
            values, counts = np.unique(column[np.isfinite(column)], return_counts=True)
            values = values[counts > 1]
            # Most are whole and short: few are written out to count their digits.
            short = (values == np.round(values)) & (
                np.abs(values) < 10 ** (MIN_DIGITS_ACROSS - 1)
            )
            for value in values[~short]:
                if digits(value) < MIN_DIGITS_ACROSS:
                    continue
                places = np.flatnonzero(column == value)
                for place in places:
                    others = [series.units[i] for i in places if i != place]
                    yield finding(
                        "same_in_two_cities",
                        "critical",
                        **series.cell(place, t),
                        cities=[names[other] for other in others],
                    )


def transposed_digits(panel: Cells) -> Iterator[dict[str, Any]]:
    """Rule transposed_digits, in series that are constant by nature.

    A cell consists of the digits of the figure that stands in more years, in another
    order.
    """
    for series in panel.series.values():
        if not usually_equal(series, CONSTANT_SHARE):
            continue
        apart = np.fmax.reduce(series.values, axis=1) > np.fmin.reduce(
            series.values, axis=1
        )
        for place in np.flatnonzero(apart):
            values = series.values[place]
            printed = values[np.isfinite(values)]
            if not len(printed):
                continue
            levels, counts = np.unique(printed, return_counts=True)
            usual = levels[np.argmax(counts)]
            if counts.max() < 2 or digits(usual) < MIN_DIGITS:
                continue
            text = sorted(f"{usual:.10g}")
            for t in np.flatnonzero(np.isfinite(values) & (values != usual)):
                if sorted(f"{values[t]:.10g}") != text:
                    continue
                yield finding(
                    "transposed_digits",
                    "warning",
                    **series.cell(place, t),
                    low=usual,
                    high=usual,
                    n_years=int(counts.max()),
                )
