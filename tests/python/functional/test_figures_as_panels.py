"""A policy on the shipped figures by its roster alone, recomputed with NumPy."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from citypanel.cli import main
from citypanel.errors import DeclarationError
from citypanel.study.declaration import read_declaration
from citypanel.study.own.build import checked_study
from citypanel.study.own.evaluate import regression_table
from citypanel.study.own.panel import TREATMENT, UNIT, prepare_panel

STUDY = """name: trial
unit: {noun: {en: city}, key: city_id, name: {en: city}, groups: {region: region}}
period: {key: year, frequency: year}
panel: {study: pilot_zones}
policy: {label: {en: trial}, roster: roster.csv, counts: COUNTS}
outcome:
  growth: {label: {en: Growth}, formula: tfpch, headline: true}
  output: {label: {en: Output}, formula: gdp_real_cny_10k, transform: log}
  change: {label: {en: Change}, formula: gdp_real_cny_10k, transform: log_difference}
  services: {label: {en: Services}, formula: tertiary_cny_10k / secondary_cny_10k}
  people: {label: {en: People}, formula: population_persons_10k}
  index:
    label: {en: Index}
    index: malmquist
    outputs: [gdp_real_cny_10k]
    inputs: [capital_real_cny_10k, labour]
    transform: change
columns:
  - {table: "1", name: growth}
  - {table: "1", name: output, outcome: output}
  - {table: "1", name: change, outcome: change}
  - {table: "1", name: services, outcome: services}
  - {table: "1", name: people, outcome: people}
  - {table: "1", name: index, outcome: index}
