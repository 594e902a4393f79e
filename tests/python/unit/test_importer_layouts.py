"""Tables as they circulate: each layout comes back cell for cell, or is refused."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile

import openpyxl
import pytest
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont

from citypanel.errors import ImporterError
from citypanel.importers import plan_policy, plan_yearbook
from citypanel.importers.cells import Unread, raised, read_number, shown
from citypanel.importers.files import read_file
from citypanel.importers.project import load_reference
from citypanel.importers.suggestions import suggest

CITIES = {
    "石家庄市": "130100", "太原市": "140100", "杭州市": "330100", "吉林市": "220200",
}  # fmt: skip
PROVINCES = {
    "石家庄市": "河北省", "太原市": "山西省", "杭州市": "浙江省", "吉林市": "吉林省",
}  # fmt: skip
LETTERS = {
    "石家庄市": "Shijiazhuang", "太原市": "Taiyuan", "杭州市": "Hangzhou",
    "吉林市": "Jilin City",
}  # fmt: skip
YEARS = (2015, 2016)
GDP, PEOPLE = "地区生产总值(万元)", "户籍人口(万人)"


def gdp(city, year):
    """A figure of output that no other cell has."""
    return 50_000_000.0 + 1000 * list(CITIES).index(city) + year


def people(city, year):
    return 700.5 + list(CITIES).index(city) + (year - 2000) / 100


TRUTH = {
    (variable, CITIES[city], str(year)): value(city, year)
    for city in CITIES
    for year in YEARS
    for variable, value in (("gdp_cny_10k", gdp), ("population_persons_10k", people))
}
OUTPUT = {key: value for key, value in TRUTH.items() if key[0] == "gdp_cny_10k"}
PANEL = [
    ["城市", "年份", GDP, PEOPLE],
    *([city, year, gdp(city, year), people(city, year)]
      for city in CITIES for year in YEARS),
]  # fmt: skip


def book(root, sheets, *, name="t.xlsx", merged=(), hidden=()):
    """A workbook of the sheets given as name to rows."""
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for title, rows in sheets.items():
        sheet = workbook.create_sheet(title)
        for row in rows:
            sheet.append([None if cell == "" else cell for cell in row])
        if title in hidden:
            sheet.sheet_state = "hidden"
        for cells in merged:
            sheet.merge_cells(cells)
    path = root / name
    workbook.save(path)
    return path


def text(root, rows, *, name="t.csv", encoding="utf-8", separator=",", head=""):
    out = io.StringIO(newline="")
    out.write(head)
    csv.writer(out, delimiter=separator).writerows(rows)
    path = root / name
    path.write_bytes(out.getvalue().encode(encoding))
    return path


def imported(root, *paths, **options):
    """Cells of a plan, converted to the units of their variables."""
    plan = plan_yearbook(
        list(paths), project=root, source="mine", accept_difference=True, **options
    )
    reference = load_reference(root)
    seed = plan.files["seeds/imported/raw_imported_cells.csv"]
    rows = csv.DictReader(seed.splitlines())
    cells = {}
    for row in rows:
        unit = reference.variables[row["variable"]]
        key = row["variable"], row["city_id"], row["year"]
        cells[key] = reference.units.convert(float(row["value"]), row["unit"], unit)
    return cells, plan


def same(cells, truth):
    assert cells.keys() == truth.keys()
    for key, value in truth.items():
        assert cells[key] == pytest.approx(value, rel=1e-12), key


def refused(words, root, *paths, **options):
    with pytest.raises(ImporterError) as error:
        imported(root, *paths, **options)
    for word in words:
        assert word in str(error.value), str(error.value)


def _wide():
    return [
        ["城市", *YEARS],
        *([city, *(gdp(city, year) for year in YEARS)] for city in CITIES),
    ]  # fmt: skip


def _long():
    return [
        ["城市", "年份", "指标", "数值", "单位"],
        *([city, year, name, value(city, year) * factor, unit]
          for city in CITIES for year in YEARS
          for name, value, factor, unit in (
              ("地区生产总值", gdp, 1, "万元"),
              ("户籍人口", people, 10_000, "人"))),
    ]  # fmt: skip


def _turn(rows):
    return [list(row) for row in zip(*rows, strict=True)]


def _renamed(names, rows=PANEL):
    return [rows[0], *([names[row[0]], *row[1:]] for row in rows[1:])]


def _merged_cities(rows=PANEL):
    seen, found = set(), []
    for row in rows:
        found.append([row[0] if row[0] not in seen else "", *row[1:]])
        seen.add(row[0])
    return found


TWO_ROWS = [
    ["城市", "年份", "地区生产总值", "", "户籍人口", ""],
    ["", "", "全市(万元)", "市辖区(万元)", "全市(万人)", "市辖区(万人)"],
    *([city, year, gdp(city, year), 1, people(city, year), 2]
      for city in CITIES for year in YEARS),
]  # fmt: skip
TABLES = {
    "a panel": (PANEL, TRUTH),
    "a title above": ([["2015-2016年主要城市指标"], [], *PANEL], TRUTH),
    "a column a year": ([["各市地区生产总值（万元）"], *_wide()], OUTPUT),
    "a column a year, named": (
        [["城市", *(f"{year}年地区生产总值(万元)" for year in YEARS)], *_wide()[1:]],
        OUTPUT,
    ),
    "a column a year, behind the name": (
        [["city", *(f"GDP_{year}(亿元)" for year in YEARS)],
         *([row[0], *(cell / 10_000 for cell in row[1:])] for row in _wide()[1:])],
        OUTPUT,
    ),
    "variables above years": (
        [["城市", GDP, "", PEOPLE, ""], ["", *YEARS, *YEARS],
         *([city, *(gdp(city, y) for y in YEARS), *(people(city, y) for y in YEARS)]
           for city in CITIES)],
        TRUTH,
    ),
    "years above variables": (
        [["城市", "2015年", "", "2016年", ""], ["", GDP, PEOPLE, GDP, PEOPLE],
         *([city, *(value(city, y) for y in YEARS for value in (gdp, people))]
           for city in CITIES)],
        TRUTH,
    ),
    "long": (_long(), TRUTH),
    "long, units in the name": (
        [row[:4] if n == 0 else [*row[:2], f"{row[2]}({row[4]})", row[3]]
         for n, row in enumerate(_long())],
        TRUTH,
    ),
    "turned": (_turn([["城市", "年份", GDP, PEOPLE], *PANEL[1:]]), TRUTH),
    "cities in columns, years in rows": (
        [["地区生产总值(万元)", *([""] * 4)], ["年份", *CITIES],
         *([year, *(gdp(city, year) for city in CITIES)] for year in YEARS)],
        OUTPUT,
    ),
    "one year, variables in rows, cities in columns": (
        [["2015年主要指标"], ["指标", "单位", *CITIES],
         ["地区生产总值", "万元", *(gdp(city, 2015) for city in CITIES)],
         ["户籍人口", "万人", *(people(city, 2015) for city in CITIES)]],
        {key: value for key, value in TRUTH.items() if key[2] == "2015"},
    ),
    "variables in rows, years in columns": (
        [["城市", "指标", *YEARS],
         *([city, name, *(value(city, y) for y in YEARS)]
           for city in CITIES for name, value in ((GDP, gdp), (PEOPLE, people)))],
        TRUTH,
    ),
    "blank cells under a city": (_merged_cities(), TRUTH),
    "two rows of headers": (TWO_ROWS, TRUTH),
    "a row of units": (
        [["城市", "年份", "地区生产总值", "户籍人口"], ["", "", "万元", "万人"],
         *PANEL[1:]],
        TRUTH,
    ),
    "亿": (
        [["城市", "年份", "GDP（亿）", "户籍人口(万)"],
         *([row[0], row[1], row[2] / 10_000, row[3]] for row in PANEL[1:])],
        TRUTH,
    ),
    "province and city in one": (
        _renamed({city: PROVINCES[city] + city for city in CITIES}), TRUTH),
    "English names": (
        [["City", "Year", "GDP (10,000 yuan)",
          "Registered population (10 000 persons)"],
         *_renamed(LETTERS)[1:]],
        TRUTH,
    ),
    "pinyin": (_renamed({c: n.lower().replace(" city", "shi")
                         for c, n in LETTERS.items()}), TRUTH),
    "both names": (_renamed({c: f"{c} {n}" for c, n in LETTERS.items()}), TRUTH),
    "codes as floats": (
        [["行政代码", *PANEL[0][1:]],
         *([f"{CITIES[row[0]]}.0", *row[1:]] for row in PANEL[1:])],
        TRUTH,
    ),
    "footnote marks on names": (_renamed({c: f"{c}①" for c in CITIES}), TRUTH),
    "names of the warehouse": (
        [["city_id", "year", "gdp_cny_10k", "population_persons_10k"],
         *([CITIES[row[0]], *row[1:]] for row in PANEL[1:])],
        TRUTH,
    ),
    "provinces between": (
        [PANEL[0], ["吉林", 2015, 9e8, 2700], ["吉林省", 2016, 9e8, 2700],
         ["河北省", 2015, 9e8, 1], ["合计", 2015, 9e9, 1], *PANEL[1:]],
        TRUTH,
    ),
    "units behind figures": (
        [PANEL[0], *([row[0], row[1], f"{row[2]:.0f}万元", f"{row[3]:.2f}万人"]
                     for row in PANEL[1:])],
        TRUTH,
    ),
    "scopes before the name": (
        [["城市", "年份", "全市" + GDP, "市辖区" + GDP, PEOPLE + "_全市",
          "市区" + PEOPLE],
         *([row[0], row[1], row[2], 1, row[3], 2] for row in PANEL[1:])],
        TRUTH,
    ),
    "scopes in rows": (
        [["城市", "年份", "范围", GDP, PEOPLE],
         *([row[0], row[1], scope, *(row[2:] if scope == "全市" else (1, 2))]
           for row in PANEL[1:] for scope in ("全市", "市辖区"))],
        TRUTH,
    ),
    "the header again on every page": (
        [*PANEL[:4], PANEL[0], *PANEL[4:6], PANEL[0], *PANEL[6:]], TRUTH,
    ),
    "years as their last day": (
        [PANEL[0], *([row[0], f"{row[1]}-12-31", *row[2:]] for row in PANEL[1:])],
        TRUTH,
    ),
    "years in words": (
        [PANEL[0], *([row[0], {2015: "二〇一五年", 2016: "2016年度"}[row[1]], *row[2:]]
                     for row in PANEL[1:])],
        TRUTH,
    ),
    "years above as their letter": (
        [["各市地区生产总值（万元）"], ["城市", "Y2015", "Y2016"], *_wide()[1:]],
        OUTPUT,
    ),
    "a row that says 单位": (
        [["城市", "年份", "地区生产总值", "户籍人口"], ["单位", "", "万元", "万人"],
         *PANEL[1:]],
        TRUTH,
    ),
    "the header again in English": (
        [PANEL[0], ["City", "Year", "GRP (10000 yuan)", "Population (10000 persons)"],
         *PANEL[1:]],
        TRUTH,
    ),
    "the province behind the city": (
        _renamed({city: f"{city}({PROVINCES[city]})" for city in CITIES}), TRUTH),
    "the province behind the city, in English": (
        _renamed({"石家庄市": "Shijiazhuang, Hebei", "太原市": "Taiyuan, Shanxi",
                  "杭州市": "Hangzhou, Zhejiang", "吉林市": "Jilin City, Jilin"}),
        TRUTH,
    ),
    "codes as their country's": (
        [["行政代码", *PANEL[0][1:]],
         *([f"CN{CITIES[row[0]]}", *row[1:]] for row in PANEL[1:])],
        TRUTH,
    ),
    "totals of provinces": (
        [*PANEL, ["河北省合计", 2015, 9e9, 1], ["全省总计", 2015, 9e9, 1]], TRUTH),
    "at current prices": (
        [["城市", "年份", "地区生产总值(当年价,万元)", "户籍人口(年末，万人)"],
         *PANEL[1:]],
        TRUTH,
    ),
    "at constant prices": (
        [["城市", "年份", "地区生产总值(2010年不变价,万元)", PEOPLE], *PANEL[1:]],
        {key: value for key, value in TRUTH.items() if key not in OUTPUT},
    ),
    "a year in a header beside years": (
        [["城市", "年份", "2015年地区生产总值(万元)", PEOPLE], *PANEL[1:]],
        {key: value for key, value in TRUTH.items() if key not in OUTPUT},
    ),
    "every sign of a gap": (
        [*PANEL, *(["北京市", 2000 + n, sign, "-"] for n, sign in enumerate(
            ["NULL", "nan", ".", "NaN", "null", "None", "n/a", "#N/A", "", "/", "无",
             "未公布", "――"]))],
        TRUTH,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize("case", TABLES)
def test_a_layout_comes_back_cell_for_cell(seeded, case, kind):
    rows, truth = TABLES[case]
    if kind == "csv":
        width = max(map(len, rows))
        path = text(seeded, [[*row, *[""] * (width - len(row))] for row in rows])
    else:
        path = book(seeded, {"Sheet1": rows})
    cells, plan = imported(seeded, path)
    same(cells, truth)
    assert "Layout" in plan.told


def test_cells_merged_down_over_years(seeded):
    path = book(
        seeded, {"表": _merged_cities()}, merged=[f"A{2 * n}:A{2 * n + 1}" for n in
                                                 range(1, 5)]
    )  # fmt: skip
    cells, plan = imported(seeded, path)
    same(cells, TRUTH)
    assert "merged ranges: 4" in plan.told


def test_headers_merged_over_scopes(seeded):
    path = book(seeded, {"表": TWO_ROWS}, merged=["C1:D1", "E1:F1", "A1:A2", "B1:B2"])
    same(imported(seeded, path)[0], TRUTH)


def test_a_figure_merged_over_cells_is_refused(seeded):
    path = book(seeded, {"表": PANEL}, merged=["C2:C3"])
    refused(["cell C2", "is merged over cells up to C3"], seeded, path)


def _sheets_by_year():
    return {
        str(year): [
            ["城市", GDP, PEOPLE],
            *([city, gdp(city, year), people(city, year)] for city in CITIES),
        ]
        for year in YEARS
    }


def test_a_sheet_a_year(seeded):
    cells, plan = imported(seeded, book(seeded, _sheets_by_year()))
    same(cells, TRUTH)
    assert "sheet 2016: 8 cells, years 2016 to 2016 (name of the sheet)" in plan.told
    # With a column of years, too, every sheet is read.
    sheets = {f"表{year}": [PANEL[0], *(r for r in PANEL[1:] if r[1] == year)]
              for year in YEARS}  # fmt: skip
    same(imported(seeded, book(seeded, sheets))[0], TRUTH)


def test_a_sheet_a_variable_and_a_sheet_a_city(seeded):
    sheets = {
        name: [["城市", *YEARS],
               *([city, *(value(city, y) for y in YEARS)] for city in CITIES)]
        for name, value in ((GDP.replace("(", "（").replace(")", "）"), gdp),
                            ("户籍人口（万人）", people))
    }  # fmt: skip
    same(imported(seeded, book(seeded, sheets))[0], TRUTH)
    sheets = {
        city: [["年份", GDP, PEOPLE],
               *([year, gdp(city, year), people(city, year)] for year in YEARS)]
        for city in CITIES
    }  # fmt: skip
    same(imported(seeded, book(seeded, sheets))[0], TRUTH)


def test_hidden_sheets_and_sheets_of_districts_are_left(seeded):
    wrong = [PANEL[0], *([*row[:2], 1e6, 1] for row in PANEL[1:])]
    sheets = {"旧": wrong, "市辖区": wrong, "全市": PANEL}
    cells, plan = imported(seeded, book(seeded, sheets, hidden=["旧"]))
    same(cells, TRUTH)
    assert "sheet 旧 of t.xlsx: hidden" in plan.told
    assert "sheet 市辖区 of t.xlsx: its name says 市辖区" in plan.told
    path = book(seeded, {"市辖区": PANEL}, name="d.xlsx")
    refused(["市辖区"], seeded, path)
    title = [["2015-2016年市辖区主要指标"], *PANEL]
    refused(["市辖区"], seeded, book(seeded, {"表": title}, name="e.xlsx"))
    refused(["市辖区"], seeded, book(seeded, {"表": title}, name="e.xlsx"),
            spec="yearbook_wide")  # fmt: skip


def test_two_sheets_that_differ_are_refused(seeded):
    other = [[*row] for row in PANEL]
    other[1][2] += 1
    path = book(seeded, {"a": PANEL, "b": other})
    refused(["is a second figure of 130100"], seeded, path)
    cells, plan = imported(seeded, book(seeded, {"a": PANEL, "b": PANEL}))
    same(cells, TRUTH)
    assert "The same figure in a second sheet: 16 cells" in plan.told


# --- What a cell shows ---------------------------------------------------------


def _changed(root, change, *, name="t.xlsx", rows=PANEL):
    path = book(root, {"表": rows}, name=name)
    workbook = openpyxl.load_workbook(path)
    change(workbook.active)
    workbook.save(path)
    return path


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("#DIV/0!", "is an error value"),
        ("#REF!", "is an error value"),
        ("#NAME?", "is an error value"),
        ("=B2*1000", "is a formula without a computed value"),
    ],
)
def test_errors_and_uncomputed_formulas_are_no_gaps(seeded, value, words):
    def change(sheet):
        sheet["C2"] = value

    refused(["cell C2", words], seeded, _changed(seeded, change))
    refused(["cell C2", words], seeded, _changed(seeded, change), spec="yearbook_wide")


def test_a_column_of_uncomputed_formulas_is_refused_cell_by_cell(seeded):
    def change(sheet):
        for row in range(2, 10):
            sheet[f"C{row}"] = f"=D{row}*2"

    refused(["(8):", "cell C9"], seeded, _changed(seeded, change))


@pytest.mark.parametrize("cell", ["A2", "B2"])
def test_errors_in_keys_lose_no_row(seeded, cell):
    def change(sheet):
        sheet[cell] = "#REF!"

    refused([f"cell {cell}", "is an error value"], seeded, _changed(seeded, change),
            allow_unmatched=True)  # fmt: skip


GROWTH = [
    ["城市", "年份", GDP, "地区生产总值增长率(%)"],
    ["石家庄市", 2015, 5e7, 7.5],
    ["石家庄市", 2016, 6e7, 0.074],
]


def test_percentages_in_part_of_a_column_are_read_as_shown(seeded):
    def change(sheet):
        sheet["D3"].number_format = "0.00%"

    cells, _ = imported(seeded, _changed(seeded, change, rows=GROWTH))
    growth = {key[2]: value for key, value in cells.items() if key[0].endswith("pct")}
    assert growth == {"2015": 7.5, "2016": 7.4}


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("0.0%", "is not a number"),
        ("#,##0,", "is shown in thousands"),
        ('0!.0000,"万"', "is shown in thousands"),
        ('0"亿"', "is not a number"),
        (";;;", "is hidden by its number format"),
        (";-0;0", "is hidden by its number format"),
        ("0.0‰", "is not a number"),
        ('0"1"', "is shown with digits of its number format"),
    ],
)
def test_formats_that_show_another_figure_are_refused(seeded, form, words):
    def change(sheet):
        sheet["C2"].number_format = form

    refused(["cell C2", words], seeded, _changed(seeded, change))


def test_formats_that_change_no_figure():
    for form in (
        "General",
        "0.00",
        "#,##0",
        "#,##0.00_);[Red](#,##0.00)",
        "0_ ",
        '0.0"%"',
        '_ * #,##0.00_ ;_ * \\-#,##0.00_ ;_ * "-"??_ ;_ @_ ',
    ):
        assert shown(7.25, form) == 7.25, form
    assert shown(0.07, "0%") == "7%"
    assert shown(0.0741, "0%") == "7.41%"
    assert isinstance(shown(5.0, ";;;"), Unread)
    assert shown(0.0, "0;-0;;@") == "" and shown(5.0, "0;-0;;@") == 5.0
    assert read_number(Unread("7", "is no figure")) == (None, "is no figure")
    assert raised("2", after="km") == "²" and raised("2", after="7.4") == "[2]"


def test_raised_footnote_marks_are_no_digits(seeded):
    def change(sheet):
        mark = TextBlock(InlineFont(vertAlign="superscript"), "1")
        for cell in ("C2", "A3", "C1"):
            sheet[cell] = CellRichText(str(sheet[cell].value).removesuffix(".0"), mark)
        sheet["D2"] = CellRichText("700.65", mark)

    path = book(seeded, {"表": PANEL})
    workbook = openpyxl.load_workbook(path, rich_text=True)
    change(workbook.active)
    workbook.save(path)
    same(imported(seeded, path)[0], TRUTH)


@pytest.mark.parametrize("variable", [GDP, PEOPLE])
def test_zeros_that_cannot_be_are_refused_or_gaps(seeded, variable):
    rows = [[*row] for row in PANEL]
    rows[1][rows[0].index(variable)] = 0
    path = text(seeded, rows)
    refused(["t.csv, cell ", "value '0'", "--zeros-are-gaps"], seeded, path)
    cells, plan = imported(seeded, path, zeros_are_gaps=True)
    assert len(cells) == len(TRUTH) - 1
    assert "1 zeros" in plan.told


def test_the_province_of_a_citys_name(seeded):
    sound = [row if row[0] != "吉林市" else ["吉林", *row[1:]] for row in PANEL]
    bare = [[row[0].removesuffix("市"), *row[1:]] for row in PANEL]
    same(imported(seeded, text(seeded, bare))[0], TRUTH)
    # Among names that end in 市 it is the province.
    cells, plan = imported(seeded, text(seeded, sound))
    same(cells, {key: value for key, value in TRUTH.items() if key[1] != "220200"})
    assert "吉林 as the province (2)" in plan.told
    beside = [*bare, ["河北", 2015, 1e9, 1]]
    refused(["is a province and a city"], seeded, text(seeded, beside))
    with_code = [["城市", "城市代码", *PANEL[0][1:]],
                 *([row[0], CITIES[c[0]], *row[1:]]
                   for row, c in zip(sound[1:], PANEL[1:], strict=True))]  # fmt: skip
    same(imported(seeded, text(seeded, with_code))[0], TRUTH)


def test_a_table_of_districts_alone_gives_nothing(seeded):
    rows = [["城市", "年份", "范围", GDP],
            *([row[0], row[1], "市辖区", row[2]] for row in PANEL[1:])]  # fmt: skip
    refused(["No figure of a city of the study"], seeded, text(seeded, rows))


def test_names_in_letters_that_two_cities_have(seeded):
    rows = [["city", "year", "GDP(10,000 yuan)"], ["Suzhou", 2015, 1]]
    refused(["it is 苏州市 or 宿州市"], seeded, text(seeded, rows))
    rows = [["city", "province", *rows[0][1:]], ["Suzhou", "Jiangsu", 2015, 1]]
    assert list(imported(seeded, text(seeded, rows))[0]) == [
        ("gdp_cny_10k", "320500", "2015")
    ]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([["城市", "地区生产总值(万元)"], ["杭州市", 1]], "says the year"),
        ([["城市", "年份", "地区生产总值"], ["杭州市", 2015, 1]], "the unit"),
        ([["城市", "年份", "GDP(万元)", "国内生产总值(万元)"], ["杭州市", 2015, 1, 1]],
         "stands in several columns"),
        ([["2014年"], ["2015年"], ["城市", GDP], ["杭州市", 1]], "different years"),
        ([["城市", "年份", "地区生产总值(万人)"], ["杭州市", 2015, 1]],
         "is no unit of gdp_cny_10k"),
        ([["城市", "年份", "指标", "数值"], ["杭州市", 2015, "地区生产总值", 1]],
         "says no unit of gdp_cny_10k"),
        ([["城市", "人均地区生产总值(元)", "年份"], ["杭州市", 1, 2015]],
         "No spec fits"),
        ([["城市", "城市代码", "年份", GDP], ["杭州市", "130100", 2015, 1]],
         "code 130100 is 石家庄市, not 杭州市"),
        ([["城市", "行政代码", "年份", GDP], ["杭州市", "130100", 2015, 1]],
         "code 130100 is 石家庄市, not 杭州市"),
        ([["2015年"], ["城市", GDP], ["杭州市", 1], ["2016年"], ["太原市", 1]],
         "cell A4, column city, value '2016年': is a line within the table"),
        ([["城市", "年份", GDP], ["杭州市", 2015, 1], ["单位：亿元"],
          ["太原市", 2015, 1]],
         "value '单位：亿元': is a line within the table"),
        ([["城市", "年份", GDP], ["杭州市", 2015, 1], ["市辖区"], ["太原市", 2015, 1]],
         "value '市辖区': is a line within the table"),
        ([["2015年市本级指标"], ["城市", GDP], ["杭州市", 1]], "says 市辖区"),
        ([["城市", "年份", GDP], ["杭州市", 2015, "########"]],
         "wider than its column"),
        ([["城市", "年份", GDP], ["杭州市", "15年", 1]], "value '15年': is not a year"),
    ],
)  # fmt: skip
def test_what_a_layout_leaves_open_is_asked(seeded, rows, words):
    refused([words], seeded, text(seeded, rows))


# --- Kinds of files --------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "separator", "head"),
    [
        ("utf-16-le", ",", ""), ("utf-16-be", "\t", ""), ("utf-16", ",", ""),
        ("utf-8-sig", ";", "sep=;\r\n"), ("gb18030", ";", '"sep=;"\n'),
        ("utf-8", "|", ""), ("gb18030", "\t", "2015年，各市，指标\n"),
    ],
)  # fmt: skip
def test_texts_of_every_kind(seeded, encoding, separator, head):
    path = text(seeded, PANEL, encoding=encoding, separator=separator, head=head)
    cells, plan = imported(seeded, path)
    same(cells, TRUTH)
    cell = plan.files["seeds/imported/raw_imported_cells.csv"].splitlines()[1]
    assert cell.rsplit(",", 1)[1] == ("C3" if head else "C2")


@pytest.mark.parametrize("first", ["region", "q", "sep=;", "s"])
def test_texts_that_begin_like_an_old_data_set(seeded, first):
    """q, r and s are the first bytes of Stata's files of three versions."""
    rows = [["region", "year", "GDP(10000 yuan)"], ["Hangzhou", 2015, 1]]
    head = {"region": "", "sep=;": "sep=;\r\n"}.get(first, f"{first}\r\n")
    separator = ";" if "sep" in first else ","
    cells, _ = imported(seeded, text(seeded, rows, separator=separator, head=head))
    assert cells == {("gdp_cny_10k", "330100", "2015"): 1}


