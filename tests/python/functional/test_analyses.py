"""Every query of analyses/ runs on the warehouse, answers, and answers the same."""

from __future__ import annotations

import duckdb
import pytest


@pytest.fixture(scope="module")
def compiled(fresh, built):
    """Compiled text of the analyses, by name."""
    result = built.dbt("compile")
    assert result.returncode == 0, result.stdout
    folder = built.root / "target" / "compiled" / "citypanel" / "analyses"
    return {path.stem: path.read_text() for path in folder.rglob("*.sql")}


def test_there_are_ten_and_each_answers(built, compiled):
    assert len(compiled) >= 10
    build_file = built.root / "target" / "citypanel_build.duckdb"
    with duckdb.connect(str(build_file), read_only=True) as connection:
        for name, sql in compiled.items():
            first = connection.execute(sql).fetchall()
            assert first, f"{name} gives no row"
            assert connection.execute(sql).fetchall() == first, name


def test_dbt_show_runs_one(built):
    result = built.dbt("show", "-s", "a02_what_is_the_headline_effect")
    assert result.returncode == 0, result.stdout
    assert "headline" in result.stdout


def test_the_index_lists_every_query(project, compiled):
    index = (project / "analyses" / "README.md").read_text(encoding="utf-8")
    for name in compiled:
        assert name in index
