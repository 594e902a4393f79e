"""Codebook, exports and replication package of a real build."""

from __future__ import annotations

import json
import shutil
import zipfile

import duckdb
import numpy as np
import openpyxl
import pandas as pd
import pytest
import yaml

import citypanel
from citypanel.cli import main
from citypanel.codebook import gaps, project_tables, untranslated
from citypanel.replication.contents import PARTS


def _by_table(frame: pd.DataFrame) -> str:
    return "\n".join(
        f"{table}: "
        + ", ".join(f"{row.column} ({row[-1]})" for row in rows.itertuples())
        for table, rows in frame.groupby("table")
    )


def test_no_mart_lacks_label_unit_source_or_formula(project):
    tables = project_tables(project)
    assert len(tables) >= 22
    found = gaps(tables)
    assert found.empty, "\n" + _by_table(found)


def test_every_text_of_the_codebook_has_its_chinese(project):
    found = untranslated(project_tables(project))
    assert found.empty, "\nadd to codebook/chinese.yml\n" + _by_table(found)


def test_the_yaml_and_the_file_have_the_same_columns(project, built):
    held = built.query(
        "select table_name, column_name from duckdb_columns() "
        "where schema_name in ('marts', 'quality') order by table_name, column_index"
    )
    in_file = held.groupby("table_name")["column_name"].agg(set).to_dict()
    in_yaml = {
        table.name: {column.name for column in table.columns}
        for table in project_tables(project)
    }
    # The tables of the option influence are not in a plain build.
    optional = {path.stem for path in project.glob("models/marts/influence/*.sql")}
    assert in_file == {k: v for k, v in in_yaml.items() if k not in optional}
    assert optional <= set(in_yaml)


def test_comments_carry_labels_unit_source_and_formula(built):
    comment = built.query(
        "select comment from duckdb_columns() where table_name = 'fct_city_years' "
        "and column_name = 'capital_real_cny_10k'"
    )["comment"].item()
    assert comment == (
        "Capital stock / 资本存量. Capital stock at the end of the year, at 2011 "
        "prices. Unit: CNY 10,000 at 2011 prices. Source: computed. "
        "Formula: K_t = I_t / P_t + (1 - depreciation) K_t-1."
    )


def test_the_codebook_is_written_in_both_languages(built, tmp_path, monkeypatch):
    monkeypatch.chdir(built.root)
    assert main(["codebook", "--output", str(tmp_path)]) == 0
    english = (tmp_path / "codebook.en.md").read_text(encoding="utf-8")
    chinese = (tmp_path / "codebook.zh.md").read_text(encoding="utf-8")
    values = built.query("select count(tra) as n from marts.fct_city_years")["n"].item()
    share = values / len(built.query("select 1 from marts.fct_city_years"))
    row = next(line for line in english.splitlines() if line.startswith("| tra |"))
    assert row.startswith("| tra | Foreign trade level | double | ratio | computed |")
    assert f"| {values} | {share:.1%} |" in row
    assert "| tra | 对外贸易水平 | double | 比值 | 计算 |" in chinese
    book = openpyxl.load_workbook(tmp_path / "codebook.xlsx", read_only=True)
    tables = built.query(
        "select count(*) as n from duckdb_tables() "
        "where schema_name in ('marts', 'quality')"
    )["n"].item()
    for name in ("Tables", "表"):
        assert len(list(book[name].iter_rows())) == tables + 1


@pytest.fixture(scope="module")
def exports(built, tmp_path_factory):
    """The panel and one more table in every format."""
    folder = tmp_path_factory.mktemp("exports")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(built.root)
        arguments = ["export", "--table", "panel,rpt_inference"]
        assert main([*arguments, "--output", str(folder)]) == 0
    return folder


def _panel(built):
    return built.query(
        "select years.*, changes.* exclude (city_id, year) "
        "from marts.fct_city_years as years "
        "left join marts.fct_tfp_changes as changes using (city_id, year) "
        "order by city_id, year"
    )


@pytest.mark.parametrize("form", ["parquet", "csv", "dta"])
def test_the_panel_opens_again_with_the_warehouses_numbers(built, exports, form):
    path = exports / f"panel.{form}"
    if form == "parquet":
        with duckdb.connect() as connection:
            back = connection.execute(f"from '{path}'").df()
    elif form == "csv":
        back = pd.read_csv(path, dtype={"city_id": str})
    else:
        back = pd.read_stata(path, convert_categoricals=False)
    panel = _panel(built)
    assert back["city_id"].tolist() == panel["city_id"].tolist()
    assert len(back) == len(panel) == 657
    for name in (
        "year", "sydid", "gdp_real_cny_10k", "labour", "tra", "tfpch", "cohort",
        "event_time", "is_capital_assumed", "cumulative_log_tfp",
    ):  # fmt: skip
        ours = panel[name].to_numpy(float, na_value=np.nan)
        theirs = back[name].to_numpy(float, na_value=np.nan)
        np.testing.assert_array_equal(theirs, ours, err_msg=name)
    assert back["city_zh"].tolist().count("杭州") == 9


