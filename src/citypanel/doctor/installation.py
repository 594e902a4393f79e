"""Python, packages and environment; nothing but the standard library is imported."""

from __future__ import annotations

import os
import re
import sys
from importlib import metadata
from pathlib import Path

from citypanel.doctor.findings import Finding, Status

OLDEST_PYTHON = (3, 11)
# Without these no build runs, whatever the lock says of the others.
NEEDED = ("dbt-core", "dbt-duckdb", "duckdb", "great-expectations", "numpy", "pandas")

_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+?)\s*(?:;\s*(.*?))?\s*\\?$")
_MOST_NAMED = 10


def examine_installation(root: Path) -> list[Finding]:
    """Return the findings on Python, packages, telemetry and the environment."""
    return [_python(), _packages(root), _telemetry(root), _bytecode()]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    detail = f"{version} ({sys.executable})"
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Finding(
            "Python",
            Status.PROBLEM,
            f"{detail}; {'.'.join(map(str, OLDEST_PYTHON))} or newer is needed",
            "install a newer one, remove .venv and run: make PYTHON=python3.11 build",
        )
    return Finding("Python", Status.OK, detail)


def locked_versions(lock: str) -> dict[str, str]:
    """Return the versions that apply here of a requirements.lock, by package."""
    versions = {}
    for line in lock.splitlines():
        found = _PIN.match(line.strip())
        if found and _applies(found[3]):
            versions[found[1]] = found[2]
    return versions


def _applies(marker: str | None) -> bool:
    if not marker:
        return True
    try:
        from packaging.markers import Marker
    except ImportError:
        return False
    return Marker(marker).evaluate()


def _packages(root: Path) -> Finding:
    try:
        locked = locked_versions((root / "requirements.lock").read_text("utf-8"))
    except (OSError, ValueError):
        locked = {}
    missing, other = [], []
    for name in dict.fromkeys([*NEEDED, *locked]):
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if name in locked and installed != locked[name]:
            other.append(f"{name} {installed} (locked: {locked[name]})")
    again = "run make build: it installs what requirements.lock names"
    if set(missing) & set(NEEDED):
        return Finding(
            "packages",
            Status.PROBLEM,
            f"not installed: {_listed(missing)}",
            f"{again}.",
        )
    if missing or other:
        return Finding(
            "packages",
            Status.WARNING,
            "; ".join(
                f"{kind}: {_listed(names)}"
                for kind, names in (
                    ("not installed", missing),
                    ("another version than the lock's", other),
                )
                if names
            ),
            f"{again} (touch requirements.lock first if it finds nothing to do).",
        )
    if not locked:
        return Finding(
            "packages",
            Status.WARNING,
            "there is no requirements.lock to compare with",
            "restore it: git checkout -- requirements.lock",
        )
    return Finding("packages", Status.OK, f"{len(locked)} as in requirements.lock")


def _listed(names: list[str]) -> str:
    rest = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _telemetry(root: Path) -> Finding:
    name = "DBT_SEND_ANONYMOUS_USAGE_STATS"
    value = os.environ.get(name, "").lower()
    if value in ("1", "true", "t", "yes", "y", "on"):
        return Finding(
            "telemetry",
            Status.WARNING,
            f"{name}={value} in the environment lets dbt send usage statistics",
            f"unset {name}",
        )
    try:
        project = (root / "dbt_project.yml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        project = ""
    if not re.search(r"^\s+send_anonymous_usage_stats:\s*false\b", project, re.M):
        return Finding(
            "telemetry",
            Status.WARNING,
            "dbt_project.yml does not switch dbt's usage statistics off",
            "set send_anonymous_usage_stats: false under flags in dbt_project.yml",
        )
    return Finding("telemetry", Status.OK, "off")


def _bytecode() -> Finding:
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        return Finding(
            "environment",
            Status.WARNING,
            "PYTHONDONTWRITEBYTECODE is set: dbt starts in twice the time",
            "unset PYTHONDONTWRITEBYTECODE",
        )
    return Finding("environment", Status.OK, "bytecode is kept between runs")
