"""Tables as LaTeX: a fragment for a paper, and a wrapper that compiles by itself."""

from __future__ import annotations

import re

from citypanel.outputs.tables.model import Cell, Column, Table
from citypanel.words import Catalogue
from citypanel.words.numbers import MINUS

PACKAGES = ("booktabs", "dcolumn", "threeparttable", "longtable", "array")
# The first that the machine has.
CJK_FONTS = (
    "Noto Serif CJK SC", "Source Han Serif SC", "Songti SC", "SimSun", "FandolSong",
)  # fmt: skip

_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#",
    "_": r"\_\allowbreak{}", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}", "<": r"$<$", ">": r"$>$", "|": r"$|$",
    MINUS: "$-$", "\u2013": "--", "\u2014": "---", "\u00d7": r"$\times$",
    "\u00b2": "$^2$", "\u2265": r"$\geq$", "\u2264": r"$\leq$", "\u221e": r"$\infty$",
}  # fmt: skip


def escape(text: str) -> str:
    """Text as LaTeX sets it."""
    out = "".join(_ESCAPES.get(c, c) for c in text)
    return re.sub(r"\*+", lambda stars: f"$^{{{stars[0]}}}$", out)


def fragment(table: Table) -> str:
    """The table, to be read with \\input."""
    packages = ", ".join(PACKAGES)
    lines = [
        f"% {table.name}: \\usepackage{{{packages.replace(' ', '')}}}",
        "% Numbered as the file; delete the \\renewcommand to let LaTeX count.",
    ]
    lines += _long(table) if table.long else _float(table)
    return "\n".join(lines) + "\n"


def standalone(table: Table) -> str:
    """A document around the fragment of the same name, for xelatex."""
    margins = "margin=2.2cm" + (",landscape" if table.landscape else "")
    lines = [
        "% xelatex compiles this file beside the fragment.",
        r"\documentclass[11pt]{article}",
        rf"\usepackage[a4paper,{margins}]{{geometry}}",
        r"\usepackage{fontspec}",
        *(rf"\usepackage{{{package}}}" for package in PACKAGES),
        r"\usepackage[labelfont=bf,labelsep=period,font=normalsize]{caption}",
    ]
    if table.language == "zh":
        lines += [
            r"\usepackage{xeCJK}",
            *(
                rf"\IfFontExistsTF{{{name}}}{{\setCJKmainfont{{{name}}}}}{{%"
                for name in CJK_FONTS
            ),
            "}" * len(CJK_FONTS),
            r"\renewcommand{\tablename}{表}",
            r"\captionsetup{labelsep=quad}",
        ]
    name = table.name if table.language == "en" else f"{table.name}_{table.language}"
    lines += [
        r"\pagestyle{empty}",
        r"\begin{document}",
        rf"\input{{{name}.tex}}",
        r"\end{document}",
    ]
    return "\n".join(lines) + "\n"


def _float(table: Table) -> list[str]:
    size = [r"\small"] if len(table.columns) > 4 else []
    return [
        r"\begin{table}[htbp]",
        r"\centering",
        *size,
        rf"\renewcommand{{\thetable}}{{{table.number}}}",
        r"\begin{threeparttable}",
        rf"\caption{{{escape(table.title)}}}",
        rf"\label{{tab:{table.name}}}",
        rf"\setlength{{\tabcolsep}}{{{3 if len(table.columns) > 8 else 5}pt}}",
        rf"\begin{{tabular}}{{@{{}}{_specification(table)}@{{}}}}",
        r"\toprule",
        *_header(table),
        r"\midrule",
        *_body(table),
        r"\bottomrule",
        r"\end{tabular}",
        *_table_notes(table),
        r"\end{threeparttable}",
        r"\end{table}",
    ]


def _long(table: Table) -> list[str]:
    n = len(table.columns) + 1
    continued = Catalogue("tables")("continued").said(table.language)
    return [
        r"\begingroup",
        r"\footnotesize",
        rf"\renewcommand{{\thetable}}{{{table.number}}}",
        r"\setlength{\tabcolsep}{3pt}",
        rf"\begin{{longtable}}{{@{{}}{_specification(table)}@{{}}}}",
        rf"\caption{{{escape(table.title)}}}\label{{tab:{table.name}}}\\",
        r"\toprule",
        *_header(table),
        r"\midrule",
        r"\endfirsthead",
        rf"\multicolumn{{{n}}}{{@{{}}l}}{{\textit{{{escape(table.heading)} "
        rf"({continued})}}}}\\",
        r"\toprule",
        *_header(table),
        r"\midrule",
        r"\endhead",
        r"\midrule",
        r"\endfoot",
        r"\bottomrule",
        r"\endlastfoot",
        *_body(table),
        r"\end{longtable}",
        *([rf"\noindent{_notes(table)}\par"] if table.notes else []),
        r"\endgroup",
    ]


