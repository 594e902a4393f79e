"""What a declaration is made of: options, outcomes, controls, columns, rosters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citypanel.errors import OptionError
from citypanel.study.formulas import Formula

if TYPE_CHECKING:
    from citypanel.importers.policy import Choices
    from citypanel.study.own.index import Index

FILE = "study.yml"
SHIPPED = "pilot_zones"
MARKS = ("headline", "paper", "defensible", "dubious")
ESTIMANDS = ("growth", "component", "level")
KINDS = (
    *("choice", "switch", "whole", "year", "share"),
    *("batches", "groups", "group", "roster"),
)
HEADLINE = "headline"
#: A column that says nothing of weights has those of its study.
STUDY_WEIGHTS = "study"

Words = Mapping[str, str]


@dataclass(frozen=True)
class Value:
    """A value of an option: its mark, the reason, and what the paper's text says.

    `years_before` is how long before the first year the frontier is drawn.
    """

    value: object
    mark: str = "defensible"
    reason: str = ""
    paper: bool = False
    estimand: str | None = None
    weight: int = 1
    years_before: int = 0
    formula: Formula | None = None


@dataclass(frozen=True)
class Option:
    """An option of the study.

    Attributes
    ----------
    name, label, meaning : str
    step : str
        The step that takes it.
    kind : str
        choice (one of its values), switch, whole (a number from lowest to highest),
        year (one of the study's periods),
        share (from 0 up to, not including, 1), batches, groups (of cities), group, or
        roster.
    default : object
    values : tuple of Value
        In the order declared; of a share those that the curve varies.
    left_out : mapping of value to reason
        Permitted values that the curve leaves alone.
    settled_by, not_varied : str
    lowest, highest : int
    """

    name: str
    step: str
    label: str
    meaning: str
    kind: str
    default: object
    values: tuple[Value, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    settled_by: str = ""
    not_varied: str = ""
    lowest: int = 0
    highest: int = 0

    @cached_property
    def by_value(self) -> dict[object, Value]:
        """The declared values by what they stand for."""
        return {v.value: v for v in self.values}

    def value(self, value: object) -> Value | None:
        """The declared value, if it is one."""
        return None if isinstance(value, (list, dict)) else self.by_value.get(value)

    def formula_of(self, value: object) -> Formula:
        """The formula of a value.

        Raises
        ------
        OptionError
            For a value without one.
        """
        found = self.value(value)
        if found is None or found.formula is None:
            raise not_known(self.name, value)
        return found.formula

    @cached_property
    def is_decided(self) -> bool:
        """Whether the paper's text says anything about it."""
        return any(v.paper or v.mark == "paper" for v in self.values)

    @property
    def permitted(self) -> tuple[object, ...]:
        """The values it may have, where they are a list."""
        return (*self.by_value, *self.left_out)


@dataclass(frozen=True)
class Rule:
    """A combination of values, and what is wrong with it."""

    when: Mapping[str, tuple]
    reason: str

    def meets(self, options: Mapping[str, Any]) -> bool:
        """Whether every option of the rule has one of its values."""
        return all(options[name] in values for name, values in self.when.items())


@dataclass(frozen=True)
class Limit:
    """What some value asks of another option.

    when has one option and its value; at_most and needs one other option and a number.
    """

    when: tuple[str, object]
    option: str
    number: int
    exactly: bool
    because: str = ""

    def broken_by(self, values: Mapping[str, Any]) -> bool:
        """Whether a set of options has the value and not what it asks."""
        name, value = self.when
        if values[name] != value:
            return False
        there = values[self.option]
        return there != self.number if self.exactly else there > self.number


@dataclass(frozen=True)
class Outcome:
    """One outcome: a formula, and how it enters.

    ``transform`` is ``level``, ``log`` (natural), ``difference`` (to the period
    before) or ``log_difference``; of an index those of `own.index.TRANSFORMS`.
    """

    name: str
    formula: Formula
    label: Words
    unit: str = ""
    transform: str = "level"
    headline: bool = False
    index: Index | None = None

    @property
    def is_change(self) -> bool:
        """Whether it has no value in a unit's first period."""
        written = self.formula.text.replace(" ", "").lower()
        return self.transform.endswith(("difference", "change")) or (
            "previous(" in written
        )


@dataclass(frozen=True)
class Control:
    """A control as a formula.

    ``after_treatment`` is true of one that the policy may move, or says how.
    """

    name: str
    formula: Formula
    label: Words = field(default_factory=dict)
    after_treatment: bool | str = False


@dataclass(frozen=True)
class Column:
    """One column of a published table.

    Attributes
    ----------
    table, name : str
    outcome : str
        Name of an outcome; the study's where none is named.
    estimator : str
        ``twfe``, or an estimator of staggered adoption.
    controls : tuple of str
    sample : str
        What its rows are called; empty for all.
    where : Formula or None
        The rows it keeps.
    effects : str
        ``two_way``, ``unit``, ``period`` or ``none``.
    period_effects_by : str or None
        A group with period effects of its own.
    difference : bool
        Outcome, treatment and controls as changes from the period before.
    weights : str or None
        A formula, or null for none; the study's where the column says nothing.
    standard_errors, cluster : str
    control_group : str
        Of `group_time_att` and `etwfe`.
    periods_ahead : int
        Outcome that many periods later.
    """

    table: str
    name: str
    outcome: str = ""
    estimator: str = "twfe"
    controls: tuple[str, ...] = ()
    sample: str = ""
    where: Formula | None = None
    effects: str = "two_way"
    period_effects_by: str | None = None
    difference: bool = False
    weights: str | None = STUDY_WEIGHTS
    standard_errors: str = "xtreg"
    cluster: str | None = None
    control_group: str = "not_yet"
    periods_ahead: int = 0

    def keep(self, panel):
        """The rows of a panel that the column has."""
        if self.where is None:
            return panel
        return panel.loc[self.where(panel)]


@dataclass(frozen=True)
class Exclusion:
    """A group of cities that may be left out."""

    name: str
    where: Formula
    label: Words


@dataclass(frozen=True)
class Roster:
    """Who came under a policy when, and who is compared with whom.

    Attributes
    ----------
    name : str
    path : Path or None
        The roster as published; None where seeds/ has it.
    columns : mapping
        Of `own.roster.COLUMNS` those that have a header of their own.
    counts : str
        One of `own.roster.COUNTS`.
    batches : tuple of int
        Those whose effect is studied; all where empty.
    others : {"exclude", "control"}
        Units of a batch that is not studied, where they are treated within the study's
        periods: left out of the comparison, or controls.
    control : tuple of int
        Batches that are controls whatever `others` says.
    always_treated : {"mark", "exclude"}
        Units treated in every period: kept and marked, or left out.
    districts, twice, times, unknown : str
        How its rows are read; see `choices`.
    """

    name: str = ""
    path: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict, hash=False)
    counts: str = "any"
    batches: tuple[int, ...] = ()
    others: str = "exclude"
    control: tuple[int, ...] = ()
    always_treated: str = "mark"
    districts: str | None = None
    twice: str = "refuse"
    times: str = "refuse"
    unknown: str = "refuse"

    @property
    def file(self) -> Path:
        """The path of one that has any."""
        assert self.path is not None
        return self.path

    @property
    def choices(self) -> Choices:
        """How rows are read that can be read in more than one way."""
        from citypanel.importers.policy import Choices

        return Choices(self.districts, self.twice, self.times, self.unknown)


@dataclass(frozen=True)
class OtherPolicy:
    """Another policy of the time: a column of the panel, a roster, or in seeds/."""

    name: str
    label: Words
    cohort: str | None = None
    roster: Roster | None = None

    @property
    def column(self) -> str:
        """Where the prepared panel has each unit's first period under it."""
        return f"__other_{self.name}"


def not_known(name: str, value: object) -> OptionError:
    """The error of an option with a value that no step knows."""
    return OptionError.of(
        "study.wrong_option", name=name, value=value, shipped=SHIPPED, file=FILE
    )
