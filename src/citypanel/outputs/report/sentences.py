"""The sentences of the study report, chosen by rules over the facts.

Each rule has a name, which the sentence carries, and claims: what it says of what. All
are derived from one conclusion, so that no two of a page deny each other; other data
choose other rules. The words are in `words/*/report.yml`, and no sentence holds a
number that is not a fact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from citypanel.outputs.facts import (
    SIGNIFICANCE,
    Check,
    Effect,
    Facts,
    Pretrend,
)
from citypanel.outputs.facts.gather import COMPONENT, OF_LEVEL
from citypanel.outputs.facts.verdict import MUCH, Conclusion
from citypanel.outputs.style import exclusion_name, region_name
from citypanel.words import LABELS, Catalogue, Words, first_up

SAID = Catalogue("report")
# Smaller p-values are said to be smaller than this.
LEAST_P = 0.001


@dataclass(frozen=True)
class Sentence:
    """A sentence in both languages.

    Attributes
    ----------
    rule : str
        Name of the rule that chose it.
    en, zh : str
    claims : mapping
        What it says, by subject: two sentences of a page that say different things of
        one subject deny each other.
    estimand : str
        What its estimates are effects on; empty where it has none.
    """

    rule: str
    en: str
    zh: str
    claims: Mapping[str, object] = field(default_factory=dict)
    estimand: str = ""

    @property
    def words(self) -> Words:
        return Words(self.en, self.zh)


@dataclass(frozen=True)
class Verdict:
    """First sentence, how certain it is and why, what qualifies it, how loud it is."""

    tone: str
    lead: Sentence
    certainty: Sentence
    steps: tuple[Sentence, ...]
    points: tuple[Sentence, ...]

    @property
    def all(self) -> tuple[Sentence, ...]:
        return (self.lead, self.certainty, *self.steps, *self.points)


class Speaker:
    """Says sentences of one study: its words are fields of every template.

    Parameters
    ----------
    facts : Facts or None
    fields : mapping of str to Words, optional
        The study's words, where no facts of the shipped study hold them.
    """

    def __init__(self, facts: Facts | None, fields: Mapping[str, Words] | None = None):
        self._facts = facts
        if fields is None:
            outcome = self.facts.labels.outcome(self.facts.outcome)
            fields = self.facts.labels.said | {"outcome": outcome}
        self.fields = {
            **fields,
            "Policies": first_up(fields["policies"]),
            "Outcome": first_up(fields["outcome"]),
        }

    @property
    def facts(self) -> Facts:
        assert self._facts is not None
        return self._facts

    def words(self, rule: str, /, **given: object) -> Words:
        return SAID(rule, **(self.fields | given))

    def __call__(
        self,
        rule: str,
        /,
        *,
        called: str = "",
        claims: Mapping[str, object] | None = None,
        estimand: str = "",
        **given: object,
    ) -> Sentence:
        words = self.words(rule, **given)
        return Sentence(called or rule, words.en, words.zh, claims or {}, estimand)

    def estimate(self, rule: str, /, **given) -> Sentence:
        """A sentence with estimates of the headline's own estimand."""
        return self(rule, estimand=self.facts.estimand, **given)


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


def change_of(base: Effect, other: Effect) -> str:
    """How another choice changes the headline.

    Returns
    -------
    str
        conclusion (another one at the 5 per cent level), sign, size (by a standard
        error of the headline or more), same, or none: without an estimate, or without
        a test where the headline has one.
    """
    if not (base.is_known and other.is_known):
        return "none"
    if other.is_tested and base.conclusion != other.conclusion:
        return "conclusion"
    if base.sign != other.sign:
        return "sign"
    if _is_far(base, other.estimate):
        return "size"
    return "same" if other.is_tested or not base.is_tested else "none"


def _is_far(base: Effect, estimate: float) -> bool:
    """Whether an estimate is a standard error of the headline or more away."""
    error = base.std_error
    return math.isfinite(error) and abs(estimate - base.estimate) >= error


# ------------------------------------------------------------------------- verdict


