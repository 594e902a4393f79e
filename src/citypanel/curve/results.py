"""Tables as CSV and Parquet, each file replaced whole."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd

from citypanel.files import atomically
from citypanel.sql import sql_text


def write_tables(tables: dict[str, pd.DataFrame], folder: Path) -> list[Path]:
    """Write each table as CSV and Parquet, under its name.

    The bytes depend on the table alone. A file is written beside its name and renamed
    over it: a reader has the old one or the new one.

    Returns
    -------
    list of Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with duckdb.connect() as connection:
        connection.execute("set threads = 1")
        for name, table in tables.items():
            connection.register("one_table", table)
            for ending, form in (("csv", "csv, header"), ("parquet", "parquet")):
                path = folder / f"{name}.{ending}"
                with atomically(path) as part:
                    connection.execute(
                        f"copy (from one_table) to {sql_text(part)} (format {form})"
                    )
                written.append(path)
            connection.unregister("one_table")
    return written
