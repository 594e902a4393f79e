"""Rosters of a staged policy: which unit, from when to when, how far, which batch."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from citypanel.dates import REFUSE, NoDate, Span, is_rule_for_times, read_span
from citypanel.errors import ImporterError, OptionError
from citypanel.importers.cells import (
    MISSING,
    address,
    clean_text,
    few,
    harmless,
    printed,
    read_number,
    starts_like_a_formula,
)
from citypanel.importers.files import SourceFile
from citypanel.importers.headers import normalise, read_headers
from citypanel.importers.matching import (
    chosen_sheets,
    header_row,
    key_columns,
    no_sheet,
    under,
)
from citypanel.importers.places import Gazetteer, Place
from citypanel.importers.specs import Spec
from citypanel.importers.units import Units

POLICY_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
SHIPPED_POLICY = "pilot_zones"
ROSTER_COLUMNS = (
    "policy", "batch", "approval_date", "end_date", "intensity", "date_precision",
    "document", "province_zh", "unit_zh", "city_id", "file", "cell",
)  # fmt: skip
NOT_STATED = "not stated"
# In the column of ends: it has not ended.
STILL = ("至今", "present", "ongoing")
DISTRICTS = ("city", "leave_out")
TWICE = ("refuse", "earliest")
# A column that may say when the policy ends, or how far it goes, is never passed over.
_LOOKS_LIKE = re.compile(
    r"结束|终止|截止|退出|撤销|到期|强度|力度|\bend|expir|terminat|intens|\bdose",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Choices:
    """How rows are read that can be read in more than one way.

    Attributes
    ----------
    districts : {"city", "leave_out"} or None
        Districts and counties: their city is treated, or they are left out. None
        refuses them.
    twice : {"refuse", "earliest"}
        A unit in several rows, as a city whose province is in the roster too.
    times : str
        A time of day, see `citypanel.dates.read_span`.
    unknown : {"refuse", "leave_out"}
        Units that no table knows.

    Raises
    ------
    OptionError
        For another value.
    """

    districts: str | None = None
    twice: str = "refuse"
    times: str = REFUSE
    unknown: str = "refuse"

    def __post_init__(self) -> None:
        unknown, times = ("refuse", "leave_out"), ("refuse", "as_written", "+08:00")
        for name, is_known, permitted in (
            ("districts", self.districts in (None, *DISTRICTS), DISTRICTS),
            ("twice", self.twice in TWICE, TWICE),
            ("unknown", self.unknown in unknown, unknown),
            ("times", is_rule_for_times(self.times), times),
        ):
            if not is_known:
                value = str(getattr(self, name))
                raise OptionError.of(
                    "importers.no_such_choice",
                    name=name, value=value, permitted=list(permitted),
                )  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One row of a roster, before its unit is matched.

    Attributes
    ----------
    unit, code, province : str
    start : Span
    end : Span or None
        None where the policy has not ended.
    intensity : float
        How far the unit is treated; 1 where the roster says nothing.
    batch : str
        Empty where the roster has none.
    document, file, cell : str
    report : callable
        Takes the name of a column and what is wrong in this row.
    """

    unit: str
    code: str
    province: str
    start: Span
    end: Span | None
    intensity: float
    batch: str
    document: str
    file: str
    cell: str
    report: Callable[[str, str], None] = field(repr=False, compare=False)


@dataclass
class RosterReading:
    """A roster, ready to become a policy that the warehouse can study.

    Attributes
    ----------
    rows : list of tuple
        `ROSTER_COLUMNS` but for the policy.
    places : dict of str to Place
        What each unit was found to be.
    batches_from : str
        Whether batches are the roster's or were counted by date.
    """

    spec: Spec
    choices: Choices = field(default_factory=Choices)
    rows: list[tuple] = field(default_factory=list)
    places: dict[str, Place] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)
    batches_from: str = "roster"
    rows_by_file: dict[str, int] = field(default_factory=dict)


def read_entries(
    files: Sequence[SourceFile],
    *,
    spec: Spec,
    units: Units,
    choices: Choices,
    problems: list[object],
    unmapped: list[str],
) -> list[Entry]:
    """The rows of a roster; what cannot be used goes to `problems`.

    Batches are the roster's, else counted by the first day of each date.
    """
    entries: list[Entry] = []
    for file in files:
        sheet = next(iter(chosen_sheets(spec, file.sheets, units)), None)
        if sheet is None:
            problems.append(no_sheet(spec, file))
            continue
        first = header_row(spec, sheet, units)
        headers = read_headers(
            sheet, first=first, count=spec.header_rows, units=units.names
        )
        has_code = under(headers, spec.keys.get("code", ()))
        missing = ("date",) if has_code else ("date", "unit")
        keys = key_columns(spec, headers, missing, sheet.file, problems)
        if "date" not in keys or not {"unit", "code"} & set(keys):
            continue
        unmapped[:] = [h.text for h in headers if h.column not in keys.values()]
        problems += [
            f"{sheet.file}: the column {printed(name)} may say when the policy ends or "
            "how far it goes, and no spec maps it: name it under keys (end, intensity) "
            "of a spec, or rename it"
            for name in unmapped
            if _LOOKS_LIKE.search(name)
        ]
        rows = _entries(sheet, first + spec.header_rows, keys, spec, choices, problems)
        entries += rows
    has_batch = {bool(entry.batch) for entry in entries}
    if len(has_batch) > 1:
        for entry in entries:
            if not entry.batch:
                entry.report("batch", "is empty in some rows and not in others")
    if not problems and not entries:
        problems.append("the roster has no rows")
    return entries


