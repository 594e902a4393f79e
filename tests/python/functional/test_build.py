"""A build publishes every table, twice the same, and never blocks or is blocked."""

from __future__ import annotations

import re
import subprocess
import sys

import duckdb
import pytest
import yaml

from citypanel.quality.expectations import load_suites

TABLES = {
    "marts.dim_cities": 74,
    "marts.dim_pilot_zones": 165,
    "marts.dim_study_variants": 3,
    "marts.dim_variables": 38,
    "marts.fct_capital_stocks": 657,
    "marts.fct_cell_origins": 74 * 10 * 18,
    "marts.fct_city_years": 657,
    "marts.fct_policy_exposures": 74 * 9,
    "marts.fct_tfp_changes": 584,
    "marts.rpt_descriptives": 9,
    "marts.rpt_frontier": 9,
    "marts.rpt_sample": 74,
    # By city, year, variable, and year and variable.
    "quality.dq_imputed_shares": 74 + 10 + 18 + 180,
    "quality.dq_rules": 30,
    # All, region, role and their difference, in eight changes and their mean.
    "marts.rpt_tfp_trajectories": (1 + 4 + 2 + 1) * 9,
}


@pytest.mark.parametrize(("table", "n_rows"), TABLES.items())
def test_table_has_the_rows_its_grain_implies(built, table, n_rows):
    assert built.query(f"select count(*) as n from {table}")["n"].item() == n_rows


@pytest.mark.parametrize(
    "table",
    [
        "marts.rpt_event_study",
        "marts.rpt_published_comparison",
        "marts.rpt_regressions",
        "quality.dq_expectation_results",
        "quality.dq_findings",
        "quality.dq_imputation_scores",
    ],
)
def test_table_has_rows(built, table):
    assert built.query(f"select count(*) as n from {table}")["n"].item() > 0


def test_a_build_beside_an_open_reader_gives_the_same_marts(workshop):
    before = workshop.fingerprints()
    inode = workshop.published.stat().st_ino
    hold = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); "
        "print(c.sql('select count(*) from marts.fct_city_years').fetchall(), "
        "flush=True); sys.stdin.read(); "
        "print(c.sql('select count(*) from marts.fct_city_years').fetchall())"
    )
    reader = subprocess.Popen(
        [sys.executable, "-c", hold, workshop.published],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout.readline().strip() == "[(657,)]"
    result = workshop.dbt("build")
    output, _ = reader.communicate()
    assert result.returncode == 0, result.stdout
    assert output.strip() == "[(657,)]", "the reader lost the file it held open"
    assert workshop.published.stat().st_ino != inode, "the file was not replaced"
    assert workshop.fingerprints() == before


def test_a_partial_build_does_not_publish(workshop):
    before = workshop.published.read_bytes()
    lines = workshop.seed("ref_units")
    lines.write_bytes(lines.read_bytes() + "打,count,12,0,zh\n".encode())
    result = workshop.dbt("build", "--select", "dim_cities")
    assert result.returncode == 0, result.stdout
    assert "not published, because 1 is not built" in result.stdout
    assert "(seed ref_units)" in result.stdout
    assert workshop.published.read_bytes() == before


def test_a_model_that_fails_leaves_its_table_as_it_was(workshop):
    """One in SQL, whose error comes with its rows, one in Python, and a seed."""
    broken = next(workshop.root.glob("models/**/dim_cities.sql"))
    select = broken.read_text(encoding="utf-8")
    broken.write_text(
        f"select * replace (cast(error('no row') as varchar) as city_id) "
        f"from (\n{select}\n)",
        encoding="utf-8",
    )
    raises = next(workshop.root.glob("python_models/**/est_capital_stocks.py"))
    raises.write_text(
        "def model(dbt, session):\n"
        "    return session.sql(\"select error('no frame') as city_id\")\n",
        encoding="utf-8",
    )

    declared = next(workshop.root.glob("seeds/**/_published__seeds.yml"))
    text = declared.read_text(encoding="utf-8")
    declared.write_text(
        text.replace('"meaning": text', '"meaning": integer'),
        encoding="utf-8",
    )

    def rows(table):
        path = workshop.root / "target" / "citypanel_build.duckdb"
        with duckdb.connect(str(path), read_only=True) as connection:
            return connection.execute(f"from {table} order by all").fetchall()

    tables = [
        "marts.dim_cities",
        "estimates.est_capital_stocks",
        "raw.pub_descriptives",
    ]
    before = [rows(table) for table in tables]
    names = ["dim_cities", "est_capital_stocks", "pub_descriptives"]
    result = workshop.dbt(
        "build", "--select", *names, "--exclude-resource-type", "test"
    )
    assert "no row" in result.stdout, result.stdout
    assert "no frame" in result.stdout, result.stdout
    assert "meaning" in result.stdout, result.stdout
    assert "ERROR=3" in result.stdout
    assert [rows(table) for table in tables] == before


def test_a_model_keeps_its_contract_to_the_type(workshop):
    """`int` is the type that DuckDB calls integer; a double would be rounded to it."""
    declared = workshop.root / "models" / "marts" / "_marts__models.yml"
    models = yaml.safe_load(declared.read_text(encoding="utf-8"))
    cities = next(m for m in models["models"] if m["name"] == "dim_cities")
    for column in cities["columns"]:
        if column["data_type"] == "integer":
            column["data_type"] = "int"
    declared.write_text(yaml.safe_dump(models, allow_unicode=True), encoding="utf-8")
    build = ("run", "--select", "dim_cities")
    result = workshop.dbt(*build)
    assert result.returncode == 0, result.stdout

    model = workshop.root / "models" / "marts" / "dim_cities.sql"
    select = model.read_text(encoding="utf-8")
    for change, told in {
        "exclude (city_en)": r"city_en .*missing in definition",
        "rename (city_en as town)": r"town .*missing in contract",
        "replace (cast(batch as double) + 0.5 as batch)": r"batch .*DOUBLE .*INTEGER",
    }.items():
        model.write_text(f"select * {change} from (\n{select}\n)", encoding="utf-8")
        result = workshop.dbt(*build)
        assert result.returncode != 0
        assert "This model has an enforced contract that failed" in result.stdout
        assert re.search(told, result.stdout), result.stdout


def test_published_comments_explain_every_column(built):
    missing = built.query(
        "select table_name, column_name from duckdb_columns() "
        "where not internal and (comment is null or comment like '%not described.')"
    )
    assert missing.empty
    missing = built.query(
        "select table_name from duckdb_tables() where comment is null"
    )
    assert missing.empty


def test_published_file_holds_no_view_and_no_clock(built):
    assert built.query("select * from duckdb_views() where not internal").empty
    assert built.query("select * from duckdb_tables() where schema_name = 'runs'").empty
    raw_output = "schema_name = 'estimates' or table_name = 'int_city_years__spine'"
    assert built.query(f"select * from duckdb_tables() where {raw_output}").empty


def test_every_suite_of_the_build_has_results(built):
    suites = built.query("select distinct suite from quality.dq_expectation_results")
    in_build = {
        name
        for name, suite in load_suites(built.root / "expectations").items()
        if suite["meta"]["runs_in"] == "build"
    }
    assert len(in_build) == 5
    assert set(suites["suite"]) == in_build
