"""The declared choices of the study: values, marks, and what cannot be combined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache, cached_property
from importlib.resources import files
from math import prod

import yaml

from citypanel.errors import OptionError, describe
from citypanel.study.pipeline import Options

MARKS = ("headline", "paper", "defensible", "dubious")
ESTIMANDS = ("growth", "component", "level")
# Investment of the cities ends here; without an extension the study does too.
LAST_FAI_YEAR = 2016


@dataclass(frozen=True)
class Value:
    """A value of a choice: its mark, the reason, and what the paper's text says."""

    value: object
    mark: str
    reason: str
    paper: bool = False
    estimand: str | None = None
    weight: int = 1


@dataclass(frozen=True)
class Choice:
    """An option of the study, its label, its values, and what would settle it."""

    name: str
    label: str
    values: tuple[Value, ...]
    left_out: Mapping[str, str]
    settled_by: str = ""

    @cached_property
    def by_value(self) -> dict[object, Value]:
        """The declared values by what they stand for."""
        return {v.value: v for v in self.values}

    def value(self, value: object) -> Value | None:
        """The declared value, if it is one."""
        return self.by_value.get(value)

    @cached_property
    def is_decided(self) -> bool:
        """Whether the paper's text says anything about it."""
        return any(v.paper or v.mark == "paper" for v in self.values)


@dataclass(frozen=True)
class Rule:
    """A combination of values, and what is wrong with it."""

    when: Mapping[str, tuple]
    reason: str

    def meets(self, options: Mapping[str, object]) -> bool:
        """Whether every option of the rule has one of its values."""
        return all(options[name] in values for name, values in self.when.items())


@dataclass(frozen=True)
class Choices:
    """Everything that is varied.

    Attributes
    ----------
    choices : tuple of Choice
    rules : tuple of Rule
        Combinations that are no specifications.
    doubts : tuple of Rule
        Combinations that are dubious though their values are not.
    not_varied : mapping of option to reason
    limit : int
        Specifications one run may have.
    """

    choices: tuple[Choice, ...]
    rules: tuple[Rule, ...]
    doubts: tuple[Rule, ...]
    not_varied: Mapping[str, str]
    limit: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(choice.name for choice in self.choices)

    @cached_property
    def by_name(self) -> dict[str, Choice]:
        """The choices by their option."""
        return {choice.name: choice for choice in self.choices}

    def __getitem__(self, name: str) -> Choice:
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


@cache
def load_choices() -> Choices:
    """The declaration that ships with the library (choices.yml)."""
    text = files("citypanel.curve").joinpath("choices.yml").read_text("utf-8")
    return parse_choices(yaml.safe_load(text))


def parse_choices(declared: Mapping) -> Choices:
    """Choices from a mapping in the form of choices.yml.

    Raises
    ------
    OptionError
        For an option the study does not have, a mark or estimand off its list, a
        missing reason, a choice without its headline value, or a rule about a value
        that is not declared.
    """
    known = {f.name for f in fields(Options)}
    problems: list[str] = []
    choices = []
    for entry in declared["choices"]:
        name = entry["name"]
        if name not in known:
            problems.append(f"{name}: the study has no such option")
        values = tuple(Value(**value) for value in entry["values"])
        for v in values:
            if v.mark not in MARKS:
                problems.append(f"{name}={v.value}: mark is '{v.mark}'")
            if not v.reason:
                problems.append(f"{name}={v.value}: no reason")
            if v.estimand not in (None, *ESTIMANDS):
                problems.append(f"{name}={v.value}: estimand is '{v.estimand}'")
        if sum(v.mark == "headline" for v in values) != 1:
            problems.append(f"{name}: not exactly one value is marked headline")
        choices.append(
            Choice(
                name,
                entry["label"],
                values,
                entry.get("left_out") or {},
                entry.get("settled_by") or "",
            )
        )
    rules: dict[str, list[Rule]] = {}
    for kind in ("meaningless", "dubious"):
        rules[kind] = []
        for entry in declared.get(kind) or ():
            when = {name: tuple(values) for name, values in entry["when"].items()}
            for name, values in when.items():
                choice = next((c for c in choices if c.name == name), None)
                for value in values:
                    if choice is None or choice.value(value) is None:
                        problems.append(f"{kind}: {name}={value} is not declared")
            if not entry.get("reason"):
                problems.append(f"{kind}: {when} has no reason")
            rules[kind].append(Rule(when, entry.get("reason") or ""))
    if problems:
        raise OptionError(
            describe(
                "The declared choices cannot be used",
                problems,
                consequence="no specification was computed",
                remedy="correct the entries; the head of choices.yml explains them",
            )
        )
    return Choices(
        tuple(choices),
        tuple(rules["meaningless"]),
        tuple(rules["dubious"]),
        declared.get("not_varied") or {},
        int(declared["limit"]),
    )


def options_of(
    values: Mapping[str, object], base: Options, *, names: Sequence[str]
) -> Options:
    """A specification's options: the build's, with the choices' values.

    Without an extension of investment the last year is 2016 at the latest.
    """
    changed = {name: values[name] for name in names}
    if changed.get("fai_extension") == "none":
        changed["last_year"] = min(base.last_year, LAST_FAI_YEAR)
    return Options(**{f.name: getattr(base, f.name) for f in fields(Options)} | changed)
