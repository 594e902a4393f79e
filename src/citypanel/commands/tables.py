"""`citypanel tables`: the tables of the published file, ready for a paper."""

from __future__ import annotations

import argparse
from pathlib import Path

from citypanel.commands import add_quiet


def register(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "tables",
        help="write the tables as LaTeX, Word, HTML, Markdown and CSV",
        description="Write the tables of the published file to outputs/tables.",
    )
    parser.add_argument("--language", choices=("en", "zh"), default="en")
    parser.add_argument(
        "--stars",
        action="store_true",
        help="mark 10, 5 and 1 per cent (off by default)",
    )
    parser.add_argument(
        "--intervals",
        action="store_true",
        help="95 per cent intervals in place of standard errors",
    )
    parser.add_argument(
        "--format",
        default="tex,docx,html,md,csv",
        metavar="tex,docx,html,md,csv",
        help="formats to write, with commas between (default: all)",
    )
    parser.add_argument(
        "--only", metavar="NAMES", help="tables to write, with commas between: table_3"
    )
    parser.add_argument("--output", type=Path, default=Path("outputs/tables"))
    parser.add_argument("--database", type=Path, default=Path("citypanel.duckdb"))
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write the tables; those whose marts are missing are named, the rest is made."""
    from citypanel.outputs.runs import Request, write_all
    from citypanel.outputs.tables import FORMATS, TABLES, Options, render

    chosen = Options(options.language, options.stars, options.intervals)
    request = Request(
        what="tables",
        only=options.only,
        formats=options.format,
        known_formats=FORMATS,
        output=options.output,
        database=options.database,
        quiet=options.quiet,
    )
    write_all(
        request,
        TABLES,
        lambda maker, marts, formats: render(maker.make(marts, chosen), formats),
    )
