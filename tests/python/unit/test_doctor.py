"""The doctor on small made-up projects: what it names, and what it leaves alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from citypanel import cli
from citypanel.doctor import Status, examine, examine_installation, installation
from citypanel.doctor.installation import locked_versions
from citypanel.doctor.project import examine_project
from citypanel.errors import WarehouseError
from citypanel.warehouse import preflight
from citypanel.warehouse.locks import holders

BUILD = "target/citypanel_build.duckdb"
PUBLISHED = "citypanel.duckdb"


@pytest.fixture
def root(tmp_path):
    """A project with one seed, a build file and a published file."""
    (tmp_path / "seeds" / "reference").mkdir(parents=True)
    (tmp_path / "target").mkdir()
    (tmp_path / "dbt_project.yml").write_text(
        "flags:\n  send_anonymous_usage_stats: false\n"
    )
    (tmp_path / "seeds/reference/_reference__seeds.yml").write_text(
        "seeds:\n  - name: ref_cities\n    config:\n"
        '      column_types: {"city_id": text, "city_zh": text}\n'
    )
    (tmp_path / "seeds/reference/ref_cities.csv").write_text(
        "city_id,city_zh\n110000,北京\n", encoding="utf-8"
    )
    for name in (BUILD, PUBLISHED):
        with duckdb.connect(str(tmp_path / name)) as connection:
            connection.execute("create table t as select range as a from range(9999)")
    return tmp_path


@pytest.fixture(autouse=True)
def nothing_is_imported(request, monkeypatch):
    """To try every import takes seconds; a test of it asks for it."""
    if "tried" not in request.fixturenames:
        monkeypatch.setattr(installation, "failed_imports", lambda names: {})


@pytest.fixture
def tried():
    """Asks for the imports to be tried."""


@pytest.fixture
def hold():
    """Open a file in another process, to read or to write, until the test ends."""
    started = []

    def begin(path, *, read_only):
        code = (
            "import duckdb, sys; c = duckdb.connect(sys.argv[1], "
            "read_only=sys.argv[2] == 'True'); print('open', flush=True); "
            "sys.stdin.read()"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code, path, str(read_only)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "open\n"
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.communicate()


def _finding(root, check):
    return next(f for f in examine_project(root) if f.check == check)


def _amiss(root):
    return [f for f in examine_project(root) if f.status is not Status.OK]


def _another_version(path: Path) -> None:
    """A header as another release would write it, number and checksum."""
    with path.open("rb+") as file:
        file.seek(12)
        file.write((9999).to_bytes(8, "little"))


def test_a_sound_project_has_nothing_amiss(root):
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    assert _amiss(root) == []
    assert {p: p.read_bytes() for p in root.rglob("*") if p.is_file()} == before


def test_an_empty_project_has_nothing_amiss(root):
    for name in (BUILD, PUBLISHED):
        (root / name).unlink()
    assert _amiss(root) == []


def test_a_folder_without_a_project_is_named(tmp_path):
    (finding,) = examine_project(tmp_path)
    assert finding.status is Status.PROBLEM
    assert str(tmp_path) in finding.detail


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(os.urandom(50_000)), "is not a DuckDB file"),
        (lambda path: path.write_bytes(b""), "it is empty"),
        (lambda path: os.truncate(path, 5000), "was cut short"),
        (lambda path: os.truncate(path, 20_000), "cut short|cannot open it"),
        (_another_version, "cannot open it"),
        (lambda path: (path.unlink(), path.mkdir()), "is not a file"),
    ],
    ids=["garbage", "empty", "cut in the header", "cut", "other version", "folder"],
)
@pytest.mark.parametrize("name", [BUILD, PUBLISHED])
def test_a_file_that_cannot_be_opened_is_named(root, name, spoil, words):
    spoil(root / name)
    check = "build file" if name == BUILD else "published file"
    finding = _finding(root, check)
    assert finding.status is Status.PROBLEM
    assert any(word in finding.detail for word in words.split("|")), finding
    assert name in finding.detail
    assert "build" in finding.remedy
    if name == BUILD:
        with pytest.raises(WarehouseError, match="Remedy: remove it"):
            preflight.check_build_file(root / name)


def test_a_reader_of_the_published_file_is_welcome(root, hold):
    hold(root / PUBLISHED, read_only=True)
    assert _amiss(root) == []


@pytest.mark.parametrize("read_only", [True, False])
def test_whoever_holds_the_build_file_is_named(root, hold, read_only):
    process = hold(root / BUILD, read_only=read_only)
    finding = _finding(root, "build file")
    assert finding.status is Status.PROBLEM
    if Path("/proc/locks").exists():
        assert f"process {process.pid} (" in finding.detail
        assert ("reading" if read_only else "writing") in finding.detail
        (holder,) = holders(root / BUILD)
        assert (holder.pid, holder.writes) == (process.pid, not read_only)
    with pytest.raises(WarehouseError, match="is held by") as raised:
        preflight.check_build_file(root / BUILD)
    assert str(process.pid) in str(raised.value)
    assert "Remedy: wait for the other build" in str(raised.value)


def test_a_writer_in_the_published_file_is_a_warning(root, hold):
    process = hold(root / PUBLISHED, read_only=False)
    finding = _finding(root, "published file")
    assert finding.status is Status.WARNING
    assert str(process.pid) in finding.detail
    assert "-readonly" in finding.remedy


def test_a_log_of_an_earlier_published_file_is_named(root):
    """A session that wrote, was killed, and left its log beside the next file."""
    code = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); "
        "c.execute('create table mine as select 1 as a'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, root / PUBLISHED], check=False)
    assert (root / f"{PUBLISHED}.wal").exists()
    new = root / "new.duckdb"
    duckdb.connect(str(new)).close()
    os.replace(new, root / PUBLISHED)
    finding = _finding(root, "published file")
    assert finding.status is Status.PROBLEM
    assert f"remove {PUBLISHED}.wal" in finding.remedy
    (root / f"{PUBLISHED}.wal").unlink()
    assert _finding(root, "published file").status is Status.OK


def test_leftovers_are_named_unless_their_writer_lives(root):
    (root / ".citypanel.duckdb.4194305").write_bytes(b"half")
    (root / f".citypanel.duckdb.{os.getpid()}").write_bytes(b"half")
    (root / "seeds/reference/.ref_cities.csv.4194305").write_bytes(b"half")
    finding = _finding(root, "leftovers")
    assert finding.status is Status.WARNING
    assert ".citypanel.duckdb.4194305" in finding.detail
    assert "seeds/reference/.ref_cities.csv.4194305" in finding.detail
    if Path("/proc/self").exists():
        assert f".citypanel.duckdb.{os.getpid()}" not in finding.detail


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("city_id,city_zh\n110000,北京\n".encode("gb18030"), "it reads as GBK"),
        (b"", "the file is empty"),
        (b"city_id,city_zh\n", "the table has no rows"),
        (b"city_id\n110000\n", "missing: city_zh"),
        (b"city_id,city_zh\n110000\n", "line 2 has 1 cells"),
    ],
)
def test_an_unusable_seed_is_named_with_its_line(root, content, words):
    (root / "seeds/reference/ref_cities.csv").write_bytes(content)
    finding = _finding(root, "seed ref_cities")
    assert finding.status is Status.PROBLEM
    assert words in finding.detail
    assert "seeds/reference/ref_cities.csv" in finding.remedy


def test_many_problems_of_a_seed_are_counted(root):
    rows = "".join(f"{i}\n" for i in range(25))
    (root / "seeds/reference/ref_cities.csv").write_text("city_id,city_zh\n" + rows)
    detail = _finding(root, "seed ref_cities").detail
    assert len(detail.splitlines()) == 11
    assert "... and 15 more" in detail


def test_a_seed_that_nobody_declared_is_a_warning(root):
    (root / "seeds/mine.csv").write_text("a\n1\n")
    finding = _finding(root, "seeds")
    assert finding.status is Status.WARNING
    assert "seeds/mine.csv" in finding.detail


def test_a_declaration_that_cannot_be_read_is_named(root):
    (root / "seeds/reference/_reference__seeds.yml").write_text("seeds: [")
    finding = _finding(root, "seeds")
    assert finding.status is Status.PROBLEM
    assert "_reference__seeds.yml" in finding.detail
    assert "git checkout" in finding.remedy


def test_a_full_disk_and_a_closed_folder_are_named(root, monkeypatch):
    usage = type("usage", (), {"free": 3 * 2**20})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    finding = _finding(root, "disk")
    assert (finding.status, finding.detail[:9]) == (Status.PROBLEM, "3 MB free")
    with pytest.raises(WarehouseError, match="has 3 MB free") as raised:
        preflight.check_disk(root)
    assert "Remedy: free some room" in str(raised.value)

    def refuse(**options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    finding = _finding(root, "writing")
    assert finding.status is Status.PROBLEM
    assert f"{root}: Permission denied" in finding.detail
    with pytest.raises(WarehouseError, match="cannot write in folders") as raised:
        preflight.check_folders(root)
    assert "Remedy: give yourself the right" in str(raised.value)


def test_every_place_that_is_written_has_its_own_disk(root, tmp_path, monkeypatch):
    """Three disks: of the project, of target/, and of what the published file leads to.

    Numbers of devices cannot be made up without mounting; a fake stat gives them.
    """
    elsewhere = tmp_path.with_name(f"{tmp_path.name}_shared")
    elsewhere.mkdir()
    (root / PUBLISHED).rename(elsewhere / "shared.duckdb")
    (root / PUBLISHED).symlink_to(elsewhere / "shared.duckdb")
    free = {root / "target": 20, elsewhere: 500}

    def disk_of(path):
        return next((d for d in free if d in (path, *path.parents)), root)

    plain = Path.stat

    def stat(path, **options):
        found = plain(path, **options)
        number = [root, *free].index(disk_of(Path(os.path.realpath(path))))
        return os.stat_result((*found[:2], number, *found[3:]))

    monkeypatch.setattr(Path, "stat", stat)
    monkeypatch.setattr(
        "shutil.disk_usage",
        lambda path: type("usage", (), {"free": free.get(disk_of(path), 900) * 2**20}),
    )
    finding = _finding(root, "disk")
    assert finding.status is Status.PROBLEM
    assert finding.detail.startswith(f"{root}/target: 20 MB free, a build needs 6")
    with pytest.raises(WarehouseError, match="what a build writes there") as raised:
        preflight.check_disk(root)
    assert f"{root}/target: 20 MB free and a build needs 6" in str(raised.value)
    free[root / "target"] = 200
    assert _finding(root, "disk").status is Status.OK
    free[elsewhere] = 10
    assert _finding(root, "disk").detail.startswith(f"{elsewhere}: 10 MB free")


def test_a_link_that_leads_nowhere_and_a_closed_temporary_folder_are_named(
    root, monkeypatch
):
    (root / PUBLISHED).unlink()
    (root / PUBLISHED).symlink_to(root / "no" / "such.duckdb")
    finding = _finding(root, "writing")
    assert finding.status is Status.PROBLEM and "no such folder" in finding.detail
    (root / PUBLISHED).unlink()

    def none():
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", none)
    with pytest.raises(WarehouseError, match="temporary files: No usable") as raised:
        preflight.check_folders(root)
    assert "Remedy: give yourself the right" in str(raised.value)
    assert _finding(root, "disk").status is Status.OK


def test_little_address_space_is_named(root, monkeypatch):
    monkeypatch.setattr(preflight, "memory_limit", lambda: 1500 * 2**20)
    monkeypatch.setattr("citypanel.doctor.project.memory_limit", lambda: 1500 * 2**20)
    with pytest.raises(WarehouseError, match="may use 1,500 MB of address") as raised:
        preflight.check_memory()
    assert "Remedy: raise the limit (ulimit -v" in str(raised.value)
    finding = _finding(root, "memory")
    assert finding.status is Status.PROBLEM and "ulimit" in finding.remedy


def test_a_build_outside_the_projects_folder_is_refused(tmp_path):
    with pytest.raises(WarehouseError, match=str(tmp_path)) as raised:
        preflight.check_before_build(tmp_path, build_file=tmp_path / "b.duckdb")
    assert "Remedy: change to the project's folder" in str(raised.value)


LOCK = """\
numpy==2.4.6 ; python_full_version < '3.0' \\
    --hash=sha256:00
