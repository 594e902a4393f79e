"""The files of a checkout that a replication package takes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from citypanel.errors import OutputError
from citypanel.replication.archive import Member

# What a build and its tests read, and what a reader needs beside it.
PARTS = (
    ".ci", "analyses", "benchmarks", "docs", "expectations", "macros", "models",
    "notebooks", "python_models", "seeds", "src", "studies", "tests",
    ".gitignore", "CHANGELOG.md", "CITATION.cff", "LICENSE", "LICENSE-DATA.md",
    "Makefile", "dbt_project.yml", "profiles.yml", "pyproject.toml",
    "requirements.lock",
)  # fmt: skip
# What decides the numbers: the published file must not be older than these.
BUILD_PARTS = (
    "expectations", "macros", "models", "python_models", "seeds", "src/citypanel",
    "studies", "dbt_project.yml",
)  # fmt: skip
NEEDED = ("dbt_project.yml", "requirements.lock", "seeds", "src", "models")
OUTPUTS = ("tables", "figures", "report")
_LEFT_OUT = ("__pycache__",)
_LEFT_OUT_ENDS = (".pyc", ".pyo", ".tmp", ".swp", "~", ".egg-info")
# The project's own README is about the project; the package's is about the package.
PROJECT_README = "docs/PROJECT.md"


def project_members(root: Path) -> list[Member]:
    """Code, raw tables, lock file and documentation of the project at `root`.

    Hidden files, compiled code and editors' leftovers stay behind. The project's
    README.md comes as docs/PROJECT.md.

    Raises
    ------
    OutputError
        `root` is not the project, or has a link to a file elsewhere.
    """
    missing = [name for name in NEEDED if not (root / name).exists()]
    if missing:
        raise OutputError.of("replication.not_the_root", missing, root=root)
    members = []
    linked = []
    for part in PARTS:
        for path in _files(root / part):
            if path.is_symlink():
                linked.append(path.relative_to(root).as_posix())
                continue
            members.append(_member(root, path))
    if linked:
        raise OutputError.of("replication.links", linked)
    if (root / "README.md").is_file():
        members.append(Member(PROJECT_README, (root / "README.md").read_bytes()))
    return sorted(members, key=lambda member: member.path)


def output_members(root: Path, outputs: Path, database: Path) -> list[Member]:
    """Tables, figures and report under `outputs`, as outputs/... of the package.

    Raises
    ------
    OutputError
        One of them is older than the published file: its numbers may be another
        build's.
    """
    members, stale = [], []
    published = database.stat().st_mtime
    for part in OUTPUTS:
        for path in _files(outputs / part):
            name = f"outputs/{path.relative_to(outputs).as_posix()}"
            if path.stat().st_mtime < published:
                stale.append(name)
            members.append(Member(name, path.read_bytes()))
    if stale:
        raise OutputError.of("replication.stale_outputs", stale)
    return members


def refuse_stale(root: Path, database: Path) -> None:
    """Stop where the published file is older than what it should come from.

    Raises
    ------
    OutputError
        A seed, model or module was changed after the file was published.
    """
    published = database.stat().st_mtime
    newer = [
        path.relative_to(root).as_posix()
        for part in BUILD_PARTS
        for path in _files(root / part)
        if path.stat().st_mtime > published
    ]
    if newer:
        raise OutputError.of("replication.stale_file", newer, name=database.name)


def _member(root: Path, path: Path) -> Member:
    return Member(
        path=path.relative_to(root).as_posix(),
        content=path.read_bytes(),
        is_program=os.access(path, os.X_OK),
    )


def _files(part: Path) -> Iterator[Path]:
    if part.is_file():
        yield part
    elif part.is_dir():
        for path in sorted(part.iterdir()):
            hidden = path.name.startswith(".") or path.name in _LEFT_OUT
            if not hidden and not path.name.endswith(_LEFT_OUT_ENDS):
                yield from _files(path)
