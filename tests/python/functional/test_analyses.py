"""Every query of analyses/ runs on the warehouse, answers, and answers the same."""

from __future__ import annotations

import re
from collections import Counter

import duckdb
import pytest

from citypanel.warehouse.ask import answer, question, rendered


@pytest.fixture(scope="module")
def compiled(fresh, built):
    """Compiled text of the analyses, by name."""
    result = built.dbt("compile")
    assert result.returncode == 0, result.stdout
    folder = built.root / "target" / "compiled" / "citypanel" / "analyses"
    return {path.stem: path.read_text() for path in folder.rglob("*.sql")}


def test_there_are_thirty_and_each_answers(built, compiled):
    assert len(compiled) >= 30
    build_file = built.root / "target" / "citypanel_build.duckdb"
    with duckdb.connect(str(build_file), read_only=True) as connection:
        for name, sql in compiled.items():
            first = connection.execute(sql).fetchall()
            assert first, f"{name} gives no row"
            assert connection.execute(sql).fetchall() == first, name


def test_the_published_file_answers_each_as_the_build_file_does(built, compiled):
    build_file = built.root / "target" / "citypanel_build.duckdb"
    with duckdb.connect(str(build_file), read_only=True) as connection:
        expected = {
            name: connection.execute(sql).fetchall() for name, sql in compiled.items()
        }
    with duckdb.connect(str(built.published), read_only=True) as connection:
        for name, rows in expected.items():
            sql = rendered(question(name, root=built.root), connection)
            assert answer(connection, sql).fetchall() == rows, name


def test_dbt_show_runs_one(built):
    result = built.dbt("show", "-s", "a02_what_is_the_headline_effect")
    assert result.returncode == 0, result.stdout
    assert "headline" in result.stdout


def test_the_index_lists_every_query_and_nothing_else(project, compiled):
    index = (project / "analyses" / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"^\| \[(\w+)\]\((\S+)\)", index, flags=re.MULTILINE)
    assert sorted(name for name, _ in linked) == sorted(compiled)
    for name, path in linked:
        assert (project / "analyses" / path).stem == name
        assert (project / "analyses" / path).is_file()


def test_there_are_six_topics_of_three_questions_or_more(project):
    files = sorted((project / "analyses").glob("*/*.sql"))
    topics = Counter(path.parent.name for path in files)
    assert len(topics) == 6
    assert topics["05_cells"] >= 3 and min(topics.values()) >= 3
    numbers = [int(path.name[1:3]) for path in files]
    assert sorted(numbers) == list(range(1, len(files) + 1))


def test_a_query_says_question_reading_and_caveat_and_reads_marts_only(project):
    marts = {path.stem for path in (project / "models" / "marts").rglob("*.sql")}
    for path in (project / "analyses").glob("*/*.sql"):
        text = path.read_text(encoding="utf-8")
        comment = text.partition("\n{")[0].partition("\nwith ")[0]
        for word in ("-- Question:", "-- Reading:", "-- Caveat:"):
            assert word in comment, path.name
        read = set(re.findall(r'ref\("(\w+)"\)', text))
        assert read and read <= marts, path.name
