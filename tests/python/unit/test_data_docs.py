"""Data Docs: one page a suite, nothing from the network, nobody's script run."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest

from citypanel.errors import PublicationError
from citypanel.quality import data_docs
from citypanel.quality.data_docs import build_data_docs
from citypanel.quality.expectations import load_suites

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def suites(tmp_path_factory):
    folder = tmp_path_factory.mktemp("suites")
    suite = {
        "name": "stocks",
        "meta": {"table": "marts.stocks", "keys": ["city"], "runs_in": "report"},
        "expectations": [
            {
                "type": "expect_column_values_to_be_in_set",
                "kwargs": {"column": "city", "value_set": {"$PARAMETER": "ref__city"}},
                "severity": "warning",
                "meta": {"reason": "because"},
            },
            {
                "type": "expect_policy_exposure_to_be_monotone",
                "kwargs": {
                    "unit_column": "city",
                    "time_column": "year",
                    "exposure_column": "dose",
                },
                "severity": "warning",
                "meta": {"reason": "because"},
            },
        ],
    }
    (folder / "stocks.json").write_text(json.dumps(suite), encoding="utf-8")
    return load_suites(folder)


@pytest.fixture(scope="module")
def site(suites, tmp_path_factory):
    panel = pd.DataFrame(
        {"city": [HOSTILE, HOSTILE], "year": [2011, 2012], "dose": [1.0, 0.5]}
    )
    folder = tmp_path_factory.mktemp("outputs") / "data_docs"
    for _ in range(2):
        build_data_docs(
            {"stocks": panel},
            suites=suites,
            site=folder,
            parameters={"stocks": {"ref__city": ["a"]}},
        )
    return folder


def pages(site):
    return {page: page.read_text(encoding="utf-8") for page in site.rglob("*.html")}


def test_two_reports_leave_one_page_a_suite_and_no_draft(site):
    assert len(list((site / "validations").rglob("*.html"))) == 1
    assert len(list((site / "expectations").rglob("*.html"))) == 1
    assert [entry.name for entry in site.parent.iterdir()] == ["data_docs"]


def test_no_page_loads_anything_from_a_network(site):
    # Addresses that are only shown, as in a link a reader may follow, load nothing.
    loads = re.compile(
        r"""<(?:link|script|img|iframe|source)\b[^>]*(?:https?:)?//[^>]*>"""
        r"""|@import|url\(\s*["']?(?:https?:)?//""",
        re.IGNORECASE,
    )
    for page, text in pages(site).items():
        assert not loads.search(text), (page, loads.search(text)[0])
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert not re.search(r"@import|url\(\s*[\"']?(?:https?:)?//", text), style


def test_every_link_between_pages_leads_somewhere(site):
    n_checked = 0
    for page, text in pages(site).items():
        for link in re.findall(r'<a\b[^>]*href="([^"#:]+)"', text):
            # The way to the other pages of outputs/, which this site is a part of.
            if not (page.parent / link).resolve().is_relative_to(site.resolve()):
                continue
            assert (page.parent / link).resolve().is_file(), (page, link)
            n_checked += 1
    assert n_checked >= 5


def test_no_script_but_our_own_runs(site):
    own = (data_docs.TEMPLATES / "data_docs.js").read_text(encoding="utf-8")
    for page, text in pages(site).items():
        if page.name != "index.html":
            (script,) = re.findall(r"<script>\n(.*?)</script>", text, re.DOTALL)
            assert script.strip() == own.strip()


def test_every_page_has_the_shell_of_the_others(site):
    for page, text in pages(site).items():
        back = "/".join([".."] * len(page.relative_to(site).parts))
        assert f'href="{back}/index.html"' in text and 'href="#main"' in text
        assert '<html lang="en"' in text and text.count("<h1>") == 1


def test_every_handler_that_a_page_names_is_defined(site):
    for page, text in pages(site).items():
        for name in re.findall(r'onclick="(\w+)\(', text):
            assert f"function {name}(" in text, (page, name)


def test_the_first_page_says_what_each_suite_found(site):
    text = (site / "index.html").read_text(encoding="utf-8")
    assert re.search(r"✗</td>.*stocks", text)
    assert "0 / 2" in text


def test_hostile_cells_are_shown_and_not_run(site):
    (page,) = (site / "validations").rglob("*.html")
    text = page.read_text(encoding="utf-8")
    assert "alert(1)" in text, "the failing cell is named"
    assert "<script>alert(1)" not in text
    assert "<img src=x" not in text


def test_a_failed_report_leaves_the_last_one(suites, site, monkeypatch):
    before = pages(site)

    def fail(_):
        raise PublicationError("no")

    monkeypatch.setattr("citypanel.quality.data_docs.make_offline", fail)
    panel = pd.DataFrame({"city": ["a"], "year": [2011], "dose": [0.0]})
    with pytest.raises(PublicationError):
        build_data_docs(
            {"stocks": panel},
            suites=suites,
            site=site,
            parameters={"stocks": {"ref__city": ["a"]}},
        )
    assert pages(site) == before
    assert [entry.name for entry in site.parent.iterdir()] == ["data_docs"]
