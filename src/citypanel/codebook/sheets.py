"""The codebook as tables of text, which the page and the workbook lay out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from citypanel.codebook.entries import Table
from citypanel.codebook.translation import translation


def tables_sheet(
    tables: Sequence[Table], coverage: pd.DataFrame, language: str
) -> pd.DataFrame:
    """One row per table of the file: name, rows, columns, key, years, description."""
    say = translation(language)
    rows = []
    for table in present(tables, coverage):
        held = coverage[coverage["table"] == table.name]
        rows.append(
            {
                say("Table"): f"{table.schema}.{table.name}",
                say("Rows"): int(held["n_rows"].iloc[0]),
                say("Columns"): len(held),
                say("Key"): ", ".join(table.key),
                say("Years"): _span(held["first_year"].min(), held["last_year"].max()),
                say("Description"): say(table.description),
            }
        )
    return pd.DataFrame(rows)


def columns_sheet(
    tables: Sequence[Table], coverage: pd.DataFrame, language: str
) -> pd.DataFrame:
    """One row per column of the file, with its meaning and what it holds."""
    say = translation(language)
    rows = []
    for table in present(tables, coverage):
        for held in coverage[coverage["table"] == table.name].itertuples():
            column = table.column(held.column)
            rows.append(
                {
                    say("Table"): f"{table.schema}.{table.name}",
                    say("Column"): held.column,
                    say("Label"): column.label(language) if column else "",
                    say("Type"): held.data_type,
                    say("Unit"): say(column.unit) if column else "",
                    say("Source"): say(column.source) if column else "",
                    say("Formula"): column.formula if column else "",
                    say("Values"): int(held.n_values),
                    say("Share with a value"): _share(held.value_share),
                    say("Minimum"): _text(held.minimum),
                    say("Maximum"): _text(held.maximum),
                    say("Years"): _span(held.first_year, held.last_year),
                    say("Listed values"): held.listed_values,
                    say("Description"): say(column.description) if column else "",
                }
            )
    return pd.DataFrame(rows)


def series_sheet(series: pd.DataFrame, language: str) -> pd.DataFrame:
    """One row per yearbook series: how much of it is reported, and what is not."""
    say = translation(language)
    rows = []
    for held in series.itertuples():
        label = held.label_zh if language == "zh" else held.label_en
        rows.append(
            {
                say("Series"): held.variable,
                say("Label"): _text(label),
                say("Unit"): say(held.unit),
                say("Cells"): int(held.n_cells),
                say("Reported"): _share(held.reported_share),
                say("Other origin"): _share(held.other_share),
                say("Missing"): _share(held.missing_share),
                say("Reported years"): _span(
                    held.first_reported_year, held.last_reported_year
                ),
                say("Cities"): int(held.n_cities),
            }
        )
    return pd.DataFrame(rows)


def present(tables: Sequence[Table], coverage: pd.DataFrame) -> list[Table]:
    """The tables that the file has."""
    names = set(coverage["table"])
    return [table for table in tables if table.name in names]


def absent(tables: Sequence[Table], coverage: pd.DataFrame) -> list[str]:
    """Names of the tables that the file was built without."""
    names = set(coverage["table"])
    return [table.name for table in tables if table.name not in names]


def _share(share: float) -> str:
    """A percentage that says 100% or 0% only where it is."""
    if pd.isna(share):
        return ""
    if 0.9995 <= share < 1:
        return "> 99.9%"
    if 0 < share < 0.0005:
        return "< 0.1%"
    return f"{share:.1%}"


def _span(first: Any, last: Any) -> str:
    if pd.isna(first) or pd.isna(last):
        return ""
    return f"{int(first)}" if first == last else f"{int(first)}-{int(last)}"


def _text(value: object) -> str:
    return "" if value is None or pd.isna(value) else str(value)
