"""One conclusion behind every sentence: worlds in which none may deny another.

Each world is a set of published tables, planted; what is said of it is read back by its
claims, and by its words for what no sentence may hold.
"""

from __future__ import annotations

import re
import string
from collections import defaultdict

import pandas as pd
import pytest
import yaml
from tests.support.made_up_study import effect, made_up, regression

from citypanel import words
from citypanel.outputs.facts import Labels, gather
from citypanel.outputs.report import sentences, study_page
from citypanel.words import LANGUAGES, Words, same

REGIONS = ("eastern", "central", "western", "northeastern")


def regional(frames, *, together: float, apart: float):
    """The four regions, interacted and each on its own."""
    checks = frames["rpt_sensitivity"]
    one = checks[checks["check_name"] == "by_region"].iloc[0].to_dict()
    rows = [
        one | {"sample": r, "term": f"sydid:{r}"} | effect(together, 0.01)
        for r in REGIONS
    ]
    rest = checks[checks["check_name"] != "by_region"]
    frames["rpt_sensitivity"] = pd.concat([rest, pd.DataFrame(rows)])
    own = [
        regression("headline", r, apart, 0.01) | {"paper_table": "4"} for r in REGIONS
    ]
    frames["rpt_regressions"] = pd.concat(
        [frames["rpt_regressions"], pd.DataFrame(own)]
    )
    return frames


def curved(frames, centre: float, estimand: str = "growth"):
    """Combinations around a centre, and others of another estimand far away."""
    other = "level" if estimand == "growth" else "growth"
    rows = [
        {"specification": f"real_gdp={k}", "role": "draw", "estimand": of,
         "plausibility": "defensible", **effect(at + 0.0001 * k, 0.005)}
        for k in range(40)
        for of, at in ((estimand, centre), (other, -7.0))
    ]  # fmt: skip
    frames["rpt_specifications"] = pd.DataFrame(rows)
    return frames


def with_controls(frames, b: float):
    """The column with controls, two of them after treatment."""
    rows = [
        regression("headline", "(2)", b, 0.005),
        regression("headline", "(2)", 0.8, 0.1, term="eco",
                   note="after treatment: this is the output"),
    ]  # fmt: skip
    frames["rpt_regressions"] = pd.concat(
        [frames["rpt_regressions"], pd.DataFrame(rows)]
    )
    return frames


def of_level(frames):
    """The outcome is the level; the tables of estimates are of it."""
    level = "cumulative_log_tfp"
    frames["dim_study_variants"] = frames["dim_study_variants"].assign(outcome=level)
    frames["rpt_event_study"] = frames["rpt_event_study"].assign(outcome=level)
    frames["rpt_att"] = frames["rpt_att"].assign(outcome=level)
    return frames


def short(frames):
    """Two years, without an event study or a test of the leads."""
    frames["dim_study_variants"] = frames["dim_study_variants"].assign(
        first_year=2014, last_year=2015
    )
    del frames["rpt_event_study"]
    return frames


def with_batches(frames):
    """An exclusion by the study's own batches, and a choice of the paper's text."""
    extra = {"check_name": "exclusion", "sample": "without_batch_4",
             "aggregation": "overall", "term": "overall", "estimator": "twfe",
             **effect(0.3, 0.01)}  # fmt: skip
    frames["rpt_sensitivity"] = pd.concat(
        [frames["rpt_sensitivity"], pd.DataFrame([extra])], ignore_index=True
    )
    frames["rpt_specifications"].loc[0, "plausibility"] = "paper"
    return frames


def few_clusters(frames):
    """An estimate two errors from zero whose t distribution says p = 0.054."""
    frames["rpt_regressions"] = frames["rpt_regressions"].assign(
        p_value=0.054, conf_low=-0.0004, conf_high=0.0404
    )
    return frames


def others_apart(frames):
    """Leads that another estimator finds apart and the two-way one does not."""
    att = frames["rpt_att"]
    mine = att["estimator"] == "other_1"
    frames["rpt_att"] = att.assign(leads_p_value=att["leads_p_value"].mask(mine, 0.001))
    return frames


def without_error(frames):
    """An estimator that rests on one unit, at the headline's estimate."""
    att = frames["rpt_att"]
    row = att[att["estimator"] == "other_0"].assign(
        estimator="alone", std_error=None, p_value=None, conf_low=None, conf_high=None
    )
    frames["rpt_att"] = pd.concat([att, row], ignore_index=True)
    return frames