def test_commas_beside_semicolons(seeded):
    """7,505 is 7505 or 7.505; another figure of the file may say which."""
    rows = [["城市", "年份", PEOPLE], ["杭州市", 2015, "7,505"]]
    refused(["cell C2", "may separate thousands or decimals"], seeded,
            text(seeded, rows, separator=";"))  # fmt: skip
    rows.append(["太原市", 2015, "370.5"])
    cells, _ = imported(seeded, text(seeded, rows, separator=";"))
    assert cells["population_persons_10k", "330100", "2015"] == 7505


def test_packed_texts(seeded):
    plain = text(seeded, PANEL).read_bytes()
    (seeded / "t.csv.gz").write_bytes(gzip.compress(plain))
    same(imported(seeded, seeded / "t.csv.gz")[0], TRUTH)
    with zipfile.ZipFile(seeded / "t.zip", "w") as archive:
        archive.writestr("data/t.csv", plain)
    same(imported(seeded, seeded / "t.zip")[0], TRUTH)
    with zipfile.ZipFile(seeded / "t.zip", "a") as archive:
        archive.writestr("data/u.csv", plain)
    refused(["data/t.csv, data/u.csv"], seeded, seeded / "t.zip")
    (seeded / "t.csv.gz").write_bytes(gzip.compress(plain)[:-20])
    refused(["its archive is damaged"], seeded, seeded / "t.csv.gz")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
         + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
        (b"Rar!\x1a\x07\x00", "an archive"), (b"7z\xbc\xaf'\x1c", "an archive"),
        (b'<?xml version="1.0"?><Workbook/>', "XML"), (b'[{"a": 1}]', "JSON"),
        (b"SQLite format 3\x00", "a database"), (b"%PDF-1.4", "a PDF"),
    ],
)  # fmt: skip
def test_files_of_other_kinds_are_named(seeded, content, words):
    (seeded / "t.xlsx").write_bytes(content)
    refused([words, "t.xlsx"], seeded, seeded / "t.xlsx")


