"""Tables as pages of HTML, in the shell of every other page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from citypanel.outputs.tables.model import Table
from citypanel.pages import PAGES, render

TEMPLATES = Path(__file__).with_name("templates")


def page(table: Table, links: Sequence[tuple[str, str, str]] = PAGES) -> str:
    """A page that stands alone; `links` are those of its head.

    The page in the other language stands beside it, under the name that the tables of
    that language have.
    """
    zh = table.language == "zh"
    other = table.name + ("" if zh else "_zh") + ".html"
    return render(
        "table_page.html.j2",
        folder=TEMPLATES,
        table=table,
        languages=(table.language,),
        links=links,
        other=("en", "English", other) if zh else ("zh-Hans", "中文", other),
    )
