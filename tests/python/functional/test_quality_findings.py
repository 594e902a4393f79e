"""What the rules find in the shipped figures, in a spoiled copy, and what is used."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from citypanel.quality import findings
from citypanel.study.sources import SOURCE_TABLES

# What is known to be wrong in the shipped figures and can be seen in them: found by
# looking, and named only here: city (None: all cities), years, variable, and the rules
# of which one must name it.
GDP, GROWTH = "gdp_cny_10k", "gdp_growth_pct"
UNIVERSITY, VOCATIONAL = "university_students_persons", "vocational_students_persons"
PEOPLE, EDUCATION = "population_persons_10k", "education_expenditure_cny_10k"
IMPORTS, EXPORTS = "imports_cny_10k", "exports_cny_10k"
LEVELS = ("growth_against_levels",)
APART = ("power_of_ten", "halved_or_doubled", "leaves_and_returns", "level_break")
GAP = ("missing_cell", "missing_row")
KNOWN = [
    (None, [2013], GROWTH, ("nominal_as_real",)),
    (None, [2017], GROWTH, ("missing_year",)),
    # The first year on the levels of the fourth economic census.
    (None, [2019], GDP, ("break_year",)),
    *[
        (city, [2019], GDP, LEVELS)
        for city in (
            "Mudanjiang", "Jilin", "Tianjin", "Weihai", "Changchun", "Harbin", "Jining",
            "Jinzhou", "Dalian", "Baotou",
        )
    ],
    *[
        (city, [2017], GDP, GAP)
        for city in (
            "Hohhot", "Baotou", "Changchun", "Jilin", "Fuzhou", "Xiamen", "Quanzhou",
            "Nanchang", "Jiujiang", "Ganzhou",
        )
    ],
    (None, [2017], "secondary_cny_10k", ("missing_year",)),
    (None, [2017], "tertiary_cny_10k", ("missing_year",)),
    (None, [2017], "fai_cny_10k", ("discontinued",)),
    (None, [2016], "density_persons_per_km2", ("discontinued",)),
    (None, [2010], IMPORTS, ("discontinued",)),
    (None, [2010], EXPORTS, ("discontinued",)),
    *[
        (city, [year], variable, ("mixed_currency",))
        for city, year in (("Tianjin", 2019), ("Jinzhou", 2019), ("Qinhuangdao", 2018))
        for variable in (IMPORTS, EXPORTS)
    ],
    ("Shenzhen", [2018, 2019], UNIVERSITY, GAP),
    ("Shijiazhuang", [2018], UNIVERSITY, GAP),
    ("Tianjin", [2019], UNIVERSITY, GAP),
    ("Jinhua", [2015, 2016], UNIVERSITY, ("halved_or_doubled",)),
    ("Fuzhou", [2014], VOCATIONAL, ("power_of_ten",)),
    ("Jinhua", [2018], VOCATIONAL, ("repeated_value",)),
    ("Mudanjiang", [2019], EDUCATION, ("repeated_value",)),
    ("Zunyi", [2018], "all_variables", ("missing_row",)),
    ("Dali", [None], "all_variables", ("missing_city",)),
    *[
        (city, [year], "private_employment_persons", GAP)
        for city, year in (("Hohhot", 2016), ("Guiyang", 2019), ("Qingdao", 2018))
    ],
    (None, [2010], "unit_employment_persons_10k", ("rounded",)),
    # Registers that were revised, and two whose population is registered, not resident.
    ("Lanzhou", [2013, 2014], PEOPLE, APART),
    ("Xining", [2012, 2014], PEOPLE, APART),
    ("Yinchuan", [2014], PEOPLE, APART),
    ("Shenzhen", [2019], PEOPLE, ("drift",)),
    ("Zhuhai", [2019], PEOPLE, ("drift",)),
    # Boundaries.
    ("Jinan", [2019], "area_km2", ("level_break",)),
    ("Hefei", [2011], "area_km2", ("level_break",)),
    ("Hefei", [2011], PEOPLE, ("level_break",)),
    ("Anqing", [2016], "area_km2", ("level_break",)),
    ("Anqing", [2016], PEOPLE, ("level_break",)),
    # Corrected reporting of investment.
    ("Liaoning", [2016], "FAI", ("province_break",)),
    ("Shanxi", [2017], "FAI", ("province_break",)),
    ("Gansu", [2017], "FAI", ("province_break",)),
    # Two vintages of the municipalities' output, and a basis that changes.
    *[
        (city, [None], GDP, ("source_disagreement",))
        for city in ("Beijing", "Tianjin", "Shanghai", "Chongqing")
    ],
    ("Tianjin", [2019], GDP, ("source_jump",)),
]  # fmt: skip

# Found by the rules first, then looked at.
FOUND = [
    ("Jiujiang", [2018], IMPORTS, ("total_in_part",)),
    ("Nanchong", [2019], EXPORTS, ("power_of_ten",)),
    ("Dongguan", [2013], "unit_employment_persons_10k", ("power_of_ten",)),
    ("Chongqing", [2012, 2013, 2014, 2015], "unit_employment_persons_10k", APART),
    ("Yinchuan", [2014, 2015], "unit_employment_persons_10k", ("halved_or_doubled",)),
    ("Xining", [2013], "retail_sales_cny_10k", ("repeated_value",)),
    ("Baotou", [2019], UNIVERSITY, ("repeated_value",)),
    ("Tangshan", [2013], "area_km2", ("transposed_digits",)),
    ("Nanning", [2013], UNIVERSITY, ("transposed_digits",)),
    ("Xiangyang", [2018], UNIVERSITY, ("transposed_digits",)),
    ("Suzhou", [2016], VOCATIONAL, ("transposed_digits",)),
    ("Guangzhou", [2012], "private_employment_persons", ("transposed_digits",)),
    ("Shijiazhuang", [2017], "private_employment_persons", ("transposed_digits",)),
    ("Mudanjiang", [2012], GDP, LEVELS),
    ("Mudanjiang", [2012], "tertiary_cny_10k", ("share_jump",)),
    ("Urumqi", [2011], "fai_cny_10k", ("investment_ratio",)),
    ("Kunming", [2019], GDP, LEVELS),
    ("Shenyang", [2016], GDP, LEVELS),
    (None, [2019], "retail_sales_cny_10k", ("break_year",)),
    (None, [2013], "unit_employment_persons_10k", ("break_year",)),
]


@pytest.fixture(scope="module")
def table(built):
    return built.query("select * from quality.dq_findings")


@pytest.mark.parametrize("case", KNOWN + FOUND, ids=lambda case: f"{case[0]}-{case[2]}")
def test_a_known_defect_is_found_by_a_general_rule(table, case):
    city, years, variable, rules = case
    rows = table.loc[table["rule"].isin(rules)]
    rows = rows.loc[rows["city_en"].isna() if city is None else rows["city_en"] == city]
    for year in years:
        near = rows if year is None else rows.loc[rows["year"] == year]
        named = near["variable"].isin([variable])
        # Half an empty row is one finding about the row.
        named |= (near["rule"] == "missing_row") & near["evidence_en"].str.contains(
            variable
        )
        assert named.any(), (city, year, variable, rules)


def test_the_rules_know_nobody_by_name(project, built):
    cities = built.query("select city_id, city_en, city_zh from marts.dim_cities")
    for path in (project / "src/citypanel/quality/findings").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        named = re.search(rf"\b({'|'.join(cities.to_numpy().ravel())})\b", text)
        assert named is None, (path.name, named)


def test_a_person_can_read_the_list(table):
    counts = table["severity"].value_counts()
    assert counts["critical"] <= 30 and counts["warning"] <= 250
    key = ["rule", "scope", "city_id", "province_id", "year", "variable", "source"]
    assert not table.duplicated(key).any()
    assert set(table["severity"]) <= {"critical", "warning", "info"}
    assert set(table["status"]) <= {"open", "corrected", "not_used"}
    for column in ("evidence_en", "evidence_zh", "consequence_en", "consequence_zh"):
        assert table[column].str.len().gt(10).all()


def test_findings_name_the_value_that_is_printed_and_the_one_that_is_used(built, table):
    cells = built.query("select * from marts.fct_cell_origins")
    rows = table.loc[(table["scope"] == "city") & (table["source"] == "yearbook")]
    joined = rows.merge(
        cells, on=["city_id", "year", "variable"], suffixes=("", "_cell")
    )
    assert len(joined) > 200
    printed = joined.loc[joined["value"].notna()]
    np.testing.assert_allclose(printed["value"], printed["yearbook_value"])
    np.testing.assert_array_equal(joined["used_value"], joined["value_cell"])
    assert (joined["origin"] == joined["origin_cell"]).all()


def test_rules_without_a_finding_are_listed_and_counts_add_up(built, table):
    rules = built.query("select * from quality.dq_rules")
    assert len(rules) == len(findings.RULES)
    assert rules["n_findings"].sum() == len(table)
    parts = rules[["n_critical", "n_warning", "n_info"]].sum(axis=1)
    assert (parts == rules["n_findings"]).all()
    assert (rules["n_findings"] == 0).any()


def test_what_a_finding_touches_exists(built, table):
    """Every place is a published table, and its columns are columns of it."""
    columns = built.query(
        "select table_name, column_name from duckdb_columns() "
        "where schema_name = 'marts'"
    )
    known = columns.groupby("table_name")["column_name"].apply(set)
    places = {p for text in table["touches"] for p in text.split("; ") if p}
    assert places
    for place in places:
        name, _, parts = place.partition(": ")
        assert name in known.index
        if name == "fct_city_years":
            assert set(parts.split(", ")) <= known[name]


def test_severity_is_critical_only_where_a_regression_is_touched(table):
    critical = table.loc[table["severity"] == "critical"]
    assert critical["touches"].str.contains("rpt_regressions").all()
    assert (critical["status"] == "open").all()


# -------------------------------------------------------------------------------------
# A spoiled copy
# -------------------------------------------------------------------------------------

# (city, year, variable, what happens, rules of which one must name it)
SPOILED = [
    ("330100", 2014, UNIVERSITY, lambda v: 10 * v, {"power_of_ten"}),
    ("420100", 2016, "fai_cny_10k", lambda v: v / 100, {"power_of_ten"}),
    ("440100", 2012, PEOPLE, lambda v: 10000 * v, {"power_of_ten"}),
    ("510100", 2015, EDUCATION, lambda v: v / 2, {"halved_or_doubled"}),
    ("350200", 2013, "retail_sales_cny_10k", lambda v: 1.5 * v, {"leaves_and_returns"}),
    ("370200", 2019, EXPORTS, lambda v: v / 6.9, {"mixed_currency"}),
    ("320100", 2018, "fiscal_expenditure_cny_10k", None, {"repeated_value"}),
    ("410100", 2014, "tertiary_cny_10k", lambda v: 2 * v, {"parts_exceed_whole"}),
    ("610100", 2015, GDP, lambda v: 0.8 * v, {"growth_against_levels"}),
    ("430100", 2012, "area_km2", lambda v: 11861.0, {"transposed_digits"}),
    ("530100", 2014, "density_persons_per_km2", lambda v: 2 * v, {"density_identity"}),
]


@pytest.fixture(scope="module")
def readings(built):
    return {
        "cells": built.query(
            "select * exclude (value) from intermediate.int_cells__sources"
        ),
        "cities": built.query("select * from marts.dim_cities"),
        "provinces": built.query("select * from staging.stg_ceic__province_series"),
        "used": built.query("select * from marts.fct_cell_origins"),
        "taken": built.query("select * from intermediate.int_cells__reconciled"),
        "sources": {
            part: built.query(f"from {name}") for part, name in SOURCE_TABLES.items()
        },
        "variants": built.query("select * from marts.dim_study_variants"),
    }


def run(readings, cells):
    options = {name: readings[name] for name in ("sources", "variants")}
    places = (readings["cities"], readings["provinces"])
    judged = findings.judge(cells, *places, used=readings["taken"], **options)
    return findings.find(judged, used=readings["used"], **options)


def test_the_published_findings_are_the_librarys(readings, table):
    frame = run(readings, readings["cells"])
    assert len(frame) == len(table)
    key = ["rule", "severity", "city_id", "year", "variable", "touches", "evidence_zh"]
    left = frame[key].astype(str).sort_values(key, ignore_index=True)
    right = table[key].astype(frame[key].dtypes).astype(str)
    pd.testing.assert_frame_equal(left, right.sort_values(key, ignore_index=True))


def test_corrupted_cells_are_named(readings):
    cells = readings["cells"].copy()
    for city, year, variable, change, _ in SPOILED:
        at = (
            (cells["city_id"] == city)
            & (cells["variable"] == variable)
            & (cells["source"] == "yearbook")
        )
        now = at & (cells["year"] == year)
        if change is None:
            before = cells.loc[at & (cells["year"] == year - 1), "printed_value"].item()
            cells.loc[now, "printed_value"] = before
        else:
            cells.loc[now, "printed_value"] = change(
                cells.loc[now, "printed_value"].item()
            )
    # A whole row of another year.
    row = (cells["city_id"] == "340100") & (cells["source"] == "yearbook")
    last = cells.loc[row & (cells["year"] == 2015)].set_index("variable")
    now = row & (cells["year"] == 2016) & cells["variable"].isin(last.index)
    cells.loc[now, "printed_value"] = (
        cells.loc[now, "variable"].map(last["printed_value"]).to_numpy()
    )
    frame = run(readings, cells)
    for city, year, variable, _, rules in SPOILED:
        rows = frame.loc[(frame["city_id"] == city) & (frame["year"] == year)]
        named = set(rows["rule"])
        assert named & rules, (city, year, variable, named)
        if variable != "tertiary_cny_10k":  # the row is about the whole
            assert set(rows.loc[rows["variable"] == variable, "rule"]) & rules
    copied = frame.loc[frame["rule"] == "copied_row"]
    assert copied[["city_id", "year"]].values.tolist() == [["340100", 2016]]


def seed_cell(project, city, year, column, change):
    """Change one cell of the yearbook seed."""
    path = project.seed("raw_yearbook_city_years")
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    at = (frame["城市代码"] == city) & (frame["年份"] == str(year))
    assert at.sum() == 1
    frame.loc[at, column] = change(frame.loc[at, column].item())
    frame.to_csv(path, index=False)


def test_a_correction_whose_cell_has_changed_stops_the_build(workshop):
    students = "普通高等学校在校学生数(人)"
    seed_cell(workshop, "330700", 2015, students, lambda v: "86000")
    seed_cell(workshop, "330700", 2016, students, lambda v: "")
    # A city-year that is not there at all has nothing to correct.
    path = workshop.seed("raw_yearbook_city_years")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("2019,天津市")]
    assert len(kept) == len(lines) - 1
    path.write_text("".join(kept), encoding="utf-8")
    before = workshop.published.read_bytes()
    result = workshop.dbt("build", "--select", "+int_cells__sources")
    assert result.returncode != 0
    for words in (
        "Seed fix_cells: 2 correction(s) that do not stand",
        "city_id 330700, year 2015, variable university_students_persons",
        "expected '34976', found '86000'",
        "expected '34566', found no figure",
        "Consequence:",
        "Remedy:",
        "fix_cells.csv",
    ):
        assert words in result.stdout, result.stdout[-3000:]
    assert workshop.published.read_bytes() == before


def judge_as(project, *rows):
    path = project.seed("fix_judgements")
    header = path.read_text(encoding="utf-8")
    said = [",".join(row) + ",accepted,a reader,2026-11-28,a test\n" for row in rows]
    path.write_text(header + "".join(said), encoding="utf-8")


@pytest.mark.slow
def test_a_build_on_corrupted_figures_names_the_cells(workshop):
    def times(factor):
        return lambda text: str(round(factor * float(text)))

    seed_cell(workshop, "330100", 2014, "普通高等学校在校学生数(人)", times(10))
    seed_cell(workshop, "510100", 2015, "教育支出(万元)", times(0.5))
    seed_cell(workshop, "610100", 2015, "地区生产总值(万元)", times(1.3))
    before = workshop.published.read_bytes()
    result = workshop.dbt("build")
    assert result.returncode != 0 and workshop.published.read_bytes() == before
    assert "1 used figure(s) are a power of ten" in result.stdout
    assert f"Hangzhou (330100), 2014, {UNIVERSITY}, yearbook" in result.stdout
    assert "in its place the headline is" in result.stdout
    # Nothing is estimated with it.
    assert "OK created python table model estimates" not in "".join(
        line for line in result.stdout.splitlines() if "est_capital" in line
    )
    judge_as(workshop, ("power_of_ten", "330100", "2014", UNIVERSITY, "", ""))
    result = workshop.dbt("build")
    assert result.returncode == 0, result.stdout[-3000:]
    accepted = workshop.query(
        "select * from quality.dq_findings where status = 'accepted'"
    )
    assert accepted["judged_by"].tolist() == ["a reader"]
    assert accepted["severity"].tolist() == ["info"]
    causes = workshop.query("select * from quality.dq_causes")
    mine = causes.loc[(causes["places_en"] == "Xi'an") & (causes["first_year"] == 2015)]
    assert mine["headline_change"].abs().max() > 1e-5
    table = workshop.query("select * from quality.dq_findings where status = 'open'")
    keys = set(
        table[["rule", "city_en", "year", "variable"]].itertuples(
            index=False, name=None
        )
    )
    assert ("halved_or_doubled", "Chengdu", 2015, EDUCATION) in keys
    assert ("growth_against_levels", "Xi'an", 2015, GDP) in keys


@pytest.mark.slow
def test_what_fails_later_is_preceded_by_the_figures_to_look_at(workshop):
    # No power of ten, and too much for the capital stock of the city.
    column = "固定资产投资(万元)"
    header = workshop.seed("raw_yearbook_city_years").read_text(encoding="utf-8")
    column = next(
        name for name in header.splitlines()[0].split(",") if "固定资产" in name
    )
    seed_cell(workshop, "440200", 2011, column, lambda v: str(round(4 * float(v))))
    result = workshop.dbt("build")
    assert result.returncode != 0
    said = result.stdout
    assert said.index("look at these figures first") < said.index("Completed with")
    line = said[said.index("look at these figures first") :].splitlines()[1]
    assert line.strip().startswith("- Shaoguan (440200), 2011, fai_cny_10k"), line
    assert "With it the study cannot be computed" in line and "-0.01" in line.replace(
        "\u2212", "-"
    )


def test_causes_hold_every_finding_once_and_the_first_move_most(built, table):
    rows = built.query("select * from quality.dq_causes order by cause")
    assert rows["n_findings"].sum() == len(table) and len(rows) < len(table) / 2
    moves = rows["headline_change"].abs().fillna(0.0)
    is_open = rows["status"] == "open"
    assert (moves.loc[is_open].diff().dropna() <= 1e-15).all()
    assert rows.loc[is_open, "cause"].max() == is_open.sum()
    for name in ("advice_en", "advice_zh", "evidence_en", "title_en"):
        assert rows[name].str.len().gt(3).all()
    # The revision of output in one row, and so its wording in other cities.
    revision = table.loc[(table["rule"] == "break_year") & (table["variable"] == GDP)]
    mine = rows.set_index("cause").loc[revision["cause"].unique()]
    assert mine["n_findings"].max() > 50


# -------------------------------------------------------------------------------------
# Origins, corrections, imputation
# -------------------------------------------------------------------------------------


def test_every_printed_cell_stands_in_the_origins(built, project):
    """Cell by cell against the seed, in the publisher's text and unit."""
    seed = pd.read_csv(built.seed("raw_yearbook_city_years"), dtype=str)
    names = built.query(
        "select variable, yearbook_column from marts.dim_variables "
        "where yearbook_column is not null"
    )
    cells = built.query(
        "select city_id, year, variable, yearbook_raw_value, yearbook_raw_unit, unit, "
        "yearbook_value from marts.fct_cell_origins"
    )
    long = seed.melt(["年份", "城市", "城市代码"], var_name="yearbook_column")
    long = long.merge(names, on="yearbook_column").dropna(subset="value")
    long["year"] = long["年份"].astype(int)
    joined = long.merge(
        cells,
        left_on=["城市代码", "year", "variable"],
        right_on=["city_id", "year", "variable"],
    )
    assert len(joined) == len(long) == cells["yearbook_raw_value"].notna().sum()
    assert (joined["value"] == joined["yearbook_raw_value"]).all()
    assert (joined["value"].astype(float) == joined["yearbook_value"]).all()
    assert (joined["unit"] == joined["yearbook_raw_unit"]).all()


