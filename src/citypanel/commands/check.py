"""`citypanel check`: every mistake of a declaration, and of its data, at once."""

from __future__ import annotations

import argparse


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
    from citypanel.study.own.build import checked_study
    from citypanel.study.own.panel import TREATMENT, UNIT

    made = checked_study(options.name)
    study = made.study
    treated = made.frame.groupby(UNIT)[TREATMENT].max() > 0
    print(
        f"{options.name}: {len(made.frame)} rows, {len(treated)} units "
        f"({study.unit_noun.get('en')}), {int(treated.sum())} treated; "
        f"{made.frame['period'].nunique()} periods, "
        f"{made.frame['period'].min()} to {made.frame['period'].max()}; "
        f"headline {study.headline.name}. No mistake found."
    )
