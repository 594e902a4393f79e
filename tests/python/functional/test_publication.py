"""What is published and when; whose tables and files a build leaves alone."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
import yaml

from citypanel.warehouse import run as this_run
from citypanel.warehouse.manifest import Surroundings, nodes_of
from citypanel.warehouse.published import read_record
from citypanel.warehouse.results import judge, present_fingerprints

ZONES = "raw_pilot_zones"


@dataclass(frozen=True)
class Said:
    """What dbt in this process printed, and what became of the published file."""

    success: bool
    output: str
    outcome: this_run.Outcome | None


def in_process(project, *arguments) -> Said:
    """Run dbt in this process, which spares its start."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner
    from dbt.selected_resources import set_selected_resources

    # As in a process of its own: dbt's retry selects nothing anew.
    set_selected_resources(set())
    this_run.last_outcome = None
    before = os.getcwd()
    os.chdir(project.root)
    try:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            result = dbtRunner().invoke(["--no-use-colors", *arguments])
    finally:
        os.chdir(before)
        # dbt would go on with this connection, to this project's file, in another.
        DuckDBConnectionManager.close_all_connections()
    return Said(bool(result.success), output.getvalue(), this_run.last_outcome)


@pytest.fixture(scope="module")
def manifest(built):
    """The project as dbt has parsed it."""
    from dbt.cli.main import dbtRunner

    before = os.getcwd()
    os.chdir(built.root)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return dbtRunner().invoke(["parse"]).result
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def nodes(manifest, built):
    return nodes_of(manifest, Surroundings(root=built.root))


def test_every_test_that_alone_fails_errs_or_is_skipped_is_refused(nodes):
    passed = {
        id_: "pass" if "test" in node.kind else "success" for id_, node in nodes.items()
    }
    recorded = present_fingerprints(nodes)
    assert judge(nodes, {}, passed, selected=nodes).is_sound
    tests = [node for node in nodes.values() if "test" in node.kind]
    assert len(tests) >= 40
    for node in tests:
        for status in ("fail", "error", "runtime error", "skipped"):
            for before in ({}, recorded):
                verdict = judge(
                    nodes, before, passed | {node.id: status}, selected=nodes
                )
                assert not verdict.is_sound, (node, status)
                assert str(node) in verdict.reason()
        # Not run at all, and not passed before.
        left_out = {id_: status for id_, status in passed.items() if id_ != node.id}
        assert not judge(nodes, {}, left_out).is_sound


def test_a_node_depends_on_the_options_it_reads_and_no_others(manifest, built, nodes):
    def changed(**options):
        variables = {"citypanel": {"carry_years": 2, "log_base": "10"} | options}
        now = nodes_of(manifest, Surroundings(root=built.root, variables=variables))
        return {now[id_].name for id_ in now if now[id_].own != before[id_].own}

    before = nodes_of(
        manifest,
        Surroundings(
            root=built.root,
            variables={"citypanel": {"carry_years": 2, "log_base": "10"}},
        ),
    )
    assert changed() == set()
    # The steps take theirs from the first of these, and so depend on it; all of them
    # take the options as the declaration has them together.
    whole = {
        "int_study_variants", "int_policy_exposures", "int_city_years__spine",
        "policy_is_dated_by_each_rule",
    }  # fmt: skip
    assert changed(carry_years=3) == whole
    assert changed(log_base="e") == {*whole, "dim_variables"}
    study = Surroundings(root=built.root, study="another declaration")
    now = nodes_of(manifest, study)
    moved = {n.name for id_, n in now.items() if n.own != before[id_].own}
    assert {"int_study_variants", "est_regressions", "dim_pilot_zones"} <= moved
    assert "stg_yearbook__cells" not in moved


def test_python_models_depend_on_the_library_and_the_files_they_declare(
    manifest, built, tmp_path
):
    before = nodes_of(manifest, Surroundings(root=built.root, library="1"))
    after = nodes_of(manifest, Surroundings(root=built.root, library="2"))
    changed = {node.name for id_, node in after.items() if node.own != before[id_].own}
    python = {n.name for n in manifest.nodes.values() if n.language == "python"}
    assert changed == python & {node.name for node in after.values()}
    assert len(changed) > 20
    moved = nodes_of(manifest, Surroundings(root=tmp_path, library="1"))
    reads = {node.name for id_, node in moved.items() if node.own != before[id_].own}
    seeds = {node.name for node in moved.values() if node.kind == "seed"}
    assert reads - seeds == {
        "est_raw_expectations", "est_panel_expectations", "est_quality_summary",
    }  # fmt: skip
    assert seeds <= reads