numpy==1.0 ; python_full_version >= '3.0' \\
    --hash=sha256:00
coverage[toml]==7.0 \\
duckdb==2.0.1 \\
"""


def test_the_lock_is_read_with_its_markers():
    assert locked_versions(LOCK) == {
        "numpy": "1.0",
        "coverage": "7.0",
        "duckdb": "2.0.1",
    }


def test_packages_that_are_missing_or_differ_are_named(tmp_path):
    (tmp_path / "requirements.lock").write_text(
        "duckdb==0.0.1 \\\nno-such-package==1.0 \\\n"
    )
    packages = examine_installation(tmp_path)[1]
    assert packages.status is Status.WARNING
    assert "not installed: no-such-package" in packages.detail
    assert "duckdb " in packages.detail and "(locked: 0.0.1)" in packages.detail


def test_a_package_no_build_can_do_without_is_a_problem(tmp_path, monkeypatch):
    monkeypatch.setattr("citypanel.doctor.installation.NEEDED", ("no-such-package",))
    packages = examine_installation(tmp_path)[1]
    assert packages.status is Status.PROBLEM
    assert "make build" in packages.remedy


@pytest.mark.parametrize("requires", [">=99.0,<99.5", ">=2.6,<2.8"])
def test_a_python_that_does_not_do_is_a_problem(tmp_path, requires):
    (tmp_path / "pyproject.toml").write_text(f'requires-python = "{requires}"\n')
    python = examine_installation(tmp_path)[0]
    assert python.status is Status.PROBLEM
    oldest, newest = requires[2:6].rstrip(","), {"9": "99.4", "2": "2.7"}[requires[2]]
    assert f"Python {oldest} to {newest} is needed" in python.detail
    assert "make PYTHON=python3." in python.remedy or "make PYTHON=" in python.remedy


def test_what_cannot_be_imported_is_named(tried):
    failed = installation.failed_imports(["numpy", "python-docx", "no-such-package"])
    assert list(failed) == ["no-such-package"]
    assert failed["no-such-package"].startswith("ModuleNotFoundError: No module named")


def test_a_process_that_dies_on_import_is_told(tried, monkeypatch):
    monkeypatch.setattr(installation, "_TRY", "import os; os.abort()")
    assert "died while it imported them (-6)" in str(
        installation.failed_imports(["numpy"])
    )


def test_packages_whose_files_are_gone_or_cut_are_a_problem(tmp_path, monkeypatch):
    """Metadata alone would call both installed."""
    packages = tmp_path / "site-packages"
    for name in ("whole", "gone", "cut", "half"):
        (packages / name).mkdir(parents=True)
        (packages / name / "__init__.py").write_text("a = 1\n")
        about = packages / f"{name}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
        if name != "half":
            (about / "RECORD").write_text(
                f"{name}/__init__.py,sha256=x,6\n{name}/__pycache__/a.pyc,,\n"
                f"../../bin/{name},sha256=x,6\n"
            )
    (packages / "gone" / "__init__.py").unlink()
    (packages / "cut" / "__init__.py").write_text("a")
    monkeypatch.syspath_prepend(packages)
    assert installation.damaged_packages(["whole", "gone", "cut", "half"]) == {
        "half": "half installed, it has no list of its files",
        "gone": "__init__.py missing",
        "cut": "__init__.py changed",
    }
    (tmp_path / "requirements.lock").write_text("whole==1.0 \\\ngone==1.0 \\\n")
    finding = examine_installation(tmp_path)[1]
    assert finding.status is Status.PROBLEM
    assert "gone: __init__.py missing" in finding.detail
    assert "remove .venv and run make build" in finding.remedy


def test_code_of_another_folder_is_a_problem_unless_it_is_the_same(tmp_path, project):
    def code():
        return next(f for f in examine_installation(tmp_path) if f.check == "code")

    assert code().status is Status.OK
    shutil.copytree(project / "src", tmp_path / "src")
    assert code().status is Status.OK
    with (tmp_path / "src/citypanel/panel.py").open("a", encoding="utf-8") as file:
        file.write("# other\n")
    assert code().status is Status.PROBLEM
    assert str(project / "src" / "citypanel") in code().detail
    assert str(tmp_path / "src" / "citypanel") in code().detail
    assert "make build here" in code().remedy


def test_an_environment_of_another_folder_is_a_problem(tmp_path, project):
    def found():
        return [f for f in examine_installation(tmp_path) if f.check == "set-up"]

    assert found() == []
    (tmp_path / ".venv").mkdir()
    shutil.copy(project / "pyproject.toml", tmp_path)
    assert found()[0].status is Status.PROBLEM
    assert "half made" in found()[0].detail and "make build" in found()[0].remedy


def test_the_checkout_has_every_package_of_the_lock(project):
    locked = locked_versions((project / "requirements.lock").read_text())
    assert {"dbt-core", "dbt-duckdb", "duckdb", "numpy"} <= set(locked)


def test_telemetry_that_is_on_is_named(root, monkeypatch):
    monkeypatch.delenv("DBT_SEND_ANONYMOUS_USAGE_STATS", raising=False)
    assert examine_installation(root)[2].status is Status.OK
    monkeypatch.setenv("DBT_SEND_ANONYMOUS_USAGE_STATS", "True")
    assert examine_installation(root)[2].status is Status.WARNING
    monkeypatch.delenv("DBT_SEND_ANONYMOUS_USAGE_STATS")
    (root / "dbt_project.yml").write_text("flags: {}\n")
    assert examine_installation(root)[2].status is Status.WARNING


def test_bytecode_switched_off_is_named(root, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert examine_installation(root)[3].status is Status.WARNING


def test_without_a_package_the_rest_is_still_told(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "citypanel.doctor.project", None)
    last = examine(root)[-1]
    assert last.status is Status.PROBLEM
    assert "cannot be imported" in last.detail


def test_the_command_prints_remedies_and_ends_with_one(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    cli.main(["doctor"])
    assert "problem " not in capsys.readouterr().out
    (root / "seeds/reference/ref_cities.csv").write_bytes(b"")
    assert cli.main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "problem  seed ref_cities: the file is empty" in printed
    assert "Remedy: correct seeds/reference/ref_cities.csv" in printed
    assert cli.main(["doctor", "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)
    assert {"check", "status", "detail", "remedy"} == set(findings[0])
    assert [f["check"] for f in findings if f["status"] == "problem"] == [
        "seed ref_cities"
    ]


def test_the_doctor_imports_neither_dbt_nor_pandas(root):
    code = (
        "import sys; from pathlib import Path; "
        "from citypanel.doctor import examine, installation; "
        "installation.failed_imports = lambda names: {}; examine(Path(sys.argv[1])); "
        "print({'dbt', 'pandas', 'great_expectations'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, root], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"


def test_reading_the_published_file_says_what_is_wrong_with_it(root, hold):
    with preflight.open_published(root / PUBLISHED) as connection:
        assert connection.execute("select count(*) from t").fetchall() == [(9999,)]
    process = hold(root / PUBLISHED, read_only=False)
    reading = preflight.open_published(root / PUBLISHED)
    with pytest.raises(WarehouseError, match=f"is held by .*{process.pid}"), reading:
        pass
    process.communicate()
    (root / PUBLISHED).write_bytes(b"not a database")
    for words in ("cannot be read: it is not a DuckDB file", "There is no published"):
        reading = preflight.open_published(root / PUBLISHED)
        with pytest.raises(WarehouseError, match=words) as raised, reading:
            pass
        assert "Remedy:" in str(raised.value)
        (root / PUBLISHED).unlink(missing_ok=True)
