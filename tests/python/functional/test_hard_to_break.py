"""Kills, full disks, locks, closed folders, foreign files: nothing published is lost.

Whatever happens to a build, citypanel.duckdb is the old one or the new one, whole, and
the last words on the screen say what to do.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

YEARBOOK = "raw_yearbook_city_years"
KILLS_ANYWHERE = 43
KILLS_IN_PUBLICATION = 8


def _start(project, *arguments, output=subprocess.PIPE):
    """A build in a session of its own, so that its workers can be killed with it."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("DBT_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    dbt = os.path.join(os.path.dirname(sys.executable), "dbt")
    return subprocess.Popen(
        [dbt, "--no-use-colors", "build", *arguments],
        cwd=project.root,
        env=environment,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _leftovers(project):
    return sorted(project.root.glob(".citypanel.duckdb.*"))


def _two_versions(project):
    """The yearbook as it ships, and with Tianjin's output of 2012 a little higher."""
    text = project.seed(YEARBOOK).read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("2012,天津市"))
    cells = row.split(",")
    cells[3] = str(int(cells[3]) + 1)
    return [text, text.replace(row, ",".join(cells))]


@pytest.mark.slow
def test_after_fifty_kills_the_published_file_is_old_or_new(workshop, tmp_path):
    random = np.random.default_rng(20240705)
    texts, prints = _two_versions(workshop), [workshop.fingerprints()]
    workshop.seed(YEARBOOK).write_text(texts[1], encoding="utf-8")
    begin = time.monotonic()
    result = workshop.dbt("build")
    took = time.monotonic() - begin
    assert result.returncode == 0, result.stdout
    prints.append(workshop.fingerprints())
    assert prints[0] != prints[1]

    published, kills, log = 1, [], tmp_path / "killed.log"
    plan = [False] * KILLS_ANYWHERE + [True] * KILLS_IN_PUBLICATION
    random.shuffle(plan)
    for in_publication in plan:
        killed = False
        while not killed:
            wanted = 1 - published
            workshop.seed(YEARBOOK).write_text(texts[wanted], encoding="utf-8")
            with log.open("w") as output:
                begin = time.monotonic()
                build = _start(workshop, output=output)
                if in_publication:
                    rests = set(_leftovers(workshop))
                    while not set(_leftovers(workshop)) - rests:
                        assert build.poll() is None, log.read_text()
                        time.sleep(0.005)
                    time.sleep(random.uniform(0, 1.0))
                else:
                    time.sleep(random.uniform(0, took))
                killed = build.poll() is None
                elapsed = time.monotonic() - begin
                # Every other time the workers live on, as after the kernel's own kill.
                if killed and len(kills) % 2:
                    os.killpg(build.pid, signal.SIGKILL)
                elif killed:
                    build.kill()
                code = build.wait()
            assert killed or code == 0, log.read_text()
            found = prints.index(workshop.fingerprints())
            assert killed or found == wanted
            if killed:
                if found == wanted:
                    stage = "after publication"
                elif _leftovers(workshop):
                    stage = "in publication"
                else:
                    stage = "before publication"
                kills.append((stage, elapsed / took))
                print(f"kill {len(kills)}: {stage}, after {elapsed:.1f} s", flush=True)
            else:
                took = elapsed
            published = found

    counts = Counter(stage for stage, _ in kills)
    shares = sorted(share for _, share in kills)
    print(f"\nkills: {dict(counts)}; at these shares of a build: "
          f"{', '.join(f'{share:.2f}' for share in shares)}")  # fmt: skip
    assert len(kills) >= 50
    assert counts["before publication"] and counts["in publication"]

    workshop.seed(YEARBOOK).write_text(texts[1 - published], encoding="utf-8")
    result = workshop.dbt("build")
    assert result.returncode == 0, result.stdout
    assert workshop.fingerprints() == prints[1 - published]
    assert not _leftovers(workshop)


