"""Which study a run is about, and what keeps one study from another's tables."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import duckdb
import pytest

from citypanel.commands.build import with_study
from citypanel.errors import CityPanelError, PublicationError
from citypanel.warehouse.ledger import Ledger
from citypanel.warehouse.published import (
    Publication,
    published_file,
    refuse_destination,
    write_record,
)
from citypanel.warehouse.studies import ChosenStudy, check_file, check_kind, choose


@pytest.fixture
def root(tmp_path):
    for name, text in (("on_seeds", "extends: pilot_zones"), ("own", "panel: p.csv")):
        (tmp_path / "studies" / name).mkdir(parents=True)
        (tmp_path / "studies" / name / "study.yml").write_text(text)
    return tmp_path


def test_what_extends_another_study_is_told_apart(root):
    assert choose(root, "own").brings_panel
    assert not choose(root, "on_seeds").brings_panel


@pytest.mark.parametrize(
    ("name", "words"),
    [("", "dbt build --vars '{study: NAME}'"), ("onw", "did you mean own?")],
)
def test_a_study_that_is_not_there_is_named(root, name, words):
    with pytest.raises(CityPanelError, match="nothing was built") as raised:
        choose(root, name)
    assert words in str(raised.value)


def test_the_digest_follows_the_panel(root):
    study = choose(root, "own")
    before = study.digest()
    (root / "studies" / "own" / "study.yml").write_text("panel: ../../p.csv")
    (root / "p.csv").write_text("a\n1\n")
    beside = ChosenStudy("own", study.folder)
    assert beside.digest() != before
    before = beside.digest()
    (root / "p.csv").write_text("a\n2\n")
    assert beside.digest() != before


@pytest.mark.parametrize(
    ("name", "builds", "words"),
    [("own", False, "{study: own}"), ("on_seeds", True, "extends: pilot_zones}")],
)
def test_models_of_the_other_kind_are_refused(root, name, builds, words):
    check_kind(choose(root, name), builds_panels=not builds)
    with pytest.raises(CityPanelError, match=words):
        check_kind(choose(root, name), builds_panels=builds)


def test_a_variable_or_file_of_another_study_is_refused(root):
    study = choose(root, "own")
    check_file(study, named="", file="f", holds=None)
    check_file(study, named="own", file="f", holds="own")
    with pytest.raises(CityPanelError, match="name it on the command line"):
        check_file(study, named="other", file="f", holds=None)
    with pytest.raises(CityPanelError, match="holds the study other"):
        check_file(study, named="own", file="f", holds="other")


def test_a_build_file_remembers_its_study():
    with duckdb.connect() as connection:
        ledger = Ledger(connection, "memory")
        ledger.open()
        assert ledger.study() is None
        ledger.hold("own")
        ledger.hold("other")
        assert ledger.study() == "own"


def test_no_study_publishes_over_another(root):
    record = Publication(
        run_id="1", published_at=datetime(2026, 1, 1), target="build",
        options_sha256="", options=json.dumps({"study": "own"}), options_changed="{}",
        code_version="", code_sha256="", nodes_sha256="", software="{}",
    )  # fmt: skip
    path = root / "own.duckdb"
    with duckdb.connect() as connection:
        connection.execute(f"attach '{path}' as file")
        write_record(connection, "file", record, [])
    options = dict(root=root, target="build", is_named=True)
    refuse_destination(path, study="own", **options)
    with pytest.raises(PublicationError, match="published file of the study own"):
        refuse_destination(path, study="on_seeds", **options)
    assert replace(record, options='{"labour": "x"}').study == "pilot_zones"
    assert published_file("own").name == "own.duckdb"
    assert published_file("pilot_zones").name == "citypanel.duckdb"


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (["-s", "x"], ["-s", "x"]),
        (["--study", "own", "-s", "x"], ["-s", "x", "--vars", '{"study": "own"}']),
        (
            ["--vars", "{publish_to: a.duckdb}", "--study=own"],
            ["--vars", '{"publish_to": "a.duckdb", "study": "own"}'],
        ),
    ],
)
def test_build_takes_the_study_as_a_variable(given, taken):
    assert with_study(given) == taken
