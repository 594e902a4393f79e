"""What is not printed, and how finely what is printed is rounded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from citypanel.quality.findings.tables import SAID, Cells, Series, finding, nanmedian
from citypanel.words.numbers import number

# A series ends, begins or has a hole in a year in which nine cities of ten that print
# it in another year print nothing.
ABSENT_SHARE = 0.9
# A hole of single cities inside a year the others print is a cell; half a row is a row.
ROW_SHARE = 0.5
ROW_CELLS = 3
# Rounded where nineteen cells of twenty are multiples of a power of ten.
ROUND_SHARE = 0.95
# Half a step over the smallest city's figure: above one per cent it moves growth rates.
ROUND_ERROR = 0.01


def _printing(series: Series) -> np.ndarray:
    """Units that print the series in any year."""
    return np.isfinite(series.values).any(axis=1)


def _absent_share(series: Series) -> np.ndarray:
    units = _printing(series)
    if not units.any():
        return np.ones(len(series.years))
    return 1 - np.isfinite(series.values[units]).mean(axis=0)


def discontinued(panel: Cells) -> Iterator[dict[str, Any]]:
    """Rules discontinued and missing_year: a row a variable and run of empty years."""
    for series in panel.series.values():
        absent = _absent_share(series) >= ABSENT_SHARE
        printed = np.flatnonzero(~absent)
        if not len(printed):
            continue
        first, last = int(printed[0]), int(printed[-1])
        years = panel.years
        for run in _runs(absent):
            inside = first < run[0] < last
            where = "between" if inside else "end" if run[0] > last else "start"
            span = "one_year" if len(run) == 1 else "years"
            yield finding(
                "missing_year" if inside else "discontinued",
                "warning",
                series.name,
                scope="study",
                year=years[run[0]],
                where=SAID(where),
                span=SAID(span, first=years[run[0]], last=years[run[-1]]),
                n_cells=int(np.isfinite(series.values[:, run]).sum()),
                n_possible=int(_printing(series).sum()) * len(run),
                first=years[first],
                last=years[last],
                said="missing_year",
            )


def _runs(flags: np.ndarray) -> list[np.ndarray]:
    at = np.flatnonzero(flags)
    runs = np.split(at, np.flatnonzero(np.diff(at) > 1) + 1)
    return [run for run in runs if len(run)]


def gaps(panel: Cells) -> Iterator[dict[str, Any]]:
    """Rules missing_city, missing_row and missing_cell.

    A cell counts where the variable is printed that year by others. A city without any
    cell is one row, half an empty row is one row; the rest is a row a cell.
    """
    names, current = [], []
    for name, series in panel.series.items():
        names.append(name)
        present = _absent_share(series) < ABSENT_SHARE
        current.append(np.broadcast_to(present, series.values.shape))
    if not names:
        return
    due = np.stack(current)
    printed = np.stack([np.isfinite(panel.series[name].values) for name in names])
    absent = due & ~printed
    due_of, absent_of = due.sum(axis=0), absent.sum(axis=0)
    n_printing = printed.sum(axis=1)
    has_any = printed.any(axis=(0, 2))
    for place, unit in enumerate(panel.city_ids):
        if not has_any[place]:
            yield finding("missing_city", "warning", "all_variables", unit_id=unit)
            continue
        for t in np.flatnonzero(absent_of[place]):
            year = panel.years[t]
            n_due, n_absent = due_of[place, t], absent_of[place, t]
            if n_absent >= ROW_CELLS and n_absent > ROW_SHARE * n_due:
                yield finding(
                    "missing_row",
                    "warning",
                    "all_variables",
                    unit_id=unit,
                    year=year,
                    members=[names[k] for k in np.flatnonzero(absent[:, place, t])],
                    n_absent=int(n_absent),
                    n_due=int(n_due),
                )
                continue
            for k in np.flatnonzero(absent[:, place, t]):
                yield _gap_row(panel.series[names[k]], place, t, n_printing[k, t])


def _gap_row(series: Series, place: int, t: int, n_others: int) -> dict[str, Any]:
    values, years = series.values[place], series.years
    printed = np.flatnonzero(np.isfinite(values))
    after = int(printed.searchsorted(t))
    near = printed[max(after - 1, 0) : after + 1]
    sides = [f"{number(values[i])} ({years[i]})" for i in near]
    return finding(
        "missing_cell",
        "info",
        series.name,
        unit_id=series.units[place],
        year=years[t],
        n_others=int(n_others),
        sides=sides or [SAID("none")],
    )


def rounding(panel: Cells) -> Iterator[dict[str, Any]]:
    """Rule rounded: a variable printed in steps that matter, or in coarser ones.

    The step of a year is the largest power of ten that `ROUND_SHARE` of its cells are
    multiples of. Reported where half a step is above `ROUND_ERROR` of the smallest
    city's figure, or where the step of a year is ten times that of the years before and
    more. One row a variable and first year of such a step.
    """
    for series in panel.series.values():
        if series.name == "gdp_growth_pct":
            continue
        steps = np.array([_step(series.values[:, t]) for t in range(len(series.years))])
        previous = None
        for t, step in enumerate(steps):
            column = series.values[:, t]
            column = column[np.isfinite(column) & (column > 0)]
            if not np.isfinite(step) or not len(column):
                continue
            error = step / 2 / column.min()
            coarser = previous is not None and step >= 10 * previous
            starts = previous is None or step != previous
            previous = step
            if not (starts and (error > ROUND_ERROR or coarser)):
                continue
            middle = float(nanmedian(column[:, None])[0])
            yield finding(
                "rounded",
                "warning" if error > ROUND_ERROR else "info",
                series.name,
                scope="study",
                year=series.years[t],
                step=step,
                error=error,
                middle_error=step / 2 / middle,
            )


def _step(column: np.ndarray) -> float:
    column = column[np.isfinite(column) & (column != 0)]
    if len(column) < 5:
        return np.nan
    step = np.nan
    for power in range(-2, 7):
        scaled = column / 10.0**power
        if (np.abs(scaled - np.round(scaled)) < 1e-6).mean() < ROUND_SHARE:
            break
        step = 10.0**power
    return step
