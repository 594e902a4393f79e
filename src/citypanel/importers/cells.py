"""Cells as publishers print them, read strictly: a number, a gap, or an error."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

# Full-width forms of ASCII. Not NFKC: that would read the footnote mark of 12.3① or
# 12.3¹ as another digit.
FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x3000: 0x20,  # ideographic space
    0x2212: 0x2D,  # minus sign
    0x00A0: 0x20,
    0x2007: 0x20,
    0x2009: 0x20,
    0x202F: 0x20,
    0xFEFF: None,
    0x200B: None,
}
MISSING = {
    "", "-", "--", "---", "—", "——", "–", "―", "─", "…", "……", "...", "......", "‥",
    "⋯", "⋯⋯", ".", "NA", "N/A", "na", "n/a", "n.a.", "N.A.", "#N/A", "<NA>", "NaN",
    "nan", "NAN", "-nan", "NULL", "null", "Null", "None", "none", "NaT", "空", "(空)",
    "缺", "缺失", "不详", "暂无", "暂无数据", "无", "无数据", "无资料", "未公布",
    "未统计", "――", "/", "\\",
}  # fmt: skip
FOOTNOTE_MARKS = re.compile(
    r"(?:[\s*#†‡§※①-⑳⑴-⒇㈠-㈩¹²³⁰⁴-⁹ᵃ-ᶻ]|\[[0-9a-z]{1,2}\]|〔[0-9]{1,2}〕|〈[0-9]{1,2}〉)+$"
)
NUMBER = re.compile(
    r"(?P<sign>[+-]?)"
    r"(?P<whole>[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,3}(?: [0-9]{3})+|)"
    r"(?P<decimals>\.[0-9]*)?"
)
SCIENTIFIC = re.compile(
    r"[+-]?[0-9]+(?:\.(?P<decimals>[0-9]*))?[eE](?P<power>[+-]?[0-9]{1,3})"
)
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
DATE = re.compile(
    r"(?P<year>[12][0-9]{3})(?:[-/.年])(?P<month>[0-9]{1,2})(?:[-/.月])"
    r"(?P<day>[0-9]{1,2})日?(?:[ T]00:00(?::00)?)?"
)
YEAR = re.compile(r"(?P<year>[12][0-9]{3})(?:\.0+)?(?:年(?:度|末|底)?)?")
YEAR_IN_WORDS = re.compile("[一二][〇零○一二三四五六七八九]{3}年?度?")
WORDS_TO_DIGITS = str.maketrans("〇零○一二三四五六七八九", "000123456789")


class Unread(str):
    """What a cell shows that is no figure although a program might read one there."""

    why: str

    def __new__(cls, text: str, why: str) -> Unread:
        cell = super().__new__(cls, text)
        cell.why = why
        return cell


_LITERAL = re.compile(r'"([^"]*)"|\\(.)|!(.)|_.|\*.|\[[^\]]*\]')


def shown(value: float, number_format: str | None) -> object:
    """A number as its spreadsheet's format shows it, where that is another figure.

    A percentage comes with its sign, as text, and so does a number with a unit, letters
    or digits behind it; one that is shown in thousands or not at all comes as what
    cannot be read.
    """
    if not number_format or number_format in ("General", "GENERAL", "0", "@"):
        return value
    sections = number_format.split(";")
    if not re.search(r"\[[<>=]", number_format):
        # Figures above, below and at 0.
        place = 0 if value > 0 else 1 if value < 0 else 2
        number_format = sections[place if place < len(sections) else 0]
        if value == 0 and len(sections) > 2 and not number_format:
            return ""
    literal = "".join(
        "".join(found.groups(default="")) for found in _LITERAL.finditer(number_format)
    )
    form = _LITERAL.sub("", number_format)
    if not form.strip("; ") and len(sections) > 1 and not literal:
        return Unread(plain(value), "is hidden by its number format")
    if "%" in form:
        return plain(float(f"{value * 100:.15g}")) + "%"
    if re.search(r"[0#?],+(?:[^0#?,]|$)", form):
        return Unread(
            plain(value), "is shown in thousands or less by its number format"
        )
    if re.search("[0-9]", literal):
        return Unread(
            plain(value) + literal, "is shown with digits of its number format"
        )
    unit = "".join(re.findall("[‰\u3400-\u9fff]", form))
    if unit or re.search("[A-Za-z‰\u3400-\u9fff]", literal):
        return plain(value) + (literal + unit).strip()
    return value


def raised(text: str, *, after: str) -> str:
    """Raised letters as the footnote mark or the exponent of a unit that they are."""
    plain_text = text.strip().strip("()（）")
    if plain_text in ("2", "3") and after.rstrip().endswith("m"):
        return {"2": "²", "3": "³"}[plain_text]
    return f"[{plain_text}]" if re.fullmatch("[0-9a-z]{1,2}", plain_text) else text


@dataclass(frozen=True)
class Problem:
    """One cell that cannot be used.

    Attributes
    ----------
    file, sheet, cell : str
        Where it stands; `cell` in A1 notation, `sheet` empty for text files.
    column : str
        Header of the column.
    value : str
        What is printed there.
    why : str
        Why it cannot be used.
    """

    file: str
    sheet: str
    cell: str
    column: str
    value: str
    why: str

    def __str__(self) -> str:
        place = self.file + (f", sheet {self.sheet}" if self.sheet else "")
        place += f", cell {self.cell}"
        place += f", column {self.column}" if self.column else ""
        shown = printed(place, longest=300)[1:-1]
        return f"{shown}, value {printed(self.value)}: {self.why}"


def printed(value: object, *, longest: int = 60) -> str:
    """A value inside a message: on one line, control characters named, not too long."""
    text = "".join(
        character if character.isprintable() else repr(character)[1:-1]
        for character in str(value)
    )
    return f"'{text[:longest]}{'...' if len(text) > longest else ''}'"


def address(row: int, column: int) -> str:
    """A1 notation of a cell; `row` and `column` count from 0.

    Examples
    --------
    >>> address(57, 6)
    'G58'
    >>> address(0, 26)
    'AA1'
    """
    letters = ""
    column += 1
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(65 + letter) + letters
    return f"{letters}{row + 1}"


@lru_cache(maxsize=65_536, typed=True)
def clean_text(value: object) -> str:
    """A cell as text: full-width ASCII as ASCII, runs of white space as one space."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return " ".join(str(value).translate(FULL_WIDTH).split())


