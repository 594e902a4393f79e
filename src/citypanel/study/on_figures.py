"""What only a study on the figures of seeds/ declares: options, columns, the curve."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from citypanel.study.formulas import Formula, problems_of
from citypanel.study.parts import (
    ESTIMANDS,
    HEADLINE,
    KINDS,
    MARKS,
    Column,
    Control,
    Exclusion,
    Limit,
    Option,
    Outcome,
    Rule,
    Value,
)
from citypanel.study.reader import READ, Reader
from citypanel.study.yaml_lines import did_you_mean

TOP = (
    *("name", "extends", "title", "source", "unit", "period", "policy"),
    *("other_policies", "controls"),
    *("covariates", "outcomes", "exclusions", "regions", "columns", "published"),
    *("variants", "limits", "curve", "options"),
)
REQUIRED = ("period", "controls", "outcomes", "columns", "options", "curve")
PERIOD = ("first", "last", "base", "growth", "same_rules_from")
POLICY = ("label", "roster", "others", "always_treated", *READ)
EXCLUSION = ("where", "label", "mark", "reason", "paper")
COLUMN = ("table", "name", "controls", "where", "sample", "years_ahead")
LIMIT = ("when", "needs", "at_most", "because")
CURVE = ("limit", "varies", "meaningless", "dubious")
OPTION = (
    *("step", "label", "meaning", "kind", "default", "values", "left_out"),
    *("settled_by", "not_varied", "from", "to"),
)
VALUE = (
    *("mark", "reason", "paper", "estimand", "weight", "years_before", "formula"),
)  # fmt: skip
#: The option whose formulas are over the yearbook's series, as a control's are.
LABOUR = "labour_measure"
#: What a control's formula may name beside the yearbook's series.
CHOSEN = ("investment_cny_10k",)


def read(reader: Reader, name: str, controls: dict[str, Control]) -> dict[str, Any]:
    """The attributes of a `Declaration` that such a study has, by name."""
    for key in REQUIRED:
        if not reader.get((key,)):
            reader.say((), "part_missing", key=key)
    reader.mapping(("unit",), ("noun",))
    reader.mapping(("policy",), POLICY)
    reader.mapping(("published",), ("effect",))
    known = _series(reader.folder)
    for control in controls:
        _check_formula(reader, ("controls", control), ("formula",), known)
    period = _period(reader)
    exclusions = _exclusions(reader)
    options = _options(reader, period["years"], known)
    varies = tuple(reader.names(("curve", "varies")))
    reader.mapping(("curve",), CURVE)
    found = {
        **period,
        "exclusions": exclusions,
        "options": options,
        "covariates": tuple(reader.names(("covariates",))),
        "outcomes": _outcomes(reader, options),
        "regions": dict(reader.mapping(("regions",))),
        "roster": reader.roster(seed=name),
        "other_policies": reader.other_policies(("label",)),
        "columns": _columns(reader, tuple(controls)),
        "effect": reader.number(("published", "effect")),
        "limits": _limits(reader, options),
        "listed_variants": tuple(
            entry
            for entry in reader.entries(("variants",))
            if isinstance(entry, dict) and set(entry) <= set(options)
        ),
        "varies": varies,
        "limit": reader.whole(("curve", "limit"), 0),
        "rules": _rules(reader, "meaningless", options),
        "doubts": _rules(reader, "dubious", options),
    }
    for place, entry in enumerate(reader.entries(("variants",))):
        if entry not in found["listed_variants"]:
            reader.report(("variants", place), "no_variant", entry=str(entry))
    _check_curve(reader, varies, options)
    return found


def _period(reader: Reader) -> dict[str, Any]:
    period = reader.mapping(("period",), PERIOD)
    whole = {k: v for k, v in period.items() if isinstance(v, int)}
    for key in ("first", "last"):
        if key not in whole and period:
            reader.say(("period",), "year_missing", key=key)
    first, last = (whole.get(key, 0) for key in ("first", "last"))
    growth = reader.numbers(("period", "growth")) or (first, last)
    base = whole.get("base", first)
    found = {
        "years": (first, last),
        "base_year": base,
        "growth_years": growth,
        "same_rules_from": whole.get("same_rules_from", first),
    }
    if not {"first", "last"} <= set(whole):
        return found
    if first >= last:
        reader.say(("period",), "years_reversed", first=first, last=last)
    start, end = growth if len(growth) == 2 else (0, 0)
    of = {"first": first, "last": last}
    if not first <= start < end <= last:
        reader.say(("period",), "growth_outside", start=start, end=end, **of)
    if not first <= base <= last:
        reader.say(("period",), "base_outside", base=base, **of)
    return found


def _outcomes(reader: Reader, options: dict[str, Option]) -> tuple[Outcome, ...]:
    """The outcomes shown beside the headline's, each by the formula of its value."""
    option = options.get("outcome")
    values = option.by_value if option else {}
    return tuple(
        Outcome(
            name=name,
            formula=(name in values and values[name].formula) or Formula(name),
            label={"en": name},
            headline=option is not None and name == option.default,
        )
        for name in reader.names(("outcomes",))
    )


