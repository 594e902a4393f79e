"""Tables from files of every kind that circulates, with limits on what one may hold.

calamine reads .xlsx and .ods, xlrd .xls, pyreadstat .dta and .sav, DuckDB .parquet. A
cell comes as a person sees it: a percentage with its sign, an error and a formula that
was never computed as such and not as a gap, a raised footnote mark apart from the
figure before it.
"""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import hashlib
import io
import os
import re
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from citypanel.errors import ImporterError
from citypanel.importers.cells import (
    Problem,
    Unread,
    address,
    few,
    printed,
    raised,
    shown,
)

# A yearbook of 300 cities, 34 years and 200 columns is 25 MB of text and 2 million
# cells: each limit is ten times that or more (2026-11-25).
LARGEST_FILE = 300 * 2**20
LARGEST_UNPACKED = 2**30
LARGEST_RATIO = 250
RATIO_APPLIES_FROM = 2**20
MOST_ENTRIES = 2_000
MOST_CELLS = 20_000_000

ZIP, COMPOUND = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
GZIP = b"\x1f\x8b"
OTHERS = {
    b"%PDF": "a PDF", b"Rar!": "an archive", b"7z\xbc\xaf": "an archive",
    b"<?xml": "XML", b"[{": "JSON", b"{": "JSON", b"SQLite format": "a database",
    b"ARROW1": "an Arrow file", b"\x89HDF": "an HDF5 file", b"RDX": "an R file",
    b"\x93NUMPY": "a NumPy file", b"\xff\xfe\xff\x0e": "a SPSS output",
}  # fmt: skip
PARQUET, SPSS = b"PAR1", (b"$FL2", b"$FL3")
# Stata's files begin with their version; up to 117 they name no encoding, and those
# with Chinese names are GB18030.
STATA = re.compile(rb"<stata_dta>|[\x6e-\x73][\x01\x02]\x01\x00")
STATA_UNICODE = re.compile(rb"<stata_dta><header><release>1(?:18|19)")
COLUMN_OF_CELL = re.compile(rb"""r=["']([A-Z]{1,3})[0-9]""")
ROW = re.compile(rb"""<(?:\w+:)?row\s[^>]*?\br=["']([0-9]{1,9})["']""")
ROW_OF_CELL = re.compile(rb"""r=["'][A-Z]{1,3}([0-9]{1,9})["']""")
# A formula whose cell ends without a value; an empty text is a value.
UNCOMPUTED = re.compile(
    rb"<(?:\w+:)?c\s(?![^>]*t=.str)[^>]*>\s*<(?:\w+:)?f\b(?:[^>]*/>|[^<]*</(?:\w+:)?f>)"
    rb"\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
FORMULA = re.compile(rb"[<:]f[ />]")
ERROR = re.compile(rb"""<(?:\w+:)?c\s[^>]*\bt=["']e["']""")
# Formats that show another figure than the cell holds: percentages, thousands left out,
# Chinese units; and those that show nothing.
TELLING_FORMAT = re.compile(
    r"formatCode=\"(?:;|[^\"]*(?:%|,(?![#0?])|[‰\u3400-\u9fff]|;;|&quot;[^&]*[0-9A-Za-z]|"
    r"[\\!][0-9A-Za-z]))|numFmtId=\"(?:9|10)\""
)
DAMAGED = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, NotImplementedError,
    RuntimeError, OSError, EOFError, ValueError,
)  # fmt: skip


@dataclass(frozen=True)
class Sheet:
    """One table of a file as it stands there.

    Attributes
    ----------
    file : str
        Name of the file.
    name : str
        Name of the sheet; empty for a text file.
    rows : list of list
        Cells; blank ones are "".
    merged : list
        Merged ranges as ((first row, first column), (last row, last column)), from 0.
    is_text : bool
        Whether the file is a text file, whose rows all have one length when sound.
    is_hidden : bool
        Whether whoever opens the workbook does not see the sheet.
    is_turned : bool
        Whether rows and columns stand the other way round in the file.
    """

    file: str
    name: str
    rows: list[list[object]]
    merged: list[tuple[tuple[int, int], tuple[int, int]]] = field(default_factory=list)
    is_text: bool = False
    is_hidden: bool = False
    is_turned: bool = False

    @property
    def where(self) -> str:
        """File and sheet, as messages name them."""
        return self.file + (f", sheet {self.name}" if self.name else "")

    def place(self, row: int, column: int) -> str:
        """A1 notation of a cell in the file."""
        return address(column, row) if self.is_turned else address(row, column)

    def problem(
        self, row: int, column: int, value: object, why: str, header: str
    ) -> Problem:
        """What is wrong with a cell under a header."""
        at = self.place(row, column)
        return Problem(self.file, self.name, at, header, str(value), why)


