"""The low-carbon pilots: a second policy on the shipped figures, recomputed by hand."""

from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import pytest
from tests.python.functional.test_own_builds import foreign_words

from citypanel.cli import main

pytestmark = pytest.mark.slow

PROVINCES = {"广东省", "辽宁省", "湖北省", "陕西省", "云南省", "海南省"}


@pytest.fixture(scope="module")
def workshop(built, tmp_path_factory):
    return built.copy(tmp_path_factory.mktemp("low_carbon") / "project")


@pytest.fixture(scope="module")
def carbon(workshop):
    result = workshop.dbt("build", "--vars", "{study: low_carbon}")
    assert result.returncode == 0, result.stdout[-4000:]
    return workshop.root / "low_carbon.duckdb"


def query(path, sql) -> pd.DataFrame:
    import duckdb

    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).df()


def first_dates(project) -> dict[str, int]:
    """Year of each city of the study, read from the roster with nothing of ours."""
    with open(project / "studies/low_carbon/low_carbon_pilots.csv") as file:
        roster = [(row["城市"], int(row["日期"][:4])) for row in csv.DictReader(file)]
    with open(project / "seeds/reference/ref_cities.csv") as file:
        cities = list(csv.DictReader(file))
    years: dict[str, int] = {}
    for name, year in roster:
        for city in cities:
            whole = name in PROVINCES and name.startswith(city["province_zh"])
            if whole or name == city["city_zh"]:
                known = years.get(city["city_id"], 9999)
                years[city["city_id"]] = min(year, known)
    return years


def test_the_estimate_is_that_of_dummies_on_the_index(carbon, project):
    years = first_dates(project)
    rows = query(
        carbon,
        "select unit_id as city_id, cast(period as int) as year, value as tfpch "
        "from study.fct_unit_periods where variable = 'growth' and value is not null",
    )
    start = rows["city_id"].map(years).fillna(9999) + 1  # the first whole year
    rows["d"] = (rows["year"] >= start).astype(float)
    dummies = pd.get_dummies(
        rows[["city_id", "year"]].astype(str), drop_first=True, dtype=float
    )
    x = np.column_stack([rows["d"], np.ones(len(rows)), dummies])
    by_hand = np.linalg.lstsq(x, rows["tfpch"].to_numpy(), rcond=None)[0][0]
    ours = query(
        carbon,
        "select estimate, std_error, n_obs, n_treated_units "
        "from study.rpt_study_regressions where table_name = '1' "
        "and column_name = '(1)' and term = 'treatment'",
    ).iloc[0]
    assert ours["estimate"] == pytest.approx(by_hand, abs=1e-10)
    assert ours["estimate"] == pytest.approx(0.0305, abs=5e-5)
    assert ours["std_error"] == pytest.approx(0.0134, abs=5e-5)
    assert ours["n_obs"] == len(rows) == 459
    treated = rows.loc[rows["d"] > 0, "city_id"].nunique()
    assert ours["n_treated_units"] == treated


def test_the_first_batch_compares_with_nobody_and_is_said_to(carbon, project):
    years = first_dates(project)
    units = set(query(carbon, "select unit_id from study.dim_units")["unit_id"])
    said = query(
        carbon,
        "select unit_id, evidence_en from study.dq_study_findings "
        "where rule = 'left_out' and evidence_en like '%treated in every period%'",
    )
    first = {city for city, year in years.items() if year == 2010}
    # Dali has no figures, and so no row to leave out.
    assert first - set(said["unit_id"]) == {"532900"} and not units & first
    assert len(said) == 22


def test_the_index_is_that_of_the_shipped_figures(carbon, workshop):
    # Capital from 2010 on, where the shipped index has it from 2011: 2012 is the first
    # year that both have, and a city's index there differs by its stock alone.
    theirs = workshop.query("select city_id, year, tfpch from marts.fct_tfp_changes")
    ours = query(
        carbon,
        "select unit_id as city_id, cast(period as int) as year, value "
        "from study.fct_unit_periods where variable = 'growth'",
    )
    both = theirs.merge(ours, on=["city_id", "year"])
    assert both["year"].min() == 2012
    assert both["tfpch"].corr(both["value"]) > 0.95


def test_its_report_is_its_own(carbon, workshop, monkeypatch):
    monkeypatch.chdir(workshop.root)
    assert main(["report", "--study", "low_carbon", "-q"]) == 0
    outputs = workshop.root / "outputs" / "low_carbon"
    assert foreign_words("low_carbon", outputs) == []
    page = (outputs / "report" / "index.html").read_text(encoding="utf-8")
    assert "The low-carbon pilot may have raised growth of productivity" in page
    assert "without Wenzhou" in page and "低碳试点或许提高了全要素生产率增长" in page


def test_the_shipped_study_is_untouched(carbon, workshop):
    names = workshop.query("select distinct policy from marts.dim_study_variants")
    assert names["policy"].tolist() == ["pilot_zones"]
