"""`citypanel new`: a declaration for a panel of one's own."""

from __future__ import annotations

import argparse
from pathlib import Path


def run(options: argparse.Namespace) -> None:
    """Write the declaration and say what to do next."""
    from citypanel.study.own.proposal import lay_out, write_study

    if options.renew:
        lay_out(Path.cwd(), renew=True)
        print("dbt_project.yml, profiles.yml, models, macros and Makefile renewed.")
        return
    path = write_study(Path.cwd(), options.name or "", options.panel, options.roster)
    if lay_out(Path.cwd()):
        print("dbt_project.yml, profiles.yml, models, macros and Makefile written.")
    print(f"{path.relative_to(Path.cwd())} written. Correct it, then run:")
    print(f"  citypanel check {options.name}")
    print(f"  citypanel build --study {options.name}")
    print(f"  citypanel report --study {options.name}")
