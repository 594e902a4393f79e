"""How a study is spoken of: `studies/<name>/words.yml`, in each language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from citypanel.study.declaration import SHIPPED, declared, folder_of
from citypanel.words import LANGUAGES, Catalogue, Words, first_up, load, same

FILE = "words.yml"
SAID = Catalogue("report")


@dataclass(frozen=True)
class Paper:
    """The paper whose numbers stand beside ours: what it is called, and where it is."""

    name: Words
    doi: str = ""


@dataclass(frozen=True)
class Labels:
    """What is studied, in words.

    Attributes
    ----------
    title : Words
        The question.
    question : Words
        A paragraph on the policy and who asked before; empty for none.
    policy, policies, Policy, Policies : Words
        One, several, and the same at the start of a sentence.
    unit, units, Units : Words
        One, several, several at the start of a sentence.
    outcomes : mapping of name to Words
        Of each outcome, as it stands in a sentence.
    money : mapping
        What the output is counted in: its column, and by language the name of a
        currency unit and how many of the column's units make one; empty for none.
    paper : Paper or None
    choices : mapping
        Of an option: its label in the languages the declaration does not speak, and
        short labels of its values.
    """

    title: Words
    policy: Words
    policies: Words
    unit: Words
    units: Words
    outcomes: Mapping[str, Words] = field(default_factory=dict)
    question: Words = field(default_factory=lambda: same(""))
    money: Mapping[str, Any] = field(default_factory=dict)
    paper: Paper | None = None
    choices: Mapping[str, Any] = field(default_factory=dict)

    @property
    def said(self) -> dict[str, Words]:
        """The fields that templates take."""
        return {
            "policy": self.policy,
            "policies": self.policies,
            "Policies": first_up(self.policies),
            "unit": self.unit,
            "units": self.units,
            "Units": first_up(self.units),
        }

    def outcome(self, name: str) -> Words:
        """The outcome in a sentence; its name where it has no words."""
        return self.outcomes.get(name, same(name))

    def choice(self, name: str) -> Words:
        """An option in words."""
        return self._of_option(name, "label", name.replace("_", " "))

    def settled_by(self, name: str) -> Words:
        """What would make an option needless."""
        return self._of_option(name, "settled_by", "")

    def _of_option(self, name: str, part: str, otherwise: str) -> Words:
        english = getattr(declared().options.get(name), part, otherwise)
        other = self.choices.get(name, {}).get(part, {})
        return Words(*(other.get(language, english) for language in LANGUAGES))

    def value(self, name: str, value: object) -> Words:
        """A value of an option in words; its name where it has none."""
        plain = str(value).replace("_", " ")
        said = self.choices.get(name, {}).get("values", {}).get(str(value), {})
        return Words(*(said.get(language, plain) for language in LANGUAGES))

    def moves(self, specification: str) -> Words:
        """A specification, `choice=value; ...`, in words."""
        parts = [part.partition("=") for part in specification.split("; ")]
        if not all(sign for _, sign, _ in parts):
            return same(specification)
        told = [
            SAID("move", choice=self.choice(name), value=self.value(name, value))
            for name, _, value in parts
        ]
        return SAID("moves", told=told)

    def amount(self, value: float) -> Words:
        """An amount of output, to three digits."""
        texts = []
        for language in LANGUAGES:
            unit = self.money[language]
            rounded = float(f"{abs(value) / float(unit['is']):.3g}")
            shown = f"{rounded:,.10g}"
            texts.append(f"{shown} {unit['name']}")
        return Words(*texts)


def labels_of(policy: str, *, study: str = SHIPPED) -> Labels:
    """The words of a study, with those of the policy that was built.

    Parameters
    ----------
    policy : str
        Name of the roster. One that the study has no words for is called by its name,
        and neither the study's paper nor its question is brought up.
    study : str
    """
    path = folder_of(study) / FILE
    said = _read(path, path.stat().st_mtime_ns) if path.is_file() else {}

    def words(entry: Any) -> Words:
        return Words(*(entry[language] for language in LANGUAGES))

    own = said.get("policies", {}).get(policy)
    named = {"policy": same(policy.replace("_", " "))}
    paper = own and own.get("paper")
    unit = said.get("unit")
    return Labels(
        title=words(own["title"]) if own else SAID("title_of_other", **named),
        question=words(own["question"]) if own else SAID("question_of_other", **named),
        policy=words(own["one"]) if own else SAID("other_policy", **named),
        policies=words(own["many"]) if own else SAID("other_policy", **named),
        unit=words(unit["one"]) if unit else SAID("any_unit"),
        units=words(unit["many"]) if unit else SAID("any_units"),
        outcomes={
            name: words(entry) for name, entry in said.get("outcomes", {}).items()
        },
        money=said.get("money") or {},
        choices=said.get("choices") or {},
        paper=Paper(words(paper["name"]), paper.get("doi", "")) if paper else None,
    )


@cache
def _read(path: Path, changed: int) -> dict[str, Any]:
    return load(path)