def _doctor(project):
    """What `citypanel doctor` prints there, and its exit code."""
    result = subprocess.run(
        [sys.executable, "-m", "citypanel.cli", "doctor"],
        cwd=project.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in result.stderr, result.stderr
    return result.returncode, result.stdout


def _wait(condition, build, log, seconds=300):
    """Wait until something is so while a build runs."""
    limit = time.monotonic() + seconds
    while not condition():
        assert build.poll() is None, log.read_text()
        assert time.monotonic() < limit, log.read_text()
        time.sleep(0.01)


@contextmanager
def _mounted(path, *options):
    """A mount for a test that needs one; where this is not permitted it skips."""
    path.mkdir(exist_ok=True)
    result = subprocess.run(
        ["mount", *options, path], capture_output=True, text=True, check=False
    ) if shutil.which("mount") else None  # fmt: skip
    if result is None or result.returncode:
        pytest.skip("mounting a file system is not permitted on this machine")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


@pytest.mark.slow
def test_a_second_build_ends_with_a_remedy_and_the_first_goes_on(workshop, tmp_path):
    texts = _two_versions(workshop)
    before = workshop.fingerprints()
    workshop.seed(YEARBOOK).write_text(texts[1], encoding="utf-8")
    log = tmp_path / "first.log"
    with log.open("w") as output:
        first = _start(workshop, output=output)
        _wait(lambda: "START seed" in log.read_text(), first, log)
        second = workshop.dbt("build")
        assert first.poll() is None, "the first build ended before the second began"
        code = first.wait()
    assert second.returncode != 0
    for words in [
        f"is held by process {first.pid} (",
        "Consequence: this build did not begin",
        "Remedy: wait for the other build to end",
    ]:
        assert words in second.stdout
    assert "Traceback" not in second.stdout
    assert code == 0, log.read_text()
    after = workshop.fingerprints()
    assert after != before
    again = workshop.dbt("build")
    assert again.returncode == 0, again.stdout
    assert workshop.fingerprints() == after, "the second build changed the first"


@pytest.mark.slow
def test_a_reader_of_the_build_file_is_named(workshop):
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); "
    code += "print(1, flush=True); sys.stdin.read()"
    build_file = workshop.root / "target" / "citypanel_build.duckdb"
    before = workshop.published.read_bytes()
    reader = subprocess.Popen(
        [sys.executable, "-c", code, build_file],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    reader.stdout.readline()
    result = workshop.dbt("build")
    code, doctor = _doctor(workshop)
    reader.communicate()
    assert result.returncode != 0
    assert f"is held by process {reader.pid} (" in result.stdout
    assert "Remedy: wait for the other build to end, or close" in result.stdout
    assert "Traceback" not in result.stdout
    assert code == 1 and f"held by process {reader.pid} (" in doctor
    assert workshop.published.read_bytes() == before


def _garbage(path):
    path.write_bytes(os.urandom(100_000))


def _other_release(path):
    with path.open("rb+") as file:
        file.seek(12)
        file.write((9999).to_bytes(8, "little"))


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [_garbage, _other_release])
def test_an_unusable_build_file_ends_with_a_remedy(workshop, spoil):
    build_file = workshop.root / "target" / "citypanel_build.duckdb"
    spoil(build_file)
    before = workshop.published.read_bytes()
    result = workshop.dbt("build")
    code, doctor = _doctor(workshop)
    assert result.returncode != 0
    assert "build file target/citypanel_build.duckdb cannot be used" in result.stdout
    assert "Remedy: remove it (rm -rf target/citypanel_build.duckdb" in result.stdout
    assert "Traceback" not in result.stdout
    assert code == 1 and "problem  build file" in doctor
    assert workshop.published.read_bytes() == before
    build_file.unlink()
    result = workshop.dbt("seed", "--select", "ref_provinces")
    assert result.returncode == 0, result.stdout


@pytest.mark.slow
def test_a_build_file_cut_short_ends_with_a_remedy(workshop):
    """What is missing shows on opening, in a model or in publication."""
    build_file = workshop.root / "target" / "citypanel_build.duckdb"
    os.truncate(build_file, 2**20)
    before = workshop.published.read_bytes()
    result = workshop.dbt("build")
    assert result.returncode != 0
    told = " ".join(result.stdout.split())
    assert (
        "the build file is damaged. Remove target/citypanel_build.duckdb" in told
        or "Remedy: remove it (rm -rf target/citypanel_build.duckdb" in told
    )
    assert workshop.published.read_bytes() == before