def test_the_stata_file_is_labelled(exports):
    with pd.io.stata.StataReader(exports / "panel.dta") as reader:
        labels, values = reader.variable_labels(), reader.value_labels()
    assert labels["capital_real_cny_10k"] == "Capital stock (CNY 10,000 at 2011 prices)"
    assert values["city_code"][330100] == "Hangzhou"
    assert values["is_capital_assumed"] == {0: "no", 1: "yes"}
    frame = pd.read_stata(exports / "panel.dta")
    assert set(frame["region"]) == {"eastern", "central", "western", "northeastern"}
    assert all(label for label in labels.values())


def test_the_headline_follows_from_the_stata_file(built, exports):
    from citypanel.did import twfe

    panel = pd.read_stata(exports / "panel.dta", convert_categoricals=False)
    again = twfe(
        panel.dropna(subset=["tfpch"]), outcome="tfpch", treatment="sydid",
        unit="city_code", period="year",
    ).set_index("term")  # fmt: skip
    published = built.query(
        "select estimate, std_error from marts.rpt_regressions where paper_table = '3' "
        "and paper_column = '(1)' and variant = 'headline' and term = 'sydid'"
    ).iloc[0]
    for name in ("estimate", "std_error"):
        assert np.isclose(again.loc["overall", name], published[name], atol=1e-12)


