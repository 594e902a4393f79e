"""Messages of the reports and of the accepted run."""

from __future__ import annotations

import json
import os

import duckdb
import pandas as pd
import pytest

from citypanel.cli import main
from citypanel.errors import PanelError, PublicationError, WarehouseError
from citypanel.pages import write_page
from citypanel.quality.accepted import FILE, read_accepted, write_accepted
from citypanel.quality.expectations import suite_parameters
from citypanel.quality.published import reading
from citypanel.quality.report import quality_report

RUN = {
    "options": {}, "profiles": {}, "findings": [], "coverage": {}, "expectations": [],
    "estimates": {},
}  # fmt: skip


@pytest.mark.parametrize("command", [["report"], ["accept"]])
def test_a_report_without_a_published_file_says_so(
    command, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(command) == 1
    assert "run make build first" in capsys.readouterr().err


def test_a_published_file_without_a_table_names_it(tmp_path):
    warehouse = tmp_path / "citypanel.duckdb"
    duckdb.connect(str(warehouse)).close()
    with pytest.raises(PublicationError, match=r"quality\.dq_causes") as caught:
        quality_report(warehouse, folder=tmp_path / "outputs")
    assert "run make build" in str(caught.value)
    assert not (tmp_path / "outputs").exists()


def test_a_file_that_is_no_warehouse_says_so(tmp_path):
    warehouse = tmp_path / "citypanel.duckdb"
    warehouse.write_text("not a database, but long enough to be looked at " * 50)
    with (
        pytest.raises(WarehouseError, match="cannot be read"),
        reading(warehouse),
    ):
        pass


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"format": 0}', json.dumps({"format": 1, "options": {}})]
)
def test_an_accepted_run_that_cannot_be_read_says_how_to_mend_it(text, tmp_path):
    path = tmp_path / FILE
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(PanelError, match="restore the file from version control"):
        read_accepted(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_keeps_the_accepted_run(tmp_path):
    write_accepted(tmp_path, RUN)
    before = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).parent.chmod(0o500)
    with pytest.raises(PublicationError, match="is as it was"):
        write_accepted(tmp_path, RUN | {"findings": [{"rule": "x"}]})
    (tmp_path / FILE).parent.chmod(0o700)
    assert (tmp_path / FILE).read_bytes() == before


def test_an_accepted_run_in_the_way_of_a_file_says_so(tmp_path):
    (tmp_path / FILE.parent).write_text("a file where the folder should be")
    with pytest.raises(PublicationError, match="could not be written"):
        write_accepted(tmp_path, RUN)


def test_a_page_in_the_way_of_a_file_says_so(tmp_path):
    (tmp_path / "outputs").write_text("a file where the folder should be")
    with pytest.raises(PublicationError, match="as the last report left it"):
        write_page(tmp_path / "outputs" / "index.html", "page")


def test_a_suite_that_refers_to_an_absent_table_names_it():
    suite = {
        "name": "cells",
        "meta": {"table": "raw.cells"},
        "expectations": [
            {"kwargs": {"value_set": {"$PARAMETER": "ref_cities__city_id"}}}
        ],
    }
    with pytest.raises(PanelError, match="ref_cities__city_id"):
        suite_parameters(suite, references={}, accepted=None, options=None)
    given = {"ref_cities": pd.DataFrame({"city_id": ["2", "1", None, "1"]})}
    found = suite_parameters(suite, references=given, accepted=None, options=None)
    assert found == {"ref_cities__city_id": ["1", "2"]}
