"""What only a study that brings its panel declares: columns of it, outcomes, samples.

`citypanel.study.own.panel` holds what is read here against the data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from citypanel.did.covariances import CONVENTIONS
from citypanel.did.group_time import CONTROL_GROUPS
from citypanel.did.study import ESTIMATORS
from citypanel.errors import OptionError
from citypanel.frontier.directional import REFERENCES
from citypanel.frontier.technology import RETURNS_TO_SCALE
from citypanel.study.formulas import Formula
from citypanel.study.own import index as indices
from citypanel.study.own.figures import Figures
from citypanel.study.own.index import Index
from citypanel.study.parts import FILE, SHIPPED, STUDY_WEIGHTS, Column, Control, Outcome
from citypanel.study.reader import NAME, OTHER_POLICY, READ, Reader
from citypanel.study.yaml_lines import SAID

FORMATS = (".csv", ".xlsx", ".dta", ".parquet")
TRANSFORMS = ("level", "log", "difference", "log_difference")
EFFECTS = ("two_way", "unit", "period", "none")
# `fixest` asks for small-sample options that a column does not have.
ERRORS = tuple(name for name in CONVENTIONS if name != "fixest")
TOP = (
    *("name", "title", "source", "unit", "period", "panel", "policy"),
    *("other_policies", "outcome", "controls", "weights", "cluster", "samples"),
    *("columns", "published", "relevant_effect", "draws", "seed"),
)
POLICY = (
    *("label", "cohort", "treatment", "roster", "counts", "batches", "others"),
    *("always_treated", *READ),
)
OUTCOME = ("label", "unit", "formula", "transform", "headline")
SERIES = ("outputs", "inputs", "bads")
INDEX = (
    *("index", *SERIES, "reference", "returns_to_scale", "label", "unit"),
    *("transform", "headline"),
)
COLUMN = (
    *("table", "name", "outcome", "estimator", "controls", "sample", "effects"),
    *("period_effects_by", "difference", "weights", "standard_errors", "cluster"),
    *("control_group", "periods_ahead"),
)


def read(reader: Reader, name: str, controls: dict[str, Control]) -> dict[str, Any]:
    """The attributes of a `Declaration` that such a study has, by name."""
    folder = reader.folder
    if not NAME.fullmatch(name):
        reader.report(("name",), "no_name", name=name)
    elif name != folder.name:
        reader.report(("name",), "other_name", name=name, folder=folder.name)
    reader.mapping(("unit",), ("noun", "key", "name", "parent", "groups"))
    reader.mapping(("period",), ("key", "frequency", "first", "last", "noun"))
    reader.mapping(("policy",), POLICY)
    groups = _texts(reader, ("unit", "groups"), "no_column_name")
    samples = _texts(reader, ("samples",), "no_condition")
    outcomes = _outcomes(reader)
    return {
        "panel": _panel(reader),
        "unit": reader.text(("unit", "key"), "write key: the column of the units")
        or "",
        "unit_names": reader.words(("unit", "name"), ""),
        "parent": reader.text(("unit", "parent")),
        "groups": groups,
        "period": reader.text(("period", "key"), "write key: the column of the periods")
        or "",
        "frequency": reader.get(("period", "frequency")),
        "first": reader.get(("period", "first")),
        "last": reader.get(("period", "last")),
        **_policy(reader),
        "other_policies": reader.other_policies(OTHER_POLICY),
        "outcomes": outcomes,
        "weights": reader.text(("weights",)),
        "cluster": reader.text(("cluster",)),
        "samples": samples,
        "columns": _columns(reader, outcomes, controls, groups, samples),
        "published": reader.beside(("published",)),
        "effect": reader.positive(("relevant_effect",)),
        "draws": reader.whole(("draws",), 999, lowest=999),
        "seed": reader.whole(("seed",), 1),
    }


def _texts(reader: Reader, path: tuple, mistake: str) -> dict[str, str]:
    """A mapping of names to texts."""
    given = reader.mapping(path)
    for name, value in given.items():
        if not isinstance(value, str):
            reader.report((*path, name), mistake)
    return {name: value for name, value in given.items() if isinstance(value, str)}


def _policy(reader: Reader) -> dict[str, Any]:
    """When units are treated: a column, or a roster."""
    cohort = reader.text(("policy", "cohort"))
    treatment = reader.text(("policy", "treatment"))
    declared = reader.get(("policy", "roster"))
    if cohort is None and treatment is None and declared is None:
        reader.report(("policy",), "untreated")
    elif declared is not None and (cohort or treatment):
        at = ("policy", "cohort" if cohort else "treatment")
        reader.report(at, "treated_twice")
    return {"cohort": cohort, "treatment": treatment, "roster": reader.roster()}


def _panel(reader: Reader) -> Path | Figures:
    if isinstance(reader.get(("panel",)), dict):
        return _figures(reader) or reader.folder
    path = reader.beside(("panel",), required=True)
    if path is not None and path.suffix.lower() not in FORMATS:
        reader.report(("panel",), "format", suffix=path.suffix, formats=list(FORMATS))
    return path or reader.folder


def _figures(reader: Reader) -> Figures | None:
    """The figures of another study, in place of a file."""
    from citypanel.study.declaration import declared, working_on

    reader.mapping(("panel",), ("study", "options"))
    options = reader.mapping(("panel", "options"))
    name = reader.text(("panel", "study"), f"write study: {SHIPPED}")
    if name is None:
        return None
    path = reader.folder.parent / name / FILE
    if name != SHIPPED and not path.is_file():
        reader.report(("panel", "study"), "no_study", name=name, shipped=SHIPPED)
        return None
    try:
        with working_on(name):
            study = declared()
            if not study.brings_panel:
                study.resolve(options)
                return Figures(name, dict(options))
        at = ("panel", "study")
        reader.report(at, "figures_panel", name=name, shipped=SHIPPED)
        return None
    except OptionError as error:
        what = " ".join(str(error).split("\nConsequence")[0].split())
    place = [key for key in options if re.search(rf"\b{re.escape(key)}\b", what)]
    said = {"name": name, "what": what, "file": FILE}
    if options:
        reader.report(("panel", "options", *place[:1]), "figures_options", **said)
    else:
        reader.report(("panel", "study"), "figures_mistake", **said)
    return None


def _outcomes(reader: Reader) -> tuple[Outcome, ...]:
    given = reader.mapping(("outcome",))
    if not given:
        reader.report(("outcome",), "no_outcome")
    found = []
    if isinstance(given.get("index"), str):
        # One outcome, an index, without a name of its own.
        outcome = _index(reader, ("outcome",), "tfp")
        return () if outcome is None else (outcome,)
    for name, value in given.items():
        path = ("outcome", name)
        if isinstance(value, dict) and "index" in value:
            outcome = _index(reader, path, name)
            found += [] if outcome is None else [outcome]
            continue
        if not isinstance(value, dict):
            found.append(Outcome(name, reader.formula(path, name), {"en": name}))
            continue
        reader.mapping(path, OUTCOME)
        found.append(
            Outcome(
                name=name,
                formula=reader.formula((*path, "formula"), name),
                label=reader.words((*path, "label"), name),
                unit=reader.text((*path, "unit")) or "",
                transform=reader.choice((*path, "transform"), TRANSFORMS, "level"),
                headline=reader.flag((*path, "headline")),
            )
        )
    marked = [o.name for o in found if o.headline]
    if len(marked) > 1:
        at = ("outcome", marked[1], "headline")
        reader.report(at, "second_headline", first=marked[0])
    elif len(found) > 1 and not marked:
        reader.report(("outcome",), "no_headline", n=len(found))
    return tuple(found)


def _index(reader: Reader, path: tuple, name: str) -> Outcome | None:
    """An outcome that is a productivity index."""
    reader.mapping(path, INDEX)
    kind = reader.choice((*path, "index"), indices.KINDS, "malmquist")
    series = {n: tuple(reader.names((*path, n))) for n in SERIES}
    for needed in SERIES[:2]:
        if not series[needed]:
            remedy = "write [first, second]"
            reader.report((*path, needed), "missing", remedy=remedy)
            return None
    index = Index(
        kind,
        **series,
        reference=reader.choice((*path, "reference"), REFERENCES, "contemporaneous"),
        returns_to_scale=reader.choice(
            (*path, "returns_to_scale"), RETURNS_TO_SCALE, "crs"
        ),
    )
    return Outcome(
        name=name,
        formula=Formula(str(index)),
        label=reader.words((*path, "label"), name),
        unit=reader.text((*path, "unit")) or "",
        transform=reader.choice(
            (*path, "transform"), indices.TRANSFORMS, "cumulative_log"
        ),
        headline=reader.flag((*path, "headline")),
        index=index,
    )


def _columns(reader: Reader, *declared) -> tuple[Column, ...]:
    found: list[Column] = []
    for place, value in enumerate(reader.entries(("columns",))):
        path = ("columns", place)
        if not isinstance(value, dict):
            reader.report(path, "no_column_keys")
            continue
        column = _column(reader.within(path), reader.text(("cluster",)), *declared)
        key = (column.table, column.name)
        if key in {(c.table, c.name) for c in found}:
            reader.report(path, "second_column", table=key[0], column=key[1])
        found.append(column)
    return tuple(found)


def _column(
    part: Reader,
    cluster: str | None,
    outcomes: tuple[Outcome, ...],
    controls: Mapping[str, Control],
    groups: Mapping[str, str],
    samples: Mapping[str, str],
) -> Column:
    given = part.mapping((), COLUMN)
    headline = next((o.name for o in outcomes if o.headline), None)
    headline = headline or (outcomes[0].name if outcomes else "")
    known = [o.name for o in outcomes]
    chosen = part.names(("controls",))
    if part.get(("controls",)) == "all":
        chosen = list(controls)
    for name in chosen:
        if name not in controls:
            declared = list(controls) or SAID("none")
            part.report(("controls",), "no_control", name=name, declared=declared)
    by = part.text(("period_effects_by",))
    if by is not None and by not in groups:
        part.report(("period_effects_by",), "no_group", name=by)
    sample = part.text(("sample",)) or ""
    return Column(
        table=part.text(("table",), "write table: 1") or "",
        name=part.text(("name",), "write name: (1)") or "",
        outcome=part.choice(("outcome",), known, headline) if known else "",
        estimator=part.choice(("estimator",), ESTIMATORS, "twfe"),
        controls=tuple(c for c in chosen if c in controls),
        sample=sample,
        where=Formula(samples.get(sample, sample)) if sample else None,
        effects=part.choice(("effects",), EFFECTS, "two_way"),
        period_effects_by=by,
        difference=part.flag(("difference",)),
        weights=part.text(("weights",)) if "weights" in given else STUDY_WEIGHTS,
        standard_errors=part.choice(("standard_errors",), ERRORS, "xtreg"),
        cluster=part.text(("cluster",)) or cluster,
        control_group=part.choice(("control_group",), CONTROL_GROUPS, "not_yet"),
        periods_ahead=part.whole(("periods_ahead",), 0),
    )
