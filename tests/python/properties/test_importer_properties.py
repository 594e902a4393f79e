"""Importers under arbitrary files: a plan or one ImporterError, never a traceback."""

from __future__ import annotations

import csv
import io
import re
import shutil

import openpyxl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.support.old_workbook import old_workbook

from citypanel.errors import ImporterError
from citypanel.importers.ceic import read_series
from citypanel.importers.cells import harmless, read_number, starts_like_a_formula
from citypanel.importers.files import decode, read_file
from citypanel.importers.policy import read_roster
from citypanel.importers.project import find_spec, load_reference, plan_yearbook
from citypanel.importers.specs import load_spec, parse_spec
from citypanel.importers.yearbook import read_yearbook

NUMBER_OF_THE_WAREHOUSE = re.compile(r"-?[0-9]+([.][0-9]+)?")
QUIET = settings(
    deadline=None,
    max_examples=40,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def reference(project):
    return load_reference(project)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


def _spec(reference, name, kind="yearbook"):
    return load_spec(
        name, project=reference.project, kind=kind, variables=reference.variables
    )


def _read(path, reference, spec):
    reading = read_yearbook(
        [read_file(path)],
        spec=spec,
        gazetteer=reference.gazetteer,
        units=reference.units,
        variables=reference.variables,
    )
    for variable, city_id, year, value, unit, *_ in reading.cells:
        assert NUMBER_OF_THE_WAREHOUSE.fullmatch(value), value
        assert variable in reference.variables
        assert city_id in reference.gazetteer.cities
        assert 1900 <= year <= 2100
        assert unit in reference.units.names
    return reading


@given(st.floats(allow_nan=False, allow_infinity=False))
@QUIET
def test_a_number_reads_as_itself_however_it_is_printed(figure):
    plain, problem = read_number(figure)
    assert problem is None
    assert float(plain) == figure
    assert NUMBER_OF_THE_WAREHOUSE.fullmatch(plain)
    separated = f"{figure:,.3f}"
    text, problem = read_number(separated)
    assert problem is None
    assert float(text) == float(separated.replace(",", ""))
    wide = separated.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)})
    assert read_number(wide) == (text, None)
    assert read_number(f" {separated}① ") == (text, None)


@given(st.text(max_size=12) | st.text("0123456789.,-+ eE１２①％%—…", max_size=12))
@settings(QUIET, max_examples=150)
def test_any_text_is_a_number_a_gap_or_a_problem(text):
    number, problem = read_number(text)
    assert number is None or problem is None
    assert number is None or NUMBER_OF_THE_WAREHOUSE.fullmatch(number)
    if number is not None:
        digits = re.sub(r"[^0-9.]", "", text.translate(
            {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}))  # fmt: skip
        if "e" not in text.lower() and "ｅ" not in text.lower() and "[" not in text:
            # No digit is made up and none is lost.
            assert float(number.lstrip("-")) == float(digits)


@given(st.text(max_size=20))
@QUIET
def test_free_text_never_runs_as_a_formula(text):
    kept = harmless(text)
    assert kept == "" or not starts_like_a_formula(kept)
    assert "\n" not in kept and "\r" not in kept and "\t" not in kept


@given(st.binary(max_size=200))
@settings(QUIET, max_examples=150)
def test_any_bytes_decode_or_are_told(content):
    try:
        text, encoding = decode(content, name="x.csv")
    except ImporterError as error:
        assert "Remedy:" in str(error)
    else:
        if encoding in ("utf-8", "gb18030"):
            assert text.encode(encoding) == content


CELLS = (
    st.sampled_from(
        ["北京市", "天津", "襄樊市", "巢湖市", "四安市", "110000", "120000", "999999",
         2015, 2015.0, "2015", "2015.5", "", "", "-", "…", "1,234", "14,70", "=1+1",
         "注：", -1, 0, 1e300, float("inf"), True, "９９"]
    )
    | st.text(max_size=5)
    | st.floats()
)  # fmt: skip
HEADERS = ["城市", "城市代码", "年份", "地区生产总值(万元)", "户籍人口(万人)"]
ROWS = st.lists(st.lists(CELLS, min_size=0, max_size=7), max_size=8)


