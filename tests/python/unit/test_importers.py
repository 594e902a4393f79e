"""Importers on tiny tables whose every reading is known."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openpyxl
import pytest
from tests.support.old_workbook import old_workbook

from citypanel.cli import main
from citypanel.errors import ImporterError
from citypanel.importers import plan_ceic, plan_policy, plan_yearbook
from citypanel.importers.cells import (
    address,
    harmless,
    read_date,
    read_number,
    read_year,
    starts_like_a_formula,
)
from citypanel.importers.dataverse import fetch, find_dataset
from citypanel.importers.files import decode, read_file
from citypanel.importers.headers import normalise, read_headers
from citypanel.importers.project import SOURCES, load_reference
from citypanel.importers.specs import load_spec, parse_spec, shipped_specs
from citypanel.importers.storage import read_seed, recover, write_together
from citypanel.importers.suggestions import suggest


@pytest.mark.parametrize(
    ("printed", "number"),
    [
        ("123", "123"),
        ("１２３，４５６．７", "123456.7"),
        ("1,234,567.8", "1234567.8"),
        ("1 234.5", "1234.5"),
        ("1\u00a0234", "1234"),
        (".97", "0.97"),
        ("-5.2", "-5.2"),
        ("−5.2", "-5.2"),
        ("－５．２", "-5.2"),
        ("+8", "8"),
        ("007", "7"),
        ("12.", "12"),
        ("12.3①", "12.3"),
        ("12.3¹", "12.3"),
        ("12.3*", "12.3"),
        ("12.3[2]", "12.3"),
        ("1.5E-05", "0.000015"),
        ("1.2345E+03", "1234.5"),
        (110000.0, "110000"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (79.3000030517578, "79.3000030517578"),
        (12345678901234567890.0, "12345678901234567000"),
        (3, "3"),
    ],
)
def test_numbers_as_publishers_print_them(printed, number):
    assert read_number(printed) == (number, None)


@pytest.mark.parametrize(
    "printed",
    ["", " ", "-", "－", "—", "——", "…", "……", "...", "－－", "　", None, "N/A"],
)
def test_signs_of_not_available_are_gaps(printed):
    assert read_number(printed) == (None, None)


@pytest.mark.parametrize(
    ("printed", "why"),
    [
        ("14,70", "separates no thousands"),
        ("1,23,456", "separates no thousands"),
        ("0.05.", "not a number"),
        ("0:68", "not a number"),
        ("0.81\n0.14", "not a number"),
        ("=H13/10000", "formula"),
        ("@sum(1)", "formula"),
        ("1.23E+07", "lost digits"),
        ("#REF!", "error value"),
        ("about 9", "not a number"),
        ("①12", "not a number"),
        ("٣", "not a number"),
        (True, "true or false"),
        (float("nan"), "finite"),
        (dt.datetime(2015, 3, 7), "date"),
    ],
)
def test_anything_else_is_a_problem_and_no_guess(printed, why):
    number, problem = read_number(printed)
    assert number is None
    assert why in problem


def test_years_dates_and_addresses():
    assert [read_year(value) for value in (2015.0, "2015年", "２０１５")] == [2015] * 3
    assert [read_year(value) for value in (2015.5, "15", "", True)] == [None] * 4
    assert read_date("2015年3月7日") == read_date("2015/3/7") == "2015-03-07"
    assert read_date(dt.datetime(2015, 3, 7)) == "2015-03-07"
    assert read_date("2015-02-30") is None
    assert read_date("2015") is None
    assert [address(57, 6), address(0, 26), address(0, 702)] == ["G58", "AA1", "AAA1"]


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-cmd", "@cmd", "=HYPERLINK(1)"])
def test_free_text_that_a_spreadsheet_would_run_is_disarmed(text):
    assert harmless(text) == f"'{text}"
    assert harmless("-5.2") == "-5.2"
    assert harmless("a\nb\t\x07c") == "a b c"


def test_encodings_are_told_apart_strictly():
    text = "年份,城市,地区生产总值\n2015,北京市,1\n"
    for encoding in ("utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16"):
        assert decode(text.encode(encoding), name="t.csv")[0] == text
    damaged = text.encode("utf-8")[:-9] + b"\xe5\x8c"
    with pytest.raises(ImporterError) as error:
        decode(damaged, name="t.csv")
    assert f"byte {len(damaged) - 2} (line 2) is e5 8c, which UTF-8" in str(error.value)
    # A byte that begins no character of GB18030.
    broken = text.encode("gb18030") + b"\xff\xff"
    with pytest.raises(ImporterError) as error:
        decode(broken, name="t.csv")
    assert f"byte {len(broken) - 2} (line 3) is ff ff, which GB18030" in str(
        error.value
    )


def test_headers_are_taken_apart():
    assert normalise(
        "年末总人口\r\n(万人)\r\nTotal Population\r\n(10 000 persons)"
    ) == ("年末总人口(万人)")
    rows = [
        [
            "城市",
            "",
            "年末总人口\n（万人）",
            "",
            "地区生产总值_当年价格_全市_万元",
            "耕地万亩",
        ],
        ["", "", "全市\nTotal City", "市 辖区", "", ""],
    ]
    from citypanel.importers.files import Sheet

    headers = read_headers(
        Sheet("f", "s", rows), first=0, count=2, units=["万人", "万元"]
    )
    found = [(h.column, h.name, h.unit, h.scope) for h in headers]
    assert found == [
        (0, "城市", "", ""),
        (2, "年末总人口", "万人", "全市"),
        (3, "年末总人口", "万人", "市辖区"),
        (4, "地区生产总值_当年价格", "万元", "全市"),
        (5, "耕地万亩", "", ""),
    ]


def test_merged_headers_reach_over_their_columns():
    from citypanel.importers.files import Sheet

    sheet = Sheet(
        "f", "s", [["a", "人口", ""], ["", "全市", "市辖区"]], [((0, 1), (0, 2))]
    )
    headers = read_headers(sheet, first=0, count=2, units=[])
    assert [(h.name, h.scope) for h in headers[1:]] == [
        ("人口", "全市"),
        ("人口", "市辖区"),
    ]


def test_cities_by_code_by_name_and_through_changes(seeded):
    find = load_reference(seeded).gazetteer.find
    assert (find(code=420600.0).city_id, find(code=420600.0).how) == ("420600", "code")
    assert find(name=" 襄阳市 ").city_id == find(name="襄阳").city_id == "420600"
    assert find(name="襄樊市").city_id == find(name="襄樊").city_id == "420600"
    assert find(name="襄樊").how == "change"
    assert find(name="巢湖市").how == find(code="341400").how == "abolished"
    assert find(name="莱芜市").city_id == ""
    assert find(name="邯郸市").how == find(code="130400").how == "outside"
    assert find(name="大理白族自治州").city_id == "532900"
    assert find(name="四安市").how == "unknown"
    assert "nearest known name" in find(name="石家庄氏").remark
    assert find(code="110000", name="天津市").how == "contradiction"
    assert find(code="110001", name="北京市").how == "contradiction"
    assert find(code="990100").how == find(code="139900").how == "unknown"
    assert find(code="130682").how == "outside"  # a county-level city
    assert find(name="苏州市", province="安徽省").how == "contradiction"
    assert find(name="苏州市", province="江苏省").city_id == "320500"
    assert find(name="吉林市", province="吉林省").city_id == "220200"


def test_every_renamed_city_of_the_study_is_found_by_its_old_code(seeded):
    reference = load_reference(seeded)
    for row in read_seed(seeded / "seeds/reference/ref_city_changes.csv"):
        match = reference.gazetteer.find(code=row["old_code"], name=row["old_name_zh"])
        wanted = (
            row["new_code"] if row["new_code"] in reference.gazetteer.cities else ""
        )
        assert match.city_id == wanted, row
        assert match.how != "contradiction", (row, match)
        assert match.how != "unknown", (row, match)


def test_units_convert_as_their_table_says(seeded):
    units = load_reference(seeded).units
    assert units.convert(1.5, "亿元", "CNY 10,000") == 15000
    assert units.convert(430.3573, "万人", "persons") == pytest.approx(4303573)
    assert units.convert(107.5, "上年=100", "% (0-100)") == pytest.approx(7.5)
    assert units.same("人/平方公里", "人平方公里")
    assert not units.same("人", "万人")


def test_the_units_of_the_variables_are_known(seeded):
    reference = load_reference(seeded)
    assert set(reference.variables.values()) <= set(reference.units.names)


def test_shipped_specs_are_sound(seeded):
    reference = load_reference(seeded)
    for name, text in shipped_specs().items():
        assert parse_spec(name, text, variables=reference.variables).name == name
    assert len(shipped_specs()) >= 9


TABLE = [
    ["2016年城市统计年鉴", "", "", "", "", ""],
    ["单位：万元", "", "", "", "", ""],
    ["城市", "City", "地区生产总值", "", "固定资产投资总额（亿元）", ""],
    ["", "", "全市", "市辖区", "全市", "市辖区"],
    ["城市合计", "Total", 999, 999, 999, 999],
    ["河北省", "Hebei", 999, 999, 999, 999],
    ["  北京市", "Beijing", "２３０，１４５，９００", 1, 7990.9, 1],
    ["  襄 樊 市", "Xiangfan", 33821000.5, 1, "…", 1],
    ["  邯郸市", "Handan", "a cell that is not read", 1, 2, 1],
    ["巢湖市", "Chaohu", 3, 1, 3, 1],
    ["注：襄樊市2010年更名为襄阳市。", "", "", "", "", ""],
    ["资料来源：年鉴", "", "", "", "", ""],
]
SPEC = """
kind: yearbook
origin: {publisher: A bureau, title: A yearbook, rights: for the test}
first_header_row: 3
header_rows: 2
keys: {city: 城市}
year: {file_name: "(20[0-9]{2})", minus: 1}
columns:
  - {variable: gdp_cny_10k, header: 地区生产总值}
  - {variable: fai_cny_10k, header: 固定资产投资总额}
