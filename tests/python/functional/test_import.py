"""From a user's file to a build with it, as a user runs it."""

from __future__ import annotations

import csv
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

FIRST = ("哈尔滨市", "昆明市", "襄樊市", "南宁市", "济宁市")
SECOND = ("西宁市", "扬州市", "洛阳市", "义乌市")  # 义乌 is no city of the study


def _import(workshop, *arguments):
    result = subprocess.run(
        [sys.executable, "-m", "citypanel.cli", "import", *arguments],
        cwd=workshop.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def _write(path, rows):
    with open(path, "w", encoding="gb18030", newline="") as file:
        csv.writer(file).writerows(rows)


def test_imported_figures_fill_gaps_and_take_precedence_when_told(workshop):
    # Output of 2017 is missing for Hohhot and given for Beijing in the yearbook.
    rows = [["城市", "年份", "地区生产总值(亿元)"], ["呼和浩特市", 2017, 2743.7],
            ["北京市", 2017, 28000.5]]  # fmt: skip
    _write(workshop.root / "mine.csv", rows)
    _import(
        workshop, "yearbook", "mine.csv", "--source", "mine", "--publisher", "A bureau"
    )
    cells = (
        "select city_id, source, origin, raw_value, raw_unit, value "
        "from marts.fct_cell_origins where variable = 'gdp_cny_10k' and year = 2017 "
        "and city_id in ('110000', '150100') order by city_id"
    )
    before = workshop.query(cells).to_dict("records")
    assert before[0]["source"] == "yearbook"
    result = workshop.dbt("build")
    assert result.returncode == 0, result.stdout
    beijing, hohhot = workshop.query(cells).to_dict("records")
    assert beijing == before[0]
    assert hohhot == {
        "city_id": "150100", "source": "mine", "origin": "other_source",
        "raw_value": "2743.7", "raw_unit": "亿元", "value": 27437000.0,
    }  # fmt: skip

    _import(workshop, "yearbook", "mine.csv", "--source", "mine", "--precedence", "0")
    result = workshop.dbt("build")
    assert result.returncode == 0, result.stdout
    beijing, _ = workshop.query(cells).to_dict("records")
    assert beijing["source"] == "mine" and beijing["origin"] == "reported"
    assert beijing["value"] == pytest.approx(280005000)


def test_a_compilation_that_repeats_the_defect_is_not_believed(workshop, project):
    with open(
        project / "seeds/yearbook/raw_yearbook_city_years.csv", encoding="utf-8"
    ) as file:
        rows = list(csv.DictReader(file))
    growth = "地区生产总值增长率(%)"
    _write(
        workshop.root / "copy.csv",
        [["城市", "城市代码", "年份", "地区生产总值(万元)", growth]]
        + [[r["城市"], r["城市代码"], r["年份"], r["地区生产总值(万元)"], r[growth]]
           for r in rows],
    )  # fmt: skip
    _import(workshop, "yearbook", "copy.csv", "--source", "copy")
    result = workshop.dbt("build")
    assert result.returncode == 0, result.stdout
    used = workshop.query(
        "select distinct source from marts.fct_cell_origins "
        "where variable = 'gdp_growth_pct' and year = 2013 and source is not null"
    )
    assert list(used["source"]) == ["province"]


def test_the_same_warehouse_studies_another_policy(workshop):
    before = workshop.fingerprints()
    _write(
        workshop.root / "roster.csv",
        [["城市", "日期", "批次", "结束日期", "强度"]]
        + [[city, "2013-07-01", 1, "", 1] for city in FIRST]
        + [[city, "2016-01-01", 2, "2018-06-30", 0.5] for city in SECOND],
    )
    said = _import(
        workshop, "policy", "roster.csv", "--name", "made_up", "--allow-unmatched"
    )
    assert "襄樊市 = 襄阳" in said
    result = workshop.dbt("build")
    assert result.returncode == 0, result.stdout
    assert workshop.fingerprints() == before  # the default is the shipped roster
    result = workshop.dbt(
        "build", "--vars", "{policy: made_up, treated_batches: [1, 2]}"
    )
    assert result.returncode == 0, result.stdout
    other = workshop.published_by(result)
    units = other.query("select zone_zh, city_id, batch from marts.dim_pilot_zones")
    assert len(units) == 9 and units["city_id"].notna().sum() == 8
    cohorts = other.query(
        "select city_id, year(approval_date) as cohort from marts.dim_cities "
        "where batch is not null"
    )
    assert dict(cohorts.to_numpy())["420600"] == 2013
    headline = other.query(
        "select n_treated_cities, estimate from marts.rpt_regressions where variant = "
        "'headline' and paper_table = '3' and paper_column = '(1)' and term = 'sydid'"
    ).iloc[0]
    assert headline["n_treated_cities"] == 8
    exposures = other.query(
        "select distinct year, sydid from marts.fct_policy_exposures "
        "inner join marts.dim_pilot_zones using (city_id) "
        "where dim_pilot_zones.batch = 2 order by year"
    )
    assert exposures["sydid"].tolist() == [0] * 5 + [0.5] * 3 + [0]
    # What takes a policy as permanent and full is no estimate, and says why.
    refused = other.query(
        "select estimator, estimate, note from marts.rpt_att "
        "where aggregation in ('none', 'simple') and outcome = 'tfpch'"
    )
    assert refused["estimate"].notna().sum() == 1
    assert refused.loc[refused["estimate"].isna(), "note"].str.contains("ends").all()
    policy = other.query("select distinct policy from marts.dim_study_variants")
    assert list(policy["policy"]) == ["made_up"]
    after = other.fingerprints()
    assert after["marts.fct_tfp_changes"] == before["marts.fct_tfp_changes"]
    assert after["marts.rpt_regressions"] != before["marts.rpt_regressions"]

    published = workshop.published.read_bytes()
    result = workshop.dbt("build", "--vars", "{policy: madeup}")
    assert result.returncode != 0
    assert "Rosters: made_up, pilot_zones." in result.stdout, result.stdout[-2000:]
    assert workshop.published.read_bytes() == published


def test_an_export_in_another_unit_gives_the_same_panel(workshop):
    before = workshop.query("select * from marts.fct_city_years order by city_id, year")
    with open(workshop.seed("raw_ceic_series"), encoding="utf-8") as file:
        series = [
            (row["date"][:4], float(row["value"]) / 10)
            for row in csv.DictReader(file)
            if row["series_id"] == "NBS-PROVINCE-110000-GDP"
        ]
    block = [
        ["Name", "CN: GDP: Beijing"],
        ["Region", "China"],
        ["Frequency", "Annual"],
        ["Unit", "RMB bn"],
        ["Source", "NBS"],
        ["Series ID", "4020001"],
    ]
    _write(workshop.root / "export.csv", block + [list(pair) for pair in series])
    _import(workshop, "ceic", "export.csv", "--replace")
    result = workshop.dbt("build")
    assert result.returncode == 0, result.stdout
    after = workshop.query("select * from marts.fct_city_years order by city_id, year")
    for column in before.select_dtypes("number"):
        assert after[column].to_numpy() == pytest.approx(
            before[column].to_numpy(), rel=1e-9, nan_ok=True
        ), column


def test_no_build_starts_on_half_an_import(workshop):
    published = workshop.published.read_bytes()
    _write(
        workshop.root / "mine.csv",
        [["城市", "年份", "地区生产总值(亿元)"], ["呼和浩特市", 2017, 2743.7]],
    )
    script = (
        "import os, signal\nfrom pathlib import Path\n"
        "from citypanel.importers import plan_yearbook\n"
        "def kill(step):\n"
        "    if step.startswith('moved'): os.kill(os.getpid(), signal.SIGKILL)\n"
        "plan = plan_yearbook([Path('mine.csv')], project=Path('.'), source='mine')\n"
        "plan.write(Path('.'), after_step=kill)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=workshop.root, check=False
    )
    assert ended.returncode == -9
    result = workshop.dbt("build")
    assert result.returncode != 0
    assert "An import was interrupted" in result.stdout
    assert workshop.published.read_bytes() == published
    assert "it is now finished" in _import(workshop, "--recover")
    result = workshop.dbt("build", "-s", "raw_imported_cells", "raw_imported_sources")
    assert result.returncode == 0, result.stdout


def _headline(workshop):
    return workshop.query(
        "select estimate from marts.rpt_regressions where variant = 'headline' "
        "and paper_table = '3' and paper_column = '(1)' and term = 'sydid'"
    ).iloc[0, 0]


def test_an_import_does_not_undo_corrections(workshop, project):
    """The same bad figures, in other units and with more digits."""
    before = _headline(workshop)
    _write(
        workshop.root / "bad.csv",
        [["城市代码", "年份", "普通高等学校在校学生数(万人)",
          "年末单位从业人员数(万人)", "地区生产总值(万元)"],
         ["330700", 2015, 3.4976, "", ""], ["640100", 2014, "", 78.472, ""],
         ["330700", 2016, 8.5, "", ""]],
    )  # fmt: skip
    _import(workshop, "yearbook", "bad.csv", "--source", "bad", "--accept-difference")
    result = workshop.dbt("build")
    assert result.returncode == 0, result.stdout
    cells = workshop.query(
        "select city_id, year, source, origin, correction_action "
        "from marts.fct_cell_origins where (city_id, year, variable) in ("
        "('330700', 2015, 'university_students_persons'), "
        "('330700', 2016, 'university_students_persons'), "
        "('640100', 2014, 'unit_employment_persons_10k')) order by city_id, year"
    ).to_dict("records")
    assert [cell["origin"] for cell in cells] == [
        "interpolated", "other_source", "interpolated"]  # fmt: skip
    # Another figure than the corrected one fills the gap.
    assert cells[1]["source"] == "bad"
    assert {cell["correction_action"] for cell in cells} == {"drop"}
    assert _headline(workshop) != before


def test_every_raw_file_fills_only_cells_without_a_figure(workshop, raw_files):
    origins = (
        "select city_id, year, variable, source, origin, raw_value "
        "from marts.fct_cell_origins order by all"
    )
    keys = ["city_id", "year", "variable"]
    before = workshop.query(origins).set_index(keys)
    for pattern in (
        "yearbook_tables/*.xlsx", "yearbook_compilation/*.csv",
        "cities_1999_2018/*.xlsx", "gdp_index/2000*.xlsx", "gdp_index/296*.xlsx",
        "gdp_index/298*.xlsx",
    ):  # fmt: skip
        _import(workshop, "yearbook", *map(str, sorted(raw_files.glob(pattern))))
    result = workshop.dbt("build")
    assert result.returncode == 0, result.stdout
    after = workshop.query(origins).set_index(keys)
    found = after["source"].notna()
    moved = after[found & (after["raw_value"] != before["raw_value"])]
    had = before.loc[moved.index]
    print(moved.to_string())
    assert len(moved) and set(moved["origin"]) == {"other_source"}
    assert had["source"].isna().all()
    assert set(had["origin"]) <= {"missing", "interpolated", "carried", "chained"}
    kept = before["source"].notna()
    assert after[kept].equals(before[kept])


def test_a_city_added_by_hand_is_told_by_its_imported_figures(workshop):
    """The sample says what the figures lack, not that the yearbook has no row."""
    cities = workshop.seed("ref_cities")
    lines = cities.read_text(encoding="utf-8").rstrip("\n")
    cities.write_text(
        lines + "\n130400,邯郸,Handan,130000,河北,Hebei,eastern,0,0\n",
        encoding="utf-8",
    )
    _write(
        workshop.root / "more.csv",
        [["城市", "年份", "地区生产总值(万元)"]]
        + [["邯郸市", year, 3e7 + year] for year in range(2010, 2020)],
    )
    _import(workshop, "yearbook", "more.csv", "--source", "more")
    result = workshop.dbt("build")
    assert result.returncode == 0, result.stdout
    reason = workshop.query(
        "select reason from marts.rpt_sample where city_en = 'Handan'"
    ).iloc[0, 0]
    assert "no row of this city" not in reason
    assert reason.startswith("out: no ") and "labour" in reason