def verdict(facts: Facts) -> Verdict:
    """What the study finds, how certain that is, and what qualifies it."""
    say = Speaker(facts)
    told: dict[str, Any] = {
        "data": facts.data.verdict[1] if facts.data.verdict else Words("", ""),
        "share": facts.headline.assumed_share,
        "in_doubt": facts.index.zero_price_share if facts.index else math.nan,
        "n": facts.headline.n_treated,
        "detectable": facts.detectable,
        "paper": facts.paper,
    }
    parts = [estimate, in_plain_words, against_paper, net_of_trend, elsewhere]
    if not facts.headline.effect.is_tested:
        parts = []
    return graded(
        say,
        facts.conclusion,
        up=facts.headline.effect.sign > 0,
        controls=facts.has_controls,
        told=told,
        points=[sentence for part in parts for sentence in part(facts)],
    )


def graded(
    say: Speaker,
    found: Conclusion,
    *,
    up: bool,
    controls: bool,
    told: Mapping[str, Any],
    points: Sequence[Sentence],
) -> Verdict:
    """A conclusion in words, for any study: finding, certainty, why it is not higher.

    Parameters
    ----------
    say : Speaker
    found : Conclusion
    up, controls : bool
        Sign of the estimate, and whether it has controls.
    told : mapping
        Fields of the steps: data, share, in_doubt, n, detectable, paper.
    points : sequence of Sentence
        What qualifies the finding.
    """
    rule = found.finding
    if rule in ("raised", "lowered"):
        rule = f"{rule}_{found.certainty}"
    claims: dict[str, object] = {"effect": found.finding}
    lead = say(f"lead_{rule}", called=rule, up=up, controls=controls, claims=claims)
    grade = SAID.label("certainties", found.certainty)
    certainty = say("certainty", grade=grade, claims={"certainty": found.certainty})
    steps = tuple(_step(say, step.reason, told) for step in found.steps)
    return Verdict(found.tone, lead, certainty, steps, tuple(points))


def _step(say: Speaker, reason: str, told: Mapping[str, Any]) -> Sentence:
    """Why the certainty is not higher: one reason."""
    rule = f"step_{reason}"
    if reason == "imprecise" and told["paper"] is None:
        rule += "_alone"
    claims: dict[str, object] = {}
    if reason.startswith("data"):
        claims["data"] = reason
    if reason.startswith("trends"):
        claims["trends"] = reason.removeprefix("trends_")
    return say(rule, claims=claims, **told)


def estimate(facts: Facts) -> list[Sentence]:
    """The headline in numbers."""
    say = Speaker(facts)
    return [
        say.estimate(
            "estimate",
            regression=facts.headline,
            effect=facts.headline.effect,
            scale=scale(facts),
            controls=facts.has_controls,
            claims={"headline": facts.headline.effect.estimate},
        )
    ]


def scale(facts: Facts) -> Words:
    """What 0.01 of the outcome is."""
    return Speaker(facts).words(f"scale_{facts.estimand}")


def in_plain_words(facts: Facts) -> list[Sentence]:
    """The effect in money and per cent of output, and the odds of its sign."""
    effect, say = facts.headline.effect, Speaker(facts)
    out = []
    # What is no measure of the effect has no price either.
    amounts = _amounts(facts) if facts.conclusion.finding != "parted" else None
    if amounts:
        mean, low, high, estimate_ = amounts
        amount = facts.labels.amount
        ends = "both" if low < 0 < high else "more" if low >= 0 else "less"
        out.append(
            say.estimate(
                f"money_{facts.estimand}_{ends}",
                called="money",
                mean=amount(mean),
                less=estimate_ < 0,
                effect=amount(estimate_),
                share=abs(estimate_) / mean,
                low=amount(low),
                high=amount(high),
                claims={"sign": effect.sign},
            )
        )
    if facts.conclusion.finding == "none" and math.isfinite(effect.odds):
        out.append(
            say.estimate(
                "odds",
                odds=effect.odds,
                positive=effect.sign > 0,
                claims={"sign": effect.sign},
            )
        )
    return out


def _amounts(facts: Facts) -> tuple[float, float, float, float] | None:
    """Mean output, and what the interval's ends and the estimate are of it."""
    effect, mean = facts.headline.effect, facts.mean_output
    has_price = facts.labels.money and mean > 0 and effect.has_interval
    if not has_price or facts.estimand == COMPONENT:
        return None
    level = facts.estimand == OF_LEVEL
    values = (effect.low, effect.high, effect.estimate)
    low, high, estimate_ = (math.expm1(v) if level else v for v in values)
    return mean, low * mean, high * mean, estimate_ * mean