@given(ROWS, st.sampled_from([",", "\t", ";"]), st.sampled_from(["utf-8", "gb18030"]))
@settings(QUIET, max_examples=50)
def test_any_text_table_is_read_or_told(reference, folder, rows, separator, encoding):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows([HEADERS, *rows])
    path = folder / "t.csv"
    path.write_bytes(text.getvalue().encode(encoding, errors="replace"))
    try:
        _read(path, reference, _spec(reference, "yearbook_wide"))
    except ImporterError as error:
        assert "Remedy:" in str(error) and "Traceback" not in str(error)


@given(ROWS)
@QUIET
def test_any_old_workbook_is_read_or_told(reference, folder, rows):
    kept = [
        [cell if isinstance(cell, str | float) else float(cell) for cell in row]
        for row in rows
    ]
    path = folder / "t.xls"
    path.write_bytes(old_workbook("表1", [HEADERS, *kept])[:60_000])
    try:
        _read(path, reference, _spec(reference, "yearbook_wide"))
    except ImporterError as error:
        assert "Remedy:" in str(error)


@given(ROWS)
@QUIET
def test_any_roster_and_any_export_is_read_or_told(reference, folder, rows):
    path = folder / "r.csv"
    for headers in (["城市", "日期", "批次", "省份"], ["Name", "GDP: Hebei"]):
        text = io.StringIO(newline="")
        block = [
            headers,
            ["Frequency", "Annual"],
            ["Unit", "RMB bn"],
            ["Source", "NBS"],
            ["Series ID", "7"],
        ]
        csv.writer(text).writerows(block[: 5 if headers[0] == "Name" else 1] + rows)
        path.write_bytes(text.getvalue().encode("utf-8", errors="replace"))
        try:
            if headers[0] == "Name":
                read_series(
                    [read_file(path)],
                    spec=_spec(reference, "ceic_provinces", "ceic"),
                    provinces=reference.provinces,
                    units=reference.units,
                )
            else:
                read_roster(
                    [read_file(path)],
                    spec=_spec(reference, "roster", "policy"),
                    gazetteer=reference.gazetteer,
                    units=reference.units,
                )
        except ImporterError as error:
            assert "Remedy:" in str(error)