def test_a_failed_check_publishes_nothing_and_a_retry_says_what_to_do(workshop):
    before = workshop.published.read_bytes()
    seed = workshop.seed(ZONES)
    sound = seed.read_text(encoding="utf-8")
    seed.write_text(sound.replace("浙江,杭州", "浙工,杭州", 1), encoding="utf-8")
    said = in_process(workshop, "build", "-s", ZONES)
    assert not said.success and not said.outcome.is_published
    assert f"failed (test sound_seed__{ZONES})" in said.outcome.message
    assert "not published, because 1 failed" in said.output
    assert workshop.published.read_bytes() == before

    seed.write_text(sound, encoding="utf-8")
    said = in_process(workshop, "retry")
    assert not said.success
    assert f"(seed {ZONES})" in said.outcome.message
    assert "Remedy: run dbt build, which loads the seeds again" in said.output
    assert workshop.published.read_bytes() == before


def test_a_retry_of_what_failed_publishes(workshop):
    """A test fails by its own code, is mended, and is tried again."""
    run = read_record(workshop.published).run_id
    test = workshop.root / "tests" / "singular" / "of_my_own.sql"
    test.write_text("select 1 as x from {{ ref('dim_cities') }}")
    said = in_process(workshop, "build", "-s", "of_my_own", "dim_cities")
    assert not said.success and "test of_my_own" in said.outcome.message
    assert read_record(workshop.published).run_id == run
    test.write_text("select 1 as x from {{ ref('dim_cities') }} where false")
    said = in_process(workshop, "retry")
    assert said.success and said.outcome.is_published, said.output
    assert "published citypanel.duckdb (run " in said.output
    assert read_record(workshop.published).run_id != run


def test_a_users_model_holds_back_what_it_fails_and_is_published_when_it_passes(
    workshop,
):
    before = workshop.published.read_bytes()
    model = workshop.root / "models" / "marts" / "my_mart.sql"
    model.write_text("select error('not yet') as x from {{ ref('dim_cities') }}")
    said = in_process(workshop, "build", "-s", "my_mart")
    assert not said.success and "model my_mart" in said.outcome.message
    assert workshop.published.read_bytes() == before
    model.write_text("select city_id, 1 as mine from {{ ref('dim_cities') }}")
    said = in_process(workshop, "build", "-s", "my_mart")
    assert said.success and said.outcome.is_published, said.output
    assert len(workshop.query("from marts.my_mart")) == 74
    # It stands as it was built, and not as its file now is.
    model.write_text("select city_id, 2 as mine from {{ ref('dim_cities') }}")
    said = in_process(workshop, "build", "-s", "dim_cities")
    assert said.success and "(model my_mart)" in said.outcome.message
    assert (workshop.query("from marts.my_mart")["mine"] == 1).all()


def test_what_changes_while_the_run_goes_on_is_not_published(workshop):
    """A model's hook moves a seed's file after the run has read it."""
    before = workshop.published.read_bytes()
    seed = workshop.seed("ref_units")
    model = workshop.root / "models" / "marts" / "my_mart.sql"
    model.write_text(
        "{{ config(post_hook=\"copy (select 1 as x) to '"
        + str(seed)
        + "'\") }}\nselect 1 as x"
    )
    said = in_process(workshop, "build", "-s", "my_mart")
    assert "ref_units.csv changed while the run went on" in said.outcome.message
    assert workshop.published.read_bytes() == before


def _targets(project, **targets):
    """Write more targets beside `build` into profiles.yml."""
    path = project.root / "profiles.yml"
    profile = yaml.safe_load(path.read_text(encoding="utf-8"))
    outputs = profile["citypanel"]["outputs"]
    for name, changes in targets.items():
        outputs[name] = {**outputs["build"], **changes}
    path.write_text(yaml.safe_dump(profile), encoding="utf-8")


@pytest.mark.slow
def test_another_target_is_refused_the_defaults_file(workshop):
    before = workshop.published.read_bytes()
    _targets(workshop, dev={"path": "target/dev.duckdb"})
    said = in_process(workshop, "build", "--target", "dev")
    assert not said.success
    assert "published file of target build, and this is target dev" in said.output
    assert workshop.published.read_bytes() == before


@pytest.mark.slow
def test_a_target_without_the_plug_in_publishes_nothing_and_says_so(workshop):
    before = workshop.published.read_bytes()
    _targets(workshop, bare={"path": "target/bare.duckdb", "plugins": []})
    said = in_process(workshop, "seed", "--target", "bare", "-s", "ref_provinces")
    assert said.success, said.output
    assert "not published, because target bare has no plug-in" in said.output
    assert workshop.published.read_bytes() == before


