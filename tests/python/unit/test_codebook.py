"""The codebook says what the YAML says and what the file holds."""

from __future__ import annotations

import io

import duckdb
import openpyxl
import pytest
import yaml

from citypanel.codebook import (
    coverage,
    gaps,
    markdown,
    series_coverage,
    tables_from,
    workbook,
)

DOCUMENT = """
models:
  - name: fct_things
    description: >
      Things of a city. One row per city and year.
    constraints:
      - type: primary_key
        columns: [city_id, year]
    columns:
      - name: city_id
        data_type: varchar
        description: "Code."
        config: {meta: {label_en: "City code", label_zh: "城市代码"}}
      - name: year
        data_type: integer
        description: "Calendar year."
        config:
          meta: {label_en: Year, label_zh: 年份, unit: year, source: calendar}
      - name: share
        data_type: double
        description: "A share | with a bar."
        config:
          meta:
            label_en: Share
            label_zh: 比重
            unit: "share (0-1)"
            source: computed
            formula: "=a / b"
      - name: is_odd
        data_type: boolean
        description: "Odd."
        config: {meta: {label_en: Odd, label_zh: 奇数}}
  - name: rpt_absent
    description: "Not in the file. One row per thing."
    columns:
      - name: thing
        data_type: varchar
        description: "Thing."
        config: {meta: {label_en: Thing, label_zh: 事物}}
"""


@pytest.fixture(scope="module")
def tables():
    return tables_from([("marts", yaml.safe_load(DOCUMENT))])


@pytest.fixture(scope="module")
def warehouse():
    with duckdb.connect() as connection:
        connection.execute(
            "create schema marts; create table marts.fct_things as "
            "select * from (values ('110000', 2011, 0.5::double, true), "
            "('110000', 2012, 'nan'::double, false), ('120000', 2013, 1, null), "
            "('', 2014, null, null)) as t(city_id, year, share, is_odd)"
        )
        connection.execute(
            "create table marts.dim_variables as select 'gdp' as variable, "
            "'Output' as label_en, '产出' as label_zh, '' as note; "
            "create table marts.fct_cell_origins as select * from (values "
            "('110000', 2011, 'gdp', 'CNY 10,000', 'reported'), "
            "('110000', 2012, 'gdp', 'CNY 10,000', 'carried'), "
            "('120000', 2011, 'gdp', 'CNY 10,000', 'missing'), "
            "('120000', 2012, 'gdp', 'CNY 10,000', 'reported')) "
            "as t(city_id, year, variable, unit, origin)"
        )
        yield connection


def test_a_table_is_read_with_its_key_and_grain(tables):
    things = tables[0]
    assert things.key == ("city_id", "year")
    assert things.grain == "One row per city and year."
    assert things.column("share").formula == "=a / b"
    assert things.column("none") is None


def test_counts_are_those_of_the_cells(tables, warehouse):
    counts = coverage(warehouse, tables).set_index("column")
    assert set(counts["table"]) == {"fct_things"}
    share = counts.loc["share"]
    # NaN is no value: 0.5 and 1 are left, of 2011 and 2013.
    assert (share["n_rows"], share["n_values"], share["value_share"]) == (4, 2, 0.5)
    assert (share["minimum"], share["maximum"]) == ("0.5", "1")
    assert (share["first_year"], share["last_year"]) == (2011, 2013)
    assert counts.loc["city_id", "listed_values"] == "(empty), 110000, 120000"
    assert counts.loc["is_odd", "listed_values"] == "false, true"
    assert counts.loc["year", "maximum"] == "2014"


def test_series_shares_add_up(warehouse):
    row = series_coverage(warehouse).iloc[0]
    shares = row[["reported_share", "other_share", "missing_share"]].tolist()
    assert shares == [0.5, 0.25, 0.25]
    assert (row["first_reported_year"], row["last_reported_year"]) == (2011, 2012)
    assert row["n_cities"] == 2


@pytest.mark.parametrize(
    ("field", "column", "missing"),
    [
        ("label_zh: 比重", "share", "label_zh"),
        ('unit: "share (0-1)"', "share", "unit"),
        ("source: computed", "share", "source"),
        ('formula: "=a / b"', "share", "formula"),
        ('description: "Odd."', "is_odd", "description"),
    ],
)
def test_every_gap_is_found(tables, field, column, missing):
    assert gaps(tables).empty
    broken = tables_from([("marts", yaml.safe_load(DOCUMENT.replace(field, "")))])
    found = gaps(broken)
    assert (column, missing) in set(zip(found["column"], found["missing"], strict=True))


def test_a_description_without_its_grain_is_a_gap():
    text = DOCUMENT.replace("One row per city and year.", "Many rows.")
    found = gaps(tables_from([("marts", yaml.safe_load(text))]))
    assert found.to_numpy().tolist() == [["fct_things", "", "grain"]]


def test_the_page_names_what_the_file_lacks_and_escapes_bars(tables, warehouse):
    counts, series = coverage(warehouse, tables), series_coverage(warehouse)
    page = markdown(tables, counts, series, language="en")
    assert "rpt_absent." in page
    assert "A share \\| with a bar." in page
    chinese = markdown(tables, counts, series, language="zh")
    assert "# 数据字典" in chinese
    assert "| share | 比重 | double | 比重 (0-1) | 计算 | =a / b |" in chinese


def test_the_workbook_is_frozen_wide_and_runs_no_formula(tables, warehouse):
    counts, series = coverage(warehouse, tables), series_coverage(warehouse)
    content = workbook(tables, counts, series)
    assert content == workbook(tables, counts, series), "the clock is in the file"
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert book.sheetnames == ["Tables", "Columns", "Series", "表", "列", "序列"]
    sheet = book["Columns"]
    assert sheet.freeze_panes == "A2"
    header = [cell.value for cell in sheet[1]]
    formulas = [row[header.index("Formula")] for row in sheet.iter_rows(min_row=2)]
    cell = next(cell for cell in formulas if cell.value == "=a / b")
    assert cell.data_type == "s"
    widths = [sheet.column_dimensions[c].width for c in ("A", "B", "N")]
    assert min(widths) > len("Column")