skip_rows: [城市合计]
stop_at: [注]
"""


def _workbook(rows, *, merged=()):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "表1"
    for row in rows:
        sheet.append([None if cell == "" else cell for cell in row])
    for cells in merged:
        sheet.merge_cells(cells)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _text(rows, encoding):
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode(encoding)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t2016.xlsx", _workbook(TABLE, merged=["C3:D3", "E3:F3", "A1:F1"])),
        ("t2016.xls", old_workbook("表1", TABLE)),
        ("t2016.csv", _text(TABLE, "utf-8-sig")),
        ("gb2016.csv", _text(TABLE, "gb18030")),
    ],
)
def test_one_table_reads_the_same_from_every_kind_of_file(seeded, name, content):
    _own_spec(seeded, SPEC)
    path = seeded / name
    path.write_bytes(content)
    plan = plan_yearbook(
        [path], project=seeded, spec="own", source="mine", accept_difference=True
    )
    rows = list(
        csv.DictReader(plan.files["seeds/imported/raw_imported_cells.csv"].splitlines())
    )
    names = ("variable", "city_id", "year", "value", "unit")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("fai_cny_10k", "110000", "2015", "7990.9", "亿元"),
        ("gdp_cny_10k", "110000", "2015", "230145900", "万元"),
        ("gdp_cny_10k", "420600", "2015", "33821000.5", "万元"),
    ]
    assert rows[1]["cell"].endswith("C7") and rows[1]["file"] == name
    for words in (
        "through a change: 1: 襄樊市 = 襄阳", "巢湖市, abolished", "邯郸市",
        "地区生产总值|全市 -> gdp_cny_10k, in 万元 (unit: cell above the header)",
        "(unit: header)", "Columns of 市辖区 not mapped (2)", "years 2015 to 2015",
    ):  # fmt: skip
        assert words in plan.told.replace("襄 樊 市", "襄樊市"), plan.told


def _own_spec(root, text, name="own"):
    folder = root / "importers" / "specs"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yml").write_text(text, encoding="utf-8")


def _write(root, rows, name="t.csv"):
    path = root / name
    path.write_bytes(_text(rows, "utf-8"))
    return path


WIDE = [
    ["城市", "城市代码", "年份", "地区生产总值(万元)"],
    ["北京市", "110000", "2015", "230145900"],
    ["天津市", "120000", "2015", "165381900"],
]


def test_the_spec_that_fits_is_found_and_origin_is_kept(seeded):
    path = _write(seeded, WIDE)
    plan = plan_yearbook(
        [path],
        project=seeded,
        source="mine",
        precedence=0,
        origin={"publisher": "=cmd|' /C calc'!A0", "date": "2026-11-25"},
    )
    plan.write(seeded)
    row = read_seed(seeded / SOURCES)[0]
    spec = shipped_specs()["yearbook_wide"].encode()
    assert row == {
        "kind": "yearbook", "source": "mine", "precedence": "0",
        "publisher": "'=cmd|' /C calc'!A0", "title": "not stated",
        "edition": "not stated", "retrieved_from": "not stated", "date": "2026-11-25",
        "rights": "not stated", "file": "t.csv",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "n_rows": "2",
        "spec": "yearbook_wide", "spec_sha256": hashlib.sha256(spec).hexdigest(),
    }  # fmt: skip


def test_no_name_of_file_or_sheet_runs_as_a_formula(seeded):
    book = openpyxl.Workbook()
    book.active.title = "=cmd"
    for row in WIDE:
        book.active.append(row)
    path = seeded / "@sum.xlsx"
    book.save(path)
    files = plan_yearbook([path], project=seeded, spec="yearbook_wide").files
    for text in files.values():
        for row in csv.reader(text.splitlines()[1:]):
            assert not any(starts_like_a_formula(cell) for cell in row), row
    assert ",'@sum.xlsx,'=cmd!D2" in files["seeds/imported/raw_imported_cells.csv"]


def test_a_second_import_replaces_its_source_and_no_other(seeded):
    for source, figure in (("a", "1"), ("b", "2"), ("a", "3")):
        rows = [WIDE[0], [*WIDE[1][:3], figure]]
        plan_yearbook(
            [_write(seeded, rows)],
            project=seeded,
            source=source,
            accept_difference=True,
        ).write(seeded)
    cells = read_seed(seeded / "seeds/imported/raw_imported_cells.csv")
    assert [(row["source"], row["value"]) for row in cells] == [("a", "3"), ("b", "2")]
    assert len(read_seed(seeded / SOURCES)) == 2


def test_imports_write_the_same_bytes_again(seeded):
    path = _write(seeded, WIDE)
    files = [
        plan_yearbook([path], project=seeded, origin={"date": "2026-11-25"}).files
        for _ in range(2)
    ]
    assert files[0] == files[1]


def test_known_misprints_are_read_as_declared(seeded):
    _own_spec(
        seeded,
        shipped_specs()["yearbook_wide"] + "known_cells:\n"
        "  - "
        "{file: t.csv, cell: D2, printed: '23014590O', read: '230145900', because: O}\n"
        "  - "
        "{file: t.csv, cell: A3, printed: 天律市, read: 天津市, because: misread}\n",
    )
    rows = [WIDE[0], [*WIDE[1][:3], "23014590O"], ["天律市", *WIDE[2][1:]]]
    plan = plan_yearbook([_write(seeded, rows)], project=seeded, spec="own")
    assert ",230145900," in plan.files["seeds/imported/raw_imported_cells.csv"]
    assert plan.told.count("Known misprint") == 2


def _copied(seeded, *, factor=1.0, shift=0):
    """The shipped seed's output as if it came from another file."""
    seed = read_seed(seeded / "seeds/yearbook/raw_yearbook_city_years.csv")
    return [
        WIDE[0],
        *(
            [r["城市"], r["城市代码"], int(r["年份"]) + shift,
             float(r["地区生产总值(万元)"]) * factor]
            for r in seed
            if r["地区生产总值(万元)"]
        ),
    ]  # fmt: skip


