"""The roster of a study's policy, matched with the panel's units and periods."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from citypanel.dates import NoDate, Span, read_span
from citypanel.did.periods import PARTS, Grid
from citypanel.errors import CityPanelError, ImporterError
from citypanel.importers.cells import Problem, clean_text
from citypanel.importers.files import read_file
from citypanel.importers.headers import normalise
from citypanel.importers.places import Gazetteer
from citypanel.importers.policy import (
    Choices,
    Entry,
    batches_of,
    read_entries,
    refusal,
)
from citypanel.importers.project import load_reference
from citypanel.importers.specs import KEYS, Spec, parse_spec, shipped_specs
from citypanel.importers.units import Units
from citypanel.study.parts import Roster
from citypanel.study.yaml_lines import SAID, did_you_mean

#: How a period counts that the policy covers in part: whole, by its share, or not.
COUNTS = ("any", "share", "whole")
#: Columns of a roster by the names of a declaration; a start is a spec's date.
COLUMNS = ("unit", "code", "parent", "start", "end", "intensity", "batch")
_KEYS = {"start": "date", "parent": "province"}


@dataclass(frozen=True)
class Assignment:
    """Who is treated when: one entry a row of the panel.

    Attributes
    ----------
    treatment : ndarray (n,)
        Share of the period in force times intensity.
    start : ndarray (n,)
        Position of the unit's first exposed period; infinity for never.
    left_out : ndarray of object (n,)
        Why a row is in no comparison; empty where it is in.
    """

    treatment: np.ndarray
    start: np.ndarray
    left_out: np.ndarray


def assign(
    roster: Roster,
    units: pd.Series,
    parents: pd.Series | None,
    when: np.ndarray,
    grid: Grid,
    *,
    within: np.ndarray,
    root: Path,
) -> tuple[Assignment | None, list[str]]:
    """Match a roster with a panel.

    Parameters
    ----------
    roster : Roster
    units, parents : Series (n,)
        Unit and, where it has one, the parent of each row.
    when : ndarray of int (n,)
        Position of each row on the grid.
    grid : Grid
    within : ndarray of bool (n,)
        Rows within the study's periods.
    root : Path
        Folder of a project, whose tables of places are asked where units are Chinese.

    Returns
    -------
    Assignment or None
        None where something is wrong.
    list of str
        What is wrong.
    """
    problems: list[Any] = []
    try:
        if missing := missing_columns(roster):
            return None, missing
        spans = period_spans(grid, int(when.max()))
        entries = read_entries(
            [read_file(roster.file)],
            spec=_spec(roster),
            units=Units([]),
            choices=roster.choices,
            problems=problems,
            unmapped=[],
        )
    except (CityPanelError, NoDate) as error:
        return None, [" ".join(str(error).split())]
    batches = batches_of(entries)
    matched = _Matcher(units, parents, roster.choices, root)
    rows: dict[Any, tuple[Entry, int]] = {}
    for entry, batch in zip(entries, batches, strict=True):
        if why := _coarse(entry.start, spans[0]):
            entry.report("date", why)
            continue
        found, why = matched.units_of(entry)
        named = "unit" if entry.unit else "code"
        if why:
            entry.report(named, why)
        for unit in found:
            known = rows.get(unit)
            if known and roster.choices.twice != "earliest":
                of = {"unit": unit, "first": known[0].unit, "cell": known[0].cell}
                entry.report(named, _said("again", **of))
            elif not known or entry.start.first < known[0].start.first:
                rows[unit] = (entry, batch)
    absent = set(roster.batches) - set(batches)
    if absent and not problems:
        there = sorted(set(batches))
        problems.append(_said("batches", absent=sorted(absent), there=there))
    if not rows and not problems:
        problems.append(_said("treats_none"))
    if problems:
        return None, together(problems)
    return _assigned(roster, rows, units, when, spans, within), []


def _said(name: str, /, **facts: object) -> str:
    """What is wrong with a roster, from the catalogue of mistakes."""
    return SAID(f"roster.{name}", **facts).en


def together(problems: Iterable[Any]) -> list[str]:
    """One sentence for the cells of a column that have the same fault."""
    alike: dict[Any, list] = {}
    for problem in problems:
        what = problem
        if isinstance(problem, Problem):
            what = (problem.file, problem.sheet, problem.column, problem.why)
        alike.setdefault(what, []).append(problem)
    found = []
    for same in alike.values():
        text = str(same[0])
        if len(same) > 1:
            cells = [problem.cell for problem in same[1:]]
            shown = ", ".join(cells[:5])
            more = _said("more", n=len(cells) - 5) if len(cells) > 5 else ""
            text += _said("likewise", shown=shown, more=more)
        found.append(text)
    return found


def missing_columns(roster: Roster) -> list[str]:
    """Columns that the declaration names, or a roster needs, and the file lacks."""
    headers = headers_of(roster.file)
    listed = _said("has", file=roster.file.name, headers=headers)
    plain = {normalise(header) for header in headers}
    found = []
    for name, header in roster.columns.items():
        if normalise(header) not in plain:
            hint = did_you_mean(header, headers, "; ", "")
            said = {"name": name, "header": header, "listed": listed, "hint": hint}
            found.append(_said("no_header", **said))
    keys = keys_of(roster)
    has = {key for key, names in keys.items() if plain & set(names)}
    lacks = [
        name
        for name, wanted in (("unit", {"unit", "code"}), ("start", {"date"}))
        if not wanted & has and name not in roster.columns
    ]
    if lacks:
        known = dict(roster.columns) | dict.fromkeys(lacks, "COLUMN")
        named = ", ".join(f"{name}: {header}" for name, header in known.items())
        said = {"lacks": " or its ".join(lacks), "listed": listed, "named": named}
        found.append(_said("lacks", file=roster.file.name, **said))
    return found


def headers_of(path: Path) -> list[str]:
    """The first row of a roster that holds anything."""
    for sheet in read_file(path).sheets:
        for row in sheet.rows:
            if any(clean_text(cell) for cell in row):
                return [clean_text(cell) for cell in row if clean_text(cell)]
    return []


def _assigned(roster, rows, units, when, spans, within) -> Assignment:
    chosen = set(roster.batches) or {batch for _, batch in rows.values()}
    treatment, start = np.zeros(len(when)), np.full(len(when), np.inf)
    left_out = np.full(len(when), "", dtype=object)
    for unit, places in units.groupby(units).indices.items():
        if unit not in rows:
            continue
        entry, batch = rows[unit]
        dose = np.array([_dose(entry, span, roster.counts) for span in spans])
        here = when[places[within[places]]]
        if batch not in chosen:
            excluded = roster.others == "exclude" and batch not in roster.control
            if excluded and (dose[here] > 0).any():
                left_out[places] = f"treated in batch {batch}, which is not studied"
            continue
        treatment[places] = dose[when[places]]
        exposed = np.flatnonzero(dose > 0)
        if len(exposed):
            start[places] = exposed[0]
        always = len(here) > 0 and (dose[here] > 0).all()
        if always and roster.always_treated == "exclude":
            left_out[places] = "treated in every period"
    return Assignment(treatment, start, left_out)


def _dose(entry: Entry, span: Span, counts: str) -> float:
    """How far a row's unit is treated in a period."""
    first = max(entry.start.first, span.first)
    last = span.last if entry.end is None else min(entry.end.last, span.last)
    days = (last - first).days + 1
    whole = (span.last - span.first).days + 1
    if days <= 0 or (counts == "whole" and days < whole):
        return 0.0
    share = days / whole if counts == "share" else 1.0
    return share * entry.intensity


