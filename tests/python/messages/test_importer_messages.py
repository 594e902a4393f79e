"""Every complaint of the importers names file, cell, value, reason and the way out."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openpyxl
import pytest

from citypanel.cli import main
from citypanel.errors import ImporterError
from citypanel.importers import files as file_module
from citypanel.importers import plan_ceic, plan_policy, plan_yearbook
from citypanel.importers.dataverse import Dataset, DatasetFile, fetch, find_dataset
from citypanel.importers.specs import shipped_specs
from citypanel.importers.storage import FOLDER, JOURNAL, read_seed, recover
from citypanel.importers.suggestions import suggest

HEADER = ["城市", "城市代码", "年份", "地区生产总值(万元)"]
SOUND = ["北京市", "110000", "2015", "230145900"]


def _file(root, rows, name="t.csv", encoding="utf-8"):
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    path = root / name
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def _spec(root, text, name="own"):
    folder = root / "importers" / "specs"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yml").write_text(text, encoding="utf-8")


def _raises(words, call, *arguments, **options):
    with pytest.raises(ImporterError) as error:
        call(*arguments, **options)
    message = str(error.value)
    for word in [*words, "Consequence:", "Remedy:"]:
        assert word in message, message
    return message


TABLES = {
    "a word among figures": (
        [HEADER, [*SOUND[:3], "about 9"]],
        ["t.csv, cell D2, column 地区生产总值(万元), value 'about 9': is not a number"],
    ),
    "a formula": ([HEADER, [*SOUND[:3], "=1+1"]], ["cell D2", "is a formula"]),
    "a comma": ([HEADER, [*SOUND[:3], "14,70"]], ["separates no thousands"]),
    "lost digits": ([HEADER, [*SOUND[:3], "2.3E+08"]], ["may have lost digits"]),
    "negative output": ([HEADER, [*SOUND[:3], "-5"]], ["'-5': is below 0"]),
    "no year": ([HEADER, [*SOUND[:2], "2015.5", "1"]], ["cell C2", "is not a year"]),
    "a misspelt city": (
        [HEADER, ["四安市", "", "2015", "1"]],
        ["cell A2", "'四安市': is no place that is known (nearest known name",
         "--allow-unmatched"],
    ),
    "another city's code": (
        [HEADER, ["天津市", "110000", "2015", "1"]],
        ["code 110000 is 北京市, not 天津市"],
    ),
    "a wrong code": ([HEADER, ["", "11", "2015", "1"]], ["'11' is no six-digit code"]),
    "a city-year twice": (
        [HEADER, SOUND, SOUND],
        ["cell D3", "second figure of 110000 北京 in 2015", "first is in t.csv"],
    ),
    "a figure without a city": (
        [HEADER, SOUND, ["", "", "2015", "7"]],
        ["cell D3", "is a figure in a row without a city"],
    ),
    "a row cut short": (
        [HEADER, SOUND, ["天津市", "120000", "2015"]],
        ["cell C3", "ends a row of 3 cells where the header has 4"],
    ),
    "a row too long": ([HEADER, [*SOUND, "8"]], ["cell E2", "beyond the 4 columns"]),
    "a city below the footnotes": (
        [HEADER, SOUND, ["注：", "", "", ""], ["天津市", "120000", "2015", "1"]],
        ["cell A4", "below the footnotes that begin at A3"],
    ),
    "no city of the study": (
        [HEADER, ["邯郸市", "130400", "2015", "1"]],
        ["No figure of a city of the study", "ref_cities.csv"],
    ),
    "a header alone": ([HEADER], ["No figure of a city of the study"]),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLES)
def test_bad_table(seeded, case):
    rows, words = TABLES[case]
    before = _seeds(seeded)
    _raises(
        words,
        plan_yearbook,
        [_file(seeded, rows)],
        project=seeded,
        spec="yearbook_wide",
    )
    assert _seeds(seeded) == before


def _seeds(root):
    return {
        path: path.read_bytes() for path in root.glob("seeds/**/*") if path.is_file()
    }


def test_the_first_ten_and_the_count(seeded):
    rows = [HEADER] + [
        ["北京市", "110000", str(year), "x"] for year in range(2000, 2013)
    ]
    message = _raises(
        ["as it stands (13):", "cell D11", "... and 3 more"],
        plan_yearbook,
        [_file(seeded, rows)],
        project=seeded,
        spec="yearbook_wide",
    )
    assert "cell D12" not in message


SPECS = {
    "no such header": (
        "columns: [{variable: gdp_cny_10k, header: 地区生产总植}]",
        [
            "the column 地区生产总植 (gdp_cny_10k) is not there; nearest: "
            "地区生产总值(万元)"
        ],
    ),
    "a wrong unit": (
        "columns: [{variable: gdp_cny_10k, header: 地区生产总值, unit: 亿元}]",
        ["column 地区生产总值(万元): the header says 万元, the spec 亿元"],
    ),
    "an unexpected header unit": (
        "columns: [{variable: gdp_cny_10k, header: 地区生产总值, unit: 亿元, "
        "header_unit: 元, because: x}]",
        ["expects the header to say 元, and it says 万元"],
    ),
    "another quantity": (
        "columns: [{variable: area_km2, header: 地区生产总值}]",
        ["万元 is no unit of area_km2, which is in km2"],
    ),
    "no unit": (
        "columns: [{variable: gdp_cny_10k, header: 年份}]",
        ["neither the header nor the spec says the unit"],
    ),
    "an unknown unit": (
        "columns: [{variable: gdp_cny_10k, header: 年份, unit: 贯}]",
        ["unit 贯 is not in seeds/reference/ref_units.csv"],
    ),
    "two columns of one variable": (
        "columns: [{variable: gdp_cny_10k, header: 地区生产总值}, "
        "{variable: gdp_cny_10k, header: 城市代码, unit: 万元}]",
        ["two columns are mapped to gdp_cny_10k"],
    ),
    "no such sheet": (
        "sheet: 表9\ncolumns: [{variable: gdp_cny_10k, header: 地区生产总值}]",
        ["t.csv: sheet 表9 is not there; there are: (the text itself)"],
    ),
    "no headers there": (
        "first_header_row: 9\ncolumns: [{variable: gdp_cny_10k, header: 地区生产总值}]",
        ["row 9 holds no headers"],
    ),
    "a misprint mended meanwhile": (
        "columns: [{variable: gdp_cny_10k, header: 地区生产总值}]\n"
        "known_cells: [{file: t.csv, cell: D2, printed: '1', read: '2', because: x}]",
        ["was expected to be '1' by known_cells"],
    ),
}


@pytest.mark.parametrize("case", SPECS)
def test_spec_that_does_not_fit(seeded, case):
    text, words = SPECS[case]
    _spec(seeded, f"kind: yearbook\nkeys: {{city: 城市, year: 年份}}\n{text}\n")
    _raises(
        words,
        plan_yearbook,
        [_file(seeded, [HEADER, SOUND])],
        project=seeded,
        spec="own",
    )


def test_other_places_where_a_spec_does_not_fit(seeded):
    column = "columns: [{variable: gdp_cny_10k, header: 地区生产总值}]\n"
    _spec(seeded, f"kind: yearbook\nkeys: {{city: 地名, year: 年份}}\n{column}")
    path = _file(seeded, [HEADER, SOUND])
    _raises(
        ["the column of the city, 地名, is not there"],
        plan_yearbook,
        [path],
        project=seeded,
        spec="own",
    )
    _spec(
        seeded,
        f"kind: yearbook\nkeys: {{city: 城市}}\nyear: "
        f"{{file_name: '(20..)'}}\n{column}",
    )
    _raises(
        ["its name holds no year"], plan_yearbook, [path], project=seeded, spec="own"
    )
    twice = _file(seeded, [[*HEADER, HEADER[3]], [*SOUND, "1"]], "u.csv")
    _raises(
        ["stands in several columns: D1, E1"],
        plan_yearbook,
        [twice],
        project=seeded,
        spec="yearbook_wide",
    )
    formula = _file(seeded, [[*HEADER[:3], "=x(万元)"], SOUND], "v.csv")
    _spec(
        seeded,
        "kind: yearbook\nkeys: {city: 城市, year: 年份}\n"
        "columns: [{variable: gdp_cny_10k, header: '=x'}]",
    )
    _raises(
        ["the header begins like a formula"],
        plan_yearbook,
        [formula],
        project=seeded,
        spec="own",
    )
    _raises(
        ["the column of the city, 城市, stands 2 times"],
        plan_yearbook,
        [_file(seeded, [[*HEADER, "城市"], [*SOUND, "x"]], "w.csv")],
        project=seeded,
        spec="own",
    )


WRONG_SPECS = {
    "kind: nothing": ["kind is 'nothing', not one of yearbook, policy, ceic"],
    "- a list": ["it holds no entries"],
    "kind: [": ["it is no YAML"],
    "!!python/object/apply:os.system ['true']": ["it is no YAML"],
    "kind: yearbook\ncolour: red": ["there is no entry 'colour'", "columns is empty",
                                    "keys names neither", "the year needs either"],
    "kind: yearbook\norigin: {licence: x}": ["origin has no entry 'licence'"],
    "kind: yearbook\nscope: 市辖区": ["the study's variables are for 全市"],
    "kind: yearbook\nsheet: 0": ["sheet is 0"],
    "kind: yearbook\nheader_rows: 99": ["header_rows 1 to 10"],
    "kind: yearbook\nheader_rows: many": ["header_rows is 'many'"],
    "kind: yearbook\nkeys: {colour: x}": ["keys has no entry 'colour'"],
    "kind: yearbook\nkeys: {city: {a: b}}": ["keys.city is {'a': 'b'}"],
    "kind: yearbook\nyear: {file_name: '(', add: 1}": ["is no pattern", "'add'"],
    "kind: yearbook\nyear: {file_name: '20..'}": ["needs one group"],
    "kind: yearbook\ncolumns: [7]": ["columns, entry 1: is 7"],
    "kind: yearbook\ncolumns: [{variable: x, header: y, colour: z}]": [
        "variable is 'x'", "there is no entry 'colour'"],
    "kind: yearbook\ncolumns: [{variable: gdp_cny_10k}]": ["it has no header"],
    "kind: yearbook\ncolumns: [{variable: '?', header: y}]": ["waits for you"],
    "kind: yearbook\ncolumns: [{variable: gdp_cny_10k, header: y, header_unit: 人}]": [
        "needs a reason under 'because'"],
    "kind: yearbook\nknown_cells: [{file: x}]": ["known_cells, entry 1: it needs"],
    "kind: policy": ["keys names no column of the unit", "the date"],
    "kind: ceic": ["series is empty"],
    "kind: ceic\nseries: [{name: '('}]": ["it needs name and indicator"],
    "kind: ceic\nseries: [{name: '(', indicator: GDP}]": ["name is no pattern"],
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG_SPECS)
def test_mistakes_in_a_spec(seeded, text):
    _spec(seeded, text)
    _raises(
        ["The spec 'own' has mistakes", *WRONG_SPECS[text], "importers/specs/own.yml"],
        plan_yearbook,
        [_file(seeded, [HEADER, SOUND])],
        project=seeded,
        spec="own",
    )


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        "a/b",
        "a\\b",
        "own.yml",
        "",
        "x" * 99,
        "a\n",
    ],
)
def test_a_spec_name_leads_nowhere(seeded, name):
    (seeded.parent / "outside.yml").write_text(shipped_specs()["yearbook_wide"])
    path = _file(seeded, [HEADER, SOUND])
    if name == "":
        plan_yearbook([path], project=seeded, spec=name)  # no name: the one that fits
        return
    _raises(
        ["is no name of a spec", "no file was opened"],
        plan_yearbook,
        [path],
        project=seeded,
        spec=name,
    )


def test_a_link_out_of_the_folder_of_specs_is_not_followed(seeded, tmp_path):
    outside = tmp_path / "outside.yml"
    outside.write_text(shipped_specs()["yearbook_wide"], encoding="utf-8")
    _spec(seeded, "kind: ceic")
    (seeded / "importers" / "specs" / "linked.yml").symlink_to(outside)
    _raises(
        ["There is no spec named 'linked'"],
        plan_yearbook,
        [_file(seeded, [HEADER, SOUND])],
        project=seeded,
        spec="linked",
    )


def test_specs_that_are_missing_ambiguous_or_of_another_kind(seeded):
    path = _file(seeded, [HEADER, SOUND])
    _raises(
        ["There is no spec named 'mine'", "yearbook_wide", "--suggest"],
        plan_yearbook,
        [path],
        project=seeded,
        spec="mine",
    )
    _raises(
        ["it is for citypanel import policy, not yearbook"],
        plan_yearbook,
        [path],
        project=seeded,
        spec="roster",
    )
    _raises(
        ["No spec fits u.csv", "--suggest u.csv"],
        plan_yearbook,
        [_file(seeded, [["a", "b"], ["1", "2"]], "u.csv")],
        project=seeded,
    )
    _spec(seeded, shipped_specs()["yearbook_wide"], "twin")
    _raises(
        ["Several specs fit t.csv; they are: ", "twin", "--spec"],
        plan_yearbook,
        [path],
        project=seeded,
    )
    (seeded / "importers" / "specs" / "bytes.yml").write_bytes(b"\xff\xfe\xff")
    _raises(
        ["The spec 'bytes' has mistakes", "not UTF-8"],
        plan_yearbook,
        [path],
        project=seeded,
    )


def test_names_of_sources_and_policies(seeded):
    path = _file(seeded, [HEADER, SOUND])
    for name in ("yearbook", "Mine", "a-b", "=x"):
        _raises(
            [f"'{name}' cannot be the name of a source"],
            plan_yearbook,
            [path],
            project=seeded,
            source=name,
        )
    _raises(["precedence is -1"], plan_yearbook, [path], project=seeded, precedence=-1)
    _raises(
        ["The date of retrieval is 'today'"],
        plan_yearbook,
        [path],
        project=seeded,
        origin={"date": "today"},
    )
    _raises(["One file is given twice"], plan_yearbook, [path, path], project=seeded)
    roster = _file(seeded, ROSTER, "r.csv")
    _raises(
        ["'pilot_zones' cannot be the name of a policy, because"],
        plan_policy,
        [roster],
        project=seeded,
        name="pilot_zones",
    )


def test_folder_that_is_no_project(tmp_path):
    _raises(
        ["no citypanel project", "ref_cities.csv is missing or empty"],
        plan_yearbook,
        [tmp_path / "t.csv"],
        project=tmp_path,
    )


def test_spoiled_seeds(seeded):
    path = _file(seeded, [HEADER, SOUND])
    cells = seeded / "seeds/imported/raw_imported_cells.csv"
    for content in (b"other,columns\n", b"\xff\xff", b""):
        cells.write_bytes(content)
        _raises(
            ["A seed of earlier imports cannot be read", "raw_imported_cells.csv"],
            plan_yearbook,
            [path],
            project=seeded,
        )
    (seeded / "seeds/reference/ref_units.csv").write_bytes(b"\xff\xff")
    _raises(
        ["A seed of the project cannot be read", "ref_units.csv"],
        plan_yearbook,
        [path],
        project=seeded,
    )


def test_files_that_cannot_be_read(seeded, monkeypatch):
    def plan(name, content):
        path = seeded / name
        path.write_bytes(content)
        return plan_yearbook([path], project=seeded, spec="yearbook_wide")

    _raises(
        ["gone.csv: No such file"], plan_yearbook, [seeded / "gone.csv"], project=seeded
    )
    _raises(["it is not a file"], plan_yearbook, [seeded / "seeds"], project=seeded)
    book = io.BytesIO()
    openpyxl.Workbook().save(book)
    for name, content, words in (
        ("a.csv", b"", "it is empty"),
        ("b.csv", b"\n \n", "it has no rows"),
        ("c.xls", b"<html><table>", "web page under another name"),
        ("d.pdf", b"%PDF-1.7", "it is a PDF"),
        ("e.csv", b'a,"b\nc,d\n', "unclosed quotation mark"),
        ("f.csv", b"a,\x00b\n", "holds a zero byte"),
        ("g.csv", b"a,\xff\xff\n", "byte 2 (line 1) is ff ff 0a"),
        ("h.xlsx", b"PK\x03\x04 and nothing else", "its archive is damaged"),
        ("i.xlsx", book.getvalue(), "its sheets are empty"),
        ("j.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "no workbook"),
        ("k.xlsx", book.getvalue()[:-30], "its archive is damaged"),
    ):
        _raises([words], plan, name, content)
    import zipfile

    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("table.csv", "a,b")
        archive.writestr("more.csv", "a,b")
    words = ["an archive but no .xlsx workbook", "more.csv, table.csv"]
    _raises(words, plan, "l.zip", other.getvalue())
    monkeypatch.setattr(file_module, "LARGEST_FILE", 10)
    _raises(["more than the 10 allowed"], plan, "m.csv", b"x" * 11)
    monkeypatch.undo()
    monkeypatch.setattr(file_module, "MOST_CELLS", 3)
    _raises(["more than 3 cells"], plan, "n.csv", b"a,b\nc,d\n")


ROSTER = [["城市", "省份", "日期", "批次"], ["杭州市", "浙江省", "2015-03-07", "1"]]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (["抗州市", "浙江省", "2015-03-07", "1"], ["cell A3", "'抗州市': is no place"]),
        (["天津市", "天津", "15", "1"], ["cell C3", "is no date; write 2015-06-12"]),
        (["天津市", "天津", "2015-02-30", "1"], ["is no day of the calendar"]),
        (["天津市", "天津", "2015-03-07", "one"], ["cell D3", "is no batch number"]),
        (["天津市", "天津", "2015-03-07", ""], ["is empty in some rows"]),
        (
            ["杭州", "浙江", "2016-01-01", "2"],
            ["is in the roster twice; the first is 杭州市 in A2"],
        ),
        (
            ["苏州市", "安徽省", "2015-03-07", "1"],
            ["苏州市 is a city of 江苏, not of 安徽省"],
        ),
        (["=cmd()", "", "2015-03-07", "1"], ["begins like a formula"]),
        (["", "浙江省", "2015-03-07", "1"], ["is in a row without a unit"]),
    ],
)
def test_bad_roster(seeded, row, words):
    path = _file(seeded, [*ROSTER, row], "r.csv")
    _raises(words, plan_policy, [path], project=seeded)


def test_empty_and_headless_rosters(seeded):
    _raises(
        ["the roster has no rows"],
        plan_policy,
        [_file(seeded, ROSTER[:1], "r.csv")],
        project=seeded,
    )
    _raises(
        ["the column of the date"],
        plan_policy,
        [_file(seeded, [["城市"], ["杭州市"]], "s.csv")],
        project=seeded,
        spec="roster",
    )


def _export(**changes):
    block = {
        "Name": "GDP: Hebei",
        "Region": "Hebei",
        "Frequency": "Annual",
        "Unit": "RMB bn",
        "Source": "NBS",
        "Series ID": "77",
        "2010": "1",
        "2011": "2",
    }
    return [
        [label, *(value if isinstance(value, list) else [value])]
        for label, value in (block | changes).items()
        if value is not None
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"2011": "x"}, ["cell B8, column series 77, value 'x': is not a number"]),
        ({"2011": "-1"}, ["is below 0"]),
        ({"Unit": "USD mn"}, ["is no unit of GDP that is known", "RMB 100 mn"]),
        ({"Frequency": "Monthly"}, ["cell B3", "is not Annual"]),
        ({"Name": "GDP: Hebeii", "Region": "x"}, ["names no province"]),
        ({"Series ID": "=x"}, ["is no series id"]),
        ({"Series ID": "-x"}, ["begins like a formula"]),
        ({"Source": ""}, ["is an empty source"]),
        ({"Unit": None}, ["has no row unit"]),
        ({"2010": "", "2011": ""}, ["is a series without a figure"]),
        ({"12/2011": "3"}, ["is a second observation of 2011"]),
        ({"": "3"}, ["is an empty date beside figures"]),
        ({"later": "3"}, ["'later': is no date"]),
        ({"Name": "Steel: Hebei"}, ["no series is taken by a rule", "Steel: Hebei"]),
        (
            {k: [v, v] for k, v in {"Name": "GDP: Hebei", "Series ID": "77",
             "Region": "Hebei", "Frequency": "Annual", "Unit": "RMB bn",
             "Source": "NBS", "2010": "1", "2011": "2"}.items()},
            ["is a series that stands twice"],
        ),
        (
            {"Name": ["GDP: Hebei"] * 2, "Series ID": ["77", "78"],
             "Region": ["Hebei"] * 2, "Frequency": ["Annual"] * 2,
             "Unit": ["RMB bn"] * 2, "Source": ["NBS"] * 2, "2010": ["1", "1"]},
            ["measures what 77 measures: GDP of Hebei"],
        ),
    ],
)  # fmt: skip
def test_bad_export(seeded, changes, words):
    path = _file(seeded, _export(**changes), "e.csv")
    _raises(words, plan_ceic, [path], project=seeded, replace=True)


def test_a_changed_unit_of_a_series_is_refused(seeded):
    plan_ceic([_file(seeded, _export())], project=seeded, replace=True).write(seeded)
    before = _seeds(seeded)
    _raises(
        ["series 77 (GDP: Hebei): unit was RMB bn, the file says RMB mn"],
        plan_ceic,
        [_file(seeded, _export(Unit="RMB mn"))],
        project=seeded,
    )
    assert _seeds(seeded) == before
    assert any(
        r["series_id"] == "77"
        for r in read_seed(seeded / "seeds/ceic/raw_ceic_series_metadata.csv")
    )


def test_exports_without_dates_and_rules_without_indicators(seeded):
    _raises(
        ["no column of dates below a block of metadata"],
        plan_ceic,
        [_file(seeded, [HEADER, SOUND])],
        project=seeded,
    )
    _spec(seeded, "kind: ceic\nseries: [{name: 'x', indicator: CPI}]")
    _raises(
        ["indicators that the warehouse does not have", "CPI", "GDPIDX"],
        plan_ceic,
        [_file(seeded, _export())],
        project=seeded,
        spec="own",
    )
    _raises(
        ["would stand beside", "--replace"],
        plan_ceic,
        [_file(seeded, _export())],
        project=seeded,
        spec="ceic_provinces",
    )


def test_suggestions_that_cannot_be_made(seeded):
    _raises(
        ["No row of headers is recognised in u.csv", "text: a, b"],
        suggest,
        _file(seeded, [["a", "b"], ["1", "2"]], "u.csv"),
        project=seeded,
    )
    path = _file(seeded, [HEADER, SOUND])
    suggest(path, project=seeded)
    _raises(["The spec importers/specs/t.yml exists"], suggest, path, project=seeded)


def test_an_import_that_cannot_be_finished(seeded):
    folder = seeded / FOLDER
    folder.mkdir()
    (folder / JOURNAL).write_text("{")
    _raises(["could not be finished", "citypanel import --recover"], recover, seeded)
    _raises(
        ["could not be finished"],
        plan_yearbook([_file(seeded, [HEADER, SOUND])], project=seeded).write,
        seeded,
    )
    # A journal that was tampered with moves nothing out of the project's seeds.
    (folder / "part0").write_text("x")
    move = {"part": "part0", "target": "../../out.csv", "sha256": "0"}
    (folder / JOURNAL).write_text(json.dumps([move]))
    _raises(["could not be finished", "out.csv"], recover, seeded)
    assert not (seeded.parent.parent / "out.csv").exists()


def test_a_folder_of_seeds_that_cannot_be_written(seeded, monkeypatch):
    plan = plan_yearbook([_file(seeded, [HEADER, SOUND])], project=seeded)
    before = _seeds(seeded)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("citypanel.importers.storage.os.fsync", full)
    _raises(["cannot be written", "No space left on device"], plan.write, seeded)
    monkeypatch.undo()
    assert _seeds(seeded) == before


class _Server(BaseHTTPRequestHandler):
    answer = b"{}"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}
    )
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_datasets_that_cannot_be_had(tmp_path, server):
    _raises(["'10.7910' is no DOI"], find_dataset, "10.7910", cache=tmp_path)
    _raises(
        ["no address of a server"],
        find_dataset,
        "10.7910/DVN/NUYREO",
        server="file:///etc",
        cache=tmp_path,
    )
    _raises(
        ["was not found at http://127.0.0.1:9", "with a browser"],
        find_dataset,
        "10.7910/DVN/NUYREO",
        server="http://127.0.0.1:9",
        cache=tmp_path,
    )
    _raises(
        ["in a way that is not understood (KeyError: 'data')"],
        find_dataset,
        "10.7910/DVN/NUYREO",
        server=server,
        cache=tmp_path,
    )
    (tmp_path / "taken").write_text("")
    _raises(
        ["cannot be written", "--cache"],
        find_dataset,
        "10.7910/DVN/NUYREO",
        server=server,
        cache=tmp_path / "taken",
    )


def test_files_of_a_dataset_that_cannot_be_had(tmp_path, server):
    right = "md5:" + hashlib.md5(b"{}").hexdigest()

    def dataset(name="a.csv", checksum=right, size=2, url=server):
        file = DatasetFile(name=name, url=url, checksum=checksum, size=size)
        return Dataset("10.1234/x", (file,), {}, False)

    assert fetch(dataset(), "a.csv", cache=tmp_path).read_bytes() == b"{}"
    _raises(
        ["'b.csv' is no file of doi:10.1234/x", "a.csv", "--file"],
        fetch,
        dataset(),
        "b.csv",
        cache=tmp_path,
    )
    _raises(["gives no checksum"], fetch, dataset(checksum=""), "a.csv", cache=tmp_path)
    _raises(["more than the"], fetch, dataset(size=2**40), "a.csv", cache=tmp_path)
    for name in ("../a.csv", "/etc/x.csv", ".bashrc", "a\nb"):
        _raises(["no plain file name"], fetch, dataset(name), name, cache=tmp_path)
    _raises(
        ["is not the file its checksum is of"],
        fetch,
        dataset("c.csv", "md5:" + "0" * 32),
        "c.csv",
        cache=tmp_path,
    )
    _raises(
        ["cannot be downloaded"],
        fetch,
        dataset("d.csv", url="http://127.0.0.1:9/"),
        "d.csv",
        cache=tmp_path,
    )


def test_the_command_says_what_it_needs(seeded, monkeypatch, capsys):
    monkeypatch.chdir(seeded)
    for arguments, words in (
        ([], "needs to know what to import"),
        (["dataverse", "a", "b"], "takes one DOI"),
        (["yearbook", "gone.csv"], "No such file"),
    ):
        assert main(["import", *arguments]) == 1
        assert words in capsys.readouterr().err
