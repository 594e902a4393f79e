"""Takes values out of a declaration, and reports what is not as it should be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from citypanel.dates import is_rule_for_times
from citypanel.study.formulas import Formula
from citypanel.study.parts import Control, OtherPolicy, Roster, Words
from citypanel.study.yaml_lines import SAID, Document, Problem, did_you_mean
from citypanel.words import LANGUAGES

NAME = re.compile(r"[a-z][a-z0-9_]*")
#: How the rows of a roster are read.
READ = ("districts", "twice", "times", "unknown")
#: What is said of the studied policy alone says nothing of another.
OTHER_POLICY = ("label", "cohort", "roster", *READ)


class Reader:
    """One declaration, or a part of it.

    Parameters
    ----------
    content : mapping
        The declaration; a document's own value, or that upon the one it extends.
    document : Document
        Gets the mistakes, and knows the lines.
    folder : Path
        Where it stands.
    root : path
        The part that paths are within.
    """

    def __init__(
        self, content: Any, document: Document, folder: Path, root: tuple = ()
    ) -> None:
        self.content, self.document = content, document
        self.folder, self.root = folder, root

    def within(self, path: tuple) -> Reader:
        """A reader of a part."""
        return Reader(self.content, self.document, self.folder, (*self.root, *path))

    # ------------------------------------------------------------- single values

    def get(self, path: tuple) -> Any:
        """What stands at a path; None where nothing does."""
        value = self.content
        for key in (*self.root, *path):
            inside = isinstance(value, dict) and key in value
            if not inside and not (isinstance(value, list) and isinstance(key, int)):
                return None
            value = value[key]
        return value

    def report(self, path: tuple, key: str, /, **facts: object) -> None:
        """Add a mistake at a path, which it names."""
        self.document.report((*self.root, *path), key, **facts)

    def say(self, path: tuple, key: str, /, **facts: object) -> None:
        """Add a mistake at a path that says itself what it is about."""
        line = self.document.line((*self.root, *path))
        self.document.problems.append(Problem.of(line, key, **facts))

    def mapping(self, path: tuple, allowed: Sequence[str] | None = None) -> dict:
        """Keys and values; every key that is not allowed is a mistake."""
        value = self.get(path)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.report(path, "no_mapping", keys=list(allowed or ()))
            return {}
        if allowed is not None:
            self.document.report_unknown((*self.root, *path), value, allowed)
        return value

    def entries(self, path: tuple) -> list[Any]:
        """A list."""
        value = self.get(path)
        if value is not None and not isinstance(value, list):
            self.report(path, "no_list")
            return []
        return value or []

    def text(self, path: tuple, required: str = "") -> str | None:
        """One value as text; where it is required, `required` is the remedy."""
        value = self.get(path)
        if value is None:
            if required:
                self.report(path, "missing", remedy=required)
            return None
        if isinstance(value, (dict, list, bool)):
            self.report(path, "no_text", remedy=required or "write one value")
            return None
        return str(value)

    def formula(self, path: tuple, default: str) -> Formula:
        """A formula; `formulas.problems_of` tells whether it may be run."""
        return Formula(" ".join((self.text(path) or default).split()))

    def choice(self, path: tuple, allowed: Sequence[str], default: str) -> str:
        """One of several words."""
        value = self.text(path)
        if value is None:
            return default
        if value not in allowed:
            hint = did_you_mean(value, allowed)
            facts = {"value": value, "hint": hint, "allowed": list(allowed)}
            self.report(path, "no_choice", **facts)
            return default
        return value

    def either(self, path: tuple, first: str, second: str) -> str:
        """One of two words, the first by default."""
        value = self.text(path) or first
        if value not in (first, second):
            self.report(path, "neither", value=value, first=first, second=second)
            return first
        return value

    def whole(self, path: tuple, default: int, lowest: int = 0) -> int:
        """A whole number."""
        value = self.get(path)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
            self.report(path, "no_whole", value=value, lowest=lowest)
            return default
        return value

    def number(self, path: tuple) -> float | None:
        """A number."""
        value = self.get(path)
        known = isinstance(value, (int, float)) and not isinstance(value, bool)
        if value is not None and not known:
            self.report(path, "no_number", value=value)
            return None
        return value

    def positive(self, path: tuple) -> float | None:
        """A number above 0."""
        value = self.number(path)
        if value is not None and not value > 0:
            self.report(path, "not_positive", value=value)
            return None
        return value

    def flag(self, path: tuple, default: bool = False) -> bool:
        """True or false."""
        value = self.get(path)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.report(path, "no_flag", value=value)
        return value is True

    def words(self, path: tuple, default: str) -> Words:
        """Text, by language."""
        value = self.get(path)
        if value is None:
            return {"en": default}
        if isinstance(value, str):
            return {"en": value}
        if not isinstance(value, dict) or not value:
            self.report(path, "no_words")
            return {"en": default}
        for language, said in value.items():
            if language not in LANGUAGES:
                self.report((*path, language), "no_language")
            elif not isinstance(said, str):
                self.report((*path, language), "no_quotes")
        return {k: str(v) for k, v in value.items()}

    def names(self, path: tuple) -> list[str]:
        """A list of names; one may stand alone."""
        value = self.get(path)
        if value is None:
            return []
        if isinstance(value, str):
            return [value]
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            self.report(path, "no_names")
            return []
        return value

    def numbers(self, path: tuple) -> tuple[int, ...]:
        """A list of whole numbers; one may stand alone."""
        value = self.get(path)
        if value is None:
            return ()
        listed = value if isinstance(value, list) else [value]
        if not all(isinstance(v, int) and not isinstance(v, bool) for v in listed):
            self.report(path, "no_numbers")
            return ()
        return tuple(listed)

    def beside(self, path: tuple, required: bool = False) -> Path | None:
        """A file beside the declaration, or where its path leads from there."""
        name = self.text(path, "name the file" if required else "")
        if name is None:
            return None
        found = self.folder / name
        if not found.is_file():
            source = self.text(("source",)) if path == ("panel",) else None
            origin = SAID("origin", source=" ".join(source.split())) if source else ""
            study = self.folder.name
            self.report(path, "no_file", name=name, study=study, origin=origin)
        return found

    # ------------------------------------------------- what every study declares

    def controls(self) -> dict[str, Control]:
        """The controls, by name."""
        given = self.get(("controls",))
        if isinstance(given, (list, str)) or given is None:
            names = self.names(("controls",))
            return {n: Control(n, Formula(n), {"en": n}) for n in names}
        found = {}
        for name, value in self.mapping(("controls",)).items():
            path = ("controls", name)
            if not isinstance(value, dict):
                text = self.formula(path, name)
                found[name] = Control(name, text, {"en": name})
                continue
            self.mapping(path, ("label", "formula", "after_treatment"))
            after = self.get((*path, "after_treatment"))
            found[name] = Control(
                name=name,
                formula=self.formula((*path, "formula"), name),
                label=self.words((*path, "label"), name),
                after_treatment=after
                if isinstance(after, str)
                else self.flag((*path, "after_treatment")),
            )
        return found

    def other_policies(self, keys: Sequence[str]) -> dict[str, OtherPolicy]:
        """The policies of the time beside the studied one, by name."""
        found = {}
        for name in self.mapping(("other_policies",)):
            path = ("other_policies", name)
            if not NAME.fullmatch(str(name)):
                self.report(path, "policy_no_name")
                continue
            value = self.get(path)
            if isinstance(value, str) and "cohort" in keys:
                # The column alone.
                found[name] = OtherPolicy(name, {"en": name}, cohort=value)
                continue
            self.mapping(path, keys)
            cohort = self.text((*path, "cohort"))
            roster = self.roster(path) if "roster" in keys else None
            if "cohort" in keys and (
                (cohort is None) == (self.get((*path, "roster")) is None)
            ):
                self.report(path, "policy_never" if cohort is None else "policy_twice")
            label = self.words((*path, "label"), name.replace("_", " "))
            found[name] = OtherPolicy(name, label, cohort, roster)
        return found

    def roster(self, top: tuple = ("policy",), seed: str = "") -> Roster | None:
        """The roster of a policy.

        Parameters
        ----------
        top : path
            The policy.
        seed : str, optional
            The study's name, where a roster without a file's ending is one of seeds/.
        """
        value = self.get((*top, "roster"))
        at: tuple = (*top, "roster")
        columns: dict[str, str] = {}
        name, path = str(value or seed), None
        if isinstance(value, dict) and not seed:
            from citypanel.study.own.roster import COLUMNS

            self.mapping(at, ("file", *COLUMNS))
            columns = {n: self.text((*at, n)) or "" for n in COLUMNS if n in value}
            at = (*at, "file")
        if value is None and not seed:
            return None
        if not seed or Path(name).suffix:
            name, path = seed, self.beside(at, required=True)
        where: tuple = (*top, "others")
        control: tuple[int, ...] = ()
        if isinstance(self.get(where), dict):
            self.mapping(where, ("default", "control"))
            control = self.numbers((*where, "control"))
            where = (*where, "default")
        counts = "any"
        batches: tuple[int, ...] = ()
        if not seed:
            from citypanel.study.own.roster import COUNTS

            counts = self.choice((*top, "counts"), COUNTS, "any")
            batches = self.numbers((*top, "batches"))
        roster = Roster(
            name=name,
            path=path,
            columns=columns,
            counts=counts,
            batches=batches,
            others=self.either(where, "exclude", "control"),
            control=control,
            always_treated=self.either((*top, "always_treated"), "mark", "exclude"),
            **self._read_as(top),
        )
        return None if path is None and not seed else roster

    def _read_as(self, top: tuple) -> dict[str, Any]:
        """How the rows of a roster are read, where anything is said of it."""
        given = self.get(top)
        if not isinstance(given, dict) or not set(READ) & set(given):
            return {}
        from citypanel.importers.policy import DISTRICTS, TWICE

        times = self.text((*top, "times")) or "refuse"
        if not is_rule_for_times(times):
            self.report((*top, "times"), "no_times", times=times)
            times = "refuse"
        districts = self.choice((*top, "districts"), (*DISTRICTS, "refuse"), "refuse")
        return {
            "districts": None if districts == "refuse" else districts,
            "twice": self.choice((*top, "twice"), TWICE, "refuse"),
            "times": times,
            "unknown": self.choice(
                (*top, "unknown"), ("refuse", "leave_out"), "refuse"
            ),
        }
