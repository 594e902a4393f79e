"""`citypanel check`: every mistake of a declaration, and of its data, at once."""

from __future__ import annotations

import argparse


def run(options: argparse.Namespace) -> None:
    """Print what was understood, or raise with every mistake."""
    from pathlib import Path

    from citypanel.warehouse.studies import choose

    if not choose(Path.cwd(), options.name).brings_panel:
        _on_the_seeds(options.name)
        return
    from citypanel.study.own.build import checked_study
    from citypanel.study.own.panel import TREATMENT, UNIT
    from citypanel.study.own.tables import text

    made = checked_study(options.name)
    study = made.study
    treated = made.frame.groupby(UNIT)[TREATMENT].max() > 0
    print(
        f"{options.name}: {len(made.frame)} rows, {len(treated)} units "
        f"({study.unit_noun.get('en')}), {int(treated.sum())} treated; "
        f"{made.frame['period'].nunique()} periods, "
        f"{text(made.frame['period'].min())} to {text(made.frame['period'].max())}; "
        f"headline {study.headline.name}. No mistake found."
    )


def _on_the_seeds(name: str) -> None:
    """As `run`, of a study on the figures of seeds/."""
    from citypanel.study.declaration import declared
    from citypanel.study.plugin import roster_of

    study = declared(name)
    rows = roster_of(study)
    cities = len({row["city_id"] for row in rows if row["city_id"]})
    roster = (
        f"{len(rows)} rows, {cities} cities of seeds/" if rows else "that of seeds/"
    )
    first, last = study.years
    print(
        f"{name}: figures of seeds/, {first} to {last}; {len(study.options)} options, "
        f"{len(study.columns)} columns; roster: {roster}. No mistake found."
    )
