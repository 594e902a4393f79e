"""The codebook as a Markdown page."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from citypanel.codebook.entries import Table
from citypanel.codebook.sheets import (
    absent,
    columns_sheet,
    series_sheet,
    tables_sheet,
)
from citypanel.codebook.translation import translation

INTRODUCTION = (
    "Every table and column of the published file: what it means, its unit, source and "
    "formula, and what this file holds of it. A share with a value below 100% means "
    "empty cells; years are those with a value."
)
NOT_BUILT = "Described in the project, but not in this file under its options:"
SERIES = (
    "Cells are city-years of the candidates. Other origin is what stands in for a cell "
    "that was not reported; fct_cell_origins has the rule of each."
)


def markdown(
    tables: Sequence[Table],
    coverage: pd.DataFrame,
    series: pd.DataFrame,
    *,
    language: str,
) -> str:
    """Write the codebook of a published file.

    Parameters
    ----------
    tables : sequence of Table
        From `project_tables`.
    coverage, series : DataFrame
        From `coverage` and `series_coverage`.
    language : {"en", "zh"}

    Returns
    -------
    str
        An overview, the yearbook series, then a section for each table.
    """
    say = translation(language)
    lines = [f"# {say('Codebook')}", "", say(INTRODUCTION), ""]
    lines += [f"## {say('Tables')}", ""]
    overview = tables_sheet(tables, coverage, language)
    name = say("Table")
    overview[name] = [f"[{full}](#{full.replace('.', '')})" for full in overview[name]]
    lines += [*_table(overview), ""]
    missing = absent(tables, coverage)
    if missing:
        lines += [say(NOT_BUILT) + " " + ", ".join(missing) + ".", ""]
    lines += [f"## {say('Series of the yearbook')}", "", say(SERIES), ""]
    lines += [*_table(series_sheet(series, language)), ""]
    details = columns_sheet(tables, coverage, language)
    for (full, part), description in zip(
        details.groupby(name, sort=False), overview[say("Description")], strict=True
    ):
        lines += [f"## {full}", "", description, ""]
        lines += [*_table(part.drop(columns=name)), ""]
    return "\n".join(lines)


def _table(frame: pd.DataFrame) -> list[str]:
    """A pipe table without the columns that are empty throughout."""
    kept = [name for name in frame if (frame[name].astype(str) != "").any()]
    lines = ["| " + " | ".join(kept) + " |", "|" + "---|" * len(kept)]
    for row in frame[kept].itertuples(index=False):
        lines.append("| " + " | ".join(_cell(value) for value in row) + " |")
    return lines


def _cell(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace("|", "\\|")
    return text.replace("<", "&lt;").replace("\n", " ")
