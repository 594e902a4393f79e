"""A study's declaration, `studies/<name>/study.yml`: read once, checked, and asked.

What stands there stands nowhere else: the options with their values, defaults, marks
and reasons, the columns of the tables, the groups of cities that may be left out, the
formulas of labour and controls.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from citypanel.errors import OptionError
from citypanel.study import schema, yaml_lines
from citypanel.study.formulas import Formula, formula

SHIPPED = "pilot_zones"
FILE = "study.yml"
CHECKOUT = Path(__file__).parents[3]
# Of the environment, so that workers know it too.
CURRENT = "CITYPANEL_STUDY"
MARKS = ("headline", "paper", "defensible", "dubious")
ESTIMANDS = ("growth", "component", "level")
KINDS = (
    *("choice", "switch", "whole", "year", "share"),
    *("batches", "groups", "group", "roster"),
)
# Options of the estimation alone: no var of dbt, no column of the table of variants.
IN_MEMORY = (
    *("exclusion", "controls", "estimator"),
    *("errors_shared", "neighbours", "concurrent_policies", "frontier_drawn_by"),
)
HEADLINE = "headline"


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
        return self.by_value.get(value)

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
class Control:
    """A control: its formula, and how the policy may change it, where it may."""

    name: str
    formula: Formula
    after_treatment: str | None = None


@dataclass(frozen=True)
class Policy:
    """Whose effect is studied, and who is compared with whom.

    Attributes
    ----------
    roster : str
        Name of the roster that the rest is said of.
    file : Path or None
        Where it is no seed: the roster as published, beside the declaration.
    districts, twice, times, unknown : str
        How its rows are read; see `citypanel.importers.policy.Choices`.
    others : {"exclude", "control"}
        Units of a batch that is not chosen, where they are treated within the study's
        periods: left out of the comparison, or controls.
    control : tuple of int
        Batches that are controls whatever `others` says.
    always_treated : {"mark", "exclude"}
        Units treated in every period: kept and marked, or left out.
    """

    roster: str
    file: Path | None = None
    others: str = "exclude"
    control: tuple[int, ...] = ()
    always_treated: str = "mark"
    districts: str | None = None
    twice: str = "refuse"
    times: str = "refuse"
    unknown: str = "refuse"


@dataclass(frozen=True)
class Exclusion:
    """A group of cities that may be left out."""

    name: str
    where: Formula
    label: Mapping[str, str]


@dataclass(frozen=True)
class Column:
    """One column of a table of regressions.

    Attributes
    ----------
    table, name : str
    controls : bool
    where : Formula or None
        The rows it keeps.
    sample : str
        Their name, for the specification's sentence.
    years_ahead : int
        How much later the outcome is.
    """

    table: str
    name: str
    controls: bool = True
    where: Formula | None = None
    sample: str = ""
    years_ahead: int = 0

    def keep(self, panel):
        """The rows of a panel that the column has."""
        if self.where is None:
            return panel
        return panel.loc[self.where(panel)]


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


class Declaration:
    """A study's declaration.

    Parameters
    ----------
    declared : mapping
        The content of study.yml, upon that of the study it extends.
    folder : Path, optional
        Where it stands, and what it names beside it.

    Attributes
    ----------
    content : mapping
        As given.
    name : str
    options : dict of str to Option
    controls : dict of str to Control
    exclusions : dict of str to Exclusion
    columns : tuple of Column
    policy : Policy
        Of the declared roster; `policy_of` has that of any.
    other_policies : dict of name to {language: label}
        Rosters beside the studied one, by their name in the table of policies.
    regions : dict of name to {language: label}, in the order they are listed
    years : tuple of int
        First and last year whose figures are read.
    base_year : int
        Of the prices.
    growth_years : tuple of int
        First and last year of the growth behind the initial stock of capital.
    same_rules_from : int
        First year whose investment can be compared with that of later ones.
    covariates, outcomes : tuple of str
    effect : float or None
        The printed effect that power and equivalence are measured against.
    limits : tuple of Limit
    rules, doubts : tuple of Rule
        Combinations that are no specifications, and dubious ones.
    varies : tuple of str
        Options that the curve varies, in order.
    limit : int
        Specifications one run may have.

    Raises
    ------
    OptionError
        With every mistake of the declaration.
    """

    def __init__(self, declared: Mapping[str, Any], folder: Path | None = None):
        self._problems: list[str] = []
        self.content = declared
        self.name = str(declared["name"])
        self.folder = folder
        period = declared["period"]
        self.years = (int(period["first"]), int(period["last"]))
        self.base_year = int(period.get("base", self.years[0]))
        self.growth_years = tuple(map(int, period.get("growth", self.years)))
        self.same_rules_from = int(period.get("same_rules_from", self.years[0]))
        self._check_period()
        self.policy = self._policy(declared.get("policy") or {})
        self.other_policies = {
            name: dict((entry or {}).get("label") or {"en": name.replace("_", " ")})
            for name, entry in (declared.get("other_policies") or {}).items()
        }
        self.controls = {
            name: Control(name, formula(c["formula"]), c.get("after_treatment"))
            for name, c in declared["controls"].items()
        }
        self.covariates = tuple(declared.get("covariates") or ())
        self.outcomes = tuple(declared["outcomes"])
        groups = declared.get("exclusions") or {}
        self.exclusions = {
            name: Exclusion(name, formula(g["where"]), g["label"])
            for name, g in groups.items()
        }
        self.regions = dict(declared.get("regions") or {})
        self.columns = tuple(_column(entry) for entry in declared["columns"])
        self.effect: Any = (declared.get("published") or {}).get("effect")
        self._variants = tuple(declared.get("variants") or ())
        self.options = {
            name: self._option(name, entry, groups)
            for name, entry in declared["options"].items()
        }
        self.limits = tuple(_limit(entry) for entry in declared.get("limits") or ())
        curve = declared["curve"]
        self.limit = int(curve["limit"])
        self.varies = tuple(curve["varies"])
        self.rules = self._rules("meaningless", curve.get("meaningless"))
        self.doubts = self._rules("dubious", curve.get("dubious"))
        self._check()

    # -------------------------------------------------------------------- reading

    def _check_period(self) -> None:
        first, last = self.years
        start, end = self.growth_years
        if first >= last:
            self._problems.append(f"period: first is {first}, last is {last}")
        for what, holds in (
            (f"growth runs from {start} to {end}", first <= start < end <= last),
            (f"base is {self.base_year}", first <= self.base_year <= last),
        ):
            if not holds:
                figures = f"and figures are of {first} to {last}"
                self._problems.append(f"period: {what}, {figures}")

    def _policy(self, entry: Mapping) -> Policy:
        others = entry.get("others") or {}
        if not isinstance(others, Mapping):
            others = {"default": others}
        roster, file = str(entry.get("roster", self.name)), None
        if Path(roster).suffix:
            file = (self.folder or Path()) / roster
            roster = self.name
            if not file.is_file():
                self._problems.append(f"policy: roster {file.name} is not beside it")
        read = ("districts", "twice", "times", "unknown")
        found = Policy(
            roster,
            file,
            others.get("default", "exclude"),
            tuple(others.get("control") or ()),
            entry.get("always_treated", "mark"),
            **{name: str(entry[name]) for name in read if name in entry},
        )
        if found.others not in ("exclude", "control"):
            self._problems.append(
                f"policy: others is '{found.others}', neither exclude nor control"
            )
        if found.always_treated not in ("mark", "exclude"):
            self._problems.append(
                f"policy: always_treated is '{found.always_treated}', neither mark nor "
                "exclude"
            )
        return found

    def policy_of(self, roster: str) -> Policy:
        """What is declared of a roster; of an imported one nothing is."""
        return self.policy if roster == self.policy.roster else Policy(roster)

    def _option(self, name: str, entry: Mapping, groups: Mapping) -> Option:
        kind = entry.get("kind") or "choice"
        listed = entry.get("values") or ()
        if not isinstance(listed, Mapping):
            listed = {value: {} for value in listed}
        if kind == "group":
            keys = ("mark", "reason", "paper")
            listed = dict(listed) | {
                group: {k: v for k, v in g.items() if k in keys}
                for group, g in groups.items()
            }
        values = []
        for value, said in listed.items():
            said = dict(said or {})
            if "formula" in said:
                said["formula"] = formula(said["formula"])
            if value == entry["default"]:
                if "mark" in said:
                    self._problems.append(f"{name}={value}: the default has a mark")
                said["mark"] = HEADLINE
            elif "mark" not in said and "not_varied" not in entry:
                self._problems.append(f"{name}={value}: no mark")
            values.append(Value(value, **said))
        if kind not in KINDS:
            self._problems.append(f"{name}: kind is '{kind}'")
        return Option(
            name,
            entry["step"],
            entry["label"],
            " ".join(entry["meaning"].split()),
            kind,
            entry["default"],
            tuple(values),
            dict(entry.get("left_out") or {}),
            entry.get("settled_by") or "",
            entry.get("not_varied") or "",
            self.years[0] if kind == "year" else entry.get("from", 0),
            self.years[1] if kind == "year" else entry.get("to", 0),
        )

    def _rules(self, kind: str, entries: Iterable[Mapping] | None) -> tuple[Rule, ...]:
        rules = []
        for entry in entries or ():
            when = {name: tuple(values) for name, values in entry["when"].items()}
            for name, values in when.items():
                option = self.options.get(name)
                self._problems += [
                    f"{kind}: {name}={value} is not declared"
                    for value in values
                    if option is None or option.value(value) is None
                ]
            if not entry.get("reason"):
                self._problems.append(f"{kind}: {when} has no reason")
            rules.append(Rule(when, entry.get("reason") or ""))
        return tuple(rules)

    def _check(self) -> None:
        problems = self._problems
        for name in self.varies:
            option = self.options.get(name)
            if option is None:
                problems.append(f"{name}: the study has no such option")
                continue
            for v in option.values:
                if v.mark not in MARKS:
                    problems.append(f"{name}={v.value}: mark is '{v.mark}'")
                if not v.reason:
                    problems.append(f"{name}={v.value}: no reason")
                if v.estimand not in (None, *ESTIMANDS):
                    problems.append(f"{name}={v.value}: estimand is '{v.estimand}'")
            if option.value(option.default) is None:
                problems.append(f"{name}: the default is not among its values")
        problems += [
            f"{name}: neither varied nor said why not"
            for name, option in self.options.items()
            if (name in self.varies) == bool(option.not_varied)
        ]
        if problems:
            raise OptionError.of("study.declaration_unusable", problems, name=self.name)

    # -------------------------------------------------------------------- options

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """Every option's default."""
        return {
            name: tuple(o.default) if isinstance(o.default, list) else o.default
            for name, o in self.options.items()
        }

    @property
    def build_options(self) -> tuple[str, ...]:
        """Options that are vars of dbt."""
        return tuple(name for name in self.options if name not in IN_MEMORY)

    def words_for(self, option: Option) -> str:
        """What an option may be, in words."""
        if option.kind in ("whole", "year"):
            return f"a whole number from {option.lowest} to {option.highest}"
        if option.kind == "share":
            return "a number from 0 up to, not including, 1"
        if option.kind == "batches":
            return "a list of batch numbers such as [1, 2, 3]"
        if option.kind == "groups":
            return f"a list of {', '.join(self.exclusions)}; [] for none"
        if option.kind == "roster":
            return (
                f"{option.default}, or the name of an imported roster (small letters, "
                "digits and _)"
            )
        if option.kind == "switch":
            return "True, False"
        return ", ".join(map(str, option.permitted))

    def checked(self, name: str, value: object) -> object:
        """A value as its option takes it.

        Raises
        ------
        OptionError
            For a value that is not permitted.
        """
        option = self.options[name]
        text = str(value)
        match option.kind:
            case "switch" if text in ("True", "False"):
                return text == "True"
            case "whole" | "year" if re.fullmatch(r"\d+", text) and not isinstance(
                value, bool
            ):
                if option.lowest <= int(text) <= option.highest:
                    return int(text)
            case "share" if isinstance(value, (int, float)):
                if not isinstance(value, bool) and 0 <= value < 1:
                    return value
            case "batches" if isinstance(value, Sequence) and value:
                whole = [re.fullmatch(r"[1-9]\d*", str(batch)) for batch in value]
                if not isinstance(value, str) and all(whole):
                    return tuple(int(batch) for batch in value)
            case "groups" if isinstance(value, Sequence) and not isinstance(value, str):
                for group in value:
                    if group not in self.exclusions:
                        raise wrong_option(name, group, self.words_for(option))
                return tuple(value)
            case "roster" if re.fullmatch(r"[a-z][a-z0-9_]*", text):
                return text
            case "choice" | "group":
                for permitted in option.permitted:
                    if text == str(permitted):
                        return permitted
        raise wrong_option(name, value, self.words_for(option))

    def resolve(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Every option of a build: what was given, else the default.

        Parameters
        ----------
        given : mapping
            Values by name; None is nothing given.

        Raises
        ------
        OptionError
            For a name or value that does not exist, or a value that another rules out.
        """
        unknown = [name for name in given if name not in self.build_options]
        if unknown:
            raise no_such_option(unknown[0], self.build_options)
        values: dict[str, Any] = {
            name: self.defaults[name]
            if given.get(name) is None
            else self.checked(name, given[name])
            for name in self.build_options
        }
        if values["last_year"] <= values["first_year"]:
            raise wrong_option(
                "last_year",
                values["last_year"],
                f"a year after first_year ({values['first_year']}) and up to "
                f"{self.options['last_year'].highest}",
            )
        for limit in self.limits:
            if limit.broken_by(values):
                raise self._beyond(limit, values)
        return values

    def _beyond(self, limit: Limit, values: Mapping[str, Any]) -> OptionError:
        name, value = limit.when
        others = ", ".join(str(v) for v in self.options[name].permitted if v != value)
        needed = f"{limit.number}" if limit.exactly else f"{limit.number} or earlier"
        right = (
            f"{others}; {value} needs {limit.option} {needed} (it is "
            f"{values[limit.option]})"
        )
        if limit.because:
            right += f", because {limit.because}"
        return wrong_option(
            name,
            value,
            right,
            f"dbt build --vars '{{{name}: {value}, {limit.option}: {limit.number}}}'",
        )

    def bounded(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Options with those lowered that the values of others bound."""
        values = dict(values)
        for limit in self.limits:
            if not limit.exactly and limit.broken_by(values):
                values[limit.option] = limit.number
        return values

    def without_years(self, headline: Mapping[str, Any]) -> dict[str, str]:
        """Declared variants that have no two years left, and why.

        Parameters
        ----------
        headline : mapping
            As `resolve`.
        """
        found = {}
        for name, variant in self._variants_of(headline).items():
            if variant["last_year"] <= variant["first_year"]:
                why = [x.because for x in self.limits if x.because and x.when in
                       variant.items()]  # fmt: skip
                found[name] = (
                    f"it ends in {variant['last_year']}"
                    + "".join(f", because {reason}" for reason in why)
                    + f", and the study begins in {variant['first_year']}"
                )
        return found

    def variants(self, headline: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """The headline and the variants shown beside it, by name.

        Parameters
        ----------
        headline : mapping
            As `resolve`.
        """
        found = {HEADLINE: dict(headline)}
        for name, variant in self._variants_of(headline).items():
            if variant["last_year"] > variant["first_year"]:
                found[name] = variant
        return found

    def _variants_of(self, headline: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Every declared variant of a headline, with years or without."""
        found = {}
        for entry in self._variants:
            ((name, wanted),) = entry.items()
            values = self.options[name].permitted if wanted == "others" else (wanted,)
            for value in values:
                if value != headline[name]:
                    found[f"{name}={value}"] = self.bounded({**headline, name: value})
        return found


def _column(entry: Mapping) -> Column:
    where = entry.get("where")
    return Column(
        str(entry["table"]),
        str(entry["name"]),
        bool(entry.get("controls", True)),
        formula(where) if where else None,
        entry["sample"],
        int(entry.get("years_ahead", 0)),
    )


def _limit(entry: Mapping) -> Limit:
    (when,) = entry["when"].items()
    exactly = "needs" in entry
    ((option, number),) = entry["needs" if exactly else "at_most"].items()
    return Limit(when, option, int(number), exactly, entry.get("because") or "")


def wrong_option(
    name: str, value: object, right: str, remedy: str | None = None
) -> OptionError:
    """The error of an option with a value it may not have."""
    shown = list(value) if isinstance(value, tuple) else value
    return OptionError(
        f"Option {name} is '{shown}'. Permitted: {right}.\n"
        "Consequence: nothing was built; the published file stands as it was.\n"
        "Remedy: "
        + (
            remedy
            or f"set it with --vars '{{{name}: ...}}', or its default under options in "
            f"studies/{SHIPPED}/{FILE}, where its meaning stands"
        )
        + "."
    )


def not_known(name: str, value: object) -> OptionError:
    """The error of an option with a value that no step knows."""
    return OptionError.of(
        "study.wrong_option", name=name, value=value, shipped=SHIPPED, file=FILE
    )


def no_such_option(name: str, known: Iterable[str]) -> OptionError:
    """The error of a name that is no option."""
    return OptionError(
        f"There is no option named '{name}'. Options: {', '.join(sorted(known))}.\n"
        "Consequence: nothing was built; the published file stands as it was.\n"
        f"Remedy: correct the name in --vars; studies/{SHIPPED}/{FILE} explains each "
        "option."
    )


def folder_of(name: str = SHIPPED) -> Path:
    """The folder of a study: in the project worked in, else in this checkout.

    Raises
    ------
    OptionError
        When neither has it.
    """
    for root in (os.getcwd(), CHECKOUT):
        folder = os.path.join(root, "studies", name)
        if os.path.isfile(os.path.join(folder, FILE)):
            return _path(folder)
    raise OptionError.of("study.no_such_study", name=name)


def module_of(module: str, name: str = SHIPPED) -> ModuleType:
    """A module that stands beside a study's declaration, such as its audit."""
    path = folder_of(name) / f"{module}.py"
    loaded = ModuleType(f"studies.{name}.{module}")
    loaded.__file__ = str(path)
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), loaded.__dict__)
    return loaded


def use(name: str) -> None:
    """Make a study the one that is worked on, in this process and those it starts."""
    os.environ[CURRENT] = name


@contextmanager
def working_on(name: str) -> Iterator[None]:
    """Make a study the one that is worked on, for a while."""
    before = os.environ.get(CURRENT)
    os.environ[CURRENT] = name
    try:
        yield
    finally:
        if before is None:
            del os.environ[CURRENT]
        else:
            os.environ[CURRENT] = before


def current() -> str:
    """The study that is worked on; the shipped one unless another was named."""
    return os.environ.get(CURRENT) or SHIPPED


def declared(name: str | None = None) -> Declaration:
    """The declaration of a study; by default of the one that is worked on."""
    return _read(_with_bases(folder_of(name or current())))


def _with_bases(folder: Path) -> tuple[tuple[Path, int], ...]:
    """The folders of a declaration and those that it extends, each with its time."""
    found = [(folder, _changed(folder))]
    while base := _content(*found[-1]).get("extends"):
        folder = folder_of(str(base))
        if folder in (known for known, _ in found):
            raise OptionError.of(
                "study.no_yaml", [f"{base} extends itself"], path=found[-1][0] / FILE
            )
        found.append((folder, _changed(folder)))
    return tuple(found)


def _changed(folder: Path) -> int:
    return os.stat(os.path.join(folder, FILE)).st_mtime_ns


# A path takes longer to make than a file to look up.
_path = cache(Path)


@cache
def _content(folder: Path, changed: int) -> dict[str, Any]:
    path = folder / FILE
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError.of("study.no_yaml", [str(error)], path=path) from error
    document = yaml_lines.read(text, f"{path.parent.name}/{FILE}")
    if document.value is None and document.problems:
        raise OptionError.of("study.no_yaml", document.problems, path=path)
    if not isinstance(document.value, dict):
        raise OptionError.of("study.no_yaml", ["it holds no keys"], path=path)
    schema.examine(document, path.parents[2])
    if document.problems:
        raise OptionError.of(
            "study.declaration_unusable", document.problems, name=path.parent.name
        )
    return yaml.load(text, _Loader)


@cache
def _read(folders: tuple[tuple[Path, int], ...]) -> Declaration:
    contents = [_content(*known) for known in folders]
    whole: dict[str, Any] = {}
    for content in reversed(contents):
        whole = _upon(whole, content)
    if lacking := schema.missing(whole):
        raise OptionError.of(
            "study.declaration_unusable", lacking, name=folders[0][0].name
        )
    return Declaration(whole, folders[0][0])


def _upon(base: Mapping, more: Mapping) -> dict[str, Any]:
    """A mapping with another's entries in place of its own; null takes one away."""
    out = dict(base)
    for key, value in more.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(out.get(key), Mapping):
            out[key] = _upon(out[key], value)
        else:
            out[key] = value
    return out


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
