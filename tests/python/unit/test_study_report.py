"""The study report: other data give other sentences; the page is whole and inert."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from tests.support.made_up_study import effect, made_up, regression

from citypanel.outputs.facts import Effect, Printed, gather
from citypanel.outputs.report import charts, sentences, study_page
from citypanel.outputs.report.page import command_of, embedded

HOSTILE = "</script><script>alert(1)</script>"
VOID = {"meta", "input", "br", "link", "img", "hr"}


def rules(chosen) -> list[str]:
    return [sentence.rule for sentence in chosen]


def verdict_of(**given):
    return sentences.verdict(gather(made_up(**given)))


@pytest.mark.parametrize(
    ("given", "rule", "certainty"),
    [
        ({}, "raised", "high"),
        ({"estimate": -0.02, "others": (-0.02,)}, "lowered", "high"),
        ({"estimate": 0.005, "others": (0.001,)}, "none", "high"),
        ({"leads_p": 0.01}, "parted", "very_low"),
        ({"estimate": 0.005, "others": (0.001,), "leads_p": 0.01}, "none", "very_low"),
        ({"leads_p": None}, "raised", "moderate"),
        ({"fakes": (0.02,)}, "raised", "low"),
        ({"slope": (0.007, 0.005)}, "raised", "low"),
        ({"slope": (0.005, 0.001)}, "raised", "low"),
        ({"slope": (0.001, 0.005)}, "raised", "high"),
        ({"others": (0.001,)}, "raised", "moderate"),
        ({"others": (-0.02,)}, "raised", "low"),
        ({"others": ()}, "raised", "moderate"),
        ({"assumed": 0.6}, "raised", "moderate"),
        ({"quality": "care"}, "raised", "moderate"),
        ({"quality": "stop"}, "raised", "very_low"),
        ({"quality": "good"}, "raised", "high"),
        ({"credibility": False}, "raised", "moderate"),
        ({"estimate": math.nan}, "unknown", "very_low"),
    ],
)
def test_the_verdict_and_its_certainty_follow_the_evidence(given, rule, certainty):
    facts = gather(made_up(**given))
    verdict = sentences.verdict(facts)
    assert (facts.conclusion.finding, facts.conclusion.certainty) == (rule, certainty)
    assert verdict.lead.rule.startswith(rule) and verdict.lead.zh
    # Whatever lowers the certainty is said, and a green box has nothing against it.
    steps = [step.reason for step in facts.conclusion.steps]
    assert len(steps) == len(verdict.steps)
    if verdict.tone == "good":
        assert certainty == "high" and not steps


def test_the_words_grow_weaker_with_the_certainty():
    leads = [
        verdict_of(**given).lead.en
        for given in ({}, {"assumed": 0.6}, {"fakes": (0.02,)}, {"quality": "stop"})
    ]
    assert leads[0] == "The pilot zones raised productivity growth."
    assert "probably raised" in leads[1] and "may have raised" in leads[2]
    assert "too uncertain" in leads[3]
    down = verdict_of(estimate=-0.02, others=(-0.02,)).lead
    assert "lowered" in down.en and "降低" in down.zh
    parted = verdict_of(estimate=-0.02, leads_p=0.01).lead
    assert "fell" in parted.en and "no measure of its effect" in parted.en
    assert "相对于对照组下降" in parted.zh


def test_the_papers_number_is_placed_against_the_interval():
    def placed(**given):
        return rules(sentences.against_paper(gather(made_up(**given))))

    own = "paper_not_significant"
    assert placed() == ["paper_inside", "power_weak", own]
    assert placed(std_error=0.02) == ["paper_inside_with_zero", "power_weak", own]
    assert placed(estimate=-0.02) == ["paper_outside", own]
    assert placed(estimate=-0.009)[:2] == ["paper_outside", "power_weak_outside"]
    assert placed(printed=(0.024, 0.001)) == ["paper_inside", "power_weak"]
    assert placed(printed=None) == placed(policy="other") == []
    above = sentences.against_paper(gather(made_up(estimate=-0.02)))[0]
    below = sentences.against_paper(gather(made_up(estimate=0.05)))[0]
    assert "above" in above.en and "below" in below.en


def test_the_papers_interval_follows_from_its_standard_error():
    own = Printed(0.024, 0.029).effect
    assert own.low == pytest.approx(0.024 - 1.959964 * 0.029, abs=1e-7)
    assert own.p_value == pytest.approx(0.40791, abs=1e-5)
    assert not Printed(0.024, math.nan).effect.is_tested


def test_the_effect_is_said_in_money_and_odds():
    facts = gather(made_up(estimate=0.002))
    money, odds = sentences.in_plain_words(facts)
    # Output of 1e7 times 1.05^4, in 10,000 yuan: 122 billion yuan.
    assert "122 billion yuan of output a year" in money.en
    assert "0.243 billion yuan more" in money.en and "0.2% of its output" in money.en
    assert "0.948 billion yuan less and 1.43 billion yuan more" in money.en
    assert "1,220" in money.zh and "亿元" in money.zh
    share = 0.5 * math.erfc(-0.002 / 0.005 / math.sqrt(2))
    assert f"{share / (1 - share):.1f} to 1 that the effect is positive" in odds.en
    # Where the effect is concluded, its odds are not worth a sentence.
    assert [s.rule for s in sentences.in_plain_words(gather(made_up()))] == ["money"]


def test_the_trend_before_the_policy_and_the_effect_net_of_it_are_said():
    facts = gather(made_up(slope=(-0.007, 0.002), net=0.01))
    slope, net = sentences.net_of_trend(facts)
    assert slope.rule == "slope_clear" and "fell by 0.0070 a year" in slope.en
    assert net.rule == "net_zero" and "from −0.010 to 0.030" in net.en
    assert "includes zero and the paper’s 0.024" in net.en
    assert sentences.net_of_trend(gather(made_up(net=0.05)))[0].rule == "net_clear"
    assert sentences.net_of_trend(gather(made_up())) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ["pretrend_passed", "fake_dates_quiet"]),
        ({"leads_p": 0.049}, ["pretrend_broken", "fake_dates_quiet"]),
        ({"leads_p": None, "fakes": ()}, ["pretrend_unknown"]),
        ({"fakes": (0.001, -0.03)}, ["pretrend_doubtful", "fake_date"]),
        ({"fakes": (-0.011,)}, ["pretrend_doubtful", "fake_date"]),
        ({"fakes": (0.001, -0.011)}, ["pretrend_doubtful", "fake_date_by_chance"]),
        (
            {"slope": (0.007, 0.005)},
            ["pretrend_doubtful", "slope_missed", "fake_dates_quiet"],
        ),
    ],
)
def test_the_years_before_decide_what_is_said_of_them(given, expected):
    assert rules(sentences.pretrend(gather(made_up(**given)))) == expected


@pytest.mark.parametrize(
    ("base", "other", "change"),
    [
        ((0.02, 0.005), (0.021, 0.005), "same"),
        ((0.02, 0.005), (0.004, 0.005), "conclusion"),
        ((0.02, 0.005), (-0.02, 0.005), "conclusion"),
        ((0.02, 0.005), (0.03, 0.005), "size"),
        ((0.002, 0.005), (-0.001, 0.005), "sign"),
        ((0.002, 0.005), (0.02, 0.005), "conclusion"),
    ],
)
def test_a_choice_changes_the_conclusion_the_sign_the_size_or_nothing(
    base, other, change
):
    def make(pair):
        row = effect(*pair)
        return Effect(*pair, row["conf_low"], row["conf_high"], row["p_value"])

    assert sentences.change_of(make(base), make(other)) == change
    assert sentences.change_of(make(base), Effect(math.nan)) == "none"


def test_what_changes_and_what_does_not_share_no_check():
    facts = gather(made_up(others=(0.021, 0.001, -0.02)))
    changes = sentences.what_changes(facts)
    assert rules(changes) == ["changes_conclusion"] * 2
    assert "no longer" in changes[0].en and "significant fall" in changes[1].en
    same = next(s for s in sentences.what_does_not(facts) if s.rule == "same")
    assert "other_0" in same.en and "other_1" not in same.en
    unmoved = made_up(others=(0.021,))
    assert rules(sentences.what_changes(gather(unmoved))) == ["nothing_changes"]
    assert rules(sentences.what_changes(gather(made_up(others=())))) == ["no_checks"]
    bare = gather(made_up(credibility=False))
    assert rules(sentences.what_does_not(bare)) == ["nothing_same"]


def test_controls_measured_after_treatment_are_called_no_yardstick():
    frames = made_up()
    extra = [
        regression("headline", "(2)", 0.001, 0.005),
        regression("headline", "(2)", 0.8, 0.1, term="eco",
                   note="after treatment: this is the output behind the index"),
    ]  # fmt: skip
    frames["rpt_regressions"] = pd.concat(
        [frames["rpt_regressions"], pd.DataFrame(extra)]
    )
    changes = sentences.what_changes(gather(frames))
    assert rules(changes) == ["changes_conclusion", "bad_controls"]
    assert "eco" in changes[1].en


def test_a_unit_that_turns_the_sign_is_among_what_changes_it():
    frames = made_up(estimate=0.001, others=(0.001,))
    extra = {"check_name": "leave_one_city_out", "term": "110000", "sample": "all",
             "aggregation": "leave_one_city_out", "bound": None, "estimator": "twfe",
             "slope": None, **effect(-0.002, 0.005)}  # fmt: skip
    frames["rpt_sensitivity"] = pd.concat(
        [frames["rpt_sensitivity"], pd.DataFrame([extra])], ignore_index=True
    )
    facts = gather(frames)
    assert "one_city_turns" in rules(sentences.what_changes(facts))
    assert not {"one_city_same", "one_city_far"} & set(
        rules(sentences.what_does_not(facts))
    )


def test_the_level_speaks_only_where_it_says_something_else():
    def of(**given):
        return sentences.level_against_growth(gather(made_up(**given)))

    assert of(level=(0.2, 0.5)) == []
    assert rules(of(estimate=0.001, level=(0.2, 0.5))) == ["level_differs"]
    broken = of(estimate=0.001, level=(0.2, 0.01))
    assert rules(broken) == ["level_differs_broken"]
    assert "1 of 1" in broken[0].en and broken[0].estimand == "level"


def test_inference_agrees_or_does_not():
    def of(**given):
        return sentences.uncertainty(gather(made_up(**given)))

    assert of()[0].rule == "inference_agrees" and "is significant" in of()[0].en
    quiet = of(estimate=0.001)[0]
    assert quiet.rule == "inference_agrees" and "not significant" in quiet.en
    assert of(wild_p=0.2)[0].rule == "inference_disagrees"
    assert "4 of 5" in of(wild_p=0.2)[0].en
    assert rules(of(credibility=False)) == ["absent"]


def test_regions_are_told_apart_by_how_they_are_estimated():
    assert sentences.regions(gather(made_up())) == []  # one region is no comparison
    frames = made_up()
    more = (
        frames["rpt_sensitivity"]
        .query("check_name == 'by_region'")
        .assign(sample="western", term="sydid:western", **effect(-0.03, 0.005))
    )
    frames["rpt_sensitivity"] = pd.concat([frames["rpt_sensitivity"], more])
    apart = [
        regression("headline", name, b, 0.005) | {"paper_table": "4"}
        for name, b in (("eastern", 0.001), ("western", -0.05))
    ]
    frames["rpt_regressions"] = pd.concat(
        [frames["rpt_regressions"], pd.DataFrame(apart)]
    )
    told = sentences.regions(gather(frames))
    assert rules(told) == ["regions_together_found", "regions_apart_found"]
    assert "without controls" in told[0].en and "Western −0.030" in told[0].en
    assert "one may be chance" not in told[0].en
    assert "with controls" in told[1].en and "Western −0.050" in told[1].en


def test_assumed_investment_is_said_where_it_matters():
    assert "step_assumed" in rules(verdict_of(assumed=0.5).steps)
    assert "step_assumed" not in rules(verdict_of(assumed=0.49).steps)
    assert "none_assumed" in rules(sentences.data(gather(made_up(assumed=0.0))))


def audit_row(check, column, term, rule, disagrees, verdict="impossible"):
    return (check, "3", column, term, "q", rule, verdict, disagrees)


def test_an_item_fails_the_audit_only_under_every_reading():
    audit = (
        audit_row("log base", "(1)", "eco", "base e", True),
        audit_row("log base", "(1)", "eco", "base 10", False, "possible"),
        audit_row("stars", "(1)", "sydid", "under N(0,1)", True),
        audit_row("stars", "(1)", "sydid", "under t(69)", True),
        audit_row("stars", "(2)", "sydid", "under N(0,1)", False, "not legible"),
        audit_row("reading of the parentheses", "", "", "p-values", True),
    )
    facts = gather(made_up(audit=audit))
    counted = {c.name: (c.n, c.n_disagree, c.n_by_reading) for c in facts.audit}
    assert counted == {
        "stars": (1, 1, 0),
        "reading of the parentheses": (1, 1, 0),
        "log base": (1, 0, 1),
    }
    told = sentences.audit(facts)
    assert rules(told) == ["audit_disagrees", "audit_parentheses"]
    assert told[0].en.startswith("Of 3 printed items that can be checked, 2")
    clean = gather(made_up(audit=audit[1:2]))
    assert rules(sentences.audit(clean)) == ["audit_clean"]
    assert rules(sentences.audit(gather(made_up()))) == ["audit_empty"]
    assert rules(sentences.audit(gather(made_up(credibility=False)))) == ["absent"]


def curve_of(up: float, down: float, *, whole: bool = True) -> pd.DataFrame:
    """100 specifications with these shares of significant ones, and one dubious."""
    rows = []
    for k in range(100):
        b = 0.02 if k < 100 * up else -0.02 if k < 100 * (up + down) else 0.001
        role = "draw" if whole else "one_at_a_time"
        rows.append({"specification": f"real_gdp={k}", "role": role,
                     "estimand": "growth", "plausibility": "defensible",
                     **effect(b, 0.005)})  # fmt: skip
    rows.append(rows[0] | {"plausibility": "dubious", "estimate": 9.0})
    rows.append(rows[0] | {"estimand": "level", "estimate": -7.0})
    return pd.DataFrame(rows)


JOINT = pd.DataFrame(
    [{"scope": "growth, none dubious", "section": "joint", "item": "median",
      "p_value": 0.01}]
)  # fmt: skip


@pytest.mark.parametrize(
    ("up", "down", "rule"),
    [
        (0.6, 0.0, "curve_up"), (0.0, 0.6, "curve_down"),
        (0.2, 0.2, "curve_both_signs"), (0.03, 0.0, "curve_quiet"),
        (0.1, 0.02, "curve_few"), (0.3, 0.0, "curve_some"),
    ],
)  # fmt: skip
def test_the_specifications_are_judged_together(up, down, rule):
    frames = made_up()
    frames["rpt_specifications"] = curve_of(up, down)
    frames["rpt_specification_summary"] = JOINT
    facts = gather(frames)
    told = sentences.specifications(facts)
    assert rules(told) == [rule, "curve_joint_clear"]
    # Neither a dubious row nor one of another estimand is in the range.
    assert (facts.range.n, facts.range.n_dubious) == (100, 1)
    assert max(abs(facts.range.low), facts.range.high) < 1
    assert rules(sentences.specifications(gather(made_up()))) == [
        "specifications_absent"
    ]


def test_single_moves_give_no_range():
    frames = made_up()
    frames["rpt_specifications"] = curve_of(0.1, 0.0, whole=False)
    told = sentences.specifications(gather(frames))
    assert rules(told) == ["single_moves", "single_moves_only"]
    assert "100 choices" in told[0].en and "10 of them significant" in told[0].en


def test_ticks_are_round_and_hold_the_range():
    assert charts.nice_ticks(-0.038, 0.024) == [-0.04, -0.02, 0.0, 0.02, 0.04]
    assert charts.nice_ticks(0.0, 0.0)[0] < 0 < charts.nice_ticks(0.0, 0.0)[-1]
    for low, high in ((-3e-5, 2e-6), (-12.0, 90.0), (0.1, 0.11)):
        ticks = charts.nice_ticks(low, high)
        assert ticks[0] <= low and ticks[-1] >= high and len(ticks) <= 8


def test_marks_stand_where_their_estimates_are():
    facts = gather(made_up())
    drawn = charts.intervals(facts)
    headline = next(row for row in drawn.rows if row.is_headline)
    texts = [float(t.text.replace("−", "-")) for t in drawn.ticks]
    low, high = texts[0], texts[-1]
    mark = headline.mark
    for at, value in ((mark.at, 0.02), (mark.low, 0.02 - 1.96 * 0.005)):
        assert low + at / 100 * (high - low) == pytest.approx(value, abs=1e-5)
    assert low + drawn.zero / 100 * (high - low) == pytest.approx(0, abs=1e-5)


def test_an_event_study_marks_its_reference_and_points_of_one_city():
    frame = made_up()["rpt_event_study"]
    # As group-time effects come: the reference is 0 without a note.
    frame["note"] = [None, None, "rests on cohorts of one unit: no distribution"]
    frame.loc[1, ["std_error", "conf_low", "conf_high", "p_value"]] = math.nan
    frame.loc[2, ["std_error", "conf_low", "conf_high", "p_value"]] = math.nan
    drawn = charts.event_studies(frame, "tfpch")[0]
    assert drawn.reference == -1
    assert [mark.tone for mark in drawn.marks] == ["before", "reference", "after"]
    assert [mark.low is None for mark in drawn.marks] == [False, True, True]
    assert "one city" in drawn.marks[2].en and [t for t, *_ in drawn.rows] == [-2, 0]


def test_uniform_bands_are_lent_only_to_the_same_estimates():
    frames = made_up()
    att = frames["rpt_event_study"].assign(
        aggregation="dynamic", sample="all", band_low=-0.1, band_high=0.1
    )
    assert len(charts.event_studies(frames["rpt_event_study"], "tfpch")[0].bands) == 0
    lent = charts.event_studies(frames["rpt_event_study"], "tfpch", att)[0]
    assert len(lent.bands) == 2
    att["estimate"] += 0.01
    other = charts.event_studies(frames["rpt_event_study"], "tfpch", att)[0]
    assert len(other.bands) == 0


def test_an_interval_beyond_the_chart_is_cut_and_says_its_ends():
    frames = made_up(estimate=0.001)
    wide = [regression(f"v{k}", "(1)", 0.001, 0.005) for k in range(3)]
    wide.append(regression("wide", "(1)", 0.001, 5.0))
    frames["rpt_regressions"] = pd.concat(
        [frames["rpt_regressions"], pd.DataFrame(wide)]
    )
    order = [("headline", 1), *((r["variant"], 2) for r in wide)]
    variants = frames["dim_study_variants"]
    frames["dim_study_variants"] = pd.concat(
        [variants.assign(variant=v, variant_order=o) for v, o in order]
    )
    rows = charts.intervals(gather(frames)).rows
    mark = next(row.mark for row in rows if row.label[0] == "wide")
    assert mark.cut_low and mark.cut_high and (mark.low, mark.high) == (0, 100)
    page = study_page(frames)
    assert page.count('class="cut"') == 2
    assert "9.801" in mark.en


def test_embedded_json_cannot_end_its_script():
    text = embedded({"name": HOSTILE + "&\u2028"})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text)["name"] == HOSTILE + "&\u2028"


def test_the_command_names_every_option_with_its_type():
    options = gather(made_up()).options
    command = command_of(options)
    assert "treated_batches: [1, 2]" in command and "excluded_cities: []" in command
    assert 'log_base: "10"' in command and "credibility: true" in command
    assert "seed: 7" in command


class Whole(HTMLParser):
    """Fails on tags that do not close; keeps tags and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("credibility", [True, False])
