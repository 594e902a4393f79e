"""`citypanel tables`: the tables of the published file, ready for a paper."""

from __future__ import annotations

import argparse


def run(options: argparse.Namespace) -> None:
    """Write the tables; those whose marts are missing are named, the rest is made."""
    from citypanel.outputs.runs import Request, write_all
    from citypanel.outputs.tables import FORMATS, TABLES, Options, render

    chosen = Options(options.language, options.stars, options.intervals)
    request = Request(
        what="tables",
        only=options.only,
        formats=options.format,
        known_formats=FORMATS,
        output=options.output,
        database=options.database,
        quiet=options.quiet,
    )
    write_all(
        request,
        TABLES,
        lambda maker, marts, formats: render(maker.make(marts, chosen), formats),
    )
