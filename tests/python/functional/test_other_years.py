"""Years that the shipped figures do not have, from files of a user's own."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.slow

# Growth a year that carries the figures of 2010 back: made up, and smooth.
GROWTH = {
    "地区生产总值(万元)": 1.12, "第二产业增加值(万元)": 1.13,
    "第三产业增加值(万元)": 1.11, "固定资产投资总额(万元)": 1.2,
    "房地产开发投资完成额(万元)": 1.2, "户籍人口(万人)": 1.005,
    "普通高等学校在校学生数(人)": 1.08, "中等职业教育学校在校学生数(人)": 1.02,
    "行政区域土地面积(平方公里)": 1.0, "社会消费品零售总额(万元)": 1.15,
    "地方财政一般预算内支出(万元)": 1.15, "教育支出(万元)": 1.14,
}  # fmt: skip
BEFORE = range(2003, 2010)
FIGURES = """name: my_figures
unit: {noun: {en: city}, key: city_id, name: {en: city}}
period: {key: year, frequency: year}
panel: {study: my_cities}
policy: {label: {en: pilot}, roster: pilots.csv, districts: leave_out, twice: earliest}
outcome: {output: {formula: gdp_real_cny_10k, transform: log_difference}}
columns: [{table: "1", name: (1)}]
"""


def write_yearbook(project) -> Path:
    """A user's yearbook of 2003 to 2009."""
    with open(project.seed("raw_yearbook_city_years"), encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["年份"] == "2010"]
    path = project.root / "early.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["城市", "年份", *GROWTH])
        for row in rows:
            for year in BEFORE:
                cells = [
                    f"{float(row[name]) * g ** (year - 2010):.2f}" if row[name] else ""
                    for name, g in GROWTH.items()
                ]
                writer.writerow([row["城市"], year, *cells])
    return path


def carry_provinces_back(project) -> None:
    """The series of the provinces from 2003 on, in the seeds that hold them."""
    path = project.seed("raw_ceic_series")
    with open(path, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in [row for row in rows if row["date"].startswith("2010")]:
        kind, value = row["series_id"].rsplit("-", 1)[1], float(row["value"])
        for year in BEFORE:
            figures = {
                "GDP": value * 1.13 ** (year - 2010),
                "FAI": value * 1.2 ** (year - 2010),
                "GDPIDX": 108.0 + (year - 2003),
                "FAIPI": 102.5,
            }
            figure = f"{figures[kind]:.1f}"
            rows.append(row | {"date": f"{year}-12-31", "value": figure})
    rows.sort(key=lambda row: (row["series_id"], row["date"]))
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    about = project.seed("raw_ceic_series_metadata")
    text = about.read_text(encoding="utf-8").replace("2010-12-31", "2003-12-31")
    about.write_text(text, encoding="utf-8")


def citypanel(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        [Path(sys.executable).with_name("citypanel"), *arguments],
        cwd=root, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def cities(built, raw_files, project, tmp_path_factory):
    """The how-to's second way, on figures of 2003 to 2019."""
    workshop = built.copy(tmp_path_factory.mktemp("years") / "project")
    (circulating,) = raw_files.glob("cities_1999_2018/*.xlsx")
    citypanel(
        workshop.root, "import", "yearbook", str(circulating), "--precedence", "5"
    )
    citypanel(workshop.root, "import", "yearbook", str(write_yearbook(workshop)))
    carry_provinces_back(workshop)
    page = (project / "docs/how-to/all-prefectures.md").read_text(encoding="utf-8")
    declaration = re.search(r"name: my_cities\n.*?(?=   ```)", page, re.DOTALL)
    folder = workshop.root / "studies" / "my_cities"
    folder.mkdir()
    text = re.sub(r"^ {3}", "", declaration[0], flags=re.MULTILINE)
    (folder / "study.yml").write_text(text, encoding="utf-8")
    citypanel(workshop.root, "check", "my_cities")
    result = workshop.dbt("build", "--vars", "{study: my_cities, extends: pilot_zones}")
    assert result.returncode == 0, result.stdout[-4000:]
    return workshop


def query(cities, sql) -> pd.DataFrame:
    path = cities.root / "my_cities.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).df()


def test_every_declared_year_is_in_the_estimate(cities):
    rows = query(cities, "select city_id, year, tfpch from marts.fct_tfp_changes")
    assert rows["year"].agg(["min", "max"]).tolist() == [2005, 2019]
    zones = query(cities, "select city_id, year, sydid from marts.fct_policy_exposures")
    rows = rows[rows["tfpch"].notna()].merge(zones, on=["city_id", "year"])
    dummies = pd.get_dummies(rows[["city_id", "year"]].astype(str), drop_first=True)
    x = np.column_stack([rows["sydid"], np.ones(len(rows)), dummies.astype(float)])
    by_hand = np.linalg.lstsq(x, rows["tfpch"].to_numpy(float), rcond=None)[0][0]
    ours = query(
        cities,
        "select estimate, n_obs from marts.rpt_regressions where variant = 'headline' "
        "and paper_table = '3' and paper_column = '(1)' and term = 'sydid'",
    ).iloc[0]
    assert ours["estimate"] == pytest.approx(by_hand, abs=1e-9)
    assert ours["n_obs"] == len(rows) > 1000


def test_prices_and_sources_reach_back_to_the_declared_base(cities):
    cells = query(
        cities,
        "select year, value, source from marts.fct_cell_origins "
        "where city_id = '130100' and variable = 'gdp_cny_10k' order by year",
    ).set_index("year")
    assert cells.index.tolist() == list(range(2003, 2020))
    # The file with the lower precedence is asked first, where it has the year.
    assert cells.loc[2004, "source"] == "cities_panel"
    assert cells.loc[2003, "source"] == "early"
    series = query(
        cities,
        "select year, max(value) filter (where indicator = 'GDP') as gdp, "
        "max(value) filter (where indicator = 'GDPIDX') as idx "
        "from staging.stg_ceic__province_series where province_id = '130000' "
        "group by all order by year",
    ).set_index("year")
    chain = (series["idx"] / 100).where(series.index > 2003, 1.0).cumprod()
    deflator = series["gdp"] / series["gdp"][2003] / chain
    real = query(
        cities,
        "select year, gdp_real_cny_10k from marts.fct_city_years "
        "where city_id = '130100' order by year",
    ).set_index("year")["gdp_real_cny_10k"]
    expected = (cells["value"] / deflator).reindex(real.index)
    np.testing.assert_allclose(real, expected, rtol=1e-9)


def test_other_outcomes_are_studied_on_them(cities, project):
    folder = cities.root / "studies" / "my_figures"
    folder.mkdir()
    (folder / "study.yml").write_text(FIGURES)
    roster = project / "studies/low_carbon/low_carbon_pilots.csv"
    (folder / "pilots.csv").write_bytes(roster.read_bytes())
    said = citypanel(cities.root, "check", "my_figures")
    assert "73 units" in said and "2004 to 2019" in said
    citypanel(cities.root, "build", "--study", "my_figures")
    assert (cities.root / "my_figures.duckdb").is_file()
    citypanel(cities.root, "report", "--study", "my_cities", "--quiet")
    page = (cities.root / "outputs/my_cities/report/index.html").read_text("utf-8")
    assert "2005 to 2019" in page
