"""The specification curve as a figure: estimates above, choices below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from citypanel.curve.choices import Choices
from citypanel.curve.specifications import HEADLINE
from citypanel.files import atomically
from citypanel.outputs.facts import SIGNIFICANCE, Facts, Labels
from citypanel.outputs.figures import style
from citypanel.words import Catalogue
from citypanel.words.numbers import fixed as number_of
from citypanel.words.numbers import p_text

# Specifications up to which each has its dot; beyond, shades of stretches of the curve.
DOTS = 300
STRETCHES = 120
# Inches of a row of the matrix.
LINE = 0.145
# One colour a role, as in every other figure.
COLOURS = {"headline": style.HEADLINE, "plain": style.GREY, "faint": "#c4ccd2",
           "paper": style.PRINTED, "significant": style.BLUE}  # fmt: skip
FORMATS = ("pdf", "svg", "png")
SAID = Catalogue("curve")


@dataclass(frozen=True)
class Line:
    """A row of the dot matrix: a value of a choice."""

    choice: str
    label: str
    value: str
    told: str
    first: bool


def curve_rows(table: pd.DataFrame, estimand: str) -> pd.DataFrame:
    """Effects on the estimand, sorted by estimate; ties by name."""
    rows = table.loc[(table["estimand"] == estimand) & table["estimate"].notna()]
    rows = rows.sort_values(["estimate", "specification"], ignore_index=True)
    rows.insert(0, "place", np.arange(1, len(rows) + 1))
    return rows


def matrix_lines(
    rows: pd.DataFrame, choices: Choices, labels: Labels, language: str = "en"
) -> list[Line]:
    """The values that occur, choice by choice, where a choice has more than one."""
    lines = []
    for choice in choices.choices:
        seen = set(rows[choice.name].astype(str))
        declared = [str(v.value) for v in choice.values]
        values = [v for v in declared if v in seen] + sorted(seen - set(declared))
        if len(values) < 2:
            continue
        for i, value in enumerate(values):
            label, told = labels.choice(choice.name), labels.value(choice.name, value)
            words = label.said(language), told.said(language)
            lines.append(Line(choice.name, words[0], value, words[1], i == 0))
    return lines


def draw(rows: pd.DataFrame, choices: Choices, facts: Facts, language: str = "en"):
    """The figure.

    Parameters
    ----------
    rows : DataFrame
        As `curve_rows`.
    choices : Choices
    facts : Facts
        Of the file behind the curve: its words, the paper's number and the joint test.
    language : {"en", "zh"}

    Returns
    -------
    matplotlib Figure
    """
    from matplotlib.figure import Figure

    def say(name: str, **given) -> str:
        return SAID(f"drawn.{name}", **given).said(language)

    lines = matrix_lines(rows, choices, facts.labels, language)
    n = len(rows)
    # Inches: margins, estimates, matrix.
    width, margin, above, matrix = style.WIDTH, 0.45, 2.6, max(LINE * len(lines), 0.3)
    height = above + matrix + 2.4 * margin
    figure = Figure(figsize=(width, height))
    left, across = 2.05 / width, (width - 2.05 - 0.1) / width
    below = figure.add_axes((left, margin / height, across, matrix / height))
    top = figure.add_axes(
        (left, (matrix + 1.6 * margin) / height, across, above / height), sharex=below
    )
    top.tick_params(labelbottom=False)
    outcome = facts.labels.outcome(facts.outcome).said(language)
    _estimates(top, rows, n, facts, say, outcome)
    _matrix(below, rows, lines, n, say)
    return figure


def _estimates(axes, rows: pd.DataFrame, n: int, facts: Facts, say, outcome) -> None:
    paper = facts.paper.estimate if facts.paper else None
    x = rows["place"].to_numpy(float)
    b = rows["estimate"].to_numpy(float)
    low, high = (rows[c].to_numpy(float) for c in ("conf_low", "conf_high"))
    many = n > DOTS
    axes.vlines(
        x, low, high, color=COLOURS["faint"], lw=0.35 if many else 1.0, rasterized=many
    )
    clear = (rows["p_value"] < SIGNIFICANCE).fillna(False).to_numpy(dtype=bool)
    for mask, colour, label in (
        (~clear, COLOURS["plain"], "at_least"),
        (clear, COLOURS["significant"], "below"),
    ):
        if mask.any():
            axes.plot(
                x[mask], b[mask], ".", ms=2.2 if many else 5, color=colour,
                label=say(label, level=SIGNIFICANCE, n=f"{mask.sum():,}"),
                rasterized=many,
            )  # fmt: skip
    axes.axhline(0, color="black", lw=0.8)
    if paper is not None:
        axes.axhline(paper, color=COLOURS["paper"], lw=1.2, ls="--",
                     label=say("paper", paper=f"{paper:g}"))  # fmt: skip
    here = np.flatnonzero(rows["specification"] == HEADLINE)
    if len(here):
        i = here[0]
        axes.plot(x[i], b[i], "D", ms=6, color=COLOURS["headline"], zorder=5,
                  label=say("headline", effect=number_of(b[i])))  # fmt: skip
    lowest, highest = np.nanquantile(low, 0.01), np.nanquantile(high, 0.99)
    pad = 0.05 * (highest - lowest)
    mark = 0.0 if paper is None else paper
    axes.set_ylim(min(lowest, b.min(), mark) - pad, max(highest, b.max(), mark) + pad)
    axes.set_ylabel(say("axis", outcome=outcome), fontsize=8)
    axes.legend(
        loc="upper left", fontsize=6.5, framealpha=0.85, edgecolor="none", borderpad=0.2
    )
    s = facts.range
    joint = p_text(s.joint_p) if s is not None else ""
    title = say("title_tested" if joint else "title", n=f"{n:,}", p=joint)
    axes.set_title(title, loc="left", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7)


def _matrix(axes, rows: pd.DataFrame, lines: Sequence[Line], n: int, say) -> None:
    position = np.arange(len(lines))
    if n <= DOTS:
        for k, line in enumerate(lines):
            mine = (rows[line.choice].astype(str) == line.value).to_numpy()
            axes.plot(rows["place"][mine], np.full(mine.sum(), k), "|", ms=4.5,
                      mew=0.9, color=COLOURS["plain"])  # fmt: skip
    else:
        edges = np.linspace(0, n, min(STRETCHES, n) + 1).astype(int)
        shares = np.empty((len(lines), len(edges) - 1))
        for k, line in enumerate(lines):
            mine = (rows[line.choice].astype(str) == line.value).to_numpy(float)
            shares[k] = np.add.reduceat(mine, edges[:-1]) / np.diff(edges)
        shown = shares / np.maximum(shares.max(axis=1, keepdims=True), 1e-12)
        axes.pcolormesh(
            edges + 0.5, np.arange(len(lines) + 1) - 0.5, shown, cmap="Greys",
            vmin=0, vmax=1.15, rasterized=True,
        )  # fmt: skip
        axes.set_xlabel(say("place"), fontsize=7)
    for k, line in enumerate(lines):
        if line.first and k:
            axes.axhline(
                k - 0.5, color="white" if n > DOTS else COLOURS["faint"],
                lw=2 if n > DOTS else 0.5,
            )  # fmt: skip
    axes.set_yticks(
        position,
        [f"{line.label}: {line.told}" if line.first else line.told for line in lines],
        fontsize=style.SMALL,
    )
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_xlim(0.5, n + 0.5)
    axes.tick_params(axis="x", labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def write_figures(
    table: pd.DataFrame, choices: Choices, facts: Facts, folder: Path
) -> list[Path]:
    """Write the curve as PDF, SVG and PNG, and its data as CSV.

    The same table gives the same bytes. In Chinese too, as curve_zh, where the machine
    has a font with its characters. Without an estimate there is no figure, and a former
    one is taken away.

    Returns
    -------
    list of Path
    """
    rows = curve_rows(table, facts.estimand)
    paths: list[Path] = []
    if len(rows):
        folder.mkdir(parents=True, exist_ok=True)
        paths = _written(rows, choices, facts, folder)
    for former in set(folder.glob("curve*")) - set(paths):
        if former.suffix.lstrip(".") in (*FORMATS, "csv"):
            former.unlink()
    return paths


def _written(
    rows: pd.DataFrame, choices: Choices, facts: Facts, folder: Path
) -> list[Path]:
    import matplotlib as mpl

    metadata = {
        "pdf": {"CreationDate": None},
        "svg": {"Date": None},
        "png": {"Software": None},
    }
    paths = []
    fixed = {"svg.hashsalt": "citypanel", "svg.fonttype": "path", "pdf.fonttype": 42}
    for language in ("en", "zh") if style.chinese_font() else ("en",):
        name = "curve" if language == "en" else f"curve_{language}"
        fonts = ["DejaVu Sans", *([style.chinese_font()] if language == "zh" else [])]
        with mpl.rc_context({**fixed, "font.family": fonts}):
            figure = draw(rows, choices, facts, language)
            for ending in FORMATS:
                paths.append(folder / f"{name}.{ending}")
                with atomically(paths[-1]) as part:
                    figure.savefig(
                        part, format=ending, dpi=200, metadata=metadata[ending]
                    )
    kept = ["place", "specification", "plausibility", "estimate", "conf_low",
            "conf_high", "p_value", *choices.names]  # fmt: skip
    paths.append(folder / "curve.csv")
    with atomically(paths[-1]) as part:
        rows[kept].to_csv(part, index=False, encoding="utf-8")
    return paths
