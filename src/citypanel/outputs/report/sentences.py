# ruff: noqa: E501
"""The sentences of the study report, chosen by rules over the facts.

Each rule has a name, which the sentence carries; other data choose other rules. No
sentence holds a number that is not one of the facts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from citypanel.curve.page import FEW, HARDLY, MOST
from citypanel.outputs import words as w
from citypanel.outputs.report.facts import (
    PUBLISHED,
    SIGNIFICANCE,
    Check,
    Effect,
    Estimator,
    Facts,
)
from citypanel.pages.formats import share as in_per_cent

# From this share of treated city-years on, assumed investment is said in the verdict.
MUCH_ASSUMED = 0.5
# What the verdict says of the years before the policy.
WARNINGS_OF_TRENDS = ("pretrend_broken", "fake_date", "fake_date_by_chance")
# From this share of cities on, labour has no price in the index worth a warning.
MANY_WITHOUT_PRICE = 0.5


@dataclass(frozen=True)
class Sentence:
    """A sentence in both languages, with the name of the rule that chose it."""

    rule: str
    en: str
    zh: str


@dataclass(frozen=True)
class Verdict:
    """The first sentence, what qualifies it, and how loud it is (stop, care, note, good)."""

    level: str
    lead: Sentence
    points: tuple[Sentence, ...]


def fixed(value: float, digits: int = 3) -> str:
    """A number with a fixed count of decimals and a true minus sign; never a minus zero."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", w.MINUS)


def p_text(p: float) -> str:
    """p = 0.38, or p < 0.001."""
    if not math.isfinite(p):
        return "p\u00a0–"
    text = "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"
    return text.replace(" ", "\u00a0")


def shown(effect: Effect) -> str:
    """An estimate with its standard error behind it."""
    if not math.isfinite(effect.std_error):
        return fixed(effect.estimate)
    return f"{fixed(effect.estimate)}\u00a0({fixed(effect.std_error)})"


def label_of(check: Check) -> tuple[str, str]:
    """A check in words."""
    if check.kind == "exclusion":
        return w.EXCLUSIONS.get(check.item, (check.item, check.item))
    if check.kind == "leave_one_batch_out":
        return (
            f"Without the cohort of {check.item}",
            f"剔除 {check.item} 年开始受处理的城市",
        )
    if check.kind == "by_region":
        en, zh = w.REGIONS.get(check.item, (check.item, check.item))
        return f"{en} region, interacted", f"{zh}地区（交互项）"
    if check.kind == "fake_date":
        years = "year" if check.item == "1" else "years"
        return f"Policy {check.item} {years} early", f"政策提前 {check.item} 年"
    return w.CHECKS.get(check.kind, (check.kind, check.kind))


def pretrend_state(facts: Facts) -> str:
    """broken, doubtful, passed or unknown.

    broken: the leads are jointly significant. doubtful: they are not, but a fake date
    before the policy finds an effect. unknown: there is no test.
    """
    if math.isfinite(facts.leads_p) and facts.leads_p < SIGNIFICANCE:
        return "broken"
    if any(check.effect.is_significant for check in facts.fake_dates):
        return "doubtful"
    return "passed" if math.isfinite(facts.leads_p) else "unknown"


def change_of(base: Effect, other: Effect) -> str:
    """How another choice changes the headline.

    Returns
    -------
    str
        none (no estimate), conclusion (another one at the 5 per cent level), sign, size
        (by a standard error of the headline or more) or same.
    """
    if not (base.is_known and other.is_known):
        return "none"
    if other.is_tested and _conclusion(base) != _conclusion(other):
        return "conclusion"
    if base.sign != other.sign:
        return "sign"
    if (
        math.isfinite(base.std_error)
        and abs(other.estimate - base.estimate) >= base.std_error
    ):
        return "size"
    return "same"