def test_a_binary_workbook_is_refused_by_name(seeded):
    with zipfile.ZipFile(seeded / "t.xlsb", "w") as archive:
        archive.writestr("xl/workbook.bin", b"")
    refused([".xlsb", "save it as .xlsx"], seeded, seeded / "t.xlsb")


def test_a_files_name_says_districts(seeded):
    refused(["市辖区.csv: its name says 市辖区"], seeded,
            text(seeded, PANEL, name="市辖区.csv"))  # fmt: skip
    same(imported(seeded, text(seeded, PANEL, name="全市与市辖区.csv"))[0], TRUTH)


def test_statas_spsss_and_parquets_files(seeded):
    import duckdb
    import numpy as np
    import pandas as pd
    import pyreadstat

    frame = pd.DataFrame(PANEL[1:], columns=["city", "nian", "gdp", "people"])
    frame = frame.astype({"nian": "int32", "people": "float32"})
    assert float(frame["people"].iloc[0]) != people("石家庄市", 2015)
    labels = ["城市", "年份", GDP, PEOPLE]
    frame.to_stata(
        seeded / "t.dta", version=118, write_index=False,
        variable_labels=dict(zip(frame.columns, labels, strict=True)),
    )  # fmt: skip
    pyreadstat.write_sav(frame, str(seeded / "t.sav"), column_labels=labels)
    frame.columns = labels
    frame.loc[0, GDP] = np.nan
    duckdb.sql("select * from frame").write_parquet(str(seeded / "t.parquet"))
    same(imported(seeded, seeded / "t.dta")[0], TRUTH)
    cells, _ = imported(seeded, seeded / "t.sav")
    assert cells.keys() == TRUTH.keys()
    cells, _ = imported(seeded, seeded / "t.parquet")
    same(cells, {key: value for key, value in TRUTH.items()
                 if key != ("gdp_cny_10k", "130100", "2015")})  # fmt: skip


