"""Who published a raw table and under which terms, from the ORIGIN.md beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path

_ROW = re.compile(r"^\|\s*([A-Za-z][\w ]*?)\s*\|\s*(.*?)\s*\|$")


@dataclass(frozen=True)
class Origin:
    """One raw table's origin note; empty fields where the note says nothing."""

    path: str
    publisher: str = ""
    author: str = ""
    title: str = ""
    edition: str = ""
    retrieved_from: str = ""
    date: str = ""
    rights: str = ""

    @property
    def is_stated(self) -> bool:
        """Whether publisher (or author) and rights are written down."""
        return bool((self.publisher or self.author) and self.rights)


def read_origins(root: Path) -> list[Origin]:
    """The origin of every CSV under seeds/, in the order of their paths.

    A section "## file.csv" has its own table; what it leaves open is taken from the
    table before the first section, which holds for every file of the folder.
    """
    origins = []
    for path in sorted((root / "seeds").rglob("*.csv")):
        note = path.with_name("ORIGIN.md")
        stated: dict[str, str] = {}
        if note.is_file():
            general, sections = _sections(note.read_text(encoding="utf-8"))
            named = [text for head, text in sections if path.name in head]
            if named:
                stated = _fields(general) | _fields("\n".join(named))
        origins.append(Origin(**stated | {"path": path.relative_to(root).as_posix()}))
    return origins


def _sections(text: str) -> tuple[str, list[tuple[str, str]]]:
    general, *rest = re.split(r"^## ", text, flags=re.MULTILINE)
    return general, [
        (part.partition("\n")[0], part.partition("\n")[2]) for part in rest
    ]


def _fields(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    known = {each.name for each in fields(Origin)}
    for row in filter(None, map(_ROW.match, text.splitlines())):
        name = row[1].lower().replace(" ", "_")
        if name in known:
            found.setdefault(name, row[2])
    return found