@dataclass(frozen=True)
class SourceFile:
    """A file to import: where it is, its fingerprint, its tables."""

    path: Path
    sha256: str
    sheets: list[Sheet]


def read_file(path: Path) -> SourceFile:
    """Read every table of a file; what it is is told by its first bytes.

    Parameters
    ----------
    path : Path
        A text file with separators, a workbook (.xlsx, .xls, .ods), or a data set of
        Stata (.dta), SPSS (.sav) or Parquet.

    Returns
    -------
    SourceFile
        Its tables; formulas of a workbook as their last computed values.

    Raises
    ------
    ImporterError
        When the file is missing, too large, damaged, or in no known encoding.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise _unreadable(path, "it is not a file")
        if size == 0:
            raise _unreadable(path, "it is empty")
        if size > LARGEST_FILE:
            raise _unreadable(
                path, f"it has {size:,} bytes, more than the {LARGEST_FILE:,} allowed"
            )
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    digest = hashlib.sha256(content).hexdigest()
    if content.startswith(GZIP):
        content = _unpacked(path, content)
    elif content.startswith(ZIP):
        content = _only_text(path, content)
    if content.startswith(ZIP):
        closer = _check_archive(path, content)
        return SourceFile(path, digest, _workbook(path, content, closer))
    if content.startswith(COMPOUND):
        return SourceFile(path, digest, _old_workbook(path, content))
    if content.startswith(PARQUET):
        return SourceFile(path, digest, [_parquet(path)])
    if content.startswith(SPSS):
        return SourceFile(path, digest, [_labelled(path, "sav")])
    if STATA.match(content):
        old = not STATA_UNICODE.match(content)
        return SourceFile(path, digest, [_labelled(path, "dta", old=old)])
    for beginning, what in OTHERS.items():
        if content.startswith(beginning):
            raise _unreadable(
                path, f"it is {what}", remedy="save its table as .xlsx or .csv"
            )
    if content.lstrip()[:9].lower().startswith((b"<html", b"<!doctype", b"<table")):
        raise _unreadable(
            path,
            "it is a web page under another name",
            remedy="open it in a spreadsheet, save it as .xlsx and import that",
        )
    text, _ = decode(content, name=path.name)
    return SourceFile(path, digest, [_separated(path, text)])


def decode(content: bytes, *, name: str) -> tuple[str, str]:
    """Text of a file: by byte-order mark, else strictly UTF-8, else strictly GB18030.

    A file that starts as UTF-8 and breaks later is damaged UTF-8, not GB18030, which
    would read it as other characters without a word.

    Raises
    ------
    ImporterError
        With the offset of the first byte that fits no encoding, and its line.
    """
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe\x00\x00", "utf-32"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if content.startswith(mark):
            try:
                return _without_nul(content.decode(encoding), name), encoding
            except UnicodeDecodeError as error:
                raise _undecodable(name, content, error.start, encoding) from error
    if b"\x00" in content and (encoding := _unmarked(content)):
        return content.decode(encoding), encoding
    try:
        return _without_nul(content.decode("utf-8"), name), "utf-8"
    except UnicodeDecodeError as error:
        broken = error.start
    sound_before = sum(byte >= 0xC0 for byte in content[:broken])
    if sound_before < 8:
        try:
            return _without_nul(content.decode("gb18030"), name), "gb18030"
        except UnicodeDecodeError as error:
            raise _undecodable(name, content, error.start, "GB18030") from error
    raise _undecodable(name, content, broken, "UTF-8")


def _unmarked(content: bytes) -> str:
    """UTF-16 without its mark, told by line ends and letters that make sense."""
    for encoding in ("utf-16-le", "utf-16-be"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        known = sum(
            character in "\t\r\n"
            or " " <= character <= "~"
            or "\u3000" <= character <= "\u9fff"
            or "\uff00" <= character <= "\uffef"
            for character in text
        )
        if "\n" in text and known >= 0.97 * len(text):
            return encoding
    return ""


def _undecodable(
    name: str, content: bytes, offset: int, encoding: str
) -> ImporterError:
    line = content.count(b"\n", 0, offset) + 1
    shown = content[offset : offset + 4].hex(" ")
    return ImporterError.of(
        "importers.neither_encoding",
        [f"byte {offset} (line {line}) is {shown}, which {encoding} does not know"],
        name=name,
    )


def _without_nul(text: str, name: str) -> str:
    place = text.find("\x00")
    if place >= 0:
        line = text.count("\n", 0, place) + 1
        raise ImporterError.of(
            "importers.zero_byte", [f"line {line} holds a zero byte"], name=name
        )
    return text


def _separated(path: Path, text: str) -> Sheet:
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise _unreadable(path, "it has no rows")
    declared = re.fullmatch(r"\"?sep=(.)\"?,*;*", lines[0].strip())
    if declared:
        # Excel's own line; the rows below keep their numbers.
        separator = declared[1]
        text = "\n" + text.split("\n", 1)[-1]
    else:
        separator = max(",\t;|", key=lambda mark: _fits_lines(lines[:50], mark))
    rows: list[list[object]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    n_cells = 0
    try:
        for row in reader:
            n_cells += len(row)
            if n_cells > MOST_CELLS:
                raise _unreadable(path, f"it has more than {MOST_CELLS:,} cells")
            rows.append(cast("list[object]", row))
    except csv.Error as error:
        raise _unreadable(
            path,
            f"line {reader.line_num}: {error}",
            remedy="look for an unclosed quotation mark at or before that line",
        ) from error
    if separator == ";":
        _refuse_decimal_commas(rows)
    return Sheet(file=path.name, name="", rows=rows, is_text=True)


def _refuse_decimal_commas(rows: Sequence[list[object]]) -> None:
    """Mark figures that may be 7.505 or 7,505, as semicolons let a comma be either.

    A point in another figure, or two commas in one, say what a comma is.
    """
    commas = [
        (cells, place)
        for cells in rows
        for place, cell in enumerate(cells)
        if "," in str(cell) and re.fullmatch(r"\s*[0-9]{1,3},[0-9]{3}\s*", str(cell))
    ]
    if not commas or any(
        re.fullmatch(r"\s*[0-9]+(?:\.[0-9]+|(?:,[0-9]{3}){2,})\s*", str(cell))
        for cells in rows
        for cell in cells
        if "." in str(cell) or "," in str(cell)
    ):
        return
    for cells, place in commas:
        cells[place] = Unread(
            str(cells[place]),
            "has a comma that may separate thousands or decimals; the file separates "
            "its cells by semicolons",
        )


def _fits_lines(lines: Sequence[str], separator: str) -> int:
    """Cells that a separator makes of lines of one length, titles and notes aside."""
    widths = Counter(len(row) for row in csv.reader(lines, delimiter=separator))
    return max((width - 1) * count for width, count in widths.items())


def _unpacked(path: Path, content: bytes) -> bytes:
    """What a gzip file holds."""
    import gzip

    with _packed(path), gzip.open(io.BytesIO(content)) as packed:
        return _at_most(path, packed.read(LARGEST_FILE + 1))


def _only_text(path: Path, content: bytes) -> bytes:
    """The one text file of an archive that is no workbook, else the archive itself."""
    with _packed(path), zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        entries = [e for e in entries if not e.filename.startswith("__MACOSX/")]
        if len(entries) != 1 or not entries[0].filename.lower().endswith(
            (".csv", ".txt", ".tsv")
        ):
            return content
        with archive.open(entries[0]) as packed:
            return _at_most(path, packed.read(LARGEST_FILE + 1))


@contextlib.contextmanager
def _packed(path: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        raise _unreadable(path, f"its archive is damaged ({error})") from error


def _at_most(path: Path, text: bytes) -> bytes:
    if len(text) > LARGEST_FILE:
        raise _unreadable(path, f"it unpacks to more than {LARGEST_FILE:,} bytes")
    return text


def _check_archive(path: Path, content: bytes) -> str:
    """Refuse a workbook that would unpack to more than it should (a zip bomb).

    Returns
    -------
    str
        Whether cells may show something else than calamine's values say (errors,
        formulas without a value, percentages, raised footnote marks): empty, "cells",
        or "letters" where raised ones stand in the cells themselves.
    """
    with _packed(path):
        archive = zipfile.ZipFile(io.BytesIO(content))
        entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise _bomb(path, f"{len(entries):,} parts, more than {MOST_ENTRIES:,}")
    names = {entry.filename for entry in entries}
    if not names & {"xl/workbook.xml", "content.xml"} or "word/document.xml" in names:
        raise _unreadable(
            path,
            "it is a binary workbook (.xlsb), whose formats cannot be seen"
            if "xl/workbook.bin" in names
            else "it is an archive but no .xlsx workbook or .ods, of "
            + few(sorted(names), 5),
            remedy="save it as .xlsx and import that"
            if "xl/workbook.bin" in names
            else "unpack it and import the tables in it, or save them as .xlsx",
        )
    declared = sum(entry.file_size for entry in entries)
    if declared > LARGEST_UNPACKED:
        raise _bomb(
            path, f"{declared:,} bytes unpacked, more than {LARGEST_UNPACKED:,}"
        )
    unpacked, closer = 0, "cells" if "content.xml" in names else ""
    for entry in entries:
        _check_ratio(path, entry, entry.file_size)
        is_sheet = entry.filename.startswith("xl/worksheets/")
        size, rest, furthest = 0, b"", (0, 0)
        columns: set[bytes] = set()
        try:
            # What a part declares can be false: it is read once, with a limit.
            with archive.open(entry) as part:
                while chunk := part.read(2**20):
                    size += len(chunk)
                    unpacked += len(chunk)
                    if unpacked > LARGEST_UNPACKED:
                        raise _bomb(
                            path, f"more than {LARGEST_UNPACKED:,} bytes unpacked"
                        )
                    _check_ratio(path, entry, size)
                    chunk = rest + chunk
                    if is_sheet:
                        furthest = _furthest(chunk, furthest, columns)
                        if b"vertAlign" in chunk:
                            closer = "letters"
                        elif not closer and (
                            (FORMULA.search(chunk) and UNCOMPUTED.search(chunk))
                            or ((b't="e' in chunk or b"t='e" in chunk)
                                and ERROR.search(chunk))
                        ):  # fmt: skip
                            closer = "cells"
                    elif entry.filename == "xl/sharedStrings.xml":
                        if b"vertAlign" in chunk:
                            closer = closer or "cells"
                    elif entry.filename == "xl/styles.xml" and TELLING_FORMAT.search(
                        chunk.decode("utf-8", "replace")
                    ):
                        closer = closer or "cells"
                    rest = chunk[-(2**13) :]
        except DAMAGED as error:
            raise _unreadable(
                path, f"its part {printed(entry.filename)} is damaged ({error})"
            ) from error
        # A single cell at XFD1048576 makes a table of 17 billion cells.
        if furthest[0] * furthest[1] > MOST_CELLS:
            raise _bomb(
                path,
                f"a sheet of {furthest[0]:,} rows by {furthest[1]:,} columns, more "
                f"than {MOST_CELLS:,} cells",
            )
    return closer


def _furthest(
    part: bytes, found: tuple[int, int], columns: set[bytes]
) -> tuple[int, int]:
    """Rows and columns up to the furthest cell seen so far."""
    rows, widest = found
    for letters in set(COLUMN_OF_CELL.findall(part)) - columns:
        columns.add(letters)
        number = 0
        for letter in letters:
            number = number * 26 + letter - 64
        widest = max(widest, number)
    numbers = {*ROW.findall(part), *ROW_OF_CELL.findall(part)}
    return max([rows, *map(int, numbers)]), widest


def _check_ratio(path: Path, entry: zipfile.ZipInfo, size: int) -> None:
    packed = max(entry.compress_size, 1)
    if size > RATIO_APPLIES_FROM and size / packed > LARGEST_RATIO:
        raise _bomb(
            path,
            f"part {printed(entry.filename)} unpacks to more than {LARGEST_RATIO} "
            "times its size",
        )


def _workbook(path: Path, content: bytes, closer: str) -> list[Sheet]:
    from python_calamine import CalamineWorkbook

    is_open_document = b"mimetypeapplication/vnd.oasis" in content[:200]
    sheets = []
    try:
        with (
            _panics_unprinted(),
            CalamineWorkbook.from_filelike(io.BytesIO(content)) as workbook,
        ):
            for meta in workbook.sheets_metadata:
                if "WorkSheet" not in str(meta.typ):
                    continue
                sheet = workbook.get_sheet_by_name(meta.name)
                height, width = sheet.total_height, sheet.total_width
                if height * width > MOST_CELLS:
                    raise _bomb(
                        path, f"sheet {meta.name}: {height:,} by {width:,} cells"
                    )
                sheets.append(
                    Sheet(
                        file=path.name,
                        name=meta.name,
                        rows=sheet.to_python(skip_empty_area=False),
                        merged=list(sheet.merged_cell_ranges or []),
                        is_hidden=not str(meta.visible).endswith(".Visible"),
                    )
                )
        if closer and not is_open_document:
            _as_shown(content, sheets, in_cells=closer == "letters")
        elif closer:
            _as_shown_in_open_document(content, sheets)
    except (ImporterError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a damaged file makes calamine panic
        raise _no_workbook(path, error) from error
    return _not_empty(path, sheets)


def _no_workbook(path: Path, error: BaseException | str) -> ImporterError:
    return _unreadable(
        path,
        f"it is no workbook that can be read ({error})",
        remedy="open it in a spreadsheet, remove a password if there is one, "
        "save it again as .xlsx and import that",
    )


def _not_empty(path: Path, sheets: list[Sheet]) -> list[Sheet]:
    if not any(any(cell != "" for cell in row) for s in sheets for row in s.rows):
        raise _unreadable(path, "its sheets are empty")
    return sheets


def _as_shown(content: bytes, sheets: list[Sheet], *, in_cells: bool) -> None:
    """Put into .xlsx sheets what their formats, errors and raised letters show."""
    import openpyxl
    from openpyxl.cell.rich_text import CellRichText

    book = openpyxl.load_workbook(
        # The reader that goes row by row keeps the letters of shared texts alone.
        io.BytesIO(content),
        read_only=not in_cells,
        rich_text=True,
        data_only=False,
    )
    for sheet in sheets:
        for cells in book[sheet.name].iter_rows():
            for cell in cells:
                if cell.value is None:
                    continue
                row, column = cell.row - 1, cell.column - 1
                if row >= len(sheet.rows) or column >= len(sheet.rows[row]):
                    if cell.data_type not in "fe":
                        continue
                    # Cells after the last value: calamine's table ends before them.
                    sheet.rows.extend([] for _ in range(row + 1 - len(sheet.rows)))
                    line = sheet.rows[row]
                    line.extend([""] * (column + 1 - len(line)))
                line, value = sheet.rows[row], sheet.rows[row][column]
                if isinstance(cell.value, CellRichText):
                    fonts = [getattr(part, "font", None) for part in cell.value]
                    line[column] = _joined(
                        (str(part), getattr(font, "vertAlign", ""))
                        for part, font in zip(cell.value, fonts, strict=True)
                    )
                elif cell.data_type == "e":
                    line[column] = _error(cell.value)
                elif cell.data_type == "f" and value == "":
                    line[column] = _formula(str(cell.value))
                elif isinstance(value, float | int):
                    line[column] = shown(value, cell.number_format)


def _joined(parts) -> str:
    """A cell's text, its raised and lowered letters as footnote marks."""
    text = ""
    for part, place in parts:
        text += (
            raised(part, after=text) if place in ("superscript", "subscript") else part
        )
    return text


