"""What `citypanel tables` and `citypanel figures` say when they cannot."""

from __future__ import annotations

import os

import duckdb
import pytest

from citypanel.cli import main
from citypanel.errors import OptionError, OutputError
from citypanel.files import write_output
from citypanel.outputs.figures import style
from citypanel.outputs.marts import Marts
from citypanel.outputs.runs import chosen_formats, chosen_outputs
from citypanel.outputs.tables import FORMATS, TABLES


@pytest.fixture
def warehouse(tmp_path):
    """A published file without the marts that most outputs need."""
    path = tmp_path / "some.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.rpt_published_audit as select 'stars' as check_name, "
            "'3' as paper_table, '(1)' as paper_column, 'sydid' as term, 'stars' as "
            "quantity, 'a rule' as rule, 'agrees' as verdict, 3.0 as printed, 3.0 as "
            "recomputed, false as disagrees"
        )
        connection.execute(
            "create table marts.dim_variables as select 'sydid' as variable, "
            "'Exposure' as label_en, '政策效应' as label_zh, '0-1' as unit"
        )
        connection.execute(
            "create table marts.dim_study_variants as select 'headline' as variant, "
            "'pilot_zones' as policy, 'tfpch' as outcome"
        )
        connection.execute("create table marts.rpt_sample as select true as is_in")
    return path


def test_no_file(tmp_path, capsys):
    code = main(["tables", "--database", str(tmp_path / "none.duckdb")])
    said = capsys.readouterr().err
    assert code == 1
    assert "none.duckdb" in said and "Remedy: build it with: dbt build" in said


def test_a_table_of_the_paper_where_another_question_is_asked(warehouse, capsys):
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("update marts.dim_study_variants set policy = 'ports'")
    arguments = ["tables", "--database", str(warehouse), "--only", "table_a4", "-q"]
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert "studies the policy ports and the outcome tfpch" in said
    assert "Remedy: open a file of the paper's policy" in said


def test_not_a_warehouse(tmp_path):
    path = tmp_path / "text.duckdb"
    path.write_text("not a database, but long enough to look like one" * 100)
    with pytest.raises(OutputError, match="cannot be read") as error:
        Marts(path)
    assert "Remedy: close what holds the file" in str(error.value)


def test_marts_that_are_missing_are_named_and_the_rest_is_made(
    warehouse, tmp_path, capsys
):
    folder = tmp_path / "tables"
    arguments = ["--database", str(warehouse), "--output", str(folder), "-q"]
    assert main(["tables", "--format", "csv", *arguments]) == 0
    said = capsys.readouterr()
    assert [path.name for path in folder.iterdir()] == ["table_a4.csv"]
    assert "table_a2 needs marts that the file does not have (1):" in said.err
    assert "  - marts.rpt_inference" in said.err
    assert "build them with: dbt build with credibility: true" in said.err
    assert "--select +exposure:table_a2" in said.err
    assert said.out == ""


def test_only_what_cannot_be_made_is_an_error(warehouse, tmp_path, capsys):
    code = main(
        ["figures", "--database", str(warehouse), "--only", "figure_5",
         "--output", str(tmp_path / "figures")]
    )  # fmt: skip
    assert code == 1
    assert "marts.rpt_bacon" in capsys.readouterr().err
    assert not (tmp_path / "figures").exists()


def test_an_unknown_format_lists_the_known():
    with pytest.raises(OptionError, match="tex, docx, html, md, csv") as error:
        chosen_formats("tex,word", FORMATS)
    assert "  - word" in str(error.value)
    with pytest.raises(OptionError, match="--format is empty"):
        chosen_formats(",", FORMATS)
    assert chosen_formats("csv, tex", FORMATS) == ("tex", "csv")


def test_an_unknown_table_lists_the_known():
    with pytest.raises(OptionError, match="names that are not tables") as error:
        chosen_outputs("table_3,table_9", TABLES, "tables")
    assert "  - table_9" in str(error.value) and "table_a4" in str(error.value)
    with pytest.raises(OptionError, match="--only is empty"):
        chosen_outputs("", TABLES, "tables")
    assert [t.name for t in chosen_outputs("table_3", TABLES, "tables")] == ["table_3"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "table.md"
    write_output(path, b"old")

    def refuse(source, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OutputError, match="could not be written: Permission denied"):
        write_output(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["table.md"]


def test_no_chinese_font_is_said_once(warehouse, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(style, "chinese_font", lambda: None)
    main(
        ["figures", "--language", "zh", "--database", str(warehouse),
         "--output", str(tmp_path / "figures")]
    )  # fmt: skip
    said = capsys.readouterr().err
    assert said.count("No font with Chinese characters was found") == 1
    assert "in English" in said and "Noto Serif CJK SC" in said


def test_a_figure_that_wants_a_mart_is_made_without_it(tmp_path, capsys):
    path = tmp_path / "some.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create schema marts; create table marts.dim_study_variants as "
            "select 'headline' as variant, 'tfpch' as outcome, "
            "'pilot_zones' as policy; create table "
            "marts.rpt_event_study as select 'twfe' as estimator, 'headline' as "
            "variant, 'tfpch' as outcome, unnest([-1, 0]) as event_time, 0.0 as "
            "estimate, 0.1 as std_error, -0.2 as conf_low, 0.2 as conf_high, "
            "null::double as band_low, "
            "null::double as band_high, 3 as n_treated_cities, 18 as n_obs, 6 as "
            "n_cities, 0.5 as leads_p_value, null::varchar as note"
        )
    code = main(
        ["figures", "--database", str(path), "--only", "figure_1", "--format", "md",
         "--output", str(tmp_path), "-q"]
    )  # fmt: skip
    assert code == 0
    said = capsys.readouterr().err
    assert "figure_1_event_study wants marts that the file does not have (2):" in said
    assert "it is written without what they would add" in said
    assert "No uniform band" in (tmp_path / "figure_1_event_study.md").read_text()


def test_a_mart_without_the_rows_a_figure_needs_stops_that_figure_only(
    tmp_path, capsys
):
    path = tmp_path / "some.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create schema marts; create table marts.rpt_randomisation as select "
            "'3' as paper_table, '(1)' as paper_column, 0 as draw, 1.0 as "
            "statistic, true as "
            "is_sample where false; create table marts.rpt_sensitivity as select "
            "'honest' as check_name, 'all' as sample, 'none' as aggregation, 1.0 as "
            "estimate where false"
        )
    arguments = ["figures", "--database", str(path), "--output", str(tmp_path / "f")]
    assert main([*arguments, "--only", "figure_6,figure_7", "-q"]) == 1
    said = capsys.readouterr().err
    assert "figure_6_randomisation: marts.rpt_randomisation has no permutations" in said
    assert "figure_7_sensitivity: marts.rpt_sensitivity has no bounds" in said
    assert "Remedy: read the notes of marts.rpt_sensitivity" in said