def test_agreement_with_the_shipped_figures_is_counted(seeded):
    plan = plan_yearbook([_write(seeded, _copied(seeded))], project=seeded)
    assert "720 figures in both, 100.0% agree" in plan.told


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"factor": 1e-4}, "the median figure is 0.0001 times the warehouse's"),
        ({"shift": 1}, "the warehouse's of the year before"),
        ({"shift": -1}, "the warehouse's of the year after"),
    ],
)
def test_a_slipped_unit_or_a_shifted_year_is_refused(seeded, change, words):
    path = _write(seeded, _copied(seeded, **change))
    with pytest.raises(ImporterError, match=words):
        plan_yearbook([path], project=seeded)
    plan = plan_yearbook([path], project=seeded, accept_difference=True)
    assert "Doubt, accepted" in plan.told


ROSTER = [
    ["试点城市", "省份", "批复日期", "文号", "备注"],
    ["石家庄市", "河北省", "2013-05-01", "文〔2013〕1号", ""],
    ["襄樊", "湖北", "2014年6月1日", "=1+1", "x"],
    ["邯郸市", "河北", "2014-06-01", "", ""],
]


def test_a_roster_becomes_a_policy(seeded):
    plan = plan_policy([_write(seeded, ROSTER, "low_carbon.csv")], project=seeded)
    plan.write(seeded)
    rows = read_seed(seeded / "seeds/imported/raw_imported_rosters.csv")
    assert [
        (
            r["policy"],
            r["batch"],
            r["approval_date"],
            r["unit_zh"],
            r["city_id"],
            r["document"],
        )
        for r in rows
    ] == [
        ("low_carbon", "1", "2013-05-01", "石家庄市", "130100", "文〔2013〕1号"),
        ("low_carbon", "2", "2014-06-01", "邯郸市", "", "not stated"),
        ("low_carbon", "2", "2014-06-01", "襄樊", "420600", "'=1+1"),
    ]
    assert plan.next_step == (
        "dbt build --vars '{policy: low_carbon, treated_batches: [1, 2]}'"
    )
    assert "襄樊 = 襄阳" in plan.told


