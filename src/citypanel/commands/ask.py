"""`citypanel ask`: a question to the published file, answered as a table or as CSV."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

_LEAST_WIDTH = 40


def run(options: argparse.Namespace) -> None:
    """Print or write the answer, and name run and options."""
    from citypanel.warehouse.ask import answer, origin, question, record_of, rendered
    from citypanel.warehouse.preflight import open_published
    from citypanel.warehouse.published import published_file

    if options.study:
        options.database = published_file(options.study)
    text = question(" ".join(options.question))
    with open_published(options.database) as connection:
        found = answer(connection, rendered(text, connection))
        said = origin(options.database, record_of(connection))
        if options.csv:
            _write(options.csv, found, said)
            return
        print(_shown(found, options.rows))
        print(f"\n{said}")


def _shown(found: duckdb.DuckDBPyRelation, rows: int) -> str:
    """The first rows as text no wider than the terminal; wide tables go on below."""
    import pandas as pd

    frame = found.limit(max(1, rows)).df().convert_dtypes()
    if frame.empty:
        return f"no rows: {', '.join(frame.columns)}"
    shown = frame.astype(object).where(frame.notna(), "")
    n_rows = found.count("*").fetchall()[0][0]
    width = max(_LEAST_WIDTH, shutil.get_terminal_size((100, 24)).columns)
    with pd.option_context(
        "display.unicode.east_asian_width", True, "display.max_colwidth", width // 2
    ):
        text = shown.to_string(index=False, line_width=width)
    if n_rows > len(frame):
        text += f"\n... and {n_rows - len(frame):,} more rows (--rows, --csv)"
    return text


def _write(target: str, found: duckdb.DuckDBPyRelation, said: str) -> None:
    from citypanel.files import neutral_frame, write_output

    frame = neutral_frame(found.df())
    content = frame.to_csv(index=False, lineterminator="\n")
    if target == "-":
        sys.stdout.write(content)
        print(said, file=sys.stderr)
    else:
        write_output(Path(target), content.encode())
        print(f"{len(frame)} rows: {target}; {said}")
