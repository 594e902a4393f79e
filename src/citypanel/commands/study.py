"""`citypanel study`: the study of the published file as one page."""

from __future__ import annotations

import argparse


def run(options: argparse.Namespace) -> None:
    """Write outputs/report/index.html."""
    from citypanel.outputs.report import study_report

    page = study_report(options.database, folder=options.output)
    if not options.quiet:
        print(f"Study report: {page}")
