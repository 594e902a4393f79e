"""`citypanel evaluate`: every table of a study on a panel of one's own."""

from __future__ import annotations

import argparse
from pathlib import Path

from citypanel.commands import say_unless_quiet


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