def _entries(sheet, first, keys, spec, choices, problems) -> list[Entry]:
    entries = []
    for number, row in enumerate(sheet.rows[first:], first):

        def cell_of(key, row=row):
            place = keys.get(key)
            return row[place] if place is not None and place < len(row) else ""

        def report(key, why, value=None, number=number, cell_of=cell_of):
            value = cell_of(key) if value is None else value
            problems.append(sheet.problem(number, keys.get(key, 0), value, why, key))

        lead = next((cell for cell in row if clean_text(cell)), None)
        if lead is None:
            continue
        if spec.stop_at and normalise(lead).startswith(spec.stop_at):
            break
        if normalise(lead) in spec.skip_rows:
            continue
        unit = clean_text(cell_of("unit"))
        code = clean_text(cell_of("code"))
        province = clean_text(cell_of("province"))
        if not unit and not code:
            report("unit", "is in a row without a unit", lead)
            continue
        if starts_like_a_formula(unit) or starts_like_a_formula(province):
            report("unit", "begins like a formula, and is no name")
            continue
        known = len(problems)
        days: dict[str, Span] = {}
        for key in ("date", "end"):
            if key == "date" or clean_text(cell_of(key)) not in {*MISSING, *STILL}:
                try:
                    days[key] = read_span(cell_of(key), times=choices.times)
                except NoDate as error:
                    report(key, str(error))
        start, end = days.get("date"), days.get("end")
        if start and end and end.last < start.first:
            report("end", "is before the start")
        intensity = 1.0
        if "intensity" in keys:
            text, why = read_number(cell_of("intensity"))
            value = float(text) if text else math.nan
            if not 0 < value <= 1:
                report(
                    "intensity",
                    why
                    or "is no share above 0 and up to 1; write 1 where the policy is "
                    "full, and leave out who is not treated",
                )
            intensity = value
        batch = clean_text(cell_of("batch"))
        if batch and not re.fullmatch("[1-9][0-9]{0,3}", batch):
            report("batch", "is no batch number (1, 2, ...)")
        if len(problems) > known or start is None:
            continue
        at = address(number, keys.get("unit", keys.get("code", 0)))
        entries.append(
            Entry(
                unit, code, province, start, end, intensity, batch,
                harmless(clean_text(cell_of("document"))) or NOT_STATED,
                harmless(sheet.file),
                harmless((f"{sheet.name}!" if sheet.name else "") + at),
                report,
            )
        )  # fmt: skip
    return entries


def batches_of(entries: Sequence[Entry]) -> list[int]:
    """The batch of each row: the roster's, else its date's place among the dates."""
    dates = sorted({entry.start.first for entry in entries})
    return [
        int(entry.batch) if entry.batch else dates.index(entry.start.first) + 1
        for entry in entries
    ]


def read_roster(
    files: Sequence[SourceFile],
    *,
    spec: Spec,
    gazetteer: Gazetteer,
    units: Units,
    choices: Choices | None = None,
) -> RosterReading:
    """Read the units of a staged policy, and match them with the study's cities.

    A unit is matched by code, else by name, within its province where the roster has
    one; a province stands for its cities. Known places that are no city of the study
    stay in the roster without a code, as the shipped roster has them.

    Raises
    ------
    ImporterError
        With every cell that cannot be used.
    """
    choices = choices or Choices()
    reading = RosterReading(spec=spec, choices=choices)
    problems: list[object] = []
    entries = read_entries(
        files, spec=spec, units=units, choices=choices, problems=problems,
        unmapped=reading.unmapped,
    )  # fmt: skip
    seen: dict[tuple[str, str], Entry] = {}
    rows = []
    for entry, batch in zip(entries, batches_of(entries), strict=True):
        place = gazetteer.place(
            code=entry.code, name=entry.unit, province=entry.province
        )
        if refused := refusal(place, choices):
            entry.report("unit" if entry.unit else "code", refused)
            continue
        reading.places[entry.unit or entry.code] = place
        cities: Iterable[str] = [c for c in place.units if c in gazetteer.cities]
        if place.how == "district" and choices.districts != "city":
            cities = ()
        for city_id in cities or [""]:
            city = gazetteer.cities.get(city_id)
            province = city["province_zh"] if city else entry.province or NOT_STATED
            unit = entry.unit or (city["city_zh"] if city else entry.code)
            if city and place.how == "province":
                unit = f"{unit} {city['city_zh']}"
            key = (province, city_id or unit)
            if key in seen:
                if again := _again(entry, seen[key], choices):
                    entry.report("unit" if entry.unit else "code", again)
                    continue
                reading.twice.append(city["city_zh"] if city else unit)
            seen.setdefault(key, entry)
            rows.append(
                (
                    str(batch),
                    entry.start.first.isoformat(),
                    entry.end.last.isoformat() if entry.end else "",
                    f"{entry.intensity:g}",
                    entry.start.precision,
                    entry.document,
                    province,
                    unit,
                    city_id,
                    entry.file,
                    entry.cell,
                )
            )
    if problems:
        raise ImporterError.of("importers.roster_unusable", problems)
    if not any(entry.batch for entry in entries):
        reading.batches_from = "dates, counted in their order"
    reading.rows = rows
    reading.rows_by_file = dict(Counter(entry.file for entry in entries))
    return reading