def _error(text: str) -> str:
    """An error of a spreadsheet; #N/A says itself that nothing is available."""
    return text if text == "#N/A" else Unread(
        text, "is an error value of a spreadsheet"
    )  # fmt: skip


def _formula(text: str) -> Unread:
    return Unread(
        text,
        "is a formula without a computed value, or one that ended in an error; open "
        "the workbook in a spreadsheet and save it",
    )


def _as_shown_in_open_document(content: bytes, sheets: list[Sheet]) -> None:
    """Put into .ods sheets what their percentages, errors and raised letters show."""
    from xml.etree import ElementTree

    spaces = "urn:oasis:names:tc:opendocument:xmlns:"
    table, office, style, text = (
        f"{{{spaces}{name}:1.0}}" for name in ("table", "office", "style", "text")
    )
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        root = ElementTree.fromstring(archive.read("content.xml"))
    raising, hiding = set(), set()
    for entry in root.iter(f"{style}style"):
        name = entry.get(f"{style}name")
        for properties in entry:
            position = properties.get(f"{style}text-position", "")
            if position and not position.startswith("0"):
                raising.add(name)
            if properties.get(f"{table}display") == "false":
                hiding.add(name)
    tables = {entry.get(f"{table}name"): entry for entry in root.iter(f"{table}table")}
    for place, sheet in enumerate(sheets):
        found = tables.get(sheet.name)
        if found is None:
            continue
        if found.get(f"{table}style-name") in hiding:
            sheets[place] = replace(sheet, is_hidden=True)
        row = 0
        for line in found.iter(f"{table}table-row"):
            column = 0
            for cell in line:
                repeated = int(cell.get(f"{table}number-columns-repeated", 1))
                kind = cell.get(f"{office}value-type")
                words = "".join(
                    _joined(_open_document_parts(p, text, raising))
                    for p in cell.iter(f"{text}p")
                )
                value: object = None
                if cell.get(f"{table}formula") and words.startswith(("#", "Err:")):
                    value = _error(words)
                elif cell.get(f"{table}formula") and kind is None:
                    value = _formula(cell.get(f"{table}formula", ""))
                elif kind == "percentage":
                    value = shown(float(cell.get(f"{office}value", "nan")), "0%")
                elif any(
                    span.get(f"{text}style-name") in raising
                    for span in cell.iter(f"{text}span")
                ):
                    value = words
                if value is not None:
                    for at in range(column, min(column + repeated, 20_000)):
                        sheet.rows.extend([] for _ in range(row + 1 - len(sheet.rows)))
                        cells = sheet.rows[row]
                        cells.extend([""] * (at + 1 - len(cells)))
                        cells[at] = value
                column += repeated
            row += int(line.get(f"{table}number-rows-repeated", 1))


