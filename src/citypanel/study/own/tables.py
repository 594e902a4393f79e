"""The tables of a study that brings its panel: their columns, types, and one shape.

They are the same for every study: `evaluate` returns them, a build publishes them in
schema ``study``, and the report reads nothing else. The contracts of dbt's models
declare them. Periods and cohorts are text, as
the panel writes them; ``period_number`` is a period's place on the panel's grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from citypanel.words import load

#: Where they stand in a file.
SCHEMA = "study"
_CONTRACTS = Path(__file__).parents[2] / "skeleton/models/study/_study__models.yml"


@cache
def contracts() -> list[dict]:
    """The tables' contracts, as dbt reads them."""
    return load(_CONTRACTS)["models"]


#: Columns of every table and their types in DuckDB.
TABLES: dict[str, dict[str, str]] = {
    model["name"]: {column["name"]: column["data_type"] for column in model["columns"]}
    for model in contracts()
}
#: The table and the row of a stacked frame; see `stacked`.
MART, ROW = "mart", "mart_row"
_DTYPES = {
    "varchar": "string",
    "double": "float64",
    "bigint": "Int64",
    "boolean": "boolean",
}


def fixed(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """A table with its own columns and types; what it lacks is null."""
    columns = TABLES[name]
    out = pd.DataFrame(index=range(len(frame)))
    for column, kind in columns.items():
        values = frame[column] if column in frame else pd.Series([None] * len(frame))
        values = values.reset_index(drop=True)
        if kind == "varchar":
            out[column] = pd.Series([text(v) for v in values], dtype="string")
        elif kind == "boolean":
            out[column] = values.astype("boolean")
        else:
            out[column] = pd.to_numeric(values, errors="coerce").astype(_DTYPES[kind])
    return out


def text(value: object) -> str | None:
    """A label as text: 2001 and not 2001.0, a day without its midnight."""
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, (float, np.floating)):
        if not np.isfinite(value):
            return None
        return str(int(value)) if value == int(value) else repr(float(value))
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat() if value == value.normalize() else str(value)
    return str(value)


def stacked(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables one below the other, ``mart`` saying which a row is of.

    One column has one type in every table; a table's columns are cut out again by name.
    """
    types = {c: kind for columns in TABLES.values() for c, kind in columns.items()}
    parts = [
        frame.reindex(columns=list(types)).assign(
            **{MART: name, ROW: range(len(frame))}
        )
        for name, frame in tables.items()
        if len(frame)
    ]
    out = pd.concat(parts, ignore_index=True)
    kinds = {c: _DTYPES[kind] for c, kind in types.items()}
    return out[[MART, ROW, *types]].astype({MART: "string", ROW: "Int64"} | kinds)
