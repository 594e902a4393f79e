"""Read the published file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from citypanel.errors import OutputError, describe


@contextmanager
def open_published(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse file read-only.

    Raises
    ------
    OutputError
        There is no such file, or it cannot be read.
    """
    if not database.is_file():
        raise OutputError(
            describe(
                f"There is no {database}",
                consequence="nothing was written",
                remedy="build it with: dbt build; or run the command in the project's "
                "root, or name the file with --database",
            )
        )
    try:
        connection = duckdb.connect(str(database), read_only=True)
    except duckdb.Error as error:
        raise OutputError(
            describe(
                f"{database} cannot be read: {str(error).splitlines()[0]}",
                consequence="nothing was written",
                remedy="close what holds the file, or publish it anew with: dbt build",
            )
        ) from error
    try:
        yield connection
    finally:
        connection.close()
