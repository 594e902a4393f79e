"""What can be concluded, and how certain it is: one conclusion for every sentence.

Certainty is graded as GRADE grades bodies of evidence (Guyatt et al. 2008, BMJ 336): it
starts high, steps down for each reason, and some reasons cap it whatever else holds. No
table and no study is read here: whoever has an estimate, its pre-trend and a word on
the data can ask.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from citypanel.outputs.facts.effects import SIGNIFICANCE, Check, Effect, Estimator

CERTAINTY = ("very_low", "low", "moderate", "high")
# From this share of treated rows or units on, an assumption carries the estimate.
MUCH = 0.5
# Treated units below which the estimate rests on few.
FEW_TREATED = 10


@dataclass(frozen=True)
class Pretrend:
    """The years before the policy.

    Attributes
    ----------
    leads_p : float
        Joint test of the leads.
    slope : Effect
        Of the line through them, a period.
    missed : float
        Slope that the test of the leads misses half of the time.
    net : Effect
        First effect after the policy, with a linear trend allowed for.
    bounded : Effect
        The same when trends may part by as much as they did before.
    fakes : tuple of Check
        Effects of the policy dated before it began.
    others_p : tuple of float
        Joint tests of the leads by other estimators.
    """

    leads_p: float = math.nan
    slope: Effect = field(default_factory=Effect)
    missed: float = math.nan
    net: Effect = field(default_factory=Effect)
    bounded: Effect = field(default_factory=Effect)
    fakes: tuple[Check, ...] = ()
    others_p: tuple[float, ...] = ()

    @property
    def others_holm(self) -> float:
        """Smallest p-value of the other estimators' leads after Holm's first step."""
        p = [value for value in self.others_p if math.isfinite(value)]
        return min(1.0, len(p) * min(p)) if p else math.nan

    @property
    def others_differ(self) -> bool:
        """Whether leads of other estimators are apart beyond what chance finds."""
        return self.others_holm < SIGNIFICANCE

    @property
    def significant_fakes(self) -> list[Check]:
        return [check for check in self.fakes if check.effect.is_significant]

    @property
    def fake_holm(self) -> float:
        """Smallest p-value of the fake dates after Holm's first step (1979)."""
        p = [c.effect.p_value for c in self.fakes if c.effect.is_tested]
        return min(1.0, len(p) * min(p)) if p else math.nan

    @property
    def is_missed(self) -> bool:
        """Whether the slope that is seen is one the test would mostly not find."""
        return self.slope.is_known and abs(self.slope.estimate) > self.missed

    @property
    def state(self) -> str:
        """broken, doubtful, passed or unknown.

        broken: the leads are jointly significant. doubtful: they are not, but a fake
        date finds an effect, another estimator's leads are (after Holm's correction),
        or the leads have a slope that is significant or larger than the one their test
        misses half of the time. unknown: nobody tested.
        """
        if math.isfinite(self.leads_p) and self.leads_p < SIGNIFICANCE:
            return "broken"
        sloped = self.slope.is_significant or self.is_missed
        if sloped or self.significant_fakes or self.others_differ:
            return "doubtful"
        return "passed" if math.isfinite(self.leads_p) else "unknown"


@dataclass(frozen=True)
class Evidence:
    """What a verdict is made of.

    Attributes
    ----------
    effect : Effect
        The headline.
    pretrend : Pretrend
    estimators : sequence of Estimator
        Others, on the same outcome.
    n_treated : int or None
    data : str
        Of the quality report: stop, care, note, good; unknown where there is none.
    assumed_share : float
        Share (0-1) of treated rows on assumed figures.
    in_doubt_share : float
        Share (0-1) of units for which the outcome does not measure what it is named
        after.
    bound : float
        A size that matters, such as a paper's; NaN for none.
    detectable : float
        Effect found with probability 0.8.
    """

    effect: Effect
    pretrend: Pretrend = field(default_factory=Pretrend)
    estimators: Sequence[Estimator] = ()
    n_treated: int | None = None
    data: str = "unknown"
    assumed_share: float = math.nan
    in_doubt_share: float = math.nan
    bound: float = math.nan
    detectable: float = math.nan


