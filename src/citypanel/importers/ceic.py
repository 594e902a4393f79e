"""Exports of time series with a block of metadata above a column of dates."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from citypanel.errors import ImporterError
from citypanel.importers.cells import (
    clean_text,
    few,
    harmless,
    read_date,
    read_number,
    starts_like_a_formula,
)
from citypanel.importers.files import Sheet, SourceFile
from citypanel.importers.names import LABELS
from citypanel.importers.specs import Spec
from citypanel.importers.units import Units

SERIES_COLUMNS = ("series_id", "date", "value")
METADATA_COLUMNS = (
    "series_id", "series_name", "series_name_zh", "indicator", "country", "region",
    "province_id", "frequency", "unit", "source", "status", "first_obs_date",
    "last_obs_date", "remarks",
)  # fmt: skip
REQUIRED = ("series_id", "series_name", "frequency", "unit", "source")
# What the warehouse takes: the quantity an indicator has to be in.
INDICATORS = {"GDP": "CNY", "FAI": "CNY", "GDPIDX": "percent", "FAIPI": "percent"}
INDEX_UNIT = "Prev Year=100"
MONTHS = "(?ai:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"


@dataclass
class SeriesReading:
    """Series of an export: what each is, and what it holds.

    Attributes
    ----------
    metadata : dict
        Row of raw_ceic_series_metadata by series id.
    observations : dict
        (series id, date) to the value as text.
    unmapped : list of str
        Names of series that no rule of the spec takes.
    """

    spec: Spec
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    observations: dict[tuple[str, str], str] = field(default_factory=dict)
    unmapped: list[str] = field(default_factory=list)
    rows_by_file: dict[str, int] = field(default_factory=dict)
    skipped_labels: list[str] = field(default_factory=list)


def read_series(
    files: Sequence[SourceFile],
    *,
    spec: Spec,
    provinces: Sequence[Mapping[str, str]],
    units: Units,
) -> SeriesReading:
    """Read the annual province series that a spec's rules take.

    Raises
    ------
    ImporterError
        With every series and cell that cannot be used.
    """
    reading = SeriesReading(spec=spec)
    problems: list[object] = []
    for file in files:
        before = len(reading.observations)
        blocks = [
            (sheet, first)
            for sheet in file.sheets
            if not isinstance(spec.sheet, str) or sheet.name == spec.sheet
            if (first := _first_date(sheet)) is not None
        ]
        if not blocks:
            problems.append(
                f"{file.path.name}: no column of dates below a block of metadata was "
                "found"
            )
            continue
        for sheet, first in blocks:
            _read_block(
                sheet, first, reading, problems, provinces=provinces, units=units
            )
        reading.rows_by_file[file.path.name] = len(reading.observations) - before
    if not problems and not reading.metadata:
        problems.append(
            "no series is taken by a rule of the spec; series: "
            + few(reading.unmapped, 10)
        )
    if problems:
        raise ImporterError.of("importers.export_unusable", problems)
    return reading


def _first_date(sheet: Sheet) -> int | None:
    """The row at which dates begin, with labels of metadata above it."""
    labels = 0
    for number, row in enumerate(sheet.rows[:200]):
        lead = row[0] if row else ""
        if _label(lead) in LABELS:
            labels += 1
        elif labels >= 2 and _year_end(lead) is not None:
            return number
    return None


def _label(value: object) -> str:
    return clean_text(value).lower().rstrip(":")


def _year_end(value: object) -> str | None:
    """A date of an annual observation as the last day of its year."""
    if isinstance(value, dt.date | dt.datetime):
        return f"{value.year:04d}-12-31"
    text = clean_text(value)
    if re.fullmatch("(19|20)[0-9]{2}", text):
        return f"{text}-12-31"
    day = read_date(text)
    if day:
        return f"{day[:4]}-12-31"
    matched = re.fullmatch(r"(?:0?[1-9]|1[0-2])[/-]((?:19|20)[0-9]{2})", text)
    if matched:
        return f"{matched[1]}-12-31"
    matched = re.fullmatch(rf"{MONTHS}[a-z]*[-/ ]((?:19|20)[0-9]{{2}})", text)
    return f"{matched[1]}-12-31" if matched else None


def _read_block(sheet, first, reading, problems, *, provinces, units) -> None:
    def report(row, column, value, why, label=""):
        problems.append(sheet.problem(row, column, value, why, label))

    rows_of: dict[str, int] = {}
    for number in range(first):
        lead = sheet.rows[number][0] if sheet.rows[number] else ""
        label = _label(lead)
        if label in LABELS:
            rows_of.setdefault(LABELS[label], number)
        elif label:
            reading.skipped_labels.append(clean_text(lead))
        elif number == 0:
            rows_of.setdefault("series_name", 0)
    missing = [name for name in REQUIRED if name not in rows_of]
    if missing:
        problems.append(
            f"{sheet.where}: the block of metadata has no row {', '.join(missing)}"
        )
        return
    dates: list[tuple[int, str]] = []
    for number, row in enumerate(sheet.rows[first:], first):
        lead = row[0] if row else ""
        if clean_text(lead) == "":
            if any(clean_text(cell) for cell in row):
                report(number, 0, "", "is an empty date beside figures", "date")
            continue
        date = _year_end(lead)
        if date is None:
            if any(read_number(cell)[0] is not None for cell in row[1:]):
                report(number, 0, lead, "is no date", "date")
            continue  # a footnote
        if any(date == known for _, known in dates):
            report(number, 0, lead, f"is a second observation of {date[:4]}", "date")
        dates.append((number, date))
    width = max(len(row) for row in sheet.rows[: first + 1])

    for column in range(1, width):
        fields = {name: _text(sheet, row, column) for name, row in rows_of.items()}
        series_id, name = fields["series_id"], fields["series_name"]
        if not series_id and not name:
            continue
        rule, province = _rule_of(
            name, fields.get("region", ""), reading.spec, provinces
        )
        if rule is None:
            reading.unmapped.append(name or series_id)
            continue
        label = f"series {series_id or name}"
        at = rows_of["series_id"]
        if not re.fullmatch(r"[A-Za-z0-9._()/-]{1,80}", series_id):
            report(at, column, series_id, "is no series id", label)
            continue
        if starts_like_a_formula(series_id):
            report(at, column, series_id, "begins like a formula", label)
            continue
        if province is None:
            report(
                rows_of.get("region", rows_of["series_name"]), column,
                fields.get("region") or name, "names no province", label,
            )  # fmt: skip
            continue
        if fields["frequency"].lower() not in ("annual", "yearly", "a"):
            report(
                rows_of["frequency"], column, fields["frequency"],
                "is not Annual; the warehouse takes annual series", label,
            )  # fmt: skip
            continue
        unit = fields["unit"]
        right = INDICATORS[rule.indicator]
        known = [name for name in units.names if units.quantity(name) == right]
        if (
            unit not in units.names
            or units.quantity(unit) != right
            or (right == "percent" and not units.same(unit, INDEX_UNIT))
        ):
            wanted = [INDEX_UNIT] if right == "percent" else known
            report(
                rows_of["unit"], column, unit,
                f"is no unit of {rule.indicator} that is known: {', '.join(wanted)}",
                label,
            )  # fmt: skip
            continue
        if not fields["source"]:
            report(rows_of["source"], column, "", "is an empty source", label)
            continue
        if series_id in reading.metadata:
            report(at, column, series_id, "is a series that stands twice", label)
            continue
        twin = next(
            (
                known_id
                for known_id, row in reading.metadata.items()
                if row["indicator"] == rule.indicator
                and row["province_id"] == province["province_id"]
            ),
            None,
        )
        if twin:
            report(
                at, column, series_id,
                f"measures what {twin} measures: {rule.indicator} of "
                f"{province['province_en']}", label,
            )  # fmt: skip
            continue
        observed = []
        for number, date in dates:
            row = sheet.rows[number]
            value = row[column] if column < len(row) else ""
            figure, problem = read_number(value)
            if figure is not None and figure.startswith("-"):
                problem = "is below 0"
            if problem:
                report(number, column, value, problem, label)
            elif figure is not None:
                observed.append(date)
                reading.observations[series_id, date] = figure
        if not observed:
            report(at, column, series_id, "is a series without a figure", label)
            continue
        reading.metadata[series_id] = {
            "series_id": series_id,
            "series_name": harmless(name),
            "series_name_zh": "",
            "indicator": rule.indicator,
            "country": harmless(fields.get("country", "")) or "China",
            "region": province["province_en"],
            "province_id": province["province_id"],
            "frequency": "Annual",
            "unit": unit,
            "source": harmless(fields["source"]),
            "status": harmless(fields.get("status", "")),
            "first_obs_date": min(observed),
            "last_obs_date": max(observed),
            "remarks": harmless(fields.get("remarks", "")),
        }


def _text(sheet: Sheet, row: int, column: int) -> str:
    cells = sheet.rows[row]
    return clean_text(cells[column]) if column < len(cells) else ""


def _rule_of(name, region, spec, provinces):
    """The rule that takes a series, and its province by region or by name."""
    for rule in spec.series:
        matched = re.fullmatch(rule.name, name)
        if matched:
            named = (matched.groupdict().get("province") or "").strip()
            for text in (named, region):
                for province in provinces:
                    if text and text in (
                        province["province_en"], province["province_zh"],
                        province["province_id"],
                    ):  # fmt: skip
                        return rule, province
            return rule, None
    return None, None


@dataclass(frozen=True)
class Merge:
    """Both seeds after an import, and what it changed in them."""

    series: list[tuple[str, str, str]]
    metadata: list[dict[str, str]]
    n_new: int
    n_revised: int
    replaced: list[str]


def merge_series(
    reading: SeriesReading,
    *,
    series: Sequence[Mapping[str, str]],
    metadata: Sequence[Mapping[str, str]],
    replace: bool,
) -> Merge:
    """Put imported series beside those that the seeds hold.

    A series of the same id is brought up to date; its unit and what it measures must
    not have changed. A series of another id that measures the same is put in place of
    the old one only when `replace` says so: two readings of one quantity cannot both
    be the deflator.

    Raises
    ------
    ImporterError
        When a unit has changed, or a quantity would have two series.
    """
    held = {row["series_id"]: dict(row) for row in metadata}
    changed = [
        f"series {series_id} ({row['series_name']}): {what} was "
        f"{held[series_id][what]}, the file says {row[what]}"
        for series_id, row in reading.metadata.items()
        if series_id in held
        for what in ("unit", "indicator", "province_id", "frequency")
        if held[series_id][what] != row[what]
    ]
    if changed:
        raise ImporterError.of("importers.series_changed", changed)
    measured = {
        (row["indicator"], row["province_id"]): key for key, row in held.items()
    }
    rivals = {
        series_id: measured[row["indicator"], row["province_id"]]
        for series_id, row in reading.metadata.items()
        if measured.get((row["indicator"], row["province_id"]), series_id) != series_id
    }
    if rivals and not replace:
        raise ImporterError.of(
            "importers.series_rival",
            [
                f"{new} ({reading.metadata[new]['series_name']}) would stand beside "
                f"{old} ({held[old]['series_name']})"
                for new, old in rivals.items()
            ],
        )
    gone = set(rivals.values())
    observations = {
        (row["series_id"], row["date"]): row["value"]
        for row in series
        if row["series_id"] not in gone
    }
    n_revised = sum(
        key in observations and float(observations[key]) != float(value)
        for key, value in reading.observations.items()
    )
    n_new = sum(key not in observations for key in reading.observations)
    observations |= reading.observations
    held = {key: row for key, row in held.items() if key not in gone}
    for series_id, row in reading.metadata.items():
        old = held.get(series_id, {})
        dates = [date for key, date in observations if key == series_id]
        held[series_id] = row | {
            "series_name_zh": old.get("series_name_zh", ""),
            "first_obs_date": min(dates),
            "last_obs_date": max(dates),
        }
    return Merge(
        series=[(*key, value) for key, value in sorted(observations.items())],
        metadata=[held[key] for key in sorted(held)],
        n_new=n_new,
        n_revised=n_revised,
        replaced=sorted(gone),
    )


def tell(reading: SeriesReading) -> str:
    """What was understood of an export."""
    lines = [
        f"Spec {reading.spec.name}: {len(reading.metadata)} series, "
        f"{len(reading.observations):,} observations."
    ]
    for series_id, row in reading.metadata.items():
        lines.append(
            f"  {series_id}: {row['series_name']} -> {row['indicator']} of "
            f"{row['region']}, in {row['unit']}, {row['first_obs_date'][:4]} to "
            f"{row['last_obs_date'][:4]}"
        )
    lines.append(f"Series not taken ({len(reading.unmapped)}): {few(reading.unmapped)}")
    labels = sorted(set(reading.skipped_labels))
    lines.append(f"Rows of metadata not kept ({len(labels)}): {few(labels)}")
    return "\n".join(lines)