def test_the_province_tables_cell_stands_beside_with_its_own_unit(built):
    row = built.query(
        "select * from marts.fct_cell_origins where city_id = '120000' and year = 2016 "
        f"and variable = '{GDP}'"
    ).iloc[0]
    assert (row["yearbook_raw_value"], row["yearbook_raw_unit"]) == (
        "178853900",
        "CNY 10,000",
    )
    assert row["province_raw_unit"] == "RMB 100 mn"
    assert row["province_value"] == 10000 * float(row["province_raw_value"])
    assert row["source"] == "yearbook" and row["value"] == 178853900


def test_corrections_are_applied_and_nothing_else_is(built):
    fixes = pd.read_csv(built.seed("fix_cells"), dtype=str)
    cells = built.query(
        "select * from marts.fct_cell_origins where correction_action is not null"
    )
    assert len(cells) == len(fixes)
    joined = fixes.assign(year=fixes["year"].astype(int)).merge(
        cells, on=["city_id", "year", "variable"]
    )
    assert (joined["expected_raw_value"] == joined["yearbook_raw_value"]).all()
    replaced = joined.loc[joined["action"] == "replace"]
    assert (replaced["origin"] == "corrected").all()
    assert (replaced["value"] == replaced["new_value"].astype(float)).all()
    dropped = joined.loc[joined["action"] == "drop"]
    assert dropped["origin"].isin(["interpolated", "carried", "missing"]).all()
    assert (joined["correction"] == joined["reason"]).all()
    # 86725 in 2014, 75378 in 2017.
    jinhua = dropped.loc[dropped["variable"] == UNIVERSITY, "value"]
    assert jinhua.tolist() == [81051.5, 81051.5]


