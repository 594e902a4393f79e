"""All prefecture cities 2003-2019 from a file of one's own, as the how-to has it."""

from __future__ import annotations

import csv
import re

import numpy as np
import pandas as pd
import pytest

from citypanel.importers.project import load_reference
from citypanel.study.declaration import read_declaration
from citypanel.study.own.evaluate import regression_table
from citypanel.study.own.panel import COHORT, UNIT, prepare_panel

pytestmark = pytest.mark.slow
FILE = "gdp_index/296个地级市GDP相关数据（以2000年为基期）.xlsx"


@pytest.fixture(scope="module")
def made(raw_files, project, tmp_path_factory):
    page = (project / "docs/how-to/all-prefectures.md").read_text(encoding="utf-8")
    root = tmp_path_factory.mktemp("own")
    (root / "seeds").symlink_to(project / "seeds")
    folder = root / "studies" / "all_cities"
    folder.mkdir(parents=True)
    declaration = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    (folder / "study.yml").write_text(declaration[1], encoding="utf-8")
    roster = project / "studies/low_carbon/low_carbon_pilots.csv"
    (folder / roster.name).write_bytes(roster.read_bytes())
    frame = pd.read_excel(raw_files / FILE, engine="calamine")
    # What stands below the table.
    frame = frame[frame["城市"].notna() & frame["年份"].notna()]
    frame.to_csv(folder / "gdp.csv", index=False)
    return prepare_panel(read_declaration(folder / "study.yml"))


def first_years(places, roster) -> dict[str, int]:
    """Year of each prefecture, from the roster's units."""
    years: dict[str, int] = {}
    with open(roster, encoding="utf-8") as file:
        for row in csv.DictReader(file):
            place = places.place(name=row["城市"])
            for unit in place.units if place.how in ("unit", "province") else ():
                years[unit] = min(int(row["日期"][:4]), years.get(unit, 9999))
    return years


def test_every_city_has_the_year_of_its_roster(made, project):
    places = load_reference(project).gazetteer
    years = first_years(places, project / "studies/low_carbon/low_carbon_pilots.csv")
    cohorts = made.frame.groupby(UNIT)[COHORT].first()
    assert len(cohorts) > 280
    assert made.frame["period"].agg(["min", "max"]).tolist() == [2003, 2019]
    for city, cohort in cohorts.items():
        (unit,) = places.place(name=city).units
        expected = years.get(unit)
        assert (expected is None) == pd.isna(cohort), city
        assert pd.isna(cohort) or int(cohort) == expected, city


def test_the_estimate_is_that_of_demeaned_growth(made):
    rows = made.frame.dropna(subset=["growth"])
    d = (rows["period"] >= rows[COHORT].astype(float).fillna(9999)).astype(float)
    y = rows["growth"]
    keys = [rows[UNIT], rows["period"]]
    for _ in range(200):  # alternating projections
        for key in keys:
            y, d = (
                y - y.groupby(key).transform("mean"),
                d - d.groupby(key).transform("mean"),
            )
    by_hand = float((d * y).sum() / (d * d).sum())
    table = regression_table(made)
    ours = table[(table["column_name"] == "(1)") & (table["term"] == "treatment")]
    assert ours["estimate"].iloc[0] == pytest.approx(by_hand, abs=1e-9)
    assert np.isfinite(ours["std_error"].iloc[0])
