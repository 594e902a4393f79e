"""`citypanel export`: the panel and other tables for Stata, R, Python and Excel."""

from __future__ import annotations

import argparse
from pathlib import Path

from citypanel.commands import say_unless_quiet


def run(options: argparse.Namespace) -> None:
    """Write every table asked for in every format asked for."""
    from citypanel.codebook import project_tables
    from citypanel.exports import (
        FORMATS,
        csv_bytes,
        exported,
        known_tables,
        open_published,
        parquet_bytes,
        stata_bytes,
        variables,
    )
    from citypanel.files import write_output
    from citypanel.outputs.runs import chosen_formats
    from citypanel.progress import tracked

    formats = chosen_formats(options.format, FORMATS)
    tables = project_tables(Path.cwd())
    with open_published(options.database) as connection:
        names = [name.strip() for name in options.table.split(",") if name.strip()]
        if names == ["all"]:
            names = known_tables(connection, tables)
        exports = [exported(connection, tables, name) for name in names or [""]]
        say = say_unless_quiet(options)
        for export in tracked(exports, what="tables", say=say):
            make = {
                "parquet": lambda: parquet_bytes(connection, export),  # noqa: B023
                "csv": lambda: csv_bytes(export.frame),  # noqa: B023
                "dta": lambda: stata_bytes(export, language=options.language),  # noqa: B023
            }
            contents = {f"{export.name}.{each}": make[each]() for each in formats}
            contents[f"{export.name}.variables.csv"] = csv_bytes(
                variables(export.columns)
            )
            for name, content in contents.items():
                write_output(options.output / name, content)
            rows, columns = export.frame.shape
            if not options.quiet:
                print(
                    f"{export.name}: {rows} rows, {columns} columns: "
                    f"{options.output / export.name}.{{{','.join(formats)}}}"
                )
