"""The parts of a replication package."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile

import duckdb
import pytest

from citypanel.replication import (
    Member,
    archive_bytes,
    compare,
    fingerprints,
    options_of,
    program_map,
    project_members,
    read_build_log,
    read_origins,
    sha256sums,
)
from citypanel.replication.manifest import commit_of


def test_the_same_files_are_the_same_bytes_in_any_order():
    members = [Member("b/run", b"x", True), Member("a.txt", "甲".encode())]
    content = archive_bytes(members, folder="pack")
    assert content == archive_bytes(members[::-1], folder="pack")
    with zipfile.ZipFile(io.BytesIO(content)) as pack:
        assert pack.namelist() == ["pack/a.txt", "pack/b/run"]
        assert {entry.date_time[0] for entry in pack.infolist()} == {1980}
        assert pack.getinfo("pack/b/run").external_attr >> 16 & 0o111
        assert not pack.getinfo("pack/a.txt").external_attr >> 16 & 0o111


def test_sums_are_those_of_sha256sum():
    lines = sha256sums([Member("b", b"2"), Member("a", b"1")]).decode().splitlines()
    assert lines[0] == hashlib.sha256(b"1").hexdigest() + "  a"
    assert lines[1].endswith("  b")


@pytest.fixture
def warehouse():
    with duckdb.connect() as connection:
        connection.execute(
            "create schema marts; create table marts.t as select 1.5::double as x; "
            "create table marts.u as select 1 as y; "
            "create schema raw; create table raw.t as select 1"
        )
        yield connection


def test_a_fingerprint_sees_the_last_bit_and_the_type(warehouse):
    before = fingerprints(warehouse)
    assert set(before) == {"marts.t", "marts.u"}
    assert fingerprints(warehouse) == before
    warehouse.execute("update marts.t set x = 1.5000000000000002")
    warehouse.execute("alter table marts.u alter y type bigint")
    warehouse.execute("create table marts.v as select 1")
    after = fingerprints(warehouse)
    verdicts = dict(compare(before, after)[["table", "verdict"]].to_numpy())
    assert verdicts == {"marts.t": "differs", "marts.u": "differs", "marts.v": "new"}
    assert compare(after, before).set_index("table").verdict["marts.v"] == "missing"


def test_options_are_compared_with_the_defaults():
    with duckdb.connect() as connection:
        connection.execute(
            "create schema marts; create table marts.dim_study_variants as select "
            "'headline' as variant, 1 as variant_order, '1, 2' as treated_batches, "
            "'' as excluded_cities, 'False' as credibility, 2016 as last_year, "
            "0.06::double as depreciation, '10' as log_base"
        )
        options, changed = options_of(
            connection,
            {
                "treated_batches": [1, 2, 3],
                "excluded_cities": [],
                "credibility": True,
                "last_year": 2019,
                "depreciation": 0.06,
                "log_base": "10",
            },
        )
    assert options["last_year"] == 2016
    assert changed == {
        "treated_batches": [1, 2],
        "credibility": False,
        "last_year": 2016,
    }


def _run_results(**changes):
    content = {
        "metadata": {"generated_at": "2026-01-01T00:00:00Z"},
        "args": {"which": "build", "select": [], "exclude": []},
        "elapsed_time": 12.5,
        "results": [
            {"unique_id": f"model.citypanel.{name}", "status": "success",
             "execution_time": seconds}
            for name, seconds in (("a", 1.0), ("b", 3.0), ("c", 0.5))
        ],
    }  # fmt: skip
    content.update(changes)
    return json.dumps(content)


def test_times_are_read_from_a_full_build_only(tmp_path):
    path = tmp_path / "run_results.json"
    assert read_build_log(path) is None
    path.write_text(_run_results())
    log = read_build_log(path)
    assert (log.seconds, log.n_steps) == (12.5, 3)
    assert log.slowest[0] == ("model.citypanel.b", 3.0)
    for changes in (
        {"args": {"which": "show"}},
        {"args": {"which": "build", "select": ["a"]}},
        {"args": {"which": "build", "empty": True}},
        {"results": [{"unique_id": "a", "status": "fail", "execution_time": 1.0}]},
        {"results": []},
        {"elapsed_time": None},
    ):
        path.write_text(_run_results(**changes))
        assert read_build_log(path) is None, changes
    path.write_text("{")
    assert read_build_log(path) is None


def test_every_raw_table_of_the_project_has_an_origin(project):
    origins = read_origins(project)
    assert len(origins) >= 11
    assert [origin.path for origin in origins if not origin.is_stated] == []
    paper = next(o for o in origins if o.path.endswith("pub_regressions.csv"))
    assert paper.author.startswith("Hanning Huang")
    assert "CC BY 4.0" in paper.rights


def test_a_table_without_a_note_of_its_own_is_not_cleared(tmp_path):
    folder = tmp_path / "seeds" / "mine"
    folder.mkdir(parents=True)
    (folder / "known.csv").write_text("a\n1\n")
    (folder / "unknown.csv").write_text("a\n1\n")
    (folder / "ORIGIN.md").write_text(
        "# Origin\n\n## known.csv\n\n| | |\n|---|---|\n"
        "| Publisher | An office |\n| Rights | free |\n"
    )
    stated = {origin.path: origin.is_stated for origin in read_origins(tmp_path)}
    assert stated == {"seeds/mine/known.csv": True, "seeds/mine/unknown.csv": False}


def test_programs_are_traced_to_the_library(project):
    rows = program_map(
        project, ["marts.rpt_regressions", "marts.dim_cities"], ["outputs/t/table_3.md"]
    ).set_index("table")
    regressions = rows.loc["marts.rpt_regressions"]
    assert "python_models/estimates/est_regressions.py" in regressions["estimators"]
    assert "citypanel.study.estimates.regressions" in regressions["library"]
    assert regressions["outputs"] == "outputs/t/table_3"
    assert rows.loc["marts.dim_cities", "estimators"] == ""


def test_the_project_is_packed_without_its_rest(tmp_path, project):
    for name in ("dbt_project.yml", "requirements.lock"):
        (tmp_path / name).write_text("x")
    for name in ("seeds/a.csv", "models/m.sql", "src/citypanel/a.py", "README.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    for name in ("src/citypanel/__pycache__/a.pyc", "seeds/.DS_Store", "seeds/a.csv~"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("rest")
    packed = {member.path: member.content for member in project_members(tmp_path)}
    assert set(packed) == {
        "dbt_project.yml", "requirements.lock", "seeds/a.csv", "models/m.sql",
        "src/citypanel/a.py", "docs/PROJECT.md",
    }  # fmt: skip
    assert packed["docs/PROJECT.md"] == b"README.md"


def test_a_folder_without_git_has_no_commit(tmp_path):
    assert commit_of(tmp_path)["git_commit"] is None


def test_changed_inputs_are_named(tmp_path):
    import subprocess

    def git(*arguments):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments],
            cwd=tmp_path, check=True, capture_output=True,
            env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull},
        )  # fmt: skip

    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "a.csv").write_text("a\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    assert commit_of(tmp_path)["has_uncommitted_changes"] is False
    (tmp_path / "seeds" / "a.csv").write_text("b\n")
    (tmp_path / "seeds" / "新.csv").write_text("c\n")
    found = commit_of(tmp_path)
    assert len(found["git_commit"]) == 40
    assert found["changed_inputs"] == ["seeds/a.csv", "seeds/新.csv"]