def moved_alone(frames, *, sound: float, dubious: float):
    """Two values moved alone, one of them with a known defect."""
    rows = [
        ("headline", "headline", "headline", frames["rpt_regressions"]["estimate"][0])
    ]
    rows += [
        ("depreciation=0.1", "one_at_a_time", "defensible", sound),
        ("returns_to_scale=vrs", "one_at_a_time", "dubious", dubious),
    ]
    frames["rpt_specifications"] = pd.DataFrame(
        [
            {"specification": name, "role": role, "plausibility": mark,
             "estimand": "growth", **effect(b, 0.005)}
            for name, role, mark, b in rows
        ]
    )  # fmt: skip
    return frames


DRIFT = {"slope": (-0.0074, 0.0037), "net": 0.013}
WORLDS = {
    "null": lambda: curved(made_up(0.002, others=(0.001,)), 0.002),
    "null, drifting, bad data": lambda: curved(
        with_controls(
            made_up(-0.012, 0.013, others=(-0.01,), quality="stop", assumed=0.8,
                    fakes=(-0.012, -0.03), **DRIFT),
            -0.03,
        ),
        -0.01,
    ),
    "planted positive": lambda: curved(made_up(0.12, 0.017, others=(0.11,)), 0.1),
    "planted positive, bad data": lambda: made_up(
        0.12, 0.017, others=(0.11,), quality="stop"
    ),
    "planted positive, parted": lambda: made_up(0.12, 0.017, leads_p=0.001),
    "planted negative": lambda: curved(made_up(-0.12, 0.017, others=(-0.11,)), -0.1),
    "estimators apart": lambda: made_up(0.12, 0.017, others=(-0.2,)),
    "level": lambda: of_level(
        curved(made_up(0.161, 0.05, others=(0.18,)), 0.16, "level")
    ),
    "level, parted": lambda: of_level(made_up(0.161, 0.05, leads_p=0.04)),
    "level, parted, a slope that is not clear": lambda: of_level(
        made_up(0.161, 0.05, leads_p=0.04, slope=(0.03, 0.016), net=0.008)
    ),
    "one region found by chance": lambda: regional(made_up(), together=0.021, apart=0),
    "growth and level differ": lambda: made_up(0.001, level=(0.2, 0.01)),
    "other policy": lambda: with_batches(
        curved(made_up(0.04, policy="free_trade_zones"), 0.04)
    ),
    "other policy, null": lambda: made_up(0.002, policy="free_trade_zones"),
    "short period": lambda: short(made_up()),
    "regions disagree": lambda: regional(made_up(), together=0.001, apart=-0.05),
    "regions agree": lambda: regional(made_up(), together=0.05, apart=0.05),
    "one region": lambda: made_up(0.002),
    "no paper": lambda: made_up(printed=None),
    "no credibility": lambda: made_up(credibility=False),
    "no estimate": lambda: made_up(float("nan"), others=()),
    "hardly not significant": lambda: few_clusters(made_up(0.02, 0.01, others=(0.02,))),
    "overwhelming": lambda: made_up(0.5, 0.01, others=(0.5,)),
    "the slope alone in doubt": lambda: made_up(slope=(0.005, 0.001)),
    "the trend takes it away": lambda: made_up(slope=(0.005, 0.001), net=0.001),
    "the trend brings it out": lambda: made_up(0.005, others=(0.005,), net=0.03),
    "an estimator without an error": lambda: without_error(made_up()),
    "the others' leads apart": lambda: others_apart(made_up(others=(0.02, 0.021))),
    "single moves": lambda: moved_alone(made_up(), sound=0.021, dubious=-0.05),
    "a sign that turns at zero": lambda: moved_alone(
        made_up(0.0003, others=(-0.0002,)), sound=-0.0002, dubious=-0.05
    ),
}  # fmt: skip
OF_THE_PAPER = (
    "pilot zone", "综试区", "Huang", "paper", "论文", "0.024", "batch 4", "第四批",
    "e-commerce",
)  # fmt: skip