def against_paper(facts: Facts) -> list[Sentence]:
    """Where the paper's number lies, and what this study could have said of it."""
    paper, effect, say = facts.paper, facts.headline.effect, Speaker(facts)
    if paper is None or facts.labels.paper is None or not effect.is_tested:
        return []
    name = facts.labels.paper.name
    inside = effect.holds(paper.estimate)
    if not inside:
        rule = "paper_outside"
    else:
        rule = "paper_inside_with_zero" if effect.holds(0) else "paper_inside"
    told: dict[str, Any] = {"paper": paper, "name": name}
    out = [
        say.estimate(
            rule,
            above=paper.estimate > effect.high,
            claims={"paper_in_interval": inside},
            **told,
        )
    ]
    # Power is a word on what was not found.
    missed = inside or facts.conclusion.finding == "none"
    if math.isfinite(facts.power) and missed:
        weak = facts.power < 0.5
        kind = "power_weak" if weak else "power"
        if weak and not inside:
            kind += "_outside"
        power: dict[str, Any] = {"claims": {"power": round(facts.power, 4)}}
        out.append(say.estimate(kind, power=facts.power, **told, **power))
    own = paper.effect
    if own.is_tested and not own.is_significant:
        out.append(say("paper_not_significant", **told))
    return out


def net_of_trend(facts: Facts) -> list[Sentence]:
    """The slope before the policy, and the first effect with such a trend allowed."""
    trend, say = facts.pretrend, Speaker(facts)
    out = []
    if trend.slope.is_tested:
        rule = "slope_clear" if trend.slope.is_significant else "slope"
        if trend.state == "broken" and not trend.slope.is_significant:
            rule = "slope_broken"
        out.append(
            say.estimate(
                rule,
                slope=trend.slope,
                leads_p=trend.leads_p,
                down=trend.slope.estimate < 0,
                claims={"slope": trend.slope.estimate},
            )
        )
    paper = facts.paper
    if paper is not None and facts.checks is None:
        out.append(say("net_absent"))
    if trend.net.has_interval:
        zero = trend.net.holds(0)
        holds = paper is not None and trend.net.holds(paper.estimate)
        tail = "net_holds_paper" if holds else "nothing_more"
        out.append(
            say.estimate(
                "net_zero" if zero else "net_clear",
                net=trend.net,
                turned=trend.net.sign * facts.headline.effect.sign < 0,
                unlike=zero != facts.headline.effect.holds(0),
                paper=paper,
                tail=say.words(tail, paper=paper, zero=zero),
                claims={"net": trend.net.estimate},
            )
        )
    return out


def elsewhere(facts: Facts) -> list[Sentence]:
    """Answers that differ from the headline's: with controls, and on the level."""
    out = []
    base, say = facts.headline.effect, Speaker(facts)
    effect = facts.controlled.effect if facts.controlled else None
    if effect and effect.is_tested and effect.conclusion != base.conclusion:
        names = list(facts.after_treatment)
        rule = "controls_differ_bad" if names else "controls_differ"
        out.append(say.estimate(rule, effect=effect, names=names, n=len(names)))
    return out + level_against_growth(facts)


# --------------------------------------------------------------------- uncertainty


def uncertainty(facts: Facts) -> list[Sentence]:
    """What other methods of inference and the power say of the headline."""
    inference, say = facts.inference, Speaker(facts)
    if inference is None:
        return [say("absent", part=SAID("part_inference"))]
    out = []
    if p := list(inference.p_values.values()):
        found = sum(value < SIGNIFICANCE for value in p)
        agree = found in (0, len(p))
        shape = "p_at_most" if min(p) < LEAST_P else "p_range"
        p_range = SAID(shape, low=min(p), high=max(p))
        rule = "inference_agrees" if agree else "inference_disagrees"
        out.append(say(rule, n=len(p), p_range=p_range, found=found))
    if math.isfinite(facts.detectable):
        out.append(detectable(facts))
    return out


def detectable(facts: Facts) -> Sentence:
    """The data's ceiling: the smallest effect they would show."""
    return Speaker(facts).estimate(
        "detectable",
        effect=facts.detectable,
        claims={"detectable": round(facts.detectable, 4)},
    )


