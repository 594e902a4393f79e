"""A study's declaration, `studies/<name>/study.yml`: read once, checked, and asked.

What stands there stands nowhere else. One format declares two kinds of study: one on
the figures of seeds/ (`on_figures`: options with their values, defaults, marks and
reasons, groups that may be left out, the curve), and one that brings its panel
(`own.reading`; see ``docs/how-to/own-study.md``). Every mistake that can be seen
without the data is told at once, with its line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from citypanel.errors import DeclarationError, OptionError
from citypanel.study import on_figures, yaml_lines
from citypanel.study.parts import (
    FILE,
    HEADLINE,
    SHIPPED,
    Column,
    Control,
    Exclusion,
    Limit,
    Option,
    OtherPolicy,
    Outcome,
    Roster,
    Rule,
    Words,
)
from citypanel.study.reader import Reader
from citypanel.study.yaml_lines import Document, Problem, did_you_mean

if TYPE_CHECKING:
    from citypanel.study.own.figures import Figures

CHECKOUT = Path(__file__).parents[3]
# Of the environment, so that workers know it too.
CURRENT = "CITYPANEL_STUDY"
# Options of the estimation alone: no var of dbt, no column of the table of variants.
IN_MEMORY = (
    *("exclusion", "controls", "estimator"),
    *("errors_shared", "neighbours", "concurrent_policies", "frontier_drawn_by"),
)
#: Keys that only a declaration on the figures of seeds/ has.
_OF_FIGURES = frozenset({"extends", "options", "curve"})


def brings_panel(content: Mapping[str, Any]) -> bool:
    """Whether a declaration is of a study that brings its panel."""
    return "panel" in content or not _OF_FIGURES & content.keys()


class Declaration:
    """A study's declaration.

    Parameters
    ----------
    content : mapping
        The content of study.yml, upon that of the study it extends.
    folder : Path, optional
        Where it stands, and what it names beside it.
    document : Document, optional
        The lines of its keys, for messages; gets the mistakes.
    strict : bool
        Whether a mistake is an error; otherwise they are in `document`.

    Attributes
    ----------
    content : mapping
        As given.
    name, source : str
    title, unit_noun, policy_label : dict of language to str
    controls : dict of str to Control
    outcomes : tuple of Outcome
    columns : tuple of Column
    roster : Roster or None
        Who came under the policy; `roster_named` has what is declared of any.
    other_policies : dict of str to OtherPolicy
        Beside the studied one; on the figures of seeds/ by their name in the table of
        policies.
    effect : float or None
        What power and equivalence are measured against: the printed effect, or the
        relevant one.

    Of a study on the figures of seeds/:

    options : dict of str to Option
    exclusions : dict of str to Exclusion
    regions : dict of name to {language: label}, in the order they are listed
    years : tuple of int
        First and last year whose figures are read.
    base_year : int
        Of the prices.
    growth_years : tuple of int
        First and last year of the growth behind the initial stock of capital.
    same_rules_from : int
        First year whose investment can be compared with that of later ones.
    covariates : tuple of str
    limits : tuple of Limit
    listed_variants : tuple of {option: value}
    rules, doubts : tuple of Rule
        Combinations that are no specifications, and dubious ones.
    varies : tuple of str
        Options that the curve varies, in order.
    limit : int
        Specifications one run may have.

    Of a study that brings its panel:

    panel : Path or Figures
    unit, period : str
        Columns of the key.
    unit_names : dict of language to column
    parent, cohort, treatment, cluster : str or None
        Columns.
    groups : dict of str to column
    frequency, first, last : object
    weights : str or None
        A formula.
    samples : dict of name to condition
    published : Path or None
        Printed figures to compare with.
    draws, seed : int

    Raises
    ------
    DeclarationError
        With every mistake of the declaration.
    """

    roster: Roster | None = None
    other_policies: Mapping[str, OtherPolicy]
    outcomes: tuple[Outcome, ...]
    columns: tuple[Column, ...]
    effect: float | None = None

    options: Mapping[str, Option] = {}
    exclusions: Mapping[str, Exclusion] = {}
    regions: Mapping[str, Mapping] = {}
    years: tuple[int, int] = (0, 0)
    base_year: int = 0
    growth_years: tuple[int, ...] = (0, 0)
    same_rules_from: int = 0
    covariates: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    listed_variants: tuple[Mapping[str, object], ...] = ()
    rules: tuple[Rule, ...] = ()
    doubts: tuple[Rule, ...] = ()
    varies: tuple[str, ...] = ()
    limit: int = 0

    panel: Path | Figures = Path()
    unit: str = ""
    unit_names: Words = MappingProxyType({})
    parent: str | None = None
    groups: Mapping[str, str] = {}
    period: str = ""
    frequency: str | float | None = None
    first: Any = None
    last: Any = None
    cohort: str | None = None
    treatment: str | None = None
    weights: str | None = None
    cluster: str | None = None
    samples: Mapping[str, str] = {}
    published: Path | None = None
    draws: int = 0
    seed: int = 0

    def __init__(
        self,
        content: Mapping[str, Any],
        folder: Path | None = None,
        document: Document | None = None,
        *,
        strict: bool = True,
    ):
        self.content, self.folder = content, folder or Path()
        self.document = document or Document(FILE, content)
        self.brings_panel = brings_panel(content)
        reader = Reader(content, self.document, self.folder)
        beside = self.folder.name
        self.name = reader.text(("name",), f"write name: {beside}") or beside
        self.title = reader.words(("title",), self.name.replace("_", " "))
        self.source = reader.text(("source",)) or ""
        self.unit_noun = reader.words(("unit", "noun"), "unit")
        self.policy_label = reader.words(("policy", "label"), "policy")
        self.controls: dict[str, Control] = reader.controls()
        if self.brings_panel:
            from citypanel.study.own import reading

            reader.mapping((), reading.TOP)
            parts = reading.read(reader, self.name, self.controls)
        else:
            reader.mapping((), on_figures.TOP)
            parts = on_figures.read(reader, self.name, self.controls)
        vars(self).update(parts)
        if strict and self.document.problems:
            raise_problems(self.name, self.document.problems)

    @property
    def headline(self) -> Outcome:
        """The outcome the study is about."""
        chosen = [o for o in self.outcomes if o.headline]
        return (chosen or list(self.outcomes))[0]

    def roster_named(self, name: str) -> Roster:
        """What is declared of a roster; of an imported one nothing is."""
        mine = self.roster
        return mine if mine is not None and mine.name == name else Roster(name)

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
            raise OptionError.of(
                "study.no_such_option",
                name=unknown[0],
                known=sorted(self.build_options),
                shipped=SHIPPED,
                file=FILE,
            )
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
                name, value = limit.when
                permitted = self.options[name].permitted
                raise OptionError.of(
                    "study.option_bounded",
                    name=name,
                    value=value,
                    others=[str(other) for other in permitted if other != value],
                    option=limit.option,
                    number=limit.number,
                    exactly=limit.exactly,
                    now=values[limit.option],
                    because=limit.because and f", because {limit.because}",
                )
        return values

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
        for entry in self.listed_variants:
            ((name, wanted),) = entry.items()
            values = self.options[name].permitted if wanted == "others" else (wanted,)
            for value in values:
                if value != headline[name]:
                    found[f"{name}={value}"] = self.bounded({**headline, name: value})
        return found


def wrong_option(name: str, value: object, right: str) -> OptionError:
    """The error of an option with a value it may not have."""
    shown = str(list(value) if isinstance(value, tuple) else value)
    return OptionError.of(
        "study.option_value",
        name=name,
        shown=shown,
        right=right,
        shipped=SHIPPED,
        file=FILE,
    )


# A path takes longer to make than a file to look up.
_path = cache(Path)


def folder_of(name: str = SHIPPED) -> Path:
    """The folder of a study: in the project worked in, else in this checkout.

    Raises
    ------
    DeclarationError
        When neither has it.
    """
    return _file_of(name).parent


def _file_of(name: str) -> Path:
    for root in (os.getcwd(), CHECKOUT):
        file = os.path.join(root, "studies", name, FILE)
        if os.path.isfile(file):
            return _path(file)
    raise _no_such_study(Path.cwd(), name)


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


def find_study(root: Path, name: str) -> Path:
    """The declaration of a study under ``root/studies``; raises where there is none."""
    path = root / "studies" / name / FILE
    if path.is_file():
        return path
    raise _no_such_study(root, name)


def _no_such_study(root: Path, name: str) -> DeclarationError:
    there = sorted(p.parent.name for p in (root / "studies").glob(f"*/{FILE}"))
    hint = did_you_mean(name, there)
    return DeclarationError.of(
        "study.no_such_study", name=name, hint=hint, there=there or ["none"]
    )


def declared(name: str | None = None) -> Declaration:
    """The declaration of a study; by default of the one that is worked on.

    Raises
    ------
    DeclarationError
        With every mistake of the declaration.
    """
    return _kept(_files(_file_of(name or current())))


def read_declaration(path: Path) -> Declaration:
    """Read a declaration; every mistake is in one error.

    Raises
    ------
    DeclarationError
        With the line, what is expected and a remedy for each mistake.
    """
    return _sound(_files(path))


def examine_declaration(path: Path) -> tuple[Declaration | None, list[Problem]]:
    """The study, where it can be read at all, and every mistake of its declaration."""
    return _examined(_files(path))


def raise_problems(name: str, problems: Sequence[Problem]) -> NoReturn:
    """Raise the mistakes of a declaration, or of the data against it, all at once."""
    error = DeclarationError.of("study.mistakes", name=name, n=len(problems))
    head, rest = str(error).split("\n", 1)
    lines = [f"  - {problem}" for problem in problems]
    raise DeclarationError("\n".join([f"{head.removesuffix('.')}:", *lines, rest]))


def content_of(path: Path) -> Any:
    """What a declaration says, as YAML has it; None where it cannot be read."""
    return _content(path, _changed(path))[1]


def _changed(path: Path) -> int:
    """When a file was last changed; 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


