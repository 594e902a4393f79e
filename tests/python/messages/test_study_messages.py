"""What the study report says when it cannot be written."""

from __future__ import annotations

import duckdb
import pytest

from citypanel.cli import main
from citypanel.errors import PublicationError, WarehouseError
from citypanel.outputs.report import study_report


def test_a_file_without_its_tables_leaves_the_earlier_page(tmp_path, capsys):
    warehouse = tmp_path / "old.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.dim_cities as select 1 as x")
    page = tmp_path / "index.html"
    page.write_text("earlier", encoding="utf-8")
    with pytest.raises(PublicationError) as caught:
        study_report(warehouse, folder=tmp_path)
    message = str(caught.value)
    for part in ("old.duckdb", "marts.rpt_regressions", "stands as it was",
                 "make build"):  # fmt: skip
        assert part in message
    assert "marts.dim_cities" not in message
    assert page.read_text("utf-8") == "earlier"
    arguments = ["study", "--database", str(warehouse), "--output", str(tmp_path)]
    assert main(arguments) == 1
    assert "marts.rpt_regressions" in capsys.readouterr().err


def test_no_published_file_is_said(tmp_path):
    with pytest.raises(WarehouseError, match="make build"):
        study_report(tmp_path / "none.duckdb", folder=tmp_path)
    assert not (tmp_path / "index.html").exists()
