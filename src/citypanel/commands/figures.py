"""`citypanel figures`: the figures of the published file, ready for a paper."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from citypanel.commands import add_quiet


def register(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "figures",
        help="write the figures as PDF, SVG and PNG, with data and captions",
        description="Write the figures of the published file to outputs/figures.",
    )
    parser.add_argument("--language", choices=("en", "zh"), default="en")
    parser.add_argument(
        "--overlay", action="store_true", help="every estimator in figure 1"
    )
    parser.add_argument(
        "--format",
        default="pdf,svg,png,csv,md",
        metavar="pdf,svg,png,csv,md",
        help="formats to write, with commas between (default: all)",
    )
    parser.add_argument(
        "--only",
        metavar="NAMES",
        help="figures to write, with commas between: figure_1",
    )
    parser.add_argument("--output", type=Path, default=Path("outputs/figures"))
    parser.add_argument("--database", type=Path, default=Path("citypanel.duckdb"))
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write the figures; those whose marts are missing are named, the rest is made."""
    from citypanel.outputs.figures import FIGURES, FORMATS, Options, render
    from citypanel.outputs.figures.style import CJK_FONTS, chinese_font
    from citypanel.outputs.runs import Request, write_all

    language = options.language
    if language == "zh" and chinese_font() is None:
        print(
            "No font with Chinese characters was found; the figures are in English. "
            f"Remedy: install one of {', '.join(CJK_FONTS[:5])}.",
            file=sys.stderr,
        )
        language = "en"
    chosen = Options(language, overlay=options.overlay)
    request = Request(
        what="figures",
        only=options.only,
        formats=options.format,
        known_formats=FORMATS,
        output=options.output,
        database=options.database,
        quiet=options.quiet,
    )
    write_all(
        request,
        FIGURES,
        lambda maker, marts, formats: render(maker, marts, chosen, formats),
    )
