"""The files of a checkout that a replication package takes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from citypanel.errors import OutputError
from citypanel.replication.archive import Member
from citypanel.sql import sql_text

if TYPE_CHECKING:
    import duckdb

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
    paths = [path for part in PARTS for path in _files(root / part)]
    linked = [path.relative_to(root).as_posix() for path in paths if path.is_symlink()]
    if linked:
        raise OutputError.of("replication.links", linked)
    members = [
        Member(
            path.relative_to(root).as_posix(),
            path.read_bytes(),
            os.access(path, os.X_OK),
        )
        for path in paths
    ]
    if (root / "README.md").is_file():
        members.append(Member(PROJECT_README, (root / "README.md").read_bytes()))
    return sorted(members, key=lambda member: member.path)


def output_members(outputs: Path, database: Path) -> list[Member]:
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


def refuse_stale(
    root: Path,
    database: Path,
    connection: duckdb.DuckDBPyConnection | None = None,
) -> None:
    """Stop where the published file does not come from what stands beside it.

    Seeds are compared with the tables they became, cell by cell, through a connection
    to the file; of everything else the published file must not be older.

    Raises
    ------
    OutputError
        A seed holds something else than its table, or a model or module was changed
        after the file was published.
    """
    seeds = [path for path in _files(root / "seeds") if path.suffix == ".csv"]
    compared = {
        path: same
        for path in seeds
        if connection and (same := _is_table(path, connection)) is not None
    }
    other = [
        path.relative_to(root).as_posix() for path, same in compared.items() if not same
    ]
    if other:
        raise OutputError.of("replication.other_seeds", other, name=database.name)
    published = database.stat().st_mtime
    newer = [
        path.relative_to(root).as_posix()
        for part in BUILD_PARTS
        for path in _files(root / part)
        if path.stat().st_mtime > published and path not in compared
    ]
    if newer:
        raise OutputError.of("replication.stale_file", newer, name=database.name)


def _is_table(path: Path, connection: duckdb.DuckDBPyConnection) -> bool | None:
    """Whether a seed's file and its table hold the same cells; None without a table."""
    import duckdb

    table = f'raw."{path.stem}"'
    try:
        names = [row[0] for row in connection.execute(f"describe {table}").fetchall()]
    except duckdb.Error:
        return None
    columns = ", ".join(f"'{name}': 'varchar'" for name in names)
    # As macros/load_seed.sql reads it.
    rows = (
        f"select * from read_csv({sql_text(path)}, header = true, "
        "delim = ',', quote = '\"', escape = '\"', nullstr = '', all_varchar = true, "
        f"auto_detect = false, columns = {{{columns}}})"
    )
    try:
        return not connection.execute(
            f"select 1 from (({rows} except all from {table}) union all "
            f"(from {table} except all {rows})) limit 1"
        ).fetchall()
    except duckdb.Error:
        return False


def _files(part: Path) -> Iterator[Path]:
    if part.is_file():
        yield part
    elif part.is_dir():
        for path in sorted(part.iterdir()):
            hidden = path.name.startswith(".") or path.name == "__pycache__"
            if not hidden and not path.name.endswith(_LEFT_OUT_ENDS):
                yield from _files(path)
