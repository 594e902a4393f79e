"""Digests of tables, to tell whether two builds hold the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    import duckdb

SCHEMAS = ("marts", "quality")


def fingerprints(connection: duckdb.DuckDBPyConnection) -> dict[str, dict]:
    """Rows, columns and sha256 of every table of marts and quality.

    The digest is over the names and types of the columns and every value to its last
    bit, rows in the order of all columns: it does not depend on how the file stores
    them.

    Returns
    -------
    dict
        By schema and table: n_rows, n_columns, sha256.
    """
    tables = connection.execute(
        "select schema_name, table_name from duckdb_tables() "
        "where schema_name in (select unnest(?)) order by all",
        [list(SCHEMAS)],
    ).fetchall()
    found = {}
    for schema, table in tables:
        rows = connection.execute(
            f'select * from "{schema}"."{table}" order by all'
        ).fetchall()
        columns = connection.execute(
            "select column_name, data_type from duckdb_columns() "
            "where schema_name = ? and table_name = ? order by column_index",
            [schema, table],
        ).fetchall()
        digest = hashlib.sha256(repr(columns).encode())
        digest.update(repr(rows).encode())
        found[f"{schema}.{table}"] = {
            "n_rows": len(rows),
            "n_columns": len(columns),
            "sha256": digest.hexdigest(),
        }
    return found


def compare(
    expected: Mapping[str, Mapping], found: Mapping[str, Mapping]
) -> pd.DataFrame:
    """Set two builds side by side.

    Returns
    -------
    DataFrame
        One row per table of either: table, verdict (same, differs, missing, new),
        and the rows of both.
    """
    rows = []
    for table in sorted({*expected, *found}):
        theirs, ours = (build.get(table, {}) for build in (expected, found))
        same = theirs.get("sha256") == ours.get("sha256")
        verdict = "same" if same else "differs"
        verdict = "new" if not theirs else "missing" if not ours else verdict
        rows.append((table, verdict, theirs.get("n_rows"), ours.get("n_rows")))
    frame = pd.DataFrame(
        rows, columns=["table", "verdict", "rows_expected", "rows_found"]
    )
    return frame.astype({"rows_expected": "Int64", "rows_found": "Int64"})
