"""The library without the warehouse: its wheel in an environment with little else."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from citypanel.identity import declared_packages

LIBRARY = {"joblib", "linearmodels", "numpy", "pandas", "pyyaml", "scipy"}
USE = """
import sys
import numpy as np
import pandas as pd
from citypanel import capital, did, frontier
from citypanel.errors import PanelError

rng = np.random.default_rng(3)
panel = pd.DataFrame(
    [(u, t) for u in range(40) for t in range(2010, 2016)], columns=["unit", "year"]
)
panel["first"] = np.where(panel["unit"] < 20, 2013, np.nan)
panel["treated"] = (panel["year"] >= panel["first"]).astype(float)
panel["y"] = panel["unit"] + 2.0 * panel["treated"] + rng.normal(size=len(panel))
keys = dict(outcome="y", unit="unit", period="year")
effect = did.twfe(panel, treatment="treated", **keys)["estimate"].iloc[0]
cells = did.group_time_att(panel, cohort="first", **keys)
overall = did.aggregate_att(cells)["estimate"].iloc[0]
assert abs(effect - 2.0) < 0.5 and abs(overall - 2.0) < 1.0, (effect, overall)
panel["output"] = np.exp(rng.normal(size=len(panel)))
panel["input"] = np.exp(rng.normal(size=len(panel)))
plans = dict(unit="unit", period="year", outputs=["output"], inputs=["input"])
changes = frontier.malmquist(panel, **plans)
assert np.allclose(changes["tfpch"], changes["effch"] * changes["techch"])
try:
    did.twfe(panel.assign(y="text"), treatment="treated", **keys)
except PanelError as error:
    assert "Remedy" in str(error)
theirs = {name.partition(".")[0] for name in sys.modules}
assert not theirs & set(sys.argv[1:]), sorted(theirs & set(sys.argv[1:]))
"""


def _name(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _needed(names: set[str]) -> dict[str, metadata.Distribution]:
    """Packages with those that they need, as installed here."""
    from packaging.requirements import Requirement

    found: dict[str, metadata.Distribution] = {}
    wanted = {_name(name) for name in names}
    while wanted:
        name = wanted.pop()
        found[name] = metadata.distribution(name)
        for line in found[name].requires or ():
            requirement = Requirement(line)
            if not requirement.marker or requirement.marker.evaluate({"extra": ""}):
                wanted |= {_name(requirement.name)} - set(found)
    return found


@pytest.fixture(scope="module")
def wheel(project, tmp_path_factory) -> Path:
    from flit_core import buildapi

    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        return folder / buildapi.build_wheel(str(folder))


def _environment(root: Path, wheel: Path, packages: set[str]) -> Path:
    """The Python of an environment with the wheel and what the packages need."""
    venv.create(root, with_pip=False)
    folder = next(root.rglob("site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    for distribution in _needed(packages).values():
        for file in distribution.files or ():
            top = file.parts[0]
            if top != ".." and not (folder / top).exists():
                (folder / top).symlink_to(distribution.locate_file(top))
    return root / ("Scripts" if sys.platform == "win32" else "bin") / "python"


@pytest.fixture(scope="module")
def alone(wheel, tmp_path_factory) -> Path:
    return _environment(tmp_path_factory.mktemp("alone"), wheel, LIBRARY)


def _run(python: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-I", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_the_library_is_declared_to_need_little():
    plain = [line for line in metadata.requires("citypanel") if "extra ==" not in line]
    assert {_name(re.split(r"[<>=!~ ;]", line)[0]) for line in plain} == LIBRARY


def test_the_library_runs_where_the_warehouse_is_not(alone, tmp_path):
    rest = ["duckdb", "dbt", "great_expectations", "matplotlib", "jinja2", "openpyxl"]
    for name in rest:
        assert _run(alone, "-c", f"import {name}", cwd=tmp_path).returncode, name
    used = _run(alone, "-W", "error:::citypanel", "-c", USE, *rest, cwd=tmp_path)
    assert used.returncode == 0, used.stderr


@pytest.mark.parametrize("command", ["build", "evaluate x", "tables", "report"])
def test_a_command_names_what_it_lacks(alone, command, tmp_path):
    said = _run(alone, "-m", "citypanel.cli", *command.split(), cwd=tmp_path)
    assert said.returncode == 1
    assert "which is not installed" in said.stderr, said.stderr
    assert "citypanel[warehouse,outputs]" in said.stderr


def test_evaluate_names_what_it_lacks(alone, tmp_path):
    said = _run(alone, "-c", "from citypanel import evaluate", cwd=tmp_path)
    assert "ImportError: citypanel.evaluate needs" in said.stderr, said.stderr


def test_the_wheel_holds_the_library_and_nothing_else(project, wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    source = project / "src"
    ours = {
        path.relative_to(source).as_posix()
        for path in (source / "citypanel").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == ours
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.slow
def test_a_study_of_ones_own_begins_from_the_wheel(wheel, tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    python = _environment(root / "venv", wheel, set(declared_packages()))
    (root / "elsewhere").mkdir()
    script = "from citypanel.examples import zones; zones().to_csv('zones.csv')"
    for arguments in (
        ["-c", script],
        ["-m", "citypanel.cli", "new", "zones", "--panel", "zones.csv"],
        ["-m", "citypanel.cli", "check", "zones"],
    ):
        said = _run(python, *arguments, cwd=root / "elsewhere")
        assert said.returncode == 0, said.stderr
    assert "No mistake found" in said.stdout


@pytest.mark.slow
def test_wheel_and_source_are_fit_for_an_index(project, wheel, tmp_path):
    pytest.importorskip("twine")
    from flit_core import buildapi

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        source = tmp_path / buildapi.build_sdist(str(tmp_path))
    checked = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", wheel, source],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout


def test_what_an_index_reads_is_complete(wheel):
    from packaging.metadata import Metadata

    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith("/METADATA"))
        said = Metadata.from_email(archive.read(name), validate=True)
    assert said.description_content_type == "text/markdown"
    assert said.license_expression == "MIT" and said.summary
    assert {"warehouse", "outputs"} <= set(said.provides_extra)
