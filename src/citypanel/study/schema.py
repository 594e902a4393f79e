"""What a declaration on the figures of seeds/ may say, and where it says otherwise.

A declaration that brings its panel is read by `citypanel.study.own.declaration`; both
name the line of each mistake by `yaml_lines`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from citypanel.study.formulas import Formula, problems_of
from citypanel.study.yaml_lines import Document, did_you_mean

TOP = (
    *("name", "extends", "title", "source", "unit", "period", "policy"),
    *("other_policies", "controls"),
    *("covariates", "outcomes", "exclusions", "regions", "columns", "published"),
    *("variants", "limits", "curve", "options"),
)
REQUIRED = ("period", "controls", "outcomes", "columns", "options", "curve")
#: Keys of a mapping by its place; `*` is any key or item.
KEYS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    (): TOP,
    ("unit",): ("noun",),
    ("period",): ("first", "last", "base", "growth", "same_rules_from"),
    ("policy",): (
        *("label", "roster", "others", "always_treated"),
        *("districts", "twice", "times", "unknown"),
    ),
    ("policy", "others"): ("default", "control"),
    ("other_policies", "*"): ("label",),
    ("controls", "*"): ("formula", "after_treatment"),
    ("exclusions", "*"): ("where", "label", "mark", "reason", "paper"),
    ("columns", "*"): ("table", "name", "controls", "where", "sample", "years_ahead"),
    ("published",): ("effect",),
    ("limits", "*"): ("when", "needs", "at_most", "because"),
    ("curve",): ("limit", "varies", "meaningless", "dubious"),
    ("curve", "meaningless", "*"): ("when", "reason"),
    ("curve", "dubious", "*"): ("when", "reason"),
    ("options", "*"): (
        *("step", "label", "meaning", "kind", "default", "values", "left_out"),
        *("settled_by", "not_varied", "from", "to"),
    ),
    ("options", "*", "values", "*"): (
        *("mark", "reason", "paper", "estimand", "weight", "years_before", "formula"),
    ),
}
# Formulas over the yearbook's series, by their place.
OVER_SERIES = (
    ("controls", "*", "formula"),
    ("options", "labour_measure", "values", "*", "formula"),
)
FORMULAS = (*OVER_SERIES, ("exclusions", "*", "where"), ("columns", "*", "where"))
#: What a control's formula may name beside the yearbook's series.
CHOSEN = ("investment_cny_10k",)


def examine(document: Document, root: Path) -> None:
    """Report every key that is none, and every formula that cannot be evaluated.

    Parameters
    ----------
    document : Document
        Gets the mistakes.
    root : Path
        Folder of the project, whose seeds name the series.
    """
    known = _series(root)
    for path, value in _walk(document.value, ()):
        allowed = next((KEYS[p] for p in KEYS if _fits(path, p)), None)
        if allowed is not None and isinstance(value, dict):
            document.report_unknown(path, value, allowed)
        if any(_fits(path, p) for p in FORMULAS) and value is not None:
            is_series = any(_fits(path, p) for p in OVER_SERIES)
            _formula(document, path, value, known if is_series else ())


def missing(content: Mapping[str, Any]) -> list[str]:
    """What a whole declaration lacks."""
    found = [f"{key} is missing" for key in REQUIRED if not content.get(key)]
    period = content.get("period")
    if isinstance(period, Mapping):
        found += [
            f"period: {key} is missing, a year whose figures are read"
            for key in ("first", "last")
            if not isinstance(period.get(key), int)
        ]
    return found


def _formula(document, path, value, known: Iterable[str]) -> None:
    problems = problems_of(value, of_panel=False)
    for what in problems:
        document.report(path, what, "arithmetic over series")
    for name in Formula(str(value)).names if known and not problems else ():
        if name not in known:
            hint = did_you_mean(name, known)
            document.report(
                path,
                f"there is no series {name}",
                f"{hint}seeds/reference/ref_variables.csv lists them",
            )


def _series(root: Path) -> tuple[str, ...]:
    try:
        with open(
            root / "seeds/reference/ref_variables.csv", encoding="utf-8-sig", newline=""
        ) as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error):
        return ()
    names = [row.get("variable") or "" for row in rows if row.get("kind") == "yearbook"]
    return (*names, *CHOSEN) if names else ()


def _walk(value: Any, path: tuple):
    yield path, value
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in items:
        yield from _walk(inner, (*path, key))


def _fits(path: tuple, pattern: tuple[str, ...]) -> bool:
    return len(path) == len(pattern) and all(
        p in ("*", key) for key, p in zip(path, pattern, strict=True)
    )
