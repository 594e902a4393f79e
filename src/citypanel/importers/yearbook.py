"""City-year tables of yearbooks and compilations, read by a spec."""

from __future__ import annotations

import difflib
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from citypanel.errors import ImporterError, describe
from citypanel.importers.cells import (
    Problem,
    address,
    clean_text,
    harmless,
    printed,
    read_number,
    read_year,
    starts_like_a_formula,
)
from citypanel.importers.files import NOTHING_WRITTEN, Sheet, SourceFile
from citypanel.importers.headers import (
    DISTRICTS,
    WHOLE,
    Header,
    normalise,
    read_headers,
    stated_unit,
)
from citypanel.importers.places import Gazetteer, Match
from citypanel.importers.specs import Column, KnownCell, Spec
from citypanel.importers.units import Units
from citypanel.progress import tracked

CELL_COLUMNS = (
    "source", "variable", "city_id", "year", "value", "unit", "header", "file", "cell",
)  # fmt: skip


@dataclass(frozen=True)
class MappedColumn:
    """A column of a sheet and the variable it is."""

    variable: str
    header: Header
    unit: str
    unit_from: str
    zero_is_missing: bool
    may_be_negative: bool


@dataclass(frozen=True)
class SheetReading:
    """What was understood of one sheet.

    Attributes
    ----------
    file, sheet : str
        Where.
    mapped : list of MappedColumn
        Columns that are variables of the study.
    unmapped : list of Header
        Columns that are not.
    years : str
        Years found, and where they come from.
    """

    file: str
    sheet: str
    mapped: list[MappedColumn]
    unmapped: list[Header]
    years: str
    n_cells: int
    zeros: Mapping[str, int]


@dataclass
class YearbookReading:
    """Cells of one or several files, ready to become a source of the warehouse.

    Attributes
    ----------
    cells : list of tuple
        (variable, city_id, year, value, unit, header, file, cell), the value as text
        in the publisher's unit.
    sheets : list of SheetReading
        What was understood, sheet by sheet.
    matches : dict
        How each name and code of the tables was matched.
    rows_by_file : dict
        Cells taken from each file.
    n_skipped : int
        Rows left out as totals or footnotes.
    """

    spec: Spec
    cells: list[tuple] = field(default_factory=list)
    sheets: list[SheetReading] = field(default_factory=list)
    matches: dict[tuple[str, str], Match] = field(default_factory=dict)
    rows_by_file: dict[str, int] = field(default_factory=dict)
    n_skipped: int = 0
    mended: list[str] = field(default_factory=list)


def fits(spec: Spec, file: SourceFile, *, units: Units) -> bool:
    """Whether a file has the sheet, the key columns and the required columns."""
    if spec.year_pattern and not re.search(spec.year_pattern, file.path.name):
        return False
    sheet = _choose(spec, file.sheets, units)
    if sheet is None:
        return False
    headers = _headers(spec, sheet, units)
    if _missing_keys(spec, headers):
        return False
    found = [_candidates(column, headers) for column in spec.columns]
    return any(found) and all(
        matched or not column.required
        for matched, column in zip(found, spec.columns, strict=True)
    )


def read_yearbook(
    files: Sequence[SourceFile],
    *,
    spec: Spec,
    gazetteer: Gazetteer,
    units: Units,
    variables: Mapping[str, str],
    allow_unmatched: bool = False,
    say: Callable[[str], None] | None = None,
) -> YearbookReading:
    """Read the cells of the study's cities that a spec maps.

    Parameters
    ----------
    files : sequence of SourceFile
        Files of one source.
    spec : Spec
        What they look like.
    gazetteer : Gazetteer
        Cities, places and their changes.
    units : Units
        Units that are known.
    variables : mapping of str to str
        Unit of each variable that may be mapped.
    allow_unmatched : bool
        Leave out rows whose city no table of places knows, rather than refuse.
    say : callable or None
        Gets progress by rows, a line at a time.

    Returns
    -------
    YearbookReading

    Raises
    ------
    ImporterError
        With every cell, column and row that cannot be used; nothing is returned then.
    """
    reading = YearbookReading(spec=spec)
    problems: list[object] = []
    for file in files:
        before = len(reading.cells)
        sheet = _choose(spec, file.sheets, units)
        if sheet is None:
            problems.append(_no_sheet(spec, file))
            continue
        _read_sheet(
            sheet, reading, problems,
            file=file, gazetteer=gazetteer, units=units, variables=variables,
            allow_unmatched=allow_unmatched, say=say,
        )  # fmt: skip
        reading.rows_by_file[file.path.name] = len(reading.cells) - before
    reading.cells.sort()
    problems += _second_figures(reading.cells, gazetteer)
    if problems:
        raise ImporterError(
            describe(
                "The file cannot be imported as it stands",
                problems,
                consequence="a part of a table that looks whole would give wrong "
                "results; " + NOTHING_WRITTEN,
                remedy="correct the cells at their source; or, where the publisher "
                "prints "
                "them so, enter them under known_cells of a spec of your own "
                "(docs/how-to/import.md); correct the spec where it misreads the file",
            )
        )
    if not reading.cells:
        raise ImporterError(
            describe(
                "No figure of a city of the study was found",
                [f"{file.path.name}, spec {spec.name}" for file in files],
                consequence=NOTHING_WRITTEN,
                remedy="see with --dry-run which rows and columns were understood; the "
                "cities of the study are in seeds/reference/ref_cities.csv",
            )
        )
    return reading