def _exclusions(reader: Reader) -> dict[str, Exclusion]:
    found = {}
    for name in reader.mapping(("exclusions",)):
        path = ("exclusions", name)
        reader.mapping(path, EXCLUSION)
        reader.text((*path, "where"), "write where: over the roster's columns, batch")
        where = _check_formula(reader, path, ("where",))
        found[name] = Exclusion(name, where, reader.words((*path, "label"), name))
    return found


def _columns(reader: Reader, controls: tuple[str, ...]) -> tuple[Column, ...]:
    found = []
    for place, _ in enumerate(reader.entries(("columns",))):
        part = reader.within(("columns", place))
        given = part.mapping((), COLUMN)
        where = _check_formula(part, (), ("where",)) if given.get("where") else None
        found.append(
            Column(
                table=part.text(("table",), "write table: 1") or "",
                name=part.text(("name",), "write name: (1)") or "",
                controls=controls if part.flag(("controls",), True) else (),
                sample=part.text(("sample",), "write what the rows are called") or "",
                where=where,
                periods_ahead=part.whole(("years_ahead",), 0),
            )
        )
    return tuple(found)


def _options(
    reader: Reader, years: tuple[int, int], known: Sequence[str]
) -> dict[str, Option]:
    groups = reader.mapping(("exclusions",))
    found = {}
    for name in reader.mapping(("options",)):
        part = reader.within(("options", name))
        entry = part.mapping((), OPTION)
        kind = entry.get("kind") or "choice"
        if "default" not in entry:
            part.report((), "no_default")
        if kind not in KINDS:
            reader.say(part.root, "kind", name=name, kind=kind)
        listed = entry.get("values") or ()
        if not isinstance(listed, dict):
            listed = {}
            for place, value in enumerate(part.entries(("values",))):
                if isinstance(value, (list, dict)):
                    part.report(("values", place), "no_value")
                else:
                    listed[value] = {}
        if kind == "group":
            keys = ("mark", "reason", "paper")
            listed = listed | {
                group: {k: v for k, v in g.items() if k in keys}
                for group, g in groups.items()
                if isinstance(g, dict)
            }
        values = []
        for value, said in listed.items():
            at = (*part.root, "values", value)
            if said is not None and not isinstance(said, dict):
                reader.report(at, "no_mapping", keys=list(VALUE))
                said = {}
            said = dict(said or {})
            reader.document.report_unknown(at, said, VALUE)
            said = {k: v for k, v in said.items() if k in VALUE}
            if "formula" in said:
                names = known if name == LABOUR else ()
                said["formula"] = _check_formula(reader, at, ("formula",), names)
            if value == entry.get("default"):
                if "mark" in said:
                    reader.say(at, "default_marked", name=name, value=value)
                said["mark"] = HEADLINE
            elif "mark" not in said and "not_varied" not in entry:
                reader.say(at, "unmarked", name=name, value=value)
            values.append(Value(value, **said))
        is_year = kind == "year"
        found[name] = Option(
            name,
            part.text(("step",), "write step: the step that takes it") or "",
            part.text(("label",), "write label: what it is called") or name,
            " ".join((part.text(("meaning",), "write meaning:") or "").split()),
            kind,
            entry.get("default"),
            tuple(values),
            dict(part.mapping(("left_out",))),
            entry.get("settled_by") or "",
            entry.get("not_varied") or "",
            years[0] if is_year else part.whole(("from",), 0),
            years[1] if is_year else part.whole(("to",), 0),
        )
    return found


