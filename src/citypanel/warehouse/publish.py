"""Publish the build file as the warehouse people read, whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from pathlib import Path

import duckdb

from citypanel.errors import PublicationError
from citypanel.files import is_running, real_path, replace
from citypanel.sql import sql_name, sql_text
from citypanel.warehouse.published import (
    Publication,
    kept_folder,
    kept_name,
    read_record,
    read_records,
    write_record,
)

# Readable by DuckDB 1.4 and every later release.
STORAGE_VERSION = "v1.4.0"
# Bytes. Most tables are small, and DuckDB's own 262144 would be mostly empty; a build
# of this size writes a third faster with them.
BLOCK_SIZE = 16384
LARGE_BLOCK_SIZE = 262144
LARGE_BUILD = 100 * 2**20
_PART = re.compile(r"[.](\d+)(?:@(.+?))?([.]wal)?$")
_ABANDONED_SECONDS = 24 * 3600
# What DuckDB says of a file in which blocks are missing or changed; as in end_run.sql.
_DAMAGE = ("could not read enough bytes", "checksum", "corrupt")


@dataclass(frozen=True)
class Table:
    """A table or view to publish as a table, and what is said of it.

    Attributes
    ----------
    schema, name : str
    comment : str
    column_comment : callable
        Of a column's name.
    may_be_empty : bool
        Whether no rows are sound.
    """

    schema: str
    name: str
    comment: str
    column_comment: Callable[[str], str]
    may_be_empty: bool = True


def publish(
    connection: duckdb.DuckDBPyConnection,
    tables: Sequence[Table],
    *,
    target: Path,
    record: Publication,
    keep: int = 0,
) -> Publication:
    """Copy tables of the connection's database to `target`, atomically.

    The copy is written beside `target` under another name, closed, and then renamed
    over it: a reader has the old file or the new one, never a part of either, and
    whoever holds the old one open goes on reading it.

    Parameters
    ----------
    connection : DuckDBPyConnection
        An open connection; its current database is copied as of its last commit.
    tables : sequence of Table
    target : Path
        File to publish; a link is followed.
    record : Publication
        What the file says of its run.
    keep : int
        How many earlier files are kept, in a folder beside the target.

    Returns
    -------
    Publication
        The record as it stands in the file.

    Raises
    ------
    PublicationError
        When there is nothing to publish, a table lacks its rows, or the copy cannot be
        written; `target` is then as it was.
    """
    if not tables:
        raise PublicationError.of(
            "warehouse.not_published",
            name=target.name,
            why="the build holds no table",
            remedy="run dbt build.",
        )
    target = real_path(target)
    record = replace_fields(record, n_tables=len(tables))
    # A cursor of its own: the copy must stand outside the caller's transaction.
    cursor = connection.cursor()
    copy = part_of(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for leftover in leftovers(target):
            leftover.unlink(missing_ok=True)
        source = cursor.execute("select current_database()").fetchall()[0][0]
        cursor.execute(
            f"attach {sql_text(copy)} as published "
            f"(storage_version '{STORAGE_VERSION}', "
            f"block_size {_block_size(cursor, source)})"
        )
        try:
            cursor.execute("begin")
            _copy_tables(cursor, source, tables)
            cursor.execute("commit")
            write_record(cursor, "published", record, read_records(target))
        except Exception:
            with suppress(duckdb.Error):
                cursor.execute("rollback")
            raise
        finally:
            cursor.execute("detach published")
        _keep(target, keep)
        # What somebody wrote into the old file and DuckDB has not merged would make the
        # new one unreadable; without it the old one is as it was published.
        write_ahead_log(target).unlink(missing_ok=True)
        replace(copy, target)
    except (duckdb.Error, OSError) as error:
        raise PublicationError.of(
            "warehouse.not_published",
            name=target.name,
            why=" ".join(str(error).split()),
            remedy=_remedy(error, target),
        ) from error
    finally:
        for rest in (copy, write_ahead_log(copy)):
            with suppress(OSError):
                rest.unlink()
        cursor.close()
    return record


def _block_size(cursor: duckdb.DuckDBPyConnection, source: str) -> int:
    """Bytes of a block: small where most tables are, large where writing takes long."""
    size = cursor.execute(
        "select coalesce(sum(used_blocks * block_size), 0) from pragma_database_size() "
        "where database_name = ?",
        [source],
    ).fetchall()[0][0]
    return BLOCK_SIZE if size < LARGE_BUILD else LARGE_BLOCK_SIZE


def _copy_tables(
    cursor: duckdb.DuckDBPyConnection, source: str, tables: Sequence[Table]
) -> None:
    """Write the tables, their comments and those of their columns."""
    for schema in sorted({table.schema for table in tables}):
        cursor.execute(f"create schema if not exists published.{sql_name(schema)}")
    columns: dict[tuple[str, str], list[tuple[str, str, bool]]] = {}
    for schema, name, *column in cursor.execute(
        "select schema_name, table_name, column_name, data_type, is_nullable "
        "from duckdb_columns() where database_name = ? "
        "order by table_oid, column_index",
        [source],
    ).fetchall():
        columns.setdefault((schema, name), []).append(tuple(column))
    empty, comments = [], []
    for table in tables:
        place = f"{sql_name(table.schema)}.{sql_name(table.name)}"
        declared = ", ".join(
            f"{sql_name(column)} {data_type}{'' if may_be_null else ' not null'}"
            for column, data_type, may_be_null in columns[table.schema, table.name]
        )
        cursor.execute(f"create table published.{place} ({declared})")
        n_rows = cursor.execute(
            f"insert into published.{place} from {sql_name(source)}.{place}"
        ).fetchall()[0][0]
        if n_rows == 0 and not table.may_be_empty:
            empty.append(f"{table.schema}.{table.name}")
        comments.append(
            f"comment on table published.{place} is {sql_text(table.comment)}"
        )
        for column, *_ in columns[table.schema, table.name]:
            text = table.column_comment(column) or f"Column {column}, not described."
            comments.append(
                f"comment on column published.{place}.{sql_name(column)} "
                f"is {sql_text(text)}"
            )
    cursor.execute("; ".join(comments))
    if empty:
        raise PublicationError.of("warehouse.tables_empty", empty)


def _keep(target: Path, keep: int) -> None:
    """Give the file that is about to be replaced a second name, and drop the oldest."""
    if not keep:
        return
    folder = kept_folder(target)
    record = read_record(target)
    if record is not None:
        folder.mkdir(exist_ok=True)
        kept = folder / kept_name(record)
        try:
            os.link(target, kept)
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            shutil.copy2(target, kept)
    for old in sorted(folder.glob("*.duckdb"))[:-keep]:
        old.unlink(missing_ok=True)


def part_of(target: Path) -> Path:
    """Return where this process writes a copy before it takes the target's place."""
    return target.with_name(f".{target.name}.{os.getpid()}@{socket.gethostname()}")


def leftovers(target: Path) -> list[Path]:
    """Return what publications that were killed left beside the target.

    They are the copies being written and DuckDB's logs of them; the next publication
    removes them. A copy whose process still runs, here or for less than a day on
    another machine, is none.
    """
    found = sorted(target.parent.glob(f".{target.name}.*"))
    return [path for path in found if not _is_being_written(path)]


def _is_being_written(path: Path) -> bool:
    named = _PART.search(path.name)
    if named is None:
        return False
    pid, host = int(named[1]), named[2]
    if host and host != socket.gethostname():
        try:
            return time.time() - path.stat().st_mtime < _ABANDONED_SECONDS
        except OSError:
            return False
    return pid != os.getpid() and is_running(pid)


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