def _headers(spec: Spec, sheet: Sheet, units: Units) -> list[Header]:
    return read_headers(
        sheet,
        first=spec.first_header_row - 1,
        count=spec.header_rows,
        units=units.names,
    )


def _missing_keys(spec: Spec, headers: Iterable[Header]) -> list[str]:
    """Key columns that a table lacks: the year, or both name and code of the city."""
    found = {key for key, names in spec.keys.items() if _under(headers, names)}
    missing = [key for key in spec.keys if key == "year" and key not in found]
    if not found & {"city", "code"}:
        missing += [key for key in ("city", "code") if key in spec.keys]
    return missing


def _under(headers: Iterable[Header], names: Iterable[str]) -> list[Header]:
    wanted = {normalise(name).lower() for name in names}
    return [
        header
        for header in headers
        if header.text.lower() in wanted or header.name.lower() in wanted
    ]


def _candidates(column: Column, headers: Iterable[Header]) -> list[Header]:
    return [
        header
        for header in _under(headers, column.headers)
        if header.scope in ("", WHOLE)
    ]


def _choose(spec: Spec, sheets: Sequence[Sheet], units: Units) -> Sheet | None:
    if isinstance(spec.sheet, int):
        return sheets[spec.sheet - 1] if spec.sheet <= len(sheets) else None
    if isinstance(spec.sheet, str):
        return next((sheet for sheet in sheets if sheet.name == spec.sheet), None)
    if len(sheets) == 1:
        return sheets[0]
    fitting = [
        sheet
        for sheet in sheets
        if not _missing_keys(spec, _headers(spec, sheet, units))
    ]
    return fitting[0] if fitting else None


def _no_sheet(spec: Spec, file: SourceFile) -> str:
    wanted = (
        f"sheet {spec.sheet}" if spec.sheet else "a sheet with the spec's key columns"
    )
    names = ", ".join(sheet.name or "(the text itself)" for sheet in file.sheets)
    return f"{file.path.name}: {wanted} is not there; there are: {names}"