def test_every_shipped_correction_is_a_finding(built, table):
    fixes = pd.read_csv(built.seed("fix_cells"), dtype=str)
    corrected = table.loc[table["status"] == "corrected"]
    keys = set(zip(corrected["city_id"], corrected["year"], corrected["variable"],
                   strict=True))  # fmt: skip
    for row in fixes.itertuples():
        assert (row.city_id, int(row.year), row.variable) in keys


def test_scores_are_those_of_masked_cells(built):
    """Recomputed: mask, fill from the neighbours, compare."""
    scores = built.query(
        f"select * from quality.dq_imputation_scores where variable = '{UNIVERSITY}'"
    ).set_index(["imputation", "setting", "gap_years"])
    cells = built.query(
        "select city_id, year, reported_value as value from "
        f"intermediate.int_cells__imputed where variable = '{UNIVERSITY}'"
    ).pivot(index="city_id", columns="year", values="value")
    values, years = cells.to_numpy(), cells.columns.to_numpy()
    with np.errstate(all="ignore"):
        yearly = np.nanmedian(np.diff(np.log(values), axis=1), axis=0)
    common = np.concatenate([[0], np.cumsum(yearly)])
    errors = {"paper": [], "linear": [], "growth_chaining": []}
    ends = {"paper": [], "linear": [], "growth_chaining": []}
    for row in values:
        for t in np.flatnonzero(row > 0):
            known = np.flatnonzero(np.isfinite(row) & (np.arange(len(row)) != t))
            before, after = known[known < t], known[known > t]
            if len(before) and len(after):
                a, b = before[-1], after[0]
                weight = (years[t] - years[a]) / (years[b] - years[a])
                straight = row[a] + weight * (row[b] - row[a])
                own = np.log(row[b] / row[a]) - (common[b] - common[a])
                chained = row[a] * np.exp(common[t] - common[a] + weight * own)
                for name, filled in (
                    ("paper", (row[a] + row[b]) / 2),
                    ("linear", straight),
                    ("growth_chaining", chained),
                ):
                    errors[name].append(abs(np.log(filled / row[t])))
            else:
                near = (before[-1:] if len(before) else after[:1]).item()
                if abs(years[t] - years[near]) <= 2:
                    carried = abs(np.log(row[near] / row[t]))
                    chained = row[near] * np.exp(common[t] - common[near])
                    ends["paper"].append(carried)
                    ends["linear"].append(carried)
                    ends["growth_chaining"].append(abs(np.log(chained / row[t])))
    for name, values_ in errors.items():
        score = scores.loc[(name, "interior", 1)]
        assert score["n_cells"] == score["n_scored"] == len(values_)
        assert score["median_abs_log_error"] == pytest.approx(np.median(values_))
        assert score["mean_abs_log_error"] == pytest.approx(np.mean(values_))
    for name, values_ in ends.items():
        score = scores.loc[(name, "end", 1)]
        assert score["n_cells"] == len(values_)
        assert score["mean_abs_log_error"] == pytest.approx(np.mean(values_))


