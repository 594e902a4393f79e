"""Real builds of the project, as subprocesses, in directories of their own."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pandas as pd
import pytest

PARTS = (
    "analyses", "expectations", "macros", "models", "python_models", "seeds",
    "src/citypanel/skeleton", "studies", "tests/generic", "tests/singular",
    "dbt_project.yml", "profiles.yml",
)  # fmt: skip


@dataclass(frozen=True)
class Project:
    """A copy of the project that tests may build and break, and a file of its."""

    root: Path
    file: str = "citypanel.duckdb"

    def dbt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run dbt as a person would, and return what it printed."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("DBT_") and name != "PYTHONDONTWRITEBYTECODE"
        }
        return subprocess.run(
            [Path(sys.executable).with_name("dbt"), "--no-use-colors", *arguments],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def published(self) -> Path:
        return self.root / self.file

    def published_by(self, result: subprocess.CompletedProcess[str]) -> Project:
        """The project with the file that a build says it has published."""
        said = re.search(r"published (\S+) \(run \w+, options ", result.stdout)
        assert said, result.stdout[-3000:]
        return replace(self, file=said[1])

    def query(self, sql: str) -> pd.DataFrame:
        """Read the published file."""
        with duckdb.connect(str(self.published), read_only=True) as connection:
            return connection.sql(sql).df()

    def fingerprints(self) -> dict[str, str]:
        """sha256 of every mart and quality table, rows in the order of their key."""
        with duckdb.connect(str(self.published), read_only=True) as connection:
            tables = connection.execute(
                "select schema_name || '.' || table_name from duckdb_tables() "
                "where schema_name in ('marts', 'quality') order by all"
            ).fetchall()
            return {
                table: hashlib.sha256(
                    repr(
                        connection.execute(
                            f"select * from {table} order by all"
                        ).fetchall()
                    ).encode()
                ).hexdigest()
                for (table,) in tables
            }

    def seed(self, name: str) -> Path:
        return next(self.root.glob(f"seeds/*/{name}.csv"))

    def copy(self, root: Path) -> Project:
        """A copy of this project, with what it has built."""
        shutil.copytree(self.root, root)
        return Project(root)


@pytest.fixture(scope="session")
def fresh(project, tmp_path_factory) -> Project:
    """The project without anything built."""
    root = tmp_path_factory.mktemp("project")
    for part in PARTS:
        source, destination = project / part, root / part
        destination.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, destination)
        else:
            shutil.copy(source, destination)
    return Project(root)


@pytest.fixture(scope="session")
def built(fresh, worker_id, tmp_path_factory) -> Project:
    """The project after one full build; tests read it and do not change it."""
    if worker_id == "master":
        return _build(fresh)
    # Whichever worker comes first builds, and each has a copy.
    shared = tmp_path_factory.getbasetemp().parent / "built"
    finished, failed = shared.with_suffix(".done"), shared.with_suffix(".failed")
    try:
        shared.mkdir()
    except FileExistsError:
        while not finished.exists():
            assert not failed.exists(), "the build failed in the other worker"
            time.sleep(0.2)
    else:
        try:
            shutil.copytree(fresh.root, shared, dirs_exist_ok=True)
            _build(Project(shared))
        except BaseException:
            failed.touch()
            raise
        finished.touch()
    return Project(shared).copy(tmp_path_factory.mktemp("built") / "project")


def _build(project: Project) -> Project:
    result = project.dbt("build")
    assert result.returncode == 0, result.stdout
    return project


@pytest.fixture
def workshop(built, tmp_path) -> Project:
    """A built copy of its own for a test that changes things."""
    return built.copy(tmp_path / "project")
