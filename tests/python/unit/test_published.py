"""Where a run publishes, whose file it may replace, and whose tables it may drop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from test_publish import ANSWERS, RECORD

from citypanel.errors import PublicationError
from citypanel.warehouse import publish
from citypanel.warehouse.ledger import Ledger
from citypanel.warehouse.published import (
    changed_options,
    destination,
    options_digest,
    published_files,
    refuse_destination,
)
from citypanel.warehouse.results import Node, Relation

OTHER = {"changed": {"seed": 2}, "digest": "0123456789"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"target": "build"}, "citypanel.duckdb"),
        ({"target": "build", "configured": "shared/x.duckdb"}, "shared/x.duckdb"),
        ({"target": "dev"}, "citypanel_dev.duckdb"),
        ({"target": "dev", "configured": "mine.duckdb"}, "mine.duckdb"),
        ({"target": "build", **OTHER}, "citypanel-01234567.duckdb"),
        ({"target": "dev", **OTHER}, "citypanel_dev-01234567.duckdb"),
        ({"target": "build", "asked": "other.duckdb", **OTHER}, "other.duckdb"),
        ({"target": "build", "asked": "citypanel.duckdb", **OTHER}, "citypanel.duckdb"),
    ],
)
def test_a_run_publishes_where_target_options_and_wish_say(arguments, expected):
    assert destination(**arguments) == Path(expected)


def test_options_are_compared_by_what_they_say():
    defaults = {"log_base": "10", "treated_batches": [1, 2, 3], "seed": 1}
    same = {"seed": 1, "treated_batches": [1, 2, 3], "log_base": 10}
    assert changed_options(same, defaults) == {}
    assert options_digest(same) == options_digest(defaults)
    other = same | {"treated_batches": [1, 2]}
    assert changed_options(other, defaults) == {"treated_batches": [1, 2]}
    assert options_digest(other) != options_digest(defaults)


def _published(path, target="build"):
    with duckdb.connect() as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.answers as select 42 as answer")
        publish(
            connection, [ANSWERS], target=path, record=replace(RECORD, target=target)
        )


def test_another_target_never_replaces_the_defaults_file(tmp_path):
    path = tmp_path / "citypanel.duckdb"
    for is_named in (False, True):
        with pytest.raises(PublicationError) as raised:
            refuse_destination(path, root=tmp_path, target="dev", is_named=is_named)
        for words in ("published file of target build", "target dev", "Remedy:"):
            assert words in str(raised.value)
    (tmp_path / "link.duckdb").symlink_to(path)
    with pytest.raises(PublicationError, match="target build"):
        refuse_destination(
            tmp_path / "link.duckdb", root=tmp_path, target="dev", is_named=True
        )


def test_a_target_replaces_its_own_file_and_no_other_targets(tmp_path):
    path = tmp_path / "shared.duckdb"
    _published(path, target="dev")
    refuse_destination(path, root=tmp_path, target="dev", is_named=True)
    with pytest.raises(PublicationError, match="published file of target dev"):
        refuse_destination(path, root=tmp_path, target="build", is_named=True)


def test_somebodys_own_file_is_not_replaced(tmp_path):
    path = tmp_path / "notes.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table notes as select 1 as x")
    with pytest.raises(PublicationError, match="not a published file of this project"):
        refuse_destination(path, root=tmp_path, target="build", is_named=True)
    (tmp_path / "text.duckdb").write_text("my notes")
    with pytest.raises(PublicationError, match="not a published file"):
        refuse_destination(
            tmp_path / "text.duckdb", root=tmp_path, target="build", is_named=True
        )
    # The project's own name is the project's own, whatever stands there.
    (tmp_path / "citypanel.duckdb").write_text("half a file")
    refuse_destination(
        tmp_path / "citypanel.duckdb", root=tmp_path, target="build", is_named=True
    )


def test_published_files_are_those_of_this_project_and_the_kept_ones(tmp_path):
    _published(tmp_path / "citypanel.duckdb")
    _published(tmp_path / "citypanel_dev.duckdb", target="dev")
    (tmp_path / "citypanel_runs").mkdir()
    _published(tmp_path / "citypanel_runs" / "old.duckdb")
    (tmp_path / "other.duckdb").touch()
    assert [path.name for path in published_files(tmp_path)] == [
        "citypanel.duckdb", "citypanel_dev.duckdb", "old.duckdb",
    ]  # fmt: skip


@pytest.fixture
def ledger():
    with duckdb.connect() as connection:
        found = Ledger(connection, "memory")
        found.open()
        yield found


def _node(name, schema="marts", kind="model"):
    return Node(name, name, kind, "1", relation=Relation("memory", schema, name))


def _tables(ledger):
    return {
        f"{schema}.{name}"
        for schema, name in ledger.cursor.execute(
            "select table_schema, table_name from information_schema.tables "
            "where table_schema != 'citypanel_runs'"
        ).fetchall()
    }


def test_only_what_a_run_has_recorded_is_dropped(ledger):
    nodes = {
        node.id: node
        for node in (_node("kept"), _node("gone"), _node("seen"), _node("history"),
                     _node("growing"), _node("lent"))
    }  # fmt: skip
    ledger.cursor.execute("create schema marts; create schema mine")
    for name in ("kept", "gone", "history", "growing", "lent", "somebodys"):
        ledger.cursor.execute(f"create table marts.{name} as select 1 as x")
    ledger.cursor.execute("create view marts.seen as select 1 as x")
    ledger.cursor.execute("create table mine.notes as select 1 as x")
    materialized = dict.fromkeys(nodes, "table") | {
        "seen": "view", "history": "snapshot", "growing": "incremental",
    }  # fmt: skip
    ledger.record(nodes, dict.fromkeys(nodes, "f"), materialized, run_id="1")
    now = {"kept": nodes["kept"]}
    for _ in range(10):
        ledger.drop_leftovers(now, spared={("marts", "lent")})
    assert _tables(ledger) == {
        "marts.kept", "marts.history", "marts.growing", "marts.lent",
        "marts.somebodys", "mine.notes",
    }  # fmt: skip


def test_what_is_about_to_run_is_forgotten_and_stays_ours(ledger):
    nodes = {"a": _node("a"), "b": _node("b")}
    ledger.record(
        nodes, {"a": "1", "b": "2"}, dict.fromkeys(nodes, "table"), run_id="1"
    )
    assert ledger.recorded() == {"a": "1", "b": "2"}
    ledger.forget({"a"})
    assert ledger.recorded() == {"b": "2"}
    ledger.cursor.execute("create schema marts; create table marts.a as select 1 as x")
    assert ledger.drop_leftovers({"b": nodes["b"]}, set()) == ["marts.a"]