def test_labels_of_values_name_cities(seeded):
    import pandas as pd
    import pyreadstat

    frame = pd.DataFrame({"city": [1.0, 2.0], "year": [2015.0, 2015.0],
                          "gdp_cny_10k": [1.0, 2.0]})  # fmt: skip
    pyreadstat.write_dta(
        frame, str(seeded / "t.dta"),
        variable_value_labels={"city": {1: "杭州市", 2: "太原市"}},
    )  # fmt: skip
    cells, _ = imported(seeded, seeded / "t.dta")
    assert {key[1]: value for key, value in cells.items()} == {
        "330100": 1.0, "140100": 2.0}  # fmt: skip


def _ods(root, cells, *, styles="", hidden=False):
    """An .ods workbook of one sheet from the XML of its cells."""
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text", "style")
    )
    lines = ["".join(row) for row in cells]
    rows = "".join(f"<table:table-row>{line}</table:table-row>" for line in lines)
    style = ' table:style-name="ta1"' if hidden else ""
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {spaces} '
        f'office:version="1.2"><office:automatic-styles>{styles}'
        "</office:automatic-styles><office:body><office:spreadsheet>"
        f'<table:table table:name="表"{style}>'
        f"{rows}</table:table></office:spreadsheet></office:body>"
        "</office:document-content>"
    )
    path = root / "t.ods"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
        archive.writestr(
            "META-INF/manifest.xml",
            '<?xml version="1.0"?><manifest:manifest xmlns:manifest='
            '"urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
        )
    return path


