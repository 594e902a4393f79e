"""The low-carbon pilots: a second policy on the shipped figures, recomputed by hand."""

from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import pytest

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
    rows = query(carbon, "select city_id, year, tfpch from marts.fct_tfp_changes")
    rows = rows[rows["tfpch"].notna()]
    start = rows["city_id"].map(years).fillna(9999) + 1  # the first whole year
    rows["d"] = (rows["year"] >= start).astype(float)
    rows = rows[rows.groupby("city_id")["d"].transform("min") == 0]
    dummies = pd.get_dummies(
        rows[["city_id", "year"]].astype(str), drop_first=True, dtype=float
    )
    x = np.column_stack([rows["d"], np.ones(len(rows)), dummies])
    by_hand = np.linalg.lstsq(x, rows["tfpch"].to_numpy(), rcond=None)[0][0]
    ours = query(
        carbon,
        "select estimate, n_obs, n_treated_cities from marts.rpt_regressions where "
        "variant = 'headline' and paper_table = '3' and paper_column = '(1)' and "
        "term = 'sydid'",
    ).iloc[0]
    assert ours["estimate"] == pytest.approx(by_hand, abs=1e-10)
    assert ours["n_obs"] == len(rows)
    treated = rows.loc[rows["d"] > 0, "city_id"].nunique()
    assert ours["n_treated_cities"] == treated


def test_the_first_batch_compares_with_nobody_and_is_said_to(carbon, project):
    years = first_dates(project)
    sample = query(
        carbon, "select city_id, reason from marts.rpt_sample where n_years > 0"
    ).set_index("city_id")["reason"]
    first = {city for city, year in years.items() if year == 2010} & set(sample.index)
    said = sample[sample.str.contains("treated in every year")]
    assert (
        set(said.index) == first and said.str.startswith("in the frontier only").all()
    )


def test_the_shipped_study_is_untouched(carbon, workshop):
    assert workshop.published.is_file()
    names = query(carbon, "select distinct policy from marts.dim_study_variants")
    assert names["policy"].tolist() == ["low_carbon"]