def _read_sheet(
    sheet: Sheet,
    reading: YearbookReading,
    problems: list[object],
    *,
    file: SourceFile,
    gazetteer: Gazetteer,
    units: Units,
    variables: Mapping[str, str],
    allow_unmatched: bool,
    say: Callable[[str], None] | None,
) -> None:
    spec = reading.spec
    where = sheet.file + (f", sheet {sheet.name}" if sheet.name else "")
    headers = _headers(spec, sheet, units)
    if not headers:
        problems.append(f"{where}: row {spec.first_header_row} holds no headers")
        return
    keys: dict[str, int] = {}
    for key, names in spec.keys.items():
        found = _under(headers, names)
        if len(found) == 1:
            keys[key] = found[0].column
        elif found or key in _missing_keys(spec, headers):
            what = "is not there" if not found else f"stands {len(found)} times"
            problems.append(
                f"{where}: the column of the {key}, {' or '.join(names)}, {what}"
                + _near(names, headers)
            )
    table_unit = stated_unit(sheet, first=spec.first_header_row - 1, units=units.names)
    mapped = _map_columns(spec, headers, problems, where, table_unit, units, variables)
    if _missing_keys(spec, headers) or ("year" in spec.keys and "year" not in keys):
        return
    if not {"city", "code"} & set(keys):
        return
    file_year = _year_of_file(spec, file.path, problems)
    if spec.year_pattern and file_year is None:
        return

    positions = {column.header.column for column in mapped} | set(keys.values())
    unmapped = [header for header in headers if header.column not in positions]
    known = {
        known.cell: known
        for known in spec.known_cells
        if known.file == sheet.file and known.sheet in ("", sheet.name)
    }
    width = max(header.column for header in headers) + 1
    file_name = harmless(sheet.file)
    prefix = harmless(f"{sheet.name}!A1").removesuffix("A1") if sheet.name else ""
    letters = {c.header.column: address(0, c.header.column)[:-1] for c in mapped}
    first = spec.first_header_row - 1 + spec.header_rows
    zeros: Counter[str] = Counter()
    years: set[int] = set()
    before = len(reading.cells)
    stopped_at = ""
    headings = {
        column.variable: column.header.text + f" [{column.unit}]" for column in mapped
    }

    def cell_of(row: Sequence[object], key: str) -> object:
        place = keys.get(key)
        return row[place] if place is not None and place < len(row) else ""

    def report(row: int, column: int, value: object, why: str, header: str) -> None:
        problems.append(
            Problem(
                file=sheet.file, sheet=sheet.name, cell=address(row, column),
                column=header, value=str(value), why=why,
            )
        )  # fmt: skip

    rows = tracked(sheet.rows[first:], what=f"rows of {where}", say=say)
    for number, row in enumerate(rows, first):
        lead = next((cell for cell in row if clean_text(cell)), None)
        if lead is None:
            continue
        name, code = clean_text(cell_of(row, "city")), clean_text(cell_of(row, "code"))
        place = keys.get("city" if name else "code", 0)
        if (misprint := known.get(address(number, place))) and name == misprint.printed:
            name = _mended(misprint, reading)
        figures = [
            column
            for column in mapped
            if column.header.column < len(row)
            and not _is_blank(row[column.header.column])
        ]
        label = normalise(name or lead)
        if label in spec.skip_rows:
            reading.n_skipped += 1
            continue
        if spec.stop_at and not stopped_at and normalise(lead).startswith(spec.stop_at):
            stopped_at = address(number, 0)
        if not name and not code:
            # Sums over nothing, left below a table, are zeros.
            orphan = next(
                (c.header for c in figures if row[c.header.column] not in (0, "0")),
                None,
            )
            if orphan and not stopped_at:
                report(
                    number, orphan.column, row[orphan.column],
                    "is a figure in a row without a city", orphan.text,
                )  # fmt: skip
            else:
                reading.n_skipped += 1
            continue
        match = gazetteer.find(code=code, name=name, province=cell_of(row, "province"))
        if match.how == "unknown":
            if not figures or stopped_at:
                reading.n_skipped += 1  # a footnote
                continue
            if gazetteer.is_province(name):
                reading.n_skipped += 1
                continue
        reading.matches.setdefault((code, name), match)
        if match.how == "unknown":
            if not allow_unmatched:
                report(
                    number, place, name or code,
                    f"is no place that is known ({match.remark}); add "
                    "--allow-unmatched "
                    "to leave such rows out", "city",
                )  # fmt: skip
            continue
        if match.how == "contradiction":
            report(number, place, name or code, match.remark, "city")
            continue
        if not match.city_id:
            continue
        if stopped_at:
            report(
                number, place, name or code,
                f"is a row of a city below the footnotes that begin at {stopped_at}",
                "city",
            )  # fmt: skip
            continue
        if sheet.is_text and len(row) < width:
            report(
                number, len(row) - 1, row[-1],
                f"ends a row of {len(row)} cells where the header has {width}", "",
            )  # fmt: skip
            continue
        if (
            len(row) > width
            and any(clean_text(cell) for cell in row[width:])
            and (sheet.is_text)
        ):
            report(
                number, width, row[width],
                f"stands beyond the {width} columns of the header", "",
            )  # fmt: skip
            continue
        year = file_year
        if "year" in keys:
            year = read_year(cell_of(row, "year"))
            if year is None:
                report(
                    number, keys["year"], cell_of(row, "year"), "is not a year", "year"
                )
                continue
        years.add(year)
        for column in figures:
            position = column.header.column
            value = row[position]
            place_of_cell = f"{letters[position]}{number + 1}"
            if place_of_cell in known:
                value = _mend(
                    known[place_of_cell], value, reading, report, number, column
                )
            figure, problem = read_number(value)
            if problem and column.unit == "%":
                figure, problem = _percent(value, problem)
            if problem:
                report(number, position, value, problem, column.header.text)
                continue
            if figure is None:
                continue
            if figure.startswith("-") and not column.may_be_negative:
                report(number, position, value, "is below 0", column.header.text)
                continue
            if float(figure) == 0:
                zeros[column.variable] += 1
                if column.zero_is_missing:
                    continue
            full = prefix + place_of_cell
            reading.cells.append(
                (
                    column.variable, match.city_id, year, figure, column.unit,
                    headings[column.variable], file_name, full,
                )
            )  # fmt: skip
    known_years = f"{min(years)} to {max(years)}" if years else "none"
    reading.sheets.append(
        SheetReading(
            file=sheet.file,
            sheet=sheet.name,
            mapped=mapped,
            unmapped=unmapped,
            years=known_years
            + (
                f" (file name minus {spec.year_minus})"
                if spec.year_pattern and spec.year_minus
                else ""
            ),
            n_cells=len(reading.cells) - before,
            zeros=dict(zeros),
        )
    )