@pytest.mark.slow
def test_another_target_publishes_a_file_of_its_own(workshop):
    before = workshop.published.read_bytes()
    _targets(workshop, dev={
        "path": "target/dev.duckdb",
        "plugins": [{"module": "citypanel.warehouse.preflight"}],
    })  # fmt: skip
    result = workshop.dbt("build", "--target", "dev")
    assert result.returncode == 0, result.stdout
    other = workshop.published_by(result)
    assert other.file == "citypanel_dev.duckdb"
    assert other.fingerprints() == workshop.fingerprints()
    assert read_record(other.published).target == "dev"
    assert workshop.published.read_bytes() == before


@pytest.mark.slow
def test_a_database_that_is_not_the_build_file_is_refused(workshop):
    before = workshop.published.read_bytes()
    lake = workshop.root / "target" / "lake.duckdb"
    _targets(workshop, lake={
        "path": "target/lake_build.duckdb",
        "database": "lake",
        "attach": [{"path": str(lake), "alias": "lake"}],
        "plugins": [{"module": "citypanel.warehouse.preflight"}],
    })  # fmt: skip
    result = workshop.dbt("build", "--target", "lake")
    assert result.returncode == 0, result.stdout
    assert "not published, because target lake builds in database lake" in result.stdout
    assert sorted(workshop.root.glob("citypanel*.duckdb")) == [workshop.published]
    assert workshop.published.read_bytes() == before


@pytest.mark.slow
def test_other_options_are_published_beside_the_projects_file_and_where_asked(workshop):
    before = workshop.fingerprints()
    result = workshop.dbt("build", "--vars", "{log_base: e}")
    assert result.returncode == 0, result.stdout
    other = workshop.published_by(result)
    assert other.file.startswith("citypanel-")
    record = read_record(other.published)
    assert json.loads(record.options_changed) == {"log_base": "e"}
    assert workshop.fingerprints() == before != other.fingerprints()
    result = workshop.dbt("build", "--vars", "{log_base: e, publish_to: asked.duckdb}")
    assert result.returncode == 0, result.stdout
    asked = workshop.published_by(result)
    assert asked.file == "asked.duckdb"
    assert asked.fingerprints() == other.fingerprints()
    assert read_record(asked.published).options_sha256 == record.options_sha256


@pytest.mark.slow
def test_users_tables_sources_and_snapshots_survive_ten_builds(workshop):
    build_file = workshop.root / "target" / "citypanel_build.duckdb"
    with duckdb.connect(str(build_file)) as connection:
        connection.execute("create schema mine")
        connection.execute("create table mine.notes as select 'keep me' as note")
        connection.execute("create table marts.from_elsewhere as select 1 as x")
    (workshop.root / "models" / "own.yml").write_text(
        "sources: [{name: mine, schema: mine, tables: [{name: notes}]}]"
    )
    (workshop.root / "models" / "marts" / "my_mart.sql").write_text(
        "select * from {{ source('mine', 'notes') }}"
    )
    (workshop.root / "snapshots").mkdir()
    (workshop.root / "snapshots" / "history.sql").write_text(
        "{% snapshot history %}{{ config(schema='mine', unique_key='note', "
        "strategy='check', check_cols='all') }}\n"
        "select * from {{ source('mine', 'notes') }}{% endsnapshot %}"
    )
    for number in range(10):
        with duckdb.connect(str(build_file)) as connection:
            connection.execute("insert into mine.notes values (?)", [str(number)])
        result = workshop.dbt("build")
        assert result.returncode == 0, result.stdout
    with duckdb.connect(str(build_file), read_only=True) as connection:
        for table, rows in (
            ("mine.notes", 11), ("mine.history", 11), ("marts.from_elsewhere", 1),
        ):  # fmt: skip
            found = connection.execute(f"select count(*) from {table}").fetchall()
            assert found == [(rows,)], table
        firsts = connection.execute(
            "select count(distinct dbt_valid_from) from mine.history"
        ).fetchall()
        assert firsts == [(10,)], "the history began again"
    assert len(workshop.query("from marts.my_mart")) == 11
    with pytest.raises(duckdb.CatalogException):
        workshop.query("from marts.from_elsewhere")


@pytest.mark.slow
def test_an_empty_build_is_green_publishes_nothing_and_stales_what_it_touched(workshop):
    before = workshop.published.read_bytes()
    result = workshop.dbt("build", "--empty")
    assert result.returncode == 0, result.stdout
    assert "not published, because --empty builds tables without rows" in result.stdout
    result = workshop.dbt("build", "-s", "dim_cities")
    assert result.returncode == 0, result.stdout
    assert "not published, because" in result.stdout
    assert workshop.published.read_bytes() == before


