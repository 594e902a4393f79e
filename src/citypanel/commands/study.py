"""`citypanel study`: the study of the published file as one page."""

from __future__ import annotations

import argparse
from pathlib import Path

from citypanel.commands import add_quiet


def register(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "study",
        help="write the study report of the published file to outputs/report",
        description="Write what the study finds, what changes it and how to reproduce "
        "it as one page in English and Chinese.",
    )
    parser.add_argument("--output", type=Path, default=Path("outputs/report"))
    parser.add_argument("--database", type=Path, default=Path("citypanel.duckdb"))
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write outputs/report/index.html."""
    from citypanel.outputs.report import study_report

    page = study_report(options.database, folder=options.output)
    if not options.quiet:
        print(f"Study report: {page}")