def _is_blank(value: object) -> bool:
    return value is None or value == "" or (isinstance(value, str) and value.isspace())


def _second_figures(cells: list[tuple], gazetteer: Gazetteer) -> list[str]:
    """Cells that give a variable, city and year another figure; `cells` are sorted."""
    found = []
    for first, second in itertools.pairwise(cells):
        if first[:3] == second[:3]:
            city = gazetteer.cities[second[1]]["city_zh"]
            found.append(
                f"{second[6]}, cell {second[7]}, column {second[5]}, value "
                f"{printed(second[3])}: is a second figure of {second[1]} {city} in "
                f"{second[2]}; the first is in {first[6]}, cell {first[7]}"
            )
    return found


def _map_columns(
    spec: Spec,
    headers: list[Header],
    problems: list[object],
    where: str,
    table_unit: str,
    units: Units,
    variables: Mapping[str, str],
) -> list[MappedColumn]:
    mapped = []
    for column in spec.columns:
        found = _candidates(column, headers)
        if len(found) > 1:
            cells = ", ".join(
                address(spec.first_header_row - 1, h.column) for h in found
            )
            problems.append(
                f"{where}: {column.headers[0]} ({column.variable}) stands in several "
                f"columns: {cells}"
            )
            continue
        if not found:
            if column.required:
                problems.append(
                    f"{where}: the column {' or '.join(column.headers)} "
                    f"({column.variable}) is not there{_near(column.headers, headers)}"
                )
            continue
        header = found[0]
        place = f"{where}, cell {address(spec.first_header_row - 1, header.column)}, "
        place += f"column {header.text}"
        if starts_like_a_formula(header.text):
            problems.append(f"{place}: the header begins like a formula")
            continue
        stated = header.unit or table_unit
        unit, unit_from = stated, "header" if header.unit else "cell above the header"
        if column.header_unit:
            if stated and not units.same(stated, column.header_unit):
                problems.append(
                    f"{place}: the spec expects the header to say "
                    f"{column.header_unit}, "
                    f"and it says {stated}"
                )
                continue
            unit, unit_from = column.unit, f"spec, because {column.because}"
        elif column.unit:
            if stated and not units.same(stated, column.unit):
                problems.append(
                    f"{place}: the header says {stated}, the spec {column.unit}; "
                    "where the "
                    "header is wrong, the spec says so with header_unit and because"
                )
                continue
            unit, unit_from = column.unit, "spec" if not stated else unit_from
        if not unit:
            problems.append(f"{place}: neither the header nor the spec says the unit")
            continue
        if unit not in units.names:
            problems.append(
                f"{place}: unit {unit} is not in seeds/reference/ref_units.csv"
            )
            continue
        wanted = variables[column.variable]
        if units.quantity(unit) != units.quantity(wanted):
            problems.append(
                f"{place}: {unit} is no unit of {column.variable}, which is in {wanted}"
            )
            continue
        mapped.append(
            MappedColumn(
                variable=column.variable,
                header=header,
                unit=unit,
                unit_from=unit_from,
                zero_is_missing=column.zero_is_missing,
                may_be_negative=units.quantity(unit) == "percent",
            )
        )
    doubled = [
        variable
        for variable, count in Counter(c.variable for c in mapped).items()
        if count > 1
    ]
    problems += [f"{where}: two columns are mapped to {name}" for name in doubled]
    return mapped


