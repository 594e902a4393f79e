"""What every test of the library shares."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SHARED = PROJECT.parent / "shared"


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of this checkout."""
    return PROJECT


@pytest.fixture(scope="session")
def references() -> Path:
    """Results of other people's software, read in place; absent for most users."""
    folder = SHARED / "references"
    if not folder.is_dir():
        pytest.skip("reference results (../shared/references) are not on this machine")
    return folder


@pytest.fixture
def seeded(project, tmp_path) -> Path:
    """A folder with the project's seeds, for importers to read and write."""
    root = tmp_path / "seeded"
    shutil.copytree(project / "seeds", root / "seeds")
    shutil.copy(project / "dbt_project.yml", root)
    return root


@pytest.fixture(scope="session")
def raw_files() -> Path:
    """Other people's tables, read in place; absent for most users."""
    folder = SHARED / "data" / "raw_files"
    if not folder.is_dir():
        pytest.skip("raw tables (../shared/data/raw_files) are not on this machine")
    return folder