def _limits(reader: Reader, options: dict[str, Option]) -> tuple[Limit, ...]:
    found = []
    for place, _ in enumerate(reader.entries(("limits",))):
        part = reader.within(("limits", place))
        entry = part.mapping((), LIMIT)
        exactly = "needs" in entry
        when = part.mapping(("when",))
        asked = part.mapping(("needs" if exactly else "at_most",))
        if len(when) != 1 or len(asked) != 1 or not {*when, *asked} <= set(options):
            part.report((), "no_limit")
            continue
        (option,) = asked
        number = part.whole(("needs" if exactly else "at_most", option), 0)
        (first,) = when.items()
        because = entry.get("because") or ""
        found.append(Limit(first, option, number, exactly, because))
    return tuple(found)


def _rules(reader: Reader, kind: str, options: dict[str, Option]) -> tuple[Rule, ...]:
    rules = []
    for place, _ in enumerate(reader.entries(("curve", kind))):
        part = reader.within(("curve", kind, place))
        entry = part.mapping((), ("when", "reason"))
        when = {
            name: tuple(part.entries(("when", name)))
            for name in part.mapping(("when",))
        }
        for name, values in when.items() if options else ():
            option = options.get(name)
            for value in values:
                if option is None or option.value(value) is None:
                    said = {"kind": kind, "name": name, "value": value}
                    part.say(("when", name), "not_declared", **said)
        if not entry.get("reason"):
            part.say((), "rule_unreasoned", kind=kind, when=str(when))
        rules.append(Rule(when, entry.get("reason") or ""))
    return tuple(rules)


def _check_curve(
    reader: Reader, varies: Iterable[str], options: dict[str, Option]
) -> None:
    """Every value that the curve varies has a mark and a reason."""
    for name in varies:
        option = options.get(name)
        if option is None:
            reader.say(("curve", "varies"), "no_option", name=name)
            continue
        for v in option.values:
            at = ("options", name, "values", v.value)
            of = {"name": name, "value": v.value}
            if v.mark not in MARKS:
                reader.say(at, "mark", mark=v.mark, **of)
            if not v.reason:
                reader.say(at, "no_reason", **of)
            if v.estimand not in (None, *ESTIMANDS):
                reader.say(at, "estimand", estimand=v.estimand, **of)
        if option.value(option.default) is None:
            reader.say(("options", name, "default"), "default_absent", name=name)
    for name, option in options.items():
        if (name in varies) == bool(option.not_varied):
            reader.say(("options", name), "not_varied", name=name)


def _check_formula(
    reader: Reader, place: tuple, key: tuple, known: Sequence[str] = ()
) -> Formula:
    """A formula whose every name is known, where `known` lists any."""
    at = (*place, *key) if reader.get((*place, *key)) is not None else place
    default = str(place[-1]) if place else ""
    made = reader.formula((*place, *key), default)
    problems = problems_of(made, of_panel=False)
    for what in problems:
        reader.report(at, "said", what=what, remedy="arithmetic over series")
    for name in made.names if known and not problems else ():
        if name not in known:
            hint = did_you_mean(name, known)
            reader.report(at, "no_series", name=name, hint=hint)
    return made


def _series(folder: Path) -> tuple[str, ...]:
    """The series of the yearbook that the project's seeds name."""
    root = folder.resolve().parents[1]
    try:
        with open(
            root / "seeds/reference/ref_variables.csv", encoding="utf-8-sig", newline=""
        ) as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error):
        return ()
    names = [row.get("variable") or "" for row in rows if row.get("kind") == "yearbook"]
    return (*names, *CHOSEN) if names else ()