def _ods_cell(value, kind=None, more="", shown=None):
    kind = kind or ("string" if isinstance(value, str) else "float")
    number = "" if kind == "string" else f' office:value="{value}"'
    words = f"<text:p>{value if shown is None else shown}</text:p>"
    return (f'<table:table-cell office:value-type="{kind}"{number}{more}>{words}'
            "</table:table-cell>")  # fmt: skip


def test_open_documents(seeded):
    rows = [[_ods_cell(cell) for cell in row] for row in PANEL]
    same(imported(seeded, _ods(seeded, rows))[0], TRUTH)
    broken = [[*row] for row in rows]
    formula = ' table:formula="of:=1/0" calcext:value-type="error"'.replace(
        ' calcext:value-type="error"', "")  # fmt: skip
    broken[1][2] = _ods_cell("", "string", formula, "#DIV/0!")
    refused(["cell C2", "is an error value"], seeded, _ods(seeded, broken))
    broken[1][2] = '<table:table-cell table:formula="of:=D2*2"/>'
    refused(["cell C2", "is a formula without"], seeded, _ods(seeded, broken))
    marked = [[*row] for row in rows]
    mark = '<text:span text:style-name="T1">1</text:span>'
    marked[1][2] = _ods_cell("", "string", "", f"50002015{mark}")
    raise_ = ('<style:style style:name="T1" style:family="text"><style:text-properties '
              'style:text-position="super 58%"/></style:style>')  # fmt: skip
    same(imported(seeded, _ods(seeded, marked, styles=raise_))[0], TRUTH)
    growth = [[_ods_cell(cell) for cell in row] for row in GROWTH]
    growth[2][3] = _ods_cell(0.074, "percentage", "", "7.40%")
    cells, _ = imported(seeded, _ods(seeded, growth))
    assert cells["gdp_growth_pct", "130100", "2016"] == 7.4
    hide = (
        '<style:style style:name="ta1" style:family="table">'
        '<style:table-properties table:display="false"/></style:style>'
    )
    refused(["it is hidden"], seeded, _ods(seeded, rows, styles=hide, hidden=True))