def verdict(facts: Facts) -> Verdict:
    """What the study finds, in one sentence and the points that qualify it."""
    effect = facts.headline.effect
    pretrend = pretrend_state(facts)
    if not effect.is_tested:
        lead = Sentence(
            "not_estimated",
            "The effect could not be estimated on these figures and options.",
            "在现有数据与选项下无法估计该效应。",
        )
        return Verdict("stop", lead, tuple(_points(facts)))
    if effect.is_significant and pretrend == "broken":
        en = "higher" if effect.sign > 0 else "lower"
        zh = "更高" if effect.sign > 0 else "更低"
        lead = Sentence(
            "significant_but_pretrend_broken",
            f"Treated cities have {en} {_outcome(facts)[0]} after the policy than the others, but they already differed before it: the difference must not be read as its effect.",
            f"政策实施后处理组的{_outcome(facts)[1]}{zh}，但政策之前两组已有差异，不可将其解读为政策效应。",
        )
        level = "stop"
    elif effect.is_significant:
        en = "raised" if effect.sign > 0 else "lowered"
        zh = "提高了" if effect.sign > 0 else "降低了"
        agree = _agreement(facts)
        tail = {
            "all": ("", ""),
            "some": (
                "; not every estimator says so",
                "；但并非所有估计量都支持这一结论",
            ),
            "contradicted": (
                "; another estimator finds the opposite sign",
                "；但另有估计量得到相反的符号",
            ),
            "unknown": ("", ""),
        }[agree]
        name = "significant_positive" if effect.sign > 0 else "significant_negative"
        lead = Sentence(
            name,
            f"{_policy(facts)[0]} {en} {_outcome(facts)[0]}{tail[0]}.",
            f"{_policy(facts)[1]}{zh}{_outcome(facts)[1]}{tail[1]}。",
        )
        sure = agree in ("all",) and pretrend == "passed"
        level = "good" if sure else "care"
    else:
        lead = Sentence(
            "nothing",
            "No effect can be told from zero, in either direction.",
            "无论正负，均不能断定存在效应。",
        )
        level = "care" if pretrend == "broken" else "note"
    return Verdict(level, lead, tuple(_points(facts)))


def _points(facts: Facts) -> list[Sentence]:
    points = []
    effect = facts.headline.effect
    if effect.is_tested:
        unit = _unit(facts)
        points.append(
            Sentence(
                "estimate",
                f"The estimate is {fixed(effect.estimate)} with a 95% interval from {fixed(effect.low)} to {fixed(effect.high)} ({p_text(effect.p_value)}). {unit[0]}",
                f"估计值为 {fixed(effect.estimate)}，95% 置信区间为 {fixed(effect.low)} 至 {fixed(effect.high)}（{p_text(effect.p_value)}）。{unit[1]}",
            )
        )
    points += against_paper(facts)
    points += [s for s in pretrend(facts) if s.rule in WARNINGS_OF_TRENDS]
    share = facts.headline.assumed_share
    if math.isfinite(share) and share >= MUCH_ASSUMED:
        points.append(
            Sentence(
                "much_assumed",
                f"{in_per_cent(share)} of the treated city-years rest on investment that nobody published: it was extended by rule.",
                f"处理组城市—年份中有 {in_per_cent(share)} 依赖未公布、按规则外推的投资数据。",
            )
        )
    if facts.data.verdict and facts.data.verdict[0] in ("stop", "care"):
        points.append(
            Sentence(
                "quality",
                f"The quality report says: {facts.data.verdict[1]}",
                f"数据质量报告的结论：{facts.data.verdict[2]}",
            )
        )
    return points


def against_paper(facts: Facts) -> list[Sentence]:
    """Where the paper's number lies, and whether one of its size could be found."""
    paper, effect = facts.paper, facts.headline.effect
    if paper is None or not effect.is_tested:
        return []
    printed = fixed(paper.estimate)
    if effect.holds(paper.estimate):
        if effect.holds(0):
            sentence = Sentence(
                "paper_inside_with_zero",
                f"The paper prints {printed}. The interval holds it and zero alike: these figures cannot tell the two apart.",
                f"原文所印为 {printed}。置信区间同时包含该值与零，现有数据无法区分两者。",
            )
        else:
            sentence = Sentence(
                "paper_inside",
                f"The paper prints {printed}, which the interval holds.",
                f"原文所印为 {printed}，位于置信区间之内。",
            )
    else:
        en = "above" if paper.estimate > effect.high else "below"
        zh = "上方" if paper.estimate > effect.high else "下方"
        sentence = Sentence(
            "paper_outside",
            f"The paper prints {printed}, which lies {en} the interval.",
            f"原文所印为 {printed}，位于置信区间{zh}。",
        )
    out = [sentence]
    own = paper.effect
    if own.is_tested and not own.is_significant:
        out.append(
            Sentence(
                "paper_not_significant",
                f"By the standard error that the paper prints, {fixed(paper.std_error)}, its own estimate cannot be told from zero either ({p_text(own.p_value)}).",
                f"按原文所印标准误 {fixed(paper.std_error)}，其估计值本身也不显著异于零（{p_text(own.p_value)}）。",
            )
        )
    return out


