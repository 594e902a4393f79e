"""`citypanel influence`: which cells, cities and assumptions carry the headline."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from citypanel.commands import add_quiet, say_unless_quiet

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
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Compute, write and report."""
    from citypanel.workers import ENVIRONMENT

    # Before numpy is there to read it: the sums of the marts come from one thread.
    os.environ.update(ENVIRONMENT)
    from citypanel.influence.command import compute

    say = say_unless_quiet(options) or (lambda line: None)
    lines = compute(WAREHOUSE, output=OUTPUT, workers=options.workers, say=say)
    if not options.quiet:
        for line in lines:
            print(line)
