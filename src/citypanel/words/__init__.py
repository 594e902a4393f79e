"""What people read, apart from the code: a catalogue of templates per language.

`en/report.yml` and `zh/report.yml` hold the same names. The code chooses the name, by a
rule, and gives the numbers; the template says how each is written:

    {n:,}            a count, thousands apart
    {effect:3f}      three decimals ("+3f" with a plus too), a dash where unknown
    {share:%}        a share (0-1) as per cent, {share:pc} in words ("Pc": capital)
    {p:p}            p = 0.38 ({p:,p}: after a comma; nothing where unknown; {p:pv}:
                     the value alone, after a "p" of the template)
    {growth:+%}      a share with its sign ("-%": without it)
    {odds:odds}      4 to 1
    {up:?rose|fell}  one of two, by whether it is true
    {change:log%}    a change in logarithms as per cent, {ratio:log} as a factor
    {n:#city|cities} singular or plural
    {n:no}           a count, in words where it is none ("No": capital)
    {names}          a list, with the commas of the language (":,", ":;"; ":and":
                     the last after an "and")

A value that is itself in several languages (`Words`) gives that of the template's.
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import yaml

from citypanel.words.numbers import (
    MINUS,
    fixed,
    number,
    p_cell,
    p_text,
    per_cent,
    share,
)

FOLDER = Path(__file__).parent
LANGUAGES = ("en", "zh")
_NUMBER = r"(-?[\d.,]+)"
SEPARATORS = {
    "en": {"": ", ", ",": ", ", ";": "; "},
    "zh": {"": "、", ",": "，", ";": "；"},
}

AND = {"en": " and ", "zh": "与"}


class Words(tuple[str, ...]):
    """A text in each of `LANGUAGES`, English first."""

    __slots__ = ()

    def __new__(cls, *texts: str) -> Words:
        return super().__new__(cls, texts)

    def said(self, language: str) -> str:
        """The text in the language; English where the catalogue has no other."""
        place = LANGUAGES.index(language)
        return self[place] if place < len(self) else self[0]

    @property
    def en(self) -> str:
        return self[0]

    @property
    def zh(self) -> str:
        return self.said("zh")


def same(text: str) -> Words:
    """A name that is written alike in every language."""
    return Words(*(text for _ in LANGUAGES))


def first_up(words: Words) -> Words:
    """The words at the start of a sentence."""
    return Words(*(text[:1].upper() + text[1:] for text in words))


def _factor(change: float) -> str:
    """What a change in logarithms multiplies by."""
    ratio = math.exp(change)
    return f"{ratio:,.0f}" if ratio >= 20 else f"{ratio:.3g}"


# How a number is written in every language, by the specification of its field.
_WRITTEN: dict[str, Callable[[Any], str]] = {
    "%": share,
    "+%": partial(share, sign="+"),
    "-%": lambda value: share(abs(value)),
    "pc": per_cent,
    "Pc": lambda value: per_cent(value).capitalize(),
    "p": p_text,
    "pv": p_cell,
    "g": number,
    "log": _factor,
    "log%": lambda value: f"{math.expm1(value):+.0%}".replace("-", MINUS),
}


class _Formatter(string.Formatter):
    def __init__(self, language: str):
        self.language = language

    def said(self, template: str, fields: Mapping[str, Any]) -> str:
        """The template with its fields; as `vformat`, and in a fifth of its time."""
        parts = _parts(template)
        if parts is None:
            return self.vformat(template, (), fields)
        texts = []
        for text, name, spec in parts:
            texts.append(text)
            if name is not None:
                texts.append(self.format_field(fields[name], spec))
        return "".join(texts)

    def format_field(self, value: Any, spec: str) -> str:
        if not spec and isinstance(value, str | int):
            return str(value)
        if spec.startswith("?"):
            return spec[1:].split("|")[0 if value else 1]
        if spec.startswith("#"):
            return spec[1:].split("|")[0 if value == 1 else 1]
        if isinstance(value, Words):
            return value.said(self.language)
        if isinstance(value, list):
            parts = [self.format_field(part, "") for part in value]
            if spec == "and":
                first, last = SEPARATORS[self.language][""].join(parts[:-1]), parts[-1:]
                return AND[self.language].join([*filter(None, [first]), *last])
            return SEPARATORS[self.language][spec].join(parts)
        if spec in ("no", "No"):
            return format(value, ",") if value else f"{spec}ne"
        if spec == ",p":
            text = p_text(value)
            return SEPARATORS[self.language][","] + text if text else ""
        if spec == "odds":
            return _odds(value, self.language)
        if spec in _WRITTEN:
            return _WRITTEN[spec](value)
        if spec.endswith("f") and spec[:-1].lstrip("+").isdigit():
            sign = "+" if spec[0] == "+" else ""
            return fixed(value, int(spec[:-1].lstrip("+")), sign=sign)
        return format(value, spec)


@cache
def _parts(template: str) -> list[tuple[str, str | None, str]] | None:
    """A template's texts, each with the field after it; None where fields are nested.

    That is one with a point or bracket in its name, a conversion, or a field in its
    specification.
    """
    parts = []
    for text, name, spec, conversion in string.Formatter().parse(template):
        plain = name is None or (name.isidentifier() and not conversion)
        if not plain or "{" in (spec or ""):
            return None
        parts.append((text, name, spec or ""))
    return parts


def _odds(value: float, language: str) -> str:
    """Odds to one: whole from three on, a bound where they are very long."""
    most = 1000
    if not value <= most:
        return "more than 1,000 to 1" if language == "en" else "超过 1000 : 1"
    text = f"{value:.0f}" if value >= 3 else f"{value:.1f}"
    return f"{text} to 1" if language == "en" else f"{text} : 1"


_FORMATTERS = {language: _Formatter(language) for language in LANGUAGES}


class Catalogue:
    """The templates of one file, by name; of a mapping in it by `of`."""

    def __init__(self, name: str):
        self.name = name

    @property
    def _entries(self) -> Mapping[str, dict[str, Any]]:
        return _read(self.name)

    def __call__(self, name: str, /, **fields: Any) -> Words:
        """The template of that name with its fields, in every language it has.

        A name with points leads into a group: "group.name".
        """
        return Words(
            *(
                _FORMATTERS[language].said(str(_under(entries, name)), fields)
                for language, entries in self._entries.items()
            )
        )

    def __contains__(self, name: str) -> bool:
        return _under(self._entries["en"], name) is not None

    def of(self, group: str) -> dict[str, Words]:
        """The labels of a group, in the order of the file."""
        languages = list(self._entries.values())
        return {
            key: Words(*(str(entries[group][key]) for entries in languages))
            for key in languages[0][group]
        }

    def label(self, group: str, key: str) -> Words:
        """One label of a group; the key itself where it has none."""
        return self.of(group).get(key) or same(key)

    def data(self, group: str) -> dict[str, Any]:
        """What stands under a name, by language, as it is in the file."""
        return {language: e[group] for language, e in self._entries.items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries["en"])


def _under(entries: Any, name: str) -> Any:
    for part in (name,) if name in entries else name.split("."):
        entries = entries.get(part) if isinstance(entries, dict) else None
    return entries


@cache
def _read(name: str) -> Mapping[str, dict[str, Any]]:
    paths = {each: FOLDER / each / f"{name}.yml" for each in LANGUAGES}
    found = {each: load(path) for each, path in paths.items() if path.is_file()}
    if name == "labels":
        for estimator, said in load(FOLDER / "estimators.yml").items():
            for language, labels in found.items():
                for group, kind in (("", "label"), ("short_", "short")):
                    own = labels.setdefault(f"{group}estimators", {})
                    own[estimator] = said[kind][language]
    return found


def load(path: Path) -> dict[str, Any]:
    """The content of a YAML file."""
    # The loader in C where there is one; both are safe.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text("utf-8-sig"), loader)


#: Labels of outcomes, estimators, checks and the like.
LABELS = Catalogue("labels")


def told(text: object) -> Words:
    """A sentence of the warehouse in both languages."""
    return Words(typeset(text), in_chinese(text))


def typeset(text: object) -> str:
    """A sentence of the warehouse with true minus signs; nothing where it is none."""
    return re.sub(r"(?<![\w.)\-])-(?=\d)", MINUS, _plain(text))


def in_chinese(text: object) -> str:
    """A sentence of the warehouse, which writes English, in Chinese.

    Of several, joined by semicolons, each by itself. One of a form that
    `zh/warehouse.yml` does not list stays as it is.
    """
    text = _plain(text)
    for form, answer in _forms():
        if match := form.fullmatch(text):
            text = match.expand(answer).replace("no star", "无星号")
            return typeset(text.replace("星号：none", "星号：无"))
    parts = text.split("; ")
    if len(parts) > 1:
        return "；".join(in_chinese(part) for part in parts)
    return typeset(text)


def _plain(text: object) -> str:
    if not isinstance(text, str):
        return ""
    return re.sub(
        r"not estimated: Regressors are combinations .*? \(1\): (\w+): absorbed by .*",
        r"not estimated: \1 is absorbed by the fixed effects",
        text,
    )


@cache
def _forms() -> list[tuple[re.Pattern[str], str]]:
    entries = _read("warehouse")["zh"]
    return [(re.compile(k.replace("<N>", _NUMBER)), v) for k, v in entries.items()]
