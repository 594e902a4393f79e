"""The pages of the site: their code runs, their languages agree; releases agree."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
import textwrap
import tomllib
from types import FunctionType

import pytest
import yaml
from docs.site import assemble

from citypanel import capital, did, frontier

# What an estimator of the page is computed with, or is a part of; former names.
HELPERS = {
    "conley_taber", "equivalence_test", "ferman_pinto", "frontier", "holm",
    "initial_growth", "leave_one_city_out", "mean_changes",
    "minimum_detectable_effect", "moments", "permutation_test", "power_at",
    "power_table", "pretrend_at_slope", "pretrend_line", "programmes",
    "randomisation_draws", "summarise",
}  # fmt: skip
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def _read(project, name):
    return (project / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["docs/quickstart.md", "docs/zh/quickstart.md"])
def test_the_quickstart_runs_and_prints_what_it_says(project, page):
    code = "\n".join(BLOCK.findall(_read(project, page)))
    test = doctest.DocTestParser().get_doctest(code, {}, page, page, 0)
    assert len(test.examples) > 12
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)


def test_both_quickstarts_have_the_same_code(project):
    def calls(page):
        return [
            example.source
            for block in BLOCK.findall(_read(project, page))
            for example in doctest.DocTestParser().get_examples(block)
            if "SKIP" not in example.source
        ]

    english, chinese = calls("docs/quickstart.md"), calls("docs/zh/quickstart.md")
    assert len(set(chinese)) > 10
    assert sum(line in english for line in chinese) >= len(chinese) - 1


def test_the_pages_of_estimators_are_written_from_their_entries(project):
    for language, page in (
        ("en", "docs/estimators.md"),
        ("zh", "docs/zh/estimators.md"),
    ):
        assert _read(project, page) == assemble.estimators_page(language), (
            "write it: python -m docs.site.assemble --write"
        )


def test_every_estimator_has_an_entry(project):
    entries = assemble.estimators()
    public = {
        name
        for module in (did, frontier, capital)
        for name in module.__all__
        if isinstance(getattr(module, name), FunctionType)
    }
    assert set(entries) <= public
    assert public - set(entries) == HELPERS
    labels = _read(project, "src/citypanel/words/estimators.yml")
    named = set(yaml.safe_load(labels)) & public
    assert named <= set(entries), (
        f"docs/site/estimators.yml lacks {named - set(entries)}"
    )
    for name, entry in entries.items():
        assert f"{name}(" in entry["call"]
        assert {*entry["title"], *entry["text"]} == {"en", "zh"}


@pytest.mark.parametrize("name", ["twfe", "honest_did", "malmquist", "romano_wolf"])
def test_a_result_is_shown_and_drawn(name):
    result = assemble.run(assemble.estimators()[name]["call"])
    assert len(assemble.shown(result).splitlines()) > 1
    assert assemble.picture(name, result).axes


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(project, tmp_path):
    pytest.importorskip("sphinx", reason="make site installs it")
    source = tmp_path / "source"
    assemble.assemble(project, source)
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html",
         "-c", project / "docs" / "site", source, tmp_path / "html"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    page = (tmp_path / "html" / "docs" / "api" / "did.html").read_text()
    for name in did.__all__:
        if callable(getattr(did, name)):
            assert f'id="citypanel.did.{name}"' in page, name
    for html in (tmp_path / "html").rglob("*.html"):
        text = html.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|img)[^>]* src="(https?:[^"]*)"', text)
        loaded += re.findall(r'<link[^>]*stylesheet[^>]*href="(https?:[^"]*)"', text)
        assert not loaded, f"{html.name} needs a network: {loaded}"


def test_the_lineage_shows_the_tables_that_there_are(project):
    drawn = set(
        re.findall(r">((?:int|est|fct|dim|rpt|dq|stg|raw)_\w+)<", _read(
            project, "docs/engineering/lineage.svg"
        ))
    )  # fmt: skip
    files = {
        path.stem
        for folder in ("models", "python_models", "seeds", "src/citypanel/skeleton")
        for kind in ("*.sql", "*.py", "*.csv")
        for path in (project / folder).rglob(kind)
    }
    built = {
        path.stem
        for folder in ("models", "python_models")
        for kind in ("*.sql", "*.py")
        for path in (project / folder).rglob(kind)
        if "influence" not in path.parts
    }
    assert built <= drawn, f"python -m docs.engineering.lineage: {built - drawn}"
    assert drawn <= files, f"python -m docs.engineering.lineage: {drawn - files}"


def test_the_languages_compare_the_same_packages(project):
    row = re.compile(
        r"^\| \[?([\w-]+)\b(?:\]\((\S+)\))?[^|]*?([\d.]+) \|", re.MULTILINE
    )
    english = row.findall(_read(project, "docs/comparison.md"))
    assert english == row.findall(_read(project, "docs/zh/comparison.md"))
    assert {name for name, _, _ in english} == {
        "did", "fixest", "pyfixest", "diff-diff", "StatsPAI", "productivity",
    }  # fmt: skip


def test_the_languages_declare_the_same_study(project):
    def said(page: str) -> tuple[list, set[str]]:
        text = _read(project, page)
        blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
        tables = set(re.findall(r"`((?:dim|fct|rpt|dq)_\w+)`", text))
        return [yaml.safe_load(textwrap.dedent(block)) for block in blocks], tables

    assert said("docs/how-to/own-study.md") == said("docs/zh/own-study.md")


def test_a_release_has_one_version(project):
    with (project / "pyproject.toml").open("rb") as file:
        said = tomllib.load(file)["project"]
    citation = yaml.safe_load(_read(project, "CITATION.cff"))
    assert citation["version"] == said["version"]
    for name in ("dbt_project.yml", "src/citypanel/skeleton/dbt_project.yml"):
        assert "version" not in yaml.safe_load(_read(project, name))
    release, _, is_developed = said["version"].partition(".dev")
    changes = re.findall(r"^## (.+)$", _read(project, "CHANGELOG.md"), re.M)
    assert changes[0].split()[0] == release
    assert ("(unreleased)" in changes[0]) == bool(is_developed)
    assert all(re.match(r"\d+\.\d+\.\d+\b", each) for each in changes)
    absent = {"doi", "repository-code", "date-released"} - set(citation)
    contributing = _read(project, "CONTRIBUTING.md")
    for name in absent:
        assert (name if name != "doi" else "DOI") in contributing


def test_the_hosted_workflow_covers_what_it_says(project):
    with (project / "pyproject.toml").open("rb") as file:
        low, high = re.findall(
            r"3\.(\d+)", tomllib.load(file)["project"]["requires-python"]
        )
    jobs = yaml.safe_load(_read(project, ".github/workflows/tests.yml"))["jobs"]
    matrix = jobs["commands"]["strategy"]["matrix"]
    assert matrix["python"] == [f"3.{v}" for v in range(int(low), int(high))]
    assert matrix["system"] == ["ubuntu-latest", "macos-latest"]
    steps = [step.get("run") for step in jobs["commands"]["steps"]]
    assert steps[-2:] == ["make build", "make test"]
