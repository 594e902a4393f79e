"""What a table looks like, told from the sheet: keys, figures, and what they are of.

A figure belongs to a city, a year, a variable and a unit. Each may stand in a column of
its own, in the header above, in the name of the sheet or in a line above the table. So
the layouts that circulate are one: a panel (a row a city and year), a column a year, a
row a figure, a sheet a year, and each of them with rows and columns changed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from citypanel.importers.cells import clean_text, read_number, read_year
from citypanel.importers.files import Sheet
from citypanel.importers.headers import (
    DISTRICTS,
    OF_A_BASE,
    WHOLE,
    YEAR,
    Header,
    normalise,
    read_headers,
    stated_unit,
    take_apart,
)
from citypanel.importers.names import KEY_HEADERS, OTHER_NAMES
from citypanel.importers.places import Gazetteer
from citypanel.importers.specs import Column
from citypanel.importers.units import Units

# What a title says beside the variable.
_TITLE_WORDS = re.compile(
    r"各?地级(及以上)?城?市|各(市|城市|地市|地区)|全国|中国|我国|城市|分(市|地区)|历年|"
    r"(面板|统计|原始)?数据|统计?表|汇总|情况|主要|指标|表[0-9一二三四五六七八九十.\-—]+|"
    r"[0-9]{4}|年份?|[至到—\-~_、.:()\s]|全市|的|by(city|year)|of|cities|china|in"
)
# 建成区面积 is a figure of the whole city.
_OF_DISTRICTS = re.compile(
    "市区|辖区|市本级|主城区|中心城区|建成区(?!面积|绿)|城区(?!面积|人口)|districts"
)
_HEADER_SEARCHED, _MOST_TURNED = 15, 3_000_000


@dataclass(frozen=True)
class MappedColumn:
    """A column of a sheet and the variable it is.

    Attributes
    ----------
    variable, unit : str
        Empty where the rows say it.
    year : int or None
        Where the header says it.
    """

    variable: str
    header: Header
    unit: str
    unit_from: str
    zero_is_missing: bool = False
    year: int | None = None


@dataclass(frozen=True)
class Layout:
    """Where keys and figures of a sheet stand.

    Attributes
    ----------
    sheet : Sheet
        Turned where cities stand in columns.
    kind : str
        For a person: panel, a column a year, ...
    header_row, header_rows : int
        First row of the header from 0, and how many.
    keys : dict
        Column of city, code, province, year, variable, unit, as far as there is one.
    year, city : int or None, str
        Of the whole sheet; `year_from` says where that stands.
    problems : list of str
        Why it cannot be read as it stands.
    """

    sheet: Sheet
    kind: str
    header_row: int
    header_rows: int
    headers: Sequence[Header]
    keys: Mapping[str, int]
    columns: Sequence[MappedColumn]
    year: int | None = None
    year_from: str = ""
    city: str = ""
    unit: str = ""
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Words:
    """What headers are known as: names of variables, units declared for them."""

    names: Mapping[str, str]
    variables: Mapping[str, str]
    units: Units
    gazetteer: Gazetteer
    declared: Mapping[str, Column] = field(default_factory=dict)

    def variable(self, header: Header) -> str:
        """The variable that a header names, or empty."""
        found = {
            self.names[name.lower()]
            for name in (header.name, header.text, *header.names)
            if name.lower() in self.names
        }
        return found.pop() if len(found) == 1 else ""


def names_of_variables(
    variables: Iterable[Mapping[str, str]], columns: Iterable[Column]
) -> dict[str, str]:
    """Names that headers may have, from ref_variables, from specs and from usage."""
    known: dict[str, str] = {}
    for column in columns:
        for header in column.headers:
            known.setdefault(header.lower(), column.variable)
    listed = set()
    for row in variables:
        listed.add(row["variable"])
        known[row["variable"].lower()] = row["variable"]
        for key in ("yearbook_column", "label_en", "label_zh"):
            name = normalise(row.get(key) or "")
            if name:
                known[name.lower()] = row["variable"]
                known[re.sub(r"\([^()]*\)$", "", name).lower()] = row["variable"]
    for name, variable in OTHER_NAMES.items():
        if variable in listed:
            known.setdefault(name, variable)
    return known


def is_of_districts(name: str) -> bool:
    """Whether the name of a sheet or a title says that its figures are of 市辖区."""
    text = normalise(name).lower()
    return (
        _OF_DISTRICTS.search(text) is not None
        and WHOLE not in text
        and "不含" not in text
    )


def recognise(sheet: Sheet, words: Words) -> Layout | None:
    """The layout of a sheet, or None where it is no table of cities.

    A table whose cities stand in columns is read turned.
    """
    found = _recognise(sheet, words)
    if found is None or found.problems:
        n_cells = sum(map(len, sheet.rows))
        if n_cells <= _MOST_TURNED and len(sheet.rows) <= 20_000:
            other = _recognise(turned(sheet), words)
            if other is not None and (found is None or not other.problems):
                return replace(other, kind=f"{other.kind}, cities in columns")
    return found


def turned(sheet: Sheet) -> Sheet:
    """A sheet with rows and columns changed over; addresses stay those of the file."""
    width = max(map(len, sheet.rows), default=0)
    rows = [
        [row[column] if column < len(row) else "" for row in sheet.rows]
        for column in range(width)
    ]
    merged = [
        ((left, top), (right, bottom))
        for (top, left), (bottom, right) in sheet.merged
    ]  # fmt: skip
    return replace(
        sheet, rows=rows, merged=merged, is_turned=not sheet.is_turned, is_text=False
    )


def _recognise(sheet: Sheet, words: Words) -> Layout | None:
    best: tuple[tuple, Layout] | None = None
    for first in range(min(len(sheet.rows), _HEADER_SEARCHED)):
        if not any(clean_text(cell) for cell in sheet.rows[first]):
            continue
        for count in (1, 2, 3):
            rows = sheet.rows[first : first + count]
            if count > 1 and not any(clean_text(cell) for cell in rows[0][1:]):
                break  # a title
            if len(rows) < count or any(map(_has_figures, rows)):
                break
            layout = _layout(sheet, first, count, words)
            if layout is None:
                continue
            below = sheet.rows[first + count] if first + count < len(sheet.rows) else []
            score = (
                not layout.problems,
                not _continues(below, layout, words),
                sum(column.header.scope == WHOLE for column in layout.columns),
                len(layout.columns),
                len(layout.keys),
                -count,
                -first,
            )
            if best is None or score > best[0]:
                best = (score, layout)
    return best[1] if best else None


def _has_figures(row: Sequence[object]) -> bool:
    """Whether a row that is taken for a header holds a figure that is no year."""
    return any(
        read_year(cell) is None and read_number(cell)[0] is not None for cell in row
    )


def _continues(row: Sequence[object], layout: Layout, words: Words) -> bool:
    """Whether the row below a header belongs to it: units, scopes, labels."""
    texts = [clean_text(cell) for cell in row]
    if sum(bool(text) for text in texts) < 1 or _has_figures(row):
        return False
    for key in ("city", "code"):
        column = layout.keys.get(key)
        if column is not None and column < len(texts) and texts[column]:
            found = words.gazetteer.find(**{"name" if key == "city" else key:
                                            texts[column]})  # fmt: skip
            if found.how != "unknown":
                return False
    return True


def sub_header(row: Sequence[object], units: Units) -> bool:
    """Whether a row has only scopes and units, as a second row of a header does."""
    texts = [normalise(cell) for cell in row if clean_text(cell)]
    texts = [text for text in texts if text.lower() not in KEY_HEADERS["unit"]]
    parts = [take_apart(1, [text], units.names) for text in texts]
    return bool(parts) and all(not part.name for part in parts) and any(
        part.scope or part.unit for part in parts
    )  # fmt: skip


def is_second_header(row: Sequence[object], columns: Iterable[int]) -> bool:
    """Whether a row has words where figures belong, as a header in another language."""
    cells = [row[column] for column in columns if column < len(row)]
    words = [cell for cell in cells if read_number(cell)[1] == "is not a number"]
    return bool(words) and not _has_figures(row) and not any(
        read_year(cell) is not None for cell in row
    )  # fmt: skip


def _layout(sheet: Sheet, first: int, count: int, words: Words) -> Layout | None:
    headers = read_headers(sheet, first=first, count=count, units=words.units.names)
    if not headers:
        return None
    data = sheet.rows[first + count :]
    titles = _titles(sheet, first)
    if sheet.is_turned:
        # Lines above the table stand before its first column now.
        while len(headers) > 1 and not filled_cells(data, headers[0].column, 1):
            titles.append(headers[0].text)
            headers = headers[1:]
    keys = _keys(headers)
    known = {h.column: words.variable(h) for h in headers}
    _keys_by_content(data, headers, keys, known, words)
    problems: list[str] = []
    if any(map(is_of_districts, titles)):
        problems.append(
            f"{sheet.where}: a line above the table says {DISTRICTS}, and the study "
            f"is of {WHOLE}"
        )
    city = "" if sheet.is_turned else _city_of(sheet.name, words)
    if not {"city", "code"} & set(keys) and not city:
        return None
    for header in headers:
        # A row that names a city where the cities stand is no header.
        if header.column == keys.get("city") and any(
            words.gazetteer.find(name=name).how != "unknown" for name in header.names
        ):
            return None
    year, year_from = (
        (None, "") if "year" in keys else _year_of(titles, problems, sheet)
    )
    variable = _variable_of(titles, words)
    unit = stated_unit(titles, units=words.units.names) or _unit_of(titles, words)
    taken = set(keys.values())
    columns = []
    for header in headers:
        if header.column in taken and header.column != keys.get("value"):
            continue
        if header.scope == DISTRICTS:
            continue
        name = known[header.column]
        if "year" in keys and header.year and name:
            continue
        if not name:
            is_value = header.column == keys.get("value")
            if not is_value and (header.year is None or header.name):
                continue
            if "variable" not in keys:
                name = variable
                if not name:
                    continue
        columns.append(_column(header, name, unit, words, problems, sheet, first, keys))
    if not columns:
        return None
    keys = {key: column for key, column in keys.items() if key != "value"}
    has_years = all(column.year for column in columns)
    if "year" not in keys and not has_years and year is None:
        problems.append(
            f"{sheet.where}: no column, header, sheet name or title says the year; "
            "the year of a file's name may be that of an edition, which holds the year "
            "before: say so in a spec (year.file_name, year.minus)"
        )
    seen: dict[tuple, MappedColumn] = {}
    for column in columns:
        twin = seen.setdefault((column.variable, column.year), column)
        if twin is not column:
            problems.append(
                f"{sheet.where}: {column.variable or 'the value'} stands in several "
                f"columns: {sheet.place(first, twin.header.column)} "
                f"{twin.header.text}, {sheet.place(first, column.header.column)} "
                f"{column.header.text}"
            )
    return Layout(
        sheet=sheet,
        kind=_kind(keys, has_years, year, city),
        header_row=first,
        header_rows=count,
        headers=headers,
        keys=keys,
        columns=columns,
        year=None if has_years else year,
        year_from="" if has_years else year_from,
        city=city,
        unit=unit,
        problems=problems,
    )


def _kind(keys, has_years, year, city) -> str:
    if "variable" in keys:
        kind = "long: a row a figure" if not has_years else "a row a variable"
    elif has_years:
        kind = "wide: a column a year"
    elif year is not None:
        kind = f"a table of {year}"
    else:
        kind = "panel: a row a city and year"
    return kind + (", the city in the name of the sheet" if city else "")


def _keys(headers: Iterable[Header]) -> dict[str, int]:
    found: dict[str, int] = {}
    for key, names in KEY_HEADERS.items():
        for header in headers:
            texts = {
                header.text.lower(),
                header.name.lower(),
                *map(str.lower, header.names),
            }
            if texts & set(names) and header.column not in found.values():
                found.setdefault(key, header.column)
    # A code and a name under one header's spelling (city_id beside city) are told apart
    # by their own names; `value` alone makes no table.
    return found


def _keys_by_content(data, headers, keys, known, words) -> None:
    """Find key columns whose header does not say so by what stands in them."""
    by_column = {header.column: header for header in headers}
    for key in ("variable", "unit", "value", "year"):
        # A corner says what stands beside it (指标 above cities).
        if key in keys and _is_places(filled_cells(data, keys[key]), words):
            keys.setdefault("city", keys[key])
            del keys[key]
    if "city" in keys and "code" not in keys and not _is_places(
        filled_cells(data, keys["city"]), words
    ):  # fmt: skip
        # 地区 above provinces, 名称 above variables: not the column of cities.
        other = [
            column
            for column in range(6)
            if column not in keys.values()
            and _is_places(filled_cells(data, column), words)
        ]
        if other:
            keys["city"] = other[0]
    for column in range(6):
        header = by_column.get(column)
        if column in keys.values() or known.get(column):
            continue
        if header is not None and header.year and not header.name:
            continue
        some = filled_cells(data, column)
        if not some:
            continue
        if not {"city", "code"} & set(keys) and _is_places(some, words):
            keys["city"] = column
        elif "code" not in keys and "city" not in keys and all(
            words.gazetteer.find(code=cell).how in ("code", "change", "outside")
            for cell in some
        ):  # fmt: skip
            keys["code"] = column
        elif "year" not in keys and all(read_year(cell) is not None for cell in some):
            keys["year"] = column
        elif "variable" not in keys and 2 * sum(
            bool(words.variable(take_apart(1, [normalise(cell)], words.units.names)))
            for cell in some
        ) >= len(some):  # fmt: skip
            keys["variable"] = column


def filled_cells(
    data: Sequence[Sequence[object]], column: int, most: int = 40
) -> list[str]:
    """The first texts of a column."""
    found = []
    for row in data:
        if column < len(row) and (text := clean_text(row[column])):
            found.append(text)
            if len(found) == most:
                break
    return found


def _is_places(some: Sequence[str], words: Words) -> bool:
    known = [
        cell
        for cell in some
        if read_number(cell)[0] is None
        and (
            words.gazetteer.find(name=cell).how != "unknown"
            or words.gazetteer.is_province(cell)
        )
    ]
    cities = [cell for cell in known if not words.gazetteer.is_province(cell)]
    return bool(cities) and len(known) >= 0.5 * len(some)


def _titles(sheet: Sheet, first: int) -> list[str]:
    """The sheet's name and the lines above the header."""
    above = [
        text
        for row in sheet.rows[:first]
        for cell in row
        if (text := clean_text(cell))
    ]  # fmt: skip
    return [sheet.name, *above]