@pytest.mark.slow
def test_a_build_replaces_an_unusable_published_file_and_the_rests(workshop):
    before = workshop.fingerprints()
    _garbage(workshop.published)
    (workshop.root / "citypanel.duckdb.wal").write_bytes(os.urandom(5000))
    (workshop.root / ".citypanel.duckdb.4194305").write_bytes(b"half")
    (workshop.root / ".citypanel.duckdb.4194305.wal").write_bytes(b"half")
    code, doctor = _doctor(workshop)
    assert code == 1
    assert "problem  published file" in doctor and "run a build" in doctor
    assert "warning  leftovers" in doctor
    result = workshop.dbt("build")
    assert result.returncode == 0, result.stdout
    assert workshop.fingerprints() == before
    assert not list(workshop.root.glob("citypanel.duckdb.wal"))
    assert not _leftovers(workshop)
    assert _doctor(workshop)[0] == 0


@pytest.mark.slow
def test_a_read_only_folder_is_named_by_the_doctor(workshop):
    before = workshop.fingerprints()
    with _mounted(workshop.root, "--bind", workshop.root):
        subprocess.run(["mount", "-o", "remount,ro,bind", workshop.root], check=True)
        result = workshop.dbt("build")
        code, doctor = _doctor(workshop)
        assert workshop.fingerprints() == before
    assert result.returncode != 0
    assert "Read-only file system" in result.stdout + result.stderr
    assert code == 1
    assert "problem  writing: a build cannot write here:" in doctor
    assert f"{workshop.root}: Read-only file system" in doctor
    assert "Remedy: give yourself the right to write there" in doctor


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "in a model", "in publication"])
def test_a_full_disk_ends_with_a_remedy_and_nothing_is_lost(built, tmp_path, moment):
    with _mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=280m", "tmpfs"):
        project = built.copy(tmp_path / "disk" / "project")
        before = project.fingerprints()
        content = project.published.read_bytes()
        ballast, log = tmp_path / "disk" / "ballast", tmp_path / "build.log"

        def fill(but=0):
            """Take what is free but some bytes, while the build takes its share."""
            with suppress(OSError), ballast.open("wb", buffering=0) as file:
                while (free := shutil.disk_usage(tmp_path / "disk").free) > but:
                    file.write(b"0" * min(free - but, 2**20))

        if moment == "before":
            fill()
        with log.open("w") as output:
            build = _start(project, output=output)
            if moment == "in a model":
                _wait(lambda: "START sql table" in log.read_text(), build, log)
                fill()
            elif moment == "in publication":
                # What is left takes the last tables, and half of the copy.
                last = "OK created sql table model marts.rpt_sensitivity"
                _wait(lambda: last in log.read_text(), build, log)
                fill(but=3 * 2**20)
            code = build.wait()
        text = log.read_text()
        assert code != 0, text
        assert project.published.read_bytes() == content
        assert project.fingerprints() == before
        if moment == "before":
            assert ": 0 MB free and a build needs" in text
            assert "Remedy: free some room and build again" in text
        elif moment == "in a model":
            assert "Remedy: the disk is full. Free some room" in text
        else:
            assert "citypanel.duckdb could not be published" in text
            assert "stands as the last successful build left it" in text
            assert "the disk has room for a second copy" in text
            assert not _leftovers(project)
        code, doctor = _doctor(project)
        assert code == 1 and "problem  disk: " in doctor

        ballast.unlink()
        if moment == "in a model":
            result = project.dbt("build")
            assert result.returncode == 0, result.stdout
            assert project.fingerprints() == before