def _export(**changes):
    block = {
        "": "Gross Domestic Product: Hebei", "Region": "China", "Subnational": "Hebei",
        "Frequency": "Annual", "Unit": "RMB bn", "Source": "National Bureau",
        "Status": "Active", "Series ID": "1234567",
        "Mean": "5", "2010": "2000.1", "2011": "2450,5".replace(",", "."),
    }  # fmt: skip
    return [[label, value] for label, value in (block | changes).items()]


def test_an_export_of_series_takes_its_place_among_the_series(seeded):
    path = _write(seeded, _export())
    with pytest.raises(
        ImporterError, match="would stand beside NBS-PROVINCE-130000-GDP"
    ):
        plan_ceic([path], project=seeded)
    plan = plan_ceic([path], project=seeded, replace=True)
    plan.write(seeded)
    series = read_seed(seeded / "seeds/ceic/raw_ceic_series.csv")
    mine = [(r["date"], r["value"]) for r in series if r["series_id"] == "1234567"]
    assert mine == [("2010-12-31", "2000.1"), ("2011-12-31", "2450.5")]
    assert not any(r["series_id"] == "NBS-PROVINCE-130000-GDP" for r in series)
    metadata = {
        r["series_id"]: r
        for r in read_seed(seeded / "seeds/ceic/raw_ceic_series_metadata.csv")
    }
    assert metadata["1234567"]["unit"] == "RMB bn"
    assert metadata["1234567"]["province_id"] == "130000"
    assert len(metadata) == 123
    # The next year's export brings the series up to date.
    again = plan_ceic([_write(seeded, _export(**{"2011": "2451", "2012": "2700"}))],
                      project=seeded)  # fmt: skip
    assert "1 observations new, 1 revised" in again.told


