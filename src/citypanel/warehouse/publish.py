"""Publish the build file as the warehouse people read, whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import duckdb

from citypanel.errors import PublicationError, describe
from citypanel.files import replace

# Readable by DuckDB 1.4 and every later release.
STORAGE_VERSION = "v1.4.0"
# Bookkeeping of the run itself: it depends on the clock and stays in the build file.
UNPUBLISHED_SCHEMAS = ("runs",)
# What DuckDB says of a file in which blocks are missing or changed; as in end_run.sql.
_DAMAGE = ("could not read enough bytes", "checksum", "corrupt")


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
    copy = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        for leftover in leftovers(target):
            leftover.unlink(missing_ok=True)
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
        # What somebody wrote into the old file and DuckDB has not merged would make the
        # new one unreadable; without it the old one is as it was published.
        write_ahead_log(target).unlink(missing_ok=True)
        replace(copy, target)
    except (duckdb.Error, OSError) as error:
        for rest in (copy, write_ahead_log(copy)):
            with suppress(OSError):
                rest.unlink()
        raise PublicationError(
            describe(
                f"{target.name} could not be published: {' '.join(str(error).split())}",
                consequence=f"{target.name} stands as the last successful build left "
                "it.",
                remedy=_remedy(error, target),
            )
        ) from error
    finally:
        cursor.close()


def leftovers(target: Path) -> list[Path]:
    """Return what publications that were killed left beside the target.

    They are the copies being written and DuckDB's logs of them; the next publication
    removes them.
    """
    return sorted(target.parent.glob(f".{target.name}.*"))


def write_ahead_log(path: Path) -> Path:
    """Return where DuckDB keeps changes it has not merged into the file."""
    return path.with_name(f"{path.name}.wal")


def _remedy(error: Exception, target: Path) -> str:
    if any(words in str(error).lower() for words in _DAMAGE):
        return (
            "the build file is damaged. Remove target/citypanel_build.duckdb and "
            "target/citypanel_build.duckdb.wal and run dbt build again."
        )
    return (
        f"see that the folder of {target.name} is writable and the disk has room "
        "for a second copy, then run dbt build again."
    )


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
