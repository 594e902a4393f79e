"""Read the published file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from citypanel.errors import OutputError


@contextmanager
def open_published(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse file read-only.

    Raises
    ------
    OutputError
        There is no such file, or it cannot be read.
    """
    if not database.is_file():
        raise OutputError.of("exports.no_database", database=database)
    try:
        connection = duckdb.connect(str(database), read_only=True)
    except duckdb.Error as error:
        raise OutputError.of(
            "exports.unreadable", database=database, what=str(error).splitlines()[0]
        ) from error
    with connection:
        yield connection
