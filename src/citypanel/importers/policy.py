"""Rosters of a staged policy: which unit, from when, in which batch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from citypanel.errors import ImporterError, describe
from citypanel.importers.cells import (
    Problem,
    address,
    clean_text,
    harmless,
    printed,
    read_date,
    starts_like_a_formula,
)
from citypanel.importers.files import NOTHING_WRITTEN, SourceFile
from citypanel.importers.headers import normalise, read_headers
from citypanel.importers.places import Gazetteer, Match
from citypanel.importers.specs import Spec
from citypanel.importers.units import Units
from citypanel.importers.yearbook import (
    _chosen,
    _few,
    _near,
    _no_sheet,
    _under,
    header_row,
)

POLICY_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
SHIPPED_POLICY = "pilot_zones"
ROSTER_COLUMNS = (
    "policy", "batch", "approval_date", "document", "province_zh", "unit_zh", "city_id",
    "file", "cell",
)  # fmt: skip
NOT_STATED = "not stated"


@dataclass
class RosterReading:
    """A roster, ready to become a policy that the warehouse can study.

    Attributes
    ----------
    rows : list of tuple
        (batch, approval_date, document, province_zh, unit_zh, city_id, file, cell).
    batches_from : str
        Whether batches are the roster's or were counted by date.
    """

    spec: Spec
    rows: list[tuple] = field(default_factory=list)
    matches: dict[str, Match] = field(default_factory=dict)
    unmapped: list[str] = field(default_factory=list)
    batches_from: str = "roster"
    rows_by_file: dict[str, int] = field(default_factory=dict)


def read_roster(
    files: Sequence[SourceFile],
    *,
    spec: Spec,
    gazetteer: Gazetteer,
    units: Units,
    allow_unmatched: bool = False,
) -> RosterReading:
    """Read the units of a staged policy.

    A unit is matched by code, else by name, within its province where the roster has
    one. Known places that are no city of the study stay in the roster without a code,
    as the shipped roster has them.

    Parameters
    ----------
    allow_unmatched : bool
        Keep units of unknown name (districts, counties) without a code, rather than
        refuse: a misspelt city would silently count as never treated.

    Raises
    ------
    ImporterError
        With every cell that cannot be used.
    """
    reading = RosterReading(spec=spec)
    problems: list[object] = []
    seen: dict[tuple[str, str], str] = {}
    rows: list[list] = []
    for file in files:
        before = len(rows)
        sheet = next(iter(_chosen(spec, file.sheets, units)), None)
        if sheet is None:
            problems.append(_no_sheet(spec, file))
            continue
        first = header_row(spec, sheet, units)
        headers = read_headers(
            sheet,
            first=first,
            count=spec.header_rows,
            units=units.names,
        )
        keys: dict[str, int] = {}
        for key, names in spec.keys.items():
            found = _under(headers, names)
            if len(found) == 1:
                keys[key] = found[0].column
            elif (
                found
                or key == "date"
                or (key == "unit" and not _under(headers, spec.keys.get("code", ())))
            ):
                what = "is not there" if not found else f"stands {len(found)} times"
                problems.append(
                    f"{sheet.file}: the column of the {key}, {' or '.join(names)}, "
                    f"{what}" + _near(names, headers)
                )
        if "date" not in keys or not {"unit", "code"} & set(keys):
            continue
        reading.unmapped = [h.text for h in headers if h.column not in keys.values()]
        _read_rows(
            sheet, first, keys, rows, reading, problems, seen,
            gazetteer=gazetteer, allow_unmatched=allow_unmatched,
        )  # fmt: skip
        reading.rows_by_file[file.path.name] = len(rows) - before
    if not problems and not rows:
        problems.append("the roster has no rows")
    if problems:
        raise ImporterError(
            describe(
                "The roster cannot be imported as it stands",
                problems,
                consequence="a unit that is lost or misdated would move the estimates; "
                + NOTHING_WRITTEN,
                remedy="correct the roster; or say with a spec of your own which "
                "columns hold unit, date, batch (docs/how-to/import.md)",
            )
        )
    if all(row[0] == "" for row in rows):
        reading.batches_from = "dates, counted in their order"
        dates = sorted({row[1] for row in rows})
        for row in rows:
            row[0] = str(dates.index(row[1]) + 1)
    reading.rows = [tuple(row) for row in rows]
    return reading


def _read_rows(
    sheet, first, keys, rows, reading, problems, seen, *, gazetteer, allow_unmatched
) -> None:
    spec = reading.spec

    def cell_of(row, key):
        place = keys.get(key)
        return row[place] if place is not None and place < len(row) else ""

    def report(number, key, value, why):
        problems.append(
            Problem(
                file=sheet.file, sheet=sheet.name,
                cell=address(number, keys.get(key, 0)), column=key, value=str(value),
                why=why,
            )
        )  # fmt: skip

    has_batches = None
    first += spec.header_rows
    for number, row in enumerate(sheet.rows[first:], first):
        lead = next((cell for cell in row if clean_text(cell)), None)
        if lead is None:
            continue
        if spec.stop_at and normalise(lead).startswith(spec.stop_at):
            break
        if normalise(lead) in spec.skip_rows:
            continue
        unit = clean_text(cell_of(row, "unit")).replace(" ", "")
        code = clean_text(cell_of(row, "code"))
        province = clean_text(cell_of(row, "province"))
        if not unit and not code:
            report(number, "unit", lead, "is in a row without a unit")
            continue
        if starts_like_a_formula(unit) or starts_like_a_formula(province):
            report(number, "unit", unit, "begins like a formula, and is no name")
            continue
        match = gazetteer.find(code=code, name=unit, province=province)
        if match.how == "contradiction":
            report(number, "unit" if unit else "code", unit or code, match.remark)
            continue
        if match.how == "unknown" and not allow_unmatched:
            report(
                number, "unit" if unit else "code", unit or code,
                f"is no place that is known ({match.remark}); add --allow-unmatched to "
                "keep it as a unit outside the study",
            )  # fmt: skip
            continue
        date = read_date(cell_of(row, "date"))
        if date is None:
            report(
                number, "date", cell_of(row, "date"),
                "is no day (2015-03-07); where only the year is known, write its first "
                "day and do not use exposure_from: fraction",
            )  # fmt: skip
            continue
        batch = clean_text(cell_of(row, "batch"))
        if batch and not re.fullmatch("[1-9][0-9]{0,3}", batch):
            report(number, "batch", batch, "is no batch number (1, 2, ...)")
            continue
        if has_batches is None:
            has_batches = bool(batch)
        elif has_batches != bool(batch):
            report(number, "batch", batch, "is empty in some rows and not in others")
            continue
        if match.city_id:
            city = gazetteer.cities[match.city_id]
            province = city["province_zh"]
            unit = unit or city["city_zh"]
        elif not province:
            province = NOT_STATED
        key = (province, match.city_id or unit or code)
        if key in seen:
            report(
                number, "unit" if unit else "code", unit or code,
                f"is in the roster twice; the first is in {seen[key]}",
            )  # fmt: skip
            continue
        cell = harmless(
            (f"{sheet.name}!" if sheet.name else "")
            + address(number, keys.get("unit", keys.get("code", 0)))
        )
        seen[key] = cell
        reading.matches[unit or code] = match
        rows.append(
            [
                batch,
                date,
                harmless(clean_text(cell_of(row, "document"))) or NOT_STATED,
                province,
                unit or code,
                match.city_id,
                harmless(sheet.file),
                cell,
            ]
        )


def tell(reading: RosterReading, *, gazetteer: Gazetteer) -> str:
    """What was understood of a roster."""
    cities = [name for name, match in reading.matches.items() if match.city_id]
    outside = [
        name
        for name, m in reading.matches.items()
        if not m.city_id and m.how != "unknown"
    ]
    unknown = [
        f"{name} ({match.remark})"
        for name, match in reading.matches.items()
        if match.how == "unknown"
    ]
    batches: dict[str, list[tuple]] = {}
    for row in reading.rows:
        batches.setdefault(row[0], []).append(row)
    lines = [
        f"Spec {reading.spec.name}: {len(reading.rows)} units in {len(batches)} "
        "batches "
        f"(batches: {reading.batches_from})."
    ]
    for batch, rows in sorted(batches.items(), key=lambda item: int(item[0])):
        dates = sorted({row[1] for row in rows})
        n_cities = sum(bool(row[5]) for row in rows)
        span = dates[0] + (f" to {dates[-1]}" if len(dates) > 1 else "")
        lines.append(f"  batch {batch}: {span}, {len(rows)} units, {n_cities} cities "
                     "of the study")  # fmt: skip
    lines.append(f"Cities of the study ({len(cities)}): {_few(cities, 20)}")
    lines += [
        f"  {name} = {gazetteer.cities[match.city_id]['city_zh']} ({match.remark})"
        for name, match in reading.matches.items()
        if match.how == "change" and match.city_id
    ]
    lines.append(f"Units outside the study ({len(outside)}): {_few(outside)}")
    if unknown:
        lines.append(
            f"Not known, kept outside the study ({len(unknown)}): {_few(unknown)}"
        )
    columns = [printed(name)[1:-1] for name in reading.unmapped]
    lines.append(f"Columns not mapped ({len(columns)}): {_few(columns)}")
    return "\n".join(lines)
