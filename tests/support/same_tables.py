"""Say which tables of two published files differ in content.

    python tests/support/same_tables.py BEFORE AFTER

Two equal builds differ in their files' bytes, not in this digest: of every table the
columns, their types and the rows, sorted. Of a table that differs the columns that do
are named. Exit code 1 when any does.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping

import duckdb

#: Stamps of the run itself.
LEFT_OUT = ("runs",)


def digests(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """A digest of each table's sorted content, by its name with the schema."""
    tables = connection.execute(
        "select schema_name, table_name from duckdb_tables() "
        "where database_name = current_database() order by all"
    ).fetchall()
    return {
        f"{schema}.{table}": _digest(connection, f'"{schema}"."{table}"')
        for schema, table in tables
        if schema not in LEFT_OUT
    }


def _digest(connection, table: str) -> str:
    described = connection.execute(f"describe {table}").fetchall()
    hashed = hashlib.sha256(repr([row[:2] for row in described]).encode())
    rows = connection.execute(f"from {table} order by all")
    while chunk := rows.fetchmany(50_000):
        hashed.update(repr(chunk).encode())
    return hashed.hexdigest()


def differing_columns(before, after, table: str) -> list[str]:
    """Columns of a table whose sorted values, type or presence differ."""
    types = [
        {row[0]: row[1] for row in c.execute(f"describe {table}").fetchall()}
        for c in (before, after)
    ]
    found = []
    for name in dict.fromkeys([*types[0], *types[1]]):
        if types[0].get(name) != types[1].get(name):
            found.append(f"{name} ({types[0].get(name)} -> {types[1].get(name)})")
            continue
        values = [
            repr(c.execute(f'select "{name}" from {table} order by all').fetchall())
            for c in (before, after)
        ]
        if values[0] != values[1]:
            found.append(name)
    return found


def compare(before: str, after: str) -> Mapping[str, str]:
    """What differs, by table; empty where nothing does."""
    with (
        duckdb.connect(before, read_only=True) as old,
        duckdb.connect(after, read_only=True) as new,
    ):
        mine, theirs = digests(old), digests(new)
        found = {name: "only before" for name in mine if name not in theirs}
        found |= {name: "only after" for name in theirs if name not in mine}
        for name in mine:
            if name in theirs and mine[name] != theirs[name]:
                columns = differing_columns(old, new, name)
                found[name] = ", ".join(columns) or "the pairing of its columns"
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before")
    parser.add_argument("after")
    given = parser.parse_args()
    found = compare(given.before, given.after)
    for name, what in sorted(found.items()):
        print(f"{name}: {what}")
    print(f"{len(found)} tables differ")
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
