"""The worked examples of CONTRIBUTING.md: how many files they touch; that they work."""

from __future__ import annotations

import re
import runpy

import numpy as np
import pandas as pd
import pytest
import yaml

from citypanel import did, words
from citypanel.did import study as tables

# What an addition may touch.
FILES = {
    "Add a labour measure": 2,
    "Exclude a group of cities": 1,
    "Add an estimator": 5,
}


@pytest.fixture(scope="module")
def sections(project) -> dict[str, str]:
    text = (project / "CONTRIBUTING.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _files(section: str) -> list[str]:
    return re.findall(r"`([^`]+)`", re.search(r"Files: (.+?)\n\n", section, re.S)[1])


def _example(section: str) -> tuple[str, dict]:
    """Where an example goes, and what it adds."""
    text = re.search(r"```yaml\n# ([^\n]+)\n(.+?)```", section, re.S)
    return text[1], yaml.safe_load(text[2])


@pytest.mark.parametrize("title", FILES)
def test_an_addition_touches_few_files(project, sections, title):
    if not (project / "studies").is_dir() and title != "Add an estimator":
        pytest.skip("no study is declared in a file yet")
    files = _files(sections[title])
    assert len(files) == len(set(files)) == FILES[title]
    for name in files:
        assert (project / name).is_file() or "new_" in name, name
    where, _ = _example(sections[title])
    assert where.partition(":")[0] in files


@pytest.mark.parametrize("title", ["Add a labour measure", "Exclude a group of cities"])
def test_an_example_of_a_declaration_works(project, sections, title):
    declaration = pytest.importorskip("citypanel.study.declaration")
    path = project / "studies" / "pilot_zones" / "study.yml"
    before = yaml.safe_load(path.read_text(encoding="utf-8"))
    after = yaml.safe_load(path.read_text(encoding="utf-8"))
    where, added = _example(sections[title])
    place = after
    for name in where.partition(": ")[2].split(", "):
        place = place[name]
    place |= added
    old, new = declaration.Declaration(before), declaration.Declaration(after)
    (name,) = added
    if title == "Add a labour measure":
        value = new.options["labour_measure"].value(name)
        assert value.reason and value.formula is not None
        assert old.options["labour_measure"].value(name) is None
    else:
        assert name in new.exclusions and name not in old.exclusions
        assert new.checked("excluded_cities", [name]) == (name,)
    # The pages that are made of the declaration are among the files of the example.
    from tests.support import reference_pages

    if reference_pages.options_page(new) != reference_pages.options_page(old):
        assert "docs/reference/options.md" in _files(sections[title])


def test_an_estimator_of_did_is_in_the_table_of_estimators(monkeypatch, sections):
    _, added = _example(sections["Add an estimator"])
    for said in added.values():
        assert {*said} == {"label", "short"}
        assert {*said["label"]} == {*said["short"]} == set(words.LANGUAGES)
    declared = words.load(words.FOLDER / "estimators.yml")
    assert tuple(declared) == tables.ESTIMATORS
    assert all(callable(getattr(did, name)) for name in declared)
    rng = np.random.default_rng(3)
    rows = [
        (unit, year, 2014 if unit < 6 else 0, rng.normal())
        for unit in range(14)
        for year in range(2010, 2018)
    ]
    panel = pd.DataFrame(rows, columns=["city_id", "year", "cohort", "y"])
    panel["sydid"] = (panel["cohort"] > 0) & (panel["year"] >= panel["cohort"])
    panel["sydid"] = panel["sydid"].astype(float)
    (name,) = added
    monkeypatch.setattr(did, name, did.imputation, raising=False)
    monkeypatch.setattr(tables, "ESTIMATORS", (*tables.ESTIMATORS, name))
    found = tables.att_table(
        panel, treatment="sydid", outcomes=["y"], estimators=[name]
    )
    known = tables.att_table(
        panel, treatment="sydid", outcomes=["y"], estimators=["imputation"]
    )
    pd.testing.assert_frame_equal(found, known)


def test_the_reference_is_written_by_the_command_that_the_page_names(project, sections):
    assert "python -m docs.reference.write_pages" in sections["Add a labour measure"]
    pages = runpy.run_path(str(project / "docs" / "reference" / "write_pages.py"))
    assert "options.md" in pages["pages"](project)
