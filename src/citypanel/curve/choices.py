"""The declared choices of the study: values, marks, and what cannot be combined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from citypanel.study.declaration import Declaration, declared
from citypanel.study.options import Options
from citypanel.study.parts import Option, Rule


@dataclass(frozen=True)
class Choices:
    """Everything that is varied.

    Attributes
    ----------
    choices : tuple of Option
    rules : tuple of Rule
        Combinations that are no specifications.
    doubts : tuple of Rule
        Combinations that are dubious though their values are not.
    not_varied : mapping of option to reason
    limit : int
        Specifications one run may have.
    """

    choices: tuple[Option, ...]
    rules: tuple[Rule, ...]
    doubts: tuple[Rule, ...]
    not_varied: Mapping[str, str]
    limit: int

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(choice.name for choice in self.choices)

    @cached_property
    def by_name(self) -> dict[str, Option]:
        """The choices by their option."""
        return {choice.name: choice for choice in self.choices}

    def __getitem__(self, name: str) -> Option:
        return self.by_name[name]

    @property
    def size(self) -> int:
        """Combinations in the full product, the meaningless among them."""
        return prod(len(choice.values) for choice in self.choices)

    def meaningless(self, options: Mapping[str, object]) -> str | None:
        """Why a combination is no specification; None where it is one."""
        for rule in self.rules:
            if rule.meets(options):
                return rule.reason
        return None

    def mark(self, options: Mapping[str, object], headline: Mapping[str, object]):
        """A specification's plausibility mark.

        headline: every option is the build's. dubious: some value is, or some
        combination of them. paper: every value is what the paper's text says.
        defensible: any other.
        """
        if all(options[name] == headline[name] for name in self.names):
            return "headline"
        values = [self[name].value(options[name]) for name in self.names]
        if any(v is None or v.mark == "dubious" for v in values):
            return "dubious"
        if any(rule.meets(options) for rule in self.doubts):
            return "dubious"
        if all(
            (v and (v.mark == "paper" or v.paper)) or not self[n].is_decided
            for n, v in zip(self.names, values, strict=True)
        ):
            return "paper"
        return "defensible"

    def mark_reason(self, options: Mapping[str, object], mark: str) -> str:
        """What the mark rests on, in a sentence."""
        if mark == "headline":
            return "Every option is the build's."
        if mark == "paper":
            return "Every option on which the paper's text speaks is as it says."
        parts = []
        for name in self.names:
            value = self[name].value(options[name])
            if value is None:
                parts.append(f"{name}={options[name]}: not a declared value.")
            elif value.mark == "dubious":
                parts.append(f"{name}={value.value}: {value.reason}")
        parts += [rule.reason for rule in self.doubts if rule.meets(options)]
        return " ".join(parts) or "No value has a known defect."

    def estimand(self, options: Mapping[str, object]) -> str:
        """What the effect is an effect on."""
        value = self["outcome"].value(options["outcome"])
        return (value.estimand if value else None) or "growth"


def load_choices(study: Declaration | None = None) -> Choices:
    """What a study's declaration has the curve vary; by default the shipped one's."""
    study = study or declared()
    return Choices(
        tuple(study.options[name] for name in study.varies),
        study.rules,
        study.doubts,
        {
            name: option.not_varied
            for name, option in study.options.items()
            if option.not_varied
        },
        study.limit,
    )


def options_of(
    values: Mapping[str, object], base: Options, *, names: Sequence[str]
) -> Options:
    """A specification's options: the build's, with the choices' values.

    Where a value bounds another option, as no assumed investment bounds the last year,
    that one is lowered.
    """
    return base.replace(**{name: values[name] for name in names}).bounded()
