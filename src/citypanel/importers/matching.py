"""Which sheets, rows and headers of a file a spec means."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence

from citypanel.importers.files import Sheet, SourceFile
from citypanel.importers.headers import Header, normalise, read_headers
from citypanel.importers.layouts import is_of_districts
from citypanel.importers.specs import Spec
from citypanel.importers.units import Units


def named_sheets(spec: Spec, sheets: Sequence[Sheet]) -> list[Sheet]:
    """Sheets that a spec names, else those that are seen and not of 市辖区."""
    if isinstance(spec.sheet, int):
        return list(sheets[spec.sheet - 1 : spec.sheet])
    if isinstance(spec.sheet, str):
        return [sheet for sheet in sheets if sheet.name == spec.sheet]
    return [
        sheet
        for sheet in sheets
        if not sheet.is_hidden and not is_of_districts(sheet.name)
    ]


def header_row(spec: Spec, sheet: Sheet, units: Units) -> int:
    """First row of the header, from 0.

    Where the spec says nothing else than the first row, lines above the header are
    passed over.
    """
    first = spec.first_header_row - 1
    if first:
        return first
    for row in range(min(len(sheet.rows), 15)):
        headers = read_headers(
            sheet, first=row, count=spec.header_rows, units=units.names
        )
        if headers and not missing_keys(spec, headers):
            return row
    return first


def headers_of(spec: Spec, sheet: Sheet, units: Units) -> list[Header]:
    """Headers of a sheet in the rows where a spec has them."""
    return read_headers(
        sheet,
        first=header_row(spec, sheet, units),
        count=spec.header_rows,
        units=units.names,
    )


def missing_keys(spec: Spec, headers: Iterable[Header]) -> list[str]:
    """Key columns that a table lacks: the year, or both name and code of the city."""
    found = {key for key, names in spec.keys.items() if under(headers, names)}
    missing = [key for key in spec.keys if key == "year" and key not in found]
    if not found & {"city", "code"}:
        missing += [key for key in ("city", "code") if key in spec.keys]
    return missing


def key_columns(
    spec: Spec,
    headers: Sequence[Header],
    missing: Collection[str],
    where: str,
    problems: list[object],
) -> dict[str, int]:
    """The column of each key; one of `missing`, or one that stands twice, is told."""
    keys: dict[str, int] = {}
    for key, names in spec.keys.items():
        found = under(headers, names)
        if len(found) == 1:
            keys[key] = found[0].column
        elif found or key in missing:
            what = "is not there" if not found else f"stands {len(found)} times"
            problems.append(
                f"{where}: the column of the {key}, {' or '.join(names)}, {what}"
                + nearest(names, headers)
            )
    return keys


def under(headers: Iterable[Header], names: Iterable[str]) -> list[Header]:
    """Headers that read as one of some names, with unit and scope or without."""
    wanted = {normalise(name).lower() for name in names}
    return [
        header
        for header in headers
        if header.text.lower() in wanted or header.name.lower() in wanted
    ]


def chosen_sheets(spec: Spec, sheets: Sequence[Sheet], units: Units) -> list[Sheet]:
    """Sheets a spec reads: the one it names, else every one with its key columns."""
    found = named_sheets(spec, sheets)
    if spec.sheet is not None or len(found) <= 1:
        return found
    return [
        sheet
        for sheet in found
        if not missing_keys(spec, headers_of(spec, sheet, units))
    ]


def no_sheet(spec: Spec, file: SourceFile) -> str:
    """What to say where the sheet of a spec is not there."""
    wanted = (
        f"sheet {spec.sheet}" if spec.sheet else "a sheet with the spec's key columns"
    )
    names = ", ".join(
        (sheet.name or "(the text itself)") + (" (hidden)" if sheet.is_hidden else "")
        for sheet in file.sheets
    )
    return f"{file.path.name}: {wanted} is not there; there are: {names}"


def nearest(names: Iterable[str], headers: Iterable[Header]) -> str:
    """The nearest header to some names, for a message; empty where none is near."""
    known = [header.text for header in headers]
    close = [
        match
        for name in names
        for match in difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    ]
    return f"; nearest: {close[0]}" if close else ""