def _coarse(start: Span, period: Span) -> str:
    """Why a date is too coarse for the panel's periods; empty where it is not."""
    length = (start.last - start.first).days
    if start.precision == "day" or length <= (period.last - period.first).days + 3:
        return ""
    return _said("coarse", precision=start.precision)


def period_spans(grid: Grid, last: int) -> list[Span]:
    """The days of every period of a grid, by position.

    A period goes from one label to the next: dates three months apart are quarters,
    those a year apart years, where they begin or end quarters and years of the
    calendar.

    Raises
    ------
    NoDate
        Periods that are no dates, or whose days are not known.
    """
    return [_span(grid, grid.label(position)) for position in range(last + 1)]


def _span(grid: Grid, label: Any) -> Span:
    own, months = _counted(grid, label)
    if grid.step == 1:
        return own
    if not months and float(grid.step).is_integer():
        days = (own.last - own.first).days + 1
        last = own.first + dt.timedelta(days=days * int(grid.step) - 1)
        return Span(own.first, last, "period")
    width = months * grid.step
    if width in (3, 6, 12):
        whole, after = pd.DateOffset(months=int(width)), own.last + dt.timedelta(1)
        if (own.first.month - 1) % width == 0:
            end = pd.Timestamp(own.first) + whole - pd.Timedelta(days=1)
            return Span(own.first, end.date(), "period")
        if own.last.month % width == 0:
            return Span((pd.Timestamp(after) - whole).date(), own.last, "period")
    raise NoDate(_said("no_days", label=label, width=float(width)))


