"""Questions to the published file: queries of analyses/, SQL texts, SQL files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb

from citypanel.errors import OutputError
from citypanel.study import plugin
from citypanel.study.declaration import declared
from citypanel.warehouse.published import Publication, records_of

ANALYSES = Path("analyses")


def question(text: str, *, root: Path = Path()) -> str:
    """Return the SQL, dbt's templating included, that a text asks for.

    Parameters
    ----------
    text : str
        The name of a query of analyses/, or its beginning up to an underscore (a02); a
        file of SQL; or SQL itself.
    root : Path
        The project's folder.

    Raises
    ------
    OutputError
        It is none of the three.
    """
    queries = {path.stem: path for path in sorted((root / ANALYSES).rglob("*.sql"))}
    named = [
        path
        for name, path in queries.items()
        if name == text or name.startswith(f"{text}_")
    ]
    if len(named) == 1:
        return named[0].read_text(encoding="utf-8")
    file = Path(text) if len(text) < 255 and "\n" not in text else None
    if file is not None and file.suffix == ".sql":
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise OutputError.of(
                "warehouse.query_unreadable", file=file, error=error
            ) from error
    if len(text.split()) > 1:
        return text
    raise OutputError.of("warehouse.no_query", queries, text=text, queries=queries)


def rendered(text: str, connection: duckdb.DuckDBPyConnection) -> str:
    """Return plain SQL: dbt's ref, var and the study's options as the file has them.

    Raises
    ------
    OutputError
        The file lacks a table, or the text uses what dbt alone knows.
    """
    if "{{" not in text and "{%" not in text:
        return text
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import SandboxedEnvironment

    record = record_of(connection)
    options = json.loads(record.options) if record else {}
    places = dict(
        connection.execute(
            "select table_name, schema_name from duckdb_tables() order by schema_name"
        ).fetchall()
    )

    def ref(*names: str, **_: Any) -> str:
        if names[-1] not in places:
            raise OutputError.of("warehouse.query_no_table", name=names[-1])
        return f'"{places[names[-1]]}"."{names[-1]}"'

    def var(name: str, *default: Any) -> Any:
        if name in options:
            return options[name]
        if default:
            return default[0]
        raise OutputError.of("warehouse.query_no_option", name=name)

    def study_options() -> dict[str, Any]:
        return {k: str(v) if isinstance(v, bool) else v for k, v in options.items()}

    def resolved_study() -> dict[str, Any]:
        known = {k: v for k, v in options.items() if k in declared().build_options}
        return json.loads(plugin.study_options(json.dumps(known)))

    environment = SandboxedEnvironment(undefined=StrictUndefined)
    try:
        return environment.from_string(text).render(
            ref=ref,
            var=var,
            study_options=study_options,
            resolved_study=resolved_study,
            config=lambda **_: "",
        )
    except TemplateError as error:
        raise OutputError.of("warehouse.query_of_dbt", error=error) from error


def answer(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.DuckDBPyRelation:
    """Run a query.

    Raises
    ------
    OutputError
        DuckDB refuses it.
    """
    try:
        return connection.sql(sql)
    except duckdb.Error as error:
        raise OutputError.of(
            "warehouse.query_refused", error=str(error).strip()
        ) from error


def record_of(connection: duckdb.DuckDBPyConnection) -> Publication | None:
    """Return what the open file says of its run; None for a file that says nothing."""
    try:
        return next((r for r in records_of(connection) if r.is_this_file), None)
    except duckdb.Error:
        return None


def origin(path: Path, record: Publication | None) -> str:
    """Name the file, its run, its options and its time in a line."""
    if record is None:
        return f"{path}, which does not say what run it comes from"
    return f"{path}: {record.described()}, {record.published_at:%Y-%m-%d %H:%M} UTC"