def _near(names: Iterable[str], headers: Iterable[Header]) -> str:
    known = [header.text for header in headers]
    close = [
        match
        for name in names
        for match in difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    ]
    return f"; nearest: {close[0]}" if close else ""


def _year_of_file(spec: Spec, path: Path, problems: list[object]) -> int | None:
    if not spec.year_pattern:
        return None
    found = re.search(spec.year_pattern, path.name)
    year = read_year(found[1]) if found else None
    if year is None:
        problems.append(
            f"{path.name}: its name holds no year where year.file_name "
            f"({spec.year_pattern}) looks for one"
        )
        return None
    return year - spec.year_minus


def _mend(known, value, reading, report, number, column) -> object:
    """The declared reading of a cell, while it still prints what was declared."""
    if clean_text(value) != clean_text(known.printed):
        report(
            number, column.header.column, value,
            f"was expected to be {printed(known.printed)} by known_cells of the spec",
            column.header.text,
        )  # fmt: skip
        return ""
    return _mended(known, reading)


def _mended(known: KnownCell, reading: YearbookReading) -> str:
    reading.mended.append(
        f"{known.file} {known.cell}: {printed(known.printed)} read as "
        f"{printed(known.read)} ({known.because})"
    )
    return known.read


def _percent(value: object, problem: str) -> tuple[str | None, str | None]:
    text = clean_text(value)
    if text.endswith("%"):
        return read_number(text[:-1])
    return None, problem


def tell(reading: YearbookReading, *, gazetteer: Gazetteer) -> str:
    """What was understood, for a person to check before anything is written."""
    lines = [f"Spec {reading.spec.name}: {len(reading.cells):,} cells."]
    if reading.spec.note:
        lines.append(f"Note: {' '.join(reading.spec.note.split())}")
    for sheet in reading.sheets:
        place = sheet.file + (f", sheet {sheet.sheet}" if sheet.sheet else "")
        lines.append(f"\n{place}: {sheet.n_cells:,} cells, years {sheet.years}")
        lines.append(f"  Columns mapped ({len(sheet.mapped)}), scope {WHOLE}:")
        for column in sheet.mapped:
            lines.append(
                "    "
                f"{address(reading.spec.first_header_row - 1, column.header.column)} "
                f"{column.header.text} -> {column.variable}, in {column.unit} "
                f"(unit: {column.unit_from})"
                + (
                    f"; {sheet.zeros[column.variable]} zeros"
                    + (" left out as gaps" if column.zero_is_missing else "")
                    if sheet.zeros.get(column.variable)
                    else ""
                )
            )
        districts = [h.text for h in sheet.unmapped if h.scope == DISTRICTS]
        others = [h.text for h in sheet.unmapped if h.scope != DISTRICTS]
        lines.append(f"  Columns not mapped ({len(others)}): " + _few(others))
        if districts:
            lines.append(
                f"  Columns of {DISTRICTS} not mapped ({len(districts)}): "
                "the study is of whole prefectures"
            )
    by_how: dict[str, list[str]] = {}
    for (code, name), match in reading.matches.items():
        city = gazetteer.cities.get(match.city_id, {}).get("city_zh", "")
        told = name or code
        if match.how == "change":
            told += f" = {city or 'no city of the study'} ({match.remark})"
        elif match.how == "abolished":
            told = match.remark
        elif match.remark:
            told += f" ({match.remark})"
        by_how.setdefault(match.how, []).append(told)
    lines.append("\nCities of the study matched:")
    cities = {match.city_id for match in reading.matches.values() if match.city_id}
    for how, label in (
        ("code", "by code"), ("name", "by name"), ("change", "through a change"),
    ):  # fmt: skip
        told = by_how.get(how, [])
        lines.append(
            f"  {label}: {len(told)}"
            + (f": {_few(told, 20)}" if how == "change" and told else "")
        )
    without = [
        row["city_zh"] for code, row in gazetteer.cities.items() if code not in cities
    ]
    if without:
        lines.append(f"  cities of the study not in the file ({len(without)}): "
                     + _few(without, 20))  # fmt: skip
    for how, label in (
        ("outside", "Places that are no city of the study, left out"),
        ("abolished", "Places that no longer exist, left out"),
        ("unknown", "Not known, left out; the nearest known name in brackets"),
    ):
        if by_how.get(how):
            lines.append(f"{label} ({len(by_how[how])}): {_few(by_how[how], 10)}")
    lines.append(f"Rows left out as totals, footnotes or without a city: "
                 f"{reading.n_skipped}")  # fmt: skip
    lines += [f"Known misprint: {mended}" for mended in reading.mended]
    return "\n".join(lines)