def _year_of(
    titles: Sequence[str], problems: list[str], sheet: Sheet
) -> tuple[int | None, str]:
    found: dict[int, str] = {}
    for title in titles:
        text = normalise(title)
        years = {int(year) for year in YEAR.findall(text)}
        if len(years) == 1 and "年鉴" not in text and not OF_A_BASE.search(text):
            found.setdefault(
                years.pop(), "name of the sheet" if title == sheet.name else "title"
            )
    if len(found) > 1:
        problems.append(
            f"{sheet.where}: the sheet's name and the lines above the table say "
            f"different years: {', '.join(map(str, sorted(found)))}"
        )
    return next(iter(found.items()), (None, ""))


def _city_of(name: str, words: Words) -> str:
    match = words.gazetteer.find(name=name) if clean_text(name) else None
    return name if match and match.city_id else ""


def _variable_of(titles: Sequence[str], words: Words) -> str:
    """The variable of a sheet, where its name or title says nothing else."""
    found = set()
    for title in titles:
        header = take_apart(1, [normalise(title)], words.units.names)
        for text in (header.name, *re.split("[,:;]", header.name)):
            bare = _TITLE_WORDS.sub("", text.lower())
            for candidate in (text.lower(), bare):
                if candidate in words.names:
                    found.add(words.names[candidate])
    return found.pop() if len(found) == 1 else ""