YAML_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["kind", "keys", "columns", "year", "header", "variable", "sheet", "origin",
             "series", "known_cells", "city", "file_name", "skip_rows", "name", "note"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@given(YAML_LIKE | st.text(max_size=60))
@settings(QUIET, max_examples=150)
def test_any_spec_is_read_or_told(reference, document):
    import yaml

    text = document if isinstance(document, str) else yaml.safe_dump(document)
    try:
        parse_spec("own", text, variables=reference.variables)
    except ImporterError as error:
        assert "The spec 'own' has mistakes" in str(error)


def _workbook():
    book = openpyxl.Workbook()
    book.active.append(HEADERS)
    for year in range(2010, 2020):
        book.active.append(["北京市", 110000, year, 1e8 + year, 1300.5])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


WORKBOOKS = {
    "xlsx": _workbook(),
    "xls": old_workbook("表1", [HEADERS, ["北京市", 110000.0, 2015.0, 1e8, 1300.5]]),
}


def _mutated(content, data):
    content = bytearray(content)
    kind = data.draw(st.sampled_from(["flip", "cut", "insert", "repeat"]))
    place = data.draw(st.integers(0, len(content) - 1))
    if kind == "cut":
        return bytes(content[:place])
    if kind == "flip":
        for offset in range(data.draw(st.integers(1, 40))):
            spot = (place + offset * 37) % len(content)
            content[spot] ^= data.draw(st.integers(1, 255))
        return bytes(content)
    if kind == "insert":
        return (
            bytes(content[:place])
            + data.draw(st.binary(max_size=40))
            + bytes(content[place:])
        )
    return bytes(content[:place] + content[place // 2 :])


@given(st.data())
@settings(QUIET, max_examples=60)
def test_damaged_workbooks_are_read_or_told(reference, folder, capfd, data):
    kind = data.draw(st.sampled_from(sorted(WORKBOOKS)))
    path = folder / f"d.{kind}"
    path.write_bytes(_mutated(WORKBOOKS[kind], data))
    try:
        _read(path, reference, _spec(reference, "yearbook_wide"))
    except ImporterError as error:
        assert "Remedy:" in str(error)
    assert "panicked" not in capfd.readouterr().err


@given(st.permutations(range(12)))
@settings(QUIET, max_examples=10)
def test_the_order_of_rows_does_not_matter(reference, folder, order):
    rows = [
        [city, code, year, 1000 * year + int(code) / 7, ""]
        for city, code in (
            ("北京市", "110000"),
            ("天津市", "120000"),
            ("杭州", "330100"),
        )
        for year in range(2010, 2014)
    ]
    path = folder / "o.csv"
    found = []
    for rows_in_order in (rows, [rows[i] for i in order]):
        text = io.StringIO(newline="")
        csv.writer(text).writerows([HEADERS, *rows_in_order])
        path.write_text(text.getvalue(), encoding="utf-8")
        reading = _read(path, reference, _spec(reference, "yearbook_wide"))
        found.append(sorted(cell[:5] for cell in reading.cells))
    assert found[0] == found[1]
    assert len(found[0]) == 12


# --- Layouts ------------------------------------------------------------------------

PLACES = [("北京市", "110000"), ("杭州市", "330100"), ("襄樊市", "420600"),
          ("吉林市", "220200"), ("太原市", "140100")]  # fmt: skip
NAMES = {
    "gdp_cny_10k": [("地区生产总值", "万元", 1), ("GDP", "亿元", 1e-4),
                    ("国内生产总值", "亿", 1e-4)],
    "population_persons_10k": [("户籍人口", "万人", 1), ("年末总人口", "人", 1e4)],
    "fai_cny_10k": [("固定资产投资总额", "万元", 1)],
}  # fmt: skip


@pytest.fixture(scope="module")
def names(reference):
    return reference.names()


def _panel(truth, places, years, columns):
    return [["城市", "年份", *(f"{name}({unit})" for name, unit, _ in columns.values())]
            ] + [
        [name, year, *(truth.get((v, code, year), "") for v in columns)]
        for name, code in places
        for year in years
    ]  # fmt: skip


def _wide(truth, places, years, columns):
    return [
        ["城市", *(f"{year}年{name}({unit})" for name, unit, _ in columns.values()
                   for year in years)]
    ] + [
        [name, *(truth.get((v, code, year), "") for v in columns for year in years)]
        for name, code in places
    ]  # fmt: skip


def _grouped(truth, places, years, columns):
    wide = _wide(truth, places, years, columns)[1:]
    above = [["城市"], [""]]
    for name, unit, _ in columns.values():
        above[0] += [f"{name}({unit})", *[""] * (len(years) - 1)]
        above[1] += years
    return above + wide


def _long(truth, places, years, columns):
    return [["城市", "年份", "指标", "单位", "数值"]] + [
        [name, year, columns[v][0], columns[v][1], truth.get((v, code, year), "")]
        for name, code in places
        for year in years
        for v in columns
    ]


def _turned(*parts):
    return [list(row) for row in zip(*_panel(*parts), strict=True)]


def _by_sheet(truth, places, years, columns):
    return {
        str(year): [row[:1] + row[2:] for row in _panel(truth, places, [year], columns)]
        for year in years
    }


@given(st.data())
@settings(QUIET, max_examples=25)
def test_what_was_written_comes_back_cell_for_cell(reference, names, folder, data):
    draw = data.draw
    places = draw(st.lists(st.sampled_from(PLACES), min_size=2, unique=True))
    years = sorted(draw(st.sets(st.integers(2001, 2020), min_size=1, max_size=4)))
    chosen = draw(st.lists(st.sampled_from(sorted(NAMES)), min_size=1, unique=True))
    columns = {v: draw(st.sampled_from(NAMES[v])) for v in chosen}
    decimals = st.integers(1, 10**9).map(lambda figure: figure / 100)
    figures = st.integers(1, 10**9) | decimals | st.none()
    truth = {
        (v, code, year): figure
        for v in chosen for _, code in places for year in years
        if (figure := draw(figures)) is not None
    }  # fmt: skip
    # Without a figure at all there is nothing to recognise a table by.
    truth.setdefault((chosen[0], places[0][1], years[0]), 7)
    layout = draw(st.sampled_from([_panel, _wide, _grouped, _long, _turned, _by_sheet]))
    made = layout(truth, places, years, columns)
    sheets = made if isinstance(made, dict) else {"Sheet1": made}
    if draw(st.booleans()) and layout is not _turned:
        sheets = {name: [["主要城市统计"], [], *rows] for name, rows in sheets.items()}
    if len(sheets) > 1 or draw(st.booleans()):
        book = openpyxl.Workbook()
        book.remove(book.active)
        for name, rows in sheets.items():
            sheet = book.create_sheet(name)
            for row in rows:
                sheet.append([None if cell == "" else cell for cell in row])
        path = folder / "layout.xlsx"
        book.save(path)
    else:
        (name, rows), *_ = sheets.items()
        if name != "Sheet1":
            rows = [[f"{name}年"], *rows]
        width = max(map(len, rows))
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=draw(st.sampled_from(",;\t"))).writerows(
            [*row, *[""] * (width - len(row))] for row in rows
        )
        encoding = draw(st.sampled_from(["utf-8", "gb18030", "utf-16-le"]))
        path = folder / "layout.csv"
        path.write_bytes(text.getvalue().encode(encoding))
    file = read_file(path)
    spec = find_spec(None, "yearbook", [file], reference)
    reading = read_yearbook(
        [file], spec=spec, gazetteer=reference.gazetteer, units=reference.units,
        variables=reference.variables, names=names,
    )  # fmt: skip
    found = {
        (variable, city_id, year): (float(value), unit)
        for variable, city_id, year, value, unit, *_ in reading
    }
    assert found.keys() == truth.keys()
    for key, (value, unit) in found.items():
        assert value == float(truth[key])
        told = columns[key[0]][1]
        assert unit == ("亿元" if told == "亿" else told)


@pytest.mark.slow
@given(st.data())
@settings(QUIET, max_examples=120)
def test_damaged_real_files_are_read_or_told(reference, raw_files, folder, data):
    names = ["yearbook_tables/Data_2010.xlsx", "yearbook_tables/Data_2015.xlsx"]
    source = raw_files / data.draw(st.sampled_from(names))
    path = folder / source.name
    path.write_bytes(_mutated(source.read_bytes(), data))
    try:
        file = read_file(path)
        _read(path, reference, find_spec(None, "yearbook", [file], reference))
    except ImporterError as error:
        assert "Remedy:" in str(error)
    finally:
        path.unlink()


@pytest.mark.slow
@given(st.data())
@settings(QUIET, max_examples=15)
def test_cells_of_a_real_file_changed_at_will(reference, raw_files, folder, data):
    source = next(raw_files.glob("yearbook_compilation/*.csv"))
    with open(source, encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    spec = _spec(reference, "city_database")
    headers = {header for column in spec.columns for header in column.headers}
    row = data.draw(st.integers(1, len(rows) - 1))
    column = data.draw(st.integers(3, len(rows[0]) - 1))  # behind the keys
    junk = data.draw(st.sampled_from(["x", "14,70", "=1+1", "1.2.3", "1e99"]))
    rows[row][column] = junk
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    path = folder / "m.csv"
    path.write_text(text.getvalue(), encoding="utf-8")
    is_read = rows[row][1] in reference.gazetteer.cities and rows[0][column] in headers
    try:
        _read(path, reference, spec)
        assert not is_read
    except ImporterError as error:
        assert f"{_a1(row, column)}," in str(error)
    finally:
        path.unlink()


def _a1(row, column):
    from citypanel.importers.cells import address

    return address(row, column)


def test_nothing_is_written_by_a_refused_import(seeded):
    before = {p: p.read_bytes() for p in seeded.rglob("*") if p.is_file()}
    path = seeded.parent / "bad.csv"
    path.write_text("城市,年份,地区生产总值(万元)\n北京,2015,x\n", encoding="utf-8")
    with pytest.raises(ImporterError):
        plan_yearbook([path], project=seeded)
    shutil.copy(path, seeded.parent / "same.csv")
    assert {p: p.read_bytes() for p in seeded.rglob("*") if p.is_file()} == before
