"""The project's folders, disk, database files and seeds."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import duckdb

from citypanel.doctor.findings import Finding, Status
from citypanel.errors import SeedError
from citypanel.files import is_running
from citypanel.warehouse.locks import holders
from citypanel.warehouse.preflight import (
    BUILD_FILE,
    MEMORY_BYTES,
    PUBLISHED_FILE,
    Trouble,
    bytes_cut,
    closed_folders,
    disks,
    file_trouble,
    memory_limit,
    storage_version,
)
from citypanel.warehouse.publish import leftovers, write_ahead_log
from citypanel.warehouse.seed_files import declared_seeds, file_problems
from citypanel.words import Catalogue

SAID = Catalogue("doctor")
_FIRST_PLACES = 10
_MB = 2**20


def _finding(
    status: Status, key: str, lines: Iterable[str] = (), /, **facts: object
) -> Finding:
    """The finding that `words/en/doctor.yml` words: the check, a point, the case."""
    detail, remedy = (
        [SAID(f"{key}.{part}", **facts).en] if f"{key}.{part}" in SAID else []
        for part in ("detail", "remedy")
    )
    detail += lines
    return Finding(key.partition(".")[0], status, "\n".join(detail), "".join(remedy))


def examine_project(root: Path) -> list[Finding]:
    """Return the findings on the project in a folder; nothing in it is changed."""
    if not (root / "dbt_project.yml").is_file():
        return [_finding(Status.PROBLEM, "project.absent", root=root.resolve())]
    return [
        _writing(root),
        _disk(root),
        *_memory(),
        _build_file(root),
        _published_file(root),
        _rests(root),
        *_seeds(root),
    ]


def _writing(root: Path) -> Finding:
    closed = closed_folders(root, root / "outputs")
    for file in (root / "logs" / "dbt.log", root / "target" / "manifest.json"):
        if file.exists() and not os.access(file, os.W_OK):
            closed.append(f"{file.resolve()}: not writable")
    if closed:
        return _finding(Status.PROBLEM, "writing.closed", closed)
    return _finding(Status.OK, "writing.open")


def _disk(root: Path) -> Finding:
    found = disks(root, root / "outputs")
    short = [disk for disk in found if disk.is_short]
    detail = "\n".join(
        SAID(
            "disk.room.detail",
            names=f"{disk.names}: " if len(found) > 1 else "",
            free=disk.free / _MB,
            needed=disk.needed / _MB,
        ).en
        for disk in short or found
    )
    if short:
        return Finding("disk", Status.PROBLEM, detail, SAID("disk.room.remedy").en)
    return Finding("disk", Status.OK, detail)


def _memory() -> list[Finding]:
    """A word on the memory where it is limited."""
    limit = memory_limit()
    if limit is None:
        return []
    told = {"limit": limit / _MB, "needed": MEMORY_BYTES / _MB}
    if limit < MEMORY_BYTES:
        return [_finding(Status.PROBLEM, "memory.short", **told)]
    return [_finding(Status.OK, "memory.limited", **told)]


def _build_file(root: Path) -> Finding:
    path = root / BUILD_FILE
    if not path.exists():
        return _finding(Status.OK, "build file.absent", file=BUILD_FILE)
    trouble = file_trouble(path, read_only=True)
    if trouble is None:
        what = "; ".join(map(str, holders(path)))
        if not what:
            return _sound("build file", path, BUILD_FILE)
    else:
        what = trouble.what
    case = "held" if trouble is None or trouble.is_lock else "broken"
    told = {"file": BUILD_FILE, "what": what, "published": PUBLISHED_FILE}
    return _finding(Status.PROBLEM, f"build file.{case}", **told)


def _published_file(root: Path) -> Finding:
    path = root / PUBLISHED_FILE
    if not path.exists():
        return _finding(Status.OK, "published file.absent", file=PUBLISHED_FILE)
    trouble = file_trouble(path, read_only=True)
    if trouble is None and (cut := bytes_cut(path)):
        trouble = Trouble(f"it was cut short by {cut:,} bytes")
    if trouble is None:
        return _sound("published file", path, PUBLISHED_FILE)
    log = write_ahead_log(path)
    told = {"file": PUBLISHED_FILE, "what": trouble.what, "log": log.name}
    if trouble.is_lock:
        return _finding(Status.WARNING, "published file.held", **told)
    case = "log" if log.exists() and "WAL" in trouble.what else "broken"
    return _finding(Status.PROBLEM, f"published file.{case}", **told)


def _sound(check: str, path: Path, name: Path) -> Finding:
    return _finding(
        Status.OK,
        f"{check}.sound",
        file=name,
        size=path.stat().st_size / _MB,
        storage=storage_version(path),
        duckdb=duckdb.__version__,
    )


def _rests(root: Path) -> Finding:
    """Temporary files that a kill left: of a publication, or of an import."""
    publication = leftovers(root / PUBLISHED_FILE)
    imports = sorted(
        path
        for path in (root / "seeds").glob("**/.*")
        if path.is_file() and re.search(r"[.](\d+|tmp|part)$", path.name)
    )
    rests = [path for path in [*publication, *imports] if not _alive(path)]
    if not rests:
        return _finding(Status.OK, "leftovers.none")
    names = [str(path.relative_to(root)) for path in rests]
    told = {"names": ", ".join(names), "files": " ".join(names)}
    return _finding(Status.WARNING, "leftovers.some", **told)


def _alive(path: Path) -> bool:
    """Whether the process whose number the temporary file carries still runs."""
    found = re.search(r"[.](\d+)([.]wal)?$", path.name)
    return found is not None and is_running(int(found[1]))


def _seeds(root: Path) -> list[Finding]:
    folder = root / "seeds"
    try:
        declared = declared_seeds(folder)
    except SeedError as error:
        what, _, remedy = str(error).partition("\nRemedy: ")
        return [Finding("seeds", Status.PROBLEM, what, remedy)]
    findings = []
    for seed in declared:
        if problems := file_problems(seed):
            shown = problems[:_FIRST_PLACES]
            if len(problems) > len(shown):
                shown.append(f"... and {len(problems) - len(shown)} more")
            remedy = SAID("seeds.wrong.remedy", file=seed.path.relative_to(root)).en
            check, detail = f"seed {seed.path.stem}", "\n".join(shown)
            findings.append(Finding(check, Status.PROBLEM, detail, remedy))
    known = {seed.path for seed in declared}
    strangers = [
        str(path.relative_to(root))
        for path in sorted(folder.glob("**/*.csv"))
        if path not in known and not path.name.startswith(".")
    ]
    if strangers:
        names = ", ".join(strangers)
        findings.append(_finding(Status.WARNING, "seeds.undeclared", names=names))
    return findings or [_finding(Status.OK, "seeds.sound", n=len(declared))]
