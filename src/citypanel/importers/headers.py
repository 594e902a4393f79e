"""Headers of published tables: what they name, in which unit, for which scope."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache

from citypanel.importers.cells import FOOTNOTE_MARKS, FULL_WIDTH, clean_text, read_year
from citypanel.importers.files import Sheet
from citypanel.importers.names import SPELLINGS
from citypanel.importers.units import spelled

WHOLE, DISTRICTS = "全市", "市辖区"
SCOPES = {
    WHOLE: WHOLE, "地区": WHOLE, "totalcity": WHOLE, "wholecity": WHOLE,
    DISTRICTS: DISTRICTS, "市区": DISTRICTS, "辖区": DISTRICTS,
    "districtsundercity": DISTRICTS, "districts": DISTRICTS,
    "urbandistricts": DISTRICTS,
}  # fmt: skip
CHINESE = re.compile(r"[\u3400-\u9fff]")
BRACKETED = re.compile(r"[(\[【]([^()\[\]【】]*)[)\]】]")
YEAR = re.compile(r"(?<![0-9])((?:19|20)[0-9]{2})(?:\.0)?(?![0-9])年?末?底?")
AT_CURRENT_PRICES = ("当年价", "当年价格", "按当年价格计算", "现价", "年末", "年末数")
# A year that is a price base or a base of comparison is no year of the figures.
OF_A_BASE = re.compile(
    "[0-9]{4}年?(?:不变|可比|的)?价|不变价|可比|基期|基年|=100|constant|base",
    re.IGNORECASE,
)


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
    year : int or None
        Year that the header states (2015, 地区生产总值2015), no base of prices.
    names : tuple of str
        `name`, row by row.
    """

    column: int
    text: str
    name: str
    unit: str
    scope: str
    year: int | None = None
    names: tuple[str, ...] = ()


@lru_cache(maxsize=4096, typed=True)
def normalise(value: object) -> str:
    """A header cell on one line: no white space, ASCII forms, Chinese lines only.

    The lines of another language below the Chinese ones say the same again and go.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, dt.date) and (year := read_year(value)):
        value = year
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
    """Split a column's header into name, unit, scope and year.

    A unit stands in brackets, behind an underscore, a comma or a stroke, or glued to
    the end (地区生产总值万元); only units that the reference table knows, in any of
    their spellings, are taken off.
    """
    known, glued = _spellings(tuple(units))
    unit = scope = ""
    year = None
    found = []
    for part in parts:
        name, part_year = _without_year(FOOTNOTE_MARKS.sub("", part))
        year = part_year or year
        for whole in [m[0] for m in BRACKETED.finditer(name)]:
            left = []
            for inner in re.split("[,、;]", whole[1:-1]):
                bare = re.sub("^(单位|unit)[::]?", "", inner, flags=re.IGNORECASE)
                bare = re.sub("[·.]$", "", bare)
                if bare.lower() in known:
                    unit = known[bare.lower()]
                elif bare.lower() in SCOPES:
                    scope = SCOPES[bare.lower()]
                elif bare not in AT_CURRENT_PRICES:
                    left.append(inner)
            # "10,000 yuan" has a comma of its own.
            if len(left) < len(re.split("[,、;]", whole[1:-1])):
                name = name.replace(whole, f"({','.join(left)})" if left else "")
        if bracket := BRACKETED.search(name):
            inner = re.sub("^单位[::]?", "", bracket[1])
            if inner.lower() in known:
                unit, name = known[inner.lower()], name.replace(bracket[0], "")
        pieces = []
        # A name of a program's variable (gdp_cny_10k) is one word.
        is_name = re.fullmatch("[a-z][a-z0-9_]*", name) is not None
        for piece in [name] if is_name else name.split("_"):
            plain = piece.strip()
            if plain.lower() in SCOPES and (plain != "地区" or column):
                scope = SCOPES[plain.lower()]
            elif plain.lower() in known:
                unit = known[plain.lower()]
            elif plain:
                for word in (WHOLE, DISTRICTS, "市区"):
                    rest = plain.removeprefix(word).removesuffix(word)
                    if rest and rest != plain:
                        scope, plain = SCOPES[word], rest
                pieces.append(plain)
        name = "_".join(pieces)
        if matched := re.fullmatch(r"(.+?)[,/::;\-—](?:单位[::])?([^,/::;]+)", name):
            if matched[2].lower() in known:
                unit, name = known[matched[2].lower()], matched[1]
            elif matched[2].lower() in SCOPES:
                scope, name = SCOPES[matched[2].lower()], matched[1]
        if name:
            found.append(name)
    name = "|".join(found)
    if not unit:
        for ending in glued:
            stem = name.removesuffix(ending)
            # 人 alone ends words that are no units (从业人员...人, but also 负责人).
            if stem and stem != name and stem[-1] != "_":
                unit, name = known[ending], stem
                found[-1] = found[-1].removesuffix(ending)
                break
    text = "|".join(part for part in parts if part)
    return Header(
        column=column, text=text, name=name, unit=unit, scope=scope, year=year,
        names=tuple(found),
    )  # fmt: skip


@lru_cache
def _spellings(units: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
    """Units by their spellings, and those that may be glued to a name."""
    known = {normalise(unit).lower(): unit for unit in units}
    glued = sorted(
        (name for name in known if CHINESE.search(name)), key=len, reverse=True
    )
    for spelling, names in SPELLINGS.items():
        if any(name in units for name in names):
            known.setdefault(spelled(spelling), spelling)
    return known, glued


def _without_year(text: str) -> tuple[str, int | None]:
    years = YEAR.findall(text)
    if len(years) != 1 or OF_A_BASE.search(text):
        return text, None
    rest = YEAR.sub("", text).strip("_-—/·,.:|度")
    if rest.lower() in ("y", "x", "yr", "year", "fy"):
        rest = ""
    return re.sub(r"\(\)|\[\]", "", rest), int(years[0])


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


def stated_unit(above: Iterable[object], *, units: Collection[str]) -> str:
    """A unit for the whole table in a cell above its header (单位:万元), or empty."""
    known = {spelled(name): name for name in (*SPELLINGS, *units)}
    for cell in above:
        matched = re.search(r"(?:单位|[Uu]nit)[::]\s*([^))]+)", clean_text(cell))
        if matched and spelled(matched[1]) in known:
            return known[spelled(matched[1])]
    return ""
