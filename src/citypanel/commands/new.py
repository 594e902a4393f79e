"""`citypanel new`: a declaration for a panel of one's own."""

from __future__ import annotations

import argparse
from pathlib import Path


def register(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "new",
        help="declare a study: a panel of your own, or a policy on shipped figures",
        description="Look at a panel file, a roster or both, and write "
        "studies/NAME/study.yml for you to correct. A roster without a panel is of a "
        "policy on the figures of the shipped study.",
    )
    parser.add_argument("name", help="a-z, 0-9 and _, such as my_zones")
    parser.add_argument(
        "--panel",
        type=Path,
        metavar="FILE",
        help="one row per unit and period: .csv, .xlsx, .dta or .parquet",
    )
    parser.add_argument(
        "--roster",
        type=Path,
        metavar="FILE",
        help="which unit is treated from when on: .csv or .xlsx",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write the declaration and say what to do next."""
    from citypanel.study.own.proposal import lay_out, write_study

    path = write_study(Path.cwd(), options.name, options.panel, options.roster)
    if lay_out(Path.cwd()):
        print("dbt_project.yml, profiles.yml, models, macros and Makefile written.")
    print(f"{path.relative_to(Path.cwd())} written. Correct it, then run:")
    print(f"  citypanel check {options.name}")
    print(f"  citypanel build --study {options.name}")
    print(f"  citypanel report --study {options.name}")