# --- Sources by file ---------------------------------------------------------------


def _of(year):
    return [PANEL[0], *(row for row in PANEL[1:] if row[1] == year)]


def test_a_second_years_file_stands_beside_the_first(seeded):
    for year in YEARS:
        path = text(seeded, _of(year), name=f"y{year}.csv")
        cells, plan = imported(seeded, path)
        plan.write(seeded)
    same(cells, TRUTH)
    assert "keeps what it holds from: y2015.csv" in plan.told
    # Another figure of the same cell is asked about.
    changed = [PANEL[0], [*PANEL[1][:2], 1, 1]]
    path = text(seeded, changed, name="z.csv")
    refused(["other figures of these cells", "y2015.csv, cell C2", "--replace"],
            seeded, path)  # fmt: skip
    cells, plan = imported(seeded, path, replace=True)
    assert len(cells) == 2


def test_another_file_of_the_same_name_loses_nothing(seeded):
    imported(seeded, text(seeded, _of(2015), name="t.csv"))[1].write(seeded)
    path = text(seeded, _of(2016), name="t.csv")
    refused(["had cells that this one has not", "would be lost"], seeded, path)
    whole = text(seeded, PANEL, name="t.csv")
    same(imported(seeded, whole)[0], TRUTH)


def test_a_large_source_stands_as_parquet(seeded, monkeypatch):
    import duckdb

    from citypanel.importers import imported as store

    monkeypatch.setattr(store, "MOST_IN_SEED", 10)
    _, plan = imported(seeded, text(seeded, PANEL))
    plan.write(seeded)
    path = seeded / "seeds/imported/cells/mine.parquet"
    rows = duckdb.sql(f"select * from read_parquet('{path}')")
    assert rows.columns == [
        "source", "variable", "city_id", "year", "value", "unit", "header", "file",
        "cell",
    ]  # fmt: skip
    assert rows.fetchall()[0] == (
        "mine", "gdp_cny_10k", "130100", "2015", "50002015.0", "万元", f"{GDP} [万元]",
        "t.csv", "C2",
    )  # fmt: skip
    seed = seeded / "seeds/imported/raw_imported_cells.csv"
    assert seed.read_text().count("\n") == 1
    # A second file joins it; a small import that replaces it goes back to the seed.
    more = [PANEL[0], ["北京市", 2015, 1, 1]]
    imported(seeded, text(seeded, more, name="u.csv"))[1].write(seeded)
    assert len(duckdb.sql(f"select * from read_parquet('{path}')").fetchall()) == 18
    imported(seeded, text(seeded, more, name="u.csv"), replace=True)[1].write(seeded)
    assert not path.exists() and seed.read_text().count("\n") == 3