def uncertainty(facts: Facts) -> list[Sentence]:
    """What other methods of inference and the power say of the headline."""
    inference = facts.inference
    if inference is None:
        return [_absent("Other methods of inference", "其他推断方法")]
    out = []
    p = inference.p_values
    significant = [name for name, value in p.items() if value < SIGNIFICANCE]
    if p:
        span = f"{min(p.values()):.3f} to {max(p.values()):.3f}"
        span_zh = span.replace(" to ", " 至 ")
        if len(significant) in (0, len(p)):
            found = "significant" if significant else "not significant"
            zh = "均显著" if significant else "均不显著"
            out.append(
                Sentence(
                    "inference_agrees",
                    f"{len(p)} ways to compute the p-value agree that the headline is {found} at the 5% level (p from {span}).",
                    f"{len(p)} 种推断方法在 5% 水平上一致：{zh}（p 值 {span_zh}）。",
                )
            )
        else:
            out.append(
                Sentence(
                    "inference_disagrees",
                    f"Whether the headline is significant at the 5% level depends on how the p-value is computed: {len(significant)} of {len(p)} ways say so (p from {span}).",
                    f"在 5% 水平上是否显著取决于推断方法：{len(p)} 种方法中有 {len(significant)} 种显著（p 值 {span_zh}）。",
                )
            )
    if math.isfinite(inference.detectable):
        out.append(
            Sentence(
                "detectable",
                f"The smallest true effect that would be found four times in five is {fixed(inference.detectable)}.",
                f"能以五分之四概率发现的最小真实效应为 {fixed(inference.detectable)}。",
            )
        )
    if math.isfinite(inference.bound) and math.isfinite(inference.power):
        bound, power = fixed(inference.bound), in_per_cent(inference.power)
        size = (
            ("of the paper’s size", "原文大小的")
            if facts.paper and math.isclose(facts.paper.estimate, inference.bound)
            else ("of this size", "此大小的")
        )
        weak = inference.power < 0.5
        out.append(
            Sentence(
                "power_weak" if weak else "power",
                f"An effect {size[0]}, {bound}, would be found {'only ' if weak else ''}{power} of the time.",
                f"{size[1]}效应（{bound}）{'仅' if weak else ''}有 {power} 的概率被发现。",
            )
        )
        if math.isfinite(inference.equivalence_p):
            ruled = inference.equivalence_p < SIGNIFICANCE
            out.append(
                Sentence(
                    "equivalent" if ruled else "not_equivalent",
                    f"Effects larger than {bound} in absolute value {'are ruled out' if ruled else 'cannot be ruled out in both directions'} (equivalence test, {p_text(inference.equivalence_p)}).",
                    f"{'可排除' if ruled else '不能同时排除'}绝对值大于 {bound} 的{'效应' if ruled else '正、负效应'}（等价性检验，{p_text(inference.equivalence_p)}）。",
                )
            )
    return out


