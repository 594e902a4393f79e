"""The sentences of the study report, chosen by rules over the facts.

Each rule has a name, which the sentence carries; other data choose other rules. The
words are in `words/*/report.yml`, and no sentence holds a number that is not a fact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from citypanel.curve.page import FEW, HARDLY, MOST
from citypanel.outputs.options import exclusion_name, region_name
from citypanel.outputs.report.facts import (
    PUBLISHED,
    SIGNIFICANCE,
    Check,
    Effect,
    Estimator,
    Facts,
)
from citypanel.words import LABELS, Catalogue, Words

# From this share of treated city-years on, assumed investment is said in the verdict.
MUCH_ASSUMED = 0.5
# What the verdict says of the years before the policy.
WARNINGS_OF_TRENDS = ("pretrend_broken", "fake_date", "fake_date_by_chance")
# From this share of cities on, labour has no price in the index worth a warning.
MANY_WITHOUT_PRICE = 0.5
SAID = Catalogue("report")


@dataclass(frozen=True)
class Sentence:
    """A sentence in both languages, with the name of the rule that chose it."""

    rule: str
    en: str
    zh: str


@dataclass(frozen=True)
class Verdict:
    """First sentence, what qualifies it, how loud it is (stop, care, note, good)."""

    level: str
    lead: Sentence
    points: tuple[Sentence, ...]


def said(rule: str, /, **facts: object) -> Sentence:
    """The sentence of a rule with its facts."""
    return Sentence(rule, *SAID(rule, **facts))


def label_of(check: Check) -> Words:
    """A check in words."""
    if check.kind == "exclusion":
        return exclusion_name(check.item)
    if check.kind == "by_region":
        return SAID("by_region", region=region_name(check.item))
    if check.kind == "leave_one_batch_out":
        return SAID("leave_one_batch_out", cohort=check.item)
    if check.kind == "fake_date":
        return SAID("policy_early", early=_early(check))
    return LABELS.label("checks", check.kind)


def _early(check: Check) -> Words:
    return SAID("early", years=check.item, n=int(check.item or 0))


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
    return "size" if _is_far(base, other.estimate) else "same"


def _is_far(base: Effect, estimate: float) -> bool:
    """Whether an estimate is a standard error of the headline or more away."""
    error = base.std_error
    return math.isfinite(error) and abs(estimate - base.estimate) >= error


def verdict(facts: Facts) -> Verdict:
    """What the study finds, in one sentence and the points that qualify it."""
    effect = facts.headline.effect
    pretrend = pretrend_state(facts)
    told = {"up": effect.sign > 0, "outcome": _outcome(facts)}
    if not effect.is_tested:
        level, lead = "stop", said("not_estimated")
    elif effect.is_significant and pretrend == "broken":
        level, lead = "stop", said("significant_but_pretrend_broken", **told)
    elif effect.is_significant:
        agree = _agreement(facts)
        rule = "significant_positive" if effect.sign > 0 else "significant_negative"
        tail = SAID(f"agreement_{agree}")
        lead = said(rule, policy=_policy(facts), tail=tail, **told)
        level = "good" if agree == "all" and pretrend == "passed" else "care"
    else:
        level, lead = "care" if pretrend == "broken" else "note", said("nothing")
    return Verdict(level, lead, tuple(_points(facts)))


def _points(facts: Facts) -> list[Sentence]:
    points = []
    effect = facts.headline.effect
    if effect.is_tested:
        points.append(said("estimate", effect=effect, unit=_unit(facts)))
    points += against_paper(facts)
    points += [s for s in pretrend(facts) if s.rule in WARNINGS_OF_TRENDS]
    share = facts.headline.assumed_share
    if math.isfinite(share) and share >= MUCH_ASSUMED:
        points.append(said("much_assumed", share=share))
    if facts.data.verdict and facts.data.verdict[0] in ("stop", "care"):
        points.append(said("quality", verdict=Words(*facts.data.verdict[1:])))
    return points


def against_paper(facts: Facts) -> list[Sentence]:
    """Where the paper's number lies, and whether one of its size could be found."""
    paper, effect = facts.paper, facts.headline.effect
    if paper is None or not effect.is_tested:
        return []
    if not effect.holds(paper.estimate):
        rule = "paper_outside"
    else:
        rule = "paper_inside_with_zero" if effect.holds(0) else "paper_inside"
    out = [said(rule, paper=paper, above=paper.estimate > effect.high)]
    own = paper.effect
    if own.is_tested and not own.is_significant:
        out.append(said("paper_not_significant", paper=paper))
    return out


