"""Publish the build file as the warehouse people read, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from citypanel.errors import PublicationError

# Readable by DuckDB 1.4 and every later release.
STORAGE_VERSION = "v1.4.0"
# Bookkeeping of the run itself: it depends on the clock and stays in the build file.
UNPUBLISHED_SCHEMAS = ("runs",)


def publish(
    connection: duckdb.DuckDBPyConnection,
    *,
    target: Path,
    unpublished_schemas: tuple[str, ...] = UNPUBLISHED_SCHEMAS,
) -> None:
    """Copy the connection's database to `target`, atomically.

    The copy is written beside `target` under another name, closed, and then renamed
    over it: a reader has the old file or the new one, never a part of either, and
    whoever holds the old one open goes on reading it.

    Parameters
    ----------
    connection : DuckDBPyConnection
        An open connection; its current database is copied as of its last commit.
    target : Path
        File to publish.
    unpublished_schemas : tuple of str
        Schemas left out of the copy.

    Raises
    ------
    PublicationError
        When the copy cannot be written; `target` is then as it was.
    """
    # A cursor of its own: the copy must stand outside the caller's transaction.
    cursor = connection.cursor()
    source = cursor.execute("select current_database()").fetchall()[0][0]
    for leftover in target.parent.glob(f".{target.name}.*"):
        leftover.unlink(missing_ok=True)
    copy = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        cursor.execute(
            f"attach '{_quoted(copy)}' as published "
            f"(storage_version '{STORAGE_VERSION}')"
        )
        try:
            cursor.execute(f'copy from database "{source}" to published')
            for schema in unpublished_schemas:
                cursor.execute(f'drop schema if exists published."{schema}" cascade')
        finally:
            cursor.execute("detach published")
        os.replace(copy, target)
    except (duckdb.Error, OSError) as error:
        copy.unlink(missing_ok=True)
        raise PublicationError(
            f"{target.name} could not be published: {error}\n"
            f"Consequence: {target.name} stands as the last successful build left it.\n"
            "Remedy: see that its folder is writable and the disk has room for a "
            "second copy, then run dbt build again."
        ) from error
    finally:
        cursor.close()


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
