"""A spec written from the headers that are recognised, for its user to correct."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from citypanel.errors import ImporterError, describe
from citypanel.importers.cells import address, clean_text, read_number
from citypanel.importers.files import NOTHING_WRITTEN, Sheet, SourceFile, read_file
from citypanel.importers.headers import WHOLE, Header, normalise, read_headers
from citypanel.importers.layouts import KEY_HEADERS
from citypanel.importers.project import Reference, load_reference
from citypanel.importers.specs import TO_CORRECT, USERS_FOLDER, load_specs



def suggest(path: Path, *, project: Path) -> tuple[Path, str]:
    """Write a spec for a file to the project's folder of specs.

    Parameters
    ----------
    path : Path
        A table of cities and years.
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
        raise ImporterError(
            describe(
                f"The spec {target.relative_to(project).as_posix()} exists",
                consequence="it was not overwritten",
                remedy="rename or remove it first",
            )
        ) from error
    except OSError as error:
        raise ImporterError(
            describe(
                f"The spec {target.name} cannot be written ({error})",
                consequence="nothing was changed",
                remedy="see that the folder importers/specs is writable",
            )
        ) from error
    return target, told


def suggested_spec(file: SourceFile, reference: Reference) -> tuple[str, str]:
    """The text of a spec for a file, and what is left to correct in it."""
    known = known_headers(reference)
    best = None
    for sheet in file.sheets:
        for first in range(min(len(sheet.rows), 15)):
            for count in (1, 2, 3):
                headers = read_headers(
                    sheet, first=first, count=count, units=reference.units.names
                )
                keys = _keys(headers)
                if not {"city", "code"} & set(keys) or _has_figures(
                    sheet, first, count
                ):
                    continue
                columns = _columns(headers, known)
                scopes = sum(header.scope == WHOLE for header in headers)
                score = (len(columns), len(keys), scopes, -count)
                if columns and (best is None or score > best[0]):
                    best = (score, sheet, first, count, headers, keys, columns)
    if best is None:
        raise ImporterError(
            describe(
                f"No row of headers is recognised in {file.path.name}",
                [
                    f"{sheet.name or 'text'}: "
                    + ", ".join(
                        clean_text(cell)
                        for cell in sheet.rows[0][:8]
                        if clean_text(cell)
                    )
                    for sheet in file.sheets
                    if sheet.rows
                ],
                consequence=NOTHING_WRITTEN,
                remedy="write a spec by hand after docs/how-to/import.md; it needs a "
                "column "
                "of cities (such as 城市 or 城市代码) and one of figures",
            )
        )
    _, sheet, first, count, headers, keys, columns = best
    lines = [
        f"# What {file.path.name} looks like, as far as its headers say. Check every "
        "line,",
        f"# replace each {TO_CORRECT}, and import with --spec; docs/how-to/import.md "
        "explains.",
        "kind: yearbook",
        "origin:",
        "  publisher: not stated",
        "  title: not stated",
    ]
    if sheet.name:
        lines.append(f"sheet: {_quoted(sheet.name)}")
    lines += [f"first_header_row: {first + 1}", f"header_rows: {count}", "keys:"]
    lines += [f"  {key}: {_quoted(header.name)}" for key, header in keys.items()]
    to_correct = []
    if "year" not in keys:
        matched = re.search(r"(19|20)[0-9]{2}", file.path.name)
        lines += ["year:", '  file_name: "((?:19|20)[0-9]{2})"', "  minus: 0"]
        to_correct.append(
            "the year: is it that of the file's name"
            + (f" ({matched[0]})" if matched else ", which has none")
            + ", or was an edition's figure of the year before (minus: 1)?"
        )
    lines.append("columns:")
    for variable, header in columns.items():
        lines += [
            f"  - variable: {variable}",
            f"    header: {_quoted(header.name)}",
            f"    unit: {_quoted(header.unit or TO_CORRECT)}",
        ]
        if not header.unit:
            to_correct.append(
                f"the unit of {header.name} (cell {address(first, header.column)})"
            )
    lines += ["stop_at: [注, 资料来源, 数据来源]", ""]
    taken = {h.column for h in keys.values()} | {h.column for h in columns.values()}
    rest = [header for header in headers if header.column not in taken]
    lines += [f"# Not recognised ({len(rest)}); variables are those of ref_variables:"]
    lines += [f"#   {address(first, h.column)} {_shown(h.text)}" for h in rest]
    told = "\n".join(
        [f"{len(columns)} columns recognised, {len(rest)} not."]
        + [f"  to correct: {item}" for item in to_correct]
    )
    return "\n".join(lines) + "\n", told


def known_headers(reference: Reference) -> dict[str, str]:
    """Header names that are known, from ref_variables and the shipped specs."""
    known: dict[str, str] = {}
    for spec in load_specs(
        reference.project, kind="yearbook", variables=reference.variables
    ):
        for column in spec.columns:
            for header in column.headers:
                known.setdefault(header.lower(), column.variable)
    for header, variable in reference.headers.items():
        name = normalise(header)
        known[name.lower()] = variable
        known[re.sub(r"\([^()]*\)$", "", name).lower()] = variable
    return known


def _keys(headers: list[Header]) -> dict[str, Header]:
    found: dict[str, Header] = {}
    for key, names in KEY_HEADERS.items():
        for header in headers:
            if header.text.lower() in names and key not in found:
                found[key] = header
    return found


def _columns(headers: list[Header], known: Mapping[str, str]) -> dict[str, Header]:
    found: dict[str, Header] = {}
    for header in headers:
        variable = known.get(header.name.lower()) or known.get(header.text.lower())
        if variable and header.scope in ("", WHOLE):
            found.setdefault(variable, header)
    return found


def _has_figures(sheet: Sheet, first: int, count: int) -> bool:
    """Whether a row that is taken for a header holds figures."""
    return any(
        sum(read_number(cell)[0] is not None for cell in row) > 1
        for row in sheet.rows[first : first + count]
    )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _shown(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:80]
