"""The declaration of a study that brings its own panel: ``studies/<name>/study.yml``.

`read_declaration` reads the file into a `Study` and finds every mistake that can be
seen without the panel; `citypanel.study.own.panel` holds it against the data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from citypanel.dates import is_rule_for_times
from citypanel.did.covariances import CONVENTIONS
from citypanel.did.group_time import CONTROL_GROUPS
from citypanel.did.study import ESTIMATORS
from citypanel.errors import DeclarationError, OptionError, describe
from citypanel.importers.policy import DISTRICTS, TWICE, Choices
from citypanel.study import yaml_lines
from citypanel.study.declaration import SHIPPED, declared, working_on
from citypanel.study.own import index as indices
from citypanel.study.own.figures import Figures
from citypanel.study.own.index import Index
from citypanel.study.own.roster import COLUMNS as ROSTER_COLUMNS
from citypanel.study.own.roster import COUNTS, Roster
from citypanel.study.yaml_lines import Document, Problem, did_you_mean
from citypanel.words import LANGUAGES

FILE = "study.yml"
FORMATS = (".csv", ".xlsx", ".dta", ".parquet")
TRANSFORMS = ("level", "log", "difference", "log_difference")
EFFECTS = ("two_way", "unit", "period", "none")
# `fixest` asks for small-sample options that a column does not have.
ERRORS = tuple(name for name in CONVENTIONS if name != "fixest")
#: A column that says nothing of weights has those of its study.
STUDY_WEIGHTS = "study"
_NAME = re.compile(r"[a-z][a-z0-9_]*")

Words = Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """One outcome: a formula over the panel's columns, and how it enters.

    ``transform`` is ``level``, ``log`` (natural), ``difference`` (to the period
    before) or ``log_difference``; of an index those of `own.index.TRANSFORMS`.
    """

    name: str
    formula: str
    label: Words
    unit: str = ""
    transform: str = "level"
    headline: bool = False
    index: Index | None = None

    @property
    def is_change(self) -> bool:
        """Whether it has no value in a unit's first period."""
        written = self.formula.replace(" ", "").lower()
        return self.transform.endswith(("difference", "change")) or (
            "previous(" in written
        )


@dataclass(frozen=True)
class Control:
    """A control as a formula; ``after_treatment`` marks one the policy may move."""

    name: str
    formula: str
    label: Words
    after_treatment: bool = False


@dataclass(frozen=True)
class Column:
    """One column of a published table.

    Attributes
    ----------
    table, name : str
    outcome : str
        Name of an outcome.
    estimator : str
        ``twfe``, or an estimator of staggered adoption.
    controls : tuple of str
    sample : str or None
        A condition over the panel's columns, or the name of a declared sample.
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
    outcome: str
    estimator: str = "twfe"
    controls: tuple[str, ...] = ()
    sample: str | None = None
    effects: str = "two_way"
    period_effects_by: str | None = None
    difference: bool = False
    weights: str | None = STUDY_WEIGHTS
    standard_errors: str = "xtreg"
    cluster: str | None = None
    control_group: str = "not_yet"
    periods_ahead: int = 0


@dataclass(frozen=True)
class OtherPolicy:
    """Another policy of the time: a cohort column of the panel, or a roster."""

    name: str
    label: Words
    cohort: str | None = None
    roster: Roster | None = None

    @property
    def column(self) -> str:
        """Where the prepared panel has each unit's first period under it."""
        return f"__other_{self.name}"


@dataclass(frozen=True)
class Study:
    """A declared study with a panel of its own; see ``docs/how-to/own-study.md``."""

    name: str
    folder: Path
    title: Words
    panel: Path | Figures
    unit: str
    unit_noun: Words
    unit_names: Words
    parent: str | None
    groups: Mapping[str, str]
    period: str
    frequency: str | float | None
    first: Any
    last: Any
    policy_label: Words
    cohort: str | None
    treatment: str | None
    roster: Roster | None
    other_policies: tuple[OtherPolicy, ...]
    outcomes: tuple[Outcome, ...]
    controls: tuple[Control, ...]
    weights: str | None
    cluster: str | None
    samples: Mapping[str, str]
    columns: tuple[Column, ...]
    published: Path | None
    relevant_effect: float | None
    source: str
    draws: int
    seed: int
    document: Document = field(repr=False, compare=False)

    @property
    def headline(self) -> Outcome:
        """The outcome the study is about."""
        chosen = [o for o in self.outcomes if o.headline]
        return (chosen or list(self.outcomes))[0]

    def outcome(self, name: str) -> Outcome:
        """An outcome by its name."""
        return next(o for o in self.outcomes if o.name == name)