def pretrend(facts: Facts) -> list[Sentence]:
    """Whether treated and other cities moved alike before the policy."""
    out = []
    if not math.isfinite(facts.leads_p):
        out.append(
            Sentence(
                "pretrend_unknown",
                "There is no test of the years before the policy in this file, so parallel trends rest on belief.",
                "该文件没有政策前各年的检验，平行趋势只能作为假定。",
            )
        )
    elif facts.leads_p < SIGNIFICANCE:
        out.append(
            Sentence(
                "pretrend_broken",
                f"Treated and other cities did not move alike before the policy (joint test of the leads, {p_text(facts.leads_p)}).",
                f"政策之前处理组与对照组的走势已不平行（先导项联合检验，{p_text(facts.leads_p)}）。",
            )
        )
    else:
        out.append(
            Sentence(
                "pretrend_passed",
                f"No difference before the policy can be told from zero (joint test of the leads, {p_text(facts.leads_p)}). That a test finds nothing does not show that nothing is there.",
                f"政策之前未发现显著差异（先导项联合检验，{p_text(facts.leads_p)}）。未检出并不等于不存在。",
            )
        )
    found = [c for c in facts.fake_dates if c.effect.is_significant]
    if found:
        told = ", ".join(
            f"{label_of(c)[0].removeprefix('Policy ')}: {shown(c.effect)}, {p_text(c.effect.p_value)}"
            for c in found
        )
        told_zh = "；".join(
            f"提前 {c.item} 年：{shown(c.effect)}，{p_text(c.effect.p_value)}"
            for c in found
        )
        # Of several tests one comes out by chance more often than one of one does; this
        # is the first step of Holm (1979).
        n = len(facts.fake_dates)
        holm = min(1.0, n * min(c.effect.p_value for c in found))
        rule = "fake_date" if holm < SIGNIFICANCE else "fake_date_by_chance"
        after, after_zh = {
            "fake_date": (
                "That speaks against parallel trends",
                "不支持平行趋势",
            ),
            "fake_date_by_chance": (
                f"Corrected for {n} dates (Holm) {p_text(holm)}: a warning about parallel trends, no proof against them",
                f"按 {n} 个时间作 Holm 校正后 {p_text(holm)}：对平行趋势是警示，并非否定",
            ),
        }[rule]
        out.append(
            Sentence(
                rule,
                f"Dated before it began, the policy seems to have an effect too, at {len(found)} of {n} fake dates ({told}). {after}.",
                f"虚构的政策时间也得出“效应”：{n} 个虚构时间中有 {len(found)} 个显著（{told_zh}）。{after_zh}。",
            )
        )
    elif facts.fake_dates:
        out.append(
            Sentence(
                "fake_dates_quiet",
                f"None of {len(facts.fake_dates)} fake dates before the policy finds an effect.",
                f"{len(facts.fake_dates)} 个虚构的政策时间均未得出显著效应。",
            )
        )
    if math.isfinite(facts.pretrend_slope):
        out.append(
            Sentence(
                "pretrend_power",
                f"The test of the leads would miss, half of the time, treated cities drifting away by {fixed(facts.pretrend_slope, 4)} a year.",
                f"若处理组每年偏离 {fixed(facts.pretrend_slope, 4)}，该检验仍有一半概率无法发现。",
            )
        )
    robust = [e for bound, e in facts.honest if bound == 1]
    if robust:
        e = robust[0]
        holds = e.holds(0)
        out.append(
            Sentence(
                "honest_holds_zero" if holds else "honest_excludes_zero",
                f"If trends part after the policy by no more than they did at most between two years before it, the effect in the first year lies between {fixed(e.low)} and {fixed(e.high)}, {'zero among it' if holds else 'zero not among it'} (Rambachan and Roth 2023).",
                f"若政策后偏离平行趋势的幅度不超过政策前相邻年份的最大偏离，首年效应介于 {fixed(e.low)} 与 {fixed(e.high)} 之间，{'包含' if holds else '不包含'}零（Rambachan 和 Roth，2023）。",
            )
        )
    return out


def all_checks(facts: Facts) -> list[tuple[tuple[str, str], Effect]]:
    """Everything that is set beside the headline, on the same outcome, with its label."""
    rows = [
        (w.VARIANTS.get(name, (name, name)), regression.effect)
        for name, regression in facts.variants
    ]
    if facts.controlled is not None:
        rows.append((w.CHECKS["with_controls"], facts.controlled.effect))
    for row in facts.estimators or ():
        if row.name != "twfe":
            rows.append((w.ESTIMATORS.get(row.name, (row.name,) * 2), row.effect))
    for check in facts.checks or ():
        if check.kind != "by_region":
            rows.append((label_of(check), check.effect))
    return rows


