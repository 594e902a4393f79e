"""What a package was made with: options, versions, commit, digests; no clock."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from citypanel.replication.archive import Member

if TYPE_CHECKING:
    import duckdb

PACKAGES = (
    "citypanel", "dbt-core", "dbt-duckdb", "duckdb", "great-expectations", "joblib",
    "linearmodels", "numpy", "pandas", "scipy",
)  # fmt: skip
_NOT_OPTIONS = ("variant", "variant_order")


def manifest(
    *,
    options: Mapping[str, object],
    members: Sequence[Member],
    tables: Mapping[str, Mapping],
    commit: Mapping[str, object],
) -> dict:
    """Compose the manifest, in an order that does not change.

    Parameters
    ----------
    options : mapping
        From `options_of`.
    members : sequence of Member
        Files of the package; the digests of the raw tables are taken.
    tables : mapping
        From `fingerprints`.
    commit : mapping
        From `commit_of`.
    """
    return {
        "citypanel": _version("citypanel"),
        "commit": dict(commit),
        "options": dict(options),
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in PACKAGES},
        },
        "inputs": {each.path: each.sha256 for each in members if is_input(each.path)},
        "tables": dict(tables),
    }


def is_input(path: str) -> bool:
    """Whether a file of the package is a raw table."""
    return path.startswith("seeds/") and path.endswith(".csv")


def options_of(
    connection: duckdb.DuckDBPyConnection, defaults: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, object]]:
    """Options the file was built with, and those that are not the defaults.

    Parameters
    ----------
    connection : DuckDBPyConnection
    defaults : mapping
        Every option's default.

    Returns
    -------
    dict, dict
        All options as dim_study_variants has them; and those to give in --vars, typed
        like the defaults.
    """
    cursor = connection.execute(
        "select * from marts.dim_study_variants where variant = 'headline'"
    )
    names = [column[0] for column in cursor.description]
    built = dict(zip(names, cursor.fetchall()[0], strict=True))
    options = {name: value for name, value in built.items() if name not in _NOT_OPTIONS}
    changed = {
        name: _like(value, defaults[name])
        for name, value in options.items()
        if name in defaults and _as_text(value) != _as_text(defaults[name])
    }
    return options, changed


def commit_of(root: Path) -> dict[str, object]:
    """The git commit of the checkout, and what differs from it.

    Nulls where `root` is not the top of a git repository, or git is not there.

    Returns
    -------
    dict
        git_commit, has_uncommitted_changes, and changed_inputs: raw tables that are
        new or not those of the commit.
    """
    names = ("git_commit", "has_uncommitted_changes", "changed_inputs")
    nothing: dict[str, object] = dict.fromkeys(names)
    if not (root / ".git").exists():
        return nothing
    try:
        head, status = (
            subprocess.run(
                ["git", "-C", str(root), "-c", "core.quotePath=false", *arguments],
                capture_output=True,
                text=True,
                check=True,
                timeout=30,
            ).stdout.rstrip()
            for arguments in (
                ["rev-parse", "HEAD"],
                ["status", "--porcelain", "--untracked-files=all", "--no-renames"],
            )
        )
    except (OSError, subprocess.SubprocessError):
        return nothing
    changed = sorted(line[3:].strip('"') for line in status.splitlines())
    inputs = [path for path in changed if is_input(path)]
    return dict(zip(names, (head, bool(changed), inputs), strict=True))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _as_text(value: object) -> str:
    """An option as dim_study_variants writes it."""
    if isinstance(value, (list, tuple)):
        return ", ".join(str(each) for each in value)
    text = str(value if value is not None else "")
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number or re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        return repr(float(text))
    return text


def _like(value: object, default: object) -> object:
    if isinstance(default, (list, tuple)):
        parts = [part.strip() for part in str(value).split(",") if part.strip()]
        return [int(part) if part.isdigit() else part for part in parts]
    if isinstance(default, bool):
        return str(value) == "True"
    return value