def refusal(place: Place, choices: Choices) -> str:
    """Why a row cannot be used; empty where it can."""
    if place.how == "contradiction":
        return place.remark
    leave = choices.unknown == "leave_out"
    if place.how == "unknown" and not leave:
        return (
            f"is no place that is known ({place.remark}); add --allow-unmatched "
            "(unknown: leave_out) to keep it as a unit outside the study"
        )
    if place.how == "district" and choices.districts is None and not leave:
        return (
            f"is a district or county ({place.remark}); say whether districts count "
            "as their city or are left out: --districts city or leave_out"
        )
    return ""


def _again(entry: Entry, first: Entry, choices: Choices) -> str:
    """Why a unit's second row cannot be used; empty where it can."""
    if (entry.unit, entry.code, entry.start) == (first.unit, first.code, first.start):
        return f"is in the roster twice; the first is in {first.cell}"
    if choices.twice == "earliest":
        return ""
    return (
        f"is in the roster twice; the first is {first.unit or first.code} in "
        f"{first.cell}: --twice earliest takes the earlier date"
    )


def tell(reading: RosterReading, *, gazetteer: Gazetteer) -> str:
    """What was understood of a roster."""
    places = reading.places.items()
    cities = {
        row[8]: gazetteer.cities[row[8]]["city_zh"] for row in reading.rows if row[8]
    }
    outside = [
        name
        for name, place in places
        if place.how in ("unit", "outside") and not set(place.units) & set(cities)
    ]
    unknown = [f"{name} ({p.remark})" for name, p in places if p.how == "unknown"]
    batches: dict[str, list[tuple]] = {}
    for row in reading.rows:
        batches.setdefault(row[0], []).append(row)
    lines = [
        f"Spec {reading.spec.name}: {len(reading.rows)} units in {len(batches)} "
        f"batches (batches: {reading.batches_from})."
    ]
    for batch, rows in sorted(batches.items(), key=lambda item: int(item[0])):
        dates = sorted({row[1] for row in rows})
        n_cities = len({row[8] for row in rows if row[8]})
        span = dates[0] + (f" to {dates[-1]}" if len(dates) > 1 else "")
        lines.append(f"  batch {batch}: {span}, {len(rows)} units, {n_cities} cities "
                     "of the study")  # fmt: skip
    lines.append(
        f"Cities of the study ({len(cities)}): {few(list(cities.values()), 20)}"
    )
    lines += [
        f"  {name} = {cities[place.units[0]]} ({place.remark})"
        for name, place in places
        if place.how == "unit" and place.remark and place.units[0] in cities
    ]
    provinces = [
        f"{name} ({sum(unit in cities for unit in place.units)} cities of the study)"
        for name, place in places
        if place.how == "province"
    ]
    if provinces:
        lines.append(f"Whole provinces ({len(provinces)}): {few(provinces)}")
    districts = [f"{name} ({p.remark})" for name, p in places if p.how == "district"]
    if districts:
        as_city = reading.choices.districts == "city"
        what = "counted as their city" if as_city else "left out"
        lines.append(
            f"Districts and counties, {what} ({len(districts)}): {few(districts)}"
        )
    if reading.twice:
        again = list(dict.fromkeys(reading.twice))
        lines.append(
            f"In several rows, from the earliest on ({len(again)}): {few(again)}"
        )
    ended = sum(bool(row[2]) for row in reading.rows)
    partly = sum(row[3] != "1" for row in reading.rows)
    if ended or partly:
        lines.append(
            f"Rows with an end: {ended}; with an intensity other than 1: {partly}"
        )
    years = sum(row[4] == "year" for row in reading.rows)
    if years:
        lines.append(
            f"Dated by the year alone: {years} rows; exposure_from: fraction has no "
            "share for them"
        )
    lines.append(f"Units outside the study ({len(outside)}): {few(outside)}")
    if unknown:
        lines.append(
            f"Not known, kept outside the study ({len(unknown)}): {few(unknown)}"
        )
    columns = [printed(name)[1:-1] for name in reading.unmapped]
    lines.append(f"Columns not mapped ({len(columns)}): {few(columns)}")
    return "\n".join(lines)