def plain(value: float) -> str:
    """A number's shortest text without an exponent; it reads back as the same."""
    text = repr(float(value))
    if "e" in text:
        return format(Decimal(text), "f")
    return text.removesuffix(".0")


def read_number(value: object) -> tuple[str | None, str | None]:
    """The number a cell prints.

    Full-width digits, thousands separated in threes by commas or spaces, a trailing
    footnote mark and a bare decimal point (`.97`) are read; the usual signs for "not
    available" and blanks are gaps. Anything else is a problem, never a guess: `14,70`
    may be 14.70 or a slip of 1,470, and `1.23E+07` has lost digits in a spreadsheet.

    Parameters
    ----------
    value : object
        Text, or what a spreadsheet holds.

    Returns
    -------
    number : str or None
        The number as text (digits, a decimal point, a minus sign); None for a gap and
        for a problem.
    problem : str or None
        Why the cell is no number.
    """
    if value is None:
        return None, None
    if isinstance(value, Unread):
        return None, value.why
    if isinstance(value, bool):
        return None, "is true or false, not a number"
    if isinstance(value, int | float):
        if not math.isfinite(value):
            return None, "is not a finite number"
        return plain(value), None
    if isinstance(value, dt.date | dt.time | dt.timedelta):
        return None, "is a date or a time; its cell may have lost its number format"
    text = str(value).translate(FULL_WIDTH).strip()
    if text in MISSING:
        return None, None
    if text.startswith("=") or text.startswith("@"):
        return None, "is a formula, not a figure"
    if text.startswith("#") and text.rstrip("!?").isupper():
        return None, "is an error value of a spreadsheet"
    if text.startswith("##") and not text.strip("#"):
        return None, "is what a spreadsheet shows of a figure wider than its column"
    text = FOOTNOTE_MARKS.sub("", text)
    if text in MISSING:
        return None, None
    matched = NUMBER.fullmatch(text)
    if matched and (matched["whole"] or len(matched["decimals"] or "") > 1):
        whole = re.sub("[, ]", "", matched["whole"]).lstrip("0") or "0"
        decimals = (matched["decimals"] or "").rstrip(".")
        sign = "-" if matched["sign"] == "-" else ""
        return f"{sign}{whole}{decimals}", None
    matched = SCIENTIFIC.fullmatch(text)
    if matched:
        power = int(matched["power"])
        if power > len(matched["decimals"] or ""):
            return None, "is in scientific notation and may have lost digits"
        return plain(float(text)), None
    if "," in text and re.fullmatch(r"[+-]?[0-9, .]+", text):
        return None, "has a comma that separates no thousands"
    return None, "is not a number"


def read_year(value: object) -> int | None:
    """A year from 1900 to 2100, or None; 2001.5 is no year.

    The first and the last day of a year stand for it.
    """
    if isinstance(value, bool):
        return None
    text = clean_text(value)
    if YEAR_IN_WORDS.fullmatch(text):
        text = text.translate(WORDS_TO_DIGITS)
    matched = YEAR.fullmatch(text)
    if matched:
        year = int(matched["year"])
    else:
        day = read_date(value)
        if day is None or day[4:] not in ("-01-01", "-12-31"):
            return None
        year = int(day[:4])
    return year if 1900 <= year <= 2100 else None


def read_date(value: object) -> str | None:
    """A day as YYYY-MM-DD, or None where the cell names no single day."""
    if isinstance(value, dt.datetime):
        return value.date().isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    matched = DATE.fullmatch(clean_text(value))
    if not matched:
        return None
    try:
        return dt.date(
            int(matched["year"]), int(matched["month"]), int(matched["day"])
        ).isoformat()
    except ValueError:
        return None


def starts_like_a_formula(text: str) -> bool:
    """Whether a spreadsheet that opens the seed would run the text as a formula."""
    return text.startswith(FORMULA_STARTS) and read_number(text)[1] is not None


def harmless(text: str) -> str:
    """Free text for a seed: a leading apostrophe keeps spreadsheets from running it."""
    text = " ".join(
        "".join(
            character if character.isprintable() else " " for character in text
        ).split()
    )
    return f"'{text}" if starts_like_a_formula(text) else text


def few(names: Sequence[str], most: int = 12) -> str:
    """The first of some names on one line, and how many more there are."""
    shown = ", ".join(printed(name, longest=90)[1:-1] for name in names[:most])
    return (
        shown + (f" and {len(names) - most} more" if len(names) > most else "")
        or "none"
    )