def test_labels_are_chinese_on_demand(built, tmp_path, monkeypatch):
    monkeypatch.chdir(built.root)
    arguments = ["export", "--format", "dta", "--language", "zh"]
    assert main([*arguments, "--output", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        "panel.dta", "panel.variables.csv",
    }  # fmt: skip
    with pd.io.stata.StataReader(tmp_path / "panel.dta") as reader:
        labels, values = reader.variable_labels(), reader.value_labels()
    assert labels["capital_real_cny_10k"].startswith("资本存量 (万元")
    assert values["city_code"][330100] == "杭州"


@pytest.mark.parametrize("quiet", [False, True])
def test_an_export_says_its_tables(
    built, tmp_path, monkeypatch, capsys, slow_clock, quiet
):
    monkeypatch.chdir(built.root)
    names = "dim_cities,dim_variables,rpt_sample,rpt_regressions"
    arguments = ["export", "--table", names, "--format", "csv"]
    more = ["-q"] if quiet else []
    assert main([*arguments, "--output", str(tmp_path), *more]) == 0
    out, err = capsys.readouterr()
    assert len(list(tmp_path.iterdir())) == 8
    if quiet:
        assert (out, err) == ("", "")
    else:
        assert err.splitlines() == [
            "tables: 1 of 4, 6 s elapsed, about 18 s remaining",
            "tables: 3 of 4, 12 s elapsed, about 4 s remaining",
        ]
        assert len(out.splitlines()) == 4


@pytest.mark.parametrize("command", ["codebook", "study"])
def test_a_page_is_written_in_silence(built, tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(built.root)
    assert main([command, "--output", str(tmp_path), "-q"]) == 0
    assert capsys.readouterr() == ("", "")
    assert any(tmp_path.iterdir())


def test_beside_an_export_stands_what_it_means(exports):
    meanings = pd.read_csv(exports / "panel.variables.csv").set_index("name")
    assert meanings.loc["tfpch", "label_zh"] == "全要素生产率变化"
    assert meanings.loc["tfpch", "formula"] == "effch x techch"
    columns = pd.read_csv(exports / "panel.csv", nrows=1).columns
    assert list(meanings.index) == list(columns)


@pytest.fixture(scope="module")
def checkout(project, built, tmp_path_factory):
    """A whole checkout with the published file of the session's build."""
    root = tmp_path_factory.mktemp("checkout")
    for part in (*PARTS, "README.md"):
        source = project / part
        if source.is_dir():
            left_out = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, root / part, ignore=left_out)
        elif source.is_file():
            shutil.copy2(source, root / part)
    # Copies keep their times; the build came after the sources.
    shutil.copy(built.published, root / "citypanel.duckdb")
    return root


@pytest.fixture(scope="module")
def package(checkout):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(checkout)
        assert main(["package", "--output", "one.zip"]) == 0
        assert main(["package", "--output", "two.zip"]) == 0
    return checkout / "one.zip"


def _read(package, name: str) -> bytes:
    with zipfile.ZipFile(package) as pack:
        return pack.read(f"citypanel-replication/{name}")


def test_a_package_twice_is_the_same_bytes(package):
    assert package.read_bytes() == package.with_name("two.zip").read_bytes()


def test_a_package_has_code_data_lock_and_sums(package):
    with zipfile.ZipFile(package) as pack:
        names = {name.partition("/")[2] for name in pack.namelist()}
    for name in (
        "requirements.lock", "Makefile", "dbt_project.yml", "CITATION.cff", "LICENSE",
        "LICENSE-DATA.md", "src/citypanel/cli.py", "docs/PROJECT.md",
        "seeds/yearbook/raw_yearbook_city_years.csv", "data/panel.parquet",
        "data/rpt_regressions.parquet", "data/codebook/codebook.xlsx",
        "run/manifest.json", "run/measured.json", "SHA256SUMS", "README.md",
    ):  # fmt: skip
        assert name in names
    assert not [name for name in names if "__pycache__" in name or ".duckdb" in name]
    sums = _read(package, "SHA256SUMS").decode().splitlines()
    with_times = {"README.md", "SHA256SUMS", "run/measured.json"}
    assert {line[66:] for line in sums} == names - with_times


def test_a_packages_readme_has_the_sections_asked_for(package, built):
    page = _read(package, "README.md").decode()
    for section in (
        "## Data Availability and Provenance Statements",
        "### Statement about Rights",
        "### Summary of Availability",
        "### Details on each Data Source",
        "## Dataset list",
        "### Software Requirements",
        "### Controlled Randomness",
        "### Memory, Runtime, Storage Requirements",
        "## Description of programs/code",
        "### License for Code",
        "## Instructions to Replicators",
        "## List of tables and programs",
        "## References",
    ):
        assert f"{section}\n" in page
    options = built.query("select seed from marts.dim_study_variants limit 1")
    assert f"here {options['seed'].item()}." in page
    assert "Not cleared" not in page
    assert "`python_models/estimates/est_event_studies.py`" in page
    manifest = json.loads(_read(package, "run/manifest.json"))
    assert len(manifest["inputs"]) == len(list(built.root.glob("seeds/*/*.csv")))
    assert str(manifest["options"]["last_year"]) == "2019"


def test_a_build_is_checked_against_a_package(package, checkout, monkeypatch, capsys):
    monkeypatch.chdir(checkout)
    (checkout / "manifest.json").write_bytes(_read(package, "run/manifest.json"))
    assert main(["package", "--check", "manifest.json"]) == 0
    assert "every one the same" in capsys.readouterr().out


@pytest.mark.slow
def test_a_package_is_built_elsewhere_to_the_same_tables(checkout, monkeypatch, capsys):
    monkeypatch.chdir(checkout)
    assert main(["package", "--verify", "--output", "verified.zip"]) == 0
    out, err = capsys.readouterr()
    assert "every one reproduced" in out
    assert "Building the unpacked package: dbt build" in err
    measured = json.loads(_read(checkout / "verified.zip", "run/measured.json"))
    assert measured["rebuild"]["seconds"] > 1
    assert measured["rebuild"]["peak_memory_mb"] > 50
    page = _read(checkout / "verified.zip", "README.md").decode()
    assert "every table came out the same" in page


@pytest.mark.slow
def test_a_package_of_other_options_says_so_and_builds(workshop, checkout, monkeypatch):
    result = workshop.dbt(
        "build", "--vars", "{real_gdp: city_growth, credibility: false, "
        "treated_batches: [1, 2]}"
    )  # fmt: skip
    assert result.returncode == 0, result.stdout
    for part in (*PARTS, "README.md"):
        if not (workshop.root / part).exists():
            copy = shutil.copytree if (checkout / part).is_dir() else shutil.copy2
            if (checkout / part).exists():
                copy(checkout / part, workshop.root / part)
    monkeypatch.chdir(workshop.root)
    file = workshop.published_by(result).file
    arguments = ["--verify", "--output", "other.zip", "--database", file]
    assert main(["package", *arguments]) == 0
    page = _read(workshop.root / "other.zip", "README.md").decode()
    options = json.dumps(
        {"real_gdp": "city_growth", "credibility": False, "treated_batches": [1, 2],
         "publish_to": "citypanel.duckdb"}
    )  # fmt: skip
    command = next(line for line in page.splitlines() if "dbt build --vars" in line)
    assert yaml.safe_load(command.partition("--vars ")[2].strip("' ")) == json.loads(
        options
    )
    assert "`marts.rpt_att`" not in page


def test_outputs_that_are_older_are_refused(checkout, package, monkeypatch, capsys):
    import os

    monkeypatch.chdir(checkout)
    table = checkout / "outputs" / "tables" / "table_3.md"
    table.parent.mkdir(parents=True)
    table.write_text("| 0.024 |")
    try:
        assert main(["package", "--output", "three.zip"]) == 0
        with zipfile.ZipFile(checkout / "three.zip") as pack:
            assert "citypanel-replication/outputs/tables/table_3.md" in pack.namelist()
        os.utime(table, (0, 0))
        assert main(["package", "--output", "four.zip"]) == 1
        assert "Outputs are older" in capsys.readouterr().err
        assert not (checkout / "four.zip").exists()
    finally:
        shutil.rmtree(checkout / "outputs")


def test_the_citation_is_of_this_version(project):
    citation = yaml.safe_load((project / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "version"} <= set(citation)
    configuration = (project / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{citation["version"]}"' in configuration
    assert citation["references"][0]["doi"] == "10.56397/LE.2024.07.05"
    assert citypanel.__doc__
