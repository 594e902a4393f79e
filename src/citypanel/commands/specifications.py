"""`citypanel specifications`: the headline under every other choice."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from citypanel.commands import add_quiet, say_unless_quiet

WAREHOUSE = Path("citypanel.duckdb")
OUTPUT = Path("outputs/specifications")
COUNT = 20_000
PERMUTATIONS = 199


def register(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "specifications",
        help="compute the specification curve, its summary, figure and page",
        description="Reads the published file, writes outputs/specifications.",
    )
    parser.add_argument(
        "--count",
        type=int,
        default=COUNT,
        metavar="N",
        help=f"specifications (default {COUNT}); the headline and each single move "
        "are always among them",
    )
    parser.add_argument(
        "--only",
        metavar="CHOICE=VALUE,...",
        help="compute this one and print it; 'headline' for the headline",
    )
    parser.add_argument(
        "--permutations",
        type=int,
        default=PERMUTATIONS,
        metavar="N",
        help=f"permutations of the policy (default {PERMUTATIONS}, 0 for none)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes (default: one a core)",
    )
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="compute on the workers of this Dask scheduler (tcp://host:8786)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with an interrupted run"
    )
    add_quiet(parser)
    parser.set_defaults(run=run)


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
