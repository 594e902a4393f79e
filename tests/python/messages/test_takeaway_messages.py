"""Messages of codebook, export, package and metrics, each raised."""

from __future__ import annotations

import json
import os
import sys

import duckdb
import numpy as np
import pandas as pd
import pytest

from citypanel.cli import main
from citypanel.codebook.entries import Column
from citypanel.codebook.project import project_tables
from citypanel.errors import OutputError
from citypanel.exports import Export, open_published, stata_bytes
from citypanel.files import write_output
from citypanel.replication import output_members, project_members, refuse_stale
from citypanel.replication.rebuild import rebuild


def _is_complete(message: str) -> bool:
    return "Consequence:" in message and "Remedy:" in message


@pytest.fixture
def root(tmp_path):
    """A project of one table with its published file."""
    for name in ("dbt_project.yml", "requirements.lock"):
        (tmp_path / name).write_text("vars: {}\n")
    for folder in ("seeds", "src", "models/marts"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "models" / "marts" / "m.yml").write_text(
        "models:\n  - name: fct_a\n    description: 'A. One row per a.'\n    columns:\n"
        "      - {name: a, data_type: integer, description: 'A.'}\n"
    )
    with duckdb.connect(str(tmp_path / "citypanel.duckdb")) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.fct_a as select 1 as a")
    return tmp_path


@pytest.mark.parametrize("command", ["codebook", "export", "package"])
def test_no_published_file(root, monkeypatch, capsys, command):
    monkeypatch.chdir(root)
    (root / "citypanel.duckdb").unlink()
    assert main([command]) == 1
    message = capsys.readouterr().err
    assert "There is no citypanel.duckdb" in message
    assert "dbt build" in message
    assert _is_complete(message)


def test_a_file_that_is_no_database(root):
    (root / "citypanel.duckdb").write_bytes(b"not a database" * 1000)
    with (
        pytest.raises(OutputError, match="cannot be read") as raised,
        open_published(root / "citypanel.duckdb"),
    ):
        pass
    assert _is_complete(str(raised.value))


@pytest.mark.parametrize("command", ["codebook", "export"])
def test_not_in_the_projects_root(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    assert main([command]) == 1
    message = capsys.readouterr().err
    assert "no descriptions of tables" in message
    assert _is_complete(message)


def test_yaml_that_cannot_be_read(root):
    (root / "models" / "marts" / "m.yml").write_text("models: [")
    with pytest.raises(OutputError, match=r"m\.yml cannot be read") as raised:
        project_tables(root)
    assert _is_complete(str(raised.value))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--table", "fct_b"], ["--table", "fct_b", "panel, fct_a"]),
        (["--table", ""], ["--table"]),
        (["--format", "csv,xls"], ["--format", "xls", "parquet, csv, dta"]),
        (["--format", ""], ["--format is empty"]),
    ],
)
def test_an_export_that_cannot_be(root, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(root)
    assert main(["export", *arguments]) == 1
    message = capsys.readouterr().err
    for word in words:
        assert word in message
    assert _is_complete(message)
    assert not (root / "outputs").exists()


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e308])
def test_a_number_that_stata_cannot_hold(value):
    frame = pd.DataFrame({"city_id": ["110000"], "year": [2015], "x": [value]})
    columns = tuple(Column(name, "", "", name) for name in frame)
    with pytest.raises(OutputError, match=r"things.x has numbers") as raised:
        stata_bytes(Export("things", "", frame, columns, ""), language="en")
    assert "city_id 110000, year 2015" in str(raised.value)
    assert _is_complete(str(raised.value))


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "outputs").write_text("a file in the way")
    with pytest.raises(OutputError, match="could not be written") as raised:
        write_output(tmp_path / "outputs" / "a.csv", b"")
    assert _is_complete(str(raised.value))


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "a.csv"
    target.write_text("old")

    def refuse(source, destination):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OutputError, match="No space left"):
        write_output(target, b"new")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_package_of_no_project(tmp_path):
    with pytest.raises(OutputError, match="not the root of the project") as raised:
        project_members(tmp_path)
    assert "requirements.lock" in str(raised.value)
    assert _is_complete(str(raised.value))


def test_a_linked_file(root, tmp_path):
    (root / "seeds" / "a.csv").symlink_to(tmp_path / "elsewhere.csv")
    (tmp_path / "elsewhere.csv").write_text("a\n")
    with pytest.raises(OutputError, match="are links") as raised:
        project_members(root)
    assert "seeds/a.csv" in str(raised.value)
    assert _is_complete(str(raised.value))


