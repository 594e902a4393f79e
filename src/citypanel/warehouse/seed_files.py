"""The seeds' files as bytes and lines, before a database reads them.

A lenient reader mends what it meets: a row too long is cut, a row too short is filled,
lines before the header are skipped, and nobody is told. Here a file is what its
declaration says or it is refused, with the line; what the cells mean is the business of
the test `sound_seed`.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import yaml

from citypanel.errors import SeedError
from citypanel.words import load

_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_MOST_SHOWN = 60
# Only a file in which this occurs has its cells looked at one by one.
_SUSPECT = re.compile(
    r"(?:^|[,\"\r\n])[^\S\r\n]|[^\S\r\n](?:[,\"\r\n]|$)|[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]"
)


@dataclass(frozen=True)
class SeedDeclaration:
    """What the YAML file beside a seed says of its file.

    Attributes
    ----------
    path : Path
        Its CSV file.
    columns : tuple of str
        Names of `config.column_types`.
    may_be_empty : bool
        Whether a header alone is sound: the argument of the seed's test `sound_seed`,
        for a list that has no entries yet.
    """

    path: Path
    columns: tuple[str, ...]
    may_be_empty: bool = False


def declared_seeds(folder: Path) -> list[SeedDeclaration]:
    """Return the declarations of the seeds below a folder.

    Raises
    ------
    SeedError
        When a YAML file cannot be read.
    """
    seeds = []
    for declaration in sorted(folder.glob("**/*.yml")):
        try:
            content = load(declaration) or {}
            for seed in content.get("seeds") or []:
                config = seed.get("config") or {}
                tests = [
                    test["sound_seed"].get("arguments") or {}
                    for test in seed.get("data_tests") or []
                    if "sound_seed" in test
                ]
                seeds.append(
                    SeedDeclaration(
                        path=declaration.with_name(f"{seed['name']}.csv"),
                        columns=tuple(config.get("column_types") or {}),
                        may_be_empty=any(test.get("may_be_empty") for test in tests),
                    )
                )
        except (OSError, ValueError, AttributeError, KeyError, yaml.YAMLError) as error:
            raise SeedError.of(
                "warehouse.seeds_undeclared",
                name=declaration.name,
                error=" ".join(str(error).split()),
                declaration=declaration,
            ) from error
    return seeds


def seed_problems(
    content: bytes, columns: Sequence[str] = (), *, may_be_empty: bool = False
) -> list[str]:
    """Say what makes the bytes of a CSV file unusable as a seed.

    Parameters
    ----------
    content : bytes
        The file. UTF-8, comma between cells, double quotes around cells that need
        them, line ends all LF or all CRLF; a byte order mark is allowed.
    columns : sequence of str
        Declared columns; their order in the file does not matter. Empty: any header.
    may_be_empty : bool
        Whether a header without rows is sound.

    Returns
    -------
    list of str
        One sentence a problem, each with its line; empty for a sound file. What stops
        the reading (encoding, quotes) stands alone.
    """
    if not content.strip(b"\r\n\t \0" + _BOM):
        return ["the file is empty: it has no header and the table has no rows"]
    text, problems = _decoded(content)
    if problems:
        return problems
    problems = _line_end_problems(content)
    rows, problem = _rows(text)
    if not rows:
        return [*problems, problem]
    header = rows[0][1]
    problems += _header_problems(header, columns)
    if problem:
        problems.append(problem)
    elif len(rows) == 1 and not may_be_empty:
        problems.append("the table has no rows: the file has a header and nothing else")
    suspect = _SUSPECT.search(text) or any(
        row[0] + 1 != following[0] for row, following in pairwise(rows)
    )
    for line, cells in rows[1:]:
        if suspect or len(cells) != len(header):
            problems += _row_problems(line, cells, header)
    return problems


def check_seeds(folder: Path) -> None:
    """Refuse the seeds of a folder if one file is not what its declaration says.

    Raises
    ------
    SeedError
        Names every unusable file, its first problems with their lines, and the remedy.
    """
    messages = [
        seed_message(seed.path.stem, problems)
        for seed in declared_seeds(folder)
        if (problems := file_problems(seed))
    ]
    if messages:
        raise SeedError("\n".join(messages))


def file_problems(seed: SeedDeclaration) -> list[str]:
    """Return `seed_problems` of a declared seed's file, or why it cannot be read."""
    try:
        content = seed.path.read_bytes()
    except FileNotFoundError:
        return [f"its file {seed.path.name} is missing beside its declaration"]
    except OSError as error:
        return [f"its file cannot be read: {error.strerror or error}"]
    return seed_problems(content, seed.columns, may_be_empty=seed.may_be_empty)


