"""`citypanel evaluate`: every table of a study on a panel of one's own."""

from __future__ import annotations

import argparse
from pathlib import Path

from citypanel.commands import add_quiet, say_unless_quiet


def register(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "evaluate",
        help="estimate every table of a declared study into NAME.duckdb",
        description="Estimate every table of studies/NAME and write NAME.duckdb.",
    )
    parser.add_argument("name", help="the study's folder under studies/")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="file to write (default: NAME.duckdb)",
    )
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write the file whole, or leave the last one as it was."""
    from citypanel.study.declaration import find_study, read_declaration
    from citypanel.study.own.evaluate import evaluate
    from citypanel.study.own.storage import write_tables

    say = say_unless_quiet(options)
    study = read_declaration(find_study(Path.cwd(), options.name))
    if say:
        say(f"{study.name}: estimating")
    tables = evaluate(None, study)
    target = options.output or Path(f"{study.name}.duckdb")
    write_tables(target, study, tables)
    if not options.quiet:
        print(f"{target}: {len(tables)} tables in schema study")
