"""Studies declared on a panel of their own: read, checked, proposed, evaluated."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import duckdb
import numpy as np
import openpyxl
import pandas as pd
import pytest

import citypanel
from citypanel.cli import main
from citypanel.errors import DeclarationError, WarehouseError
from citypanel.identity import STAMP, refuse_other_skeleton
from citypanel.study import formulas
from citypanel.study.declaration import examine_declaration, read_declaration
from citypanel.study.own.evaluate import (
    column_options,
    comparison_table,
    descriptives,
    regression_table,
)
from citypanel.study.own.findings import panel_findings
from citypanel.study.own.panel import examine, prepare_panel, read_panel
from citypanel.study.own.proposal import lay_out
from citypanel.study.own.tables import TABLES, fixed, text

STUDY = """\
name: made_up
unit: {noun: {en: farm}, key: farm, groups: {area: area}}
period: {key: quarter}
panel: panel.csv
policy: {label: {en: subsidy}, cohort: start}
outcome:
  yield: {label: {en: Yield}, formula: harvest / land}
controls:
  rain: {formula: ln(rain), label: {en: Log rain}}
columns:
  - {table: "1", name: (1)}
  - {table: "1", name: (2), controls: all, sample: area = 'north'}
draws: 999
"""


def panel() -> pd.DataFrame:
    """Twelve farms in eight quarters; the subsidy adds 0.5 to the yield."""
    rng = np.random.default_rng(3)
    quarters = [f"{y}Q{q}" for y in (2020, 2021) for q in (1, 2, 3, 4)]
    rows = []
    for farm in range(12):
        start = ["", "2020Q4", "2021Q2"][farm % 3]
        for quarter in quarters:
            on = bool(start) and quarter >= start
            land = 2.0 + farm
            noise = 0.01 * rng.normal()
            rows.append(
                {
                    "farm": f"farm {farm}",
                    "quarter": quarter,
                    "start": start,
                    "area": "north" if farm % 2 else "south",
                    "harvest": land * (1.0 + 0.1 * farm + 0.5 * on + noise),
                    "land": land,
                    "rain": 10.0 + rng.uniform(),
                }
            )
    return pd.DataFrame(rows).replace({"start": {"": None}})


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "studies" / "made_up"
    made.mkdir(parents=True)
    panel().to_csv(made / "panel.csv", index=False)
    (made / "study.yml").write_text(STUDY)
    return made


def test_a_planted_effect_is_found_by_every_estimator(folder):
    tables = citypanel.evaluate(None, folder / "study.yml")
    columns = tables["rpt_study_regressions"].query("term == 'treatment'")
    assert columns["column_name"].tolist() == ["(1)", "(2)"]
    assert columns["estimate"].to_numpy() == pytest.approx(0.5, abs=0.02)
    assert columns["n_units"].tolist() == [12, 6]
    values = tables["fct_unit_periods"].query("variable == @columns.outcome.iloc[0]")
    assert columns["outcome_mean"].iloc[0] == pytest.approx(values["value"].mean())
    att = tables["rpt_study_att"]
    overall = att[(att["term"] == "overall") & att["estimate"].notna()]
    assert overall["estimator"].nunique() == 9
    assert overall["estimate"].to_numpy() == pytest.approx(0.5, abs=0.03)
    assert len(tables["dim_units"]) == 12
    assert set(tables["dim_unit_groups"]["group_value"]) == {"north", "south"}


def test_changes_are_to_the_period_before_on_the_whole_panels_grid(folder):
    """First and third quarters alone: none has the quarter before it."""
    text = STUDY.replace(
        "controls: all, sample: area = 'north'",
        "difference: true, effects: none, "
        "sample: \"quarter in ('2020Q1', '2020Q3', '2021Q1', '2021Q3')\"",
    )
    (folder / "study.yml").write_text(text)
    made = prepare_panel(read_declaration(folder / "study.yml"))
    frame, _ = column_options(made, 1)
    assert frame.empty


def test_a_frame_takes_the_place_of_the_file(folder):
    design = read_declaration(folder / "study.yml")
    moved = panel().assign(harvest=lambda f: f["harvest"] + f["land"])
    told = descriptives(prepare_panel(design, moved))
    plain = descriptives(prepare_panel(design))
    assert (told["mean"] - plain["mean"]).iloc[0] == pytest.approx(1.0)


# What is wrong, and the line and words that say so.
MISTAKES = [
    ("name: made_up", "name: Made Up", 1, "use a-z"),
    ("name: made_up", "name: another", 1, "the folder is studies/made_up"),
    ("key: farm,", "key: frm,", 2, "did you mean farm"),
    ("key: quarter", "kye: quarter", 3, "did you mean key"),
    ("panel: panel.csv", "panel: other.csv", 4, "does not exist beside"),
    ("cohort: start", "cohorte: start", 5, "did you mean cohort"),
    ("cohort: start", "cohort: begin", 5, "no column begin"),
    ("cohort: start", "cohort: start, anticipation: 1", 5, "is not a key"),
    ("cohort: start", "cohort: area", 5, "write it as quarter"),
    ("harvest / land", "harvest / lnd", 7, "did you mean land"),
    ("harvest / land", "read_csv('x')", 7, "not among the functions"),
    ("harvest / land", "(select 1)", 7, "a query has no place"),
    ("formula: harvest / land", "transform: loge", 7, "permitted: level, log"),
    ("ln(rain)", "ln(rain", 9, "no expression"),
    ("controls: all", "controls: [rian]", 12, "no declared control"),
    ("area = 'north'", "aera = 'north'", 12, "no series aera"),
    ("name: (2)", "name: (1)", 12, "a second column"),
    ("draws: 999", "draws: 5", 13, "from 999 on"),
    ("draws: 999", "draws: 999\ndrawn: 3", 14, "did you mean draws"),
    ("draws: 999", "weights: rain - 10.5", 13, "negative in"),
    ("draws: 999", "draws: 999\nname: made_up", 14, "stands twice"),
    ("draws: 999", "\tdraws: 999", 13, "no YAML"),
    ("formula: harvest", "headline: yes please, formula: harvest", 7, "true or false"),
]


@pytest.mark.parametrize(("before", "after", "line", "words"), MISTAKES)
def test_each_mistake_has_its_line_and_a_remedy(folder, before, after, line, words):
    path = folder / "study.yml"
    assert STUDY.count(before) >= 1
    path.write_text(STUDY.replace(before, after, 1))
    with pytest.raises(DeclarationError) as raised:
        citypanel.evaluate(None, path)
    message = str(raised.value)
    assert f"line {line}" in message and words in message, message
    assert "nothing was built" in message


def test_check_finds_every_mistake_at_once(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder.parents[1])
    text = STUDY.replace("ln(rain)", "ln(rian)").replace("draws: 999", "draws: 1")
    (folder / "study.yml").write_text(text)
    assert main(["check", "made_up"]) == 1
    said = capsys.readouterr().err
    assert "rian" in said and "from 999 on" in said and "2 mistakes" in said
    (folder / "study.yml").write_text(STUDY)
    assert main(["check", "made_up"]) == 0
    assert "96 rows, 12 units (farm), 8 treated" in capsys.readouterr().out


def test_an_unknown_study_names_those_declared(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder.parents[1])
    assert main(["check", "made_upp"]) == 1
    said = capsys.readouterr().err
    assert "did you mean made_up?" in said and "citypanel new" in said


DATA = [
    (lambda f: f.assign(start=None), "no unit is treated"),
    (lambda f: f.assign(start="2020Q1"), "treated in every period"),
    (lambda f: pd.concat([f, f.head(1)]), "2 rows share"),
    (lambda f: f.assign(farm=f["farm"].where(f.index != 5)), "is empty in 1 rows"),
    (lambda f: f.assign(land=f["land"].where(f["quarter"] != "2020Q3")), "2020Q3"),
    (
        lambda f: f.assign(start=f["start"].where(f.index != 8, "2021Q1")),
        "varies within 1 units",
    ),
    (lambda f: f.assign(LAND=1), "two columns land"),
]


@pytest.mark.parametrize(("change", "words"), DATA)
def test_each_mistake_of_the_data_is_named(folder, change, words):
    study = read_declaration(folder / "study.yml")
    found = examine(study, change(panel()))
    assert any(words in str(problem) for problem in found), found
    assert all("line " in str(problem) for problem in found)


FORMULAS = [
    ("a + 1", [2.0, 3.0, 4.0, 1.0]),
    ("ln(a)", [0.0, np.log(2), np.log(3), np.nan]),
    ("1 / a", [1.0, 0.5, 1 / 3, np.nan]),
    ("unit_mean(a)", [1.5, 1.5, 1.5, 1.5]),
    ("value_in(a, 2)", [np.nan, np.nan, 0.0, 0.0]),
    # Period 3 follows a gap in unit 1.
    ("previous(a)", [np.nan, np.nan, np.nan, 3.0]),
    ("next(a)", [np.nan, np.nan, 0.0, np.nan]),
    ("case when a > 1 then 1 else 0 end", [0, 1, 1, 0]),
    ("coalesce(nullif(a, 0), 9)", [1.0, 2.0, 3.0, 9.0]),
]


@pytest.mark.parametrize(("formula", "values"), FORMULAS)
def test_formulas_are_evaluated_row_by_row(formula, values):
    frame = pd.DataFrame({"id": [1, 1, 2, 2], "t": [1, 3, 1, 2], "a": [1.0, 2, 3, 0]})
    assert formulas.problems_of(formula, frame.columns) == []
    ours = formulas.evaluate(frame, {"v": formula}, unit="id", period="t")["v"]
    np.testing.assert_allclose(ours.astype(float), values)


@pytest.mark.parametrize(
    "formula",
    [
        "read_csv('/etc/passwd')",
        "(select 1)",
        "a from panel",
        "a), (a",
        "a; drop table panel",
        "getenv('HOME')",
        "avg(a) over ()",
        "a in (select a from panel)",
        "exists(select 1)",
        "a::integer",
        "columns(*)",
        "*",
        "[a]",
        "x -> 1",
        "unit_mean(previous(a))",
        "unit_mean()",
        "sum(a)",
        "$1",
        "",
    ],
)
def test_a_formula_runs_no_other_code(formula):
    assert formulas.problems_of(formula, ["a"])


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".dta", ".parquet"])
def test_new_proposes_what_the_file_holds(tmp_path, monkeypatch, suffix, capsys):
    frame = (
        panel()
        .drop(columns="quarter")
        .assign(year=lambda f: 2000 + f.groupby("farm").cumcount())
    )
    frame["start"] = frame["start"].map({"2020Q4": 2003, "2021Q2": 2005}).fillna(0)
    source = tmp_path / f"my{suffix}"
    if suffix == ".csv":
        frame.to_csv(source, index=False)
    elif suffix == ".xlsx":
        frame.to_excel(source, index=False)
    elif suffix == ".dta":
        frame.to_stata(source, write_index=False)
    else:
        duckdb.from_df(frame).write_parquet(str(source))
    monkeypatch.chdir(tmp_path)
    assert main(["new", "my_farms", "--panel", str(source)]) == 0
    study, problems = examine_declaration(tmp_path / "studies/my_farms/study.yml")
    assert problems == []
    assert (study.unit, study.period, study.cohort) == ("farm", "year", "start")
    assert study.groups == {"area": "area"}
    assert study.headline.name == "harvest"
    assert examine(study, read_panel(study.panel)) == []
    # A second run does not replace what a person has corrected.
    assert main(["new", "my_farms", "--panel", str(source)]) == 1
    assert "exists" in capsys.readouterr().err


@pytest.mark.parametrize("first", [0, 1])
def test_new_takes_no_row_number_for_an_outcome(tmp_path, monkeypatch, first):
    """pandas writes its index, and R the names of rows, where nobody says not to."""
    frame = panel().sample(frac=1.0, random_state=1).reset_index(drop=True)
    frame.index += first
    frame.to_csv(tmp_path / "my.csv")
    monkeypatch.chdir(tmp_path)
    assert main(["new", "my_farms", "--panel", "my.csv"]) == 0
    study, problems = examine_declaration(tmp_path / "studies/my_farms/study.yml")
    assert problems == [] and study.headline.name == "harvest"
    assert not any("unnamed" in control.name for control in study.controls.values())


def test_new_takes_quarters_as_text_and_blank_for_never(tmp_path, monkeypatch):
    frame = panel().assign(start=lambda f: f["start"].fillna(""))
    frame.to_stata(tmp_path / "my.dta", write_index=False)
    monkeypatch.chdir(tmp_path)
    assert main(["new", "my_farms", "--panel", "my.dta"]) == 0
    study, problems = examine_declaration(tmp_path / "studies/my_farms/study.yml")
    assert problems == [] and study.cohort == "start"
    made = prepare_panel(study)
    assert made.frame.groupby("unit_id")["cohort"].first().notna().sum() == 8


def test_new_takes_a_roster_with_headers_of_its_own(tmp_path, monkeypatch, capsys):
    panel().drop(columns="start").to_csv(tmp_path / "my.csv", index=False)
    roster = (
        "holding,from,until,share\nfarm 1,2020-10-01,2021-03-31,0.5\n"
        "farm 2,2021-04-01,,1\n"
    )
    (tmp_path / "who.csv").write_text(roster)
    monkeypatch.chdir(tmp_path)
    given = ["new", "my_farms", "--panel", "my.csv", "--roster", "who.csv"]
    assert main(given) == 0
    path = tmp_path / "studies/my_farms/study.yml"
    text = path.read_text()
    assert "roster: {file: who.csv, unit: holding, start: from, end: until}" in text
    assert "# Not read of the roster: share; if one is the policy's end" in text
    assert main(["check", "my_farms"]) == 0
    assert "2 treated" in capsys.readouterr().out
    path.write_text(text.replace("start: from", "start: form"))
    assert main(["check", "my_farms"]) == 1
    said = capsys.readouterr().err
    assert "start names the column form, and who.csv has holding, from, until" in said
    assert "did you mean from?" in said
    path.write_text(re.sub("roster: .*", "roster: who.csv", text))
    assert main(["check", "my_farms"]) == 1
    assert "roster: {file: who.csv, unit: COLUMN" in capsys.readouterr().err


def test_a_study_without_a_policy_is_told_so(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder.parents[1])
    text = STUDY.replace(", cohort: start", "").replace("ln(rain)", "ln(rain")
    (folder / "study.yml").write_text(text)
    assert main(["check", "made_up"]) == 1
    said = capsys.readouterr().err
    assert "says neither when a unit is treated nor how far" in said


def test_declared_clusters_do_not_stop_an_estimator_without_them(folder):
    text = STUDY.replace("draws: 999", "cluster: area")
    column = ', {table: "1", name: (3), estimator: synthetic_did}'
    text = text.replace("columns:\n", "columns:\n  - " + column[2:] + "\n")
    (folder / "study.yml").write_text(text)
    made = prepare_panel(read_declaration(folder / "study.yml"))
    row = regression_table(made).query("estimator == 'synthetic_did'").iloc[0]
    assert row["estimate"] == pytest.approx(0.5, abs=0.05)
    assert "by unit" in row["note"]
    att = citypanel.study.own.evaluate.att_table(made)
    told = att[(att["estimator"] == "synthetic_did") & (att["term"] == "overall")]
    assert told["note"].str.contains("by unit").all() and told["estimate"].notna().all()


PRINTED = "table_name,column_name,term,statistic,value,decimals,source\n"


def test_printed_figures_are_judged_row_by_row(folder):
    rows = "1,(1),treatment,estimate,9.9,1,\n1,(1),treatment,n_obs,96,0,A book\n"
    rows += "1,(2),rain,estimate,0.0,0,\n1,(1),rain,estimate,0,0,\n"
    (folder / "printed.csv").write_text(PRINTED + rows)
    (folder / "study.yml").write_text(STUDY + "published: printed.csv\n")
    study = read_declaration(folder / "study.yml")
    table = comparison_table(study, regression_table(prepare_panel(study)))
    assert table["agrees"].tolist() == [False, True, True, False]
    assert table["decimals"].tolist() == [1, 0, 0, 0]
    assert table["note"].iloc[3] == "the column has no rain"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("1,(9),treatment,estimate,1,1,", "no column (9) of table 1"),
        ("1,(1),tretment,estimate,1,1,", "did you mean treatment?"),
        ("1,(1),treatment,estimat,1,1,", "did you mean estimate?"),
        ("1,(1),treatment,estimate,one,1,", "value is 'one'"),
        ("1,(1),treatment,estimate,1,x,", "decimals is 'x'"),
        ("1,(1),treatment,estimate,1,1,\n1,(1),treatment,estimate,2,1,", "twice"),
    ],
)
def test_what_is_wrong_with_printed_figures_has_its_line(folder, row, words):
    (folder / "printed.csv").write_text(PRINTED + row + "\n")
    (folder / "study.yml").write_text(STUDY + "published: printed.csv\n")
    with pytest.raises(DeclarationError) as raised:
        prepare_panel(read_declaration(folder / "study.yml"))
    assert words in str(raised.value) and "printed.csv line" in str(raised.value)


def test_printed_figures_without_their_columns_are_refused(folder):
    (folder / "printed.csv").write_text("table,value\n1,2\n")
    (folder / "study.yml").write_text(STUDY + "published: printed.csv\n")
    with pytest.raises(DeclarationError, match="lacks the columns table_name"):
        prepare_panel(read_declaration(folder / "study.yml"))


def test_where_a_missing_panel_is_from_is_said(folder):
    (folder / "panel.csv").unlink()
    (folder / "study.yml").write_text(STUDY + "source: the ministry\n")
    with pytest.raises(DeclarationError, match="it is from: the ministry"):
        citypanel.evaluate(None, folder / "study.yml")


def test_a_project_of_another_version_is_refused_and_renewed(tmp_path, monkeypatch):
    assert lay_out(tmp_path)
    refuse_other_skeleton(tmp_path)
    (tmp_path / STAMP).write_text("0" * 64)
    (tmp_path / "macros/start_run.sql").write_text("-- of another version")
    with pytest.raises(WarehouseError, match="citypanel new --renew"):
        refuse_other_skeleton(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["new", "--renew"]) == 0
    refuse_other_skeleton(tmp_path)
    assert "of another version" not in (tmp_path / "macros/start_run.sql").read_text()
    (tmp_path / STAMP).unlink()
    assert main(["new", "--renew"]) == 1


def test_a_file_without_a_key_is_no_panel(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"a": [1, 1], "b": [2, 2]}).to_csv("x.csv", index=False)
    assert main(["new", "x", "--panel", "x.csv"]) == 1
    assert "No two columns identify the rows" in capsys.readouterr().err
    assert not Path("studies").exists()


def test_evaluate_writes_a_file_whole(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder.parents[1])
    assert main(["evaluate", "made_up", "-q"]) == 0
    with duckdb.connect("made_up.duckdb", read_only=True) as connection:
        columns = connection.execute(
            "select table_name, column_name, lower(data_type), comment "
            "from duckdb_columns() where schema_name = 'study' order by column_index"
        ).fetchall()
        assert all(comment for *_, comment in columns)
        for name, declared in TABLES.items():
            made = {c: kind for table, c, kind, _ in columns if table == name}
            assert made == declared
    before = Path("made_up.duckdb").read_bytes()
    (folder / "study.yml").write_text(STUDY.replace("harvest /", "harvst /"))
    assert main(["evaluate", "made_up", "-q"]) == 1
    assert "did you mean harvest" in capsys.readouterr().err
    assert Path("made_up.duckdb").read_bytes() == before


SHIPPED = ["enterprise_zones", "castle_doctrine"]


@pytest.mark.parametrize("name", SHIPPED)
def test_printed_figures_agree(project, name):
    study = read_declaration(project / "studies" / name / "study.yml")
    columns = regression_table(prepare_panel(study))
    told = comparison_table(study, columns)
    assert len(told) >= 4 and told["agrees"].all(), told


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_no_table_of_a_study_speaks_of_another(project, name):
    tables = citypanel.evaluate(None, project / "studies" / name / "study.yml")
    assert tables["rpt_study_published"]["agrees"].all()
    words = re.compile(r"pilot|yuan|huang|prefecture|batch", re.IGNORECASE)
    for table in tables.values():
        for column in table.select_dtypes(include=["object", "string"]):
            text = table[column].dropna().astype(str)
            assert not text.str.contains(words).any(), (column, text.head())


def test_printed_figures_of_the_counties(project, tmp_path):
    there = project.parent / "shared" / "studies" / "medicaid_mortality"
    if not there.is_dir():
        pytest.skip("the counties' deaths may not be shipped; see its study.yml")
    folder = tmp_path / "medicaid_mortality"
    shutil.copytree(project / "studies" / "medicaid_mortality", folder)
    (folder / "county_years.csv").symlink_to(there / "county_years.csv")
    study = read_declaration(folder / "study.yml")
    made = prepare_panel(study)
    columns = regression_table(made)
    told = comparison_table(study, columns)
    assert len(told) == 6 and told["agrees"].all(), told
    errors = columns.set_index("column_name")["std_error"]
    # Analytic errors; the printed ones, 2.01 and 1.92, are bootstrapped.
    assert errors["one cohort"] == pytest.approx(2.0200, abs=5e-5)
    assert errors["all cohorts"] == pytest.approx(1.8906, abs=5e-5)


def test_what_is_odd_about_a_panel_is_said_cell_by_cell(folder):
    odd = panel().drop(index=[11])  # farm 1 lacks its fourth quarter
    odd.loc[20, "harvest"] *= 10.0  # a slip in farm 2
    odd = odd.drop(index=odd.index[(odd["farm"] == "farm 11")][1:])
    odd.loc[odd["farm"] == "farm 4", "start"] = "2020Q1"
    odd.loc[30, "rain"] = np.nan
    text = STUDY.replace("key: quarter", "key: quarter, last: 2021Q3")
    (folder / "study.yml").write_text(text)
    made = prepare_panel(read_declaration(folder / "study.yml"), odd)
    found = panel_findings(made)
    told = found.groupby("rule")["unit_id"].agg(lambda u: sorted(set(u))).to_dict()
    assert len(told.pop("left_out")) == 11
    assert told == {
        "gap": ["farm 1"],
        "one_period": ["farm 11"],
        "always_treated": ["farm 4"],
        "no_value": ["farm 3"],
        "spike": ["farm 2"],
    }
    spike = found[found["rule"] == "spike"].iloc[0]
    assert (spike["period"], spike["variable"]) == (odd.loc[20, "quarter"], "yield")
    assert "farm 1: 1 period is missing before 2021Q1." in set(found["evidence_en"])


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (2001.0, "2001"),
        (2001.5, "2001.5"),
        (np.int64(7), "7"),
        ("2001Q3", "2001Q3"),
        (pd.Timestamp("2015-06-01"), "2015-06-01"),
        (np.inf, None),
        (pd.NaT, None),
        (pd.NA, None),
    ],
)
def test_a_label_is_text_as_it_was_written(value, label):
    assert text(value) == label


def test_a_table_has_its_shape_whatever_comes():
    empty = fixed("rpt_study_balance", pd.DataFrame())
    assert list(empty) == list(TABLES["rpt_study_balance"])
    kinds = {"varchar": "string", "double": "float64", "bigint": "Int64"}
    for column, kind in TABLES["rpt_study_balance"].items():
        assert str(empty[column].dtype) == kinds[kind]


def test_a_cohort_of_nullable_integers_is_read_as_numbers(tmp_path):
    from citypanel.examples import zones

    folder = tmp_path / "zones"
    folder.mkdir()
    zones().to_csv(folder / "zones.csv", index=False)
    (folder / "study.yml").write_text(
        "name: zones\ntitle: {en: Zones}\nunit: {noun: {en: city}, key: city}\n"
        "period: {key: year, frequency: year}\npanel: zones.csv\n"
        "policy: {label: {en: zone}, cohort: zone}\n"
        "outcome: {wage: {label: {en: Log wage}}}\n",
        encoding="utf-8",
    )
    study = read_declaration(folder / "study.yml")
    panel = zones()
    assert panel["zone"].dtype == "Int64"
    given = prepare_panel(study, panel).frame
    same = prepare_panel(study, panel.astype({"zone": "float64"})).frame
    pd.testing.assert_frame_equal(given, same, check_dtype=False)


FILES = {
    "GB18030": "年,地,产值\n2011,甲,3\n2012,甲,4\n".encode("gb18030"),
    "UTF-16, semicolons": "年;地;产值\n2011;甲;3\n2012;甲;4\n".encode("utf-16"),
    "thousands": '年,地,产值\n2011,甲,"1,003"\n2012,甲,4\n'.encode(),
    "row numbers": ",年,地,产值\n0,2011,甲,3\n1,2012,甲,4\n".encode(),
    "blank lines and cells": "\n年,地,产值,\n2011,甲,3,,\n\n2012,甲,4,\n".encode(),
}


@pytest.mark.parametrize("name", FILES)
def test_a_panel_is_read_as_text_circulates(tmp_path, name):
    path = tmp_path / "panel.csv"
    path.write_bytes(FILES[name])
    frame = read_panel(path)
    assert list(frame)[:3] == ["年", "地", "产值"]
    first = 1003 if name == "thousands" else 3
    assert frame["产值"].tolist() == [first, 4] and frame["地"].tolist() == ["甲"] * 2


def test_a_panel_that_would_be_misread_is_refused(tmp_path):
    path = tmp_path / "panel.csv"
    path.write_text("a,b,b\n1,2,3\n")
    with pytest.raises(DeclarationError, match="C1: two columns are called b"):
        read_panel(path)
    path.write_text("a,b\n1,2,4\n")
    with pytest.raises(DeclarationError, match="C2: 4 stands beyond the last column"):
        read_panel(path)


def test_of_a_workbook_the_one_table_is_read(tmp_path):
    path = tmp_path / "panel.xlsx"
    book = openpyxl.Workbook()
    book.active.append(["Read this first"])
    data = book.create_sheet("data")
    for row in (["", ""], ["year", "jobs"], [2011, 0.5], [2012, 7]):
        data.append(row)
    data["B3"].number_format = "0%"
    old = book.create_sheet("before")
    for row in (["year", "jobs"], [2011, 8]):
        old.append(row)
    old.sheet_state = "hidden"
    book.save(path)
    frame = read_panel(path)
    assert frame["year"].tolist() == [2011, 2012]
    assert frame["jobs"].tolist() == [0.5, 7.0]
    old.sheet_state = "visible"
    book.save(path)
    with pytest.raises(DeclarationError, match="tables on 2 sheets"):
        read_panel(path)
    del book["before"]
    data["B4"] = "=1/0"
    book.save(path)
    with pytest.raises(DeclarationError, match="B4: =1/0"):
        read_panel(path)
