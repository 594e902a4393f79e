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
        theirs, ours = expected.get(table), found.get(table)
        if theirs is None:
            verdict = "new"
        elif ours is None:
            verdict = "missing"
        else:
            verdict = "same" if theirs["sha256"] == ours["sha256"] else "differs"
        rows.append(
            {
                "table": table,
                "verdict": verdict,
                "rows_expected": theirs["n_rows"] if theirs else None,
                "rows_found": ours["n_rows"] if ours else None,
            }
        )
    frame = pd.DataFrame(
        rows, columns=["table", "verdict", "rows_expected", "rows_found"]
    )
    return frame.astype({"rows_expected": "Int64", "rows_found": "Int64"})
