"""`citypanel influence`: which cells, cities and assumptions carry the headline."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from citypanel.commands import say_unless_quiet

WAREHOUSE = Path("citypanel.duckdb")
OUTPUT = Path("outputs/influence")


def run(options: argparse.Namespace) -> None:
    """Compute, write and report."""
    from citypanel.workers import ENVIRONMENT

    # Before numpy is there to read it: the sums of the marts come from one thread.
    os.environ.update(ENVIRONMENT)
    from citypanel.influence.command import compute

    say = say_unless_quiet(options) or (lambda line: None)
    lines = compute(
        WAREHOUSE, output=OUTPUT, workers=options.workers, dask=options.dask, say=say
    )
    if not options.quiet:
        for line in lines:
            print(line)
