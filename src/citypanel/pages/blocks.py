"""Plain pages of headings, sentences, lists and tables, as Markdown or HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

STYLE = """body { font: 16px/1.55 system-ui, sans-serif; color: #1c2833;
  max-width: 46em; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.6em; } h2 { font-size: 1.15em; margin-top: 1.6em; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .8em; white-space: nowrap; }
th { white-space: normal; vertical-align: bottom; }
th, td { border-bottom: 1px solid #d5dbdb; padding: .3em .5em; text-align: right; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; } li, p { overflow-wrap: anywhere; }
code { background: #f2f4f4; }"""


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


def as_html(blocks: Sequence[Block]) -> str:
    """The page as HTML that needs no network; all text escaped."""
    body = []
    for block in blocks:
        content = block.content
        if block.kind in _TAGS:
            tag = _TAGS[block.kind]
            body.append(f"<{tag}>{_text(content)}</{tag}>")
        elif block.kind == "items" and content:
            items = "".join(f"<li>{_text(item)}</li>" for item in content)
            body.append(f"<ul>{items}</ul>")
        elif block.kind == "table":
            lines = "".join(
                "<tr>" + "".join(f"<{tag}>{_text(c)}</{tag}>" for c in row) + "</tr>"
                for tag, row in zip(
                    ["th", *["td"] * len(content)], content, strict=False
                )
            )
            body.append(f'<div class="wide"><table>{lines}</table></div>')
        elif block.kind == "figure":
            source, target, label = map(html.escape, content)
            body.append(
                f'<p><a href="{target}"><img src="{source}" alt="{label}"></a></p>'
            )
    titles = (_text(block.content) for block in blocks if block.kind == "title")
    title = next(titles, "")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n"
        f"<style>{STYLE}</style>\n</head>\n<body>\n" + "\n".join(body) + "\n</body>\n"
        "</html>\n"
    )


_TAGS = {"title": "h1", "heading": "h2", "text": "p"}


def _text(value: object) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(str(value)))
