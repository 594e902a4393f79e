"""The codebook as an Excel workbook, the same bytes for the same content."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence

import pandas as pd

from citypanel.codebook.entries import Table
from citypanel.codebook.pages import markdown
from citypanel.codebook.sheets import columns_sheet, series_sheet, tables_sheet
from citypanel.codebook.translation import LANGUAGES, translation
from citypanel.files import zipped

WIDEST = 70
# Only docProps/core.xml has it; cells cannot hold a tag.
_CLOCK = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*(</dcterms:\2>)")


def workbook(
    tables: Sequence[Table], coverage: pd.DataFrame, series: pd.DataFrame
) -> bytes:
    """Lay the codebook out on three sheets a language.

    Headers are frozen and filtered, columns as wide as their text up to a limit. Every
    text is a text cell, so that one that begins like a formula is not run.

    Returns
    -------
    bytes
        Of the .xlsx file; without the clock.
    """
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    for language in LANGUAGES:
        say = translation(language)
        for title, frame in (
            ("Tables", tables_sheet(tables, coverage, language)),
            ("Columns", columns_sheet(tables, coverage, language)),
            ("Series", series_sheet(series, language)),
        ):
            _fill(book.create_sheet(say(title)), frame)
    content = io.BytesIO()
    book.save(content)
    with zipfile.ZipFile(content) as made:
        return zipped(
            (name, _CLOCK.sub(rb"\g<1>1980-01-01T00:00:00Z\g<3>", made.read(name)), 0)
            for name in made.namelist()
        )


def contents(
    tables: Sequence[Table], coverage: pd.DataFrame, series: pd.DataFrame
) -> dict[str, bytes]:
    """The codebook's files by name: a page a language, and the workbook."""
    pages = {
        f"codebook.{language}.md": markdown(tables, coverage, series, language=language)
        for language in LANGUAGES
    }
    files = {name: page.encode("utf-8") for name, page in pages.items()}
    return files | {"codebook.xlsx": workbook(tables, coverage, series)}


def _fill(sheet, frame: pd.DataFrame) -> None:
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils import get_column_letter

    top = Alignment(vertical="top", wrap_text=True)
    for place, name in enumerate(frame, start=1):
        values = [name, *frame[name]]
        for row, value in enumerate(values, start=1):
            cell = sheet.cell(row=row, column=place)
            if isinstance(value, str):
                cell.value = ILLEGAL_CHARACTERS_RE.sub("", value)
                cell.data_type = "s"
            else:
                cell.value = int(value)
            cell.alignment = top
        sheet.cell(row=1, column=place).font = Font(bold=True)
        longest = max(_width(str(value)) for value in values)
        letter = get_column_letter(place)
        sheet.column_dimensions[letter].width = min(longest + 2, WIDEST)
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = sheet.dimensions


def _width(text: str) -> int:
    """Columns of a monospaced screen: an ideograph takes two."""
    return sum(2 if ord(letter) > 0x2E7F else 1 for letter in text)
