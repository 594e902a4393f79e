"""The study report: other data give other sentences; the page is whole and inert."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from citypanel.outputs.report import charts, gather, sentences, study_page
from citypanel.outputs.report.facts import Effect, Paper
from citypanel.outputs.report.page import command_of, embedded

HOSTILE = "</script><script>alert(1)</script>"
VOID = {"meta", "input", "br", "link", "img", "hr"}


def effect(estimate: float, std_error: float) -> dict:
    """An estimate with its normal interval; significant beyond 1.96 std_error."""
    p = math.erfc(abs(estimate / std_error) / math.sqrt(2))
    return {
        "estimate": estimate, "std_error": std_error, "p_value": p,
        "conf_low": estimate - 1.96 * std_error,
        "conf_high": estimate + 1.96 * std_error,
    }  # fmt: skip


def regression(variant: str, column: str, estimate: float, std_error: float, **given):
    return {
        "paper_table": "3", "paper_column": column, "variant": variant, "term": "sydid",
        "note": None, "n_obs": 32, "n_cities": 4, "n_treated_cities": 2,
        "assumed_share": 0.1, **effect(estimate, std_error), **given,
    }  # fmt: skip


def made_up(
    estimate: float = 0.02,
    std_error: float = 0.005,
    *,
    leads_p: float | None = 0.6,
    policy: str = "pilot_zones",
    name: str = "Alpha",
    printed: tuple[float, float] | None = (0.024, 0.029),
    others: tuple[float, ...] = (),
    fakes: tuple[float, ...] = (0.001,),
    region: float = 0.001,
    assumed: float = 0.1,
    credibility: bool = True,
    level: tuple[float, float] | None = None,
    audit: tuple[tuple, ...] = (),
    wild_p: float | None = None,
) -> dict[str, pd.DataFrame]:
    """Tables of a file with four cities, two of them treated from 2015 on."""
    ids = ["110000", "120000", "130100", "140100"]
    years = range(2012, 2016)
    headline = {
        "variant": "headline", "variant_order": 1, "policy": policy, "outcome": "tfpch",
        "first_year": 2011, "last_year": 2015, "seed": 7, "treated_batches": "1, 2",
        "excluded_cities": "", "credibility": str(credibility), "log_base": "10",
    }  # fmt: skip
    frames = {
        "dim_study_variants": pd.DataFrame([headline]),
        "dim_cities": pd.DataFrame(
            {
                "city_id": ids, "city_en": [name, "Beta", "Gamma", "Delta"],
                "city_zh": ["甲", "乙", "丙", "丁"], "province_en": "Province",
                "province_zh": "省", "region": "eastern", "batch": [1, 2, None, None],
            }
        ),
        "dim_variables": pd.DataFrame(
            {"variable": ["fai"], "label_en": ["Investment"], "label_zh": ["投资"]}
        ),
        "fct_cell_origins": pd.DataFrame(
            {
                "city_id": ids, "year": 2012, "variable": "fai",
                "origin": ["reported", "reported", "assumed", "missing"],
            }
        ),
        "fct_tfp_changes": pd.DataFrame(
            [
                {"city_id": i, "year": y, "log_tfpch": 0.01 * k,
                 "cumulative_log_tfp": 0.01 * k * (y - 2011)}
                for k, i in enumerate(ids) for y in years
            ]
        ),
        "rpt_regressions": pd.DataFrame(
            [regression("headline", "(1)", estimate, std_error, assumed_share=assumed)]
        ),
        "rpt_sample": pd.DataFrame(
            {
                "city_id": ids, "city_en": [name, "Beta", "Gamma", "Delta"],
                "city_zh": ["甲", "乙", "丙", "丁"],
                "role": ["treated", "treated", "control", "control"],
                "cohort": [2015, 2015, 0, 0], "reason": "in",
                "is_in_sample": [True] * 4,
            }
        ),
        "rpt_event_study": pd.DataFrame(
            [
                {"variant": "headline", "outcome": "tfpch", "estimator": "twfe",
                 "event_time": t, "note": note, "band_low": None, "band_high": None,
                 "leads_p_value": leads_p, **effect(b, 0.01)}
                for t, b, note in ((-2, 0.001, None), (-1, 0.0, "reference period"),
                                   (0, estimate, None))
            ]
        ),
        "rpt_published_comparison": pd.DataFrame(
            [] if printed is None else [
                {"paper_table": "3", "paper_column": "(1)", "term": "sydid",
                 "statistic": s, "published": v, "ours": 0.0}
                for s, v in zip(("estimate", "std_error"), printed, strict=True)
            ],
            columns=["paper_table", "paper_column", "term", "statistic", "published",
                     "ours"],
        ),
    }  # fmt: skip
    if not credibility:
        return frames
    rows = [("twfe", "tfpch", estimate, std_error, leads_p)]
    rows += [(f"other_{k}", "tfpch", b, std_error, None) for k, b in enumerate(others)]
    if level is not None:
        rows.append(("twfe", "cumulative_log_tfp", level[0], 0.01, level[1]))
    frames["rpt_att"] = pd.DataFrame(
        [
            {"outcome": o, "sample": "all", "estimator": e, "aggregation": "simple",
             "term": "overall", "leads_p_value": p, "event_time": None,
             "band_low": None, "band_high": None, **effect(b, se)}
            for e, o, b, se, p in rows
        ]
    )  # fmt: skip
    checks = [
        ("fake_date", "fake_date", f"treated {k} periods before", "all", b)
        for k, b in enumerate(fakes, 1)
    ]
    checks.append(("by_region", "interacted", "sydid:eastern", "eastern", region))
    frames["rpt_sensitivity"] = pd.DataFrame(
        [
            {"check_name": c, "aggregation": a, "term": t, "sample": s, "bound": None,
             "estimator": "twfe", "slope": None, **effect(b, std_error)}
            for c, a, t, s, b in checks
        ]
    )  # fmt: skip
    p = effect(estimate, std_error)["p_value"]
    frames["rpt_inference"] = pd.DataFrame(
        [
            {"paper_table": "3", "paper_column": "(1)", "p_value": p, "p_value_cr2": p,
             "p_value_cv3": p, "p_value_wild": p if wild_p is None else wild_p,
             "p_value_randomisation": p,
             "p_value_romano_wolf": None, "minimum_detectable_effect": 2.8 * std_error,
             "bound": 0.024, "power_at_bound": 0.4, "equivalence_p_value": 0.2,
             "draws": 99}
        ]
    )  # fmt: skip
    frames["rpt_published_audit"] = pd.DataFrame(
        list(audit),
        columns=["check_name", "paper_table", "paper_column", "term", "quantity",
                 "rule", "verdict", "disagrees"],
    )  # fmt: skip
    return frames


def rules(chosen) -> list[str]:
    return [sentence.rule for sentence in chosen]


def verdict_of(**given):
    return sentences.verdict(gather(made_up(**given)))


@pytest.mark.parametrize(
    ("given", "rule", "level"),
    [
        ({}, "significant_positive", "good"),
        ({"estimate": -0.02}, "significant_negative", "good"),
        ({"estimate": 0.005}, "nothing", "note"),
        ({"leads_p": 0.01}, "significant_but_pretrend_broken", "stop"),
        ({"estimate": 0.005, "leads_p": 0.01}, "nothing", "care"),
        ({"leads_p": None}, "significant_positive", "care"),
        ({"fakes": (0.02,)}, "significant_positive", "care"),
        ({"others": (0.001,)}, "significant_positive", "care"),
        ({"others": (-0.02,)}, "significant_positive", "care"),
        ({"credibility": False}, "significant_positive", "care"),
        ({"estimate": math.nan}, "not_estimated", "stop"),
    ],
)
def test_the_verdict_follows_the_estimates(given, rule, level):
    verdict = verdict_of(**given)
    assert (verdict.lead.rule, verdict.level) == (rule, level)
    assert verdict.lead.en and verdict.lead.zh


def test_a_rise_and_a_fall_are_told_apart_in_both_languages():
    up, down = verdict_of().lead, verdict_of(estimate=-0.02).lead
    assert "raised" in up.en and "提高" in up.zh
    assert "lowered" in down.en and "降低" in down.zh
    broken = verdict_of(estimate=-0.02, leads_p=0.01).lead
    assert "lower" in broken.en and "must not be read" in broken.en
    assert "更低" in broken.zh
    contradicted = verdict_of(others=(-0.02,)).lead
    assert "opposite sign" in contradicted.en
    assert "not every estimator" in verdict_of(others=(0.001,)).lead.en


def test_the_papers_number_is_placed_against_the_interval():
    def placed(**given):
        return rules(sentences.against_paper(gather(made_up(**given))))

    assert placed() == ["paper_inside", "paper_not_significant"]
    assert placed(std_error=0.02) == ["paper_inside_with_zero", "paper_not_significant"]
    assert placed(estimate=-0.02)[0] == "paper_outside"
    assert placed(printed=(0.024, 0.001)) == ["paper_inside"]
    assert placed(printed=None) == placed(policy="other") == []
    above = sentences.against_paper(gather(made_up(estimate=-0.02)))[0]
    below = sentences.against_paper(gather(made_up(estimate=0.05)))[0]
    assert "above" in above.en and "below" in below.en


def test_the_papers_interval_follows_from_its_standard_error():
    own = Paper(0.024, 0.029).effect
    assert own.low == pytest.approx(0.024 - 1.959964 * 0.029, abs=1e-7)
    assert own.p_value == pytest.approx(0.40791, abs=1e-5)
    assert not Paper(0.024, math.nan).effect.is_tested


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ["pretrend_passed", "fake_dates_quiet"]),
        ({"leads_p": 0.049}, ["pretrend_broken", "fake_dates_quiet"]),
        ({"leads_p": None, "fakes": ()}, ["pretrend_unknown"]),
        ({"fakes": (0.001, -0.03)}, ["pretrend_passed", "fake_date"]),
        ({"fakes": (-0.011,)}, ["pretrend_passed", "fake_date"]),
        ({"fakes": (0.001, -0.011)}, ["pretrend_passed", "fake_date_by_chance"]),
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
    assert rules(sentences.what_changes(gather(made_up()))) == ["no_checks"]
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


def test_the_level_speaks_only_where_it_says_something_else():
    def of(**given):
        return sentences.level_against_growth(gather(made_up(**given)))

    assert of(level=(0.2, 0.5)) == []
    assert rules(of(estimate=0.001, level=(0.2, 0.5))) == ["level_differs"]
    broken = of(estimate=0.001, level=(0.2, 0.01))
    assert rules(broken) == ["level_differs_broken"]
    assert "1 of 1" in broken[0].en


def test_inference_agrees_or_does_not():
    def of(**given):
        return sentences.uncertainty(gather(made_up(**given)))

    assert of()[0].rule == "inference_agrees" and "is significant" in of()[0].en
    quiet = of(estimate=0.001)[0]
    assert quiet.rule == "inference_agrees" and "not significant" in quiet.en
    assert of(wild_p=0.2)[0].rule == "inference_disagrees"
    assert "4 of 5" in of(wild_p=0.2)[0].en
    assert rules(of(credibility=False)) == ["absent"]


def test_regions_and_assumed_investment_are_said_where_they_matter():
    assert rules(sentences.regions(gather(made_up()))) == ["regions_quiet"]
    found = sentences.regions(gather(made_up(region=-0.03)))
    assert rules(found) == ["regions_found"] and "Eastern" in found[0].en
    assert "much_assumed" in rules(verdict_of(assumed=0.5).points)
    assert "much_assumed" not in rules(verdict_of(assumed=0.49).points)
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


def curve_summary(up: float, down: float) -> pd.DataFrame:
    scope = "growth, none dubious"
    rows = [
        ("curve", "estimated", {"n": 10}), ("curve", "median", {"value": 0.01}),
        ("curve", "middle 90 per cent", {"low": -0.1, "high": 0.1}),
        ("curve", "positive", {"share": 0.5}),
        ("curve", "significant and positive", {"share": up}),
        ("curve", "significant and negative", {"share": down}),
        ("joint", "median", {"p_value": 0.01}),
    ]  # fmt: skip
    blank = dict.fromkeys(("value", "low", "high", "share", "p_value", "n"))
    return pd.DataFrame(
        [blank | {"scope": scope, "section": s, "item": i} | v for s, i, v in rows]
    )


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
    frames["rpt_specifications"] = pd.DataFrame(
        [{"specification": "headline", "role": "headline", "estimand": "growth",
          "plausibility": "headline", **effect(0.02, 0.005)}]
    )  # fmt: skip
    frames["rpt_specification_summary"] = curve_summary(up, down)
    told = sentences.specifications(gather(frames))
    assert rules(told) == [rule, "curve_joint_clear", "single_moves_only"]
    assert rules(sentences.specifications(gather(made_up()))) == [
        "specifications_absent"
    ]


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
    assert 'data-rule="significant_positive"' in page


def test_a_policy_of_ones_own_is_not_set_beside_the_paper():
    page = study_page(made_up(policy="free_trade"))
    assert "free_trade" in page and "Printed by the paper" not in page
    assert "Did the policy raise productivity?" in page