def _open_document_parts(paragraph, text: str, raising) -> Iterator[tuple[str, str]]:
    yield paragraph.text or "", ""
    for span in paragraph:
        place = "superscript" if span.get(f"{text}style-name") in raising else ""
        yield "".join(span.itertext()), place
        yield span.tail or "", ""


def _old_workbook(path: Path, content: bytes) -> list[Sheet]:
    """Sheets of an .xls file, its cells as they are shown."""
    import xlrd

    if "EncryptedPackage".encode("utf-16-le") in content:
        raise _no_workbook(path, "it is protected by a password")
    sheets = []
    try:
        book = xlrd.open_workbook(
            file_contents=content, formatting_info=True, logfile=io.StringIO()
        )
        for sheet in book.sheets():
            if sheet.nrows * sheet.ncols > MOST_CELLS:
                raise _bomb(
                    path,
                    f"sheet {sheet.name}: {sheet.nrows:,} by {sheet.ncols:,} cells",
                )
            sheets.append(
                Sheet(
                    file=path.name,
                    name=sheet.name,
                    rows=[
                        [_old_cell(book, sheet, row, column)
                         for column in range(sheet.ncols)]
                        for row in range(sheet.nrows)
                    ],
                    merged=[
                        ((top, left), (bottom - 1, right - 1))
                        for top, bottom, left, right in sheet.merged_cells
                    ],
                    is_hidden=sheet.visibility != 0,
                )
            )  # fmt: skip
    except ImporterError:
        raise
    except Exception as error:  # a damaged file ends xlrd in any way
        raise _no_workbook(path, error) from error
    return _not_empty(path, sheets)