def test_scores_say_which_rule_is_used_and_longer_gaps_are_harder(built):
    scores = built.query("select * from quality.dq_imputation_scores")
    assert set(scores.loc[scores["is_used"], "imputation"]) == {"paper"}
    assert GROWTH not in set(scores["variable"])
    assert "end" not in set(scores.loc[scores["variable"] == "fai_cny_10k", "setting"])
    wide = scores.loc[scores["setting"] == "interior"].pivot(
        index=["variable", "imputation"],
        columns="gap_years",
        values="mean_abs_log_error",
    )
    assert (wide[3] > wide[1]).mean() > 0.9


def test_shares_count_every_cell_once_by_each_grouping(built):
    shares = built.query("select * from quality.dq_imputed_shares")
    counts = [c for c in shares if c.startswith("n_") and c != "n_cells"]
    assert (shares[counts].sum(axis=1) == shares["n_cells"]).all()
    totals = shares.groupby("grouping")["n_cells"].sum()
    assert set(totals) == {74 * 10 * 18} and len(totals) == 4
    assert np.allclose(shares["imputed_share"], shares["n_imputed"] / shares["n_cells"])


def test_the_options_are_on_record(built):
    variants = built.query("select * from marts.dim_study_variants")
    assert set(variants["imputation"]) == {"paper"}
    assert set(variants["corrections"]) == {"applied"}


