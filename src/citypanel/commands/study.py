"""`citypanel study`: the study of the published file, and the front page."""

from __future__ import annotations

import argparse
from pathlib import Path


def run(options: argparse.Namespace) -> None:
    """Write outputs/report/index.html, and outputs/index.html with the way to it."""
    from citypanel.outputs.report import study_report

    page = study_report(options.database, folder=options.output)
    if not options.quiet:
        print(f"Study report: {page}")
    # A page written elsewhere has no front page beside it.
    if options.output != Path("outputs/report"):
        return
    from citypanel.outputs.front import front_page

    front = front_page(options.database, outputs=options.output.parent)
    if not options.quiet:
        print(f"Front page: {front}")
