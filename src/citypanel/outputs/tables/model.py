"""One table, whatever it is written as: title, columns, blocks of rows, notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import pandas as pd

from citypanel.words import Catalogue
from citypanel.words.numbers import fixed, p_cell

# A cell that has no value, and a note that says why.
NO_VALUE = "\u2013"
DECIMALS = 3


@dataclass(frozen=True)
class Cell:
    """What stands in one place.

    Attributes
    ----------
    text : str
        As printed, with a true minus sign.
    kind : str
        number (aligned on its decimal point), count, interval (both centred) or text.
    value : tuple
        What the CSV gets, in full precision; two of them for an interval.
    """

    text: str = ""
    kind: str = "text"
    value: tuple[object, ...] = (None,)


@dataclass(frozen=True)
class Column:
    """A column: its label, the group it stands under, and how it is set.

    Attributes
    ----------
    key : str
        Name in the CSV.
    label, group : str
        Heading, and the heading over it and its neighbours of the same group.
    kind : str
        number or text.
    width : float
        Share of the line a text column takes, 0 for as much as it needs.
    """

    key: str
    label: str
    group: str = ""
    kind: str = "number"
    width: float = 0.0


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes
    ----------
    label : str
        First column as printed; empty under the row it belongs to.
    cells : tuple of Cell
    key : str
        What the row is about, in the CSV.
    statistics : tuple of str
        What each value of a cell is, in the CSV.
    follows : bool
        The row belongs to the one above, as a standard error to its estimate.
    rule : bool
        A thin rule stands above.
    """

    label: str
    cells: tuple[Cell, ...]
    key: str = ""
    statistics: tuple[str, ...] = ("value",)
    follows: bool = False
    rule: bool = False


@dataclass(frozen=True)
class Block:
    """Rows under one heading."""

    rows: tuple[Row, ...]
    heading: str = ""


@dataclass(frozen=True)
class Table:
    """A table ready to be written.

    Attributes
    ----------
    name : str
        Of the file.
    number : str
        As printed before the title: 3, A1.
    title : str
    stub : str
        Heading of the first column.
    columns : tuple of Column
    blocks : tuple of Block
    notes : tuple of str
        Sentences under the table.
    language : str
        en or zh.
    landscape, long : bool
        Set on a page on its side; may run over several pages.
    """

    name: str
    number: str
    title: str
    stub: str
    columns: tuple[Column, ...]
    blocks: tuple[Block, ...]
    notes: tuple[str, ...]
    language: str = "en"
    landscape: bool = False
    long: bool = False
    stub_width: float = field(default=0.0)

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(
                    f"{self.name}: row {row.label!r} has {len(row.cells)} cells "
                    f"for {len(self.columns)} columns"
                )

    @property
    def rows(self) -> list[Row]:
        """The rows of all blocks."""
        return [row for block in self.blocks for row in block.rows]

    @property
    def heading(self) -> str:
        """Number and title in one line."""
        words = Catalogue("tables")("heading", number=self.number, title=self.title)
        return words.said(self.language)

    @property
    def notes_head(self) -> str:
        """What stands before the notes."""
        return Catalogue("tables")("notes_head").said(self.language)

    @property
    def between(self) -> str:
        """What stands between two sentences."""
        return "" if self.language == "zh" else " "

    @property
    def groups(self) -> list[tuple[str, int, int]]:
        """Headings over several columns: label, first and last place (from 0)."""
        ends = accumulate(n for _, n in self.spans)
        spans = zip(self.spans, ends, strict=True)
        return [(label, end - n, end - 1) for (label, n), end in spans if label]

    @property
    def spans(self) -> list[tuple[str, int]]:
        """Headings over the columns, empty ones too: label and how many it covers."""
        out: list[tuple[str, int]] = []
        for column in self.columns:
            if column.group and out and out[-1][0] == column.group:
                out[-1] = (column.group, out[-1][1] + 1)
            else:
                out.append((column.group, 1))
        return out

    @property
    def room(self) -> list[tuple[float, float]]:
        """Ems on either side of the decimal point, by column."""
        sides = (self._sides(place, len) for place in range(len(self.columns)))
        return [(0.58 * left, 0.58 * right) for left, right in sides]

    def _sides(self, place: int, width: Callable[[str], int]) -> tuple[int, int]:
        """Widths of a column's numbers on either side of their decimal points."""
        cells = [row.cells[place] for row in self.rows]
        parts = [split_at_point(c.text) for c in cells if c.kind == "number"]
        left, right = zip(*parts, strict=True) if parts else ((), ())
        return max(map(width, left), default=0), max(map(width, right), default=0)

    def aligned(
        self, width: Callable[[str], int], space: Callable[[int], str]
    ) -> list[list[str]]:
        """Texts of all rows; the numbers of a column padded around their points.

        `width` measures a text and `space` fills such a width.
        """
        out = [[cell.text for cell in row.cells] for row in self.rows]
        for place in range(len(self.columns)):
            left, right = self._sides(place, width)
            for row, texts in zip(self.rows, out, strict=True):
                if row.cells[place].kind == "number":
                    a, b = split_at_point(row.cells[place].text)
                    padded = space(left - width(a)) + a + b + space(right - width(b))
                    texts[place] = padded
        return out

    @staticmethod
    def halves(cell: Cell) -> tuple[str, str]:
        """A number's text on either side of its decimal point."""
        return split_at_point(cell.text)


