"""`citypanel specifications`: the headline under every other choice."""

from __future__ import annotations

import argparse
from pathlib import Path

from citypanel.commands import say_unless_quiet

WAREHOUSE = Path("citypanel.duckdb")
OUTPUT = Path("outputs/specifications")


def run(options: argparse.Namespace) -> None:
    """Compute, write and report."""
    from citypanel.curve import command
    from citypanel.workers import in_worker

    say = say_unless_quiet(options) or (lambda line: None)
    if options.only:
        # One thread a linear algebra call, as the curve's processes: the same digits.
        one = "citypanel.curve.command.one"
        for line in in_worker(one, WAREHOUSE.resolve(), options.only):
            print(line)
        return
    lines = command.curve(
        WAREHOUSE,
        output=OUTPUT,
        count=options.count,
        permutations=options.permutations,
        workers=options.workers,
        dask=options.dask,
        resume=options.resume,
        say=say,
    )
    if not options.quiet:
        for line in lines:
            print(line)
