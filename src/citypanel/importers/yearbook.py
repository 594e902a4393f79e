"""City-year tables of yearbooks and compilations, read by a spec or as recognised."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from citypanel.errors import ImporterError
from citypanel.importers.cells import (
    Unread,
    address,
    clean_text,
    few,
    harmless,
    plain,
    printed,
    read_number,
    read_year,
    starts_like_a_formula,
)
from citypanel.importers.files import Sheet, SourceFile
from citypanel.importers.headers import (
    DISTRICTS,
    OF_A_BASE,
    SCOPES,
    WHOLE,
    YEAR,
    Header,
    normalise,
    stated_unit,
    take_apart,
)
from citypanel.importers.layouts import (
    Layout,
    MappedColumn,
    Words,
    filled_cells,
    is_of_districts,
    is_second_header,
    recognise,
    sub_header,
)
from citypanel.importers.matching import (
    chosen_sheets,
    header_row,
    headers_of,
    key_columns,
    missing_keys,
    named_sheets,
    nearest,
    no_sheet,
    under,
)
from citypanel.importers.names import KEY_HEADERS, TOTALS
from citypanel.importers.places import Gazetteer, Match
from citypanel.importers.specs import Column, KnownCell, Spec
from citypanel.importers.units import Units
from citypanel.progress import tracked

CELL_COLUMNS = (
    "source", "variable", "city_id", "year", "value", "unit", "header", "file", "cell",
)  # fmt: skip
# No city has none of these: a zero there is a gap that was filled with 0.
NEVER_ZERO = {
    "gdp_cny_10k", "secondary_cny_10k", "tertiary_cny_10k", "population_persons_10k",
    "area_km2", "density_persons_per_km2",
}  # fmt: skip
# Relative difference up to which two figures agree: room for rounding to three digits.
AGREES = 0.005
_LEADING_ZERO, _TWO_POINTS = re.compile(r"\n0[0-9]"), re.compile(r"\.[0-9]*\.")
_ZERO = re.compile(r"^0(?:\.0+)?$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """Figures of one variable in one unit out of one column of a file.

    Attributes
    ----------
    cities, years, rows : array
        Position in `YearbookReading.city_ids`, year, and row of the sheet from 0, of
        each figure.
    values : list of str
        Figures as text, in the publisher's unit.
    column : int
        Column of the sheet from 0.
    """

    variable: str
    unit: str
    header: str
    sheet: Sheet
    column: int
    rows: np.ndarray
    cities: np.ndarray
    years: np.ndarray
    values: list[str]

    def cell(self, position: int) -> str:
        """Address of a figure, with the sheet's name."""
        where = self.sheet.place(int(self.rows[position]), self.column)
        return prefix(self.sheet) + where


def prefix(sheet: Sheet) -> str:
    """What stands before the address of a cell of a sheet."""
    return harmless(f"{sheet.name}!A1").removesuffix("A1") if sheet.name else ""


@dataclass(frozen=True)
class SheetReading:
    """What was understood of one sheet.

    Attributes
    ----------
    layout : Layout
        Where its keys and figures stand.
    unmapped : list of Header
        Columns that are no variables of the study.
    years : str
        Years found, and where they come from.
    zeros : mapping
        Zeros by variable.
    """

    layout: Layout
    unmapped: list[Header]
    years: str
    n_cells: int
    zeros: Mapping[str, int]
    notes: list[str] = field(default_factory=list)


@dataclass
class YearbookReading:
    """Cells of one or several files, ready to become a source of the warehouse.

    Attributes
    ----------
    blocks : list of Block
        The figures, a column at a time.
    city_ids : list of str
        Codes of the cities, by position.
    sheets : list of SheetReading
        What was understood, sheet by sheet.
    left : list of str
        Sheets that were not read, and why.
    matches : dict
        How each name and code of the tables was matched.
    rows_by_file : dict
        Cells taken from each file.
    n_skipped : int
        Rows left out as totals or footnotes.
    """

    spec: Spec
    city_ids: list[str]
    blocks: list[Block] = field(default_factory=list)
    sheets: list[SheetReading] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    matches: dict[tuple[str, str], Match] = field(default_factory=dict)
    rows_by_file: dict[str, int] = field(default_factory=dict)
    n_skipped: int = 0
    n_repeated: int = 0
    mended: list[str] = field(default_factory=list)

    @property
    def n_cells(self) -> int:
        return sum(len(block.values) for block in self.blocks)

    def __iter__(self) -> Iterator[tuple]:
        """(variable, city_id, year, value, unit, header, file, cell), in no order."""
        for block in self.blocks:
            file = harmless(block.sheet.file)
            for i, value in enumerate(block.values):
                yield (
                    block.variable, self.city_ids[block.cities[i]],
                    int(block.years[i]), value, block.unit, block.header, file,
                    block.cell(i),
                )  # fmt: skip

    def figures(self, variables: Collection[str]) -> Iterator[tuple]:
        """(variable, city_id, year, value, unit) of some variables, in no order."""
        for block in self.blocks:
            if block.variable in variables:
                cities = [self.city_ids[place] for place in block.cities.tolist()]
                for city_id, year, value in zip(
                    cities, block.years.tolist(), block.values, strict=True
                ):
                    yield block.variable, city_id, year, value, block.unit

    @property
    def cells(self) -> list[tuple]:
        """Every cell, sorted."""
        return sorted(self)