def shown(page: str) -> str:
    """What a page shows: without its style, scripts and tags."""
    body = re.sub(r"<(style|script)\b.*?</\1>", " ", page, flags=re.S)
    # The command that reproduces the page names options and their values.
    body = re.sub(r"<pre\b.*?</pre>", " ", body, flags=re.S)
    labels = re.findall(r'(?:data-en|data-zh|aria-label)="([^"]*)"', body)
    return " ".join([re.sub(r"<[^>]+>", " ", body), *labels])


def contradictions(told) -> dict[str, set]:
    """Subjects of which two sentences say different things."""
    said = defaultdict(set)
    for sentence in told:
        for subject, value in sentence.claims.items():
            said[subject].add(value)
    return {subject: values for subject, values in said.items() if len(values) > 1}


@pytest.fixture(params=WORLDS, name="world")
def _world(request):
    frames = WORLDS[request.param]()
    return request.param, frames, gather(frames)


def test_no_two_sentences_deny_each_other(world):
    _, _, facts = world
    told = sentences.everything(facts)
    assert not contradictions(told)
    assert len(told) >= 8
    assert all(text.strip() for s in told for text in (s.en, s.zh))


def region_effects(facts):
    """Tested effects by region: interacted, and region by region."""
    checks = facts.checks or ()
    rows = [("together", c.effect) for c in checks if c.kind == "by_region"]
    rows += [("apart", regression.effect) for _, regression in facts.by_region]
    return [(kind, effect) for kind, effect in rows if effect.is_tested]


def test_every_sentence_follows_the_one_conclusion(world):
    _, _, facts = world
    found, told = facts.conclusion, sentences.everything(facts)
    rules = {sentence.rule for sentence in told}
    tone = sentences.verdict(facts).tone
    claims = {k: v for s in told for k, v in s.claims.items()}
    assert claims["effect"] == found.finding
    if facts.data.level == "stop":
        assert found.certainty == "very_low" and tone == "stop"
    if tone == "good":
        assert not {"step_data_stop", "pretrend_broken", "pretrend_doubtful"} & rules
    if found.finding in ("raised", "lowered"):
        # An effect that is found is not called chance, nor is its absence discussed.
        assert not {"limit_none", "odds", "step_imprecise"} & rules
        assert "not significant at" not in " ".join(s.en for s in told)
    if found.finding == "none":
        assert not any("raised" in s.en or "lowered" in s.en for s in told)
    if found.finding == "parted":
        # What is no measure of the effect is not put in money.
        assert "money" not in rules
    if facts.pretrend.state == "broken":
        # A test that found a difference is not called weak, nor the slope nothing.
        assert not {"slope", "slope_missed", "slope_found"} & rules
    for rule in ("regions_together_found", "regions_apart_found"):
        for sentence in (s for s in told if s.rule == rule):
            rows = [
                effect
                for kind, effect in region_effects(facts)
                if kind == rule.split("_")[1]
            ]
            least = min(e.p_value for e in rows) * len(rows)
            assert ("may be chance" in sentence.en) == (least >= 0.05)
    for kind in ("curve_up", "curve_down"):
        if kind in rules:
            assert facts.range.median * (1 if kind == "curve_up" else -1) > 0


def test_no_estimand_is_mixed_with_another(world):
    _, _, facts = world
    for sentence in sentences.everything(facts):
        if sentence.estimand and sentence.estimand != facts.estimand:
            # It says of what it speaks.
            assert "level of productivity" in sentence.en and "水平" in sentence.zh
    if facts.range is not None:
        assert abs(facts.range.low) < 1  # the other estimand's rows are at -7


def test_nothing_of_the_paper_where_the_question_is_not_the_papers(world):
    _, frames, facts = world
    text = shown(study_page(frames))
    if facts.labels.paper is None:
        for word in OF_THE_PAPER:
            assert word not in text, word
        assert "free trade zones" in text
    elif facts.paper is None:
        assert "0.024" not in text
        assert not {"power", "power_weak"} & {
            s.rule for s in sentences.everything(facts)
        }


def test_no_number_of_a_page_is_empty_or_rounded_away(world):
    _, frames, _ = world
    text = shown(study_page(frames))
    empty = r"p\s*=\s*(0\.0+|1\.0+)(?!\d)|p\s–|\bnan\b|\bNone\b(?! of)"
    assert not re.search(empty, text)
    assert "none of 1 regions" not in text
    assert not re.search(r"\{[a-z_]+[:}]", text)


