"""`citypanel check`: every mistake of a declaration, and of its data, at once."""

from __future__ import annotations

import argparse
from pathlib import Path


def register(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "check",
        help="find every mistake of a study's declaration",
        description="Hold studies/NAME/study.yml and the panel against each other.",
    )
    parser.add_argument("name", help="the study's folder under studies/")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print what was understood, or raise with every mistake."""
    from citypanel.study.own.declaration import (
        examine_declaration,
        find_study,
        raise_problems,
    )
    from citypanel.study.own.panel import TREATMENT, UNIT, look, read_panel

    path = find_study(Path.cwd(), options.name)
    study, problems = examine_declaration(path)
    made = None
    # What hides behind another mistake shows at the next check.
    named = study and study.unit and study.period and study.outcomes
    if study and named and study.panel.is_file():
        made, more = look(study, read_panel(study.panel))
        problems = [*problems, *more]
    if problems or study is None or made is None:
        raise_problems(options.name, list(dict.fromkeys(problems)))
    treated = made.frame.groupby(UNIT)[TREATMENT].max() > 0
    print(
        f"{options.name}: {len(made.frame)} rows, {len(treated)} units "
        f"({study.unit_noun.get('en')}), {int(treated.sum())} treated; "
        f"{made.frame['period'].nunique()} periods, "
        f"{made.frame['period'].min()} to {made.frame['period'].max()}; "
        f"headline {study.headline.name}. No mistake found."
    )