def _few(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(printed(name, longest=90)[1:-1] for name in names[:most])
    return (
        shown + (f" and {len(names) - most} more" if len(names) > most else "")
        or "none"
    )


@dataclass(frozen=True)
class Agreement:
    """How a variable's imported figures compare with those of the warehouse's seed."""

    variable: str
    n_both: int
    n_agree: int
    median_ratio: float
    n_agree_year_before: int
    n_both_year_before: int
    n_agree_year_after: int
    n_both_year_after: int


def compare(
    cells: Iterable[Sequence],
    *,
    known: Mapping[tuple[str, str, int], float],
    units: Units,
    variables: Mapping[str, str],
    tolerance: float = 0.005,
) -> list[Agreement]:
    """Compare imported figures with known ones, in the unit of the variable.

    Parameters
    ----------
    cells : iterable of sequence
        (variable, city_id, year, value, unit, ...).
    known : mapping
        (variable, city_id, year) to the figure of the shipped seed.
    tolerance : float
        Relative difference up to which two figures agree; half a per cent leaves room
        for rounding to three digits. Whole numbers of 10,000 persons agree with what
        rounds to them.

    Returns
    -------
    list of Agreement
        One per variable with a figure in both.
    """
    import statistics

    pairs: dict[str, list[tuple[float, float | None, float | None, float | None]]] = {}
    for variable, city_id, year, value, unit, *_ in cells:
        figures = [known.get((variable, city_id, year + lag)) for lag in (0, -1, 1)]
        if figures.count(None) < 3:
            figure = units.convert(float(value), unit, variables[variable])
            pairs.setdefault(variable, []).append((figure, *figures))

    def agreeing(values: Iterable[tuple[float, float | None]]) -> tuple[int, int]:
        both = [(a, b) for a, b in values if b is not None]
        return len(both), sum(
            abs(a - b)
            <= max(tolerance * abs(b), 0.501 if rounded and b % 1 == 0 else 0)
            for a, b in both
        )

    agreements = []
    for variable, rows in sorted(pairs.items()):
        rounded = variables[variable] == "10,000 persons"
        n_both, n_agree = agreeing((row[0], row[1]) for row in rows)
        before = agreeing((row[0], row[2]) for row in rows)
        after = agreeing((row[0], row[3]) for row in rows)
        ratios = [row[0] / row[1] for row in rows if row[1]]
        if not max(n_both, before[0], after[0]):
            continue
        agreements.append(
            Agreement(
                variable=variable,
                n_both=n_both,
                n_agree=n_agree,
                median_ratio=statistics.median(ratios) if ratios else float("nan"),
                n_both_year_before=before[0],
                n_agree_year_before=before[1],
                n_both_year_after=after[0],
                n_agree_year_after=after[1],
            )
        )
    return agreements


def doubts(agreements: Iterable[Agreement]) -> list[str]:
    """What a comparison shows to be wrong: a slipped unit or a shifted year.

    A median ratio of five or more either way is no revision (2026-11-25): the census of
    2018 moved output by less than a half. Fewer than five common figures say nothing.
    """
    found = []
    for agreement in agreements:
        if agreement.n_both >= 5 and not 0.2 < agreement.median_ratio < 5:
            found.append(
                f"{agreement.variable}: the median figure is "
                f"{agreement.median_ratio:.4g} times the warehouse's "
                f"({agreement.n_both} in both): the unit has slipped"
            )
        own = agreement.n_agree / max(agreement.n_both, 1)
        for label, both, agree in (
            ("before", agreement.n_both_year_before, agreement.n_agree_year_before),
            ("after", agreement.n_both_year_after, agreement.n_agree_year_after),
        ):
            share = agree / max(both, 1)
            if both >= 10 and share >= 0.5 and share > 2 * own:
                found.append(
                    f"{agreement.variable}: {share:.0%} of the figures are the "
                    f"warehouse's of the year {label}, {own:.0%} those of the same "
                    "year: "
                    "the year is shifted"
                )
    return found