def is_missing(value: Any) -> bool:
    """None, NaN or NA."""
    return value is None or bool(pd.isna(value))


def number(
    value: Any,
    *,
    decimals: int = DECIMALS,
    parentheses: bool = False,
    stars: str = "",
    absent: str = "",
) -> Cell:
    """A cell aligned on its decimal point; `absent` stands where there is no value."""
    if is_missing(value):
        return Cell(absent)
    text = fixed(value, decimals)
    if parentheses:
        text = f"({text})"
    return Cell(text + stars, "number", (float(value),))


def p_value(value: Any, *, absent: str = "") -> Cell:
    """A p-value; below a thousandth it says so in place of 0.000."""
    if is_missing(value):
        return Cell(absent)
    return Cell(p_cell(value), "number", (float(value),))


def interval(
    low: Any, high: Any, *, decimals: int = DECIMALS, absent: str = ""
) -> Cell:
    """[low, high]."""
    if is_missing(low) or is_missing(high):
        return Cell(absent, "text", (None, None))
    text = f"[{fixed(low, decimals)}, {fixed(high, decimals)}]"
    return Cell(text, "interval", (float(low), float(high)))


def count(value: Any, *, absent: str = "") -> Cell:
    """A whole number, thousands apart."""
    if is_missing(value):
        return Cell(absent)
    return Cell(fixed(value, 0), "count", (int(value),))


def percent(share: Any, *, absent: str = "") -> Cell:
    """A share (0-1) in whole per cent; the label says the unit."""
    if is_missing(share):
        return Cell(absent)
    return Cell(f"{100 * float(share):.0f}", "count", (float(share),))


def words(text: object) -> Cell:
    """Words."""
    return Cell("" if is_missing(text) else str(text), "text", (text,))


def stars_of(p: Any) -> str:
    """*, **, *** at the 10, 5 and 1 per cent level."""
    if is_missing(p):
        return ""
    return "*" * sum(float(p) < level for level in (0.1, 0.05, 0.01))


def split_at_point(text: str) -> tuple[str, str]:
    """A number's text before its decimal point, and from it on."""
    place = text.find(".") if "." in text else len(text.rstrip("*)"))
    return text[:place], text[place:]


def estimate_rows(
    label: str,
    rows: Sequence[pd.Series | None],
    *,
    key: str,
    stars: bool,
    intervals: bool,
) -> tuple[Row, Row]:
    """An estimate, and under it its standard error or its interval.

    Parameters
    ----------
    label : str
    rows : sequence of Series or None
        One a column, with estimate, std_error, p_value, conf_low and conf_high; None
        where the column does not have the term.
    key : str
    stars, intervals : bool

    Returns
    -------
    tuple of two Row
        A term without an estimate has a dash; one without a standard error (a cohort
        of one city) a dash under its estimate.
    """
    estimates, errors = [], []
    for row in rows:
        if row is None:
            estimates.append(Cell())
            errors.append(Cell("", "text", (None, None) if intervals else (None,)))
            continue
        known = not is_missing(row["estimate"])
        estimates.append(
            number(
                row["estimate"],
                stars=stars_of(row["p_value"]) if stars else "",
                absent=NO_VALUE,
            )
        )
        absent = NO_VALUE if known else ""
        if intervals:
            errors.append(interval(row["conf_low"], row["conf_high"], absent=absent))
        else:
            errors.append(number(row["std_error"], parentheses=True, absent=absent))
    names = ("conf_low", "conf_high") if intervals else ("std_error",)
    return (
        Row(label, tuple(estimates), key, ("estimate",)),
        Row("", tuple(errors), key, names, follows=True),
    )
