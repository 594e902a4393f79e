"""Every seed of the project against every way its file can be spoiled."""

from __future__ import annotations

import csv
import io

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from citypanel.errors import SeedError
from citypanel.warehouse.seed_files import (
    SeedDeclaration,
    check_seeds,
    declared_seeds,
    file_problems,
    seed_problems,
)


def _rows(change):
    """A defect that is a change of rows, written back as the seeds are written."""

    def spoil(content):
        rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
        change(rows)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        return text.getvalue().encode()

    return spoil


def _extra(rows):
    for number, row in enumerate(rows):
        row.append("1" if number else "surprise")


def _cut(rows):
    for row in rows:
        row.pop()


def _twice(rows):
    for row in rows:
        row.append(row[0])


def _set(place, change):
    def edit(rows):
        rows[1][place] = change(rows[1][place])

    return edit


def _gbk(content):
    text = content.decode()
    return (text if not text.isascii() else text + "北京\n").encode("gb18030")


DEFECTS = {
    "extra column": (_rows(_extra), "not declared: surprise"),
    "missing column": (_rows(_cut), "columns differ from the declared ones; missing: "),
    "duplicate column": (_rows(_twice), "line 1 names a column twice"),
    "header only": (
        lambda content: content.split(b"\n")[0] + b"\n",
        "the table has no rows",
    ),
    "empty file": (lambda content: b"", "the file is empty"),
    "only line ends": (lambda content: b"\n\n", "the file is empty"),
    "row too long": (_rows(lambda rows: rows[3].append("1")), "line 4 has "),
    "row too short": (_rows(lambda rows: rows[3].pop()), "line 4 has "),
    "blank line": (
        lambda content: content.replace(b"\n", b"\n\n", 2),
        "line 2 is blank",
    ),
    "GBK": (_gbk, "it reads as GBK (GB18030)"),
    "UTF-16": (lambda content: content.decode().encode("utf-16"), "is UTF-16"),
    "cut in a character": (
        lambda content: content + "年".encode()[:2],
        "is not UTF-8 (byte 0xe5)",
    ),
    "NUL byte": (
        lambda content: content.replace(b"\n", b"\n\0", 1),
        "line 2 holds a NUL byte",
    ),
    "mixed line ends": (
        lambda content: content.replace(b"\n", b"\r\n", 1),
        "line ends are mixed",
    ),
    "old line ends": (
        lambda content: content.replace(b"\n", b"\r"),
        "line ends are mixed or old",
    ),
    "space after a key": (
        _rows(_set(0, lambda cell: cell + " ")),
        "has white space before or after it",
    ),
    "full-width space before a key": (
        _rows(_set(0, lambda cell: "\u3000" + cell)),
        "has white space before or after it",
    ),
    "line break in a cell": (
        _rows(_set(-1, lambda cell: "a\nb")),
        "has a line break or another control character",
    ),
    "line break after a key": (
        _rows(_set(0, lambda cell: cell + "\n")),
        "has a line break or another control character",
    ),
    "tab in a cell": (
        _rows(_set(-1, lambda cell: "a\tb")),
        "has a line break or another control character",
    ),
    "line before the header": (
        lambda content: b"# from a database\n" + content,
        "not declared: # from a database",
    ),
    "semicolons": (
        lambda content: content.replace(b",", b";"),
        "columns differ from the declared ones",
    ),
    "quote that is not closed": (
        lambda content: content.replace(b"\n", b'\n"', 1),
        "line 2 cannot be read as CSV",
    ),
}


@pytest.fixture(scope="module")
def seeds(project):
    return {seed.path.stem: seed for seed in declared_seeds(project / "seeds")}


def test_every_seed_is_declared_and_sound(project, seeds):
    files = {path.stem for path in project.glob("seeds/**/*.csv")}
    assert files == set(seeds)
    assert all(seed.columns for seed in seeds.values())
    check_seeds(project / "seeds")


@pytest.mark.parametrize("defect", DEFECTS)
def test_every_seed_with_the_defect_is_refused(seeds, defect):
    spoil, words = DEFECTS[defect]
    filled = {
        name: s for name, s in seeds.items() if s.path.read_text().count("\n") > 1
    }
    assert len(filled) > 10
    for name, seed in filled.items():
        content = spoil(seed.path.read_bytes())
        problems = "\n".join(seed_problems(content, seed.columns))
        assert words in problems, f"{name}: {problems or 'passes'}"


@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: content.removesuffix(b"\n"),
        _rows(lambda rows: [row.reverse() for row in rows]),
    ],
    ids=["byte order mark", "CRLF throughout", "no last line end", "other order"],
)
def test_what_changes_no_value_is_sound(seeds, change):
    for seed in seeds.values():
        content = change(seed.path.read_bytes())
        problems = seed_problems(content, seed.columns, may_be_empty=seed.may_be_empty)
        assert problems == []


def test_an_empty_list_is_sound_where_its_declaration_says_so(tmp_path):
    (tmp_path / "_x__seeds.yml").write_text(
        "seeds:\n  - name: fix_cells\n    config:\n"
        '      column_types: {"city_id": text}\n'
        "    data_tests: [{sound_seed: {arguments: {may_be_empty: true}}}]\n"
    )
    (tmp_path / "fix_cells.csv").write_text("city_id\n")
    check_seeds(tmp_path)
    (tmp_path / "fix_cells.csv").write_text("")
    with pytest.raises(SeedError, match="the file is empty"):
        check_seeds(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    problems = file_problems(SeedDeclaration(tmp_path / "gone.csv", ("a",)))
    assert problems == ["its file gone.csv is missing beside its declaration"]


CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=4), min_size=1, max_size=5))
def test_a_file_without_problems_means_one_thing(rows):
    """Whatever passes has rows of one length and cells that a trim leaves alone."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    if seed_problems(text.getvalue().encode()):
        return
    assert len({len(row) for row in rows}) == 1
    for row in rows[1:]:
        for cell in row:
            assert cell == cell.strip()
            assert not any(ord(character) < 32 for character in cell)


@given(st.binary(max_size=200))
def test_no_bytes_raise(content):
    seed_problems(content, ["a", "b"])


def test_seeds_are_always_rebuilt_in_full(project):
    """A table kept from a file with other columns would take the next load wrongly."""
    settings = yaml.safe_load((project / "dbt_project.yml").read_text("utf-8"))
    assert settings["seeds"]["citypanel"]["+full_refresh"] is True
    for path in project.glob("seeds/**/*.yml"):
        for seed in yaml.safe_load(path.read_text("utf-8"))["seeds"]:
            assert seed["config"].get("full_refresh", True) is True
            assert set(seed["config"]["column_types"].values()) == {"text"}
