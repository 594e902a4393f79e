"""The quality page: whole, in two languages, loading nothing, running nothing."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from citypanel.pages import number, share, write_page
from citypanel.quality.maps import count_map, origin_maps, region_rows
from citypanel.quality.report import findings_csv, quality_page

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}",
    "</script><script>alert(2)</script>",
    '=HYPERLINK("http://example.org")',
)
# Elements whose end tag is left out.
VOID = {"meta", "input", "br", "link", "img", "hr"}


class Page(HTMLParser):
    """Tags, attributes and text by language; fails on tags that do not close."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict]] = []
        self.open: list[tuple[str, str]] = []
        self.text: dict[str, list[str]] = {"en": [], "zh-Hans": [], "": []}
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if tag not in VOID:
            inherited = self.open[-1][1] if self.open else ""
            own = attributes.get("lang", "") if tag not in ("html", "button") else ""
            self.open.append((tag, own or inherited))

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        name, _ = self.open.pop()
        assert name == tag, f"</{tag}> closes <{name}>"

    def handle_data(self, data):
        if self.open and self.open[-1][0] in ("script", "style"):
            return
        self.text[self.open[-1][1] if self.open else ""].append(data)

    def said(self, language: str) -> str:
        return " ".join(" ".join(self.text[language]).split())


@pytest.fixture
def tables(make_tables, make_findings, make_finding):
    return make_tables(
        make_findings(
            [
                make_finding(),
                make_finding(
                    rule="copied_row", severity="info", scope="study", city_id=None,
                    city_en=None, city_zh=None, province_id=None, value=None,
                    used_value=None, expected_low=None, expected_high=None, touches="",
                ),
                make_finding(year=2013, status="corrected", used_value=92061630.0),
            ]
        )
    )  # fmt: skip


def test_the_page_says_verdict_cells_and_results_in_both_languages(tables):
    page = Page(quality_page(tables))
    english, chinese = page.said("en"), page.said("zh-Hans")
    assert english.index("Do not rest results on these figures yet") < english.index(
        "Which results the findings touch"
    )
    assert "暂不可据此得出结论：尚有 1 项严重问题" in chinese
    assert "Hangzhou" in english and "杭州" in chinese
    assert "A tenth of its neighbours." in english
    assert "为相邻年份的十分之一。" in chinese
    assert "Output of the year is a tenth." in english
    assert "表3 (2)" in chinese and "Table 3 (2)" in english
    assert "All cities" in english
    numbers = page.said("")
    assert "0.012 (0.05)" in numbers, "the error of the imputation"
    assert "9,206,163" in numbers and "80,000,000 – 100,000,000" in numbers
    assert "92,061,630" in numbers, "the used value of a corrected cell"


def test_every_text_has_its_other_language(tables):
    page = Page(quality_page(tables))
    spans = [attributes.get("lang") for tag, attributes in page.tags if tag == "span"]
    assert spans.count("en") == spans.count("zh-Hans") > 100
    for tag, attributes in page.tags:
        if tag == "option":
            assert attributes["data-en"] and attributes["data-zh"]
    assert not re.search(r"[一-鿿]", page.said("en"))


def test_the_page_loads_nothing(tables):
    text = quality_page(tables)
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in ("link", "img", "iframe", "object", "base")
        assert "src" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        if "href" in attributes:
            assert attributes["href"].startswith(("#", "findings.csv", "../")), (
                attributes["href"]
            )
    assert not re.search(r"https?://|@import|url\((?!#)", text)


def test_the_same_tables_give_the_same_bytes(tables):
    assert quality_page(tables) == quality_page(tables)