def uncertainty(facts: Facts) -> list[Sentence]:
    """What other methods of inference and the power say of the headline."""
    inference = facts.inference
    if inference is None:
        return [said("absent", part=SAID("part_inference"))]
    out = []
    p = inference.p_values
    significant = sum(value < SIGNIFICANCE for value in p.values())
    if p:
        agree = significant in (0, len(p))
        told = {"low": min(p.values()), "high": max(p.values()), "found": significant}
        rule = "inference_agrees" if agree else "inference_disagrees"
        out.append(said(rule, n=len(p), **told))
    if math.isfinite(inference.detectable):
        out.append(said("detectable", effect=inference.detectable))
    if math.isfinite(inference.bound) and math.isfinite(inference.power):
        of_paper = facts.paper and math.isclose(facts.paper.estimate, inference.bound)
        rule = "power_weak" if inference.power < 0.5 else "power"
        out.append(said(rule, of_paper=of_paper, inference=inference))
        if math.isfinite(inference.equivalence_p):
            ruled = inference.equivalence_p < SIGNIFICANCE
            rule = "equivalent" if ruled else "not_equivalent"
            out.append(said(rule, inference=inference))
    return out


def pretrend(facts: Facts) -> list[Sentence]:
    """Whether treated and other cities moved alike before the policy."""
    out = []
    if not math.isfinite(facts.leads_p):
        out.append(said("pretrend_unknown"))
    else:
        state = "broken" if facts.leads_p < SIGNIFICANCE else "passed"
        out.append(said(f"pretrend_{state}", p=facts.leads_p))
    found = [c for c in facts.fake_dates if c.effect.is_significant]
    n = len(facts.fake_dates)
    if found:
        # Of several tests one comes out by chance more often than one of one does; this
        # is the first step of Holm (1979).
        holm = min(1.0, n * min(c.effect.p_value for c in found))
        rule = "fake_date" if holm < SIGNIFICANCE else "fake_date_by_chance"
        told = [SAID("at_fake_date", early=_early(c), effect=c.effect) for c in found]
        out.append(said(rule, n_found=len(found), n=n, holm=holm, told=told))
    elif n:
        out.append(said("fake_dates_quiet", n=n))
    if math.isfinite(facts.pretrend_slope):
        out.append(said("pretrend_power", slope=facts.pretrend_slope))
    for effect in [e for bound, e in facts.honest if bound == 1][:1]:
        rule = "honest_holds_zero" if effect.holds(0) else "honest_excludes_zero"
        out.append(said(rule, effect=effect))
    return out


def all_checks(facts: Facts) -> list[tuple[Words, Effect]]:
    """All that is set beside the headline, on the same outcome, with its label."""
    rows = [
        (LABELS.label("variants", name), regression.effect)
        for name, regression in facts.variants
    ]
    if facts.controlled is not None:
        label = LABELS.label("checks", "with_controls")
        rows.append((label, facts.controlled.effect))
    rows += [
        (LABELS.label("estimators", row.name), row.effect)
        for row in facts.estimators or ()
        if row.name != "twfe"
    ]
    rows += [
        (label_of(check), check.effect)
        for check in facts.checks or ()
        if check.kind != "by_region"
    ]
    return rows


