"""What is exported: a table of the file, or the estimation panel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from citypanel.codebook.entries import Column, Table
from citypanel.errors import OptionError

if TYPE_CHECKING:
    import duckdb

PANEL = "panel"

# The panel an estimate starts from: what went in, the policy, and the indices. Keys of
# the first table come first; a year without an index has empty indices.
_PANEL_TABLES = {
    "dim_cities": ("city_en", "city_zh", "province_en", "province_zh"),
    "fct_city_years": (
        "city_id", "year", "region", "is_municipality", "sydid", "cohort",
        "event_time", "gdp_cny_10k", "gdp_real_cny_10k", "investment_cny_10k",
        "capital_real_cny_10k", "labour", "eco", "ind", "inf", "edu", "sca", "tra",
        "con", "is_investment_assumed", "is_capital_assumed",
    ),
    "fct_policy_exposures": ("batch", "approval_date"),
    "fct_tfp_changes": (
        "tfpch", "effch", "techch", "pech", "sech", "log_tfpch", "cumulative_log_tfp",
        "distance_crs", "distance_vrs", "is_on_frontier", "has_zero_labour_price",
    ),
}  # fmt: skip
_PANEL_SQL = """
select {columns}
from marts.fct_city_years
left join marts.dim_cities
    on fct_city_years.city_id = dim_cities.city_id
left join marts.fct_policy_exposures
    on
        fct_city_years.city_id = fct_policy_exposures.city_id
        and fct_city_years.year = fct_policy_exposures.year
left join marts.fct_tfp_changes
    on
        fct_city_years.city_id = fct_tfp_changes.city_id
        and fct_city_years.year = fct_tfp_changes.year
order by fct_city_years.city_id, fct_city_years.year
"""
_PANEL_ORDER = (
    "fct_city_years.city_id", "fct_city_years.year", "city_en", "city_zh",
    "province_en", "province_zh",
)  # fmt: skip
_PANEL_DESCRIPTION = (
    "The estimation panel: inputs, policy and controls of fct_city_years, indices of "
    "fct_tfp_changes, names of dim_cities. One row per city and year of the sample."
)


@dataclass(frozen=True)
class Export:
    """A table to export: its rows, its columns as the codebook has them, its query.

    Attributes
    ----------
    name : str
    description : str
    frame : DataFrame
        As DuckDB gives it, rows in the order of the key.
    columns : tuple of Column
        One for each column of `frame`, in its order.
    sql : str
        The query `frame` came from.
    """

    name: str
    description: str
    frame: pd.DataFrame
    columns: tuple[Column, ...]
    sql: str


def known_tables(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]
) -> list[str]:
    """Names that can be exported from this file: the panel, then its tables."""
    held = {
        (schema, name)
        for schema, name in connection.execute(
            "select schema_name, table_name from duckdb_tables()"
        ).fetchall()
    }
    return [PANEL, *(each.name for each in tables if (each.schema, each.name) in held)]


def exported(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], name: str
) -> Export:
    """Read the table or panel of that name.

    Raises
    ------
    OptionError
        The file has no such table.
    """
    known = known_tables(connection, tables)
    if name not in known:
        raise OptionError.of("exports.no_such_table", [name], known=list(known))
    by_name = {table.name: table for table in tables}
    if name == PANEL:
        sql, columns = _panel(by_name)
        description = _PANEL_DESCRIPTION
    else:
        table = by_name[name]
        order = ", ".join(f'"{key}"' for key in table.key) or "all"
        sql = f'select * from "{table.schema}"."{table.name}" order by {order}'
        columns = {column.name: column for column in table.columns}
        description = table.description
    frame = connection.execute(sql).df()
    return Export(
        name=name,
        description=description,
        frame=frame,
        columns=tuple(columns.get(each, Column(each, "", "")) for each in frame),
        sql=sql,
    )


def _panel(tables: dict[str, Table]) -> tuple[str, dict[str, Column]]:
    names = list(_PANEL_ORDER)
    columns: dict[str, Column] = {}
    for table, members in _PANEL_TABLES.items():
        for member in members:
            full = f"{table}.{member}"
            if member not in names and full not in names:
                names.append(full)
            found = tables[table].column(member) if table in tables else None
            if found is not None:
                columns.setdefault(member, found)
    return _PANEL_SQL.format(columns=", ".join(names)), columns
