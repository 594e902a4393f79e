"""The quality report of a real build, its suites, and the accepted run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import duckdb
import pytest

from citypanel.quality import validate_panels
from citypanel.quality.acceptance import accept
from citypanel.quality.accepted import read_accepted
from citypanel.quality.data_docs import read_panels
from citypanel.quality.data_docs import report as data_docs
from citypanel.quality.expectations import load_suites
from citypanel.quality.report import TABLES, quality_report, read_quality_tables
from citypanel.quality.summary import touched_results

PANELS = {
    "marts.fct_capital_stocks", "marts.fct_cell_origins", "marts.fct_city_years",
    "marts.fct_policy_exposures", "marts.fct_tfp_changes",
}  # fmt: skip


@pytest.fixture(scope="module")
def page(built, tmp_path_factory):
    return quality_report(
        built.published, folder=tmp_path_factory.mktemp("quality")
    ).read_text(encoding="utf-8")


def test_every_seed_and_panel_has_a_suite(built):
    suites = load_suites(built.root / "expectations")
    covered = {suite["meta"]["table"] for suite in suites.values()}
    seeds = {f"raw.{path.stem}" for path in built.root.glob("seeds/*/*.csv")}
    assert seeds | PANELS <= covered
    assert {suite["meta"]["runs_in"] for suite in suites.values()} == {
        "build",
        "report",
    }


def test_every_expectation_has_a_severity_and_a_reason(built):
    for suite in load_suites(built.root / "expectations").values():
        for asked in suite["expectations"]:
            assert asked["severity"] in ("critical", "warning", "info")
            assert len(asked["meta"]["reason"]) > 10
            if asked["type"] == "expect_column_values_to_be_between" and (
                asked["severity"] == "warning"
            ):
                assert "min_value" in asked["kwargs"]


def test_no_suite_has_a_critical_failure_on_the_shipped_tables(built, tmp_path):
    suites = load_suites(built.root / "expectations")
    lesser = {
        name: suite
        for name, suite in suites.items()
        if suite["meta"]["runs_in"] == "report"
    }
    panels, references, options = read_panels(built.published, lesser)
    rows = validate_panels(
        panels,
        suites=built.root / "expectations",
        references=references,
        options=options,
    )
    failing = rows[~rows["success"]]
    assert not (failing["severity"] == "critical").any(), failing.to_string()
    assert set(rows["suite"]) == set(lesser)


def test_the_page_is_a_function_of_the_published_file(built, page, tmp_path):
    again = quality_report(built.published, folder=tmp_path / "again")
    assert again.read_text(encoding="utf-8") == page
    assert not re.search(r"https?://", page)


def test_the_page_shows_every_finding_and_the_verdict(built, page):
    n_findings = built.query("select count(*) as n from quality.dq_findings")[
        "n"
    ].item()
    assert n_findings > 50
    assert page.count("<tr data-severity=") == n_findings
    verdict = built.query(
        "select text_en, text_zh from quality.dq_summary "
        "where part = 'verdict' order by number"
    )
    for column in verdict:
        for sentence in verdict[column]:
            assert sentence in page


def test_the_csv_has_every_finding(built, tmp_path):
    quality_report(built.published, folder=tmp_path)
    n_rows = (
        duckdb.sql(f"select count(*) as n from read_csv('{tmp_path / 'findings.csv'}')")
        .df()["n"]
        .item()
    )
    assert (
        n_rows
        == built.query("select count(*) as n from quality.dq_findings")["n"].item()
    )


def test_every_table_of_the_page_is_published(built):
    published = built.query(
        "select schema_name || '.' || table_name as name from duckdb_tables()"
    )["name"]
    assert set(TABLES.values()) <= set(published)


def test_touched_results_are_those_of_the_findings(built):
    tables = read_quality_tables(built.published)
    expected = touched_results(tables.findings)
    key = ["table_name", "place"]
    found = tables.touches.sort_values(key).reset_index(drop=True)
    assert found.astype(object).equals(expected.sort_values(key).astype(object))
    assert "Table 3 (1)" in set(found["place"])


def test_an_accepted_run_compares_equal_and_unequal(built, tmp_path):
    suites = shutil.copytree(built.root / "expectations", tmp_path / "expectations")
    _, record = accept(built.published, suites_folder=suites)
    assert read_accepted(suites) is not None
    assert set(record["profiles"]) == {
        "marts.fct_capital_stocks", "marts.fct_city_years",
        "marts.fct_policy_exposures", "marts.fct_tfp_changes", "raw.raw_ceic_series",
        "raw.raw_yearbook_city_years",
    }  # fmt: skip
    wanted = {
        name: suite
        for name, suite in load_suites(suites).items()
        if name in ("capital_stocks", "yearbook_raw")
    }
    panels, references, options = read_panels(built.published, wanted)

    def drift():
        rows = validate_panels(
            panels, suites=suites, references=references, options=options
        )
        return rows[
            rows["expectation"] == "expect_table_profile_to_match_accepted"
        ].set_index("suite")

    same = drift()
    assert same["success"].all()
    assert set(same["observed_value"]) == {"as accepted"}
    stock = panels["capital_stocks"]["capital_real_cny_10k"]
    panels["capital_stocks"]["capital_real_cny_10k"] = stock * 1.2
    moved = drift()
    assert moved["success"].to_dict() == {"capital_stocks": False, "yearbook_raw": True}
    assert "capital_real_cny_10k" in moved["failing_keys"]["capital_stocks"]


@pytest.mark.slow
def test_a_build_after_an_accepted_run_says_what_changed(workshop):
    accept(workshop.published, suites_folder=workshop.root / "expectations")
    result = workshop.dbt("build")
    assert result.returncode == 0, result.stdout
    summary = workshop.query("select * from quality.dq_summary")
    assert not (summary["part"] == "change").any()
    assert summary["text_en"].str.contains("Nothing changed").any()
    result = workshop.dbt("build", "--vars", "{real_gdp: city_growth}")
    assert result.returncode == 0, result.stdout
    summary = workshop.published_by(result).query("select * from quality.dq_summary")
    assert (summary["topic"] == "estimate").any()
    assert (
        summary["text_en"].str.contains("other options (real_gdp)", regex=False).any()
    )


@pytest.mark.slow
def test_a_report_from_a_corrupted_copy_names_the_corrupted_cells(workshop):
    """Three slips of a hand: a factor of ten, a row copied, a digit too many."""
    seed = workshop.seed("raw_yearbook_city_years")
    lines = seed.read_text(encoding="utf-8-sig").splitlines()
    header = lines[0].split(",")
    year, code = header.index("年份"), header.index("城市代码")
    rows = {
        (cells[code], cells[year]): cells
        for cells in (line.split(",") for line in lines[1:])
    }

    def times_ten(city: str, when: str, column: str) -> None:
        cells, place = rows[city, when], header.index(column)
        cells[place] = f"{10 * float(cells[place]):.0f}"

    times_ten("330200", "2014", "社会消费品零售总额(万元)")
    times_ten("420100", "2013", "教育支出(万元)")
    copied = header.index("地方财政一般预算内支出(万元)")
    rows["510100", "2015"][copied] = rows["510100", "2014"][copied]
    seed.write_text(
        "\n".join([lines[0], *(",".join(cells) for cells in rows.values())]) + "\n",
        encoding="utf-8",
    )
    result = workshop.dbt("build")
    assert result.returncode == 0, result.stdout
    page = quality_report(
        workshop.published, folder=workshop.root / "outputs" / "quality"
    ).read_text(encoding="utf-8")
    shown = re.findall(r"<tr data-severity=.*?</tr>", page, re.DOTALL)
    for city, when, variable in (
        ("330200", 2014, "retail_sales_cny_10k"),
        ("420100", 2013, "education_expenditure_cny_10k"),
        ("510100", 2015, "fiscal_expenditure_cny_10k"),
    ):
        assert any(
            f'data-place="{city}"' in row
            and f'data-variable="{variable}"' in row
            and f'data-year="{when}"' in row
            for row in shown
        ), (city, when, variable)


@pytest.mark.slow
def test_data_docs_of_a_build_have_a_page_a_suite(built, tmp_path):
    suites = built.root / "expectations"
    page = data_docs(built.published, suites_folder=suites, site=tmp_path / "site")
    assert page.is_file()
    found = list((tmp_path / "site" / "validations").rglob("*.html"))
    assert len(found) == len(load_suites(suites))


CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
MEASURE = """
<iframe id="page" style="width:{width}px;height:2000px;border:0"></iframe>
<script>
var frame = document.getElementById("page");
frame.onload = function () {{
  var inner = frame.contentWindow, root = inner.document.documentElement;
  var all = inner.document;
  all.querySelectorAll("details").forEach(function (part) {{ part.open = true; }});
  var more = all.getElementById("more");
  while (more && !more.parentNode.hidden) {{ more.click(); }}
  document.body.dataset.found = JSON.stringify({{
    wide: root.scrollWidth, language: root.lang, title: all.title,
    english: getComputedStyle(all.querySelector("h1 [lang=en]")).display,
    chinese: getComputedStyle(all.querySelector("h1 [lang=zh-Hans]")).display,
    shown: all.querySelectorAll("table.findings tbody tr:not([hidden])").length
  }});
}};
frame.src = "index.html?language={language}";
</script>
"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not on this machine")
def test_a_browser_shows_one_language_without_horizontal_scroll(
    built, tmp_path, width, language
):
    quality_report(built.published, folder=tmp_path)
    (tmp_path / "measure.html").write_text(
        MEASURE.format(width=width, language=language), encoding="utf-8"
    )
    result = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--allow-file-access-from-files",
            f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,2200",
            "--virtual-time-budget=20000", "--dump-dom",
            (tmp_path / "measure.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )  # fmt: skip
    found = re.search(r'data-found="([^"]+)"', result.stdout)
    assert found, result.stderr
    measured = json.loads(found[1].replace("&quot;", '"'))
    assert measured["wide"] <= width
    assert measured["language"] == ("en" if language == "en" else "zh-Hans")
    assert measured["title"] == (
        "Data quality report" if language == "en" else "数据质量报告"
    )
    hidden = measured["chinese" if language == "en" else "english"]
    shown = measured["english" if language == "en" else "chinese"]
    assert hidden == "none" and shown != "none"
    assert (
        measured["shown"]
        == built.query("select count(*) as n from quality.dq_findings")["n"].item()
    )