def test_excel_dates_and_month_names_are_years_ends(seeded):
    rows = [
        ["Name", "GDP: Hebei"], ["Frequency", "Annual"], ["Unit", "RMB mn"],
        ["Source", "NBS"], ["Series ID", "77"],
        [dt.datetime(2010, 12, 1), 2000100.0], ["12/2011", 2450500.0],
        ["Dec-2012", 2700000.0], ["Note: revised", ""],
    ]  # fmt: skip
    path = seeded / "e.xlsx"
    path.write_bytes(_workbook(rows))
    text = plan_ceic([path], project=seeded, replace=True).files[
        "seeds/ceic/raw_ceic_series.csv"
    ]
    for line in (
        "77,2010-12-31,2000100",
        "77,2011-12-31,2450500",
        "77,2012-12-31,2700000",
    ):
        assert line in text.splitlines()


def test_a_suggested_spec_imports_once_it_is_corrected(seeded):
    rows = [row[:] for row in TABLE]
    rows[1][0] = ""
    path = seeded / "my table 2016.csv"
    path.write_bytes(_text(rows, "gb18030"))
    spec, told = suggest(path, project=seeded)
    assert spec == seeded / "importers" / "specs" / "my_table_2016.yml"
    assert "the unit of 地区生产总值 (cell C3)" in told
    text = spec.read_text(encoding="utf-8")
    assert "first_header_row: 3\nheader_rows: 2" in text
    with pytest.raises(ImporterError, match="waits for you"):
        plan_yearbook([path], project=seeded, spec="my_table_2016")
    text = text.replace('"?"', '"万元"').replace("minus: 0", "minus: 1")
    spec.write_text(text + "skip_rows: [城市合计]\n", encoding="utf-8")
    plan = plan_yearbook(
        [path], project=seeded, spec="my_table_2016", source="mine",
        accept_difference=True,
    )  # fmt: skip
    assert ",230145900," in plan.files["seeds/imported/raw_imported_cells.csv"]