# --- Specs ---------------------------------------------------------------------------


def test_a_spec_that_waits_does_not_block_other_files(seeded):
    rows = [["城市", "年份", "地区生产总值"], ["杭州市", 2015, 1]]
    odd = text(seeded, rows, name="o.csv")
    spec, _ = suggest(odd, project=seeded)
    assert '"?"' in spec.read_text(encoding="utf-8")
    same(imported(seeded, text(seeded, PANEL))[0], TRUTH)
    refused(["waits for you"], seeded, odd, spec=spec.stem)


def test_suggest_knows_the_projects_own_exports(seeded):
    rows = [["city_id", "city_en", "year", "gdp_cny_10k", "log_gdp"],
            ["330100", "Hangzhou", 2015, 5, 1]]  # fmt: skip
    path = text(seeded, rows)
    spec, _ = suggest(path, project=seeded)
    cells, _ = imported(seeded, path, spec=spec.stem)
    assert cells == {("gdp_cny_10k", "330100", "2015"): 5}


def test_suggest_writes_the_spec_of_a_roster(seeded):
    rows = [
        ["名单", "", "", ""], ["试点所在地", "设立日", "第几批", "备注"],
        ["石家庄市", "2013-05-01", 1, ""], ["杭州市", "2015-03-07", 2, ""],
    ]  # fmt: skip
    path = text(seeded, rows, name="pilots.csv")
    with pytest.raises(ImporterError, match=r"policy --suggest pilots\.csv"):
        plan_policy([path], project=seeded)
    spec, told = suggest(path, project=seeded)
    assert "kind: policy" in spec.read_text(encoding="utf-8")
    assert "policy" in told
    plan = plan_policy([path], project=seeded, spec=spec.stem)
    assert "2 units in 2 batches" in plan.told