def what_changes(facts: Facts) -> list[Sentence]:
    """The choices that change the conclusion, the sign or the size, one a sentence."""
    base = facts.headline.effect
    if not base.is_known:
        return []
    out = []
    for (en, zh), effect in all_checks(facts):
        change = change_of(base, effect)
        if change == "conclusion":
            if not effect.is_significant:
                now = ("it can no longer be told from zero", "不再显著异于零")
            else:
                now = {
                    1: ("a significant rise", "变为显著的正效应"),
                    -1: ("a significant fall", "变为显著的负效应"),
                }[effect.sign]
        elif change == "sign":
            now = ("the other sign, not significant", "符号相反，但不显著")
            if effect.is_significant or not effect.is_tested:
                now = ("the other sign", "符号相反")
        elif change == "size":
            now = (
                "a standard error of the headline or more away",
                "与基准相差不少于一个标准误",
            )
        else:
            continue
        out.append(
            Sentence(
                f"changes_{change}",
                f"{en}: {shown(effect)}, {p_text(effect.p_value)} – {now[0]}.",
                f"{zh}：{shown(effect)}，{p_text(effect.p_value)}——{now[1]}。",
            )
        )
    order = ("changes_conclusion", "changes_sign", "changes_size")
    out.sort(key=lambda s: order.index(s.rule))
    controlled = facts.controlled
    if (
        facts.after_treatment
        and controlled is not None
        and change_of(base, controlled.effect) not in ("same", "none")
    ):
        names = ", ".join(facts.after_treatment)
        out.append(
            Sentence(
                "bad_controls",
                f"The controls are no better yardstick here: {names} are measured after treatment and are parts of the index itself.",
                f"加入控制变量并不更可靠：{names.replace(', ', '、')} 为处理后变量，且本身是指数的组成部分。",
            )
        )
    out += level_against_growth(facts)
    if not all_checks(facts):
        out.append(
            Sentence(
                "no_checks",
                "This file holds nothing to set beside the headline.",
                "该文件没有可与基准设定比较的结果。",
            )
        )
    elif not out:
        out.append(
            Sentence(
                "nothing_changes",
                "None of the checks in this file changes the conclusion, the sign, or the size by a standard error.",
                "该文件中的检验均未改变结论或符号，数值变动也不到一个标准误。",
            )
        )
    return out


def level_against_growth(facts: Facts) -> list[Sentence]:
    """The same question asked of the level of productivity, where it differs."""
    if not facts.level or facts.outcome == "cumulative_log_tfp":
        return []
    twfe = next((row for row in facts.level if row.name == "twfe"), None)
    base = facts.headline.effect
    if twfe is None or not twfe.effect.is_tested:
        return []
    effect = twfe.effect
    if _conclusion(effect) == _conclusion(base):
        return []
    broken = [row for row in facts.level if row.leads_p < SIGNIFICANCE]
    tested = [row for row in facts.level if math.isfinite(row.leads_p)]
    if broken:
        tail = (
            f"But on the level treated and other cities already parted before the policy ({len(broken)} of {len(tested)} tests of the leads say so), so this must not be read as its effect.",
            f"但就水平而言，两组在政策之前已经分化（{len(tested)} 个先导项检验中有 {len(broken)} 个显著），故不能视为政策效应。",
        )
    elif tested:
        tail = (
            "The leads do not speak against it: growth and level give different answers.",
            "先导项检验并不否定这一结果：增长与水平给出不同答案。",
        )
    else:
        tail = ("Its leads were not tested.", "其先导项未经检验。")
    return [
        Sentence(
            "level_differs_broken" if broken else "level_differs",
            f"Asked of the level of productivity instead, the same regression gives {shown(effect)}, {p_text(effect.p_value)}. {tail[0]}",
            f"若以生产率水平为被解释变量，同一回归得 {shown(effect)}，{p_text(effect.p_value)}。{tail[1]}",
        )
    ]


def what_does_not(facts: Facts) -> list[Sentence]:
    """The choices that leave the conclusion, the sign and the size alone."""
    base = facts.headline.effect
    if not base.is_known:
        return []
    out = []
    same = [
        label
        for label, effect in all_checks(facts)
        if change_of(base, effect) == "same"
    ]
    if same:
        en = "; ".join(label[0] for label in same)
        zh = "；".join(label[1] for label in same)
        out.append(
            Sentence(
                "same",
                f"Same conclusion, same sign, less than a standard error away: {en}.",
                f"结论与符号不变，变动不到一个标准误：{zh}。",
            )
        )
    out += _cities_out(facts)
    if facts.estimators:
        out += _estimators(facts.estimators)
    if not out:
        out.append(
            Sentence(
                "nothing_same",
                "Nothing in this file leaves the conclusion, the sign and the size alone.",
                "该文件中没有使结论、符号与数值均保持不变的检验。",
            )
        )
    return out