def test_the_command_tells_writes_and_says_what_is_next(seeded, monkeypatch, capsys):
    monkeypatch.chdir(seeded)
    _write(seeded, WIDE)
    before = _fingerprint(seeded)
    assert main(["import", "yearbook", "t.csv", "--dry-run"]) == 0
    assert "nothing was written" in capsys.readouterr().out
    assert _fingerprint(seeded) == before
    assert main(["import", "yearbook", "t.csv", "--source", "mine"]) == 0
    out = capsys.readouterr().out
    assert "raw_imported_cells.csv" in out and "Next: dbt build" in out
    assert _fingerprint(seeded) != before
    assert main(["import", "--recover"]) == 0
    assert "No import was interrupted" in capsys.readouterr().out
    assert main(["import"]) == 1
    assert "Remedy:" in capsys.readouterr().err


def _fingerprint(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in (root / "seeds").rglob("*")
        if path.is_file()
    }


# --- All or nothing ---------------------------------------------------------

NEW = {
    "seeds/a.csv": "new a\n",
    "seeds/deep/b.csv": "new b\n",
    "seeds/c.csv": "new c\n",
}


def _old(root):
    (root / "seeds" / "deep").mkdir(parents=True)
    for name in NEW:
        (root / name).write_text("old\n")


def _state(root):
    return {name: (root / name).read_text() for name in NEW}


class _Stop(BaseException):
    """Ends a write between two of its steps, as a kill would."""


def test_a_write_stopped_at_any_step_ends_as_the_old_or_the_new_set(tmp_path):
    steps: list[str] = []
    _old(tmp_path / "whole")
    write_together(tmp_path / "whole", NEW, after_step=steps.append)
    assert _state(tmp_path / "whole") == NEW
    assert not (tmp_path / "whole/seeds/.importing").exists()
    decided = steps.index("journal in place")
    assert 0 < decided < len(steps) - 1
    for number in range(len(steps)):
        root = tmp_path / str(number)
        _old(root)
        counted = iter(range(len(steps)))

        def stop(step, counted=counted, last=number):
            if next(counted) == last:
                raise _Stop

        with pytest.raises(_Stop):
            write_together(root, NEW, after_step=stop)
        journal = (root / "seeds/.importing/journal.json").exists()
        assert journal == (decided <= number < len(steps) - 1)
        if not journal:
            # No build is refused: what stands is one whole set.
            assert _state(root) in (dict.fromkeys(NEW, "old\n"), NEW)
        recover(root)
        assert _state(root) == (
            NEW if number >= decided else dict.fromkeys(NEW, "old\n")
        )
        assert not (root / "seeds/.importing/journal.json").exists()


def test_a_killed_process_leaves_the_old_or_the_new_set(tmp_path):
    script = (
        "import sys, os, signal; from pathlib import Path\n"
        "from citypanel.importers.storage import write_together\n"
        "import json\n"
        "root, last, files = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])\n"
        "def kill(step):\n"
        "    if step == last: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_together(root, files, after_step=kill)\n"
    )
    for number, (last, state) in enumerate(
        [
            ("staged seeds/a.csv", "old"),
            ("journal written", "old"),
            ("journal in place", "new"),
            ("moved seeds/c.csv", "new"),
        ]
    ):
        root = tmp_path / str(number)
        _old(root)
        ended = subprocess.run(
            [sys.executable, "-c", script, str(root), last, json.dumps(NEW)],
            check=False,
        )
        assert ended.returncode == -signal.SIGKILL
        # The next import finishes or clears what this one left.
        write_together(root, {"seeds/d.csv": "later\n"})
        assert _state(root) == (NEW if state == "new" else dict.fromkeys(NEW, "old\n"))


