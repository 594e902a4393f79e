"""Tables as Word documents: three rules, header rows that repeat, notes."""

from __future__ import annotations

import io
import re
import zipfile

from citypanel.files import zipped
from citypanel.outputs.tables.model import Table
from citypanel.words.numbers import MINUS

LATIN_FONT = "Times New Roman"
CJK_FONT = "SimSun"
POINTS, SMALL_POINTS, NOTE_POINTS = 10, 8.5, 8.5
# Widths in thousandths of an em of what stands beside a decimal point in Times, and
# spaces of the same widths: they keep the points of a centred column in line.
_WIDTHS = {"(": 333, ")": 333, "[": 333, "]": 333, ",": 250, "*": 500, MINUS: 564}
_SPACES = ((500, "\u2002"), (333, "\u2004"), (250, "\u2005"), (100, "\u200a"))
# A page holds no more rows of the full size with their notes.
MANY_ROWS = 32
# Eighths of a point.
THICK, THIN = 12, 6


def document(table: Table) -> bytes:
    """The .docx; the same table gives the same bytes."""
    from docx import Document
    from docx.enum.section import WD_ORIENT
    from docx.enum.table import WD_TABLE_ALIGNMENT
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml.ns import qn
    from docx.shared import Cm, Pt

    doc = Document()
    section = doc.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    if table.landscape:
        section.orientation = WD_ORIENT.LANDSCAPE
        section.page_width, section.page_height = Cm(29.7), Cm(21)
    section.left_margin = section.right_margin = Cm(2.2)
    section.top_margin = section.bottom_margin = Cm(1.6 if table.landscape else 2.2)
    line = section.page_width - section.left_margin - section.right_margin
    normal = doc.styles["Normal"]
    normal.font.name, normal.font.size = LATIN_FONT, Pt(POINTS)
    normal.element.rPr.rFonts.set(qn("w:eastAsia"), CJK_FONT)
    normal.paragraph_format.space_after = Pt(0)
    n_rows = sum(len(block.rows) + bool(block.heading) for block in table.blocks)
    crowded = len(table.columns) > 6 or n_rows > MANY_ROWS or table.long
    size = SMALL_POINTS if crowded else POINTS

    title = doc.add_paragraph()
    title.paragraph_format.space_after = Pt(4)
    title.paragraph_format.keep_with_next = True
    title.add_run(table.heading).bold = True

    n_header = 2 if table.groups else 1
    grid = doc.add_table(rows=0, cols=len(table.columns) + 1)
    grid.alignment = WD_TABLE_ALIGNMENT.CENTER
    grid.autofit = False
    widths = _column_widths(table, int(line), size)
    for column, width in zip(grid.columns, widths, strict=True):
        column.width = width

    kinds = ["text", *(column.kind for column in table.columns)]

    def add(texts, *, italic=False, header=False):
        row = grid.add_row()
        _row_property(row, "w:cantSplit")
        if header:
            _row_property(row, "w:tblHeader")
        for cell, text, width, kind in zip(
            row.cells, texts, widths, kinds, strict=True
        ):
            cell.width = width
            paragraph = cell.paragraphs[0]
            form = paragraph.paragraph_format
            form.space_before = form.space_after = Pt(0.5 if crowded else 1)
            if kind == "number":
                paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
            run = paragraph.add_run(text)
            run.font.size = Pt(size)
            run.italic = italic
        return row

    if table.groups:
        texts = [""] * (len(table.columns) + 1)
        row = add(texts, header=True)
        for label, first, last in table.groups:
            merged = _merged(row.cells[first + 1], row.cells[last + 1])
            paragraph = merged.paragraphs[0]
            paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
            run = paragraph.add_run(label)
            run.font.size = Pt(size)
            _border(merged, bottom=THIN)
    add([table.stub, *(c.label for c in table.columns)], header=True)
    padded = iter(table.aligned(_measure, _space))
    for block in table.blocks:
        if block.heading:
            row = add([block.heading] + [""] * len(table.columns), italic=True)
            form = _merged(row.cells[0], row.cells[-1]).paragraphs[0].paragraph_format
            form.keep_with_next = True
            form.space_before = Pt(4)
        for order, row in enumerate(block.rows):
            made = add([row.label, *next(padded)])
            if row.rule:
                for cell in made.cells:
                    _border(cell, top=THIN)
            after = block.rows[order + 1] if order + 1 < len(block.rows) else None
            if row.follows and order:
                _merged(grid.rows[-2].cells[0], made.cells[0])
            if after is not None and after.follows:
                for cell in made.cells:
                    cell.paragraphs[0].paragraph_format.keep_with_next = True
    for cell in grid.rows[0].cells:
        _border(cell, top=THICK)
    for cell in grid.rows[n_header - 1].cells:
        _border(cell, bottom=THIN)
    for cell in grid.rows[-1].cells:
        _border(cell, bottom=THICK)

    zh = table.language == "zh"
    if table.notes:
        notes = doc.add_paragraph()
        notes.paragraph_format.space_before = Pt(4)
        first = notes.add_run(table.notes_head + table.between)
        first.italic = not zh
        rest = notes.add_run(table.between.join(table.notes))
        for run in (first, rest):
            run.font.size = Pt(NOTE_POINTS)

    properties = doc.core_properties
    properties.title = table.heading
    properties.author = properties.last_modified_by = "citypanel"
    properties.comments = ""
    properties.language = "zh-CN" if zh else "en"
    return _same_bytes(doc)


