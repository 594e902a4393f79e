"""Many studies and runs in one DuckLake, which many people write and read at once.

A published file becomes one snapshot of the lake. Each study has a schema of its own;
its tables have the columns `run_id` and `options_sha256` in front, and rows are only
ever added. `publication.runs` has one row a publication, and `publication.latest` those
that the next of the same study and options has not replaced.

DuckLake itself has snapshots, time travel and an order of those who write at once. What
it lacks is a key: every publication of a study moves the study's counter on, so that of
two at once the second begins again and sees the first.
"""

from __future__ import annotations

import importlib.util
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from citypanel.errors import PublicationError
from citypanel.sql import sql_name, sql_text
from citypanel.warehouse.published import (
    COMMENTS,
    RECORD_SCHEMA,
    RECORD_TABLE,
    Publication,
    read_record,
)

PREFIX = "ducklake:"
# Extensions that a catalog needs beyond DuckLake's own, by the start of its name.
CATALOGS = {
    "postgres:": "postgres_scanner",
    "sqlite:": "sqlite_scanner",
    "mysql:": "mysql_scanner",
}
KEYS = ("run_id", "options_sha256")
# The study's counter, a table of one row in its schema.
COUNTER = "_publications"
NOT_OF_STUDIES = (RECORD_SCHEMA, "main", "information_schema", "pg_catalog")
TRIES = 40
# Types of columns that hold every value of those before them.
WIDER = ("INTEGER", "BIGINT", "DOUBLE")
RECORD = [field.name for field in fields(Publication) if field.name != "is_this_file"]


@dataclass(frozen=True)
class Entry:
    """A publication as it stands in a lake.

    Attributes
    ----------
    study, run_id : str
    sequence : int
        The study's publications, counted from 1.
    n_tables, n_rows : int
    snapshot : int
        Of the lake, which is this publication.
    is_new : bool
        False where the lake had the run already.
    """

    study: str
    run_id: str
    sequence: int
    n_tables: int
    n_rows: int
    snapshot: int
    is_new: bool


@dataclass(frozen=True)
class _Table:
    """A table of the published file, and its name in the study's schema."""

    source: str
    name: str
    comment: str | None
    columns: tuple[tuple[str, str, str | None], ...]