def test_the_page_is_whole_loads_nothing_and_runs_nothing_foreign(credibility):
    frames = made_up(name=HOSTILE, credibility=credibility)
    page = study_page(frames)
    assert page == study_page(frames)
    tags = Whole(page).tags
    assert sum(tag == "script" for tag, _ in tags) == 1
    assert HOSTILE not in page
    for tag, attributes in tags:
        assert "src" not in attributes and tag not in ("link", "img", "iframe")
        assert not any(name.startswith("on") for name in attributes)
    links = {a["href"] for tag, a in tags if tag == "a"}
    assert {"../quality/index.html", "../specifications/index.html",
            "../dbt_docs/index.html"} <= links  # fmt: skip
    inside = {a["id"] for _, a in tags if "id" in a}
    assert {link[1:] for link in links if link.startswith("#")} <= inside
    assert ("credibility: true adds" in page) is not credibility
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", page)


def test_every_number_of_the_verdict_stands_in_the_page():
    page = study_page(made_up(estimate=0.0234, std_error=0.0049))
    assert "The estimate is 0.023 with a 95% interval from 0.014 to 0.033" in page
    assert 'data-rule="raised_high"' in page and 'class="verdict good"' in page


def test_a_policy_of_ones_own_is_not_set_beside_the_paper():
    page = study_page(made_up(policy="free_trade"))
    assert "free_trade" in page and "Printed by the paper" not in page
    assert "What was the effect of “free trade”?" in page
    assert 'id="audit"' not in page
