"""Expectations answered on the columns of a table, as Great Expectations does.

A build asks some hundred expectations of nine kinds, beside the rules of `panel_rules`.
Great Expectations' import takes longer than their answers; it runs the same suites for
the Data Docs, and here where a suite asks what this module does not know. A test holds
the two to the same answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import getfullargspec
from typing import Any

import numpy as np
import pandas as pd

from citypanel.errors import PanelError
from citypanel.quality import panel_rules


@dataclass(frozen=True)
class Answer:
    """What an expectation found.

    Attributes
    ----------
    success : bool
    n_unexpected : int or None
        Cells or rows that break it; None where it is about the whole table.
    share : float or None
        Of the cells with a value, 0 to 1.
    observed : str or None
        The value that was looked at.
    offenders : list of dict
        The rows that break it: their keys, then the cells.
    """

    success: bool
    n_unexpected: int | None = None
    share: float | None = None
    observed: str | None = None
    offenders: Sequence[Mapping[str, Any]] = ()


def answer(
    frame: pd.DataFrame, kind: str, arguments: Mapping[str, Any], *, keys: list[str]
) -> Answer | None:
    """Answer an expectation; None where its kind or an argument is not known here.

    Raises
    ------
    PanelError
        When a column is not in the table, or the values cannot be compared.
    """
    if kind in panel_rules.EXPECTATIONS:
        return _of_rule(frame, kind, arguments)
    function = KINDS.get(kind)
    if function is None or set(arguments) - set(getfullargspec(function).kwonlyargs):
        return None
    missing = [name for name in _columns(arguments) if name not in frame]
    if missing:
        raise PanelError.of("quality.expectation_lacks_columns", missing, kind=kind)
    try:
        return function(frame, keys, **arguments)
    except TypeError as error:
        raise PanelError.of(
            "quality.expectation_compares_nothing", kind=kind, error=error
        ) from error


def _columns(arguments: Mapping[str, Any]) -> list[str]:
    names = [arguments[n] for n in ("column", "column_A", "column_B") if n in arguments]
    return names + list(arguments.get("column_list", ()))


def _of_rule(frame: pd.DataFrame, kind: str, arguments: Mapping[str, Any]) -> Answer:
    offenders = panel_rules.offenders(frame, kind, arguments)
    return Answer(
        not offenders,
        len(offenders),
        observed=panel_rules.observed(kind, offenders, arguments),
        offenders=offenders,
    )


def _of_cells(
    frame: pd.DataFrame,
    keys: list[str],
    columns: list[str],
    bad: np.ndarray,
    asked: np.ndarray,
    mostly: float = 1.0,
) -> Answer:
    """The answer of an expectation about each cell that is asked."""
    n, n_bad = int(asked.sum()), int(bad.sum())
    shown = frame.loc[bad, list(dict.fromkeys([*columns, *keys]))]
    return Answer(
        n == 0 or (n - n_bad) / n >= mostly,
        n_bad,
        None if n == 0 else n_bad / n * 100 / 100,
        offenders=shown.to_dict("records"),
    )


def _there(column: pd.Series) -> np.ndarray:
    return column.notna().to_numpy(bool)


def _between(
    frame,
    keys,
    *,
    column,
    min_value=None,
    max_value=None,
    strict_min=False,
    strict_max=False,
    mostly=1.0,
) -> Answer:
    values, there = frame[column], _there(frame[column])
    bad = np.zeros(len(frame), dtype=bool)
    known = values[there]
    outside = pd.Series(False, index=known.index)
    if min_value is not None:
        outside |= known <= min_value if strict_min else known < min_value
    if max_value is not None:
        outside |= known >= max_value if strict_max else known > max_value
    bad[there] = outside.to_numpy(bool)
    return _of_cells(frame, keys, [column], bad, there, mostly)


def _not_null(frame, keys, *, column, mostly=1.0) -> Answer:
    bad = ~_there(frame[column])
    return _of_cells(frame, keys, [column], bad, np.ones(len(frame), bool), mostly)


def _in_set(frame, keys, *, column, value_set, mostly=1.0) -> Answer:
    there = _there(frame[column])
    bad = there & ~frame[column].isin(value_set).to_numpy(bool)
    return _of_cells(frame, keys, [column], bad, there, mostly)


def _matches(frame, keys, *, column, regex, mostly=1.0) -> Answer:
    there, pattern = _there(frame[column]), re.compile(regex)
    texts = frame[column][there].astype(str)
    bad = there.copy()
    bad[there] = [pattern.search(text) is None for text in texts]
    return _of_cells(frame, keys, [column], bad, there, mostly)


def _unique(frame, keys, *, column, mostly=1.0) -> Answer:
    there = _there(frame[column])
    bad = there & frame[column].duplicated(keep=False).to_numpy(bool)
    return _of_cells(frame, keys, [column], bad, there, mostly)


def _compound_unique(frame, keys, *, column_list, mostly=1.0) -> Answer:
    asked = ~frame[column_list].isna().all(axis=1).to_numpy(bool)
    bad = asked & frame.duplicated(column_list, keep=False).to_numpy(bool)
    return _of_cells(frame, keys, list(column_list), bad, asked, mostly)


def _greater(frame, keys, *, column_A, column_B, or_equal=False, mostly=1.0) -> Answer:
    a, b = frame[column_A], frame[column_B]
    asked = ~(a.isna() & b.isna()).to_numpy(bool)
    holds = (a >= b) if or_equal else (a > b)
    bad = asked & ~holds.fillna(False).to_numpy(bool)
    return _of_cells(frame, keys, [column_A, column_B], bad, asked, mostly)


def _mean_between(frame, keys, *, column, min_value=None, max_value=None) -> Answer:
    mean = frame[column].mean()
    return Answer(_inside(mean, min_value, max_value), observed=str(mean))


def _row_count(frame, keys, *, min_value=None, max_value=None) -> Answer:
    n = len(frame)
    return Answer(_inside(n, min_value, max_value), observed=str(n))


def _inside(value, low, high) -> bool:
    return bool((low is None or value >= low) and (high is None or value <= high))


# What each is called with are the keyword arguments of its function.
KINDS: dict[str, Callable[..., Answer]] = {
    "expect_column_values_to_be_between": _between,
    "expect_column_values_to_not_be_null": _not_null,
    "expect_column_values_to_be_in_set": _in_set,
    "expect_column_values_to_match_regex": _matches,
    "expect_column_values_to_be_unique": _unique,
    "expect_compound_columns_to_be_unique": _compound_unique,
    "expect_column_pair_values_a_to_be_greater_than_b": _greater,
    "expect_column_mean_to_be_between": _mean_between,
    "expect_table_row_count_to_be_between": _row_count,
}
