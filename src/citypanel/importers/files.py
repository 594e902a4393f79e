"""Tables from .csv, .xls and .xlsx files, with limits on what a file may hold."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import os
import re
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from citypanel.errors import ImporterError, describe
from citypanel.importers.cells import printed

# A yearbook of 300 cities, 34 years and 200 columns is 25 MB of text and 2 million
# cells: each limit is ten times that or more (2026-11-25).
LARGEST_FILE = 300 * 2**20
LARGEST_UNPACKED = 2**30
LARGEST_RATIO = 250
RATIO_APPLIES_FROM = 2**20
MOST_ENTRIES = 2_000
MOST_CELLS = 20_000_000
LONGEST_CELL = 32_767

ZIP, COMPOUND = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
NOTHING_WRITTEN = "nothing was imported; the seeds stand as they were"
CELL = re.compile(rb"""<(?:\w+:)?c\s[^>]*?\br=["']([A-Z]{1,3})([0-9]{1,9})["']""")
ROW = re.compile(rb"""<(?:\w+:)?row\s[^>]*?\br=["']([0-9]{1,9})["']""")
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
    """

    file: str
    name: str
    rows: list[list[object]]
    merged: list[tuple[tuple[int, int], tuple[int, int]]] = field(default_factory=list)
    is_text: bool = False


@dataclass(frozen=True)
class SourceFile:
    """A file to import: where it is, its fingerprint, its tables."""

    path: Path
    sha256: str
    encoding: str
    sheets: list[Sheet]


def read_file(path: Path) -> SourceFile:
    """Read every table of a file; what it is is told by its first bytes.

    Parameters
    ----------
    path : Path
        A text file with separators, or a workbook (.xls, .xlsx).

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
    if content.startswith(ZIP):
        _check_archive(path, content)
        return SourceFile(path, digest, "workbook", _workbook(path, content))
    if content.startswith(COMPOUND):
        return SourceFile(path, digest, "workbook", _workbook(path, content))
    if content.lstrip()[:9].lower().startswith((b"<html", b"<!doctype", b"<table")):
        raise _unreadable(
            path,
            "it is a web page under another name",
            remedy="open it in a spreadsheet, save it as .xlsx and import that",
        )
    if content.startswith(b"%PDF"):
        raise _unreadable(path, "it is a PDF", remedy="import the tables as .xlsx")
    text, encoding = decode(content, name=path.name)
    return SourceFile(path, digest, encoding, [_separated(path, text)])


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
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if content.startswith(mark):
            try:
                return _without_nul(content.decode(encoding), name), encoding
            except UnicodeDecodeError as error:
                raise _undecodable(name, content, error.start, encoding) from error
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


def _undecodable(
    name: str, content: bytes, offset: int, encoding: str
) -> ImporterError:
    line = content.count(b"\n", 0, offset) + 1
    shown = content[offset : offset + 4].hex(" ")
    return ImporterError(
        describe(
            f"{name} is neither UTF-8 nor GB18030 text",
            [f"byte {offset} (line {line}) is {shown}, which {encoding} does not know"],
            consequence=NOTHING_WRITTEN,
            remedy="save the table again as UTF-8 or .xlsx from the program it came "
            "from",
        )
    )


def _without_nul(text: str, name: str) -> str:
    place = text.find("\x00")
    if place >= 0:
        line = text.count("\n", 0, place) + 1
        raise ImporterError(
            describe(
                f"{name} is no text file",
                [f"line {line} holds a zero byte"],
                consequence=NOTHING_WRITTEN,
                remedy="import the table as .csv, .xls or .xlsx",
            )
        )
    return text


def _separated(path: Path, text: str) -> Sheet:
    first = next((line for line in text.splitlines() if line.strip()), "")
    if not first:
        raise _unreadable(path, "it has no rows")
    separator = max(",\t;", key=first.count)
    rows: list[list[object]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    n_cells = 0
    try:
        for row in reader:
            n_cells += len(row)
            if n_cells > MOST_CELLS:
                raise _unreadable(path, f"it has more than {MOST_CELLS:,} cells")
            rows.append(list(row))
    except csv.Error as error:
        raise _unreadable(
            path,
            f"line {reader.line_num}: {error}",
            remedy="look for an unclosed quotation mark at or before that line",
        ) from error
    return Sheet(file=path.name, name="", rows=rows, is_text=True)


def _check_archive(path: Path, content: bytes) -> None:
    """Refuse a workbook that would unpack to more than it should (a zip bomb)."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        entries = archive.infolist()
    except DAMAGED as error:
        raise _unreadable(path, f"its archive is damaged ({error})") from error
    if len(entries) > MOST_ENTRIES:
        raise _bomb(path, f"{len(entries):,} parts, more than {MOST_ENTRIES:,}")
    if "xl/workbook.xml" not in {entry.filename for entry in entries}:
        raise _unreadable(
            path,
            "it is an archive but no .xlsx workbook",
            remedy="unpack it and import the tables in it, or save them as .xlsx",
        )
    declared = sum(entry.file_size for entry in entries)
    if declared > LARGEST_UNPACKED:
        raise _bomb(
            path, f"{declared:,} bytes unpacked, more than {LARGEST_UNPACKED:,}"
        )
    unpacked = 0
    for entry in entries:
        _check_ratio(path, entry, entry.file_size)
        is_sheet = entry.filename.startswith("xl/worksheets/")
        size, rest, furthest = 0, b"", (0, 0)
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
                    if is_sheet:
                        furthest = _furthest(rest + chunk, furthest)
                        rest = chunk[-200:]
        except DAMAGED as error:
            raise _unreadable(
                path, f"its part {printed(entry.filename)} is damaged ({error})"
            ) from error
        # A single cell at XFD1048576 makes a table of 17 billion cells.
        if furthest[0] * furthest[1] > MOST_CELLS:
            raise _bomb(
                path,
                f"a sheet of {furthest[0]:,} rows by {furthest[1]:,} columns, more "
                "than "
                f"{MOST_CELLS:,} cells",
            )


def _furthest(part: bytes, found: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns up to the furthest cell seen so far."""
    rows, columns = found
    cells = CELL.findall(part)
    if cells:
        rows = max(rows, max(int(row) for _, row in cells))
        for letters in {letters for letters, _ in cells}:
            number = 0
            for letter in letters:
                number = number * 26 + letter - 64
            columns = max(columns, number)
    return max([rows, *map(int, ROW.findall(part))]), columns


def _check_ratio(path: Path, entry: zipfile.ZipInfo, size: int) -> None:
    packed = max(entry.compress_size, 1)
    if size > RATIO_APPLIES_FROM and size / packed > LARGEST_RATIO:
        raise _bomb(
            path,
            f"part {printed(entry.filename)} unpacks to more than {LARGEST_RATIO} "
            "times "
            "its size",
        )


def _workbook(path: Path, content: bytes) -> list[Sheet]:
    from python_calamine import CalamineWorkbook

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
                    )
                )
    except ImporterError:
        raise
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a damaged file makes calamine panic
        raise _unreadable(
            path,
            f"it is no workbook that can be read ({error})",
            remedy="open it in a spreadsheet, remove a password if there is one, "
            "save it again as .xlsx and import that",
        ) from error
    if not any(any(cell != "" for cell in row) for s in sheets for row in s.rows):
        raise _unreadable(path, "its sheets are empty")
    return sheets


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


def _unreadable(path: Path, why: str, *, remedy: str = "") -> ImporterError:
    return ImporterError(
        describe(
            "A file cannot be read",
            [f"{Path(path).name}: {why}"],
            consequence=NOTHING_WRITTEN,
            remedy=remedy or "give the path of a .csv, .xls or .xlsx file that opens",
        )
    )


def _bomb(path: Path, what: str) -> ImporterError:
    return ImporterError(
        describe(
            "A workbook holds more than a table of statistics would",
            [f"{path.name}: {what}"],
            consequence="it was not opened, since it could fill the memory; "
            + NOTHING_WRITTEN,
            remedy="if you trust the file, copy its table into a new workbook, without "
            "formatting below and beside it, and import that",
        )
    )
