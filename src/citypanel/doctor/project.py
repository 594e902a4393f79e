"""The project's folders, disk, database files and seeds."""

from __future__ import annotations

import os
import re
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

_FIRST_PLACES = 10
_MB = 2**20


def examine_project(root: Path) -> list[Finding]:
    """Return the findings on the project in a folder; nothing in it is changed."""
    if not (root / "dbt_project.yml").is_file():
        return [
            Finding(
                "project",
                Status.PROBLEM,
                f"there is no dbt_project.yml in {root.resolve()}",
                "change to the folder of the project and run the command there.",
            )
        ]
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
        return Finding(
            "writing",
            Status.PROBLEM,
            "\n".join(["a build cannot write here:", *closed]),
            "give yourself the right to write there (ls -ld shows whose they are), or "
            "copy the project to a folder of your own.",
        )
    return Finding("writing", Status.OK, "the project's folders are writable")


def _disk(root: Path) -> Finding:
    found = disks(root, root / "outputs")
    short = [disk for disk in found if disk.is_short]
    detail = "\n".join(
        (f"{disk.names}: " if len(found) > 1 else "")
        + f"{disk.free / _MB:,.0f} MB free, a build needs {disk.needed / _MB:,.0f} MB"
        for disk in short or found
    )
    if short:
        return Finding(
            "disk",
            Status.PROBLEM,
            detail,
            "free some room; target/ and logs/ may be removed at any time.",
        )
    return Finding("disk", Status.OK, detail)


def _memory() -> list[Finding]:
    """A word on the memory where it is limited."""
    limit = memory_limit()
    if limit is None:
        return []
    detail = (
        f"this process may use {limit / _MB:,.0f} MB of address space, a build needs "
        f"{MEMORY_BYTES / _MB:,.0f} MB"
    )
    if limit < MEMORY_BYTES:
        remedy = "raise the limit: ulimit -v unlimited"
        return [Finding("memory", Status.PROBLEM, detail, remedy)]
    return [Finding("memory", Status.OK, detail)]


def _build_file(root: Path) -> Finding:
    path = root / BUILD_FILE
    if not path.exists():
        return Finding("build file", Status.OK, f"no {BUILD_FILE} yet")
    trouble = file_trouble(path, read_only=True)
    if trouble is None:
        readers = holders(path)
        if not readers:
            return Finding("build file", Status.OK, _described(path, BUILD_FILE))
        trouble_detail = "; ".join(map(str, readers))
    elif trouble.is_lock:
        trouble_detail = trouble.what
    else:
        return Finding(
            "build file",
            Status.PROBLEM,
            f"{BUILD_FILE} cannot be used: {trouble.what}",
            f"remove it (rm -rf {BUILD_FILE} {BUILD_FILE}.wal) and build again: a "
            "build makes it anew from the seeds.",
        )
    return Finding(
        "build file",
        Status.PROBLEM,
        f"{BUILD_FILE} is held by {trouble_detail}",
        "a running build: wait for it to end. Anything else: close it, and read "
        f"{PUBLISHED_FILE} instead, which never blocks a build.",
    )


def _published_file(root: Path) -> Finding:
    path = root / PUBLISHED_FILE
    if not path.exists():
        return Finding("published file", Status.OK, f"no {PUBLISHED_FILE} yet")
    trouble = file_trouble(path, read_only=True)
    if trouble is None and (cut := bytes_cut(path)):
        trouble = Trouble(f"it was cut short by {cut:,} bytes")
    if trouble is None:
        return Finding("published file", Status.OK, _described(path, PUBLISHED_FILE))
    if trouble.is_lock:
        return Finding(
            "published file",
            Status.WARNING,
            f"{PUBLISHED_FILE} is held by {trouble.what}; nobody else can read it, a "
            "build goes on all the same",
            f"open it to read only: duckdb -readonly {PUBLISHED_FILE}, or "
            "read_only=True in Python.",
        )
    log = write_ahead_log(path)
    if log.exists() and "WAL" in trouble.what:
        return Finding(
            "published file",
            Status.PROBLEM,
            f"{PUBLISHED_FILE} cannot be read: {log.name} beside it holds changes that "
            "somebody made to an earlier file",
            f"close whatever has an earlier {PUBLISHED_FILE} open for writing, then "
            f"remove {log.name}; the published file itself is whole.",
        )
    return Finding(
        "published file",
        Status.PROBLEM,
        f"{PUBLISHED_FILE} cannot be used: {trouble.what}",
        "run a build (make build): it puts a new file in its place.",
    )


def _described(path: Path, name: Path) -> str:
    return (
        f"{name}, {path.stat().st_size / _MB:,.1f} MB, storage version "
        f"{storage_version(path)}, opened with DuckDB {duckdb.__version__}"
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
    if rests:
        names = [str(path.relative_to(root)) for path in rests]
        return Finding(
            "leftovers",
            Status.WARNING,
            f"of a publication or an import that was killed: {', '.join(names)}",
            "nothing reads them; the next full build removes those of a publication, "
            f"or: rm {' '.join(names)}. Run an import again: the seed beside the "
            "leftover is as it was before.",
        )
    return Finding("leftovers", Status.OK, "none of a killed publication or import")


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
        problems = file_problems(seed)
        if problems:
            shown = problems[:_FIRST_PLACES]
            if len(problems) > len(shown):
                shown.append(f"... and {len(problems) - len(shown)} more")
            findings.append(
                Finding(
                    f"seed {seed.path.stem}",
                    Status.PROBLEM,
                    "\n".join(shown),
                    f"correct {seed.path.relative_to(root)} against its source; git "
                    "diff shows what changed since it was last committed.",
                )
            )
    known = {seed.path for seed in declared}
    strangers = [
        str(path.relative_to(root))
        for path in sorted(folder.glob("**/*.csv"))
        if path not in known and not path.name.startswith(".")
    ]
    if strangers:
        findings.append(
            Finding(
                "seeds",
                Status.WARNING,
                f"without a declaration, so that nothing checks them: "
                f"{', '.join(strangers)}",
                "declare columns and sound_seed in the YAML file of the folder, as "
                "beside the other seeds, or move them out of seeds/.",
            )
        )
    if not findings:
        findings.append(
            Finding(
                "seeds",
                Status.OK,
                f"{len(declared)} files are UTF-8 and have the declared columns",
            )
        )
    return findings
