"""Tables as a page of HTML, laid out by great_tables."""

from __future__ import annotations

from html import escape

from citypanel.outputs.tables.model import Cell, Table, split_at_point

FONTS = {
    "en": "'Source Serif 4', 'Noto Serif', Georgia, 'Times New Roman', serif",
    "zh": "'Source Serif 4', Georgia, 'Times New Roman', 'Noto Serif CJK SC', "
    "'Source Han Serif SC', 'Songti SC', SimSun, serif",
}
STYLE = """
body { margin: 2rem auto; padding: 0 1rem; max-width: max-content; background: #fff; }
.gt_table { font-variant-numeric: tabular-nums lining-nums; }
.gt_table .gt_heading { text-align: left; }
.n { display: inline-flex; }
.n > b { font-weight: inherit; text-align: right; }
.n > i { font-style: inherit; text-align: left; }
td.gt_row { vertical-align: top; }
td.gt_row.follows { padding-top: 0; }
.gt_sourcenote { max-width: 46rem; }
@media print { body { margin: 0; } }
@media (max-width: 40rem) { body { margin: 1rem 0; overflow-x: auto; } }
"""


def page(table: Table) -> str:
    """A page that stands alone; the table's identifier is its name."""
    import pandas as pd
    from great_tables import GT, html, loc, style

    names = [f"c{place}" for place in range(len(table.columns))]
    widths = _widths(table)
    records: list[dict[str, str]] = []
    follows, ruled, headings = [], [], []
    for block in table.blocks:
        if block.heading:
            headings.append(len(records))
            records.append({"label": escape(block.heading)} | dict.fromkeys(names, ""))
        for row in block.rows:
            if row.follows:
                follows.append(len(records))
            if row.rule:
                ruled.append(len(records))
            cells = map(_cell, row.cells, widths)
            records.append(
                {"label": escape(row.label)} | dict(zip(names, cells, strict=True))
            )
    frame = pd.DataFrame(records, columns=["label", *names])
    zh = table.language == "zh"
    built = (
        GT(frame, id=table.name)
        .tab_header(title=html(f"<strong>{escape(table.heading)}</strong>"))
        .fmt_passthrough(columns=["label", *names], escape=False)
        .cols_label(
            {
                "label": html(escape(table.stub)),
                **{
                    name: html(escape(column.label).replace("\n", "<br>"))
                    for name, column in zip(names, table.columns, strict=True)
                },
            }
        )
        .cols_align("left", columns=["label"])
        .cols_align(
            "center",
            columns=[
                n
                for n, c in zip(names, table.columns, strict=True)
                if c.kind == "number"
            ],
        )
        .tab_source_note(
            html(
                ("注：" if zh else "<em>Notes:</em> ")
                + ("" if zh else " ").join(escape(note) for note in table.notes)
            )
        )
        .tab_options(
            table_font_names=FONTS[table.language].replace("'", "").split(", "),
            table_font_size="15px",
            heading_title_font_size="16px",
            heading_align="left",
            heading_border_bottom_style="none",
            table_border_top_style="none",
            table_border_bottom_style="none",
            column_labels_border_top_style="solid",
            column_labels_border_top_width="2px",
            column_labels_border_top_color="#000",
            column_labels_border_bottom_width="1px",
            column_labels_border_bottom_color="#000",
            table_body_border_top_style="none",
            table_body_border_bottom_width="2px",
            table_body_border_bottom_color="#000",
            table_body_hlines_style="none",
            data_row_padding="3px",
            source_notes_font_size="13px",
            source_notes_border_bottom_style="none",
            table_additional_css=[STYLE],
        )
    )
    texts = [n for n, c in zip(names, table.columns, strict=True) if c.kind == "text"]
    if texts:
        built = built.cols_align("left", columns=texts)
    for label, first, last in table.groups:
        built = built.tab_spanner(
            label=html(escape(label).replace("\n", "<br>")),
            columns=names[first : last + 1],
            id=f"group_{first}",
        )
    if headings:
        built = built.tab_style(
            style.text(style="italic"), loc.body(columns=["label"], rows=headings)
        ).tab_style(style.css("padding-top: 10px;"), loc.body(rows=headings))
    if follows:
        built = built.tab_style(style.css("padding-top: 0;"), loc.body(rows=follows))
    if ruled:
        built = built.tab_style(
            style.borders(sides="top", color="#000", weight="1px"), loc.body(rows=ruled)
        )
    body = built.as_raw_html()
    language = "zh-CN" if zh else "en"
    return (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(table.heading)}</title>\n</head>\n<body>\n{body}\n"
        "</body>\n</html>\n"
    )


def _widths(table: Table) -> list[tuple[float, float]]:
    """Room for the characters on either side of a column's decimal points."""
    out = []
    for place in range(len(table.columns)):
        left = right = 0
        for block in table.blocks:
            for row in block.rows:
                cell = row.cells[place]
                if cell.kind == "number":
                    a, b = split_at_point(cell.text)
                    left, right = max(left, len(a)), max(right, len(b))
        out.append((0.58 * left, 0.58 * right))
    return out


def _cell(cell: Cell, widths: tuple[float, float]) -> str:
    if cell.kind != "number":
        return escape(cell.text)
    before, after = (escape(part) for part in split_at_point(cell.text))
    left, right = widths
    return (
        f'<span class="n"><b style="min-width:{left:.2f}em">{before}</b>'
        f'<i style="min-width:{right:.2f}em">{after}</i></span>'
    )
