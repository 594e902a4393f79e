"""Self-contained pages in two languages: template, style and language switch.

A page extends `base.html.j2` and is rendered with `render`. Style sheet and script
stand in the page itself: one file, no network. Every text appears in both languages,
marked by `lang`; the style sheet shows one of them, English where no script runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citypanel.errors import PublicationError
from citypanel.files import write_text
from citypanel.words import Catalogue
from citypanel.words.numbers import number, share

if TYPE_CHECKING:
    from markupsafe import Markup

FOLDER = Path(__file__).parent
# Where the head of every page leads, from the folder of outputs: file, words.
PAGES = tuple(
    (file, words.en, words.zh) for file, words in Catalogue("front").of("links").items()
)

__all__ = ["embedded", "number", "render", "share", "write_page"]


def render(
    template: str,
    *,
    folder: Path,
    filters_of_text: Mapping[str, Callable[[str], str]] | None = None,
    **values: Any,
) -> str:
    """Render a template that extends `base.html.j2`.

    Whatever is put into the page is escaped: a city named <script> is shown, not run.

    Parameters
    ----------
    template : str
        Name of the template in `folder`.
    folder : Path
        Where the template is; the base and its macros are found beside this module.
    filters_of_text : mapping, optional
        Further Jinja filters, by name.
    **values
        What the template shows.

    Returns
    -------
    str
        The page.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader([folder, FOLDER]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, share=share, **(filters_of_text or {}))

    def own_file(name: str) -> Markup:
        # Our own style and script, the only text that enters a page unescaped.
        beside = folder / name
        own = beside if beside.is_file() else FOLDER / name
        return Markup(own.read_text(encoding="utf-8"))

    environment.globals.update(own_file=own_file, pages_of_the_study=PAGES)
    return environment.get_template(template).render(**values)


def embedded(value: object) -> Markup:
    """JSON that may stand in a script element: nothing in it can end the element."""
    from markupsafe import Markup

    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True,
                      separators=(",", ":"))  # fmt: skip
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def write_page(path: Path, text: str) -> Path:
    """Write a file whole or not at all.

    Raises
    ------
    PublicationError
        When it cannot be written; what stood there still stands.
    """
    try:
        write_text(path, text)
    except OSError as error:
        raise PublicationError(
            f"{path} could not be written: {error}\n"
            "Consequence: the page is as the last report left it.\n"
            "Remedy: see that its folder is writable and the disk has room."
        ) from error
    return path
