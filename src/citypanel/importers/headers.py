"""Headers of published tables: what they name, in which unit, for which scope."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from citypanel.importers.cells import FULL_WIDTH, clean_text
from citypanel.importers.files import Sheet

WHOLE, DISTRICTS = "全市", "市辖区"
CHINESE = re.compile(r"[\u3400-\u9fff]")
BRACKETED = re.compile(r"\(([^()]*)\)")


@dataclass(frozen=True)
class Header:
    """A column's header, taken apart.

    Attributes
    ----------
    column : int
        Position of the column, from 0.
    text : str
        The header's Chinese lines as they read, rows joined by a bar.
    name : str
        The same without unit and scope: what the column is about.
    unit : str
        Unit that the header states, or empty.
    scope : str
        全市 (whole prefecture), 市辖区 (districts), or empty where it says neither.
    """

    column: int
    text: str
    name: str
    unit: str
    scope: str


def normalise(value: object) -> str:
    """A header cell on one line: no white space, ASCII forms, Chinese lines only.

    The lines of another language below the Chinese ones say the same again and go.
    """
    lines = [
        re.sub(r"\s", "", line.translate(FULL_WIDTH))
        for line in re.split(r"[\r\n]+", str(value))
    ]
    lines = [line for line in lines if line]
    if any(CHINESE.search(line) for line in lines):
        lines = [
            line for line in lines if CHINESE.search(line) or line.startswith("(%")
        ]
    return "".join(lines)


def header_rows(sheet: Sheet, *, first: int, count: int) -> list[list[str]]:
    """The header cells of a sheet, merged or blank cells filled from their left.

    A blank cell continues the group to its left only where a row of the header below
    says what it is; a lower row's blank cell continues nothing but a merged range.
    """
    rows = [
        [normalise(cell) for cell in row] for row in sheet.rows[first : first + count]
    ]
    width = max((len(row) for row in rows), default=0)
    rows = [row + [""] * (width - len(row)) for row in rows]
    for (top, left), (_, right) in sheet.merged:
        if not first <= top < first + count or left >= width:
            continue
        # A range over several rows is one label, not one a row.
        for column in range(left, min(right, width - 1) + 1):
            rows[top - first][column] = rows[top - first][left]
    for level in range(len(rows) - 1):
        for column in range(1, width):
            below = any(row[column] for row in rows[level + 1 :])
            if not rows[level][column] and below and rows[level + 1][column]:
                rows[level][column] = rows[level][column - 1]
    return rows


def take_apart(column: int, parts: list[str], units: Collection[str]) -> Header:
    """Split a column's header into name, unit and scope.

    A unit stands in brackets, behind an underscore, or glued to the end
    (地区生产总值万元); only units that the reference table knows are taken off.
    """
    known = {normalise(unit): unit for unit in units}
    unit = scope = ""
    names = []
    for part in parts:
        pieces = []
        for piece in part.split("_"):
            plain = piece.strip()
            if plain in (WHOLE, DISTRICTS):
                scope = plain
            elif plain in known:
                unit = known[plain]
            elif plain:
                pieces.append(plain)
        name = "_".join(pieces)
        for bracketed in BRACKETED.findall(name):
            inner = bracketed.removeprefix("单位:")
            if inner in known:
                unit = known[inner]
                name = name.replace(f"({bracketed})", "")
            elif inner in (WHOLE, DISTRICTS):
                scope = inner
                name = name.replace(f"({bracketed})", "")
        if name:
            names.append(name)
    name = "|".join(names)
    if not unit:
        for ending in sorted(known, key=len, reverse=True):
            stem = name.removesuffix(ending)
            # 人 alone ends words that are no units (从业人员...人, but also 负责人).
            if stem and stem != name and CHINESE.search(ending) and stem[-1] != "_":
                unit, name = known[ending], stem
                break
    text = "|".join(part for part in parts if part)
    return Header(column=column, text=text, name=name, unit=unit, scope=scope)


def read_headers(
    sheet: Sheet, *, first: int, count: int, units: Collection[str]
) -> list[Header]:
    """Every column of a sheet with a header, taken apart."""
    rows = header_rows(sheet, first=first, count=count)
    columns = list(zip(*rows, strict=True)) if rows else []
    headers = []
    for column, parts in enumerate(columns):
        distinct = [
            part for i, part in enumerate(parts) if part and part not in parts[:i]
        ]
        if distinct:
            headers.append(take_apart(column, distinct, units))
    return headers


def stated_unit(sheet: Sheet, *, first: int, units: Collection[str]) -> str:
    """A unit for the whole table in a cell above its header (单位:万元), or empty."""
    for row in sheet.rows[:first]:
        for cell in row:
            matched = re.search(r"单位[::]\s*([^\s))]+)", clean_text(cell))
            if matched and matched[1] in units:
                return matched[1]
    return ""
