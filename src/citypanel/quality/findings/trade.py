"""Imports and exports: US dollars under a header of yuan, totals in one of the two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from citypanel.quality.findings.tables import Cells, finding, neighbours, sigma

# Yuan per US dollar: yearly averages of 2010 to 2019 lie between 6.14 (2014) and 6.90
# (2019) (National Bureau of Statistics); trade moves besides, hence the tolerance.
YUAN_PER_DOLLAR = 6.6
CURRENCY_TOLERANCE = 0.25
# A partner cell of the same row moves the same way by more than this factor.
PARTNER_FACTOR = 1.5
TRADE = ("imports_cny_10k", "exports_cny_10k")
# The total of both stands in one column: less the other it is the neighbouring year's
# figure within a fifth, while the other column is steady within a fifth. The jump is a
# factor of 1.8 and four robust standard deviations of the column's changes.
TOTAL_TOLERANCE = 0.2
TOTAL_FACTOR = 1.8
TOTAL_K = 4.0


def trade(panel: Cells) -> list[dict[str, Any]]:
    """Rules total_in_part and mixed_currency; a change is explained by one of them."""
    totals = list(total_in_part(panel))
    known = {(row["unit_id"], row["variable"], row["year"]) for row in totals}
    return totals + [
        row
        for row in mixed_currency(panel)
        if not any(
            (row["unit_id"], row["variable"], row["year"] + step) in known
            for step in (-1, 0, 1)
        )
    ]


def total_in_part(panel: Cells) -> Iterator[dict[str, Any]]:
    """Imports and exports together in the column of one of them.

    A_s is `TOTAL_FACTOR` times A_t of a neighbouring year and beyond `TOTAL_K`
    sigma; A_s - B_s is A_t within `TOTAL_TOLERANCE` in logarithms, and so is B_s of
    B_t.
    """
    if not all(name in panel.series for name in TRADE):
        return
    for name, other_name in (TRADE, TRADE[::-1]):
        series, other = panel.series[name], panel.series[other_name]
        spread = sigma(np.diff(series.logs, axis=1))
        jump = max(TOTAL_FACTOR, np.exp(TOTAL_K * spread))
        with np.errstate(invalid="ignore"):
            both = (series.values > 0) & (other.values > 0)
        place, before, after = neighbours(both)
        # Either year of two may hold the total.
        pairs = np.stack([before, after], axis=1)
        unit, s, t = place.repeat(2), pairs.ravel(), pairs[:, ::-1].ravel()
        a, near = series.values[unit, s], series.values[unit, t]
        part, part_near = other.values[unit, s], other.values[unit, t]
        rest = a - part
        with np.errstate(invalid="ignore", divide="ignore"):
            is_total = (a >= jump * near) & (rest > 0)
            is_total &= np.abs(np.log(rest / near)) <= TOTAL_TOLERANCE
            is_total &= np.abs(np.log(part / part_near)) <= TOTAL_TOLERANCE
        for k in np.flatnonzero(is_total):
            yield finding(
                "total_in_part",
                "critical",
                **series.cell(unit[k], s[k]),
                expected=near[k],
                within=TOTAL_TOLERANCE,
                other_name=other_name,
                part=part[k],
                rest=rest[k],
                near=near[k],
                near_year=panel.years[t[k]],
            )


def mixed_currency(panel: Cells) -> Iterator[dict[str, Any]]:
    """Trade in US dollars under a header of yuan.

    Between two years a city's imports plus exports (where both move that way), or
    one of them, change by the exchange rate within `CURRENCY_TOLERANCE` in logarithms:
    the smaller figure is in dollars. The other of the two in the same row is flagged
    too where it moves the same way by more than `PARTNER_FACTOR`.
    """
    if not all(name in panel.series for name in TRADE):
        return
    both = [panel.series[name] for name in TRADE]
    rate = np.log(YUAN_PER_DOLLAR)
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = [series.logs for series in both]
        total = np.log(both[0].values + both[1].values)
    unit, before, after = neighbours(np.isfinite(total))
    by_rate = np.zeros(len(unit), dtype=bool)
    for table in (total, *logs):
        change = np.abs(table[unit, after] - table[unit, before])
        by_rate |= np.abs(change - rate) <= CURRENCY_TOLERANCE
    for place in np.unique(unit[by_rate]):
        flagged: dict[tuple[str, int], str] = {}
        printed = np.flatnonzero(np.isfinite(total[place]))
        mine = np.array([total[place], *(log[place] for log in logs)])[:, printed]
        with np.errstate(invalid="ignore"):
            moved = np.diff(mine, axis=1)
            close = np.abs(np.abs(moved) - rate) <= CURRENCY_TOLERANCE
        for k in np.flatnonzero(close.any(axis=0)):
            a, b = printed[k : k + 2]
            whole, *changes = moved[:, k]
            near = close[:, k]
            together = changes[0] * changes[1] > 0 and min(
                abs(change) for change in changes
            ) > np.log(PARTNER_FACTOR)
            decisive = whole if near[0] and together else None
            for change, is_near in zip(changes, near[1:], strict=True):
                if decisive is None and is_near:
                    decisive = change
            if decisive is None:
                continue
            low = b if decisive < 0 else a
            for series, change, is_near in zip(both, changes, near[1:], strict=True):
                if np.sign(decisive) * change > np.log(PARTNER_FACTOR):
                    sure = is_near or (near[0] and together)
                    flagged[series.name, low] = "critical" if sure else "warning"
        for (name, low), severity in flagged.items():
            yield _currency_row(panel.series[name], place, low, severity)


def _currency_row(series, place, low, severity) -> dict[str, Any]:
    values = series.values[place]
    printed = np.flatnonzero(np.isfinite(values))
    near = min((t for t in printed if t != low), key=lambda t: (abs(t - low), -t))
    return finding(
        "mixed_currency",
        severity,
        **series.cell(place, low),
        expected=values[near],
        within=2 * CURRENCY_TOLERANCE,
        near=values[near],
        near_year=series.years[near],
        ratio=values[near] / values[low],
        rate=YUAN_PER_DOLLAR,
        unit=series.unit,
    )
