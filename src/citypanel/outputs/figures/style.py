"""How figures look: sizes, fonts, colours that stay apart in grey, no dates."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

# Nothing of the person's own configuration may change a figure.
os.environ.setdefault("MPLBACKEND", "Agg")

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Width of a text block, in inches.
WIDTH = 6.5
PNG_DPI = 200

# Okabe and Ito (2008); apart to colour-blind readers. In grey they are told apart by
# markers and dashes, which always go with them.
BLACK, GREY, LIGHT = "#000000", "#6e6e6e", "#d0d0d0"
BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
ORANGE, SKY, PURPLE, YELLOW = "#E69F00", "#56B4E9", "#CC79A7", "#F0E442"
BROWN, OLIVE, PLUM = "#7a4a00", "#8f7f00", "#6a3d7a"
# One colour a role, in every figure.
HEADLINE, TREATED, CONTROL, PRINTED = BLACK, BLUE, GREY, PURPLE
# Colour, marker and what fills it of treated and control cities.
ROLES = (("treated", TREATED, "o", TREATED), ("control", CONTROL, "^", "white"))
# Series that have no role: estimators, regions. None has the colour of a role but the
# first, which is the headline's.
SERIES = (
    (BLACK, "o", "-"),
    (VERMILION, "s", "--"),
    (GREEN, "^", "-."),
    (ORANGE, "D", ":"),
    (BROWN, "v", (0, (5, 1))),
    (SKY, "P", (0, (3, 1, 1, 1))),
    (PLUM, "X", (0, (1, 1))),
    (OLIVE, "<", (0, (5, 2, 1, 2))),
    ("#4d4d4d", ">", (0, (2, 2))),
)
# Cohorts, all of them treated: from dark to light, apart on a grey print too.
COHORTS = ("#083a5c", BLUE, "#6cb2dd", "#b7dbf0", "#dcecf7")
# The smallest letters, in points.
SMALL = 6.0
STYLE_SHEET = Path(__file__).with_name("citypanel.mplstyle")

# Serif as the text around it; bundled with matplotlib, so the same on every machine.
LATIN_FONT = "STIXGeneral"
# The first that the machine has. Names with JP are how matplotlib sees the collection
# that holds the simplified forms.
CJK_FONTS = (
    "Noto Serif CJK SC", "Source Han Serif SC", "Source Han Serif CN", "Songti SC",
    "SimSun", "Noto Serif SC", "Noto Serif CJK JP", "Noto Sans CJK SC",
    "Source Han Sans SC", "PingFang SC", "Microsoft YaHei", "SimHei",
    "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Noto Sans CJK JP",
    "AR PL SungtiL GB", "AR PL UMing CN", "Droid Sans Fallback",
)  # fmt: skip
_PROBE = "综合试验区全要素生产率双向固定效应"


@cache
def chinese_font() -> str | None:
    """A font with the characters of the labels, None where the machine has none."""
    found = _first_chinese_font()
    if found is None and _add_new_fonts():
        found = _first_chinese_font()
    return found


def _first_chinese_font() -> str | None:
    from matplotlib.font_manager import fontManager
    from matplotlib.ft2font import FT2Font

    paths = {entry.name: entry.fname for entry in reversed(fontManager.ttflist)}
    for name in CJK_FONTS:
        if name in paths:
            try:
                face = FT2Font(paths[name])
            except (OSError, RuntimeError):
                continue
            if all(face.get_char_index(ord(character)) for character in _PROBE):
                return name
    return None


def _add_new_fonts() -> bool:
    """Tell matplotlib of fonts installed since it last listed them."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    known = {entry.fname for entry in fontManager.ttflist}
    new = sorted(set(findSystemFonts()) - known)
    for path in new:
        with suppress(OSError, RuntimeError, ValueError):
            fontManager.addfont(path)
    return bool(new)


@contextmanager
def styled(language: str) -> Iterator[None]:
    """matplotlib's defaults with this module's settings, and no one else's."""
    from matplotlib import rc_context, rc_params_from_file, rcParamsDefault

    fonts = [LATIN_FONT]
    if language == "zh" and (font := chinese_font()):
        fonts.append(font)
    own = rc_params_from_file(STYLE_SHEET, use_default_template=False)
    settings = {**rcParamsDefault, **own, "font.family": fonts}
    settings.pop("backend", None)
    with rc_context(settings):
        yield


def save(figure: Figure, kind: str, title: str) -> bytes:
    """The figure as pdf, svg or png; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    metadata: dict[str, dict[str, str | None]] = {
        "pdf": {
            "Title": title,
            "Creator": "citypanel",
            "Producer": None,
            "CreationDate": None,
        },
        "svg": {"Title": title, "Creator": "citypanel", "Date": None},
        "png": {"Title": title, "Software": None},
    }
    figure.savefig(
        buffer, format=kind, metadata=metadata[kind], dpi=PNG_DPI, facecolor="white"
    )
    return buffer.getvalue()


def new_figure(width: float = WIDTH, height: float = 4.0) -> Figure:
    """An empty figure, outside pyplot's list of open ones."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def zero_line(axes, value: float = 0.0, *, vertical: bool = False) -> None:
    """A thin line where there is no effect."""
    draw = axes.axvline if vertical else axes.axhline
    draw(value, color=GREY, linewidth=0.6, zorder=0)


def legend_below(figure, axes, columns: int = 3) -> None:
    """The legend of some axes below the whole figure."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def points(axes, x, y, colour: str, marker: str, **how):
    """Markers that no line joins."""
    axes.plot(x, y, linestyle="none", marker=marker, color=colour, **how)


def label_beside(axes, text: str, at, offset, **how) -> None:
    """A text at a distance in points from where it belongs."""
    axes.annotate(text, at, xytext=offset, textcoords="offset points", **how)


def luminance(colour) -> float:
    """Relative luminance (0 dark, 1 light) of a colour."""
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
