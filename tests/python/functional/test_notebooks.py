"""The notebooks run on a build, and are committed with what it shows."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support import notebooks

NOTEBOOKS = ("first_look", "your_own_policy")


def _run(name, monkeypatch, root):
    """Run a notebook in a folder; return it with its outputs, and what it defined."""
    monkeypatch.chdir(root)
    notebook = notebooks.read(name)
    defined = notebooks.run(notebook)
    defined["plt"].close("all")
    return notebook, defined


def test_there_are_two(project):
    found = {path.stem for path in (project / "notebooks").glob("*.ipynb")}
    assert found == set(NOTEBOOKS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_committed_with_what_it_shows(name):
    notebook = notebooks.read(name)
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    identities = [cell["id"] for cell in notebook["cells"]]
    assert len(set(identities)) == len(identities)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert len(notebooks.texts(notebook)) >= 6
    kinds = {kind for c in code for o in c["outputs"] for kind in o.get("data", ())}
    assert "image/png" in kinds
    assert not any(o["output_type"] == "error" for c in code for o in c["outputs"])


def _as_committed(name, notebook) -> None:
    """The outputs are those of this run; the list of tables grows with the project."""
    then, now = (
        [t for t in notebooks.texts(n) if "table_name" not in t]
        for n in (notebooks.read(name), notebook)
    )
    assert then == now


@pytest.mark.slow
def test_the_first_look_finds_the_published_headline(built, monkeypatch):
    notebook, seen = _run("first_look", monkeypatch, built.root)
    _as_committed("first_look", notebook)
    assert len(seen["tables"]) >= 21
    assert (seen["tables"]["grain"] != "").all()
    for name in ("estimate", "std_error", "p_value"):
        assert np.isclose(seen["estimate"][name], seen["published"][name], atol=1e-10)
    assert seen["hangzhou"]["sydid"].tolist() == [0.0] * 4 + [1.0] * 5
    assert seen["levels"].notna().all().all()


@pytest.mark.slow
def test_your_own_policy_finds_nothing_in_its_placebo(built, monkeypatch):
    (built.root / "notebooks").mkdir(exist_ok=True)
    folder = built.root / "notebooks"
    notebook, seen = _run("your_own_policy", monkeypatch, folder)
    _as_committed("your_own_policy", notebook)
    assert (seen["n_treated"], seen["n_control"]) == (13, 26)
    overall, lots = seen["overall"], seen["lots"].iloc[0]
    assert overall["n_obs"] == 39 * 8
    # Nothing happened to them: an effect would say that the method finds what is not.
    assert overall["p_value"] > 0.05
    assert lots["p_value"] > 0.05
    assert np.isclose(lots["estimate"], overall["estimate"])
    assert len(seen["mean_effect"]) >= 1
