"""`citypanel report`: the quality report and the Data Docs of the published file."""

from __future__ import annotations

import argparse
from pathlib import Path

from citypanel.commands import say_unless_quiet
from citypanel.study.declaration import SHIPPED


def run(options: argparse.Namespace) -> None:
    """Write outputs/quality and outputs/data_docs; of a study all of its outputs."""
    if options.study and options.study != SHIPPED:
        _report_of(options.study, quiet=options.quiet)
        return
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


def _report_of(study: str, *, quiet: bool) -> None:
    from citypanel.outputs.study_report import write_report
    from citypanel.warehouse.published import published_file

    folder = Path("outputs") / study
    report, quality = write_report(published_file(study), folder=folder)
    if not quiet:
        print(f"Report: {report}\nQuality report: {quality}")
        print(f"Tables and figures: {folder / 'tables'}, {folder / 'figures'}")
