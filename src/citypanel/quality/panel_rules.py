"""Rules of whole tables: each returns the rows that break it, none where it holds.

Cells may be text, as in a seed: what is not a number counts as empty here, because
other expectations name it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from citypanel.quality.profiles import drifts

# Offenders that stand in the observed value.
SHOWN = 3
# The rule of each expectation.
EXPECTATIONS = {
    "expect_panel_to_be_balanced": "panel_gaps",
    "expect_policy_exposure_to_be_monotone": "exposure_falls",
    "expect_capital_to_follow_recursion": "recursion_breaks",
    "expect_columns_to_multiply_to": "product_breaks",
    "expect_parts_not_to_exceed_total": "sum_excesses",
    "expect_table_profile_to_match_accepted": "profile_drifts",
}


def offenders(
    frame: pd.DataFrame, expectation: str, arguments: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """What breaks the rule of an expectation, as records."""
    given = {name: value for name, value in arguments.items() if value is not None}
    found = globals()[EXPECTATIONS[expectation]](frame, **given)
    return found.astype(object).where(found.notna(), None).to_dict("records")


def observed(
    expectation: str, found: Sequence[Mapping[str, Any]], arguments: Mapping[str, Any]
) -> str:
    """The first offenders and how many more there are; else what holds."""
    if not found:
        if EXPECTATIONS[expectation] == "profile_drifts":
            return arguments["accepted"].get("note") or "as accepted"
        return "none"
    first = "; ".join(
        ", ".join(f"{key} {value}" for key, value in offender.items())
        for offender in found[:SHOWN]
    )
    more = len(found) - SHOWN
    return first + (f"; and {more} more" if more > 0 else "")


def panel_gaps(
    frame: pd.DataFrame, *, unit_column: str, time_column: str
) -> pd.DataFrame:
    """Unit-times without a row between the first and the last time of the table."""
    units = frame[unit_column].drop_duplicates()
    times = pd.to_numeric(frame[time_column], errors="coerce").dropna().astype(int)
    if times.empty:
        return frame.loc[:, [unit_column, time_column]].head(0)
    spine = pd.MultiIndex.from_product(
        [units, range(times.min(), times.max() + 1)], names=[unit_column, time_column]
    )
    present = pd.MultiIndex.from_arrays([frame.loc[times.index, unit_column], times])
    return spine.difference(present).to_frame(index=False)


def exposure_falls(
    frame: pd.DataFrame, *, unit_column: str, time_column: str, exposure_column: str
) -> pd.DataFrame:
    """Rows whose exposure is below that of the unit's row before: a_it < a_i,t-1."""
    ordered = frame.sort_values([unit_column, time_column], kind="stable")
    before = ordered.groupby(unit_column)[exposure_column].shift()
    found = ordered[ordered[exposure_column] < before]
    return found[[unit_column, time_column, exposure_column]].assign(
        before=before[found.index]
    )


def recursion_breaks(
    frame: pd.DataFrame,
    *,
    unit_column: str,
    time_column: str,
    stock_column: str,
    investment_column: str,
    depreciation_column: str,
    tolerance: float = 1e-9,
) -> pd.DataFrame:
    """Rows whose stock is not K_t = (1 - d) K_t-1 + I_t, relative to `tolerance`.

    The first row of a unit is its initial stock and follows no recursion; a row after a
    gap cannot follow it and is among the offenders.
    """
    ordered = frame.sort_values([unit_column, time_column], kind="stable")
    before = ordered.groupby(unit_column)[[stock_column, time_column]].shift()
    expected = (1 - ordered[depreciation_column]) * before[stock_column] + ordered[
        investment_column
    ]
    stock = ordered[stock_column]
    is_first = ~ordered.duplicated(unit_column)
    holds = (
        ((stock - expected).abs() <= tolerance * stock.abs())
        & (ordered[time_column] - before[time_column] == 1)
    )  # fmt: skip
    broken = ~is_first & ~holds
    return ordered.loc[broken, [unit_column, time_column, stock_column]].assign(
        expected=expected[broken]
    )


def product_breaks(
    frame: pd.DataFrame,
    *,
    keys: Sequence[str],
    product_column: str,
    factor_columns: Sequence[str],
    tolerance: float = 1e-9,
) -> pd.DataFrame:
    """Rows in which the factors do not multiply to the product; empty cells aside."""
    product = frame[list(factor_columns)].prod(axis=1, skipna=False)
    gap = (frame[product_column] - product).abs()
    broken = gap > tolerance * frame[product_column].abs()
    return frame.loc[broken, [*keys, product_column]].assign(expected=product[broken])


def sum_excesses(
    frame: pd.DataFrame,
    *,
    keys: Sequence[str],
    total_column: str,
    part_columns: Sequence[str],
    tolerance: float = 0.0,
) -> pd.DataFrame:
    """Rows whose parts sum to over 1 + tolerance of the total; empty cells aside.

    A sum beyond it by the rounding of its terms is not.
    """
    total = pd.to_numeric(frame[total_column], errors="coerce")
    parts = frame[list(part_columns)].apply(pd.to_numeric, errors="coerce")
    summed = parts.sum(axis=1, skipna=False)
    broken = summed - (1 + tolerance) * total > 1e-12 * parts.abs().sum(axis=1)
    return frame.loc[broken, [*keys, total_column]].assign(sum_of_parts=summed[broken])


def profile_drifts(
    frame: pd.DataFrame,
    *,
    accepted: Mapping[str, Any],
    distance: float = 0.05,
    empty_share: float = 0.02,
) -> pd.DataFrame:
    """Columns whose distribution left that of the accepted run (`profiles.drifts`)."""
    if "columns" not in accepted:
        return pd.DataFrame()
    return drifts(frame, accepted, distance=distance, empty_share=empty_share)