def pretrend(facts: Facts) -> list[Sentence]:
    """Whether treated and other units moved alike before the policy."""
    trend, say = facts.pretrend, Speaker(facts)
    out, state = [], trend.state
    claims = {"trends": state}
    if not math.isfinite(trend.leads_p):
        out.append(say("pretrend_unknown", claims=claims if state == "unknown" else {}))
    else:
        broken = trend.leads_p < SIGNIFICANCE
        rule = f"pretrend_{'broken' if broken else state}"
        why = _why_doubtful(trend)
        out.append(say(rule, p=trend.leads_p, why=why, n=len(why), claims=claims))
    # A test that has found a difference is not called weak.
    if state != "broken" and trend.is_missed:
        out.append(say.estimate("slope_missed", trend=trend))
    elif state != "broken" and math.isfinite(trend.missed):
        out.append(say.estimate("slope_found", trend=trend))
    found, n = trend.significant_fakes, len(trend.fakes)
    if found:
        # Of several tests one comes out by chance more often than one of one does.
        rule = "fake_date" if trend.fake_holm < SIGNIFICANCE else "fake_date_by_chance"
        told = [SAID("at_fake_date", early=_early(c), effect=c.effect) for c in found]
        count = {"n_found": len(found), "n": n}
        out.append(say.estimate(rule, told=told, holm=trend.fake_holm, **count))
    elif n:
        out.append(say("fake_dates_quiet", n=n))
    if trend.bounded.has_interval:
        zero = trend.bounded.holds(0)
        rule = "honest_holds_zero" if zero else "honest_excludes_zero"
        out.append(say.estimate(rule, effect=trend.bounded))
    return out


def _why_doubtful(trend: Pretrend) -> list[Words]:
    """What of the years before speaks against parallel trends."""
    reasons = {
        "slope": trend.slope.is_significant or trend.is_missed,
        "fakes": trend.significant_fakes,
        "others": trend.others_differ,
    }
    return [
        SAID(f"why_{name}", holm=trend.others_holm) for name in reasons if reasons[name]
    ]


# ---------------------------------------------------------------- what changes it


def all_checks(facts: Facts) -> list[tuple[Words, Effect]]:
    """All that is set beside the headline, on the same outcome, with its label."""
    rows = [(LABELS.label("variants", name), r.effect) for name, r in facts.variants]
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
    base, say = facts.headline.effect, Speaker(facts)
    if not base.is_known:
        return []
    order = ("conclusion", "sign", "size")
    checks = [(change_of(base, row[1]), *row) for row in all_checks(facts)]
    out = []
    for change, label, effect in (
        row for changed in order for row in checks if row[0] == changed
    ):
        now = f"now_{change}"
        if change == "conclusion":
            now += f"_{effect.conclusion}"
        elif change == "sign" and effect.is_tested and not effect.is_significant:
            now += "_quietly"
        out.append(
            say.estimate(
                "changes",
                called=f"changes_{change}",
                label=label,
                effect=effect,
                now=SAID(now),
                claims={f"choice {label.en}": "moves"},
            )
        )
    if facts.without_one and facts.without_one.turned:
        cities = [Words(*c.name) for c in facts.without_one.turned]
        claims = {"one unit": "turns"}
        out.append(say.estimate("one_city_turns", cities=cities, claims=claims))
    names, controlled = list(facts.after_treatment), facts.controlled
    if names and controlled and change_of(base, controlled.effect) in order:
        out.append(say("bad_controls", names=names, n=len(names)))
    if not checks:
        out.append(say("no_checks"))
    return out or [say("nothing_changes")]


def level_against_growth(facts: Facts) -> list[Sentence]:
    """The same question asked of the level, where the answer differs."""
    level, say = facts.level, Speaker(facts)
    if level is None or level.effect.conclusion == facts.headline.effect.conclusion:
        return []
    tail = "broken" if level.broken else "passed" if level.leads else "untested"
    rule = "level_differs_broken" if level.broken else "level_differs"
    return [
        say(
            "level_differs",
            called=rule,
            effect=level.effect,
            tail=say.words(f"level_{tail}", n=level.broken, of=len(level.leads)),
            estimand=OF_LEVEL,
        )
    ]


def what_does_not(facts: Facts) -> list[Sentence]:
    """The choices that leave the conclusion, the sign and the size alone."""
    base, say = facts.headline.effect, Speaker(facts)
    if not base.is_known:
        return []
    still = [x for x, effect in all_checks(facts) if change_of(base, effect) == "same"]
    out = []
    if still:
        claims = {f"choice {label.en}": "stays" for label in still}
        out.append(say.estimate("same", labels=still, claims=claims))
    if facts.without_one and not facts.without_one.turned:
        city = facts.without_one.farthest
        rule = "one_city_far" if _is_far(base, city.without) else "one_city_same"
        claims, name = {"one unit": "stays"}, Words(*city.name)
        out.append(say.estimate(rule, claims=claims, city=name, without=city.without))
    return out or [say("nothing_same")]


