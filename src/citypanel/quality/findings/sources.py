"""Two sources of one quantity, and cities against their province."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from citypanel.quality.findings.levels import power_of_ten
from citypanel.quality.findings.tables import SAID, Cells, Series, finding
from citypanel.words import Words

GDP, GROWTH = "gdp_cny_10k", "gdp_growth_pct"
# Revisions of one or two per cent are ordinary; beyond two the vintage matters.
LEVEL_TOLERANCE = 0.02
# A cell against the city's own usual ratio of the two sources: five per cent.
CELL_TOLERANCE = 0.05
# Percentage points between two printed growth rates; revisions stay below half a point.
POINTS_TOLERANCE = 0.5
# Cities' output together above the province's by more than rounding.
SUM_TOLERANCE = 0.01
# A power of ten between two sources of one cell: within 22 per cent, as revisions go.
TEN_TOLERANCE = 0.2
# 100 million yuan to 10,000 yuan.
TO_10K = 10000.0


def disagreement(panel: Cells) -> Iterator[dict[str, Any]]:
    """Rules source_disagreement and source_jump, and power_of_ten between two sources.

    source_disagreement: the median log ratio of a city's two sources is above
    `LEVEL_TOLERANCE`, one row a city and variable, for the year of the largest
    difference. source_jump: a cell leaves that ratio by more than `CELL_TOLERANCE` from
    one year to the next. Growth rates are compared in points, a row a cell. Cells whose
    ratio is a power of ten are `power_of_ten` and nothing else: one of the two headers
    has another unit.
    """
    for source, others in panel.others.items():
        names = {"first": said_of(panel.source), "second": said_of(source)}
        for name, second in others.items():
            if name not in panel.series:
                continue
            a, b = panel.series[name].values, second.values
            both = np.isfinite(a) & np.isfinite(b)
            for place in np.flatnonzero((both & (a != b)).any(axis=1)):
                pair = (panel.series[name], place, b[place], names)
                if name == GROWTH:
                    yield from _points(*pair)
                else:
                    yield from _levels(*pair, source=source)


def said_of(source: str) -> str | Words:
    """A source in a sentence; an imported one has its own name."""
    try:
        return SAID.of("sources")[source]
    except KeyError:
        return source


def _points(first: Series, place: int, b, names) -> Iterator[dict]:
    apart = np.abs(np.nan_to_num(first.values[place] - b))
    for t in np.flatnonzero(apart > POINTS_TOLERANCE):
        yield finding(
            "source_disagreement",
            "warning",
            **first.cell(place, t),
            low=b[t] - POINTS_TOLERANCE,
            high=b[t] + POINTS_TOLERANCE,
            other=b[t],
            **names,
        )


def _levels(first: Series, place: int, b, names, *, source: str) -> Iterator[dict]:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.log(first.values[place] / b)
    ratio = np.where(np.isfinite(ratio), ratio, np.nan)
    known = np.flatnonzero(np.isfinite(ratio))
    # To what revisions change.
    tens = [int(t) for t in known if power_of_ten(ratio[t], TEN_TOLERANCE)]
    for t in tens:
        yield finding(
            "power_of_ten",
            "critical",
            **first.cell(place, t),
            expected=b[t],
            within=LEVEL_TOLERANCE,
            other=b[t],
            ratio=ratio[t],
            against=source,
            said="power_of_ten_source",
            **names,
        )
    ratio[tens] = np.nan
    both = np.flatnonzero(np.isfinite(ratio))
    if not len(both):
        return
    beyond = both[np.abs(ratio[both]) > LEVEL_TOLERANCE]
    if len(beyond):
        t = int(beyond[np.argmax(np.abs(ratio[beyond]))])
        yield finding(
            "source_disagreement",
            "warning" if abs(ratio[t]) > CELL_TOLERANCE else "info",
            **first.cell(place, t),
            expected=b[t],
            within=LEVEL_TOLERANCE,
            other=b[t],
            ratio=ratio[t],
            tolerance=LEVEL_TOLERANCE,
            n_beyond=len(beyond),
            n_both=len(both),
            said="source_disagreement_levels",
            **names,
        )
    for before, t in itertools.pairwise(both):
        change = ratio[t] - ratio[before]
        if abs(change) <= CELL_TOLERANCE:
            continue
        yield finding(
            "source_jump",
            "warning",
            **first.cell(place, t),
            expected=b[t] * np.exp(ratio[before]),
            within=CELL_TOLERANCE,
            stays=True,
            ratio_before=np.exp(ratio[before]),
            before=first.years[before],
            ratio=np.exp(ratio[t]),
            **names,
        )


def cities_against_province(panel: Cells) -> Iterator[dict[str, Any]]:
    """Rule cities_exceed_province: cities add up to more than their province.

    Output of the panel's cities in a province, those printed that year, is above the
    province's. One row a province, for the year of the largest excess. A municipality,
    city and province in one, is `disagreement`'s.
    """
    if GDP not in panel.series or "GDP" not in panel.province:
        return
    values = panel.series[GDP].values
    for province_id, members in panel.cities.groupby("province_id"):
        if members["is_municipality"].astype(bool).any():
            continue
        own = TO_10K * panel.province_row("GDP", province_id)
        total = np.nansum(values[members.index], axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(own > 0, total / own, 0.0)
        share = np.nan_to_num(share)
        if not len(share) or share.max() <= 1 + SUM_TOLERANCE:
            continue
        t = int(np.argmax(share))
        years = panel.years[share > 1 + SUM_TOLERANCE]
        yield finding(
            "cities_exceed_province",
            "warning",
            "GDP",
            scope="province",
            unit_id=province_id,
            year=panel.years[t],
            source="province",
            value=own[t] / TO_10K,
            low=total[t] / TO_10K,
            cities=[panel.names[city] for city in members["city_id"]],
            share=share[t] - 1,
            n_years=len(years),
            years=list(years),
        )
