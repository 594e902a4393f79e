"""What the columns of a published file hold: counts, extremes and years."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd

from citypanel.codebook.entries import Table
from citypanel.sql import sql_name

if TYPE_CHECKING:
    import duckdb

# Text with at most so many values has them listed.
LISTED_VALUES = 8
LONGEST_LISTED = 40
COVERAGE_COLUMNS = (
    "table", "column", "data_type", "n_rows", "n_values", "value_share", "n_distinct",
    "minimum", "maximum", "first_year", "last_year", "listed_values",
)  # fmt: skip


def coverage(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[Table]
) -> pd.DataFrame:
    """Count every column of the tables that the file has.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Of the published file.
    tables : iterable of Table
        Those not in the file are left out.

    Returns
    -------
    DataFrame
        One row per table and column, in the file's order: data_type, n_rows, n_values
        (cells with a value; NaN counts as none), value_share (0-1; empty for a table
        without rows), n_distinct, minimum and maximum (as text; empty for text and
        flags), first_year and last_year with a value (where the table has a year), and
        listed_values of text with few of them.
    """
    rows = []
    for table in tables:
        columns = connection.execute(
            "select column_name, data_type from duckdb_columns() "
            "where schema_name = ? and table_name = ? order by column_index",
            [table.schema, table.name],
        ).fetchall()
        if not columns:
            continue
        has_year = any(name == "year" for name, _ in columns)
        counts = ", ".join(_counts(*column, has_year=has_year) for column in columns)
        n_rows, *counted = connection.execute(
            f'select count(*), {counts} from "{table.schema}"."{table.name}"'
        ).fetchall()[0]
        for (name, data_type), held in zip(columns, counted, strict=True):
            n_values, *others = held.values()
            share = n_values / n_rows if n_rows else None
            kind = data_type.lower()
            rows.append((table.name, name, kind, n_rows, n_values, share, *others))
    frame = pd.DataFrame(rows, columns=list(COVERAGE_COLUMNS))
    whole = ("n_rows", "n_values", "n_distinct", "first_year", "last_year")
    return frame.astype(dict.fromkeys(whole, "Int64")).astype({"value_share": float})


def _counts(name: str, data_type: str, *, has_year: bool) -> str:
    """SQL of one struct with what the column holds."""
    column = sql_name(name)
    is_real = data_type in ("DOUBLE", "FLOAT")
    if is_real:
        column = f"case when isnan({column}) then null else {column} end"
    low = high = listed = first = last = "null"
    if is_real:
        # Six significant digits tell a reader the scale; the file has all of them.
        low, high = (f"printf('%.6g', {end}({column}))" for end in ("min", "max"))
    elif data_type in ("VARCHAR", "BOOLEAN"):
        values = f"list_sort(list(distinct cast({column} as varchar)))"
        listed = (
            f"case when count(distinct {column}) between 1 and {LISTED_VALUES} "
            f"and max(length(cast({column} as varchar))) <= {LONGEST_LISTED} "
            f"then array_to_string(list_transform({values}, lambda x: "
            "case when x = '' then '(empty)' else x end), ', ') end"
        )
    else:
        low, high = (f"cast({end}({column}) as varchar)" for end in ("min", "max"))
    if has_year:
        first, last = (
            f"{end}(year) filter (({column}) is not null)" for end in ("min", "max")
        )
    return (
        f"{{'n': count({column}), 'n_distinct': count(distinct {column}), "
        f"'low': {low}, 'high': {high}, 'first': {first}, 'last': {last}, "
        f"'list': coalesce({listed}, '')}}"
    )


def series_coverage(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """How far each yearbook series reaches, and what stood in for its gaps.

    Returns
    -------
    DataFrame
        One row per variable of fct_cell_origins: label_en, label_zh, unit, formula and
        note of dim_variables; n_cells; reported_share, other_share (any other origin
        with a value) and missing_share, which add up to 1; first and last reported
        year; n_cities with a reported cell.
    """
    return connection.execute(
        """
        select
            cells.variable,
            any_value(variables.label_en) as label_en,
            any_value(variables.label_zh) as label_zh,
            any_value(cells.unit) as unit,
            any_value(variables.note) as note,
            count(*) as n_cells,
            avg(case when cells.origin = 'reported' then 1.0 else 0.0 end)
                as reported_share,
            avg(case when cells.origin not in ('reported', 'missing') then 1.0 else 0.0
                end) as other_share,
            avg(case when cells.origin = 'missing' then 1.0 else 0.0 end)
                as missing_share,
            min(cells.year) filter (cells.origin = 'reported') as first_reported_year,
            max(cells.year) filter (cells.origin = 'reported') as last_reported_year,
            count(distinct cells.city_id) filter (cells.origin = 'reported')
                as n_cities,
        from marts.fct_cell_origins as cells
        left join marts.dim_variables as variables
            on cells.variable = variables.variable
        group by cells.variable
        order by cells.variable
        """
    ).df()
