"""Tables as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
import unicodedata

from citypanel.outputs.tables.model import Table


def markdown(table: Table) -> str:
    """A pipe table under its heading, decimal points one under the other."""
    header = [table.stub] + [
        ": ".join(
            part.replace("\n", " ") for part in (column.group, column.label) if part
        )
        for column in table.columns
    ]
    lines: list[list[str]] = []
    aligned = iter(table.aligned(_width, " ".__mul__))
    for block in table.blocks:
        if block.heading:
            lines.append([f"*{_plain(block.heading)}*"] + [""] * len(table.columns))
        for row in block.rows:
            lines.append([_plain(row.label), *map(_plain, next(aligned))])
    rows = [[_plain(text) for text in header], *lines]
    widths = [max(_width(row[i]) for row in rows) for i in range(len(header))]
    rules = [":" + "-" * max(2, widths[0] - 1)] + [
        (":" + "-" * max(1, width - 2) + ":")
        if column.kind == "number"
        else ":" + "-" * max(2, width - 1)
        for column, width in zip(table.columns, widths[1:], strict=True)
    ]
    body = [
        "| "
        + " | ".join(
            text + " " * (width - _width(text))
            for text, width in zip(row, widths, strict=True)
        )
        + " |"
        for row in rows
    ]
    body.insert(1, "| " + " | ".join(rules) + " |")
    notes = []
    if table.notes:
        head, said = table.notes_head, table.between.join(map(_plain, table.notes))
        # Chinese has no italics.
        head = head if table.language == "zh" else f"*{head}* "
        notes = [head + said, ""]
    return "\n".join([f"**{table.heading}**", "", *body, "", *notes])


def delimited(table: Table) -> str:
    """CSV in full precision, a line for each statistic, numbers as numbers.

    A standard error has its own line and no parentheses: a spreadsheet would read
    (0.013) as a negative number.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    keys = [column.key for column in table.columns]
    writer.writerow(["block", "row", "label", "statistic", *keys])
    label = ""
    for block in table.blocks:
        for row in block.rows:
            label = row.label or label
            for place, statistic in enumerate(row.statistics):
                values = [
                    cell.value[place] if place < len(cell.value) else None
                    for cell in row.cells
                ]
                named = [block.heading, row.key or label, label, statistic]
                writer.writerow([*named, *values])
    return buffer.getvalue()


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("\n", " ")


def _width(text: str) -> int:
    """Places a text takes where Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
