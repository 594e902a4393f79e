"""A study that brings its panel, from a folder of its own to its report."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from tests.python.functional.conftest import Project

import citypanel
from citypanel.cli import main
from citypanel.study.own.proposal import lay_out
from citypanel.study.own.tables import TABLES

# Words that belong to studies; each study's own are taken out.
WORDS = {
    "enterprise_zones": r"enterprise|unemployment claims|\bcit(y|ies)\b",
    "castle_doctrine": r"castle|homicide|\bstates?\b|poverty",
    "simulated_firms": r"\bfirms?\b|subsid|emission",
    "low_carbon": r"low-carbon|低碳",
    "pilot_zones": r"pilot zone|e-commerce|\bhuang\b|\bbatch(es)?\b|sydid|综试区|跨境",
}
# And those of Chinese cities, whatever is studied of them.
WORDS_OF_CITIES = r"pilot|yuan|prefecture|province|malmquist|城市"
READ = (".html", ".md", ".csv", ".tex", ".svg")


def foreign_words(study: str, folder: Path) -> list[str]:
    """Words of other studies in the text that a study's outputs show."""
    other = [w for name, w in WORDS.items() if name != study]
    if study == "low_carbon":
        other = [word.replace(r"|\bcit(y|ies)\b", "") for word in other]
    else:
        other.append(WORDS_OF_CITIES)
    found = []
    files = [f for f in sorted(folder.rglob("*")) if f.suffix in READ]
    assert len(files) > 20
    for file in files:
        text = file.read_text(encoding="utf-8-sig")
        # Outlines of letters, styles and scripts are not read by people.
        text = re.sub(r"<(svg|style|script)\b.*?</\1>", "", text, flags=re.S)
        if file.suffix == ".svg":
            text = " ".join(re.findall(r"<!-- (.*?) -->", text))
        text = text.replace("citypanel", "")
        found += [
            f"{file.relative_to(folder)}: {match[0]}"
            for match in re.finditer("|".join(other), text, re.IGNORECASE)
        ]
    return found


@pytest.fixture(scope="module")
def place(project, tmp_path_factory) -> Project:
    """A folder with the skeleton and one built study."""
    root = tmp_path_factory.mktemp("own")
    assert lay_out(root) and not lay_out(root)
    (root / "studies").mkdir()
    for name in ("enterprise_zones", "castle_doctrine"):
        shutil.copytree(project / "studies" / name, root / "studies" / name)
    made = Project(root, "enterprise_zones.duckdb")
    result = made.dbt("build", "--vars", "{study: enterprise_zones}")
    assert result.returncode == 0, result.stdout
    return made


def test_a_build_publishes_what_evaluate_returns(place):
    design = place.root / "studies" / "enterprise_zones" / "study.yml"
    tables = citypanel.evaluate(None, design)
    with duckdb.connect(str(place.published), read_only=True) as connection:
        for name, ours in tables.items():
            theirs = connection.execute(f"from study.{name}").df()
            ours, theirs = (
                frame.astype(object).where(frame.notna(), None).sort_values(
                    list(frame), key=lambda column: column.astype(str)
                ).reset_index(drop=True)
                for frame in (ours, theirs)
            )  # fmt: skip
            # Bounds on trends are found by an optimiser, whose last steps depend on
            # how many threads the algebra has (1.5e-7, 2026-11-28).
            pd.testing.assert_frame_equal(ours, theirs, rtol=1e-6, atol=1e-6, obj=name)
        declared = connection.execute(
            "select table_name, column_name, lower(data_type) from duckdb_columns() "
            "where schema_name = 'study' order by column_index"
        ).fetchall()
        for name, columns in TABLES.items():
            assert [d[1:] for d in declared if d[0] == name] == list(columns.items())
        bare = connection.execute(
            "select table_name, column_name from duckdb_columns() "
            "where not internal and coalesce(comment, 'not described.') "
            "like '%not described.'"
        ).fetchall()
        assert not bare
    agrees = place.query("select agrees from study.rpt_study_published")["agrees"]
    assert len(agrees) == 5 and agrees.all()


def test_a_mistake_stops_before_anything_is_built(place, tmp_path):
    before = place.published.read_bytes()
    other = replace(place.copy(tmp_path / "copy"), file=place.file)
    path = other.root / "studies" / "castle_doctrine" / "study.yml"
    text = path.read_text()
    path.write_text(text.replace("poverty}", "povrty}").replace("seed: 2013", "sed: 1"))
    result = other.dbt("build", "--vars", "{study: castle_doctrine}")
    assert result.returncode != 0
    assert "did you mean poverty?" in result.stdout
    assert "did you mean seed?" in result.stdout
    assert "START" not in result.stdout
    assert not (other.root / "castle_doctrine.duckdb").exists()
    assert other.published.read_bytes() == before