@pytest.mark.slow
def test_without_corrections_every_cell_is_used_as_printed(workshop):
    result = workshop.dbt("build", "--vars", "{corrections: none}")
    assert result.returncode == 0, result.stdout[-3000:]
    workshop = workshop.published_by(result)
    cells = workshop.query("select * from marts.fct_cell_origins")
    assert cells["correction_action"].isna().all()
    assert "corrected" not in set(cells["origin"])
    used = cells.loc[
        cells["yearbook_value"].notna() & ~cells["is_defective"]
        & (cells["source"] == "yearbook")
    ]  # fmt: skip
    assert (used["value"] == used["yearbook_value"]).all()
    table = workshop.query("select * from quality.dq_findings")
    jinhua = table.loc[
        (table["city_en"] == "Jinhua") & (table["variable"] == UNIVERSITY)
    ]
    assert (jinhua["status"] == "open").all() and len(jinhua) == 2
    # The headline as it was before there were corrections.
    row = workshop.query(
        "select estimate, std_error, n_obs from marts.rpt_regressions where "
        "variant = 'headline' and paper_table = '3' and paper_column = '(1)' "
        "and term = 'sydid'"
    ).iloc[0]
    assert round(row["estimate"], 6) == -0.010669 and row["n_obs"] == 584


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["linear", "growth_chaining", "none"])
def test_each_imputation_builds_and_fills_as_it_says(workshop, rule):
    result = workshop.dbt("build", "--vars", f"{{imputation: {rule}}}")
    assert result.returncode == 0, result.stdout[-3000:]
    other = workshop.published_by(result)
    cells = other.query(
        "select * from marts.fct_cell_origins where variable not in "
        "('gdp_growth_pct', 'fai_cny_10k')"
    )
    filled = cells.loc[~cells["origin"].isin(["reported", "other_source", "corrected"])]
    origins = set(filled.loc[filled["origin"] != "missing", "origin"])
    expected = {
        "linear": {"interpolated", "carried"},
        "growth_chaining": {"chained"},
        "none": set(),
    }
    assert origins == expected[rule]
    counts = other.query(
        "select count(distinct city_id) as n from marts.fct_city_years"
    )
    assert counts["n"].item() == 73 if rule != "none" else counts["n"].item() < 65
    scores = other.query("select * from quality.dq_imputation_scores")
    used = set(scores.loc[scores["is_used"], "imputation"])
    assert used == ({rule} - {"none"})
