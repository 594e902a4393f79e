"""`citypanel report`: Data Docs of the published file."""

from __future__ import annotations

import argparse
from pathlib import Path


def register(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "report", help="write Great Expectations' Data Docs of the published file"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write the site to outputs/data_docs."""
    from citypanel.quality.data_docs import report

    page = report(
        Path("citypanel.duckdb"),
        suites_folder=Path("expectations"),
        site=Path("outputs/data_docs"),
    )
    print(f"Data Docs: {page}")