def what_changes(facts: Facts) -> list[Sentence]:
    """The choices that change the conclusion, the sign or the size, one a sentence."""
    base = facts.headline.effect
    if not base.is_known:
        return []
    order = ("conclusion", "sign", "size")
    checks = all_checks(facts)
    found = [(change_of(base, effect), label, effect) for label, effect in checks]
    found = [row for row in found if row[0] in order]
    found.sort(key=lambda row: order.index(row[0]))
    out = []
    for change, label, effect in found:
        now = f"now_{change}"
        if change == "conclusion":
            now += f"_{_conclusion(effect)}"
        elif change == "sign" and effect.is_tested and not effect.is_significant:
            now += "_quietly"
        told = {"label": label, "effect": effect, "now": SAID(now)}
        out.append(Sentence(f"changes_{change}", *SAID("changes", **told)))
    if (
        facts.after_treatment
        and facts.controlled is not None
        and change_of(base, facts.controlled.effect) not in ("same", "none")
    ):
        out.append(said("bad_controls", names=list(facts.after_treatment)))
    out += level_against_growth(facts)
    if not checks:
        out.append(said("no_checks"))
    return out or [said("nothing_changes")]


def level_against_growth(facts: Facts) -> list[Sentence]:
    """The same question asked of the level of productivity, where it differs."""
    if not facts.level or facts.outcome == "cumulative_log_tfp":
        return []
    twfe = next((row for row in facts.level if row.name == "twfe"), None)
    if twfe is None or not twfe.effect.is_tested:
        return []
    if _conclusion(twfe.effect) == _conclusion(facts.headline.effect):
        return []
    broken = sum(row.leads_p < SIGNIFICANCE for row in facts.level)
    tested = sum(math.isfinite(row.leads_p) for row in facts.level)
    tail = "broken" if broken else "passed" if tested else "untested"
    told = {"effect": twfe.effect, "tail": SAID(f"level_{tail}", n=broken, of=tested)}
    rule = "level_differs_broken" if broken else "level_differs"
    return [Sentence(rule, *SAID("level_differs", **told))]


def what_does_not(facts: Facts) -> list[Sentence]:
    """The choices that leave the conclusion, the sign and the size alone."""
    base = facts.headline.effect
    if not base.is_known:
        return []
    still = [x for x, effect in all_checks(facts) if change_of(base, effect) == "same"]
    out = [said("same", labels=still)] if still else []
    out += _cities_out(facts)
    if facts.estimators:
        out += _estimators(facts.estimators)
    return out or [said("nothing_same")]


def _estimators(rows: tuple[Estimator, ...]) -> list[Sentence]:
    tested = [row.effect for row in rows if row.effect.is_tested]
    if not tested:
        return []
    up = sum(_conclusion(effect) > 0 for effect in tested)
    down = sum(_conclusion(effect) < 0 for effect in tested)
    n = len(tested)
    estimates = [effect.estimate for effect in tested]
    told = {"n": n, "low": min(estimates), "high": max(estimates)}
    if not up and not down:
        return [said("estimators_quiet", **told)]
    rule = "agree" if up + down == n else "differ"
    rule = "estimators_" + ("contradict" if up and down else rule)
    return [Sentence(rule, *SAID("estimators_found", up=up, down=down, **told))]


def _cities_out(facts: Facts) -> list[Sentence]:
    known = [c for c in facts.cities if math.isfinite(c.without)]
    base = facts.headline.effect
    if not known:
        return []
    turned = [c for c in known if (c.without > 0) - (c.without < 0) != base.sign]
    if turned:
        return [said("one_city_turns", cities=[Words(*c.name) for c in turned])]
    city = max(known, key=lambda c: (abs(c.without - base.estimate), c.city_id))
    rule = "one_city_far" if _is_far(base, city.without) else "one_city_same"
    return [said(rule, city=Words(*city.name), without=city.without)]


def regions(facts: Facts) -> list[Sentence]:
    """Whether the effect differs by region, with the count that chance would give."""
    rows = [c for c in facts.checks or () if c.kind == "by_region"]
    rows = [c for c in rows if c.effect.is_tested]
    if not rows:
        return []
    found = [c for c in rows if c.effect.is_significant]
    if not found:
        return [said("regions_quiet", n=len(rows))]
    told = [SAID("in_region", label=label_of(c), effect=c.effect) for c in found]
    return [said("regions_found", n_found=len(found), n=len(rows), told=told)]