def test_suggest_writes_the_spec_of_a_recognised_layout(seeded):
    rows = [["地区生产总值"], ["城市", *YEARS], ["杭州市", 1, 2]]
    path = text(seeded, [[*row, *[""] * (3 - len(row))] for row in rows])
    refused(["nothing says the unit of gdp_cny_10k"], seeded, path)
    spec, _ = suggest(path, project=seeded)
    document = spec.read_text(encoding="utf-8")
    assert "layout: recognised" in document
    spec.write_text(document.replace('"?"', '"亿元"'), encoding="utf-8")
    cells, _ = imported(seeded, path, spec=spec.stem)
    assert cells == {
        ("gdp_cny_10k", "330100", "2015"): 10_000,
        ("gdp_cny_10k", "330100", "2016"): 20_000,
    }


def test_the_year_of_a_files_name_is_said_by_a_spec(seeded):
    rows = [["城市", "地区生产总值(万元)"], ["杭州市", 1]]
    path = text(seeded, rows, name="yearbook2016.csv")
    folder = seeded / "importers" / "specs"
    folder.mkdir(parents=True)
    (folder / "own.yml").write_text(
        'kind: yearbook\nlayout: recognised\nyear: {file_name: "(20..)", minus: 1}\n',
        encoding="utf-8",
    )
    assert list(imported(seeded, path, spec="own")[0]) == [
        ("gdp_cny_10k", "330100", "2015")
    ]


def test_read_file_tells_what_a_damaged_data_set_is(seeded):
    for name, content in (
        ("t.dta", b"<stata_dta><header><release>118</release>"),
        ("t.sav", b"$FL2@(#) SPSS DATA FILE"),
        ("t.parquet", b"PAR1 and no more"),
    ):
        (seeded / name).write_bytes(content)
        with pytest.raises(ImporterError, match="that can be read"):
            read_file(seeded / name)