def test_hostile_cells_are_shown_and_not_run(make_tables, make_findings, make_finding):
    rows = [
        make_finding(
            rule=text, city_en=text, city_zh=text, variable=text, unit=text,
            evidence_en=text, evidence_zh=text, consequence_en=text,
            consequence_zh=text, touches=f"{text}: {text}", city_id=text, source=text,
        )
        for text in HOSTILE
    ]  # fmt: skip
    tables = make_tables(
        make_findings(rows),
        cities={"city_en": list(HOSTILE[:2]), "city_zh": list(HOSTILE[3:5])},
    )
    text = quality_page(tables)
    page = Page(text)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not any(tag == "img" for tag, _ in page.tags)
    for _, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
    for cell in HOSTILE:
        assert cell in page.said("en")
        assert cell in {attributes.get("data-rule") for _, attributes in page.tags}
    assert "49" not in page.said("en").split(), "a template in a cell was run"
    assert text.count("</script>") == 1


def test_an_unfinished_world_is_a_page_too(make_tables, make_findings):
    page = Page(quality_page(make_tables(make_findings([]))))
    assert "No rule found anything." in page.said("en")
    assert "No finding touches a published result." in page.said("en")
    assert "Nothing was accepted yet" in page.said("en")


def test_changes_are_shown_with_both_values(
    make_tables, make_findings, make_finding, make_inputs
):
    from citypanel.quality.summary import run_record

    inputs = make_inputs(make_findings([make_finding(value=1.5)]))
    names = ("findings", "expectations", "coverage", "estimates", "options")
    accepted = run_record(**{name: inputs[name] for name in names}, profiles={})
    tables = make_tables(make_findings([make_finding(value=2.5)]), accepted=accepted)
    page = Page(quality_page(tables))
    assert "critical, open, 1.5" in page.said("en")
    assert "严重，待处理，2.5" in page.said("zh-Hans")
    assert "Unit slip: Hangzhou 2014 Gross domestic product" in page.said("en")


def test_a_map_draws_runs_and_remembers_every_cell(tables):
    rows = region_rows(tables.cities, tables.cells)
    maps = origin_maps(tables.cells, rows)
    assert maps["gdp_cny_10k"].codes == "rrcm"
    assert maps["fai_cny_10k"].codes == "rars"
    first, second = maps["gdp_cny_10k"].halves
    assert first.paths == {"reported": "M0 0h2v1h-2z"}
    assert second.paths == {"carried": "M0 0h1v1h-1z", "missing": "M1 0h1v1h-1z"}
    assert [letter for _, _, letter, _ in second.letters] == ["C"]
    # Hangzhou 2014: one of two variables is assumed; Ningbo 2014: none is as published.
    drawn = count_map(tables.cells, rows)
    assert [entry[2] for entry in drawn.halves[0].letters] == ["1"]
    assert [entry[2] for entry in drawn.halves[1].letters] == ["1", "2"]


def test_a_city_year_without_a_row_is_missing(tables):
    rows = region_rows(tables.cities, tables.cells)
    cells = tables.cells[tables.cells["city_id"] != "330200"]
    assert origin_maps(cells, rows)["gdp_cny_10k"].codes == "rrmm"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_of_the_csv_is_a_formula(start, make_findings, make_finding):
    cell = f'{start}cmd|"/c calc"!A1'
    text = findings_csv(make_findings([make_finding(evidence_en=cell, value=-3.5)]))
    assert text.startswith("\ufeff")
    (row,) = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    assert row["evidence_en"] == "'" + cell
    assert row["value"] == "-3.5", "numbers stay numbers"


def test_numbers_and_shares_read_as_people_write_them():
    assert [number(value) for value in (1234567.0, 0.01234567, -2.5, 0, None, "x")] == [
        "1,234,567", "0.01235", "−2.5", "0", "–", "–",
    ]  # fmt: skip
    assert number(9206163.25, 10) == "9,206,163.25"
    assert number(float("nan")) == number(pd.NA) == "–"
    assert [share(value) for value in (0.0, 0.0001, 0.014, 0.5, 0.9999, 1.0, None)] == [
        "0%", "<0.1%", "1.4%", "50%", ">99%", "100%", "–",
    ]  # fmt: skip


def test_a_page_is_written_whole_over_the_old(tmp_path):
    path = write_page(tmp_path / "a" / "index.html", "old")
    write_page(path, "new")
    assert path.read_text() == "new"
    assert [entry.name for entry in path.parent.iterdir()] == ["index.html"]