def publish_to_lake(
    database: Path,
    to: str,
    *,
    data: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Entry:
    """Add a published file to a lake, whole or not at all.

    Parameters
    ----------
    database : Path
        A published file: a build that was checked.
    to : str
        The lake's catalog as DuckDB attaches it, such as
        ``ducklake:postgres:dbname=lake host=db.example.org``, or ``ducklake:`` and
        the name of a file.
    data : str, optional
        Folder or address of the lake's Parquet files; the lake remembers it.
    say : callable, optional
        Takes a line of progress.

    Returns
    -------
    Entry
        Of the run as it stands in the lake, also where it did already.

    Raises
    ------
    PublicationError
        No published file, no lake, or tables that do not fit those in it; the lake is
        then as it was.
    """
    record = read_record(database)
    if record is None or not record.study:
        raise PublicationError.of("warehouse.lake_no_publication", database=database)
    for tried in range(TRIES):
        with closing(connect(to, data=data)) as connection:
            try:
                return _add(connection, database, record)
            except duckdb.Error as error:
                if not _is_conflict(error) or tried == TRIES - 1:
                    raise PublicationError.of(
                        "warehouse.lake_not_written",
                        [" ".join(str(error).split())],
                        to=shown(to),
                    ) from error
        if say:
            say("another publication came first; trying again")
        time.sleep(random.uniform(0.05, 0.5))
    raise AssertionError("unreachable")


def connect(to: str, *, data: str | None = None) -> duckdb.DuckDBPyConnection:
    """A connection in memory with the lake attached as `lake`.

    Raises
    ------
    PublicationError
        An address that is none of a lake, an extension that is not there, or a catalog
        that does not answer.
    """
    if not to.startswith(PREFIX):
        raise PublicationError.of("warehouse.lake_address", to=to)
    connection = duckdb.connect()
    try:
        catalog = to.removeprefix(PREFIX)
        needed = [name for start, name in CATALOGS.items() if catalog.startswith(start)]
        for name in (*needed, "ducklake"):
            _load(connection, name)
        connection.execute("set timezone = 'UTC'")
        connection.execute("set ducklake_max_retry_count = 100")
        options = "" if data is None else f" (data_path {sql_text(data)})"
        connection.execute(f"attach {sql_text(to)} as lake{options}")
    except duckdb.Error as error:
        connection.close()
        raise PublicationError.of(
            "warehouse.lake_not_attached",
            [" ".join(str(error).split())],
            to=shown(to),
        ) from error
    except PublicationError:
        connection.close()
        raise
    return connection


def shown(to: str) -> str:
    """The address without a password."""
    words = to.split()
    hidden = ["password=***" if "password=" in w.lower() else w for w in words]
    return " ".join(hidden).split("://")[0] if "://" in to else " ".join(hidden)


def _load(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension: from its package where it is installed, else DuckDB's own."""
    found = importlib.util.find_spec(f"duckdb_extension_{name}")
    if found is not None and found.submodule_search_locations:
        folder = Path(found.submodule_search_locations[0])
        version = connection.execute("select version()").fetchall()[0][0]
        for file in folder.glob(f"extensions/{version}/*{name}.duckdb_extension"):
            connection.execute(f"load {sql_text(str(file))}")
            return
    try:
        connection.execute(f"load {name}")
    except duckdb.Error as error:
        raise PublicationError.of(
            "warehouse.lake_extension",
            [" ".join(str(error).split())],
            name=name,
            package=name.replace("_", "-"),
            version=duckdb.__version__,
        ) from error


def _add(
    connection: duckdb.DuckDBPyConnection, database: Path, record: Publication
) -> Entry:
    """One try: everything in one transaction, whose commit is the snapshot."""
    study = record.study
    schema = study if study not in NOT_OF_STUDIES else f"{study}_study"
    connection.execute(f"attach {sql_text(str(database))} as source (read_only)")
    tables = _tables(connection)
    connection.execute("begin")
    _make_runs(connection)
    known = connection.execute(
        "select sequence, n_tables, n_rows from lake.publication.runs "
        "where run_id = ? and study = ?",
        [record.run_id, study],
    ).fetchall()
    about = json.dumps({"study": study, "run_id": record.run_id})
    if known:
        connection.execute("rollback")
        snapshot = _snapshot(connection, about)
        sequence, n_tables, n_rows = known[0]
        return Entry(study, record.run_id, sequence, n_tables, n_rows, snapshot, False)
    connection.execute(f"create schema if not exists lake.{sql_name(schema)}")
    turn = _turn(connection, schema)
    keys = f"{sql_text(record.run_id)} as run_id, {sql_text(record.options_sha256)}"
    n_rows = 0
    for table in tables:
        place = f"lake.{sql_name(schema)}.{sql_name(table.name)}"
        _fit(connection, schema, table, place)
        own = ", ".join(sql_name(name) for name, *_ in table.columns)
        n_rows += connection.execute(
            f"insert into {place} by name select {keys} as options_sha256, {own} "
            f"from source.{table.source}"
        ).fetchall()[0][0]
    values = {name: getattr(record, name) for name in RECORD}
    values |= {
        "study": study, "sequence": turn, "n_tables": len(tables), "n_rows": n_rows,
        "entered_at": datetime.now(UTC).replace(tzinfo=None),
    }  # fmt: skip
    names = ", ".join(sql_name(name) for name in values)
    marks = ", ".join("?" * len(values))
    connection.execute(
        f"insert into lake.publication.runs ({names}) values ({marks})",
        list(values.values()),
    )
    message = f"{study}: {record.described()}"
    connection.execute(
        f"call lake.set_commit_message('citypanel', {sql_text(message)}, "
        f"extra_info => {sql_text(about)})"
    )
    connection.execute("commit")
    snapshot = _snapshot(connection, about)
    return Entry(study, record.run_id, turn, len(tables), n_rows, snapshot, True)


def _tables(connection: duckdb.DuckDBPyConnection) -> list[_Table]:
    """The tables of the published file, its own record left out."""
    listed = connection.execute(
        "select schema_name, table_name, comment from duckdb_tables() "
        "where database_name = 'source' and schema_name <> ? order by all",
        [RECORD_SCHEMA],
    ).fetchall()
    columns: dict[tuple[str, str], list[tuple[str, str, str | None]]] = {}
    for schema, table, *column in connection.execute(
        "select schema_name, table_name, column_name, data_type, comment "
        "from duckdb_columns() where database_name = 'source' "
        "order by table_oid, column_index"
    ).fetchall():
        name, kind, comment = column
        # A column without a value has no type: it comes once it has one.
        if kind != '"NULL"':
            columns.setdefault((schema, table), []).append((name, kind, comment))
    often = Counter(name for _, name, _ in listed)
    found = []
    for schema, name, comment in listed:
        own = columns[schema, name]
        taken = sorted({column for column, *_ in own} & set(KEYS))
        if taken:
            raise PublicationError.of(
                "warehouse.lake_column_taken",
                [f"{schema}.{name}: {column}" for column in taken],
            )
        found.append(
            _Table(
                f"{sql_name(schema)}.{sql_name(name)}",
                name if often[name] == 1 else f"{schema}__{name}",
                comment,
                tuple(own),
            )
        )
    return found


def _make_runs(connection: duckdb.DuckDBPyConnection) -> None:
    """The table of publications and the view of the latest, where they are not yet."""
    if _columns(connection, RECORD_SCHEMA, RECORD_TABLE):
        return
    more = {
        "study": "varchar", "sequence": "bigint", "n_tables": "bigint",
        "n_rows": "bigint", "entered_at": "timestamp", "published_at": "timestamp",
    }  # fmt: skip
    declared = {name: "varchar" for name in RECORD} | more
    listed = ", ".join(f"{sql_name(name)} {kind}" for name, kind in declared.items())
    about = COMMENTS | {
        "study": "The study, whose tables are in the schema of its name.",
        "sequence": "The study's publications, counted from 1.",
        "n_rows": "Rows of all its tables.",
        "entered_at": "When it came into the lake, UTC.",
    }
    place = f"lake.{RECORD_SCHEMA}.{RECORD_TABLE}"
    connection.execute(f"create schema if not exists lake.{RECORD_SCHEMA}")
    connection.execute(f"create table {place} ({listed})")
    for name in declared:
        text = sql_text(about[name])
        connection.execute(f"comment on column {place}.{sql_name(name)} is {text}")
    connection.execute(
        f"create view lake.{RECORD_SCHEMA}.latest as "
        f"from {RECORD_SCHEMA}.{RECORD_TABLE} qualify row_number() over "
        "(partition by study, options_sha256 order by sequence desc) = 1"
    )


def _turn(connection: duckdb.DuckDBPyConnection, schema: str) -> int:
    """Move the study's counter on: what two publications at once cannot both do."""
    place = f"lake.{sql_name(schema)}.{COUNTER}"
    if not _columns(connection, schema, COUNTER):
        connection.execute(f"create table {place} (n bigint)")
        connection.execute(
            f"comment on table {place} is 'How often the study was published.'"
        )
        connection.execute(f"insert into {place} values (0)")
    connection.execute(f"update {place} set n = n + 1")
    return connection.execute(f"select n from {place}").fetchall()[0][0]


def _columns(
    connection: duckdb.DuckDBPyConnection, schema: str, table: str
) -> dict[str, str]:
    """Columns of a table of the lake and their types; none where it is not there."""
    return dict(
        connection.execute(
            "select column_name, data_type from duckdb_columns() "
            "where database_name = 'lake' and schema_name = ? and table_name = ?",
            [schema, table],
        ).fetchall()
    )


def _fit(
    connection: duckdb.DuckDBPyConnection, schema: str, table: _Table, place: str
) -> None:
    """Make the table, or give it the columns it lacks."""
    there = _columns(connection, schema, table.name)
    if not there:
        listed = ", ".join(
            f"{sql_name(name)} {kind}" for name, kind, _ in table.columns
        )
        keys = ", ".join(f"{key} varchar not null" for key in KEYS)
        connection.execute(f"create table {place} ({keys}, {listed})")
        if table.comment:
            connection.execute(f"comment on table {place} is {sql_text(table.comment)}")
    for name, kind, comment in table.columns:
        old = there.get(name)
        if there and old is None:
            connection.execute(
                f"alter table {place} add column {sql_name(name)} {kind}"
            )
        if old is None and comment:
            text = sql_text(comment)
            connection.execute(f"comment on column {place}.{sql_name(name)} is {text}")
        if old is not None and not _holds(old, kind):
            raise PublicationError.of(
                "warehouse.lake_types",
                [f"{table.name}.{name}: {old} in the lake, {kind} now"],
                study=schema,
            )


def _holds(old: str, new: str) -> bool:
    """Whether a column of the old type keeps every value of the new as it is."""
    both = old in WIDER and new in WIDER
    return old == new or (both and WIDER.index(new) <= WIDER.index(old))


def _snapshot(connection: duckdb.DuckDBPyConnection, about: str) -> int:
    """The snapshot whose commit says this of itself."""
    return connection.execute(
        "select min(snapshot_id) from ducklake_snapshots('lake') "
        "where commit_extra_info = ?",
        [about],
    ).fetchall()[0][0]


def _is_conflict(error: duckdb.Error) -> bool:
    text = str(error).lower()
    return "conflict" in text or "could not serialize" in text
