"""Publishing is whole or not at all."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from datetime import datetime

import duckdb
import pytest

from citypanel.errors import PublicationError
from citypanel.warehouse import Table
from citypanel.warehouse import publish as publish_tables
from citypanel.warehouse.published import Publication, kept_folder, read_records

RECORD = Publication(
    run_id="0123456789abcdef",
    published_at=datetime(2020, 1, 1),
    target="build",
    options_sha256="0f",
    options='{"seed": 1}',
    options_changed="{}",
    code_version="0.1.0",
    code_sha256="1f",
    nodes_sha256="2f",
    software="{}",
)
ANSWERS = Table("marts", "answers", "Answers.", {"answer": "the answer"}.get)


def publish(connection, *, tables=(ANSWERS,), record=RECORD, **options):
    return publish_tables(connection, tables, record=record, **options)


@pytest.fixture
def connection(tmp_path):
    (tmp_path / "target").mkdir()
    with duckdb.connect(str(tmp_path / "target" / "build.duckdb")) as connection:
        connection.execute("create schema marts; create schema runs")
        connection.execute("create table marts.answers (answer integer not null)")
        connection.execute("insert into marts.answers values (42)")
        connection.execute("create table marts.own as select 'mine' as secret")
        connection.execute("create table runs.clock as select now() as at")
        yield connection


def _read(path, sql="select answer from marts.answers"):
    with duckdb.connect(str(path), read_only=True) as published:
        return published.execute(sql).fetchall()


def test_the_copy_has_the_tables_named_their_comments_and_its_run(connection, tmp_path):
    target = tmp_path / "published.duckdb"
    publish(connection, target=target)
    assert _read(target) == [(42,)]
    columns = _read(
        target,
        "select column_name, comment, is_nullable from duckdb_columns() "
        "where schema_name = 'marts'",
    )
    assert columns == [("answer", "the answer", False)]
    assert _read(
        target, "select comment from duckdb_tables() where table_name = 'answers'"
    ) == [("Answers.",)]
    assert _read(target, "select schema_name from duckdb_tables() order by 1") == [
        ("marts",), ("publication",),
    ]  # fmt: skip
    assert read_records(target) == [replace(RECORD, n_tables=1)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["published.duckdb", "target"]


@pytest.mark.parametrize(("large", "block"), [(2**30, 16384), (0, 262144)])
def test_blocks_are_small_but_for_a_large_build(
    large, block, connection, tmp_path, monkeypatch
):
    module = sys.modules[publish_tables.__module__]
    monkeypatch.setattr(module, "LARGE_BUILD", large)
    publish(connection, target=tmp_path / "out.duckdb")
    found = _read(
        tmp_path / "out.duckdb", "select block_size from pragma_database_size()"
    )
    assert found == [(block,)]
    assert _read(tmp_path / "out.duckdb") == [(42,)]


def test_a_column_nobody_describes_says_so(connection, tmp_path):
    target = tmp_path / "published.duckdb"
    publish(connection, tables=[replace(ANSWERS, column_comment=str)], target=target)
    bare = replace(ANSWERS, column_comment=lambda name: "")
    publish(connection, tables=[bare], target=target)
    assert _read(
        target, "select comment from duckdb_columns() where column_name = 'answer'"
    ) == [("Column answer, not described.",)]


def test_a_view_is_published_as_a_table(connection, tmp_path):
    connection.execute("create view marts.seen as select * from marts.answers")
    target = tmp_path / "published.duckdb"
    publish(connection, tables=[replace(ANSWERS, name="seen")], target=target)
    assert _read(target, "from marts.seen") == [(42,)]
    assert _read(target, "select * from duckdb_views() where not internal") == []


def test_without_a_table_nothing_is_published(connection, tmp_path):
    with pytest.raises(PublicationError, match="the build holds no table"):
        publish(connection, tables=[], target=tmp_path / "published.duckdb")
    assert not (tmp_path / "published.duckdb").exists()


def test_a_table_people_query_has_rows(connection, tmp_path):
    connection.execute("delete from marts.answers")
    target = tmp_path / "published.duckdb"
    with pytest.raises(PublicationError) as raised:
        publish(connection, tables=[replace(ANSWERS, may_be_empty=False)],
                target=target)  # fmt: skip
    assert "marts.answers" in str(raised.value) and "Remedy:" in str(raised.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["target"]
    publish(connection, target=target)
    assert _read(target) == []


def test_the_file_tells_the_runs_before_it(connection, tmp_path):
    target = tmp_path / "published.duckdb"
    for number in range(3):
        record = replace(
            RECORD, run_id=str(number), published_at=datetime(2020, 1, 1 + number)
        )
        publish(connection, target=target, record=record)
    told = [(record.run_id, record.is_this_file) for record in read_records(target)]
    assert told == [("0", False), ("1", False), ("2", True)]


def test_the_last_files_are_kept_when_asked(connection, tmp_path):
    target = tmp_path / "published.duckdb"
    for number in range(4):
        connection.execute("update marts.answers set answer = ?", [number])
        record = replace(
            RECORD, run_id=str(number), published_at=datetime(2020, 1, 1 + number)
        )
        publish(connection, target=target, record=record, keep=2)
    assert _read(target) == [(3,)]
    kept = sorted(kept_folder(target).iterdir())
    assert [path.name for path in kept] == [
        "20200102T000000Z_1.duckdb", "20200103T000000Z_2.duckdb",
    ]  # fmt: skip
    assert [_read(path) for path in kept] == [[(1,)], [(2,)]]


def test_a_link_is_followed(connection, tmp_path):
    (tmp_path / "shared").mkdir()
    target = tmp_path / "published.duckdb"
    target.symlink_to(tmp_path / "shared" / "file.duckdb")
    publish(connection, target=target)
    assert target.is_symlink() and _read(tmp_path / "shared" / "file.duckdb") == [(42,)]


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


def test_the_rest_of_a_killed_build_is_cleared_and_of_a_running_one_is_not(
    connection, tmp_path
):
    target = tmp_path / "published.duckdb"
    dead, host = 4194305, socket.gethostname()
    rests = [
        tmp_path / f".published.duckdb.{name}"
        for name in (dead, f"{dead}@{host}", f"{dead}@{host}.wal")
    ]
    at_work = [
        tmp_path / f".published.duckdb.{name}"
        for name in (os.getppid(), f"{os.getppid()}@{host}", f"{dead}@elsewhere")
    ]
    for path in (*rests, *at_work):
        path.write_bytes(b"half a file")
    publish(connection, target=target)
    assert not any(path.exists() for path in rests)
    assert all(path.exists() for path in at_work)


def test_a_kill_between_copy_and_rename_leaves_the_old_file(connection, tmp_path):
    target = tmp_path / "published.duckdb"
    publish(connection, target=target)
    before = target.read_bytes()
    connection.execute("update marts.answers set answer = 43")
    connection.close()
    code = (
        "import duckdb, os, sys, pathlib, test_publish as t; "
        "publish = sys.modules[t.publish_tables.__module__]; "
        "publish.replace = lambda part, target: os.kill(os.getpid(), 9); "
        "c = duckdb.connect(sys.argv[1]); "
        "t.publish(c, target=pathlib.Path(sys.argv[2]))"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "target" / "build.duckdb", target],
        cwd=os.path.dirname(__file__),
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert target.read_bytes() == before
    (rest,) = tmp_path.glob(".published.duckdb.*")
    assert _read(rest) == [(43,)], "the copy was not whole when it was killed"
    with duckdb.connect(str(tmp_path / "target" / "build.duckdb")) as again:
        publish(again, target=target)
    assert _read(target) == [(43,)] and not rest.exists()


def test_two_that_publish_at_once_do_not_take_each_others_copy(connection, tmp_path):
    """One stands between copy and rename while the other publishes."""
    target = tmp_path / "published.duckdb"
    connection.close()
    code = (
        "import duckdb, os, sys, pathlib, test_publish as t; "
        "publish = sys.modules[t.publish_tables.__module__]; whole = publish.replace; "
        "wait = lambda: (print('copied', flush=True), sys.stdin.readline()); "
        "publish.replace = lambda part, target: (wait(), whole(part, target)); "
        "c = duckdb.connect(); c.execute('create schema marts'); "
        "c.execute('create table marts.answers as select 1 as answer'); "
        "t.publish(c, target=pathlib.Path(sys.argv[1]))"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", code, target],
        cwd=os.path.dirname(__file__),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout.readline() == "copied\n"
    with duckdb.connect(str(tmp_path / "target" / "build.duckdb")) as second:
        publish(second, target=target)
    assert _read(target) == [(42,)]
    first.communicate("go\n")
    assert first.returncode == 0
    assert _read(target) == [(1,)]


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
    monkeypatch.setattr(sys.modules[publish_tables.__module__], "replace", refuse)
    with pytest.raises(PublicationError) as raised:
        publish(connection, target=tmp_path / "published.duckdb")
    assert remedy in str(raised.value)
    assert "Consequence: published.duckdb stands" in str(raised.value)