def _same_bytes(doc) -> bytes:
    """The document without the hours of its making."""
    from datetime import datetime

    doc.core_properties.created = doc.core_properties.modified = datetime(2000, 1, 1)
    raw = io.BytesIO()
    doc.save(raw)
    with zipfile.ZipFile(raw) as made:
        entries = ((name, made.read(name), 0o600) for name in made.namelist())
        return zipped(entries, (2000, 1, 1, 0, 0, 0))


def _merged(first, last):
    """One cell of the cells from the first to the last, with the first's text."""
    cell = first.merge(last)
    for extra in cell.paragraphs[1:]:
        extra._element.getparent().remove(extra._element)
    return cell


def _row_property(row, name: str) -> None:
    from docx.oxml import OxmlElement

    row._tr.get_or_add_trPr().append(OxmlElement(name))


def _border(cell, **eighths: int) -> None:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    properties = cell._tc.get_or_add_tcPr()
    borders = properties.find(qn("w:tcBorders"))
    if borders is None:
        borders = OxmlElement("w:tcBorders")
        properties.append(borders)
    for side, size in eighths.items():
        edge = borders.find(qn(f"w:{side}"))
        if edge is None:
            edge = OxmlElement(f"w:{side}")
            # The schema wants top before bottom.
            borders.insert(0 if side == "top" else len(borders), edge)
        for name, value in (("val", "single"), ("sz", str(size)), ("color", "000000")):
            edge.set(qn(f"w:{name}"), value)


def _column_widths(table: Table, line: int, size: float) -> list[int]:
    """Widths in EMU that fill the line where text columns ask for it."""
    shares = [table.stub_width] + [c.width for c in table.columns]
    em, rows = size * 12700, table.rows
    needed = [_room(table.stub, *(row.label for row in rows))]
    for place, column in enumerate(table.columns):
        texts = [row.cells[place].text for row in rows]
        needed.append(_room(*column.label.split("\n"), *texts))
    widths = [
        int(share * line) if share else int((ems + 1.6) * em)
        for share, ems in zip(shares, needed, strict=True)
    ]
    total = sum(widths)
    if total <= line:
        return widths
    # What is over the line is taken where it breaks no word, in proportion.
    least = [_room(*re.split(r"[\s–-]+", table.stub))]
    least += [
        _room(*re.split(r"\s+", column.label), *(row.cells[place].text for row in rows))
        if column.kind == "number"
        else _room(*re.split(r"\s+", column.label))
        for place, column in enumerate(table.columns)
    ]
    floors = [
        min(w, int((ems + 1.0) * em)) for w, ems in zip(widths, least, strict=True)
    ]
    spare = sum(w - f for w, f in zip(widths, floors, strict=True))
    share = max(0.0, 1 - (total - line) / spare) if spare else 0.0
    widths = [f + int((w - f) * share) for w, f in zip(widths, floors, strict=True)]
    total = sum(widths)
    return [w * line // total for w in widths] if total > line else widths


def _room(*texts: str) -> float:
    """Ems the widest of the texts takes, roughly."""
    return max(
        (sum(1.0 if ord(c) > 0x2E80 else 0.5 for c in text) for text in texts),
        default=0.0,
    )


def _measure(text: str) -> int:
    return sum(_WIDTHS.get(c, 250 if c == "." else 500) for c in text)


def _space(width: int) -> str:
    out = ""
    for size, space in _SPACES:
        while width >= size - 20:
            out += space
            width -= size
    return out
