"""Hand tables from one process to another without a string for every cell.

A column of text is a Python string a row, made in one process, pickled, and made again
in the other: most of what a large table costs. Its different values are few. They go
over once, with a small number a row; on arrival the rows share the strings, and the
table is the same as before, types included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from citypanel.sql import sql_name, sql_text

if TYPE_CHECKING:
    import duckdb

# More different values than this, or fewer rows, go over as they are.
MOST_VALUES = 5000
FEWEST_ROWS = 20_000


@dataclass(frozen=True)
class Packed:
    """A table on its way.

    Attributes
    ----------
    frame : DataFrame
        With categories in place of text.
    text : dict of str to dtype
        Types of the columns that were text.
    """

    frame: pd.DataFrame
    text: dict[str, Any]

    def unpacked(self) -> pd.DataFrame:
        """The table as it was."""
        columns = {}
        for name, column in self.frame.items():
            if name in self.text:
                values = column.array.categories.to_numpy(dtype=object)
                # Text that is missing has the code -1: the last place.
                values = np.append(values, np.array([None], dtype=object))
                if isinstance(self.text[name], pd.StringDtype):
                    values = pd.array(values, dtype=self.text[name])
                values = values[column.array.codes]
                column = pd.Series(values, self.frame.index, dtype=self.text[name])
            columns[name] = column
        new = pd.DataFrame(columns, index=self.frame.index, copy=False)
        new.attrs = self.frame.attrs
        return new


def packed(value: Any) -> Any:
    """Relations and frames ready to go over, alone or in a mapping; others unchanged.

    Parameters
    ----------
    value : object
        A relation of DuckDB becomes the frame that its ``df`` makes.
    """
    if isinstance(value, dict):
        return {key: packed(item) for key, item in value.items()}
    if isinstance(value, pd.DataFrame):
        return _frame(value)
    if hasattr(value, "fetchnumpy") and hasattr(value, "project"):
        return _relation(value)
    return value


def unpacked(value: Any) -> Any:
    """What `packed` was given, relations as frames."""
    if isinstance(value, dict):
        return {key: unpacked(item) for key, item in value.items()}
    return value.unpacked() if isinstance(value, Packed) else value


def _relation(relation: duckdb.DuckDBPyRelation) -> Packed | pd.DataFrame:
    """A relation read with DuckDB's own dictionaries of its text."""
    if relation.aggregate("count(*)").fetchall()[0][0] < FEWEST_ROWS:
        return relation.df()
    text = [
        name
        for name, kind in zip(relation.columns, relation.types, strict=True)
        if str(kind) == "VARCHAR"
    ]
    if not text:
        return relation.df()
    counts = ", ".join(f"approx_count_distinct({sql_name(name)})" for name in text)
    different = relation.aggregate(counts).fetchall()[0]
    few = [
        name for name, n in zip(text, different, strict=True) if 0 < n <= MOST_VALUES
    ]
    if not few:
        return relation.df()
    lists = ", ".join(f"list_sort(list(distinct {sql_name(name)}))" for name in few)
    values = dict(zip(few, relation.aggregate(lists).fetchall()[0], strict=True))
    parts = []
    for name in relation.columns:
        part = sql_name(name)
        if name in values:
            words = ", ".join(sql_text(v) for v in values[name] if v is not None)
            part = f"{part}::enum({words}) as {part}"
        parts.append(part)
    frame = relation.project(", ".join(parts)).df()
    return Packed(frame, dict.fromkeys(few, pd.Series([""]).dtype))


def _frame(frame: pd.DataFrame) -> Packed | pd.DataFrame:
    """A frame whose columns of few strings are categories."""
    if len(frame) < FEWEST_ROWS or not frame.columns.is_unique:
        return frame
    columns, text = {}, {}
    for name, column in frame.items():
        if _is_text(column):
            codes, values = pd.factorize(column.array)
            if len(values) <= MOST_VALUES:
                text[name] = column.dtype
                values = pd.Index(np.asarray(values, dtype=object))
                column = pd.Series(
                    pd.Categorical.from_codes(codes, values), index=frame.index
                )
        columns[name] = column
    if not text:
        return frame
    new = pd.DataFrame(columns, index=frame.index, copy=False)
    new.attrs = frame.attrs
    return Packed(new, text)


def _is_text(column: pd.Series) -> bool:
    if isinstance(column.dtype, pd.StringDtype):
        return True
    if column.dtype != object:
        return False
    # Of what is missing only None comes back as it was.
    inferred = pd.api.types.infer_dtype(column, skipna=True) == "string"
    return inferred and not any(
        x is not None and not isinstance(x, str) for x in column
    )