def _old_cell(book, sheet, row: int, column: int) -> object:
    import xlrd

    cell = sheet.cell(row, column)
    if cell.ctype == xlrd.XL_CELL_ERROR:
        return _error(xlrd.error_text_from_code.get(cell.value, "#?"))
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return bool(cell.value)
    if cell.ctype == xlrd.XL_CELL_DATE:
        return xlrd.xldate_as_datetime(cell.value, book.datemode)
    if cell.ctype == xlrd.XL_CELL_NUMBER and cell.xf_index < len(book.xf_list or ()):
        form = book.format_map.get(book.xf_list[cell.xf_index].format_key)
        return shown(cell.value, form.format_str) if form else cell.value
    runs = sheet.rich_text_runlist_map.get((row, column))
    if cell.ctype == xlrd.XL_CELL_TEXT and runs:
        starts = [0, *(start for start, _ in runs), len(cell.value)]
        fonts = [None, *(font for _, font in runs)]
        return _joined(
            (
                cell.value[start:end],
                "superscript" if font and book.font_list[font].escapement else "",
            )
            for start, end, font in zip(starts[:-1], starts[1:], fonts, strict=True)
        )
    return cell.value


def _labelled(path: Path, kind: str, *, old: bool = False) -> Sheet:
    """A data set of Stata or SPSS: names of variables, their labels below, cells."""
    import pyreadstat

    reader = {"dta": pyreadstat.read_dta, "sav": pyreadstat.read_sav}[kind]
    encoding = "GB18030" if old else None
    try:
        _, meta = reader(str(path), metadataonly=True)
        if (meta.number_rows or 0) * meta.number_columns > MOST_CELLS:
            raise _unreadable(path, f"it has more than {MOST_CELLS:,} cells")
        frame, meta = reader(str(path), apply_value_formats=True, encoding=encoding)
    except ImporterError:
        raise
    except Exception as error:
        raise _unreadable(
            path,
            f"it is no data set that can be read ({error})",
            remedy="save it again from Stata or SPSS, or export it as .csv",
        ) from error
    types = meta.readstat_variable_types
    labels = [meta.column_names_to_labels.get(name) or "" for name in frame.columns]
    return _data_set(
        path,
        [list(frame.columns), labels] if any(labels) else [list(frame.columns)],
        [frame[name].tolist() for name in frame.columns],
        [types.get(name) == "float" for name in frame.columns],
    )