def find_study(root: Path, name: str) -> Path:
    """The declaration of a study under ``root/studies``; raises where there is none."""
    path = root / "studies" / name / FILE
    if path.is_file():
        return path
    there = sorted(p.parent.name for p in (root / "studies").glob(f"*/{FILE}"))
    raise DeclarationError(
        describe(
            f"There is no study {name}: studies/{name}/{FILE} does not exist",
            consequence="nothing was built",
            remedy=f"{did_you_mean(name, there)}"
            f"declared: {', '.join(there) or 'none'}; "
            f"`citypanel new {name} --panel FILE` makes one",
        )
    )


def read_declaration(path: Path) -> Study:
    """Read a declaration; every mistake is in one error.

    Raises
    ------
    DeclarationError
        With the line, what is expected and a remedy for each mistake.
    """
    study, problems = examine_declaration(path)
    if problems or study is None:
        raise_problems(path.parent.name, problems)
    return study


def raise_problems(name: str, problems: Sequence[Problem]) -> NoReturn:
    """Raise the mistakes of a declaration, or of the data against it, all at once."""
    lines = "\n".join(f"  - {problem}" for problem in problems)
    count = len(problems)
    raise DeclarationError(
        f"The study {name} has {count} mistake{'s' * (count > 1)}:\n{lines}\n"
        "Consequence: nothing was built; what was published stands as it was.\n"
        f"Remedy: mend them and run citypanel check {name}."
    )