def test_two_imports_at_once_do_not_mix(tmp_path):
    _old(tmp_path)
    entered, leave = threading.Event(), threading.Event()

    def wait(step):
        entered.set()
        leave.wait(10)

    first = threading.Thread(
        target=partial(write_together, tmp_path, NEW, after_step=wait)
    )
    first.start()
    entered.wait(10)
    try:
        with pytest.raises(ImporterError, match="Another import is at work"):
            write_together(tmp_path, {"seeds/a.csv": "other\n"})
    finally:
        leave.set()
        first.join()
    assert _state(tmp_path) == NEW


def test_a_seed_that_was_changed_after_an_interruption_is_not_passed_over(tmp_path):
    _old(tmp_path)

    def stop(step):
        if step == "moved seeds/a.csv":
            raise _Stop

    with pytest.raises(_Stop):
        write_together(tmp_path, NEW, after_step=stop)
    (tmp_path / "seeds/a.csv").write_text("by hand\n")
    with pytest.raises(ImporterError, match="was changed after the import stopped"):
        recover(tmp_path)
    assert (tmp_path / "seeds/a.csv").read_text() == "by hand\n"


# --- Zip bombs ---------------------------------------------------------------


def _parts(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}


def _packed(parts):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return content.getvalue()


def test_workbooks_that_would_fill_the_memory_are_not_opened(tmp_path):
    parts = _parts(_workbook([["城市"], ["北京市"]]))
    sheet = "xl/worksheets/sheet1.xml"
    bombs = {
        "ratio.xlsx": parts | {"xl/media/zeros.bin": b"\0" * (8 * 2**20)},
        "parts.xlsx": parts | {f"xl/media/{i}": b"" for i in range(2100)},
        "far.xlsx": parts | {sheet: parts[sheet].replace(b'r="A2"', b'r="XFD1048576"')},
        "quotes.xlsx": parts
        | {sheet: parts[sheet].replace(b'r="A2"', b"r='XFD1048576'")},
    }
    for name, content in bombs.items():
        path = tmp_path / name
        path.write_bytes(_packed(content))
        start = time.perf_counter()
        with pytest.raises(ImporterError, match="more than a table of statistics"):
            read_file(path)
        assert time.perf_counter() - start < 5


def test_a_part_that_lies_about_its_size_is_found_out(tmp_path):
    content = bytearray(
        _packed(_parts(_workbook([["a"]])) | {"xl/media/z": b"\0" * (4 * 2**20)})
    )
    size = (4 * 2**20).to_bytes(4, "little")
    assert content.count(size) == 2
    lied = bytes(content).replace(size, (100).to_bytes(4, "little"))
    path = tmp_path / "lie.xlsx"
    path.write_bytes(lied)
    with pytest.raises(ImporterError):
        read_file(path)


# --- Dataverse ---------------------------------------------------------------


class _Dataverse(BaseHTTPRequestHandler):
    table = _text(WIDE, "utf-8")
    name = "panel.csv"
    checksum = hashlib.md5(table).hexdigest()
    requests: list[str] = []  # noqa: RUF012

    def do_GET(self):
        self.requests.append(self.path)
        if self.path.startswith("/api/datasets"):
            if "NUYREO" not in self.path:
                self.send_error(404)
                return
            file = {
                "id": 7, "filename": "panel.tab", "originalFileName": self.name,
                "filesize": len(self.table),
                "checksum": {"type": "MD5", "value": self.checksum},
            }  # fmt: skip
            title = {"typeName": "title", "value": "A panel"}
            content = json.dumps(
                {
                    "data": {
                        "publisher": "A Dataverse",
                        "latestVersion": {
                            "versionNumber": 2, "versionMinorNumber": 1,
                            "license": {"name": "CC0 1.0", "uri": "http://x/cc0"},
                            "metadataBlocks": {"citation": {"fields": [title]}},
                            "files": [{"dataFile": file}],
                        },
                    }
                }
            ).encode()  # fmt: skip
        elif self.path == "/api/access/datafile/7?format=original":
            content = self.table
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def dataverse():
    handler = type("Handler", (_Dataverse,), {"requests": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}
    )
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_dataset_is_found_downloaded_once_and_imported(
    seeded, dataverse, monkeypatch, capsys
):
    server, handler = dataverse
    monkeypatch.chdir(seeded)
    arguments = ["import", "dataverse", "doi:10.7910/DVN/NUYREO", "--server", server,
                 "--cache", str(seeded / "cache")]  # fmt: skip
    assert main(arguments) == 0
    assert "panel.csv" in capsys.readouterr().out
    for _ in range(2):
        assert main([*arguments, "--file", "panel.csv", "--source", "dv"]) == 0
    downloads = [path for path in handler.requests if "datafile" in path]
    assert len(downloads) == 1
    row = read_seed(seeded / SOURCES)[0]
    assert row["title"] == "A panel" and row["edition"] == "version 2.1"
    assert row["rights"] == "CC0 1.0 http://x/cc0"
    assert row["retrieved_from"] == f"doi:10.7910/DVN/NUYREO at {server}"
    assert row["sha256"] == hashlib.sha256(handler.table).hexdigest()