def _table_notes(table: Table) -> list[str]:
    if not table.notes:
        return []
    return [
        r"\begin{tablenotes}[flushleft]",
        r"\footnotesize",
        rf"\item {_notes(table)}",
        r"\end{tablenotes}",
    ]


def _notes(table: Table) -> str:
    said = table.between.join(map(escape, table.notes))
    return rf"\textit{{{table.notes_head}}} {said}"


def _specification(table: Table) -> str:
    ragged = r">{\raggedright\arraybackslash}"
    first = (
        rf"{ragged}p{{{table.stub_width:.2f}\linewidth}}" if table.stub_width else "l"
    )
    return first + "".join(
        rf"{ragged}p{{{column.width:.2f}\linewidth}}"
        if column.width
        else ("l" if column.kind == "text" else _numbers(table, place))
        for place, column in enumerate(table.columns)
    )


def _numbers(table: Table, place: int) -> str:
    """A column wide enough on both sides of its decimal points, and no wider."""
    left = right = 1
    for row in table.rows:
        if row.cells[place].kind == "number":
            before, _, after = row.cells[place].text.partition(".")
            left, right = max(left, len(before)), max(right, len(after))
    return rf"D{{.}}{{.}}{{{left}.{right}}}"


def _header(table: Table) -> list[str]:
    lines = []
    if table.groups:
        cells, rules, place = [""], [], 0
        for label, first, last in table.groups:
            cells += [""] * (first - place)
            cells.append(
                rf"\multicolumn{{{last - first + 1}}}{{c}}{{{_stacked(label)}}}"
            )
            rules.append(rf"\cmidrule(lr){{{first + 2}-{last + 2}}}")
            place = last + 1
        cells += [""] * (len(table.columns) - place)
        lines += [" & ".join(cells) + r" \\", "".join(rules)]
    labels = [
        escape(c.label) if c.kind == "text" else _centred(_stacked(c.label))
        for c in table.columns
    ]
    return [*lines, " & ".join([escape(table.stub), *labels]) + r" \\"]


def _stacked(label: str) -> str:
    """A heading of several lines, one under the other."""
    parts = [escape(part) for part in label.split("\n")]
    if len(parts) == 1:
        return parts[0]
    return r"\begin{tabular}[b]{@{}c@{}}" + r"\\".join(parts) + r"\end{tabular}"


def _centred(text: str) -> str:
    return rf"\multicolumn{{1}}{{c}}{{{text}}}" if text else ""


def _body(table: Table) -> list[str]:
    lines: list[str] = []
    n = len(table.columns) + 1
    end = r" \\*" if table.long else r" \\"
    for order, block in enumerate(table.blocks):
        if block.heading:
            if order:
                lines.append(r"\addlinespace[4pt]")
            lines.append(
                rf"\multicolumn{{{n}}}{{@{{}}l}}{{\textit{{{escape(block.heading)}}}}}"
                + end
            )
            lines.append(r"\addlinespace[2pt]")
        elif order:
            lines.append(r"\addlinespace[4pt]")
        for place, row in enumerate(block.rows):
            if row.rule:
                lines.append(r"\midrule")
            elif place and not row.follows and block.rows[place - 1].follows:
                lines.append(r"\addlinespace[2pt]")
            cells = [
                _cell(cell, column)
                for cell, column in zip(row.cells, table.columns, strict=True)
            ]
            after = block.rows[place + 1] if place + 1 < len(block.rows) else None
            label = escape(row.label)
            if label and table.stub_width and after is not None and after.follows:
                # A label of two lines reaches into the row that follows.
                label = (
                    r"\smash{\parbox[t]{\linewidth}"
                    rf"{{\raggedright {label}}}}}"
                )
            lines.append(" & ".join([label, *cells]) + r" \\")
    return lines


def _cell(cell: Cell, column: Column) -> str:
    if not cell.text:
        return ""
    if column.kind == "text":
        return escape(cell.text)
    if cell.kind == "number":
        text = cell.text.replace(MINUS, "-").replace(",", "{,}")
        return re.sub(r"(\*+)$", r"^{\1}", text)
    if cell.kind == "interval":
        return _centred("$" + cell.text.replace(MINUS, "-").replace(", ", r",\,") + "$")
    return _centred(escape(cell.text))
