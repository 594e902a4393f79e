"""Publishing is whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys

import duckdb
import pytest

from citypanel.errors import PublicationError
from citypanel.warehouse import publish


@pytest.fixture
def connection(tmp_path):
    (tmp_path / "target").mkdir()
    with duckdb.connect(str(tmp_path / "target" / "build.duckdb")) as connection:
        connection.execute("create schema marts; create schema runs")
        connection.execute("create table marts.answers as select 42 as answer")
        connection.execute("comment on column marts.answers.answer is 'the answer'")
        connection.execute("create table runs.clock as select now() as at")
        yield connection


def _read(path, sql="select answer from marts.answers"):
    with duckdb.connect(str(path), read_only=True) as published:
        return published.execute(sql).fetchall()


def test_the_copy_has_tables_and_comments_but_no_bookkeeping(connection, tmp_path):
    target = tmp_path / "published.duckdb"
    publish(connection, target=target)
    assert _read(target) == [(42,)]
    assert _read(
        target, "select comment from duckdb_columns() where column_name = 'answer'"
    ) == [("the answer",)]
    assert _read(
        target, "select count(*) from duckdb_schemas() where schema_name = 'runs'"
    ) == [(0,)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["published.duckdb", "target"]


def test_what_the_caller_has_not_committed_is_not_published(connection, tmp_path):
    target = tmp_path / "published.duckdb"
    connection.execute("begin; update marts.answers set answer = 43")
    publish(connection, target=target)
    connection.execute("commit")
    assert _read(target) == [(42,)]


def test_a_failure_leaves_the_last_file_and_no_rest(connection, tmp_path, monkeypatch):
    target = tmp_path / "published.duckdb"
    publish(connection, target=target)
    before = target.read_bytes()
    connection.execute("update marts.answers set answer = 43")

    def refuse(source, destination):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PublicationError) as raised:
        publish(connection, target=target)
    for word in ["No space left", "Consequence:", "Remedy:"]:
        assert word in str(raised.value)
    assert target.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["published.duckdb", "target"]


def test_the_rest_of_a_killed_build_is_cleared(connection, tmp_path):
    target = tmp_path / "published.duckdb"
    rest = tmp_path / ".published.duckdb.12345"
    rest.write_bytes(b"half a file")
    publish(connection, target=target)
    assert not rest.exists()


def test_the_log_of_an_edited_old_file_does_not_spoil_the_new_one(connection, tmp_path):
    target = tmp_path / "published.duckdb"
    publish(connection, target=target)
    code = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); "
        "c.execute('update marts.answers set answer = 0'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, target], check=False)
    assert target.with_name("published.duckdb.wal").exists()
    publish(connection, target=target)
    assert _read(target) == [(42,)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["published.duckdb", "target"]


def test_whoever_edits_the_old_file_meanwhile_does_not_spoil_the_new_one(
    connection, tmp_path
):
    target = tmp_path / "published.duckdb"
    publish(connection, target=target)
    code = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); "
        "c.execute('update marts.answers set answer = 0'); print('held', flush=True); "
        "sys.stdin.readline(); c.execute('update marts.answers set answer = 1')"
    )
    editor = subprocess.Popen(
        [sys.executable, "-c", code, target],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert editor.stdout.readline() == "held\n"
    publish(connection, target=target)
    assert _read(target) == [(42,)]
    editor.communicate("go\n")
    assert editor.returncode == 0
    assert _read(target) == [(42,)]


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (duckdb.IOException("IO Error: No space left on device"), "the disk has room"),
        (PermissionError(13, "Permission denied"), "folder of published.duckdb is wri"),
        (
            duckdb.IOException("IO Error: Could not read enough bytes from file"),
            "Remove target/citypanel_build.duckdb",
        ),
    ],
)
def test_the_remedy_follows_the_cause(error, remedy, connection, tmp_path, monkeypatch):
    def refuse(part, target):
        raise error

    # The package has a function of the module's name.
    monkeypatch.setattr(sys.modules[publish.__module__], "replace", refuse)
    with pytest.raises(PublicationError) as raised:
        publish(connection, target=tmp_path / "published.duckdb")
    assert remedy in str(raised.value)
    assert "Consequence: published.duckdb stands" in str(raised.value)