def estimators(facts: Facts) -> list[Sentence]:
    """What the estimators find together."""
    say = Speaker(facts)
    tested = [row.effect for row in facts.estimators or () if row.effect.is_tested]
    if len(tested) < 2:
        return []
    up = sum(effect.conclusion > 0 for effect in tested)
    down = sum(effect.conclusion < 0 for effect in tested)
    n, values = len(tested), sorted(effect.estimate for effect in tested)
    told: dict[str, Any] = {"n": n, "low": values[0], "high": values[-1]}
    if not up and not down:
        return [say.estimate("estimators_quiet", **told)]
    rule = "agree" if n in (up, down) else "differ"
    rule = "estimators_" + ("contradict" if up and down else rule)
    return [say.estimate("estimators_found", called=rule, up=up, down=down, **told)]


def regions(facts: Facts) -> list[Sentence]:
    """The effect by region, in one regression and region by region."""
    say, out = Speaker(facts), []
    rows = [c for c in facts.checks or () if c.kind == "by_region"]
    together = [(region_name(c.item), c.effect) for c in rows if c.effect.is_tested]
    apart = [
        (region_name(name), r.effect)
        for name, r in facts.by_region
        if r.effect.is_tested
    ]
    for rule, found in (("together", together), ("apart", apart)):
        if len(found) < 2:
            continue
        clear = [(label, effect) for label, effect in found if effect.is_significant]
        told = [SAID("in_region", label=label, effect=e) for label, e in clear]
        # By Holm's first step, as for the fake dates.
        least = min(effect.p_value for _, effect in found)
        chance = bool(clear) and least * len(found) >= SIGNIFICANCE
        out.append(
            say.estimate(
                f"regions_{rule}_{'found' if clear else 'quiet'}",
                n=len(found),
                n_found=len(clear),
                told=told,
                chance=SAID("by_chance" if chance else "nothing_more", n=len(found)),
                names=list(facts.after_treatment),
            )
        )
    return out


def specifications(facts: Facts) -> list[Sentence]:
    """The range over the choices, of the headline's own estimand."""
    s, say = facts.range, Speaker(facts)
    if s is None:
        return [say("specifications_absent")]
    if not s.is_whole:
        moves = _sound_moves(facts)
        if not moves:
            return [say("specifications_absent")]
        told = say.estimate(
            "single_moves",
            n=len(moves),
            low=moves[0][1].estimate,
            high=moves[-1][1].estimate,
            found=sum(effect.is_significant for _, effect in moves),
        )
        return [told, say("single_moves_only")]
    out = [
        say.estimate(
            "curve",
            called=f"curve_{s.reading}",
            lead=say.words(f"curve_{s.reading}"),
            s=s,
            what=SAID.label("estimands", s.estimand),
            claims={"range": (s.low, s.high)},
        )
    ]
    if math.isfinite(s.joint_p):
        clear = s.joint_p < SIGNIFICANCE
        out.append(say(f"curve_joint_{'clear' if clear else 'chance'}", p=s.joint_p))
    return out


def single_moves(facts: Facts) -> list[Sentence]:
    """The values of choices that turn the sign of the headline when moved alone."""
    base, say = facts.headline.effect, Speaker(facts)
    moves = _sound_moves(facts)
    if not moves or not base.sign:
        return []
    turned = [(name, e) for name, e in moves if e.sign * base.sign < 0]
    if not turned:
        return [say.estimate("moves_keep", n=len(moves))]
    labels = facts.labels.moves
    told = [SAID("in_region", label=labels(name), effect=e) for name, e in turned]
    n = len(moves)
    return [say.estimate("moves_turn", told=told, n=n, n_turned=len(turned))]


def _sound_moves(facts: Facts) -> list[tuple[str, Effect]]:
    """The values without a known defect, each moved alone, from the lowest up."""
    rows = facts.range.rows if facts.range else ()
    return [
        (name, effect)
        for name, mark, effect in rows
        if is_single_move(name) and mark != "dubious"
    ]


def is_single_move(specification: str) -> bool:
    """Whether a specification moves one choice away from the headline."""
    return "=" in specification and "; " not in specification


