"""Where the build keeps what a study is computed from, and which columns are read."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

#: Table of the warehouse that each part of `citypanel.study.run.Sources` is read from.
SOURCE_TABLES = {
    "cells": "intermediate.int_cells__reconciled",
    "province_series": "intermediate.int_province_series",
    "cities": "staging.stg_reference__cities",
    "policy": "intermediate.int_policy_exposures",
    "variables": "raw.ref_variables",
    "places": "raw.ref_prefectures",
    "concurrent": "staging.stg_policy__concurrent",
}

#: Key of a cell.
KEY = ("city_id", "year", "variable")
#: Columns of `Sources.cells`, and the reading that is used.
CELLS = (
    *KEY,
    "source",
    "value",
    *(
        f"{name}__{vintage}"
        for vintage in ("as_published", "revised")
        for name in ("source", "value", "next_source", "next_value")
    ),
)
#: What is judged of every source's reading, in `int_cells__sources`.
READINGS = (
    *KEY,
    "source",
    "printed_value",
    "import_precedence",
    "correction_action",
    "is_usable",
)


def lacking(connection: duckdb.DuckDBPyConnection, tables: Iterable[str]) -> list[str]:
    """The tables, by schema and name, that a file does not have."""
    query = "select schema_name || '.' || table_name from duckdb_tables()"
    there = {name for (name,) in connection.execute(query).fetchall()}
    return [name for name in tables if name not in there]