def _parquet(path: Path) -> Sheet:
    import duckdb

    try:
        with duckdb.connect() as connection:
            query = "from read_parquet(?)"
            n_rows = connection.execute(f"select count(*) {query}", [str(path)])
            n_rows = n_rows.fetchall()[0][0]
            result = connection.execute(f"select * {query}", [str(path)])
            names = [column[0] for column in result.description]
            if n_rows * len(names) > MOST_CELLS:
                raise _unreadable(path, f"it has more than {MOST_CELLS:,} cells")
            types = [str(column[1]) for column in result.description]
            columns = list(zip(*result.fetchall(), strict=True))
    except duckdb.Error as error:
        raise _unreadable(
            path,
            f"it is no Parquet file that can be read ({error})",
            remedy="write it again, or export the table as .csv",
        ) from error
    return _data_set(path, [names], columns, [kind == "FLOAT" for kind in types])


def _data_set(path: Path, header: list[list], columns: list, are_single) -> Sheet:
    """Cells without "not a number"; single precision as the digits it stands for."""
    import numpy as np

    def plain(value: object, is_single: bool) -> object:
        if value is None or value != value:  # NaN, NaT
            return ""
        if is_single and isinstance(value, float):
            return float(str(np.float32(value)))
        return value if isinstance(value, str | int | float | dt.date) else str(value)

    cells = [
        [plain(value, is_single) for value in column]
        for column, is_single in zip(columns, are_single, strict=False)
    ]
    return Sheet(path.name, "", [*header, *map(list, zip(*cells, strict=True))])


@contextlib.contextmanager
def _panics_unprinted() -> Iterator[None]:
    """Keep the reader's own report of a damaged file from the user's terminal.

    It goes to the process' error stream itself, past Python's; what is wrong is told
    by the error that follows.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _unreadable(
    path: Path,
    why: str,
    *,
    remedy: str = "give the path of a .csv, .xlsx, .xls, .ods, .dta, .sav or .parquet "
    "file that opens",
) -> ImporterError:
    return ImporterError.of(
        "importers.file_unreadable", [f"{Path(path).name}: {why}"], remedy=remedy
    )


def _bomb(path: Path, what: str) -> ImporterError:
    return ImporterError.of("importers.file_too_much", [f"{path.name}: {what}"])
