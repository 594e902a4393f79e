"""`citypanel tables`: the tables of the published file, ready for a paper."""

from __future__ import annotations

import argparse


def run(options: argparse.Namespace) -> None:
    """Write the tables; those whose marts are missing are named, the rest is made."""
    from citypanel.outputs.runs import write_all
    from citypanel.outputs.tables import FORMATS, TABLES, Style, render

    chosen = Style(options.language, options.stars, options.intervals)
    write_all(
        options,
        "tables",
        FORMATS,
        TABLES,
        lambda maker, marts, formats: render(maker.make(marts, chosen), formats),
    )