@pytest.mark.slow
def test_counties_are_built_where_their_deaths_may_be_read(place, project, tmp_path):
    there = project.parent / "shared" / "studies" / "medicaid_mortality"
    if not there.is_dir():
        pytest.skip("the counties' deaths may not be shipped; see its study.yml")
    other = replace(place.copy(tmp_path / "copy"), file="medicaid_mortality.duckdb")
    folder = other.root / "studies" / "medicaid_mortality"
    shutil.copytree(project / "studies" / "medicaid_mortality", folder)
    result = other.dbt("build", "--vars", "{study: medicaid_mortality}")
    assert result.returncode != 0 and "CDC WONDER" in result.stdout
    assert not other.published.exists()
    (folder / "county_years.csv").symlink_to(there / "county_years.csv")
    result = other.dbt("build", "--vars", "{study: medicaid_mortality}")
    assert result.returncode == 0, result.stdout
    agrees = other.query("select agrees from study.rpt_study_published")["agrees"]
    assert len(agrees) == 6 and agrees.all()


def test_the_report_is_the_studys_own(place, monkeypatch, capsys):
    monkeypatch.chdir(place.root)
    assert main(["report", "--study", "enterprise_zones"]) == 0
    outputs = place.root / "outputs" / "enterprise_zones"
    page = (outputs / "report" / "index.html").read_text(encoding="utf-8")
    assert "Indiana enterprise zones and unemployment claims" in page
    assert "198 observations of 22 cities in 9 periods, 1980 to 1988" in page
    assert "\u22120.182" in page and "All 5 printed figures" in page
    # English is the only language it declares.
    body = page[page.index("<body") :]
    assert "zh-Hans" not in body and not re.search("[\u4e00-\u9fff]", body)
    assert (outputs / "quality" / "index.html").is_file()
    assert foreign_words("enterprise_zones", outputs) == []


def test_the_file_is_asked_and_listed_by_study(place, monkeypatch, capsys):
    monkeypatch.chdir(place.root)
    question = "select n_units from study.dim_study"
    assert main(["ask", "--study", "enterprise_zones", question]) == 0
    assert "22" in capsys.readouterr().out
    assert main(["runs"]) == 0
    assert "enterprise_zones.duckdb" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("study", ["castle_doctrine", "simulated_firms"])
def test_every_output_of_a_study_keeps_to_its_words(
    project, place, monkeypatch, tmp_path, study
):
    other = replace(place.copy(tmp_path / "copy"), file=f"{study}.duckdb")
    folder = other.root / "studies" / study
    shutil.copytree(project / "studies" / study, folder, dirs_exist_ok=True)
    result = other.dbt("build", "--vars", f"{{study: {study}}}")
    assert result.returncode == 0, result.stdout
    monkeypatch.chdir(other.root)
    assert main(["report", "--study", study, "-q"]) == 0
    outputs = other.root / "outputs" / study
    assert foreign_words(study, outputs) == []
    if study == "simulated_firms":
        # 0.12 by construction: output per worker has it, and the index, which also
        # asks for less smoke, most of it.
        found = other.query(
            "select outcome, estimate, std_error from study.rpt_study_att "
            "where term = 'overall' and aggregation = 'simple'"
        )
        plain = found[found["outcome"] == "output_per_worker"]
        assert len(plain) == 9
        assert ((plain["estimate"] - 0.12).abs() < 3 * plain["std_error"]).all()
        index = found[found["outcome"] == "productivity"]
        assert index["estimate"].between(0.08, 0.12).all()
        page = (outputs / "report" / "index.html").read_text(encoding="utf-8")
        assert "The subsidy raised log productivity" in page
        assert "补贴提高了生产率对数" in page


@pytest.mark.slow
def test_the_shipped_study_has_the_same_tables(built):
    columns = built.query(
        "select table_name, column_name, lower(data_type) as kind "
        "from duckdb_columns() where schema_name = 'study' order by column_index"
    )
    for name, declared in TABLES.items():
        mine = columns[columns["table_name"] == name]
        assert dict(zip(mine["column_name"], mine["kind"], strict=True)) == declared
    told = built.query(
        "select general.estimate - own.estimate as difference "
        "from study.rpt_study_att as general "
        "join marts.rpt_att as own "
        "using (outcome, sample, estimator, aggregation, term)"
    )
    whole = built.query("select count(*) as n from marts.rpt_att")["n"].item()
    assert len(told) == whole and told["difference"].abs().max() == 0
