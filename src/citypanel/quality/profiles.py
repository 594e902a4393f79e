"""Profiles of tables: what an accepted run looked like, to compare the next one with.

A profile holds, for every column of numbers, the share of empty cells, the ends of its
range, and its distribution function at the deciles. Nine points say as much about a
shift as the cells do, and fit into a file that a person can read and compare.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

DECILES = np.arange(1, 10) / 10
DIGITS = 10
# A column of text is one of numbers where nearly every filled cell reads as one.
NUMERIC_SHARE = 0.9


def profile(frame: pd.DataFrame, *, keys: Iterable[str] = ()) -> dict[str, Any]:
    """Describe every column of numbers, keys aside.

    Parameters
    ----------
    frame : DataFrame
        Any table; cells may be text.
    keys : iterable of str
        Columns that name a row and have no distribution of interest.

    Returns
    -------
    dict
        `n_rows` and, by column under `columns`, `empty_share` (0-1), `low`, `high`,
        `deciles` and `cdf`, F(q) = share of the filled cells that are <= q, at each of
        the nine deciles q. Numbers are rounded to ten digits.
    """
    keys = set(keys)
    columns: dict[str, dict[str, Any]] = {}
    for name in frame.columns:
        if name in keys:
            continue
        cells = _numbers(frame[name])
        if cells is None:
            continue
        filled = cells.dropna().to_numpy()
        if len(filled) == 0:
            columns[name] = {"empty_share": 1.0}
            continue
        deciles = [
            _rounded(value)
            for value in np.quantile(filled, DECILES, method="inverted_cdf")
        ]
        columns[name] = {
            "empty_share": _rounded(cells.isna().mean()),
            "low": _rounded(filled.min()),
            "high": _rounded(filled.max()),
            "deciles": deciles,
            "cdf": [_rounded(value) for value in _cdf(filled, _tolerant(deciles))],
        }
    return {"n_rows": len(frame), "columns": columns}


def drifts(
    frame: pd.DataFrame,
    accepted: Mapping[str, Any],
    *,
    distance: float = 0.05,
    empty_share: float = 0.02,
) -> pd.DataFrame:
    """What left the accepted profile.

    Parameters
    ----------
    frame : DataFrame
        The present table.
    accepted : mapping
        A profile of it (`profile`).
    distance : float
        Largest |F_now(q) - F_accepted(q)| over the accepted deciles that passes. 0.05:
        one cell in twenty has moved past a decile; a sample of 600 from the accepted
        distribution strays that far in one case of ten (Kolmogorov).
    empty_share : float
        Largest change of the share of empty cells that passes.

    Returns
    -------
    DataFrame
        One row per column and statistic: column, statistic (rows, column, empty_share,
        distribution, range), accepted, now. The range is named where a value lies
        further outside the accepted one than half its width.
    """
    rows = []

    def note(column: str, statistic: str, before: Any, now: Any) -> None:
        rows.append(
            {"column": column, "statistic": statistic, "accepted": before, "now": now}
        )

    if len(frame) != accepted["n_rows"]:
        note("(all)", "rows", accepted["n_rows"], len(frame))
    for name, before in accepted["columns"].items():
        cells = _numbers(frame[name]) if name in frame else None
        if cells is None:
            note(name, "column", "numbers", "absent or not numbers")
            continue
        now_empty = float(cells.isna().mean()) if len(cells) else 1.0
        if abs(now_empty - before["empty_share"]) > empty_share:
            note(name, "empty_share", before["empty_share"], _rounded(now_empty))
        filled = cells.dropna().to_numpy()
        if len(filled) == 0 or "deciles" not in before:
            continue
        now = _cdf(filled, _tolerant(before["deciles"]))
        gap = np.abs(now - np.asarray(before["cdf"]))
        if gap.max() > distance:
            worst = int(gap.argmax())
            note(
                name,
                "distribution",
                f"{before['cdf'][worst]:.3f} at or below {before['deciles'][worst]:g}",
                f"{now[worst]:.3f}",
            )
        room = 0.5 * (before["high"] - before["low"]) + 1e-9 * abs(before["high"])
        for end, value, is_outside in (
            ("low", filled.min(), filled.min() < before["low"] - room),
            ("high", filled.max(), filled.max() > before["high"] + room),
        ):
            if is_outside:
                note(name, "range", f"{end} {before[end]:g}", f"{value:g}")
    return pd.DataFrame(rows, columns=["column", "statistic", "accepted", "now"])


def _numbers(cells: pd.Series) -> pd.Series | None:
    """The cells as floats; none where the column is not one of numbers."""
    if pd.api.types.is_bool_dtype(cells) or pd.api.types.is_datetime64_any_dtype(cells):
        return None
    numbers = pd.to_numeric(cells, errors="coerce").astype("float64")
    n_filled = int(cells.notna().sum())
    if pd.api.types.is_numeric_dtype(cells):
        return numbers
    if n_filled == 0 or numbers.notna().sum() < NUMERIC_SHARE * n_filled:
        return None
    return numbers


def _cdf(filled: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.searchsorted(np.sort(filled), points, side="right") / len(filled)


def _tolerant(deciles: list[float]) -> np.ndarray:
    # A decile is rounded; the cell it came from, and cells that differ from it by the
    # rounding of an operation, must still count as not above it.
    points = np.asarray(deciles)
    return points + 1e-9 * np.abs(points)


def _rounded(value: float) -> float:
    return float(f"{float(value):.{DIGITS}g}")
