"""The pages under docs say what the project is, and point to what is there."""

from __future__ import annotations

import argparse
import re
import runpy
from urllib.parse import unquote

from tests.support.reference_pages import (
    commands_page,
    marts_page,
    options_page,
)

from citypanel.cli import parser
from citypanel.study.declaration import declared

LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")


def _text(path):
    return path.read_text(encoding="utf-8")


def _without_code(text):
    text = re.sub(r"^( *)```.*?^\1```", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "x", text)


def _anchors(path):
    headings = re.findall(r"^#+ (.+)$", _text(path), flags=re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {word.strip().replace(" ", "-") for word in words}


def broken_links(page):
    """Relative links of a page without a file, or without the heading they name."""
    found = []
    for link in LINK.findall(_without_code(_text(page))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            found.append(link)
    return found


def test_every_link_leads_somewhere(project):
    pages = [*project.glob("README*.md"), *project.glob("docs/**/*.md")]
    assert len(pages) > 20
    assert {
        str(page.relative_to(project)): links
        for page in pages
        if (links := broken_links(page))
    } == {}


def test_a_broken_link_is_seen(tmp_path):
    page = tmp_path / "a.md"
    page.write_text(
        "# One thing\n[a](b.md) [c](#one-thing) [d](#other) [e](https://x.org)\n"
        "`[f](g.md)`\n```\n[h](i.md)\n```\n"
    )
    assert broken_links(page) == ["b.md", "#other"]


def test_the_index_names_every_page(project):
    index = project / "docs" / "README.md"
    linked = {
        (index.parent / link.partition("#")[0]).resolve()
        for link in LINK.findall(_text(index))
    }
    pages = {page.resolve() for page in project.glob("docs/**/*.md")} - {index}
    assert pages - linked == set()


def test_the_reference_is_up_to_date(project):
    folder = project / "docs" / "reference"
    pages = runpy.run_path(str(folder / "write_pages.py"))["pages"](project)
    assert set(pages) == {page.name for page in folder.glob("*.md")}
    for name, text in pages.items():
        assert _text(folder / name) == text, (
            "write it anew: python -m docs.reference.write_pages"
        )


def test_every_command_and_flag_is_named(project):
    page = _text(project / "docs" / "reference" / "commands.md")
    commands = next(
        action for action in parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    ).choices  # fmt: skip
    modules = {path.stem for path in (project / "src/citypanel/commands").glob("*.py")}
    modules -= {"__init__", "failures"}
    assert set(commands) == {name.rstrip("_") for name in modules}
    for name, command in commands.items():
        section = page.partition(f"\n## citypanel {name}\n")[2].partition("\n## ")[0]
        assert section
        for action in command._actions:
            for flag in action.option_strings:
                assert f"`{flag}`" in section or flag in ("-h", "--help")


def test_every_mart_is_named(project):
    page = _text(project / "docs" / "reference" / "marts.md")
    models = [
        path
        for schema in ("marts", "quality")
        for path in (project / "models" / schema).rglob("*.sql")
    ]
    assert len(models) > 30
    for path in models:
        assert f"\n| `{path.stem}` | " in page
    assert page.count("| One row per ") == len(models)


def test_every_option_has_its_default_values_and_meaning():
    study = declared()
    page = options_page(study)
    assert "| `labour_measure` | `university_share` | university_share, " in page
    assert "| `first_year` | `2011` | a whole number from 2010 to 2019 |" in page
    assert "| `credibility` | `True` | " not in page
    assert "| `credibility` | `true` | true, false | build |" in page
    first = page.partition("## What the")[0]
    for name in study.build_options:
        assert first.count(f"\n| `{name}` | ") == page.count(f"**`{name}`**: ") == 1


def test_a_pipe_does_not_end_a_cell():
    made = argparse.ArgumentParser(prog="citypanel")
    command = made.add_subparsers(dest="command").add_parser("do", help="this | that")
    command.add_argument("--kind", choices=("a", "b"), default="a", help="x | y")
    assert "| `--kind` a\\|b | `a` | x \\| y |" in commands_page(made)
    assert marts_page([]).startswith("# Tables\n")


def _numbers(text):
    return re.findall(r"-?\d+(?:\.\d+)?%?", text)


def _rows_of_results(text):
    rows = re.findall(r"^\| .* \d+ \(\d+\) \|.*", text, flags=re.MULTILINE)
    return [_numbers(row.partition("|")[2].partition("|")[2]) for row in rows]


def test_the_chinese_readme_has_the_same_numbers(project):
    english, chinese = (
        _text(project / name) for name in ("README.md", "README.zh-CN.md")
    )
    rows = _rows_of_results(english)
    assert len(rows) == 4 and all(len(row) >= 5 for row in rows)
    assert _rows_of_results(chinese) == rows
    in_english = set(_numbers(english.replace(" per cent", "%")))
    decimals = {n for n in _numbers(chinese) if "." in n or n.endswith("%")}
    assert len(decimals) > 20
    assert decimals - in_english == set()
    assert len(chinese.splitlines()) <= len(english.splitlines())
    named = set(re.findall(r"`(\w+)`", english))
    for name in named & set(declared().build_options):
        assert f"`{name}`" in chinese


def test_each_readme_links_to_the_other(project):
    for name, other in (
        ("README.md", "README.zh-CN.md"), ("README.zh-CN.md", "README.md"),
    ):  # fmt: skip
        first = "\n".join(_text(project / name).splitlines()[:5])
        assert f"({other})" in first
