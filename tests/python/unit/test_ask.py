"""Questions to the published file."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import duckdb
import pytest
from test_publish import RECORD

from citypanel.cli import main
from citypanel.errors import OutputError
from citypanel.warehouse import Table, publish
from citypanel.warehouse.ask import question

QUERY = """-- Which cities?
{{ config(enabled=var("credibility")) }}
select city_zh, '{{ study_options().real_gdp }}' as real_gdp
from {{ ref("dim_cities") }} order by city_id
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project with two queries and a published file of two cities."""
    (tmp_path / "analyses" / "01_sample").mkdir(parents=True)
    (tmp_path / "analyses" / "01_sample" / "a01_cities.sql").write_text(QUERY)
    (tmp_path / "analyses" / "01_sample" / "a02_other.sql").write_text(
        "select 2 as two"
    )
    with duckdb.connect() as connection:
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.dim_cities as from (values ('110000', '北京', 1.5), "
            "('120000', '=天津', null)) as t (city_id, city_zh, value)"
        )
        record = replace(
            RECORD,
            options='{"real_gdp": "city_growth", "credibility": true}',
            options_changed='{"real_gdp": "city_growth"}',
        )
        table = Table("marts", "dim_cities", "Cities.", str)
        publish(
            connection, [table], target=tmp_path / "citypanel.duckdb", record=record
        )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_query_by_the_beginning_of_its_name_and_its_run(folder, capsys):
    assert main(["ask", "a01"]) == 0
    out = capsys.readouterr().out
    assert "北京" in out and "city_growth" in out
    assert "citypanel.duckdb: run 01234567, options real_gdp: city_growth" in out


def test_sql_and_a_file_of_sql(folder, capsys):
    (folder / "mine.sql").write_text("select count(*) as n from marts.dim_cities")
    for asked in (["mine.sql"], ["select", "count(*) as n", "from marts.dim_cities"]):
        assert main(["ask", *asked]) == 0
        assert capsys.readouterr().out.split()[:2] == ["n", "2"]


def test_a_table_fits_the_terminal_and_says_what_it_leaves_out(
    folder, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "60")
    columns = ", ".join(f"{n} as a_long_column_{n}" for n in range(12))
    assert main(["ask", f"select {columns} from range(5)", "--rows", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines[:-1]) <= 60
    assert "a_long_column_11" in "".join(lines)
    assert "... and 3 more rows (--rows, --csv)" in lines


def test_an_answer_without_rows_says_so(folder, capsys):
    assert main(["ask", "select city_id from marts.dim_cities where false"]) == 0
    assert "no rows: city_id" in capsys.readouterr().out


def test_csv_to_a_file_and_to_the_screen(folder, capsys):
    assert main(["ask", "from marts.dim_cities", "--csv", "cities.csv"]) == 0
    assert (
        "2 rows: cities.csv; citypanel.duckdb: run 01234567" in capsys.readouterr().out
    )
    text = (folder / "cities.csv").read_text(encoding="utf-8")
    assert text == "city_id,city_zh,value\n110000,北京,1.5\n120000,'=天津,\n"
    assert main(["ask", "from marts.dim_cities", "--csv", "-"]) == 0
    out, err = capsys.readouterr()
    assert out == text and "run 01234567" in err


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("a09", ["no query named a09", "a01_cities", "a02_other"]),
        ("a0", ["no query named a0"]),
        ("none.sql", ["none.sql cannot be read"]),
        ("select * from nowhere", ["DuckDB cannot answer", "nowhere", "show all"]),
        ("create table x as select 1 as x", ["read only"]),
        ("select * from {{ ref('fct_none') }}", ["has no table fct_none"]),
        ("select {{ var('unknown') }} as x", ["does not say its option unknown"]),
        ("select {{ log_of('x') }} as x", ["what dbt alone knows", "log_of"]),
    ],
)
def test_what_cannot_be_asked_says_why(folder, capsys, asked, words):
    assert main(["ask", asked]) == 1
    err = capsys.readouterr().err
    for word in [*words, "Consequence:", "Remedy:"]:
        assert word in err


def test_without_a_published_file_there_is_nothing_to_ask(folder, capsys):
    (folder / "citypanel.duckdb").unlink()
    assert main(["ask", "a02"]) == 1
    assert "There is no published warehouse citypanel.duckdb" in capsys.readouterr().err


def test_without_analyses_a_name_is_refused(tmp_path):
    with pytest.raises(OutputError, match="no folder analyses/ here"):
        question("a02", root=tmp_path)


def test_many_ask_at_once(folder):
    """Others hold the file open to read while it is asked."""
    code = (
        "import duckdb, sys; c = duckdb.connect('citypanel.duckdb', read_only=True); "
        "print('open', flush=True); sys.stdin.readline()"
    )
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for reader in readers:
        assert reader.stdout.readline() == "open\n"
    assert main(["ask", "a02"]) == 0
    for reader in readers:
        reader.communicate("go\n")


def test_runs_are_listed_the_newest_first(folder, capsys):
    assert main(["runs"]) == 0
    out = capsys.readouterr().out
    assert "01234567 citypanel.duckdb" in " ".join(out.split())
    assert "real_gdp: city_growth" in out
    assert main(["runs", "--csv", "runs.csv"]) == 0
    assert "01234567" in (folder / "runs.csv").read_text()
    (folder / "citypanel.duckdb").unlink()
    assert main(["runs"]) == 1
    assert "nothing to list" in capsys.readouterr().err
