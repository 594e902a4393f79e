"""The notebooks run on a build, and are committed without their outputs."""

from __future__ import annotations

import json

import numpy as np
import pytest

NOTEBOOKS = ("first_look", "your_own_policy")


def _notebook(project, name):
    path = project / "notebooks" / f"{name}.ipynb"
    return json.loads(path.read_text(encoding="utf-8"))


def _run(project, name, monkeypatch, root):
    """Run the code cells in order, as a kernel would; return what they defined."""
    import matplotlib

    monkeypatch.chdir(root)
    with matplotlib.rc_context():
        matplotlib.use("Agg", force=True)
        defined: dict = {}
        for place, cell in enumerate(_notebook(project, name)["cells"]):
            if cell["cell_type"] == "code":
                source = "".join(cell["source"])
                exec(compile(source, f"{name}, cell {place}", "exec"), defined)
        defined["plt"].close("all")
    return defined


def test_there_are_two(project):
    found = {path.stem for path in (project / "notebooks").glob("*.ipynb")}
    assert found == set(NOTEBOOKS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_outputs_are_stripped(project, name):
    notebook = _notebook(project, name)
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    identities = [cell["id"] for cell in notebook["cells"]]
    assert len(set(identities)) == len(identities)
    for cell in notebook["cells"]:
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


@pytest.mark.slow
def test_the_first_look_finds_the_published_headline(project, built, monkeypatch):
    seen = _run(project, "first_look", monkeypatch, built.root)
    assert len(seen["tables"]) >= 21
    assert (seen["tables"]["grain"] != "").all()
    for name in ("estimate", "std_error", "p_value"):
        assert np.isclose(seen["estimate"][name], seen["published"][name], atol=1e-10)
    assert seen["hangzhou"]["sydid"].tolist() == [0.0] * 4 + [1.0] * 5
    assert seen["levels"].notna().all().all()


@pytest.mark.slow
def test_your_own_policy_finds_nothing_in_its_placebo(project, built, monkeypatch):
    (built.root / "notebooks").mkdir(exist_ok=True)
    seen = _run(project, "your_own_policy", monkeypatch, built.root / "notebooks")
    assert (seen["n_treated"], seen["n_control"]) == (13, 26)
    overall, lots = seen["overall"], seen["lots"].iloc[0]
    assert overall["n_obs"] == 39 * 8
    # Nothing happened to them: an effect would say that the method finds what is not.
    assert overall["p_value"] > 0.05
    assert lots["p_value"] > 0.05
    assert np.isclose(lots["estimate"], overall["estimate"])
    assert len(seen["mean_effect"]) >= 1
