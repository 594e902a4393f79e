"""What `citypanel NAME` runs, one module a command.

A module's `register(commands)` adds its parser to the subparsers it is given and sets
`run`, a function of the parsed options. Modules import what is heavy inside `run`, so
that `citypanel --help` stays quick.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from citypanel.progress import to_stderr


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Add `-q`, which silences progress and report; errors and warnings stay."""
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="no progress, no report"
    )


def say_unless_quiet(options: argparse.Namespace) -> Callable[[str], None] | None:
    """What takes a line of progress; None under `-q`."""
    return None if options.quiet else to_stderr
