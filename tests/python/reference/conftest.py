"""Results of other people's software, laid out for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support import validation


@pytest.fixture(scope="session")
def references(project, tmp_path_factory) -> Path:
    """Every set of results that is shipped, and what lies beside the project."""
    folder = tmp_path_factory.mktemp("references")
    validation.unpack(folder, project.parent / "shared" / "references")
    return folder


@pytest.fixture(autouse=True)
def _counted(request):
    """Count what a test compares under the names in its marker."""
    marker = request.node.get_closest_marker("compares")
    validation.LEDGER.current = marker.args if marker else None
    validation.LEDGER.test = request.node.name
    yield
    validation.LEDGER.current = None