_Files = tuple[tuple[Path, int], ...]


def _files(path: Path) -> _Files:
    """A declaration and those that it extends, with the times of their last change."""
    found: list[tuple[Path, int]] = []
    while True:
        found.append((path, _changed(path)))
        document, content = _content(*found[-1])
        base = content.get("extends") if isinstance(content, dict) else None
        if not isinstance(base, str):
            return tuple(found)
        path = _file_of(base)
        if any(path == known for known, _ in found):
            place = document.place(("extends",))
            problem = Problem.of(place, "extends_itself", base=base)
            raise_problems(found[0][0].parent.name, [problem])


def _sound(files: _Files) -> Declaration:
    study, problems = _examined(files)
    if problems or study is None:
        raise_problems(files[0][0].parent.name, problems)
    return study


_kept = cache(_sound)


def _examined(files: _Files) -> tuple[Declaration | None, list[Problem]]:
    whole: dict[str, Any] = {}
    document: Document | None = None
    for known in reversed(files):
        one, content = _content(*known)
        if not isinstance(content, dict):
            problems = one.problems
            return None, problems or [Problem.of(one.name, "no_keys")]
        document = replace(one, problems=list(one.problems), base=document)
        whole = _upon(whole, content)
    assert document is not None
    if brings_panel(whole):
        # Names of columns and samples are text, whatever YAML makes of them.
        whole = document.value
    study = Declaration(whole, files[0][0].parent, document, strict=False)
    return study, document.problems


@cache
def _content(path: Path, changed: int) -> tuple[Document, Any]:
    """A file with its lines, and as YAML has it; None where it is none."""
    name = f"{path.parent.name}/{FILE}"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem.of(name, "unreadable", why=error)
        return Document(name, problems=[problem]), None
    document = yaml_lines.read(text, name)
    if document.value is None:
        return document, None
    return document, yaml.load(text, yaml_lines.LOADER)


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