def test_without_the_server_the_cache_serves(tmp_path, dataverse):
    server, _ = dataverse
    first = find_dataset("10.7910/DVN/NUYREO", server=server, cache=tmp_path)
    path = fetch(first, "panel.csv", cache=tmp_path)
    import requests

    def refuse(*arguments, **options):
        raise requests.ConnectionError("no network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests, "get", refuse)
        again = find_dataset("10.7910/DVN/NUYREO", server=server, cache=tmp_path)
        assert again.from_cache
        assert fetch(again, "panel.csv", cache=tmp_path) == path


class _Liar(BaseHTTPRequestHandler):
    """A server that sends too much, too slowly, without end, or elsewhere."""

    def do_GET(self):
        kind = self.path.split("/")[1].split("?")[0]
        self.send_response(302 if kind == "elsewhere" else 200)
        if kind == "elsewhere":
            self.send_header("Location", "file:///etc/passwd")
            self.send_header("Content-Length", "0")
        self.end_headers()
        try:
            if kind == "nested":
                self.wfile.write(b"[" * 200_000)
            while kind in ("endless", "drip"):
                self.wfile.write(b"x" if kind == "drip" else b"x" * 2**16)
                time.sleep(0.05 if kind == "drip" else 0)
        except OSError:
            pass  # the reader has gone

    def log_message(self, *arguments):
        pass


@pytest.fixture
def liar():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Liar)
    server.daemon_threads = True
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    ).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("endless", "it sends more than 225 bytes and was cut off"),
        ("drip", "it was not done after 0 seconds"),
        ("elsewhere", "cannot be downloaded (No connection adapters"),
    ],
)
def test_a_lying_server_is_cut_off(tmp_path, liar, monkeypatch, kind, words):
    from citypanel.importers import dataverse
    from citypanel.importers.dataverse import Dataset, DatasetFile

    monkeypatch.setattr(dataverse, "SECONDS", 0.4)
    file = DatasetFile(
        "a.csv", f"{liar}/{kind}/x", "md5:" + "0" * 32, 225, largest=225
    )  # fmt: skip
    dataset = Dataset("10.1234/x", (file,), {}, False)
    with pytest.raises(ImporterError) as error:
        fetch(dataset, "a.csv", cache=tmp_path)
    assert words in str(error.value) and "checksum" not in str(error.value)
    assert not list(tmp_path.rglob("a.csv"))


@pytest.mark.parametrize("kind", ["endless", "drip", "nested", "elsewhere"])
def test_endless_metadata_are_given_up(tmp_path, liar, monkeypatch, kind):
    from citypanel.importers import dataverse

    monkeypatch.setattr(dataverse, "SECONDS", 0.4)
    monkeypatch.setattr(dataverse, "LARGEST_METADATA", 2**20)
    with pytest.raises(ImporterError, match=r"was not found at|not understood"):
        find_dataset("10.7910/DVN/NUYREO", server=f"{liar}/{kind}", cache=tmp_path)


def test_a_user_spec_comes_before_the_shipped_one(seeded):
    reference = load_reference(seeded)
    text = shipped_specs()["yearbook_wide"].replace(
        "kind: yearbook", "kind: yearbook\nnote: mine"
    )
    _own_spec(seeded, text, "yearbook_wide")
    spec = load_spec(
        "yearbook_wide", project=seeded, kind="yearbook", variables=reference.variables
    )
    assert spec.note == "mine"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root writes anywhere")
def test_a_read_only_project_is_told(seeded):
    plan = plan_yearbook([_write(seeded, WIDE)], project=seeded)
    (seeded / "seeds").chmod(0o500)
    try:
        with pytest.raises(ImporterError, match="cannot be written"):
            plan.write(seeded)
    finally:
        (seeded / "seeds").chmod(0o700)