def test_a_published_file_older_than_its_sources(root):
    seed = root / "seeds" / "a.csv"
    seed.write_text("a\n")
    refuse = (root, root / "citypanel.duckdb")
    os.utime(root / "citypanel.duckdb", (1e9, 1e9))
    with pytest.raises(OutputError, match=r"newer than citypanel\.duckdb") as raised:
        refuse_stale(*refuse)
    assert "seeds/a.csv" in str(raised.value)
    assert _is_complete(str(raised.value))


def test_outputs_older_than_the_published_file(root):
    figure = root / "outputs" / "figures" / "figure_1.svg"
    figure.parent.mkdir(parents=True)
    figure.write_text("<svg/>")
    os.utime(figure, (1e9, 1e9))
    with pytest.raises(OutputError, match="Outputs are older") as raised:
        output_members(root / "outputs", root / "citypanel.duckdb")
    assert "--without-outputs" in str(raised.value)
    assert _is_complete(str(raised.value))


@pytest.mark.parametrize("content", ["", "{}", "[]", None])
def test_a_manifest_that_is_none(root, monkeypatch, capsys, content):
    monkeypatch.chdir(root)
    if content is not None:
        (root / "manifest.json").write_text(content)
    assert main(["package", "--check", "manifest.json"]) == 1
    message = capsys.readouterr().err
    assert "is not the manifest of a package" in message
    assert _is_complete(message)


def test_a_build_that_is_not_the_packages(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    other = {"marts.fct_a": {"n_rows": 2, "n_columns": 1, "sha256": "0"},
             "marts.fct_b": {"n_rows": 5, "n_columns": 1, "sha256": "0"}}  # fmt: skip
    (root / "manifest.json").write_text(json.dumps({"tables": other}))
    assert main(["package", "--check", "manifest.json"]) == 1
    message = capsys.readouterr().err
    assert "marts.fct_a: differs (rows: 2 there, 1 here)" in message
    assert "marts.fct_b: missing" in message
    assert _is_complete(message)


def _archive(root) -> bytes:
    from citypanel.replication import Member, archive_bytes

    return archive_bytes([Member("a.txt", b"a")], folder="pack")


def test_a_package_that_does_not_build(root):
    with pytest.raises(OutputError, match="does not build") as raised:
        rebuild(_archive(root), arguments=[], expected={})
    assert "build" in str(raised.value).splitlines()[1]
    assert _is_complete(str(raised.value))


def test_a_package_that_gives_other_tables(root, monkeypatch):
    import subprocess

    def build(arguments, *, cwd, **_):
        with duckdb.connect(str(cwd / "citypanel.duckdb")) as connection:
            connection.execute("create schema marts; create table marts.a as select 2")
        return subprocess.CompletedProcess(arguments, 0, "", "")

    monkeypatch.setattr(subprocess, "run", build)
    expected = {"marts.a": {"n_rows": 1, "n_columns": 1, "sha256": "0"}}
    with pytest.raises(OutputError, match="gives other tables") as raised:
        rebuild(_archive(root), arguments=[], expected=expected)
    assert "marts.a: differs" in str(raised.value)
    assert _is_complete(str(raised.value))


def test_metricflow_is_absent(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "dbt_metricflow", None)
    monkeypatch.setitem(sys.modules, "update_checker", None)
    assert main(["metrics", "--metrics", "mean_tfpch"]) == 1
    message = capsys.readouterr().err
    assert "MetricFlow is not installed" in message
    assert _is_complete(message)


def test_seeds_that_are_not_the_published_ones(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    (root / "seeds" / "some.csv").write_text("a,b\n1,\n2,x\n")
    with duckdb.connect(str(root / "citypanel.duckdb")) as connection:
        connection.execute("create schema raw")
        connection.execute(
            "create table raw.some as select * from (values ('2', 'x'), ('1', null)) "
            "t(a, b)"
        )
    for path in root.rglob("*"):
        if path.suffix == ".csv":
            os.utime(path, (2e9, 2e9))  # newer, and the same
    with open_published(root / "citypanel.duckdb") as connection:
        refuse_stale(root, root / "citypanel.duckdb", connection)
    # Another figure under an old date.
    (root / "seeds" / "some.csv").write_text("a,b\n1,\n2,y\n")
    os.utime(root / "seeds" / "some.csv", (1e9, 1e9))
    assert main(["package"]) == 1
    message = capsys.readouterr().err
    assert "Seeds are not what citypanel.duckdb was built from" in message
    assert "seeds/some.csv" in message
    assert _is_complete(message)
