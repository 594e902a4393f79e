"""Tables of the study: a model of each, written as LaTeX, Word, HTML, text and CSV."""

from __future__ import annotations

from collections.abc import Sequence

from citypanel.outputs.style import Maker, Style
from citypanel.outputs.tables.contents import TABLES
from citypanel.outputs.tables.model import Table
from citypanel.pages import PAGES

FORMATS = ("tex", "docx", "html", "md", "csv")

__all__ = ["FORMATS", "TABLES", "Maker", "Style", "Table", "render"]


def render(
    table: Table,
    formats: tuple[str, ...] = FORMATS,
    links: Sequence[tuple[str, str, str]] = PAGES,
) -> dict[str, bytes]:
    """A table in each format.

    Parameters
    ----------
    table : Table
    formats : tuple of str
        Among `FORMATS`.
    links : sequence of (file, English, Chinese)
        Where the head of the HTML page leads.

    Returns
    -------
    dict of file name to bytes
        ``tex`` gives two files: the fragment and a wrapper that compiles. Files in
        Chinese end in _zh before the suffix; their CSV starts with a byte order mark,
        without which Excel misreads it.
    """
    from citypanel.outputs.tables import html, latex, text, word

    zh = table.language == "zh"
    stem = table.name + ("_zh" if zh else "")
    out: dict[str, bytes] = {}
    for kind in formats:
        if kind == "tex":
            out[f"{stem}.tex"] = latex.fragment(table).encode()
            out[f"{stem}_standalone.tex"] = latex.standalone(table).encode()
        elif kind == "docx":
            out[f"{stem}.docx"] = word.document(table)
        elif kind == "html":
            out[f"{stem}.html"] = html.page(table, links).encode()
        elif kind == "md":
            out[f"{stem}.md"] = text.markdown(table).encode()
        elif kind == "csv":
            out[f"{stem}.csv"] = text.delimited(table).encode(
                "utf-8-sig" if zh else "utf-8"
            )
    return out
