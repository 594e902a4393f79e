"""A spec written from the headers that are recognised, for its user to correct."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from citypanel.errors import ImporterError
from citypanel.importers.cells import address, clean_text, read_date
from citypanel.importers.files import Sheet, SourceFile, read_file
from citypanel.importers.headers import Header, read_headers
from citypanel.importers.layouts import Layout, recognise
from citypanel.importers.names import KEY_HEADERS
from citypanel.importers.project import Reference, load_reference
from citypanel.importers.specs import TO_CORRECT, USERS_FOLDER, shipped_specs


def suggest(path: Path, *, project: Path) -> tuple[Path, str]:
    """Write a spec for a file to the project's folder of specs.

    Parameters
    ----------
    path : Path
        A table of cities and years, or the roster of a policy.
    project : Path
        Root of the project.

    Returns
    -------
    path : Path
        The new spec.
    told : str
        What is left to correct.

    Raises
    ------
    ImporterError
        When no header is recognised, or the spec exists.
    """
    reference = load_reference(project)
    file = read_file(path)
    text, told = suggested_spec(file, reference)
    name = re.sub(r"[^a-z0-9]+", "_", file.path.stem.lower()).strip("_") or "my_spec"
    if not name[0].isalpha():
        name = f"spec_{name}"
    target = project / USERS_FOLDER / f"{name[:60]}.yml"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "x", encoding="utf-8", newline="\n") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
    except FileExistsError as error:
        raise ImporterError.of(
            "importers.spec_exists", target=target.relative_to(project).as_posix()
        ) from error
    except OSError as error:
        raise ImporterError.of(
            "importers.spec_unwritable", name=target.name, error=error
        ) from error
    return target, told


def suggested_spec(file: SourceFile, reference: Reference) -> tuple[str, str]:
    """The text of a spec for a file, and what is left to correct in it."""
    words = reference.words()
    sheets = [sheet for sheet in file.sheets if not sheet.is_hidden]
    layouts = [
        layout for sheet in sheets if (layout := recognise(sheet, words)) is not None
    ]
    if layouts:
        best = max(layouts, key=lambda layout: len(layout.columns))
        return _of_table(file, best, several=len(layouts) > 1)
    for sheet in sheets:
        found = _roster(sheet, reference)
        if found:
            return found
    raise ImporterError.of(
        "importers.no_headers",
        [
            f"{sheet.name or 'text'}: "
            + ", ".join(
                clean_text(cell) for cell in sheet.rows[0][:8] if clean_text(cell)
            )
            for sheet in sheets
            if sheet.rows
        ],
        file=file.path.name,
    )


def _beginning(file: str, kind: str) -> list[str]:
    return [
        f"# What {file} looks like, as far as its headers say. Check every line,",
        f"# replace each {TO_CORRECT}, and import with --spec; docs/how-to/import.md "
        "explains.",
        f"kind: {kind}",
        "origin:",
        "  publisher: not stated",
        "  title: not stated",
    ]


def _of_table(file: SourceFile, layout: Layout, *, several: bool) -> tuple[str, str]:
    sheet, first = layout.sheet, layout.header_row
    by_column = {header.column: header for header in layout.headers}
    named = all(column in by_column for column in layout.keys.values())
    is_panel = (
        named
        and not sheet.is_turned
        and not several
        and "variable" not in layout.keys
        and not any(column.year for column in layout.columns)
        and layout.year is None
        and not layout.city
    )
    lines = _beginning(file.path.name, "yearbook")
    to_correct = []
    if is_panel:
        if sheet.name:
            lines.append(f"sheet: {_quoted(sheet.name)}")
        lines += [f"first_header_row: {first + 1}",
                  f"header_rows: {layout.header_rows}", "keys:"]  # fmt: skip
        lines += [
            f"  {key}: {_quoted(by_column[column].name or by_column[column].text)}"
            for key, column in layout.keys.items()
            if key in ("city", "code", "province", "year")
        ]
    else:
        lines += [f"# {layout.kind}", "layout: recognised"]
    if any("says the year" in problem for problem in layout.problems):
        matched = re.search(r"(19|20)[0-9]{2}", file.path.name)
        lines += ["year:", '  file_name: "((?:19|20)[0-9]{2})"', "  minus: 0"]
        to_correct.append(
            "the year: is it that of the file's name"
            + (f" ({matched[0]})" if matched else ", which has none")
            + ", or was an edition's figure of the year before (minus: 1)?"
        )
    lines.append("columns:")
    seen = set()
    for column in layout.columns:
        if not column.variable or column.variable in seen:
            continue
        seen.add(column.variable)
        header = column.header
        lines += [
            f"  - variable: {column.variable}",
            f"    header: {_quoted(header.name or column.variable)}",
            f"    unit: {_quoted(column.unit or TO_CORRECT)}",
        ]
        if not column.unit:
            to_correct.append(
                f"the unit of {header.name or column.variable} "
                f"(cell {address(first, header.column)})"
            )
    if lines[-1] == "columns:":
        lines[-1] = "columns: []"
    lines += ["stop_at: [注, 资料来源, 数据来源]", ""]
    taken = set(layout.keys.values()) | {c.header.column for c in layout.columns}
    rest = [header for header in layout.headers if header.column not in taken]
    lines += [f"# Not recognised ({len(rest)}); variables are those of ref_variables:"]
    lines += [f"#   {address(first, h.column)} {_shown(h.text)}" for h in rest]
    told = "\n".join(
        [f"{len(layout.columns)} columns recognised, {len(rest)} not ({layout.kind})."]
        + [f"  to correct: {item}" for item in to_correct]
    )
    return "\n".join(lines) + "\n", told


def _roster(sheet: Sheet, reference: Reference) -> tuple[str, str] | None:
    """The spec of a roster: a column of places beside one of dates."""
    import yaml

    known = yaml.safe_load(shipped_specs()["roster"])["keys"]
    for first in range(min(len(sheet.rows), 15)):
        headers = read_headers(sheet, first=first, count=1, units=reference.units.names)
        keys: dict[str, Header] = {}
        for header in headers:
            some = [
                row[header.column]
                for row in sheet.rows[first + 1 : first + 41]
                if header.column < len(row) and clean_text(row[header.column])
            ]
            key = _key_of_roster(header, some, known, reference)
            if key and key not in keys:
                keys[key] = header
        if "date" in keys and {"unit", "code"} & set(keys):
            break
    else:
        return None
    lines = _beginning(sheet.file, "policy")
    if sheet.name:
        lines.append(f"sheet: {_quoted(sheet.name)}")
    lines += [f"first_header_row: {first + 1}", "keys:"]
    lines += [f"  {key}: {_quoted(header.text)}" for key, header in keys.items()]
    lines += ["stop_at: [注, 资料来源]", ""]
    rest = [header for header in headers if header not in keys.values()]
    lines += [f"# Not used ({len(rest)}): {', '.join(_shown(h.text) for h in rest)}"]
    found = ", ".join(f"{key} in {header.text}" for key, header in keys.items())
    told = f"The roster of a policy: {found}; {len(rest)} columns not used."
    return "\n".join(lines) + "\n", told


def _key_of_roster(
    header: Header, some: list[object], known: dict, reference: Reference
) -> str:
    """What a roster's column is, by its header or by what stands in it."""
    for key, names in known.items():
        if header.text.lower() in names:
            return key
    if header.text.lower() in KEY_HEADERS["code"]:
        return "code"
    if some and all(read_date(cell) for cell in some):
        return "date"
    find = reference.gazetteer.find
    if some and all(reference.gazetteer.is_province(cell) for cell in some):
        return "province"
    places = [cell for cell in some if find(name=cell).how != "unknown"]
    if some and 2 * len(places) >= len(some):
        return "unit"
    if "批" in header.text and all(re.fullmatch("[0-9]+", clean_text(c)) for c in some):
        return "batch"
    return "document" if re.search("文号|文件", header.text) else ""


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _shown(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:80]