def test_an_empty_build_of_a_python_model_has_its_columns(workshop):
    build_file = workshop.root / "target" / "citypanel_build.duckdb"

    def asked(sql):
        with duckdb.connect(str(build_file), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    columns = "select column_name, data_type from duckdb_columns() " \
        "where table_name = 'est_regressions' order by column_index"  # fmt: skip
    full = asked(columns)
    said = in_process(workshop, "build", "--empty", "-s", "est_regressions")
    assert said.success, said.output
    assert full and asked(columns) == full
    assert asked("from estimates.est_regressions") == []


def test_python_models_declare_the_columns_they_write(manifest, built):
    """An empty build makes its tables of these."""
    build_file = built.root / "target" / "citypanel_build.duckdb"
    with duckdb.connect(str(build_file), read_only=True) as connection:
        written = connection.execute(
            "select table_name, list(column_name order by column_index) "
            "from duckdb_columns() group by table_name"
        ).fetchall()
    declared = {
        node.name: list(node.columns)
        for node in manifest.nodes.values()
        if getattr(node, "language", "") == "python"
    }
    assert len(declared) > 20
    for name, columns in written:
        if name in declared:
            assert sorted(declared[name]) == sorted(columns), name


def _citypanel_build(project, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "citypanel.cli", "build", *arguments],
        cwd=project.root,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_last_word_of_citypanel_build_is_what_became_of_the_file(workshop):
    said = _citypanel_build(workshop, "-s", "dim_cities")
    assert said.returncode == 0, said.stdout
    assert said.stdout.splitlines()[-1].startswith("published citypanel.duckdb (run ")


@pytest.mark.slow
def test_the_last_word_is_said_where_dbt_does_not_come_to_its_end(workshop):
    (workshop.root / "models" / "broken.sql").write_text("select {{ from")
    said = _citypanel_build(workshop)
    assert said.returncode != 0
    last = said.stdout.rstrip().splitlines()[-3:]
    assert last[0].startswith("not published, because dbt stopped before its end")
    assert last[1].startswith("Consequence:") and last[2].startswith("Remedy:")


PARENT = {
    "dbt_project.yml": """
name: parent
version: "1.0"
profile: parent
# A variable that is no option here, and an option for the package alone.
vars: {threshold: 3, citypanel: {treated_batches: [1, 2]}}
on-run-start: "create table if not exists main.started as select 1 as x"
on-run-end: "create table if not exists main.ended as select 1 as x"
""",
    "profiles.yml": """
parent:
  target: dev
  outputs:
    dev:
      type: duckdb
      path: parent.duckdb
      threads: 4
      plugins: [{module: citypanel.study.plugin}]
""",
    "models/own.yml": "sources: [{name: own, schema: main, tables: [{name: kept}]}]",
    "models/mine.sql": """
select count(*) as n, {{ var("threshold") }} as threshold
from {{ ref("citypanel", "dim_cities") }}
cross join {{ source("own", "kept") }}
""",
}


@pytest.fixture
def parent(fresh, tmp_path):
    """A small project that has this one as a package."""
    for name, text in PARENT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "dbt_packages").mkdir()
    (tmp_path / "dbt_packages" / "citypanel").symlink_to(fresh.root)
    with duckdb.connect(str(tmp_path / "parent.duckdb")) as connection:
        connection.execute("create table kept as select 1 as x")
    return type(fresh)(tmp_path)


def _check_parent(parent):
    with duckdb.connect(str(parent.root / "parent.duckdb")) as connection:
        assert connection.execute("from mine").fetchall() == [(74, 5)]
        for table in ("kept", "started", "ended"):
            assert connection.execute(f"from {table}").fetchall() == [(1,)]
        schemas = connection.execute(
            "select distinct schema_name from duckdb_tables()"
        ).fetchall()
    assert {schema for (schema,) in schemas} & {"runs", "citypanel_runs"} == set()
    names = {path.name for path in parent.root.iterdir()} - {".user.yml"}
    assert names == {
        "dbt_packages", "dbt_project.yml", "logs", "models", "parent.duckdb",
        "profiles.yml", "target",
    }  # fmt: skip


@pytest.mark.slow
def test_as_a_package_it_leaves_the_parent_in_peace(parent):
    selection = ["-s", "+mine", "--indirect-selection", "cautious"]
    said = in_process(parent, "build", *selection, "--vars", "{threshold: 5}")
    assert said.success, said.output
    assert said.outcome is None
    _check_parent(parent)