def _estimators(rows: tuple[Estimator, ...]) -> list[Sentence]:
    tested = [row for row in rows if row.effect.is_tested]
    if not tested:
        return []
    up = sum(row.effect.is_significant and row.effect.sign > 0 for row in tested)
    down = sum(row.effect.is_significant and row.effect.sign < 0 for row in tested)
    n = len(tested)
    low = min(row.effect.estimate for row in tested)
    high = max(row.effect.estimate for row in tested)
    span = f"{fixed(low)} to {fixed(high)}"
    span_zh = f"{fixed(low)} 至 {fixed(high)}"
    if not up and not down:
        return [
            Sentence(
                "estimators_quiet",
                f"None of {n} estimators finds an effect that can be told from zero (estimates from {span}).",
                f"{n} 种估计量均未发现显著效应（估计值 {span_zh}）。",
            )
        ]
    if up and down:
        name = "estimators_contradict"
    else:
        name = "estimators_agree" if up + down == n else "estimators_differ"
    return [
        Sentence(
            name,
            f"Of {n} estimators {up} find a significant rise and {down} a significant fall (estimates from {span}).",
            f"{n} 种估计量中，{up} 种得到显著正效应，{down} 种得到显著负效应（估计值 {span_zh}）。",
        )
    ]


def _cities_out(facts: Facts) -> list[Sentence]:
    known = [c for c in facts.cities if math.isfinite(c.without)]
    base = facts.headline.effect
    if not known:
        return []
    furthest = max(known, key=lambda c: (abs(c.without - base.estimate), c.city_id))
    turned = [c for c in known if (c.without > 0) - (c.without < 0) != base.sign]
    size = abs(furthest.without - base.estimate)
    en, zh = furthest.name
    if turned:
        names = ", ".join(c.name[0] for c in turned)
        names_zh = "、".join(c.name[1] for c in turned)
        return [
            Sentence(
                "one_city_turns",
                f"Leaving out a single city turns the sign: {names}.",
                f"剔除单个城市即改变符号：{names_zh}。",
            )
        ]
    far = math.isfinite(base.std_error) and size >= base.std_error
    return [
        Sentence(
            "one_city_far" if far else "one_city_same",
            f"No single city turns the sign of the estimate; the one that moves it most is {en} ({fixed(furthest.without)} without it{', a standard error or more away' if far else ''}).",
            f"剔除任何单个城市均不改变估计值的符号；影响最大的是{zh}（剔除后为 {fixed(furthest.without)}{'，相差不少于一个标准误' if far else ''}）。",
        )
    ]


def regions(facts: Facts) -> list[Sentence]:
    """Whether the effect differs by region, with the count that chance would give."""
    rows = [
        c for c in facts.checks or () if c.kind == "by_region" and c.effect.is_tested
    ]
    if not rows:
        return []
    found = [c for c in rows if c.effect.is_significant]
    if not found:
        return [
            Sentence(
                "regions_quiet",
                f"In none of {len(rows)} regions can an effect be told from zero.",
                f"{len(rows)} 个地区中均未发现显著效应。",
            )
        ]
    told = ", ".join(f"{label_of(c)[0]} {shown(c.effect)}" for c in found)
    told_zh = "、".join(f"{label_of(c)[1]} {shown(c.effect)}" for c in found)
    return [
        Sentence(
            "regions_found",
            f"An effect can be told from zero in {len(found)} of {len(rows)} regions: {told}. With {len(rows)} looks, one in twenty is found by chance alone.",
            f"{len(rows)} 个地区中有 {len(found)} 个显著：{told_zh}。每二十次检验平均会有一次偶然显著。",
        )
    ]