@pytest.mark.slow
def test_where_dbt_cannot_say_why_make_build_lets_the_doctor_speak(workshop, project):
    """dbt reads every seed as UTF-8 before anything else runs, and names no file."""
    binaries = Path(sys.executable).parent
    if not (binaries / "citypanel").exists() or not shutil.which("make"):
        pytest.skip("make, or the command citypanel, is not installed")
    seed = workshop.seed("ref_cities")
    seed.write_bytes(seed.read_text(encoding="utf-8").encode("gb18030"))
    before = workshop.published.read_bytes()
    stamp = workshop.root / ".installed"
    stamp.touch()
    result = subprocess.run(
        ["make", "-f", project / "Makefile", "-o", stamp, "build", f"STAMP={stamp}",
         f"BIN={binaries}"],
        cwd=workshop.root,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert result.returncode != 0
    assert "UnicodeDecodeError" in result.stdout + result.stderr
    assert "problem  seed ref_cities: line 2 is not UTF-8" in result.stdout
    assert "it reads as GBK (GB18030)" in result.stdout
    assert workshop.published.read_bytes() == before


def _cell(change):
    """The first cell of the first row that holds digits alone, changed."""

    def spoil(text):
        rows = list(csv.reader(io.StringIO(text, newline="")))
        for place, cell in enumerate(rows[1]):
            if cell.isascii() and cell.isdigit():
                rows[1][place] = change(cell)
                break
        else:
            rows[1][0] = change(rows[1][0])
        written = io.StringIO()
        csv.writer(written, lineterminator="\n").writerows(rows)
        return written.getvalue()

    return spoil


CELL_DEFECTS = {
    "a year with a decimal": _cell(lambda cell: "2001.5"),
    "full-width digits": _cell(lambda cell: "２０１２"),
    "a letter for a digit": _cell(lambda cell: "2O12"),
}
# Seeds that no other refers to, those referred to, and what these refer to: a refused
# seed keeps the checks of those that refer to it from running.
RANKS = (
    ("ref_provinces",),
    # The declaration is held against the series before anything is loaded.
    ("ref_variables",),
    ("raw_ceic_series_metadata", "ref_cities"),
    None,
)


@pytest.mark.slow
@pytest.mark.parametrize("defect", CELL_DEFECTS)
def test_every_seed_with_an_unusable_cell_is_refused(workshop, defect):
    # The tables of imports are empty until something is imported.
    seeds = sorted(
        path.stem
        for path in workshop.root.glob("seeds/*/*.csv")
        if len(path.read_bytes().splitlines()) > 1
    )
    if defect == "a year with a decimal":
        seeds.remove("ref_units")  # whose first figures may have decimals
    ranked = {name for rank in RANKS if rank for name in rank}
    for rank in RANKS:
        names = rank or [name for name in seeds if name not in ranked]
        sound = {path: path.read_bytes() for path in map(workshop.seed, names)}
        for path, content in sound.items():
            path.write_bytes(CELL_DEFECTS[defect](content.decode()).encode())
        result = workshop.dbt(
            "build", "--select", "resource_type:seed", "test_name:sound_seed"
        )
        assert result.returncode != 0
        for name in names:
            said = (f"Seed {name}: ", f"/{name}.csv lists them")
            assert any(text in result.stdout for text in said), f"{name} passes"
        for path, content in sound.items():
            path.write_bytes(content)


@pytest.mark.slow
def test_seeds_as_a_spreadsheet_saves_them_load_the_same(workshop):
    """A byte order mark and CRLF change no value."""
    sql = "select * from raw.{0} order by all"
    names = sorted(path.stem for path in workshop.root.glob("seeds/*/*.csv"))
    before = {name: workshop.query(sql.format(name)) for name in names}
    for name in names:
        content = workshop.seed(name).read_bytes()
        workshop.seed(name).write_bytes(
            b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n")
        )
    result = workshop.dbt("build", "--select", "resource_type:seed")
    assert result.returncode == 0, result.stdout
    with duckdb.connect(
        str(workshop.root / "target" / "citypanel_build.duckdb"), read_only=True
    ) as connection:
        for name in names:
            after = connection.execute(sql.format(name)).df()
            pd.testing.assert_frame_equal(after, before[name])


@pytest.mark.slow
def test_a_copied_project_loads_its_own_seeds(workshop, tmp_path):
    """dbt keeps where a seed was first seen, in a file that is copied with the rest."""
    result = workshop.dbt("parse", "--no-partial-parse")
    assert result.returncode == 0, result.stdout
    copy = workshop.copy(tmp_path / "copy")
    with workshop.seed("ref_provinces").open("a", encoding="utf-8") as seed:
        seed.write("999999,他处,Elsewhere,eastern\n")
    result = copy.dbt("seed", "--select", "ref_provinces")
    assert result.returncode == 0, result.stdout
    with duckdb.connect(
        str(copy.root / "target" / "citypanel_build.duckdb"), read_only=True
    ) as connection:
        rows = connection.execute("select count(*) from raw.ref_provinces").fetchall()
    assert rows == [(31,)]


def test_a_copied_checkout_does_not_run_the_originals_code(fresh, project, tmp_path):
    """dbt of a copied .venv starts the original's Python, which imports its library."""
    copy = fresh.copy(tmp_path / "copy")
    shutil.copytree(project / "src", copy.root / "src", dirs_exist_ok=True)
    library = copy.root / "src" / "citypanel"
    (library / "capital" / "perpetual_inventory.py").write_text("broken")
    before = {p.name: p.stat().st_mtime_ns for p in copy.root.rglob("*.duckdb")}
    result = copy.dbt("build")
    assert result.returncode != 0
    told = " ".join(result.stdout.split())
    assert f"not this project's {library.resolve()}, and their code differs" in told
    assert "Remedy: run make build here" in told
    after = {p.name: p.stat().st_mtime_ns for p in copy.root.rglob("*.duckdb")}
    assert after == before


@pytest.mark.slow
def test_a_small_disk_under_target_is_refused_before_it_is_full(fresh, tmp_path):
    project = fresh.copy(tmp_path / "project")
    shutil.rmtree(project.root / "target", ignore_errors=True)
    project.published.unlink(missing_ok=True)
    with _mounted(project.root / "target", "-t", "tmpfs", "-o", "size=20m", "tmpfs"):
        result = project.dbt("build")
        code, doctor = _doctor(project)
    assert result.returncode != 0
    told = " ".join(result.stdout.split())
    assert f"{project.root.resolve()}/target: " in told and "a build needs" in told
    assert "Remedy: free some room" in told
    assert code == 1 and "problem  disk: " in doctor
    assert not project.published.exists()


@pytest.mark.slow
def test_from_another_folder_and_with_little_memory_a_build_says_why(fresh, tmp_path):
    elsewhere = type(fresh)(tmp_path / "elsewhere")
    elsewhere.root.mkdir()
    there = ("--project-dir", str(fresh.root), "--profiles-dir", str(fresh.root))
    result = elsewhere.dbt("build", *there)
    assert result.returncode != 0 and "Traceback" not in result.stdout
    assert f"and this is {elsewhere.root}" in " ".join(result.stdout.split())
    assert "Remedy: change to the project's folder" in result.stdout
    assert list(elsewhere.root.iterdir()) == []
    resource = pytest.importorskip("resource")
    project = fresh.copy(tmp_path / "project")
    limit = 1500 * 2**20
    before = resource.getrlimit(resource.RLIMIT_AS)
    result = subprocess.run(
        [sys.executable, "-c",
         "import resource, os, sys\n"
         f"resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))\n"
         "os.execv(sys.argv[1], sys.argv[1:])",
         Path(sys.executable).with_name("dbt"), "--no-use-colors", "build"],
        cwd=project.root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    assert result.returncode != 0 and "Traceback" not in result.stdout
    assert "may use 1,500 MB of address space" in result.stdout
    assert "Remedy: raise the limit" in result.stdout


@pytest.mark.slow
def test_commands_that_write_say_why_they_cannot(built, tmp_path):
    """A read-only root, and a full disk under outputs/."""
    place = built.copy(tmp_path / "place").root
    commands = (
        ["study"], ["tables"], ["export"], ["codebook"], ["report", "--page-only"],
        ["figures", "--format", "png"], ["influence"],
        ["specifications", "--count", "30", "--permutations", "0"],
    )  # fmt: skip

    def said_by(*command):
        result = subprocess.run(
            [sys.executable, "-m", "citypanel.cli", *command],
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 1, result.stderr
        assert "Traceback" not in result.stderr, result.stderr
        for words in ("Consequence: ", "Remedy: "):
            assert words in result.stderr, (command, result.stderr)
        return result.stderr

    with _mounted(place, "--bind", place):
        subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
        for command in commands:
            assert "Read-only file system" in said_by(*command)
    (place / "outputs").mkdir(exist_ok=True)
    with _mounted(place / "outputs", "-t", "tmpfs", "-o", "size=16k", "tmpfs"):
        for command in commands:
            if command != ["influence"]:  # minutes until it writes
                assert "No space left on device" in said_by(*command)
