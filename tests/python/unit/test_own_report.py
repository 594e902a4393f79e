"""The report of a study in its own words, from its tables alone."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import citypanel
from citypanel.outputs.study_report import sentences
from citypanel.outputs.study_report.facts import StudyFacts, plural
from citypanel.outputs.study_report.page import quality_page, report_page
from citypanel.outputs.study_report.tables import all_tables
from citypanel.outputs.tables import FORMATS, render

STUDY = """\
name: made_up
title: {en: Subsidies and yields, zh: 补贴与单产}
unit: {noun: {en: county, zh: 县}, key: farm, groups: {area: area}}
period: {key: year}
panel: panel.csv
policy: {label: {en: subsidy, zh: 补贴}, cohort: start}
outcome:
  yield: {label: {en: Yield, zh: 单产}, formula: harvest}
controls:
  rain: {formula: rain, label: {en: Rain, zh: 降水}}
columns:
  - {table: "2", name: plain}
published: published.csv
"""


@pytest.fixture(scope="module")
def facts(tmp_path_factory) -> StudyFacts:
    """Twelve units in eight years; the subsidy adds 0.5 to the yield."""
    folder = tmp_path_factory.mktemp("studies") / "made_up"
    folder.mkdir()
    rng = np.random.default_rng(3)
    panel = pd.DataFrame(
        [(f"<b>{u}</b>", y) for u in range(12) for y in range(2001, 2009)],
        columns=["farm", "year"],
    )
    unit = panel.groupby("farm").ngroup()
    panel["start"] = unit.map(lambda u: [0, 2004, 2006][u % 3])
    panel["area"] = np.where(unit % 2, "north", "south")
    treated = (panel["start"] > 0) & (panel["year"] >= panel["start"])
    panel["harvest"] = 0.1 * unit + 0.5 * treated + 0.02 * rng.normal(size=len(panel))
    panel["rain"] = rng.uniform(size=len(panel))
    panel.loc[42, "harvest"] += 1.0
    panel.to_csv(folder / "panel.csv", index=False)
    (folder / "published.csv").write_text(
        "table_name,column_name,term,statistic,value,decimals,source\n"
        "2,plain,treatment,n_obs,96,0,made up\n2,plain,treatment,estimate,7,1,made up\n"
    )
    (folder / "study.yml").write_text(STUDY)
    return StudyFacts(citypanel.evaluate(None, folder / "study.yml"))


def _page(facts: StudyFacts) -> str:
    tables = {lang: all_tables(facts, lang) for lang in facts.languages}
    return report_page(facts, tables, {key: {} for key in facts.languages})


def test_the_page_speaks_the_studys_languages_and_escapes_its_names(facts):
    page = _page(facts)
    assert "96 observations of 12 counties in 8 periods, 2001 to 2008" in page
    assert "8 with the subsidy at some time, 4 never" in page
    assert "共 96 个观测：12 个县，8 期（2001 至 2008）" in page
    assert "1 of 2 printed figures come out" in page
    assert "Effect of the subsidy on yield" in page and "补贴对单产的效应" in page
    assert "<b>" not in page
    shown = quality_page(facts)
    assert "far from the periods before and after" in shown and "相差悬殊" in shown
    assert "<b>" not in shown


def test_a_study_of_one_language_has_no_other(facts):
    study = facts["dim_study"].assign(languages="en", title_zh=None)
    alone = StudyFacts({**facts.frames, "dim_study": study})
    body = _page(alone).partition("<body")[2]
    assert not re.search("[\u4e00-\u9fff]", body) and "data-choose" not in body


def test_every_table_is_written_in_every_format(facts):
    names = set()
    for language in facts.languages:
        for table in all_tables(facts, language):
            files = render(table, FORMATS)
            assert len(files) == 6 and all(files.values())
            names.add(table.name)
    assert {"table_regressions_1", "table_estimators", "table_published"} <= names


@pytest.mark.parametrize(
    ("change", "finding", "words"),
    [
        ({"estimate": 0.5, "p_value": 0.01}, "raised", "raised yield"),
        ({"estimate": -0.5, "p_value": 0.01}, "lowered", "Yield fell in treated"),
        (
            {"estimate": 0.5, "p_value": 0.4},
            "none",
            "No effect of the subsidy on yield",
        ),
        ({"estimate": 0.5, "p_value": None}, "unknown", "cannot be estimated"),
    ],
)
def test_the_finding_follows_the_numbers(facts, change, finding, words):
    columns = facts["rpt_study_regressions"].copy()
    columns.loc[columns["term"] == "treatment", list(change)] = list(change.values())
    made = StudyFacts({**facts.frames, "rpt_study_regressions": columns})
    told = sentences.finding(made)
    assert made.conclusion.finding == finding and words in told.lead.en
    assert "补贴" in told.lead.zh or finding == "unknown"


def test_bad_data_and_a_broken_trend_lower_the_certainty(facts):
    verdict = pd.DataFrame(
        [{"part": "verdict", "number": 1, "level": "stop", "text_en": "Not yet.",
          "text_zh": "尚不可用。"}]
    )  # fmt: skip
    bad = StudyFacts({**facts.frames, "dq_summary": verdict})
    assert bad.conclusion.certainty == "very_low" and "Not yet." in _page(bad)
    att = facts["rpt_study_att"].copy()
    att.loc[att["estimator"] == "twfe", "leads_p_value"] = 0.001
    parted = StudyFacts({**facts.frames, "rpt_study_att": att})
    assert parted.conclusion.finding == "parted"
    assert "had already diverged before it" in sentences.finding(parted).lead.en


def test_bounds_on_trends_count_only_while_every_smaller_one_holds(facts):
    checks = pd.DataFrame(
        {
            "check_name": "honest", "outcome": "yield", "estimator": "twfe",
            "aggregation": "relative_magnitude", "bound": [0.5, 1.0, 1.5],
            "conf_low": [0.1, -0.1, 0.1], "conf_high": [0.9, 0.9, 0.9],
        }
    )  # fmt: skip
    made = StudyFacts({**facts.frames, "rpt_study_sensitivity": checks})
    assert "by no more than 0.5 times" in sentences.trends(made)[0].en
    lost = checks.assign(conf_low=-0.1)
    made = StudyFacts({**facts.frames, "rpt_study_sensitivity": lost})
    assert "no longer differs from zero" in sentences.trends(made)[0].en


@pytest.mark.parametrize(
    ("one", "many"),
    [("city", "cities"), ("county", "counties"), ("firm", "firms"), ("day", "days"),
     ("bus", "buses"), ("branch", "branches")],
)  # fmt: skip
def test_more_than_one_unit(one, many):
    assert plural(one) == many
