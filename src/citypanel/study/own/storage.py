"""The tables of an evaluated study as a DuckDB file, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pandas as pd

from citypanel.errors import PublicationError
from citypanel.files import atomically
from citypanel.identity import running_code
from citypanel.sql import sql_name, sql_text
from citypanel.study.declaration import Declaration
from citypanel.study.own.tables import SCHEMA, TABLES, contracts
from citypanel.warehouse.published import (
    DEFAULT_TARGET,
    Publication,
    now,
    options_digest,
    read_records,
    refuse_destination,
    write_record,
)


def descriptions() -> dict[str, dict[str, str]]:
    """What is said of every table, under "", and of its columns."""
    return {
        model["name"]: {"": " ".join(model["description"].split())}
        | {c["name"]: " ".join(c["description"].split()) for c in model["columns"]}
        for model in contracts()
    }


def write_tables(
    target: Path, study: Declaration, tables: Mapping[str, pd.DataFrame]
) -> None:
    """Write tables to a DuckDB file; the last one stands until the new one is whole.

    Raises
    ------
    PublicationError
        The file cannot be written, or another's stands there.
    """
    refuse_destination(
        target,
        root=Path.cwd(),
        target=DEFAULT_TARGET,
        is_named=True,
        study=study.name,
    )
    said = descriptions()
    try:
        with atomically(target) as part:
            part.unlink(missing_ok=True)
            with duckdb.connect() as connection:
                connection.execute(
                    f"attach {sql_text(part)} as study "
                    "(storage_version 'v1.4.0', block_size 16384)"
                ).fetchall()
                connection.execute(f"create schema study.{SCHEMA}").fetchall()
                for name, frame in tables.items():
                    _write(connection, f"study.{SCHEMA}.{name}", frame, said[name])
                write_record(
                    connection,
                    "study",
                    _record(study, len(tables)),
                    read_records(target),
                )
                connection.execute("detach study").fetchall()
    except (OSError, duckdb.Error) as error:
        why = " ".join(str(error).split())
        raise PublicationError.of(
            "study.not_written", target=target, why=why
        ) from error


def _write(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    frame: pd.DataFrame,
    said: Mapping[str, str],
) -> None:
    types = TABLES[table.rpartition(".")[2]]
    columns = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
    connection.execute(f"create table {table} ({columns})").fetchall()
    connection.register("frame", frame)
    connection.execute(f"insert into {table} select * from frame").fetchall()
    connection.unregister("frame")
    for column, text in said.items():
        what = f"column {table}.{sql_name(column)}" if column else f"table {table}"
        connection.execute(f"comment on {what} is {sql_text(text)}").fetchall()


def _record(study: Declaration, n_tables: int) -> Publication:
    options = {"study": study.name}
    code = running_code()
    return Publication(
        run_id=str(uuid.uuid4()),
        published_at=now(),
        target=DEFAULT_TARGET,
        options_sha256=options_digest(options),
        options=json.dumps(options),
        options_changed="{}",
        code_version=code.version,
        code_sha256=code.digest,
        nodes_sha256=hashlib.sha256(code.digest.encode()).hexdigest(),
        software=json.dumps({"duckdb": duckdb.__version__}),
        n_tables=n_tables,
    )
