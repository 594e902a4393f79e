"""A table as Parquet and as CSV."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from citypanel.exports.labels import variables
from citypanel.exports.tables import Export
from citypanel.files import neutral_frame
from citypanel.sql import sql_text

if TYPE_CHECKING:
    import duckdb

FORMATS = ("parquet", "csv", "dta")


def parquet_bytes(connection: duckdb.DuckDBPyConnection, export: Export) -> bytes:
    """Write the table with DuckDB; labels stand in the file's metadata.

    The metadata's keys are description and columns, the latter JSON with the labels,
    unit, source and formula of each column
    (`select decode(value) from parquet_kv_metadata('panel.parquet')`).
    """
    meanings = variables(export.columns).set_index("name").to_dict(orient="index")
    columns = json.dumps(meanings, ensure_ascii=False, sort_keys=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        connection.execute(
            f"copy ({export.sql}) to {sql_text(path)} (format parquet, "
            f"kv_metadata {{description: {sql_text(export.description)}, "
            f"columns: {sql_text(columns)}}})"
        )
        return path.read_bytes()


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """Write the table as UTF-8 CSV; text that begins like a formula is made neutral.

    Numbers have as many digits as make them the same again; flags are true and false,
    dates are ISO 8601, and an empty cell has no value.
    """
    neutral = neutral_frame(frame)
    for place, values in enumerate(frame[name] for name in frame):
        if pd.api.types.is_bool_dtype(values):
            words = values.astype(object).map({True: "true", False: "false"})
            neutral.isetitem(place, words)
        elif pd.api.types.is_datetime64_any_dtype(values):
            neutral.isetitem(place, values.dt.strftime("%Y-%m-%d"))
    return neutral.to_csv(index=False, lineterminator="\n").encode("utf-8")