def _counted(grid: Grid, label: Any) -> tuple[Span, int]:
    """The days of one step of what a grid counts, and its months; 0 for days, weeks."""
    months = {"year": 12, "half-year": 6, "quarter": 3, "month": 1}
    if grid.kind == "week":
        monday = dt.date.fromisocalendar(*divmod(int(label), 100), 1)
        return Span(monday, monday + dt.timedelta(days=6), "period"), 0
    if grid.kind in PARTS:
        parts, base = PARTS[grid.kind]
        year, part = divmod(int(label), base)
        width = 12 // parts
        first = pd.Timestamp(year, width * (part - 1) + 1, 1)
        after = first + pd.DateOffset(months=width) - pd.Timedelta(days=1)
        return Span(first.date(), after.date(), "period"), width
    if isinstance(label, pd.Period):
        span = Span(label.start_time.date(), label.end_time.date(), "period")
        return span, round((span.last - span.first).days / 30.4)
    if grid.kind in ("date", "text") and grid.base in (*months, "week", "day"):
        day = pd.Timestamp(read_span(label).first if isinstance(label, str) else label)
        if grid.base in ("week", "day"):
            last = day + pd.Timedelta(days=6 if grid.base == "week" else 0)
            return Span(day.date(), last.date(), "period"), 0
        width = months[grid.base]
        first = pd.Timestamp(day.year, (day.month - 1) // width * width + 1, 1)
        after = first + pd.DateOffset(months=width) - pd.Timedelta(days=1)
        return Span(first.date(), after.date(), "period"), width
    if float(label).is_integer():
        return read_span(int(label)), 12
    raise NoDate(_said("no_date", label=label))


def keys_of(roster: Roster) -> Mapping[str, tuple[str, ...]]:
    """The headers, normalised, by which each part of a roster is known."""
    return _spec(roster).keys


def _spec(roster: Roster) -> Spec:
    """The shipped spec of rosters, with the headers that the declaration names."""
    spec = parse_spec("roster", shipped_specs()["roster"], variables=())
    keys = dict(spec.keys)
    for name, header in roster.columns.items():
        keys[_KEYS.get(name, name)] = (normalise(header),)
    return replace(spec, keys={k: keys[k] for k in KEYS["policy"] if k in keys})


class _Matcher:
    """Which of the panel's units a row of a roster is about."""

    def __init__(self, units, parents, choices: Choices, root: Path) -> None:
        self.choices = choices
        self.units = {str(unit).strip(): unit for unit in pd.unique(units)}
        self.folded = {name.casefold(): unit for name, unit in self.units.items()}
        self.parents: dict[str, list] = {}
        if parents is not None:
            pairs = pd.DataFrame({"unit": units, "parent": parents}).drop_duplicates()
            for unit, parent in pairs.itertuples(index=False):
                self.parents.setdefault(str(parent).strip().casefold(), []).append(unit)
        self.places, self.by_code = self._known_places(root)

    def _known_places(self, root: Path) -> tuple[Gazetteer | None, dict]:
        """The tables of Chinese places, where most units are found in them."""
        try:
            places = load_reference(root).gazetteer
        except (ImporterError, OSError):
            return None, {}
        by_code = {}
        for name, unit in self.units.items():
            code = name.removesuffix(".0")
            asked = {"code": code} if code.isdigit() else {"name": name}
            place = places.place(**asked)
            if place.how == "unit":
                by_code[place.units[0]] = unit
        if 2 * len(by_code) < len(self.units):
            return None, {}
        return places, by_code

    def units_of(self, entry: Entry) -> tuple[Iterable, str]:
        """The units, or why there are none."""
        if self.places is not None:
            return self._chinese(self.places, entry)
        name = (entry.code or entry.unit).casefold()
        parent = entry.province.casefold()
        whole = self.parents.get(name, [])
        unit = self.folded.get(name)
        if unit is not None and whole and not parent:
            return (), _said("unit_and_parent")
        if whole and (unit is None or parent == name):
            return whole, ""
        if unit is None:
            if self.choices.unknown == "leave_out":
                return (), ""
            hint = did_you_mean(name, [*self.folded, *self.parents], "; ", "")
            return (), _said("no_unit", hint=hint)
        if parent and self.parents and unit not in self.parents.get(parent, []):
            return (), _said("elsewhere", parent=entry.province)
        return [unit], ""

    def _chinese(self, places: Gazetteer, entry: Entry) -> tuple[Iterable, str]:
        place = places.place(code=entry.code, name=entry.unit, province=entry.province)
        if why := refusal(place, self.choices):
            return (), why
        if place.how == "district" and self.choices.districts != "city":
            return (), ""
        return [self.by_code[c] for c in place.units if c in self.by_code], ""