def specifications(facts: Facts) -> list[Sentence]:
    """The verdict over the specifications of the published file."""
    s = facts.specifications
    if s is None:
        return [
            Sentence(
                "specifications_absent",
                "This file holds no specifications, so nothing can be said of the choices together. citypanel specifications computes them.",
                "该文件不含设定曲线，无法评价各项选择的综合影响。可运行 citypanel specifications 计算。",
            )
        ]
    up, down = in_per_cent(s.up), in_per_cent(s.down)
    if s.up > HARDLY and s.down > HARDLY:
        name = "curve_both_signs"
        en, zh = (
            "The sign is a matter of choice",
            "符号取决于设定",
        )
    elif s.up >= MOST:
        name, en, zh = "curve_up", "Most choices find a rise", "多数设定得到正效应"
    elif s.down >= MOST:
        name, en, zh = "curve_down", "Most choices find a fall", "多数设定得到负效应"
    elif s.up + s.down <= HARDLY:
        name, en, zh = (
            "curve_quiet",
            "Hardly any choice finds an effect",
            "几乎没有设定得到显著效应",
        )
    elif s.up + s.down <= FEW + HARDLY:
        name, en, zh = (
            "curve_few",
            "Few choices find an effect",
            "少数设定得到显著效应",
        )
    else:
        name, en, zh = (
            "curve_some",
            "Some choices find an effect, most do not",
            "部分设定得到显著效应，多数没有",
        )
    out = [
        Sentence(
            name,
            f"{en}: of {s.n:,} specifications without a known defect {up} are significant and positive, {down} significant and negative. Their median is {fixed(s.median)}, the middle 90% run from {fixed(s.low)} to {fixed(s.high)}.",
            f"{zh}：{s.n:,} 个无已知缺陷的设定中，显著为正 {up}，显著为负 {down}。中位数为 {fixed(s.median)}，中间 90% 介于 {fixed(s.low)} 与 {fixed(s.high)}。",
        )
    ]
    if math.isfinite(s.joint_p):
        clear = s.joint_p < SIGNIFICANCE
        out.append(
            Sentence(
                "curve_joint_clear" if clear else "curve_joint_chance",
                f"With the policy dealt at random among the cities, a median as far from zero comes up with {p_text(s.joint_p)}: chance {'is no good explanation' if clear else 'would do'}.",
                f"若将政策随机分配给各城市，中位数同样偏离零的概率为 {p_text(s.joint_p)}：{'难以用偶然解释' if clear else '可由偶然解释'}。",
            )
        )
    if s.only_single_moves:
        out.append(
            Sentence(
                "single_moves_only",
                "These change one choice at a time; combinations are in the specification curve.",
                "此处每次只改变一项选择；各项选择的组合见设定曲线。",
            )
        )
    return out


def audit(facts: Facts) -> list[Sentence]:
    """What the checks of the printed tables against themselves find."""
    if facts.audit is None:
        return [_absent("The audit of the printed tables", "对原文表格的审核")]
    total = sum(check.n for check in facts.audit)
    wrong = sum(check.n_disagree for check in facts.audit)
    if not total:
        return [
            Sentence("audit_empty", "There was nothing to check.", "没有可审核的内容。")
        ]
    if not wrong:
        return [
            Sentence(
                "audit_clean",
                f"None of the {total} printed items that were checked contradicts the tables or the text.",
                f"所审核的 {total} 处印刷内容均未与表格或正文矛盾。",
            )
        ]
    out = [
        Sentence(
            "audit_disagrees",
            f"Of {total} printed items that can be checked, {wrong} contradict the tables or the text under every reading tried.",
            f"可审核的 {total} 处印刷内容中，有 {wrong} 处在所试的任何解读下都与表格或正文矛盾。",
        )
    ]
    by_name = {check.name: check for check in facts.audit}
    reading = by_name.get("reading of the parentheses")
    if reading and reading.n and reading.n_disagree == reading.n:
        out.append(
            Sentence(
                "audit_parentheses",
                "The paper says that the numbers in parentheses are standard errors. Read so, or as t statistics, or as p-values, they do not explain the printed stars.",
                "原文称括号内为标准误。但无论视为标准误、t 统计量还是 p 值，都无法解释所印星号。",
            )
        )
    spread = by_name.get("largest possible spread")
    if spread and spread.n_disagree:
        out.append(
            Sentence(
                "audit_spread",
                f"A printed spread is larger than the printed minimum, mean and maximum allow, read as a variance or as a standard deviation, for {spread.n_disagree} of {spread.n} variables.",
                f"{spread.n} 个变量中有 {spread.n_disagree} 个的所印离散程度，无论视为方差还是标准差，均超过所印最小值、均值与最大值所允许的上限。",
            )
        )
    return out


