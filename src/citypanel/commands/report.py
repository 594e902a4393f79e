"""`citypanel report`: the quality report and the Data Docs of the published file."""

from __future__ import annotations

import argparse
from pathlib import Path

from citypanel.commands import say_unless_quiet


def run(options: argparse.Namespace) -> None:
    """Write outputs/quality and outputs/data_docs."""
    from citypanel.quality.report import quality_report

    warehouse = Path("citypanel.duckdb")
    page = quality_report(warehouse, folder=Path("outputs/quality"))
    if not options.quiet:
        print(f"Quality report: {page}")
    if options.page_only:
        return

    from citypanel.quality.data_docs import report

    page = report(
        warehouse,
        suites_folder=Path("expectations"),
        site=Path("outputs/data_docs"),
        say=say_unless_quiet(options),
    )
    if not options.quiet:
        print(f"Data Docs: {page}")