def test_another_study_speaks_its_own_words():
    own = Labels(
        title=same("Did licences raise wages?"),
        policy=Words("licence", "执照"), policies=Words("licences", "执照"),
        unit=Words("firm", "企业"), units=Words("firms", "企业"),
        outcomes={"tfpch": Words("wage growth", "工资增长")},
    )  # fmt: skip
    for world in WORLDS.values():
        facts = gather(world(), labels=own, paper=None, audit=None)
        told = sentences.everything(facts)
        text = " ".join(part for s in told for part in (s.en, s.zh))
        for word in ("pilot", "综试区", "Huang", "yuan", "亿元"):
            assert word not in text
        lead = sentences.verdict(facts).lead
        if facts.outcome == "tfpch" and facts.conclusion.finding != "unknown":
            assert "wage growth" in lead.en.lower() and "工资增长" in lead.zh


def test_odds_and_p_values_say_the_same(world):
    _, _, facts = world
    effect_ = facts.headline.effect
    if effect_.is_tested:
        assert (effect_.odds > 39) == (effect_.p_value < 0.05)
    for sentence in sentences.everything(facts):
        assert not re.search(
            r"p from 0\.000|p from <|p 值 [0<]\.000", sentence.en + sentence.zh
        )


def test_the_reason_for_doubt_is_one_that_the_page_gives(world):
    _, _, facts = world
    told = sentences.everything(facts)
    for sentence in (s for s in told if s.rule == "pretrend_doubtful"):
        trend = facts.pretrend
        sloped = trend.slope.is_significant or trend.is_missed
        assert ("slope" in sentence.en) == sloped
        assert ("other estimators" in sentence.en) == trend.others_differ
        assert ("fake dates" in sentence.en) == bool(trend.significant_fakes)
        if sloped:
            assert {"slope", "slope_clear", "slope_missed"} & {s.rule for s in told}


def test_what_has_no_test_has_no_conclusion(world):
    _, _, facts = world
    same = next((s.en for s in sentences.everything(facts) if s.rule == "same"), "")
    for label, effect_ in sentences.all_checks(facts):
        if facts.headline.effect.is_tested and not effect_.is_tested:
            assert label.en not in same


def test_an_estimate_net_of_the_trend_is_held_against_the_headline(world):
    _, _, facts = world
    for sentence in sentences.net_of_trend(facts):
        if sentence.rule in ("net_zero", "net_clear"):
            differs = facts.pretrend.net.holds(0) != facts.headline.effect.holds(0)
            assert ("unlike the headline" in sentence.en) == differs


def test_the_papers_number_is_never_outside_without_a_word_on_the_trend(world):
    _, _, facts = world
    rules = {s.rule for s in sentences.everything(facts)}
    if "paper_outside" in rules:
        assert {"net_zero", "net_clear", "net_absent"} & rules or facts.checks


def test_single_moves_are_those_without_a_known_defect_and_keep_their_sign(world):
    name, _, facts = world
    told = {s.rule: s for s in sentences.everything(facts)}
    if name == "single moves":
        assert "1 choices" not in told["single_moves"].en
        assert (
            "0.021" in told["single_moves"].en and "0.050" not in told["moves_keep"].en
        )
    if name == "a sign that turns at zero":
        assert "\u22120.000" in told["moves_turn"].en
        assert "\u22120.000" in told["changes_sign"].en


# A template holds no number but these: levels, powers of a page, years of a reference.
KNOWN = {
    "0", "0.01", "1", "1.96", "2", "3", "3.11", "5", "39", "50", "80", "90", "95",
    "2023",
}  # fmt: skip


def _templates(entry) -> list[str]:
    if isinstance(entry, dict):
        return [text for value in entry.values() for text in _templates(value)]
    return [str(entry)]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["report", "curve", "study_page", "own_report"])
def test_no_template_holds_a_number_or_a_name_of_a_study(language, name):
    path = words.FOLDER / language / f"{name}.yml"
    if not path.is_file():
        pytest.skip("a page in English only")
    entries = yaml.safe_load(path.read_text("utf-8"))
    for template in _templates(entries):
        literal = "".join(
            text for text, *_ in string.Formatter().parse(template) if text
        )
        for number in re.findall(r"\d+(?:\.\d+)?", literal):
            assert number in KNOWN, template
        for word in ("pilot", "综试区", "Huang", "zone", "Hangzhou"):
            assert word not in literal, template