def specifications(facts: Facts) -> list[Sentence]:
    """The verdict over the specifications of the published file."""
    s = facts.specifications
    if s is None:
        return [said("specifications_absent")]
    if s.up > HARDLY and s.down > HARDLY:
        rule = "curve_both_signs"
    elif s.up >= MOST:
        rule = "curve_up"
    elif s.down >= MOST:
        rule = "curve_down"
    elif s.up + s.down <= HARDLY:
        rule = "curve_quiet"
    else:
        rule = "curve_few" if s.up + s.down <= FEW + HARDLY else "curve_some"
    out = [Sentence(rule, *SAID("curve", lead=SAID(rule), s=s))]
    if math.isfinite(s.joint_p):
        clear = s.joint_p < SIGNIFICANCE
        out.append(said(f"curve_joint_{'clear' if clear else 'chance'}", p=s.joint_p))
    if s.only_single_moves:
        out.append(said("single_moves_only"))
    return out


def audit(facts: Facts) -> list[Sentence]:
    """What the checks of the printed tables against themselves find."""
    if facts.audit is None:
        return [said("absent", part=SAID("part_audit"))]
    total = sum(check.n for check in facts.audit)
    wrong = sum(check.n_disagree for check in facts.audit)
    if not total:
        return [said("audit_empty")]
    if not wrong:
        return [said("audit_clean", total=total)]
    out = [said("audit_disagrees", total=total, wrong=wrong)]
    by_name = {check.name: check for check in facts.audit}
    reading = by_name.get("reading of the parentheses")
    if reading and reading.n and reading.n_disagree == reading.n:
        out.append(said("audit_parentheses"))
    spread = by_name.get("largest possible spread")
    if spread and spread.n_disagree:
        out.append(said("audit_spread", check=spread))
    return out


def data(facts: Facts) -> list[Sentence]:
    """Sample, coverage and gaps."""
    d = facts.data
    out = []
    if d.n_cells:
        published = sum(d.origins.get(name, 0) for name in PUBLISHED) / d.n_cells
        missing = d.origins.get("missing", 0) / d.n_cells
        told = {"published": published, "missing": missing}
        rest = max(0.0, 1 - published - missing)
        out.append(said("coverage", n=d.n_cells, rest=rest, **told))
    if d.most_filled:
        label, share = d.most_filled
        out.append(said("most_filled", label=Words(*label), share=share))
    share = facts.headline.assumed_share
    if math.isfinite(share):
        out.append(said("assumed" if share > 0 else "none_assumed", share=share))
    for title, n, cities in d.critical:
        title = Words(title.en[0].lower() + title.en[1:], title.zh)
        out.append(said("critical", n=n, title=title, cities=cities))
    last = d.n_zero_price_last
    if last and math.isfinite(last[1]) and last[1] >= MANY_WITHOUT_PRICE:
        first = d.n_zero_price_first
        out.append(said("labour_without_price", first=first, last=last))
    return out


def _agreement(facts: Facts) -> str:
    """Whether every estimator finds what the headline does."""
    rows = [row.effect for row in facts.estimators or () if row.effect.is_tested]
    sign = facts.headline.effect.sign
    if not rows:
        return "unknown"
    if any(_conclusion(effect) == -sign for effect in rows):
        return "contradicted"
    return "all" if all(_conclusion(effect) == sign for effect in rows) else "some"


def _conclusion(effect: Effect) -> int:
    """The sign where it can be told, else 0."""
    return effect.sign if effect.is_significant else 0


def _policy(facts: Facts) -> Words:
    if facts.is_paper_policy:
        return SAID("pilot_zones")
    return SAID("another_policy", name=facts.options["policy"])


def _outcome(facts: Facts) -> Words:
    return SAID.label("outcomes", facts.outcome)


def _unit(facts: Facts) -> Words:
    level = facts.outcome == "cumulative_log_tfp"
    return SAID("unit_level" if level else "unit", outcome=_outcome(facts))