def fits(spec: Spec, file: SourceFile, *, units: Units) -> bool:
    """Whether a file has the sheet, the key columns and the required columns."""
    if spec.year_pattern and not re.search(spec.year_pattern, file.path.name):
        return False
    if spec.is_recognised or is_of_districts(file.path.stem):
        return False
    for sheet in chosen_sheets(spec, file.sheets, units)[:1]:
        first = header_row(spec, sheet, units)
        headers = headers_of(spec, sheet, units)
        if missing_keys(spec, headers):
            return False
        below = first + spec.header_rows
        found = [_candidates(column, headers) for column in spec.columns]
        if below < len(sheet.rows) and (
            sub_header(sheet.rows[below], units)
            or is_second_header(
                sheet.rows[below], [h.column for hs in found for h in hs]
            )
        ):
            return False
        return any(found) and all(
            matched or not column.required
            for matched, column in zip(found, spec.columns, strict=True)
        )
    return False


def read_yearbook(
    files: Sequence[SourceFile],
    *,
    spec: Spec,
    gazetteer: Gazetteer,
    units: Units,
    variables: Mapping[str, str],
    names: Mapping[str, str] | None = None,
    allow_unmatched: bool = False,
    zeros_are_gaps: bool = False,
    say: Callable[[str], None] | None = None,
) -> YearbookReading:
    """Read the cells of the study's cities that a spec maps or that are recognised.

    Parameters
    ----------
    files : sequence of SourceFile
        Files of one source.
    spec : Spec
        What they look like; with `layout: recognised`, what the sheets themselves say.
    gazetteer : Gazetteer
        Cities, places and their changes.
    units : Units
        Units that are known.
    variables : mapping of str to str
        Unit of each variable that may be mapped.
    names : mapping of str to str, optional
        Variables by the names of headers, where layouts are recognised.
    allow_unmatched : bool
        Leave out rows whose city no table of places knows, rather than refuse.
    zeros_are_gaps : bool
        Take zeros for gaps in columns that cannot be zero, rather than refuse.
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
    reading = YearbookReading(spec=spec, city_ids=list(gazetteer.cities))
    words = Words(
        names=dict(names or {})
        | {h.lower(): c.variable for c in spec.columns for h in c.headers},
        variables=variables, units=units, gazetteer=gazetteer,
        declared={column.variable: column for column in spec.columns},
    )  # fmt: skip
    problems: list[object] = []
    for file in files:
        for layout in _layouts(spec, file, words, problems, reading):
            if layout.problems:
                problems += layout.problems
                continue
            _read_layout(
                layout, reading, problems, words=words,
                allow_unmatched=allow_unmatched, zeros_are_gaps=zeros_are_gaps, say=say,
            )  # fmt: skip
    problems += _second_figures(reading, gazetteer)
    if problems:
        raise ImporterError.of("importers.table_unusable", problems)
    if not reading.n_cells:
        raise ImporterError.of(
            "importers.no_figure",
            [
                f"{file.path.name}, spec {spec.name}"
                + "".join(f"; {left}" for left in reading.left)
                for file in files
            ],
        )
    for file in files:
        reading.rows_by_file[file.path.name] = sum(
            len(b.values) for b in reading.blocks if b.sheet.file == file.path.name
        )
    return reading


def _layouts(
    spec: Spec, file: SourceFile, words: Words, problems: list[object],
    reading: YearbookReading,
) -> list[Layout]:  # fmt: skip
    """The layout of every sheet that is to be read."""
    file_year = _year_of_file(spec, file.path, problems)
    if spec.year_pattern and file_year is None:
        return []
    if not spec.is_recognised:
        chosen = chosen_sheets(spec, file.sheets, words.units)
        if not chosen:
            problems.append(no_sheet(spec, file))
        _tell_left(file.sheets, chosen, reading)
        return [
            layout
            for sheet in chosen
            if (layout := _by_spec(spec, sheet, words, problems, file_year))
        ]
    found = []
    for sheet in named_sheets(spec, file.sheets):
        layout = recognise(sheet, words)
        if layout is None:
            continue
        if is_of_districts(file.path.stem):
            layout.problems.append(
                f"{file.path.name}: its name says {DISTRICTS}, and the study is of "
                f"{WHOLE}"
            )
        if file_year is not None:
            layout = _with_year(layout, file_year, spec)
        found.append(layout)
    sound = [layout for layout in found if not layout.problems]
    _tell_left(file.sheets, [layout.sheet for layout in found], reading)
    if not found:
        problems.append(
            f"{file.path.name}: no sheet is a table of cities and figures that is "
            "recognised" + "".join(f"; {left}" for left in reading.left)
        )
    # A sheet of notes that only looks like a table does not stand in the way of one.
    return found if len(sound) < len(found) or not sound else sound


def _with_year(layout: Layout, year: int, spec: Spec) -> Layout:
    if "year" in layout.keys or any(column.year for column in layout.columns):
        return layout
    return replace(
        layout,
        year=year,
        year_from="file name"
        + (f" minus {spec.year_minus}" if spec.year_minus else ""),
        problems=[p for p in layout.problems if "says the year" not in str(p)],
    )


def _tell_left(
    sheets: Sequence[Sheet], read: Sequence[Sheet], reading: YearbookReading
) -> None:
    names = {sheet.name for sheet in read}
    for sheet in sheets:
        if sheet.name not in names and any(map(any, sheet.rows)):
            why = "no table of cities that is recognised"
            if sheet.is_hidden:
                why = "hidden"
            elif is_of_districts(sheet.name):
                why = f"its name says {DISTRICTS}, and the study is of {WHOLE}"
            reading.left.append(f"sheet {sheet.name} of {sheet.file}: {why}")


def _candidates(column: Column, headers: Iterable[Header]) -> list[Header]:
    # A year in a header beside a column of years: of which one it is is not said.
    return [
        header
        for header in under(headers, column.headers)
        if header.scope in ("", WHOLE)
        and (header.year is None or header.text in column.headers)
    ]


def _by_spec(
    spec: Spec, sheet: Sheet, words: Words, problems: list[object], year: int | None
) -> Layout | None:
    """The layout that a spec says a sheet has."""
    where = sheet.where
    first = header_row(spec, sheet, words.units)
    headers = headers_of(spec, sheet, words.units)
    if not headers:
        problems.append(f"{where}: row {first + 1} holds no headers")
        return None
    missing = missing_keys(spec, headers)
    keys = key_columns(spec, headers, missing, where, problems)
    if "code" not in keys:
        keys |= _codes_beside(sheet, headers, first + spec.header_rows, words)
    above = [cell for row in sheet.rows[:first] for cell in row]
    if any(is_of_districts(str(cell)) for cell in above):
        problems.append(
            f"{where}: a line above the table says {DISTRICTS}, and the study is of "
            f"{WHOLE}"
        )
    table_unit = stated_unit(above, units=words.units.names)
    mapped = _map_columns(
        spec, headers, problems, where, first, table_unit, words.units, words.variables
    )
    if missing or ("year" in spec.keys and "year" not in keys):
        return None
    if not {"city", "code"} & set(keys):
        return None
    minus = f" minus {spec.year_minus}" if spec.year_minus else ""
    return Layout(
        sheet=sheet, kind="panel: a row a city and year" if year is None
        else f"a table of {year}",
        header_row=first, header_rows=spec.header_rows, headers=headers, keys=keys,
        columns=mapped, year=year, year_from=f"file name{minus}" if year else "",
    )  # fmt: skip


def _codes_beside(
    sheet: Sheet, headers: Sequence[Header], below: int, words: Words
) -> dict[str, int]:
    """A column of codes that a spec does not name: it must not contradict the names."""
    for header in headers:
        if header.text.lower() in KEY_HEADERS["code"]:
            some = filled_cells(sheet.rows[below : below + 40], header.column)
            if some and all(
                words.gazetteer.find(code=cell).how in ("code", "change", "outside")
                for cell in some
            ):
                return {"code": header.column}
    return {}


def _read_layout(
    layout: Layout, reading: YearbookReading, problems: list[object], *, words: Words,
    allow_unmatched: bool, zeros_are_gaps: bool,
    say: Callable[[str], None] | None,
) -> None:  # fmt: skip
    sheet = layout.sheet
    known = {
        known.cell: known
        for known in reading.spec.known_cells
        if known.file == sheet.file and known.sheet in ("", sheet.name)
    }

    def report(row: int, column: int, value: object, why: str, header: str) -> None:
        problems.append(sheet.problem(row, column, value, why, header))

    rows, notes = _rows(
        layout, reading, report, known, words=words, allow_unmatched=allow_unmatched,
        say=say,
    )  # fmt: skip
    _merged_figures(layout, report)
    position = {code: i for i, code in enumerate(reading.city_ids)}
    numbers = np.array([row.number for row in rows], dtype=np.int32)
    cities = np.array([position[row.city_id] for row in rows], dtype=np.int16)
    years = np.array([row.year or 0 for row in rows], dtype=np.int16)
    grouped: dict[tuple[str, str], list[int]] = {}
    for place_of_row, row in enumerate(rows):
        grouped.setdefault((row.variable, row.unit), []).append(place_of_row)
    groups = {key: np.array(found) for key, found in grouped.items()}
    zeros: Counter[str] = Counter()
    before, n_blocks = reading.n_cells, len(reading.blocks)
    by_row = {_position(sheet, where): cell for where, cell in known.items()}
    n_columns = max((c.header.column for c in layout.columns), default=0) + 1
    picked = {
        group: _columns_of(sheet, numbers[members].tolist(), n_columns)
        for group, members in groups.items()
    }
    for column in layout.columns:
        at = column.header.column
        for (row_variable, row_unit), members in groups.items():
            variable = column.variable or row_variable
            unit = column.unit or row_unit
            chosen = numbers[members].tolist()
            values = list(picked[row_variable, row_unit][at])
            for i, number in enumerate(chosen) if by_row else ():
                if (number, at) in by_row:
                    values[i] = _mend(
                        by_row[number, at], values[i], reading, report, number, column
                    )
            kept, texts, bad, all_positive = _figures(values, unit)
            for i, why in bad:
                report(chosen[i], at, values[i], why, column.header.text)
            if not all_positive:
                kept, texts = _without_zeros(
                    kept, texts, variable, column, zeros, values, chosen, report,
                    zeros_are_gaps=zeros_are_gaps,
                    may_be_negative=words.units.quantity(unit) == "percent",
                )  # fmt: skip
            if not texts:
                continue
            chosen_rows = members if len(kept) == len(members) else members[kept]
            of_years = (
                years[chosen_rows]
                if column.year is None
                else np.full(len(texts), column.year, dtype=np.int16)
            )
            reading.blocks.append(
                Block(
                    variable=variable, unit=unit,
                    header=_heading(column, variable, unit), sheet=sheet, column=at,
                    rows=numbers[chosen_rows], cities=cities[chosen_rows],
                    years=of_years, values=texts,
                )
            )  # fmt: skip
    own = reading.blocks[n_blocks:]
    found = {int(year) for b in own for year in (b.years.min(), b.years.max())}
    known_years = f"{min(found)} to {max(found)}" if found else "none"
    positions = {c.header.column for c in layout.columns} | set(layout.keys.values())
    reading.sheets.append(
        SheetReading(
            layout=layout,
            unmapped=[h for h in layout.headers if h.column not in positions],
            years=known_years + (f" ({layout.year_from})" if layout.year_from else ""),
            n_cells=reading.n_cells - before, zeros=dict(zeros), notes=notes,
        )
    )  # fmt: skip


def _columns_of(sheet: Sheet, rows: list[int], n_columns: int) -> list[tuple]:
    """Cells of some rows, column by column."""
    lines = (sheet.rows[number] for number in rows)
    filled = (
        line if len(line) >= n_columns else [*line, *[""] * (n_columns - len(line))]
        for line in lines
    )
    return list(zip(*filled, strict=False))


def _heading(column: MappedColumn, variable: str, unit: str) -> str:
    name = column.header.text + ("" if column.variable else f": {variable}")
    return harmless(f"{name} [{unit}]")


def _figures(
    values: list[Any], unit: str
) -> tuple[list[int], list[str], list[tuple[int, str]], bool]:
    """Figures of a column: where they stand, their texts, and what is none.

    The last says that every figure is above 0, where that is known.
    """
    places = list(range(len(values)))
    if "" in values:
        places = [i for i in places if values[i] != ""]
        values = [values[i] for i in places]
    kinds = set(map(type, values))
    if kinds == {str}:
        lines = "\n".join(["", *values, ""])
        if _is_plain(lines):
            above = "\n0" not in lines or not _ZERO.search(lines)
            return places, values, [], above
    elif kinds == {float}:
        numbers = np.array(values)
        if np.isfinite(numbers).all():
            texts = [plain(value) for value in values]
            return places, texts, [], bool((numbers > 0).all())
    kept, texts, bad = [], [], []
    figure: str | None
    problem: str | None
    for i, value in zip(places, values, strict=True):
        if type(value) is float and value == value and abs(value) != float("inf"):
            figure, problem = plain(value), None
        else:
            figure, problem = read_number(value)
        if problem and not isinstance(value, Unread):
            figure, problem = _with_unit(value, problem, unit)
        if problem:
            bad.append((i, problem))
        elif figure is not None:
            kept.append(i)
            texts.append(figure)
    return kept, texts, bad, False


def _is_plain(lines: str) -> bool:
    """Whether every line is a number that needs no second look (12, 0.5)."""
    return (
        lines.isascii()
        and not lines.encode("ascii").translate(None, b"0123456789.\n")
        and not any(odd in lines for odd in ("\n\n", "\n.", ".\n"))
        and not _LEADING_ZERO.search(lines)
        and not _TWO_POINTS.search(lines)
    )


def _with_unit(value: object, problem: str, unit: str) -> tuple[str | None, str | None]:
    """A figure with the unit of its column behind it (7.4%, 120万人)."""
    text = clean_text(value)
    ending = "%" if unit in ("%", "百分比", "% (0-100)") else unit
    if ending and text.endswith(ending):
        return read_number(text.removesuffix(ending))
    return None, problem


def _without_zeros(
    kept, texts, variable, column, zeros, values, chosen, report, *, zeros_are_gaps,
    may_be_negative,
):  # fmt: skip
    """Figures without negative levels and without zeros that stand for gaps."""
    joined = "\n".join(["", *texts])
    if "-" not in joined and ("\n0" not in joined or not _ZERO.search(joined)):
        return kept, texts
    sound, figures = [], []
    for i, text in zip(kept, texts, strict=True):
        if text.startswith("-") and float(text) != 0 and not may_be_negative:
            report(chosen[i], column.header.column, values[i], "is below 0",
                   column.header.text)  # fmt: skip
            continue
        if float(text) == 0:
            zeros[variable] += 1
            if column.zero_is_missing or (zeros_are_gaps and variable in NEVER_ZERO):
                continue
            if variable in NEVER_ZERO:
                report(
                    chosen[i], column.header.column, values[i],
                    f"is no {variable} of a city; where 0 stands for a gap, add "
                    "--zeros-are-gaps, or zero_is_missing to the column of a spec",
                    column.header.text,
                )  # fmt: skip
                continue
        sound.append(i)
        figures.append(text)
    return sound, figures


@dataclass(frozen=True)
class _Row:
    """A row with figures of a city of the study."""

    number: int
    city_id: str
    year: int | None
    variable: str = ""
    unit: str = ""


def _rows(
    layout: Layout, reading: YearbookReading, report, known, *, words: Words,
    allow_unmatched: bool, say,
) -> tuple[list[_Row], list[str]]:  # fmt: skip
    """Rows of cities of the study, with what each says of its figures."""
    sheet, keys, spec, gazetteer = (
        layout.sheet, layout.keys, reading.spec, words.gazetteer
    )  # fmt: skip
    first = layout.header_row + layout.header_rows
    width = max(header.column for header in layout.headers) + 1
    cells = _filled_down(layout, first)
    places = [layout_column.header.column for layout_column in layout.columns]
    names_above = _names_of_rows(layout, first)
    scope_column = _scope_column(layout, first)
    stopped_at, found, notes = "", [], []
    left: Counter[str] = Counter()
    n_filled = 0
    above = {"city": "", "code": ""}
    seen: set = set()
    heading: tuple[int, object] | None = None

    def cell_of(number: int, row: Sequence[object], key: str) -> object:
        column = keys.get(key)
        if column is None:
            return ""
        if (number, column) in cells:
            return cells[number, column]
        return row[column] if column < len(row) else ""

    def figures(row: Sequence[object]) -> list[MappedColumn]:
        return [
            column
            for column, at in zip(layout.columns, places, strict=True)
            if at < len(row) and not _is_blank(row[at])
        ]

    above_rows = [
        [normalise(cell) for cell in row if clean_text(cell)]
        for row in sheet.rows[layout.header_row : first]
    ]
    leads = {row[0] for row in above_rows if row}
    stop_at = spec.stop_at
    if spec.is_recognised and not stop_at:
        stop_at = ("注:", "注释", "资料来源", "数据来源", "说明:")
    for number, row in enumerate(
        tracked(sheet.rows[first:], what=f"rows of {sheet.where}", say=say), first
    ):
        lead = next((cell for cell in row if clean_text(cell)), None)
        if lead is None:
            continue
        broken = [
            (key, cell)
            for key in keys
            if isinstance(cell := cell_of(number, row, key), Unread)
        ]
        if broken:
            key, cell = broken[0]
            report(number, keys[key], cell, cell.why, key)
            continue
        if (
            normalise(lead) in leads
            and [normalise(cell) for cell in row if clean_text(cell)] in above_rows
        ):
            reading.n_skipped += 1  # the header again, at the top of another page
            continue
        name = clean_text(cell_of(number, row, "city"))
        code = clean_text(cell_of(number, row, "code"))
        printed_year = cell_of(number, row, "year")
        at = keys.get("city" if name else "code", 0)
        if scope_column is not None and scope_column < len(row):
            scope = SCOPES.get(normalise(row[scope_column]).lower(), "")
            if scope == DISTRICTS:
                left[DISTRICTS] += 1
                reading.n_skipped += 1
                continue
        misprint = known.get(sheet.place(number, at))
        if misprint and name == misprint.printed:
            name = _mended(misprint, reading)
        label = normalise(name or lead)
        if label in spec.skip_rows or _is_a_total(label, gazetteer):
            reading.n_skipped += 1
            continue
        if stop_at and not stopped_at and normalise(lead).startswith(stop_at):
            stopped_at = sheet.place(number, 0)
        if not name and not code and layout.city:
            name = layout.city
        if not name and not code and "year" in keys and not stopped_at:
            # Under a city whose cell reaches down, each year stands once.
            year = read_year(printed_year)
            is_next = year is not None and year not in seen
            if is_next and (above["city"] or above["code"]) and figures(row):
                name, code = above["city"], above["code"]
                n_filled += 1
        if name or code:
            if (name, code) != (above["city"], above["code"]):
                seen = set()
            above["city"], above["code"] = name, code
        if not name and not code:
            # Sums over nothing, left below a table, are zeros.
            orphan = next(
                (
                    c.header
                    for c in figures(row)
                    if row[c.header.column] not in (0, "0")
                    and read_number(row[c.header.column])[0] is not None
                ),
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
        province = cell_of(number, row, "province")
        match = gazetteer.find(code=code, name=name, province=province)
        if match.how == "unknown" and not figures(row):
            if _heading_within(row, layout, words):
                heading = number, lead
        elif heading and match.city_id and not stopped_at:
            report(
                heading[0], keys.get("city", 0), heading[1],
                f"is a line within the table; whether the rows below it, from "
                f"{sheet.place(number, at)} on, are what the lines above the table "
                "say is not clear", "city",
            )  # fmt: skip
            heading = None
        if not code and not clean_text(province) and gazetteer.may_be_a_province(name):
            verdict = _province_or_city(name, names_above, gazetteer)
            if verdict == "province":
                left[f"{name} as the province"] += 1
                reading.n_skipped += 1
                continue
            if verdict == "either":
                if figures(row):
                    report(
                        number, at, name,
                        "is a province and a city, and rows of provinces stand beside; "
                        "write 吉林市 or 吉林省, or give the code", "city",
                    )  # fmt: skip
                continue
        if match.how == "unknown" and (
            stopped_at or not figures(row) or gazetteer.is_province(name)
        ):
            reading.n_skipped += 1  # a footnote or a province
            continue
        reading.matches.setdefault((code, name), match)
        if match.how == "unknown":
            if not allow_unmatched:
                report(
                    number, at, name or code,
                    f"is no place that is known ({match.remark}); add "
                    "--allow-unmatched "
                    "to leave such rows out", "city",
                )  # fmt: skip
            continue
        if match.how == "contradiction":
            report(number, at, name or code, match.remark, "city")
            continue
        if not match.city_id:
            continue
        if stopped_at:
            report(
                number, at, name or code,
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
            and sheet.is_text
            and any(clean_text(cell) for cell in row[width:])
        ):
            report(
                number, width, row[width],
                f"stands beyond the {width} columns of the header", "",
            )  # fmt: skip
            continue
        year = layout.year
        if "year" in keys:
            year = read_year(printed_year)
            if year is None:
                report(number, keys["year"], printed_year, "is not a year", "year")
                continue
            seen.add(year)
        variable = unit = ""
        if "variable" in keys:
            printed_name = cell_of(number, row, "variable")
            header = take_apart(1, [normalise(printed_name)], words.units.names)
            variable = words.variable(header)
            if header.scope == DISTRICTS or not variable:
                left[printed(printed_name)[1:-1]] += 1
                continue
            wanted = words.variables[variable]
            quantity = words.units.quantity(wanted)
            stated = clean_text(cell_of(number, row, "unit")) or header.unit
            if not stated and variable == clean_text(printed_name).lower():
                stated = wanted
            declared = words.declared.get(variable)
            stated = stated or layout.unit or (declared.unit if declared else "")
            unit = words.units.named(stated, quantity) if stated else ""
            if words.units.quantity(unit) != quantity:
                report(
                    number, keys.get("unit", keys["variable"]), stated or printed_name,
                    f"is no unit of {variable}, which is in {wanted}" if stated
                    else f"says no unit of {variable}", "unit",
                )  # fmt: skip
                continue
        found.append(_Row(number, match.city_id, year, variable, unit))
    if n_filled:
        notes.append(f"Rows under a city above them: {n_filled}")
    if cells:
        notes.append(f"Cells read from merged ranges: {len(cells)}")
    if left:
        told = [f"{name} ({count})" for name, count in left.most_common()]
        notes.append(f"Rows left out ({sum(left.values())}): {few(told)}")
    return found, notes


def _is_a_total(label: str, gazetteer: Gazetteer) -> bool:
    """Whether a row is a sum over cities: 合计, 河北省合计."""
    if label.lower() in TOTALS:
        return True
    for ending in ("合计", "总计", "小计", "平均", "平均值", "平均数"):
        stem = label.removesuffix(ending)
        if stem != label:
            return stem in ("", "全省", "全国", "各市") or gazetteer.is_province(stem)
    return False


def _heading_within(row: Sequence[object], layout: Layout, words: Words) -> bool:
    """Whether a line between the rows says another year, unit or scope than theirs."""
    for cell in row:
        text = normalise(cell)
        if not text or len(text) > 40:
            continue
        if SCOPES.get(text.lower()) == DISTRICTS or is_of_districts(text):
            return True
        years = {int(year) for year in YEAR.findall(text)}
        if layout.year is not None and years - {layout.year}:
            return not OF_A_BASE.search(text)
        if stated_unit([text], units=words.units.names):
            return True
    return False


def _scope_column(layout: Layout, first: int) -> int | None:
    """A column that says of each row whether it is of 全市 or 市辖区."""
    taken = {c.header.column for c in layout.columns} | set(layout.keys.values())
    for column in range(min(12, max(h.column for h in layout.headers) + 1)):
        if column in taken:
            continue
        found = {
            normalise(row[column]).lower()
            for row in layout.sheet.rows[first:]
            if column < len(row)
        } - {""}
        if found and found <= set(SCOPES):
            return column
    return None


def _filled_down(layout: Layout, first: int) -> dict[tuple[int, int], object]:
    """Key cells inside merged ranges, with what the range says."""
    cells = {}
    for (top, left), (bottom, _) in layout.sheet.merged:
        if top < first or left not in layout.keys.values():
            continue
        row = layout.sheet.rows[top] if top < len(layout.sheet.rows) else []
        if left >= len(row):
            continue
        for number in range(top + 1, bottom + 1):
            cells[number, left] = row[left]
    return cells


def _merged_figures(layout: Layout, report) -> None:
    """Refuse figures whose cell is merged with others: of which one is not said."""
    first = layout.header_row + layout.header_rows
    columns = {column.header.column: column.header for column in layout.columns}
    for (top, left), (bottom, right) in layout.sheet.merged:
        if top < first or top >= len(layout.sheet.rows):
            continue
        row = layout.sheet.rows[top]
        if left < len(row) and read_number(row[left])[0] is not None:
            for column in range(left, right + 1):
                if column in columns and (bottom > top or right > left):
                    report(
                        top, left, row[left],
                        f"is merged over cells up to "
                        f"{layout.sheet.place(bottom, right)}; which of them it is "
                        "the figure of is not said", columns[column].text,
                    )  # fmt: skip
                    break


def _names_of_rows(layout: Layout, first: int) -> set[str]:
    column = layout.keys.get("city")
    if column is None:
        return set()
    return {
        clean_text(row[column]).replace(" ", "")
        for row in layout.sheet.rows[first:]
        if column < len(row)
    } - {""}


def _province_or_city(name: str, names: set[str], gazetteer: Gazetteer) -> str:
    """What 吉林 is in a column of names: province, city, or either."""
    bare = name.replace(" ", "")
    if bare + "市" in names or f"{bare} City" in names or f"{bare}市" in names:
        return "province"
    others = names - {bare}
    suffixed = sum(other.endswith(("市", "州", "盟", "地区")) for other in others)
    if others and suffixed >= 0.5 * len(others):
        return "province"
    provinces = [
        other
        for other in others
        if gazetteer.is_province(other) and other not in gazetteer.names
    ]
    return "either" if provinces else "city"


def _position(sheet: Sheet, address_of_cell: str) -> tuple[int, int]:
    matched = re.fullmatch(r"([A-Z]{1,3})([0-9]{1,7})", address_of_cell)
    if not matched:
        return -1, -1
    column = 0
    for letter in matched[1]:
        column = column * 26 + ord(letter) - 64
    row, column = int(matched[2]) - 1, column - 1
    return (column, row) if sheet.is_turned else (row, column)


def _is_blank(value: object) -> bool:
    return value is None or value == "" or (isinstance(value, str) and value.isspace())


def _second_figures(reading: YearbookReading, gazetteer: Gazetteer) -> list[str]:
    """Cells that give a variable, city and year another figure.

    The same figure in another sheet is one figure printed twice, and is left out.
    """
    by_variable: dict[str, list[int]] = {}
    for number, block in enumerate(reading.blocks):
        by_variable.setdefault(block.variable, []).append(number)
    found: list[str] = []
    repeated: dict[int, list[int]] = {}
    for numbers in by_variable.values():
        blocks = [reading.blocks[number] for number in numbers]
        keys = np.concatenate(
            [block.cities.astype(np.int64) * 4096 + block.years for block in blocks]
        )
        ordered = np.sort(keys)
        if not (ordered[1:] == ordered[:-1]).any():
            continue
        owners = np.repeat(numbers, [len(block.values) for block in blocks])
        inside = np.concatenate([np.arange(len(block.values)) for block in blocks])
        firsts: dict[int, tuple[Block, int]] = {}
        for key, owner, i in zip(
            keys.tolist(), owners.tolist(), inside.tolist(), strict=True
        ):
            block = reading.blocks[owner]
            if key not in firsts:
                firsts[key] = (block, i)
                continue
            other, j = firsts[key]
            if (
                other.sheet is not block.sheet
                and float(other.values[j]) == float(block.values[i])
                and other.unit == block.unit
            ):
                repeated.setdefault(owner, []).append(i)
                continue
            city_id = reading.city_ids[block.cities[i]]
            found.append(
                f"{harmless(block.sheet.file)}, cell {block.cell(i)}, column "
                f"{block.header}, value {printed(block.values[i])}: is a second figure "
                f"of {city_id} {gazetteer.cities[city_id]['city_zh']} in "
                f"{block.years[i]}; the first is in {harmless(other.sheet.file)}, cell "
                f"{other.cell(j)}"
            )
    for owner, places in repeated.items():
        block = reading.blocks[owner]
        keep = np.setdiff1d(np.arange(len(block.values)), places)
        reading.blocks[owner] = replace(
            block,
            rows=block.rows[keep],
            cities=block.cities[keep],
            years=block.years[keep],
            values=[block.values[i] for i in keep],
        )
        reading.n_repeated += len(places)
    return found


def _map_columns(
    spec: Spec,
    headers: list[Header],
    problems: list[object],
    where: str,
    first: int,
    table_unit: str,
    units: Units,
    variables: Mapping[str, str],
) -> list[MappedColumn]:
    mapped = []
    for column in spec.columns:
        found = _candidates(column, headers)
        if len(found) > 1:
            cells = ", ".join(address(first, h.column) for h in found)
            problems.append(
                f"{where}: {column.headers[0]} ({column.variable}) stands in several "
                f"columns: {cells}"
            )
            continue
        if not found:
            if column.required:
                problems.append(
                    f"{where}: the column {' or '.join(column.headers)} "
                    f"({column.variable}) is not there"
                    + nearest(column.headers, headers)
                )
            continue
        header = found[0]
        place = f"{where}, cell {address(first, header.column)}, "
        place += f"column {header.text}"
        if starts_like_a_formula(header.text):
            problems.append(f"{place}: the header begins like a formula")
            continue
        wanted = variables[column.variable]
        quantity = units.quantity(wanted)
        stated = header.unit or table_unit
        stated = units.named(stated, quantity) or stated
        unit, unit_from = stated, "header" if header.unit else "cell above the header"
        if column.header_unit:
            if stated and not units.same(stated, column.header_unit):
                problems.append(
                    f"{place}: the spec expects the header to say "
                    f"{column.header_unit}, and it says {stated}"
                )
                continue
            unit, unit_from = column.unit, f"spec, because {column.because}"
        elif column.unit:
            if stated and not units.same(stated, column.unit):
                problems.append(
                    f"{place}: the header says {stated}, the spec {column.unit}; where "
                    "the header is wrong, the spec says so with header_unit and because"
                )
                continue
            unit, unit_from = column.unit, "spec" if not stated else unit_from
        why = ""
        if not unit:
            why = "neither the header nor the spec says the unit"
        elif unit not in units.names:
            why = f"unit {unit} is not in seeds/reference/ref_units.csv"
        elif units.quantity(unit) != quantity:
            why = f"{unit} is no unit of {column.variable}, which is in {wanted}"
        if why:
            problems.append(f"{place}: {why}")
            continue
        mapped.append(
            MappedColumn(
                variable=column.variable,
                header=header,
                unit=unit,
                unit_from=unit_from,
                zero_is_missing=column.zero_is_missing,
            )
        )
    counts = Counter(column.variable for column in mapped)
    problems += [
        f"{where}: two columns are mapped to {name}"
        for name, n in counts.items()
        if n > 1
    ]
    return mapped


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


def tell(reading: YearbookReading, *, gazetteer: Gazetteer) -> str:
    """What was understood, for a person to check before anything is written."""
    lines = [
        f"Spec {reading.spec.name}: {reading.n_cells:,} cells."
        if not reading.spec.is_recognised
        else f"Layout as recognised: {reading.n_cells:,} cells."
    ]
    if reading.spec.note:
        lines.append(f"Note: {' '.join(reading.spec.note.split())}")
    for sheet in reading.sheets:
        layout = sheet.layout
        lines.append(
            f"\n{layout.sheet.where}: {sheet.n_cells:,} cells, years {sheet.years}"
        )
        lines.append(
            f"  Layout: {layout.kind}; header in "
            + ("column " if layout.sheet.is_turned else "row ")
            + str(layout.header_row + 1)
            + (f" to {layout.header_row + layout.header_rows}"
               if layout.header_rows > 1 else "")
        )  # fmt: skip
        if layout.keys:
            texts = {header.column: header.text for header in layout.headers}
            lines.append(
                "  Keys: "
                + ", ".join(
                    f"{key} in {layout.sheet.place(layout.header_row, column)} "
                    f"{texts.get(column, '')}".strip()
                    for key, column in layout.keys.items()
                )
            )
        lines.append(f"  Columns mapped ({len(layout.columns)}), scope {WHOLE}:")
        for column in layout.columns[:60]:
            at = layout.sheet.place(layout.header_row, column.header.column)
            lines.append(
                f"    {at} {column.header.text} -> "
                f"{column.variable or 'the variable of the row'}"
                + (f" of {column.year}" if column.year else "")
                + f", in {column.unit or 'the unit of the row'} "
                f"(unit: {column.unit_from})"
                + (
                    f"; {sheet.zeros[column.variable]} zeros"
                    + (" left out as gaps" if column.zero_is_missing else "")
                    if sheet.zeros.get(column.variable)
                    else ""
                )
            )
        if len(layout.columns) > 60:
            lines.append(f"    and {len(layout.columns) - 60} more")
        districts = [h.text for h in sheet.unmapped if h.scope == DISTRICTS]
        others = [h.text for h in sheet.unmapped if h.scope != DISTRICTS]
        lines.append(f"  Columns not mapped ({len(others)}): " + few(others))
        if districts:
            lines.append(
                f"  Columns of {DISTRICTS} not mapped ({len(districts)}): "
                "the study is of whole prefectures"
            )
        lines += [f"  {note}" for note in sheet.notes]
    lines += [f"Left out: {left}" for left in reading.left]
    if reading.n_repeated:
        lines.append(f"The same figure in a second sheet: {reading.n_repeated} cells")
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
        found = by_how.get(how, [])
        lines.append(
            f"  {label}: {len(found)}"
            + (f": {few(found, 20)}" if how == "change" and found else "")
        )
    without = [
        row["city_zh"] for code, row in gazetteer.cities.items() if code not in cities
    ]
    if without:
        lines.append(f"  cities of the study not in the file ({len(without)}): "
                     + few(without, 20))  # fmt: skip
    for how, label in (
        ("outside", "Places that are no city of the study, left out"),
        ("abolished", "Places that no longer exist, left out"),
        ("unknown", "Not known, left out; the nearest known name in brackets"),
    ):
        if by_how.get(how):
            lines.append(f"{label} ({len(by_how[how])}): {few(by_how[how], 10)}")
    lines.append(f"Rows left out as totals, footnotes or without a city: "
                 f"{reading.n_skipped}")  # fmt: skip
    lines += [f"Known misprint: {mended}" for mended in reading.mended]
    return "\n".join(lines)


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
) -> list[Agreement]:
    """Compare imported figures with known ones, in the unit of the variable.

    Two agree within `AGREES`; whole numbers of 10,000 persons with what rounds to them.

    Parameters
    ----------
    cells : iterable of sequence
        (variable, city_id, year, value, unit, ...).
    known : mapping
        (variable, city_id, year) to the figure of the shipped seed.

    Returns
    -------
    list of Agreement
        One per variable with a figure in both.
    """
    import statistics

    pairs: dict[str, list[tuple[float, float | None, float | None, float | None]]] = {}
    for variable, city_id, year, value, unit, *_ in cells:
        same, before, after = (
            known.get((variable, city_id, year + lag)) for lag in (0, -1, 1)
        )
        if (same, before, after) != (None, None, None):
            figure = units.convert(float(value), unit, variables[variable])
            pairs.setdefault(variable, []).append((figure, same, before, after))

    def agreeing(values: Iterable[tuple[float, float | None]]) -> tuple[int, int]:
        both = [(a, b) for a, b in values if b is not None]
        return len(both), sum(
            abs(a - b) <= max(AGREES * abs(b), 0.501 if rounded and b % 1 == 0 else 0)
            for a, b in both
        )

    agreements = []
    for variable, rows in sorted(pairs.items()):
        rounded = variables[variable] == "10,000 persons"
        n_both, n_agree = agreeing((row[0], row[1]) for row in rows)
        n_before, n_agree_before = agreeing((row[0], row[2]) for row in rows)
        n_after, n_agree_after = agreeing((row[0], row[3]) for row in rows)
        ratios = [row[0] / row[1] for row in rows if row[1]]
        if not max(n_both, n_before, n_after):
            continue
        agreements.append(
            Agreement(
                variable=variable,
                n_both=n_both,
                n_agree=n_agree,
                median_ratio=statistics.median(ratios) if ratios else float("nan"),
                n_both_year_before=n_before,
                n_agree_year_before=n_agree_before,
                n_both_year_after=n_after,
                n_agree_year_after=n_agree_after,
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
                    "year: the year is shifted"
                )
    return found
