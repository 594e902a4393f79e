"""Read the published file; write another whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


def write_atomically(path: Path, content: bytes) -> Path:
    """Write `content` beside `path` and rename it over; the old file stands till then.

    Raises
    ------
    OutputError
        The folder or the file cannot be written.
    """
    copy = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
        os.replace(copy, path)
    except OSError as error:
        with suppress(OSError):
            copy.unlink()
        raise OutputError(
            describe(
                f"{path} could not be written: {error.strerror or error}",
                consequence="the file of that name, if any, stands as it was",
                remedy="see that the folder is writable and not full, or name another "
                "with --output",
            )
        ) from error
    return path