@dataclass(frozen=True)
class Step:
    """A reason to be less certain: how many grades down, and the grade it caps at."""

    reason: str
    down: int
    cap: str = "high"


@dataclass(frozen=True)
class Conclusion:
    """What every sentence is derived from.

    Attributes
    ----------
    finding : str
        unknown (no estimate), none (not significant), parted (significant, but the
        groups differed before), or raised or lowered.
    certainty : str
        Of `CERTAINTY`.
    steps : tuple of Step
        Why it is not higher, in the order of their weight.
    """

    finding: str
    certainty: str
    steps: tuple[Step, ...]

    @property
    def sign(self) -> int:
        """Of the effect that is concluded; 0 where none is."""
        return {"raised": 1, "lowered": -1}.get(self.finding, 0)

    @property
    def tone(self) -> str:
        """How loud a page says it: good, note, care or stop."""
        if self.finding in ("unknown", "parted"):
            return "stop"
        tones = ("stop", "care", "note", "good")
        return tones[CERTAINTY.index(self.certainty)]


def finding_of(effect: Effect, pretrend: Pretrend) -> str:
    """The finding; see `Conclusion`."""
    if not effect.is_tested:
        return "unknown"
    if not effect.is_significant:
        return "none"
    if pretrend.state == "broken":
        return "parted"
    return "raised" if effect.sign > 0 else "lowered"


def agreement_of(effect: Effect, estimators: Sequence[Estimator]) -> str:
    """Whether the others conclude as the headline does.

    all; some (one finds nothing where it finds something, or the reverse);
    contradicted (one finds the opposite sign); unknown where there is no other.
    """
    others = [row.effect.conclusion for row in estimators if row.effect.is_tested]
    if not others:
        return "unknown"
    own = effect.conclusion
    if any(other == -own and own for other in others) or {-1, 1} <= set(others):
        return "contradicted"
    return "all" if all(other == own for other in others) else "some"


def conclude(evidence: Evidence) -> Conclusion:
    """The conclusion and its certainty.

    Parameters
    ----------
    evidence : Evidence

    Returns
    -------
    Conclusion
        Steps: data (quality: stop caps at very low, care at moderate), trends (leads
        significant: capped at very low; doubtful: at low; untested: at moderate),
        assumed, outcome, imprecise (zero is in the interval and so would be the size
        that matters), estimators, few.
    """
    finding = finding_of(evidence.effect, evidence.pretrend)
    steps: list[Step] = []

    def step(applies: bool, reason: str, down: int, cap: str = "high") -> None:
        if applies:
            steps.append(Step(reason, down, cap))

    step(evidence.data == "stop", "data_stop", 2, "very_low")
    step(evidence.data == "care", "data_care", 1, "moderate")
    state = evidence.pretrend.state
    step(state == "broken", "trends_broken", 2, "very_low")
    step(state == "doubtful", "trends_doubtful", 1, "low")
    step(state == "unknown", "trends_unknown", 1, "moderate")
    step(evidence.assumed_share >= MUCH, "assumed", 1)
    step(evidence.in_doubt_share >= MUCH, "outcome", 1)
    none = finding == "none"
    blind = not evidence.detectable <= abs(evidence.bound)
    step(none and blind, "imprecise", 1)
    agreement = agreement_of(evidence.effect, evidence.estimators)
    step(agreement == "some", "estimators_some", 1)
    step(agreement == "contradicted", "estimators_contradict", 2, "low")
    step(agreement == "unknown", "estimators_unknown", 1)
    few = evidence.n_treated is not None and evidence.n_treated < FEW_TREATED
    step(few, "few", 1, "moderate")
    grade = len(CERTAINTY) - 1 - sum(s.down for s in steps)
    caps = [CERTAINTY.index(s.cap) for s in steps]
    grade = max(0, min([grade, *caps]))
    if finding == "unknown":
        grade = 0
    return Conclusion(finding, CERTAINTY[grade], tuple(steps))