def examine_declaration(path: Path) -> tuple[Study | None, list[Problem]]:
    """The study, where it can be read at all, and every mistake of its declaration."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(str(path), f"cannot be read: {error}", "save it as UTF-8")
        return None, [problem]
    document = yaml_lines.read(text, FILE)
    if document.value is None and document.problems:
        return None, document.problems
    reader = _Reader(document)
    if not isinstance(document.value, dict):
        document.report((), "holds no keys", "begin with `name:`, `unit:`, `period:`")
        return None, document.problems
    study = reader.study(path.parent)
    return study, document.problems


class _Reader:
    """Takes values out of a document and reports what is not as it should be."""

    def __init__(self, document: Document, root: yaml_lines.Path = ()) -> None:
        self.document, self.root = document, root

    # --- single values ---

    def get(self, path: tuple) -> Any:
        value = self.document.value
        for key in (*self.root, *path):
            inside = isinstance(value, dict) and key in value
            if not inside and not (isinstance(value, list) and isinstance(key, int)):
                return None
            value = value[key]
        return value

    def report(self, path: tuple, what: str, remedy: str = "") -> None:
        self.document.report((*self.root, *path), what, remedy)

    def mapping(self, path: tuple, allowed: Sequence[str] | None = None) -> dict:
        value = self.get(path)
        if value is None:
            return {}
        if not isinstance(value, dict):
            keys = ", ".join(allowed or ())
            self.report(path, "should hold keys", f"write {keys} below it")
            return {}
        if allowed is not None:
            self.document.report_unknown((*self.root, *path), value, allowed)
        return value

    def text(self, path: tuple, required: str = "") -> str | None:
        value = self.get(path)
        if value is None:
            if required:
                self.report(path, "is missing", required)
            return None
        if isinstance(value, (dict, list, bool)):
            self.report(path, "should be text", required or "write one value")
            return None
        return str(value)

    def choice(self, path: tuple, allowed: Sequence[str], default: str) -> str:
        value = self.text(path)
        if value is None:
            return default
        if value not in allowed:
            hint = did_you_mean(value, allowed)
            self.report(path, f"is '{value}'", f"{hint}permitted: {', '.join(allowed)}")
            return default
        return value

    def whole(self, path: tuple, default: int, lowest: int = 0) -> int:
        value = self.get(path)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
            self.report(path, f"is {value!r}", f"write a whole number from {lowest} on")
            return default
        return value

    def positive(self, path: tuple) -> float | None:
        value = self.get(path)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if value is not None and not (number and value > 0):
            self.report(path, f"is {value!r}", "write a number above 0")
            return None
        return value

    def flag(self, path: tuple) -> bool:
        value = self.get(path)
        if value is not None and not isinstance(value, bool):
            self.report(path, f"is {value!r}", "write true or false")
        return value is True

    def words(self, path: tuple, default: str) -> Words:
        value = self.get(path)
        if value is None:
            return {"en": default}
        if isinstance(value, str):
            return {"en": value}
        if not isinstance(value, dict) or not value:
            self.report(path, "should be text", "write text, or {en: ..., zh: ...}")
            return {"en": default}
        for language, said in value.items():
            if language not in LANGUAGES:
                self.report((*path, language), "is no language here", "use en and zh")
            elif not isinstance(said, str):
                self.report((*path, language), "should be text", "put it in quotes")
        return {k: str(v) for k, v in value.items()}

    def names(self, path: tuple) -> list[str]:
        value = self.get(path)
        if value is None:
            return []
        if isinstance(value, str):
            return [value]
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            self.report(path, "should be a list of names", "write [first, second]")
            return []
        return value

    # --- the study ---

    def study(self, folder: Path) -> Study:
        self.mapping((), TOP)
        name = self.text(("name",), f"write name: {folder.name}") or folder.name
        if not _NAME.fullmatch(name):
            self.report(("name",), f"is '{name}'", "use a-z, 0-9 and _, a letter first")
        elif name != folder.name:
            self.report(
                ("name",),
                f"is '{name}', and the folder is studies/{folder.name}",
                "give both the same name",
            )
        self.mapping(("unit",), ("noun", "key", "name", "parent", "groups"))
        self.mapping(("period",), ("key", "frequency", "first", "last", "noun"))
        self.mapping(("policy",), POLICY)
        groups = self.mapping(("unit", "groups"))
        for group, column in groups.items():
            if not isinstance(column, str):
                self.report(("unit", "groups", group), "should name a column", "")
        cohort, treatment = (
            self.text(("policy", "cohort")),
            self.text(("policy", "treatment")),
        )
        roster = self.roster(folder)
        declared = self.get(("policy", "roster"))
        if cohort is None and treatment is None and declared is None:
            self.report(
                ("policy",),
                "says neither when a unit is treated nor how far",
                "write cohort: the column with each unit's first treated period, or "
                "treatment: a column that is 0 before and 1 after, or roster: a file",
            )
        elif declared is not None and (cohort or treatment):
            self.report(
                ("policy", "cohort" if cohort else "treatment"),
                "stands beside a roster, which says the same",
                "keep one of them",
            )
        outcomes = self.outcomes()
        controls = self.controls()
        samples = self.mapping(("samples",))
        for sample, condition in samples.items():
            if not isinstance(condition, str):
                self.report(
                    ("samples", sample), "should be a condition", "such as year > 2000"
                )
        return Study(
            name=name,
            folder=folder,
            title=self.words(("title",), name.replace("_", " ")),
            panel=self.panel(folder),
            unit=self.text(("unit", "key"), "write key: the column of the units") or "",
            unit_noun=self.words(("unit", "noun"), "unit"),
            unit_names=self.words(("unit", "name"), ""),
            parent=self.text(("unit", "parent")),
            groups={k: v for k, v in groups.items() if isinstance(v, str)},
            period=self.text(("period", "key"), "write key: the column of the periods")
            or "",
            frequency=self.get(("period", "frequency")),
            first=self.get(("period", "first")),
            last=self.get(("period", "last")),
            policy_label=self.words(("policy", "label"), "policy"),
            cohort=cohort,
            treatment=treatment,
            roster=roster,
            other_policies=self.other_policies(folder),
            outcomes=outcomes,
            controls=controls,
            weights=self.text(("weights",)),
            cluster=self.text(("cluster",)),
            samples={k: v for k, v in samples.items() if isinstance(v, str)},
            columns=self.columns(outcomes, controls, groups),
            published=self.beside(("published",), folder),
            relevant_effect=self.positive(("relevant_effect",)),
            source=self.text(("source",)) or "",
            draws=self.whole(("draws",), 999, lowest=999),
            seed=self.whole(("seed",), 1),
            document=self.document,
        )

    def panel(self, folder: Path) -> Path | Figures:
        if isinstance(self.get(("panel",)), dict):
            return self.figures(folder) or folder
        path = self.beside(("panel",), folder, required=True)
        if path is not None and path.suffix.lower() not in FORMATS:
            self.report(
                ("panel",), f"ends in {path.suffix}", f"use {', '.join(FORMATS)}"
            )
        return path or folder

    def figures(self, folder: Path) -> Figures | None:
        """The figures of another study, in place of a file."""
        self.mapping(("panel",), ("study", "options"))
        options = self.mapping(("panel", "options"))
        name = self.text(("panel", "study"), f"write study: {SHIPPED}")
        if name is None:
            return None
        path = folder.parent / name / FILE
        if name != SHIPPED and not path.is_file():
            self.report(
                ("panel", "study"),
                f"there is no study {name}",
                f"name one on the figures of seeds/, such as {SHIPPED}",
            )
            return None
        try:
            with working_on(name):
                declared().resolve(options)
        except OptionError as error:
            what = " ".join(str(error).split("\nConsequence")[0].split())
            place = [
                key for key in options if re.search(rf"\b{re.escape(key)}\b", what)
            ]
            self.report(
                ("panel", "options", *place[:1]) if options else ("panel", "study"),
                what
                if options
                else f"{name} brings its panel, or has a mistake: {what}",
                f"studies/{name}/{FILE} has its options",
            )
            return None
        return Figures(name, dict(options))

    def beside(self, path: tuple, folder: Path, required: bool = False) -> Path | None:
        """A file beside the declaration, or where its path leads from there."""
        name = self.text(path, "name the file" if required else "")
        if name is None:
            return None
        found = folder / name
        source = self.text(("source",)) if path == ("panel",) else None
        if not found.is_file():
            self.report(
                path,
                f"{name} does not exist beside the declaration",
                f"put it into studies/{folder.name}, or write its path from there"
                + (f"; it is from: {' '.join(source.split())}" if source else ""),
            )
        return found

    def other_policies(self, folder: Path) -> tuple[OtherPolicy, ...]:
        found = []
        for name in self.mapping(("other_policies",)):
            path = ("other_policies", name)
            if not _NAME.fullmatch(str(name)):
                self.report(path, "is no name", "use a-z, 0-9 and _, a letter first")
                continue
            value = self.get(path)
            if isinstance(value, str):
                # The column alone.
                found.append(OtherPolicy(name, {"en": name}, cohort=value))
                continue
            self.mapping(path, OTHER_POLICY)
            cohort = self.text((*path, "cohort"))
            roster = self.roster(folder, path)
            if (cohort is None) == (self.get((*path, "roster")) is None):
                self.report(
                    path,
                    "says nothing of when units came under it"
                    if cohort is None
                    else "has a cohort and a roster, which say the same",
                    "write cohort: the column with each unit's first period under "
                    "it, or roster: a file",
                )
            label = self.words((*path, "label"), name.replace("_", " "))
            found.append(OtherPolicy(name, label, cohort, roster))
        return tuple(found)

    def roster(self, folder: Path, top: tuple = ("policy",)) -> Roster | None:
        value = self.get((*top, "roster"))
        if value is None:
            return None
        columns: dict[str, str] = {}
        at: tuple = (*top, "roster")
        if isinstance(value, dict):
            self.mapping(at, ("file", *ROSTER_COLUMNS))
            names = [name for name in ROSTER_COLUMNS if name in value]
            columns = {name: self.text((*at, name)) or "" for name in names}
            at = (*at, "file")
        path = self.beside(at, folder, required=True)
        others = self.get((*top, "others"))
        where: tuple = (*top, "others")
        control: tuple[int, ...] = ()
        if isinstance(others, dict):
            self.mapping(where, ("default", "control"))
            control = self.numbers((*where, "control"))
            where = (*where, "default")
        times = self.text((*top, "times")) or "refuse"
        if not is_rule_for_times(times):
            self.report(
                (*top, "times"), f"is '{times}'", "use refuse, as_written or +08:00"
            )
            times = "refuse"
        districts = self.choice((*top, "districts"), (*DISTRICTS, "refuse"), "refuse")
        choices = Choices(
            districts=None if districts == "refuse" else districts,
            twice=self.choice((*top, "twice"), TWICE, "refuse"),
            times=times,
            unknown=self.choice((*top, "unknown"), ("refuse", "leave_out"), "refuse"),
        )
        if path is None:
            return None
        return Roster(
            path=path,
            columns=columns,
            counts=self.choice((*top, "counts"), COUNTS, "any"),
            batches=self.numbers((*top, "batches")),
            others=self.choice(where, ("exclude", "control"), "exclude"),
            control=control,
            always_treated=self.choice(
                (*top, "always_treated"), ("mark", "exclude"), "mark"
            ),
            choices=choices,
        )

    def numbers(self, path: tuple) -> tuple[int, ...]:
        value = self.get(path)
        if value is None:
            return ()
        listed = value if isinstance(value, list) else [value]
        if not all(isinstance(v, int) and not isinstance(v, bool) for v in listed):
            self.report(path, "should be a list of numbers", "write [1, 2]")
            return ()
        return tuple(listed)

    def outcomes(self) -> tuple[Outcome, ...]:
        given = self.mapping(("outcome",))
        if not given:
            self.report(
                ("outcome",), "is missing", "write outcome: {name: {label: ...}}"
            )
        found = []
        if isinstance(given.get("index"), str):
            # One outcome, an index, without a name of its own.
            outcome = self.index(("outcome",), "tfp")
            return () if outcome is None else (outcome,)
        for name in given:
            path = ("outcome", name)
            if isinstance(given[name], dict) and "index" in given[name]:
                outcome = self.index(path, name)
                found += [] if outcome is None else [outcome]
                continue
            if not isinstance(given[name], dict):
                formula = self.text(path) or name
                found.append(Outcome(name, formula, {"en": name}))
                continue
            self.mapping(path, ("label", "unit", "formula", "transform", "headline"))
            found.append(
                Outcome(
                    name=name,
                    formula=self.text((*path, "formula")) or name,
                    label=self.words((*path, "label"), name),
                    unit=self.text((*path, "unit")) or "",
                    transform=self.choice((*path, "transform"), TRANSFORMS, "level"),
                    headline=self.flag((*path, "headline")),
                )
            )
        marked = [o.name for o in found if o.headline]
        if len(marked) > 1:
            self.report(
                ("outcome", marked[1], "headline"),
                f"is the second headline, after {marked[0]}",
                "mark one outcome",
            )
        elif len(found) > 1 and not marked:
            self.report(
                ("outcome",),
                f"has {len(found)} outcomes and no headline",
                "write headline: true below one of them",
            )
        return tuple(found)

    def index(self, path: tuple, name: str) -> Outcome | None:
        """An outcome that is a productivity index."""
        self.mapping(path, INDEX)
        kind = self.choice((*path, "index"), indices.KINDS, "malmquist")
        series = {n: tuple(self.names((*path, n))) for n in SERIES}
        for needed in SERIES[:2]:
            if not series[needed]:
                self.report((*path, needed), "is missing", "write [first, second]")
                return None
        index = Index(
            kind,
            **series,
            reference=self.choice(
                (*path, "reference"), indices.REFERENCES, "contemporaneous"
            ),
            returns_to_scale=self.choice(
                (*path, "returns_to_scale"), indices.RETURNS_TO_SCALE, "crs"
            ),
        )
        return Outcome(
            name=name,
            formula=str(index),
            label=self.words((*path, "label"), name),
            unit=self.text((*path, "unit")) or "",
            transform=self.choice(
                (*path, "transform"), indices.TRANSFORMS, "cumulative_log"
            ),
            headline=self.flag((*path, "headline")),
            index=index,
        )

    def controls(self) -> tuple[Control, ...]:
        given = self.get(("controls",))
        if isinstance(given, (list, str)) or given is None:
            return tuple(Control(n, n, {"en": n}) for n in self.names(("controls",)))
        found = []
        for name, value in self.mapping(("controls",)).items():
            path = ("controls", name)
            if isinstance(value, dict):
                self.mapping(path, ("label", "formula", "after_treatment"))
                found.append(
                    Control(
                        name=name,
                        formula=self.text((*path, "formula")) or name,
                        label=self.words((*path, "label"), name),
                        after_treatment=self.flag((*path, "after_treatment")),
                    )
                )
            else:
                found.append(Control(name, self.text(path) or name, {"en": name}))
        return tuple(found)

    def columns(self, outcomes, controls, groups) -> tuple[Column, ...]:
        given = self.get(("columns",))
        if given is None:
            return ()
        if not isinstance(given, list):
            self.report(("columns",), "should be a list", "begin each column with -")
            return ()
        found: list[Column] = []
        for place, value in enumerate(given):
            path = ("columns", place)
            if not isinstance(value, dict):
                self.report(path, "should hold keys", "write table: and name:")
                continue
            reader = _Reader(self.document, path)
            column = reader.column(outcomes, controls, groups, self.text(("cluster",)))
            key = (column.table, column.name)
            if key in {(c.table, c.name) for c in found}:
                self.report(path, f"is a second column {key[1]} of table {key[0]}", "")
            found.append(column)
        return tuple(found)

    def column(self, outcomes, controls, groups, cluster) -> Column:
        given = self.mapping((), COLUMN)
        headline = next((o.name for o in outcomes if o.headline), None)
        headline = headline or (outcomes[0].name if outcomes else "")
        known = [o.name for o in outcomes]
        listed = self.get(("controls",))
        names = [c.name for c in controls]
        chosen = names if listed == "all" else self.names(("controls",))
        for name in chosen:
            if name not in names:
                self.report(
                    ("controls",),
                    f"{name} is no declared control",
                    f"declared: {', '.join(names) or 'none'}",
                )
        by = self.text(("period_effects_by",))
        if by is not None and by not in groups:
            self.report(
                ("period_effects_by",),
                f"{by} is no group of the units",
                "declare it under unit: groups:",
            )
        estimator = self.choice(("estimator",), ESTIMATORS, "twfe")
        return Column(
            table=self.text(("table",), "write table: 1") or "",
            name=self.text(("name",), "write name: (1)") or "",
            outcome=self.choice(("outcome",), known, headline) if known else "",
            estimator=estimator,
            controls=tuple(c for c in chosen if c in names),
            sample=self.text(("sample",)),
            effects=self.choice(("effects",), EFFECTS, "two_way"),
            period_effects_by=by,
            difference=self.flag(("difference",)),
            weights=self.text(("weights",)) if "weights" in given else STUDY_WEIGHTS,
            standard_errors=self.choice(("standard_errors",), ERRORS, "xtreg"),
            cluster=self.text(("cluster",)) or cluster,
            control_group=self.choice(("control_group",), CONTROL_GROUPS, "not_yet"),
            periods_ahead=self.whole(("periods_ahead",), 0),
        )


SERIES = ("outputs", "inputs", "bads")
INDEX = (
    "index",
    *SERIES,
    "reference",
    "returns_to_scale",
    "label",
    "unit",
    "transform",
    "headline",
)
TOP = (
    "name",
    "title",
    "source",
    "unit",
    "period",
    "panel",
    "policy",
    "other_policies",
    "outcome",
    "controls",
    "weights",
    "cluster",
    "samples",
    "columns",
    "published",
    "relevant_effect",
    "draws",
    "seed",
)
POLICY = (
    "label",
    "cohort",
    "treatment",
    "roster",
    "counts",
    "batches",
    "others",
    "always_treated",
    "districts",
    "twice",
    "times",
    "unknown",
)
#: What is said of the studied policy alone says nothing of another.
OTHER_POLICY = ("label", "cohort", "roster", "districts", "twice", "times", "unknown")
COLUMN = (
    "table",
    "name",
    "outcome",
    "estimator",
    "controls",
    "sample",
    "effects",
    "period_effects_by",
    "difference",
    "weights",
    "standard_errors",
    "cluster",
    "control_group",
    "periods_ahead",
)
