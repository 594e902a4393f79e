"""YAML with the line of every key, for messages that say where."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import yaml

from citypanel.words import Catalogue

SAID = Catalogue("mistakes")
Path = tuple[str | int, ...]
#: libyaml's is several times as fast, where it is there.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Problem:
    """One mistake: where it stands, what is wrong, and how to mend it."""

    place: str
    what: str
    remedy: str = ""

    @classmethod
    def of(cls, place: str, key: str, /, **facts: object) -> Problem:
        """The mistake that `words/en/mistakes.yml` words."""
        remedy = f"{key}.remedy"
        return cls(
            place,
            SAID(f"{key}.what", **facts).en,
            SAID(remedy, **facts).en if remedy in SAID else "",
        )

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" + (
            f". Remedy: {self.remedy}" if self.remedy else ""
        )


@dataclass
class Document:
    """A YAML file as plain values, with the line of every key and item.

    Attributes
    ----------
    name : str
        The file's name, for messages.
    value : object
        Mappings, lists and scalars; None where the file is no YAML.
    lines : dict of path to int
        Line (from 1) of each value by its path, such as ``("unit", "key")``.
    problems : list of Problem
        Text that is no YAML, and keys given twice.
    base : Document or None
        What it stands upon: where a path is not in this one, it may be in that.
    """

    name: str
    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    base: Document | None = None

    def line(self, path: Path) -> str:
        """``study.yml line 4``, or the nearest line above it."""
        known = tuple(key if isinstance(key, int) else str(key) for key in path)
        for length in range(len(known), -1, -1):
            document: Document | None = self
            while document is not None:
                # A key may be a number that stands as text in the lines.
                for there in (known[:length], tuple(map(str, known[:length]))):
                    if there in document.lines:
                        return f"{document.name} line {document.lines[there]}"
                document = document.base
        return self.name

    def place(self, path: Path) -> str:
        """``study.yml line 4, unit.key``."""
        words = self.line(path)
        return f"{words}, {'.'.join(map(str, path))}" if path else words

    def report(self, path: Path, key: str, /, **facts: object) -> None:
        """Add a mistake at a path."""
        self.problems.append(Problem.of(self.place(path), key, **facts))

    def report_unknown(self, path: Path, given: Iterable, allowed: Collection) -> None:
        """Add every key given at a path that is none of those allowed."""
        for key in given:
            if key not in allowed:
                hint = did_you_mean(str(key), allowed)
                at = (*path, key)
                self.report(at, "no_key", hint=hint, allowed=list(allowed))


def did_you_mean(
    name: str, known: Iterable[str], lead: str = "", tail: str = " "
) -> str:
    """The known name that is nearest, as a question; nothing where none is near."""
    close = difflib.get_close_matches(name, list(known), 1)
    return f"{lead}did you mean {close[0]}?{tail}" if close else ""


def read(text: str, name: str) -> Document:
    """Parse YAML; what cannot be parsed is a problem of the document, not an error."""
    document = Document(name)
    document.lines[()] = 1
    try:
        node = yaml.compose(text, Loader=LOADER)
        if node is not None:
            document.value = _value(node, (), document)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        why = getattr(error, "problem", None) or str(error).split("\n")[0]
        document.value = None
        document.problems = [Problem.of(f"{name} line {line}", "no_yaml", why=why)]
    return document


def _value(node: yaml.Node, path: Path, document: Document) -> Any:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            inner = (*path, key)
            if key in found:
                first = document.lines[inner]
                document.lines[inner] = key_node.start_mark.line + 1
                document.report(inner, "twice", line=first)
                continue
            document.lines[inner] = key_node.start_mark.line + 1
            found[key] = _value(value_node, inner, document)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_value(n, (*path, i), document) for i, n in enumerate(node.value)]
    return yaml.SafeLoader.construct_object(_scalars(), node)


@cache
def _scalars() -> yaml.SafeLoader:
    return yaml.SafeLoader("")