"""


@pytest.fixture(scope="module")
def root(built, tmp_path_factory):
    root = tmp_path_factory.mktemp("trial")
    for name in ("seeds", "citypanel.duckdb"):
        (root / name).symlink_to(built.root / name)
    (root / "studies" / "trial").mkdir(parents=True)
    return root


def roster_of(seed: int) -> pd.DataFrame:
    """Cities with a start, an end and an intensity, some without one or the other."""
    rng = np.random.default_rng(seed)
    codes = ["130100", "210100", "330100", "340100", "350200", "370100", "410100",
             "420100", "430100", "510100", "530100", "610100", "620100"]  # fmt: skip
    rows = []
    for code in rng.choice(codes, 9, replace=False):
        start = dt.date(2012, 1, 1) + dt.timedelta(int(rng.integers(0, 2000)))
        end = start + dt.timedelta(int(rng.integers(300, 1500)))
        ends = end.isoformat() if rng.random() < 0.6 else ""
        rows.append((code, start.isoformat(), ends, round(rng.uniform(0.1, 1), 2)))
    return pd.DataFrame(rows, columns=["code", "start", "end", "intensity"])


def exposure_of(roster: pd.DataFrame, city: str, year: int, counts: str) -> float:
    """Days in force over the days of the year, times the intensity."""
    mine = roster[roster["code"] == city]
    if mine.empty:
        return 0.0
    _, start, end, intensity = mine.iloc[0]
    days = pd.date_range(f"{year}-01-01", f"{year}-12-31")
    on = (days >= start) & (days <= (end or "2999-12-31"))
    share = {"any": float(on.any()), "share": on.mean(), "whole": float(on.all())}
    return intensity * share[counts]


def two_way(rows: pd.DataFrame, outcome: str) -> float:
    rows = rows[rows[outcome].notna()]
    dummies = pd.get_dummies(rows[["city_id", "year"]].astype(str), drop_first=True)
    x = np.column_stack([rows["d"], np.ones(len(rows)), dummies.astype(float)])
    return float(np.linalg.lstsq(x, rows[outcome].to_numpy(float), rcond=None)[0][0])


@pytest.mark.parametrize(("counts", "seed"), [("any", 1), ("share", 2), ("whole", 5)])
def test_end_and_intensity_are_in_the_estimate(root, built, counts, seed):
    roster = roster_of(seed)
    folder = root / "studies" / "trial"
    roster.to_csv(folder / "roster.csv", index=False)
    (folder / "study.yml").write_text(STUDY.replace("COUNTS", counts))
    made = prepare_panel(read_declaration(folder / "study.yml"))
    rows = built.query(
        "select city_id, year, gdp_real_cny_10k, tfpch, ind, value as people "
        "from marts.fct_city_years "
        "left join marts.fct_tfp_changes using (city_id, year) "
        "inner join intermediate.int_cells__imputed using (city_id, year) "
        "where year >= 2011 and variable = 'population_persons_10k' "
        "and gdp_real_cny_10k is not null order by city_id, year"
    )
    rows["d"] = [
        exposure_of(roster, city, year, counts)
        for city, year in rows[["city_id", "year"]].itertuples(index=False)
    ]
    assert made.frame[UNIT].tolist() == rows["city_id"].tolist()
    np.testing.assert_allclose(made.frame[TREATMENT], rows["d"], atol=1e-12)
    log = np.log(rows["gdp_real_cny_10k"].astype(float))
    expected = {
        "growth": rows["tfpch"],
        "output": log,
        "change": log - log.groupby(rows["city_id"]).shift(),
        "services": rows["ind"],
        "people": rows["people"],
        "index": rows["tfpch"],
    }
    table = regression_table(made).query("term == 'treatment'")
    ours = table.set_index("column_name")["estimate"]
    for name, values in expected.items():
        by_hand = two_way(rows.assign(y=values), "y")
        assert ours[name] == pytest.approx(by_hand, rel=1e-7, abs=1e-9), name


def test_new_declares_a_policy_by_its_roster(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    roster = roster_of(3)[["code", "start"]]
    roster.to_csv(root / "mine.csv", index=False)
    assert main(["new", "mine", "--roster", "mine.csv"]) == 0
    assert main(["check", "mine"]) == 0
    assert "9 treated" in capsys.readouterr().out
    table = regression_table(checked_study("mine"))
    assert table.query("term == 'treatment'")["estimate"].notna().all()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("{study: pilot_zones}", "{study: pilots}", "there is no study pilots"),
        ("{study: pilot_zones}", "{}", "panel.study: is missing"),
        (
            "{study: pilot_zones}",
            "{study: pilot_zones, options: {last_year: 1900}}",
            "panel.options.last_year: Option last_year is '1900'",
        ),
        (
            "{study: pilot_zones}",
            "{study: pilot_zones, options: {lastyear: 2018}}",
            "panel.options.lastyear: There is no option named 'lastyear'",
        ),
        ("formula: tfpch", "formula: tfpchange", "there is no series tfpchange"),
    ],
)
def test_what_is_wrong_with_figures_is_said(root, old, new, words):
    folder = root / "studies" / "trial"
    roster_of(1).to_csv(folder / "roster.csv", index=False)
    text = STUDY.replace("COUNTS", "any")
    assert old in text
    (folder / "study.yml").write_text(text.replace(old, new))
    with pytest.raises(DeclarationError) as raised:
        prepare_panel(read_declaration(folder / "study.yml"))
    assert words in str(raised.value) and "study.yml line" in str(raised.value)


@pytest.mark.slow
def test_an_imported_roster_with_end_and_intensity_is_built_as_it_is(workshop):
    roster = roster_of(4)
    names = dict(zip(roster, ["城市代码", "日期", "结束日期", "强度"], strict=True))
    roster.rename(columns=names).to_csv(workshop.root / "r.csv", index=False)
    done = subprocess.run(
        [Path(sys.executable).with_name("citypanel"), "import", "policy", "r.csv",
         "--name", "trial"],
        cwd=workshop.root, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    batches = list(range(1, 1 + roster["start"].nunique()))
    result = workshop.dbt(
        "build", "--vars", f"{{policy: trial, treated_batches: {batches}}}"
    )
    assert result.returncode == 0, result.stdout[-3000:]
    other = workshop.published_by(result)
    rows = other.query("select city_id, year, tfpch from marts.fct_tfp_changes")
    rows["d"] = [
        exposure_of(roster, city, year, "any")
        for city, year in rows[["city_id", "year"]].itertuples(index=False)
    ]
    ours = other.query(
        "select estimate from marts.rpt_regressions where variant = 'headline' and "
        "paper_table = '3' and paper_column = '(1)' and term = 'sydid'"
    )["estimate"].iloc[0]
    assert ours == pytest.approx(two_way(rows, "tfpch"), abs=1e-9)