def seed_message(seed: str, problems: Sequence[str]) -> str:
    """Compose what is said of an unusable seed."""
    return str(SeedError.of("warehouse.seed_unusable", problems, seed=seed))


def _decoded(content: bytes) -> tuple[str, list[str]]:
    if content.startswith(_UTF16):
        return "", ["the file is UTF-16; save it as UTF-8 (CSV UTF-8)"]
    try:
        text = content.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        start = error.start + (len(_BOM) if content.startswith(_BOM) else 0)
        line = content.count(b"\n", 0, start) + 1
        return "", [
            f"line {line} is not UTF-8 (byte {content[start]:#04x})"
            + _other_encoding(content)
        ]
    if "\0" in text:
        place = text.index("\0")
        line = text.count("\n", 0, place) + 1
        return "", [
            f"line {line} holds a NUL byte: the file was cut, or is UTF-16 or not text"
        ]
    return text, []


def _other_encoding(content: bytes) -> str:
    """Name the encoding Chinese statistics otherwise come in, if it is that."""
    try:
        text = content.decode("gb18030")
    except UnicodeDecodeError:
        return ": it was cut or mixed from two encodings"
    common = sum("一" <= character <= "鿿" for character in text)
    if not common:
        return "; save it as UTF-8 (CSV UTF-8)"
    return (
        "; it reads as GBK (GB18030): convert it, for example with "
        "iconv -f GB18030 -t UTF-8"
    )


def _line_end_problems(content: bytes) -> list[str]:
    crlf = content.count(b"\r\n")
    lf, cr = content.count(b"\n") - crlf, content.count(b"\r") - crlf
    if cr == 0 and 0 in (crlf, lf):
        return []
    counts = [
        f"{count} {name}"
        for count, name in ((lf, "LF"), (crlf, "CRLF"), (cr, "CR"))
        if count
    ]
    return [
        f"line ends are mixed or old ({', '.join(counts)}); save the file with one "
        "kind, LF or CRLF"
    ]


def _rows(text: str) -> tuple[list[tuple[int, list[str]]], str]:
    """Every row with the line it begins on, and why reading stopped, if it did."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows, begins = [], 1
    try:
        for cells in reader:
            rows.append((begins, cells))
            begins = reader.line_num + 1
    except csv.Error as error:
        return rows, (
            f"line {begins} cannot be read as CSV ({error}): a quote that is not "
            "closed, or a single one inside a cell (write it twice)"
        )
    return rows, ""


def _header_problems(header: list[str], columns: Sequence[str]) -> list[str]:
    problems = []
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        problems.append(f"line 1 names a column twice: {', '.join(twice)}")
    if columns:
        missing = [name for name in columns if name not in header]
        extra = [name or "(no name)" for name in header if name not in columns]
        if missing or extra:
            problems.append(
                "columns differ from the declared ones; missing: "
                f"{', '.join(missing) or 'none'}; not declared: "
                f"{', '.join(extra) or 'none'}"
            )
    return problems


def _row_problems(line: int, cells: list[str], header: list[str]) -> list[str]:
    if not cells:
        return [f"line {line} is blank"]
    if len(cells) != len(header):
        return [
            f"line {line} has {len(cells)} cells and the header has {len(header)} "
            f"(begins with {_shown(cells[0])})"
        ]
    problems = []
    for column, cell in zip(header, cells, strict=True):
        if cell != cell.strip() and not ("\n" in cell or "\r" in cell):
            problems.append(
                f"line {line}, column {column}, value {_shown(cell)} has white space "
                "before or after it"
            )
        elif any(ord(character) < 32 or character == "\x7f" for character in cell):
            problems.append(
                f"line {line}, column {column}, value {_shown(cell)} has a line break "
                "or another control character in it"
            )
    return problems


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= _MOST_SHOWN else cell[:_MOST_SHOWN] + "...")