def data(facts: Facts) -> list[Sentence]:
    """Sample, coverage and gaps."""
    d = facts.data
    out = []
    if d.n_cells:
        published = sum(d.origins.get(name, 0) for name in PUBLISHED) / d.n_cells
        missing = d.origins.get("missing", 0) / d.n_cells
        rest = max(0.0, 1 - published - missing)
        out.append(
            Sentence(
                "coverage",
                f"Of {d.n_cells:,} cells (city, year, variable) {in_per_cent(published)} are published figures, {in_per_cent(rest)} were filled in or corrected by rule, {in_per_cent(missing)} are missing.",
                f"{d.n_cells:,} 个单元格（城市、年份、变量）中，{in_per_cent(published)} 为公布数据，{in_per_cent(rest)} 按规则填补或更正，{in_per_cent(missing)} 缺失。",
            )
        )
    if d.most_filled:
        (en, zh), share = d.most_filled
        out.append(
            Sentence(
                "most_filled",
                f"Filled in most: {en} ({in_per_cent(share)} of its cells).",
                f"填补最多的变量：{zh}（{in_per_cent(share)} 的单元格）。",
            )
        )
    share = facts.headline.assumed_share
    if math.isfinite(share):
        if share > 0:
            out.append(
                Sentence(
                    "assumed",
                    f"Capital rests on assumed investment in {in_per_cent(share)} of the treated city-years.",
                    f"处理组城市—年份中有 {in_per_cent(share)} 的资本存量依赖推算投资。",
                )
            )
        else:
            out.append(
                Sentence(
                    "none_assumed",
                    "No treated city-year rests on assumed investment.",
                    "处理组城市—年份均不依赖推算投资。",
                )
            )
    for (title, title_zh), n, cities, cities_zh in d.critical:
        out.append(
            Sentence(
                "critical",
                f"Open and critical, {n} times: {title[0].lower()}{title[1:]} ({', '.join(cities)}).",
                f"尚未解决的严重问题 {n} 项：{title_zh}（{'、'.join(cities_zh)}）。",
            )
        )
    last = d.n_zero_price_last
    if last and math.isfinite(last[1]) and last[1] >= MANY_WITHOUT_PRICE:
        first = d.n_zero_price_first
        out.append(
            Sentence(
                "labour_without_price",
                f"In {last[0]} the frontier gives labour no price in {in_per_cent(last[1])} of the cities ({in_per_cent(first[1])} in {first[0]}): there the index is output over capital.",
                f"{last[0]} 年有 {in_per_cent(last[1])} 的城市劳动的影子价格为零（{first[0]} 年为 {in_per_cent(first[1])}）：其指数实为产出与资本之比。",
            )
        )
    return out


def _agreement(facts: Facts) -> str:
    """Whether every estimator finds what the headline does."""
    rows = [row.effect for row in facts.estimators or () if row.effect.is_tested]
    sign = facts.headline.effect.sign
    if not rows:
        return "unknown"
    if any(effect.is_significant and effect.sign == -sign for effect in rows):
        return "contradicted"
    same = all(effect.is_significant and effect.sign == sign for effect in rows)
    return "all" if same else "some"


def _conclusion(effect: Effect) -> int:
    """The sign where it can be told, else 0."""
    return effect.sign if effect.is_significant else 0


def _absent(en: str, zh: str) -> Sentence:
    return Sentence(
        "absent",
        f"{en}: not in this file, which was built with credibility: false. dbt build with credibility: true adds it.",
        f"{zh}：该文件以 credibility: false 构建，未包含此部分。以 credibility: true 运行 dbt build 即可加入。",
    )


def _policy(facts: Facts) -> tuple[str, str]:
    if facts.is_paper_policy:
        return "The pilot zones", "综试区"
    name = facts.options["policy"]
    return f"The policy {name}", f"政策 {name} "


def _outcome(facts: Facts) -> tuple[str, str]:
    return {
        "tfpch": ("productivity growth", "全要素生产率增长"),
        "log_tfpch": ("productivity growth", "全要素生产率增长"),
        "effch": ("efficiency change", "技术效率变化"),
        "techch": ("technical change", "技术进步"),
        "cumulative_log_tfp": ("the level of productivity", "全要素生产率水平"),
    }.get(facts.outcome, (facts.outcome, facts.outcome))


def _unit(facts: Facts) -> tuple[str, str]:
    if facts.outcome == "cumulative_log_tfp":
        return (
            "0.01 is one per cent of the level of productivity.",
            "0.01 相当于生产率水平的 1%。",
        )
    return (
        f"0.01 is one percentage point of {_outcome(facts)[0]} a year.",
        f"0.01 相当于每年{_outcome(facts)[1]} 1 个百分点。",
    )