def audit(facts: Facts) -> list[Sentence]:
    """What the checks of the printed tables against themselves find."""
    say = Speaker(facts)
    if facts.paper is None:
        return []
    if facts.audit is None:
        return [say("absent", part=SAID("part_audit"))]
    total, wrong = facts.n_audited, facts.n_wrong
    if not total:
        return [say("audit_empty")]
    if not wrong:
        return [say("audit_clean", total=total)]
    out = [say("audit_disagrees", total=total, wrong=wrong)]
    by_name = {check.name: check for check in facts.audit}
    reading = by_name.get("reading of the parentheses")
    if reading and reading.n and reading.n_disagree == reading.n:
        out.append(say("audit_parentheses"))
    spread = by_name.get("largest possible spread")
    if spread and spread.n_disagree:
        out.append(say("audit_spread", check=spread))
    return out


# ---------------------------------------------------------------- data and index


def data(facts: Facts) -> list[Sentence]:
    """Coverage and gaps."""
    d, say = facts.data, Speaker(facts)
    out = []
    if d.n_cells:
        published = d.published_share
        missing = d.origins.get("missing", 0) / d.n_cells
        first, last = facts.years
        told: dict[str, Any] = {"published": published, "missing": missing}
        told["rest"] = max(0.0, 1 - published - missing)
        out.append(say("coverage", n=d.n_cells, first=first, last=last, **told))
    if d.most_filled:
        label, share = d.most_filled
        out.append(say("most_filled", label=Words(*label), share=share))
    share = facts.headline.assumed_share
    if math.isfinite(share):
        out.append(say("assumed" if share > 0 else "none_assumed", share=share))
    for title, n, cities in d.critical:
        title = Words(title.en[0].lower() + title.en[1:], title.zh)
        claims = {"data": "data_stop"} if d.level == "stop" else {}
        out.append(say("critical", n=n, title=title, cities=cities, claims=claims))
    return out


def index(facts: Facts) -> list[Sentence]:
    """Whether the index can be believed."""
    i, say = facts.index, Speaker(facts)
    if i is None:
        return []
    out = [say("index_level", i=i, fell=i.level < 1, factor=i.level)]
    if math.isfinite(i.solow):
        out.append(say("index_solow", i=i, fell=i.solow < 0, persons=i.persons))
    else:
        out.append(say("index_capital", i=i))
    if i.carrier is not None:
        out.append(say("index_carrier", i=i, carrier=i.carrier))
    elif i.n_frontier:
        out.append(say("index_frontier", i=i))
    if i.zero_price:
        (first, at_first), (last, at_last) = i.zero_price[0], i.zero_price[-1]
        rule = "index_labour" if at_last >= MUCH else "index_labour_priced"
        told: dict[str, Any] = {"at_first": at_first, "at_last": at_last}
        out.append(say(rule, first=first, last=last, **told))
    if i.lowest is not None:
        name, growth = i.lowest
        out.append(say("index_lowest", name=name, growth=growth))
    rule = "index_doubtful" if i.zero_price_share >= MUCH else "index_usable"
    return [*out, say(rule, called="index_verdict")]


def limits(facts: Facts) -> list[Sentence]:
    """What the answer does not say."""
    say, found = Speaker(facts), facts.conclusion
    effect = facts.headline.effect
    out = []
    if found.finding == "none" and effect.has_interval:
        out.append(say.estimate("limit_none", effect=effect, claims={"effect": "none"}))
    out.append(say("limit_years", last=facts.years[1]))
    out.append(say("limit_spillovers"))
    if facts.estimand != OF_LEVEL:
        out.append(say("limit_growth"))
    return out


def minds(facts: Facts) -> list[Sentence]:
    """What would change the answer, from what lowers its certainty."""
    say = Speaker(facts)
    reasons = [step.reason for step in facts.conclusion.steps]
    known = (f"mind_{reason}" for reason in reasons)
    out = [say(rule) for rule in known if rule in SAID]
    return out or [say("mind_nothing")]


#: The parts of the page under its verdict, in its order, by what its template says.
PARTS = {
    "data": data, "index": index, "uncertainty": uncertainty, "pretrend": pretrend,
    "changes": what_changes, "still": what_does_not, "estimators_said": estimators,
    "regions": regions, "specifications": specifications,
    "single_moves": single_moves, "audit": audit, "limits": limits, "minds": minds,
}  # fmt: skip


def everything(facts: Facts) -> list[Sentence]:
    """Every sentence of the page, in its order."""
    out = list(verdict(facts).all)
    for part in PARTS.values():
        out += part(facts)
    return out