def _unit_of(titles: Sequence[str], words: Words) -> str:
    units = {take_apart(1, [normalise(title)], words.units.names).unit
             for title in titles} - {""}  # fmt: skip
    return units.pop() if len(units) == 1 else ""


def _column(
    header: Header, variable: str, table_unit: str, words: Words,
    problems: list[str], sheet: Sheet, first: int, keys: Mapping[str, int],
) -> MappedColumn:  # fmt: skip
    wanted = words.variables.get(variable, "")
    quantity = words.units.quantity(wanted)
    declared = words.declared.get(variable)
    # A column under the study's own name has the study's unit.
    own = variable in (header.text.lower(), *header.names)
    where = f"{sheet.where}, cell {sheet.place(first, header.column)}, "
    where += f"column {header.text}"
    stated, unit_from = header.unit, "header"
    if own and variable:
        stated, unit_from = wanted, "name of the variable"
    elif not stated and table_unit:
        stated, unit_from = table_unit, "line above the table"
    unit = words.units.named(stated, quantity) if stated else ""
    if declared and declared.header_unit:
        if unit and not words.units.same(
            unit, words.units.named(declared.header_unit, quantity)
        ):
            problems.append(
                f"{where}: the spec expects the header to say {declared.header_unit}, "
                f"and it says {stated}"
            )
        unit, unit_from = declared.unit, f"spec, because {declared.because}"
    elif declared and declared.unit:
        if unit and not words.units.same(unit, declared.unit):
            problems.append(
                f"{where}: the header says {stated}, the spec {declared.unit}; where "
                "the header is wrong, the spec says so with header_unit and because"
            )
        unit, unit_from = declared.unit, "spec" if not stated else unit_from
    if stated and not unit:
        problems.append(
            f"{where}: unit {stated} is not in seeds/reference/ref_units.csv"
        )
    elif variable and not unit and "unit" not in keys:
        problems.append(f"{where}: nothing says the unit of {variable}")
    elif variable and unit and words.units.quantity(unit) != quantity:
        problems.append(
            f"{where}: {unit} is no unit of {variable}, which is in {wanted}"
        )
    return MappedColumn(
        variable=variable,
        header=header,
        unit=unit,
        unit_from=unit_from if unit else "the row",
        zero_is_missing=bool(declared and declared.zero_is_missing),
        year=header.year if "year" not in keys else None,
    )
