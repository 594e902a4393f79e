"""What every test of the library shares."""

from __future__ import annotations

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
