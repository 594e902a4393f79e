"""The curve's tables and pages as files, each replaced whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd


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
                part = folder / f".{name}.{ending}.part"
                quoted = str(part).replace("'", "''")
                connection.execute(
                    f"copy (from one_table) to '{quoted}' (format {form})"
                )
                os.replace(part, path)
                written.append(path)
            connection.unregister("one_table")
    return written


def write_text(path: Path, text: str) -> Path:
    """Write a text file, whole or not at all."""
    return write_with(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_with(path: Path, write: Callable[[Path], object]) -> Path:
    """Let `write` fill a file beside `path`, then rename it over `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix
    )
    os.close(handle)
    part = Path(name)
    try:
        write(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    path.chmod(0o644)
    return path
