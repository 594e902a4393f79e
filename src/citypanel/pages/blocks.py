"""Plain pages of headings, sentences, lists and tables, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Block:
    """A piece of a page.

    Attributes
    ----------
    kind : str
        title, heading, text, items, table (rows, the head first) or figure (a file and
        the page it links to).
    content : object
    """

    kind: str
    content: Any


def pipe_table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> list[str]:
    """The lines of a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(map(str, line)) + " |" for line in lines]


def as_markdown(blocks: Iterable[Block]) -> str:
    """The page as Markdown; a figure is left to the other forms."""
    out = []
    for block in blocks:
        content = block.content
        if block.kind in ("title", "heading"):
            out.append(f"{'#' if block.kind == 'title' else '##'} {content}")
        elif block.kind == "text":
            out.append(str(content))
        elif block.kind == "items" and content:
            out.append("\n".join(f"- {item}" for item in content))
        elif block.kind == "table":
            out.append("\n".join(pipe_table(content[0], content[1:])))
    return "\n\n".join(out) + "\n"
