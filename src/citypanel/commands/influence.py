"""`citypanel influence`: which cells, cities and assumptions carry the headline."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

WAREHOUSE = Path("citypanel.duckdb")
OUTPUT = Path("outputs/influence")


def register(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "influence",
        help="which cells, cities and assumptions carry the headline",
        description="Recompute the headline without every city, city-year and seed "
        "cell, with every seed cell ten times too large and too small, under other "
        "frontiers, other assumed investment and other yardsticks. Reads the published "
        f"file; writes tables and a page to {OUTPUT}.",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes (default: one a core); the results do not depend on it",
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="no progress, no report"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Compute, write and report."""
    from citypanel.workers import ENVIRONMENT

    # Before numpy is there to read it: the sums of the marts come from one thread.
    os.environ.update(ENVIRONMENT)
    from citypanel.sensitivity.influence_command import compute

    say = (lambda line: None) if options.quiet else _say
    lines = compute(WAREHOUSE, output=OUTPUT, workers=options.workers, say=say)
    if not options.quiet:
        for line in lines:
            print(line)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