@pytest.mark.slow
def test_as_a_package_all_of_it_builds(parent):
    result = parent.dbt("build", "--vars", "{threshold: 5}")
    assert result.returncode == 0, result.stdout
    _check_parent(parent)
    with duckdb.connect(str(parent.root / "parent.duckdb")) as connection:
        rows = connection.execute(
            "select distinct treated_batches from marts.dim_study_variants"
        ).fetchall()
    assert [str(row[0]) for row in rows] == ["1, 2"]


@pytest.mark.slow
def test_a_sample_of_years_builds_and_is_not_published(workshop):
    before = workshop.published.read_bytes()
    years = json.dumps({"start": "2015-01-01", "end": "2020-01-01"})
    result = workshop.dbt("build", "--sample", years)
    assert result.returncode == 0, result.stdout
    assert "not published, because --sample builds tables with a part" in result.stdout
    assert workshop.published.read_bytes() == before
    build_file = workshop.root / "target" / "citypanel_build.duckdb"
    sql = "select min(year) from marts.rpt_tfp_trajectories"
    with duckdb.connect(str(build_file), read_only=True) as connection:
        assert connection.execute(sql).fetchall() == [(2014,)]  # the base of 2015


def test_compiling_forgets_nothing(workshop):
    said = in_process(workshop, "compile")
    assert said.success, said.output
    said = in_process(workshop, "build", "-s", "ref_units")
    assert said.success and said.outcome.is_published, said.output


def test_the_file_is_small(built):
    assert built.published.stat().st_size <= 9_000_000


def _kinds(rules):
    """Kinds of bad cell that a seed's declaration refuses: column and cell of each."""
    for column in {*rules["key"], *rules.get("required", [])}:
        yield "empty", column, ""
    for column, rule in rules.get("numbers", {}).items():
        yield "no number", column, "1O"
        if "min" in rule:
            yield "too small", column, str(int(rule["min"]) - 1)
        if "max" in rule:
            yield "too large", column, str(int(rule["max"]) + 1)
        if rule.get("whole"):
            yield "not whole", column, "2001.5"
    for column in rules.get("patterns", {}):
        yield "other form", column, "~"
    for column in rules.get("references", {}):
        yield "unknown", column, "999999"
    for column in rules.get("labels", {}):
        yield "other name", column, "别处"


def _grid(project):
    """Every kind of bad cell in every seed, by the declarations beside the seeds."""
    cases = []
    for path in sorted(project.glob("seeds/*/_*.yml")):
        for seed in yaml.safe_load(path.read_text(encoding="utf-8"))["seeds"]:
            rules = [
                test["sound_seed"]["arguments"]
                for test in seed["data_tests"]
                if "sound_seed" in test
            ]
            file = path.with_name(f"{seed['name']}.csv")
            if len(file.read_bytes().splitlines()) < 2:
                continue
            seen = set()
            for kind, column, cell in _kinds(rules[0]):
                if kind not in seen:
                    seen.add(kind)
                    cases.append((seed["name"], kind, column, cell))
    return cases


def _plant(path, column, cell):
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    rows[1][rows[0].index(column)] = cell
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    path.write_text(written.getvalue(), encoding="utf-8")


def _some(cases):
    """One seed of three kinds runs quickly, the whole grid with the slow tests."""
    seen = set()
    for case in cases:
        is_first = case[1] not in seen and len(seen) < 3
        seen.add(case[1])
        yield pytest.param(
            *case, id="-".join(case[:2]), marks=[] if is_first else [pytest.mark.slow]
        )


CASES = list(_some(_grid(Path(__file__).parents[3])))


@pytest.fixture(scope="module")
def bench(built, tmp_path_factory):
    """A built copy in which one cell at a time is spoilt and mended again."""
    return built.copy(tmp_path_factory.mktemp("bench") / "project")


@pytest.mark.parametrize(("seed", "kind", "column", "cell"), CASES)
def test_a_bad_cell_leaves_the_published_file_and_says_so(
    bench, seed, kind, column, cell
):
    path = bench.seed(seed)
    sound, before = path.read_bytes(), bench.published.read_bytes()
    try:
        _plant(path, column, cell)
        assert path.read_bytes() != sound
        said = in_process(bench, "build", "-s", seed)
        assert not said.success
        assert not said.outcome.is_published
        assert f"test sound_seed__{seed}" in said.outcome.message
        assert f"Seed {seed}: " in said.output
        assert bench.published.read_bytes() == before
    finally:
        path.write_bytes(sound)
