"""`citypanel codebook`: every table and column of the published file, explained."""

from __future__ import annotations

import argparse
from pathlib import Path


def run(options: argparse.Namespace) -> None:
    """Write codebook.en.md, codebook.zh.md and codebook.xlsx."""
    from citypanel import codebook
    from citypanel.exports import open_published
    from citypanel.files import write_output

    tables = codebook.project_tables(Path.cwd())
    with open_published(options.database) as connection:
        counts = codebook.coverage(connection, tables)
        series = codebook.series_coverage(connection)
    for name, content in codebook.contents(tables, counts, series).items():
        write_output(options.output / name, content)
    if not options.quiet:
        print(
            f"Codebook of {counts['table'].nunique()} tables and {len(counts)} "
            f"columns: {options.output}"
        )
