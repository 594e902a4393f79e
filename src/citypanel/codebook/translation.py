"""Chinese of descriptions, units, sources and headings, keyed by their English."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

import pandas as pd

from citypanel.codebook.entries import Table

LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Translation:
    """A language, and what the English texts are in it.

    A text that is not known stays English: a new column is in the codebook before it
    is translated, and `untranslated` lists it.
    """

    language: str
    texts: dict[str, str] = field(default_factory=dict)

    def __call__(self, text: str) -> str:
        return self.texts.get(text, text)


@cache
def translation(language: str) -> Translation:
    """English (as it is) or Chinese (from chinese.yml)."""
    if language == "en":
        return Translation("en")
    import yaml

    content = files("citypanel.codebook").joinpath("chinese.yml")
    sections = yaml.safe_load(content.read_text(encoding="utf-8"))
    texts: dict[str, str] = {}
    for section in sections.values():
        texts.update({str(english): chinese for english, chinese in section.items()})
    return Translation("zh", texts)


def untranslated(tables: Iterable[Table]) -> pd.DataFrame:
    """Descriptions, units and sources without a Chinese text.

    Returns
    -------
    DataFrame
        One row per text: table, column (empty for the table itself), field, text.
    """
    chinese = translation("zh")
    rows = []
    for table in tables:
        if table.description not in chinese.texts:
            rows.append((table.name, "", "description", table.description))
        for column in table.columns:
            for name in ("description", "unit", "source"):
                text = getattr(column, name)
                if text and text not in chinese.texts:
                    rows.append((table.name, column.name, name, text))
    return pd.DataFrame(rows, columns=["table", "column", "field", "text"])
