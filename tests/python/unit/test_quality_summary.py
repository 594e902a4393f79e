"""The verdict is chosen by rules; changes are those since the accepted run."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from citypanel.quality.accepted import read_accepted, write_accepted
from citypanel.quality.summary import (
    places_touched,
    run_record,
    summarise,
    touched_results,
)


def sentences(summary: pd.DataFrame, topic: str) -> pd.DataFrame:
    return summary[(summary["part"] == "verdict") & (summary["topic"] == topic)]


def test_an_open_critical_finding_says_stop(make_finding, make_findings, make_inputs):
    findings = make_findings([make_finding(), make_finding(year=2015)])
    verdict = summarise(**make_inputs(findings)).iloc[0]
    assert verdict["level"] == "stop"
    assert verdict["text_en"] == (
        "Do not rest results on these figures yet: 2 critical findings are open (unit "
        "slip: 2)."
    )
    assert "2 项严重问题" in verdict["text_zh"]


def test_a_corrected_finding_does_not_count(make_finding, make_findings, make_inputs):
    findings = make_findings(
        [make_finding(status="corrected"), make_finding(severity="warning", year=2015)]
    )
    verdict = summarise(**make_inputs(findings)).iloc[0]
    assert verdict["level"] == "care"
    assert verdict["text_en"] == (
        "Usable with care: nothing critical is open; there is 1 warning."
    )


def test_notes_alone_are_good(make_finding, make_findings, make_inputs):
    findings = make_findings([make_finding(severity="info")])
    assert summarise(**make_inputs(findings)).iloc[0]["level"] == "good"
    assert summarise(**make_inputs(make_findings([]))).iloc[0]["level"] == "good"


@pytest.mark.parametrize(
    ("severity", "level", "words"),
    [
        ("critical", "stop", "1 failed critical expectation is open"),
        ("warning", "care", "there is 1 expectation that does not hold"),
        ("info", "good", "2 rules and 1 expectation looked at every cell"),
    ],
)
def test_a_failing_expectation_counts_by_its_severity(
    severity, level, words, make_findings, make_inputs, make_expectations
):
    inputs = make_inputs(
        make_findings([]),
        expectations=make_expectations(success=False, severity=severity),
    )
    verdict = summarise(**inputs).iloc[0]
    assert verdict["level"] == level
    assert words in verdict["text_en"]


def test_sentences_name_reach_place_and_coverage(
    make_finding, make_findings, make_inputs
):
    findings = make_findings(
        [make_finding(), make_finding(year=2015, touches="fct_capital_stocks")]
    )
    summary = summarise(**make_inputs(findings))
    assert sentences(summary, "reach")["text_en"].item() == (
        "1 of 2 open findings lies in cells behind a regression, 1 of them behind the "
        "headline (Table 3)."
    )
    assert "Unit slip (2)" in sentences(summary, "where")["text_en"].item()
    assert "杭州（2）" in sentences(summary, "where")["text_zh"].item()
    # Of 8 cells 5 are published, 2 filled in, 1 missing.
    assert sentences(summary, "coverage")["text_en"].item() == (
        "Of 8 cells, 62% are published figures, 25% were filled in by rule and 12% are "
        "missing. Filled in most: total investment in fixed assets (25%)."
    )
    assert (
        "1 differ beyond tolerance" in sentences(summary, "agreement")["text_en"].item()
    )


def test_places_are_regressions_columns_and_tables():
    text = (
        "rpt_regressions: Table 3 (1)-(2), Table 4 eastern, western, Table 5 (1), (3), "
        "variant real_gdp=city_growth; fct_city_years: eco, tra; fct_tfp_changes: "
        "2012, 2014-2019; rpt_event_study"
    )
    assert places_touched(text) == [
        ("rpt_regressions", "Table 3 (1)"),
        ("rpt_regressions", "Table 3 (2)"),
        ("rpt_regressions", "Table 4 eastern"),
        ("rpt_regressions", "Table 4 western"),
        ("rpt_regressions", "Table 5 (1)"),
        ("rpt_regressions", "Table 5 (3)"),
        ("rpt_regressions", "variant real_gdp=city_growth"),
        ("fct_city_years", "eco"),
        ("fct_city_years", "tra"),
        ("fct_tfp_changes", ""),
        ("rpt_event_study", ""),
    ]
    assert places_touched("") == places_touched(None) == []


def test_touched_results_count_open_by_severity_and_corrected(
    make_finding, make_findings
):
    findings = make_findings(
        [
            make_finding(),
            make_finding(severity="warning", touches="fct_capital_stocks: 2012"),
            make_finding(status="corrected"),
            make_finding(touches=""),
        ]
    )
    counted = touched_results(findings).set_index(["table_name", "place"])
    assert counted.loc[("rpt_regressions", "Table 3 (2)")].tolist() == [1, 0, 0, 1]
    assert counted.loc[("fct_capital_stocks", "")].tolist() == [1, 1, 0, 1]
    assert len(counted) == 4


def record_of(inputs: dict) -> dict:
    names = ("findings", "expectations", "coverage", "estimates", "options")
    return run_record(**{name: inputs[name] for name in names}, profiles={})


def test_nothing_accepted_has_no_changes_and_says_so(make_findings, make_inputs):
    summary = summarise(**make_inputs(make_findings([])))
    assert not (summary["part"] == "change").any()
    assert "Nothing was accepted yet" in sentences(summary, "changes")["text_en"].item()


def test_the_same_run_has_no_changes_after_a_round_trip(
    make_finding, make_findings, make_inputs, tmp_path
):
    inputs = make_inputs(make_findings([make_finding(value=1 / 3)]))
    write_accepted(tmp_path, record_of(inputs))
    summary = summarise(**inputs | {"accepted": read_accepted(tmp_path)})
    assert "Nothing changed" in sentences(summary, "changes")["text_en"].item()
    assert not (summary["part"] == "change").any()


def test_changes_are_new_gone_and_changed(
    make_finding, make_findings, make_inputs, make_expectations, make_estimates
):
    before = make_inputs(
        make_findings([make_finding(year=2012), make_finding(year=2013, value=1.0)]),
        expectations=make_expectations(success=False),
    )
    after = make_inputs(
        make_findings([make_finding(year=2013, value=2.0), make_finding(year=2014)]),
        estimates=make_estimates(0.02),
        accepted=record_of(before),
    )
    summary = summarise(**after)
    changes = summary[summary["part"] == "change"]
    found = changes[changes["topic"] == "finding"].set_index("year")["level"].to_dict()
    assert found == {2012: "gone", 2013: "changed", 2014: "new"}
    assert changes[changes["topic"] == "expectation"]["level"].item() == "gone"
    estimate = changes[changes["topic"] == "estimate"]
    assert estimate["accepted_value"].item() == "-0.0110 (0.0130)"
    assert estimate["present_value"].item() == "0.0200 (0.0130)"
    assert sentences(summary, "changes")["text_en"].item() == (
        "Since the accepted run: 1 new, 2 gone, 2 changed."
    )


def test_other_options_are_named(make_findings, make_inputs):
    inputs = make_inputs(make_findings([]))
    other = record_of(inputs)
    other["options"] = {**other["options"], "real_gdp": "city_growth"}
    summary = summarise(**inputs | {"accepted": other})
    assert "(real_gdp)" in sentences(summary, "changes")["text_en"].item()


def test_the_accepted_run_is_one_entry_a_line(
    make_finding, make_findings, make_inputs, tmp_path
):
    inputs = make_inputs(make_findings([make_finding(), make_finding(year=2015)]))
    path = write_accepted(tmp_path, record_of(inputs))
    text = path.read_text(encoding="utf-8")
    assert sum('"unit_slip"' in line for line in text.splitlines()) == 2
    assert json.loads(text)["findings"][0]["year"] == 2014
    assert [entry.name for entry in path.parent.iterdir()] == ["run.json"]
