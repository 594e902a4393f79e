"""Python, packages and environment; nothing but the standard library is imported.

What is installed is tried by another process: an import may take seconds, or crash.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from importlib import metadata
from pathlib import Path

from citypanel.doctor import environment
from citypanel.doctor.findings import Finding, Status
from citypanel.errors import WarehouseError
from citypanel.identity import declared_packages, refuse_other_code, running_code

# Without these no build runs, whatever the lock says of the others.
NEEDED = ("dbt-core", "dbt-duckdb", "duckdb", "great-expectations", "numpy", "pandas")

_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+?)\s*(?:;\s*(.*?))?\s*\\?$")
_MOST_NAMED = 10
# What is imported of a package whose own name it is not; dbt's share the folder dbt.
_MODULES = {
    "dbt-core": "dbt.cli.main",
    "dbt-duckdb": "dbt.adapters.duckdb",
    "python-docx": "docx",
    "pyyaml": "yaml",
}
_TRY = """
import importlib, json, sys
failed = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except BaseException as error:
        failed[name] = f"{type(error).__name__}: {error}"
print(json.dumps(failed))
"""


def examine_installation(root: Path) -> list[Finding]:
    """Return the findings on Python, packages, telemetry, environment and code."""
    return [
        _python(root),
        _packages(root),
        _telemetry(root),
        _bytecode(),
        _code(root),
        *_environment(root),
    ]


def _requires_python(root: Path) -> str:
    stated = ""
    if (root / "pyproject.toml").is_file():
        stated = environment.requires_python(root)
    return stated or metadata.metadata("citypanel")["Requires-Python"]


def prove() -> None:
    """End the process with the reasons where an installation does not work."""
    root = Path.cwd()
    findings = [_python(root), _packages(root), _code(root)]
    wrong = [str(each) for each in findings if each.status is Status.PROBLEM]
    sys.exit("\n".join(wrong) or 0)


def _python(root: Path) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    detail = f"{version} ({sys.executable})"
    requires = _requires_python(root)
    problem = environment.python_problem(requires, sys.version_info[:2])
    if problem:
        detail = f"{problem} ({sys.executable})"
        remedy = f"remove .venv; {environment.python_remedy(requires)}"
        return Finding("Python", Status.PROBLEM, detail, remedy)
    return Finding("Python", Status.OK, detail)


def _code(root: Path) -> Finding:
    code = running_code()
    detail = f"{code.version}, {code.digest[:12]}, from {code.folder}"
    try:
        refuse_other_code(root)
    except WarehouseError as error:
        what, _, remedy = str(error).partition("\nRemedy: ")
        return Finding("code", Status.PROBLEM, what, remedy)
    return Finding("code", Status.OK, detail)


def _environment(root: Path) -> list[Finding]:
    """A verdict on .venv, where the project has one."""
    if not (root / environment.VENV).exists() or not (root / "pyproject.toml").exists():
        return []
    trouble = environment.trouble(root)
    if trouble:
        status = Status.WARNING if trouble.startswith("is older") else Status.PROBLEM
        detail = f"the environment {environment.VENV} {trouble}"
        remedy = "run make build: it sets it up again."
        return [Finding("set-up", status, detail, remedy)]
    return [Finding("set-up", Status.OK, f"{environment.VENV} is this folder's own")]


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
    broken = damaged_packages([n for n in locked if n not in missing])
    broken.update(failed_imports([n for n in declared_packages() if n not in missing]))
    if broken:
        whys = _first([f"{name}: {why}" for name, why in broken.items()])
        detail = "\n".join(["installed, but not usable:", *whys])
        remedy = f"remove .venv and {again}."
        return Finding("packages", Status.PROBLEM, detail, remedy)
    if set(missing) & set(NEEDED):
        detail = f"not installed: {_listed(missing)}"
        return Finding("packages", Status.PROBLEM, detail, f"{again}.")
    if missing or other:
        kinds = {"not installed": missing, "another version than the lock's": other}
        detail = "; ".join(f"{k}: {_listed(of)}" for k, of in kinds.items() if of)
        remedy = f"{again} (touch requirements.lock first if it finds nothing to do)."
        return Finding("packages", Status.WARNING, detail, remedy)
    if not locked:
        detail = "there is no requirements.lock to compare with"
        remedy = "restore it: git checkout -- requirements.lock"
        return Finding("packages", Status.WARNING, detail, remedy)
    return Finding("packages", Status.OK, f"{len(locked)} as in requirements.lock")


def damaged_packages(names: list[str]) -> dict[str, str]:
    """Return of which packages files are missing or cut, with a word on them.

    The list of files that a package came with tells; compiled bytecode and what lies
    outside the packages' folder, such as scripts, is left out.
    """
    expected: dict[Path, set[int]] = defaultdict(set)
    owners: dict[Path, list[str]] = defaultdict(list)
    damaged = {}
    for name in names:
        came_with = metadata.distribution(name)
        # `metadata.files` leaves out what is missing, from Python 3.12 on.
        listed = came_with.read_text("RECORD")
        if listed is None:
            damaged[name] = "half installed, it has no list of its files"
            continue
        for file, _, bytes_of in csv.reader(listed.splitlines()):
            if file.endswith(".pyc") or file.startswith(".."):
                continue
            path = Path(str(came_with.locate_file(file)))
            owners[path].append(name)
            if bytes_of:
                expected[path].add(int(bytes_of))
    wrong: dict[str, list[str]] = defaultdict(list)
    for path, names_of_path in owners.items():
        try:
            size = path.stat().st_size
        except OSError:
            what = "missing"
        else:
            # A file of several packages is as one of them brought it.
            if not expected[path] or size in expected[path]:
                continue
            what = "changed"
        wrong[names_of_path[-1]].append(f"{path.name} {what}")
    for name, places in wrong.items():
        rest = f" and {len(places) - 1} more files" if len(places) > 1 else ""
        damaged[name] = f"{places[0]}{rest}"
    return damaged


def failed_imports(names: list[str]) -> dict[str, str]:
    """Return which packages cannot be imported, with the reason; another process tries.

    Parameters
    ----------
    names : list of str
        Installed packages, by the name they are distributed under.
    """
    modules = {_MODULES.get(name, name.replace("-", "_")): name for name in names}
    result = subprocess.run(
        [sys.executable, "-c", _TRY, *modules],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    try:
        failed = json.loads(result.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        last = (result.stderr.strip().splitlines() or ["no word"])[-1]
        return {"Python": f"died while it imported them ({result.returncode}): {last}"}
    return {modules[module]: why for module, why in failed.items()}


def _first(lines: list[str]) -> list[str]:
    rest = len(lines) - _MOST_NAMED
    return lines[:_MOST_NAMED] + ([f"and {rest} more"] if rest > 0 else [])


def _listed(names: list[str]) -> str:
    rest = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _telemetry(root: Path) -> Finding:
    name = "DBT_SEND_ANONYMOUS_USAGE_STATS"
    value = os.environ.get(name, "").lower()
    if value in ("1", "true", "t", "yes", "y", "on"):
        detail = f"{name}={value} in the environment lets dbt send usage statistics"
        return Finding("telemetry", Status.WARNING, detail, f"unset {name}")
    try:
        project = (root / "dbt_project.yml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        project = ""
    if not re.search(r"^\s+send_anonymous_usage_stats:\s*false\b", project, re.M):
        detail = "dbt_project.yml does not switch dbt's usage statistics off"
        remedy = "set send_anonymous_usage_stats: false under flags in dbt_project.yml"
        return Finding("telemetry", Status.WARNING, detail, remedy)
    return Finding("telemetry", Status.OK, "off")


def _bytecode() -> Finding:
    name = "PYTHONDONTWRITEBYTECODE"
    if os.environ.get(name):
        detail = f"{name} is set: dbt starts in twice the time"
        return Finding("environment", Status.WARNING, detail, f"unset {name}")
    return Finding("environment", Status.OK, "bytecode is kept between runs")
