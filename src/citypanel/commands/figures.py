"""`citypanel figures`: the figures of the published file, ready for a paper."""

from __future__ import annotations

import argparse
import sys


def run(options: argparse.Namespace) -> None:
    """Write the figures; those whose marts are missing are named, the rest is made."""
    from citypanel.outputs.figures import FIGURES, FORMATS, Style, render
    from citypanel.outputs.figures.style import CJK_FONTS, chinese_font
    from citypanel.outputs.runs import write_all

    language = options.language
    if language == "zh" and chinese_font() is None:
        print(
            "No font with Chinese characters was found; the figures are in English. "
            f"Remedy: install one of {', '.join(CJK_FONTS[:5])}.",
            file=sys.stderr,
        )
        language = "en"
    chosen = Style(language, overlay=options.overlay)
    write_all(
        options,
        "figures",
        FORMATS,
        FIGURES,
        lambda maker, marts, formats: render(maker, marts, chosen, formats),
    )
