"""Specs: what a file looks like, as a small YAML file (docs/how-to/import.md)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import yaml

from citypanel.errors import ImporterError
from citypanel.importers.headers import WHOLE, normalise

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
USERS_FOLDER = Path("importers") / "specs"
LARGEST_SPEC = 2**20
KINDS = ("yearbook", "policy", "ceic")
ORIGIN = ("publisher", "title", "edition", "retrieved_from", "rights")
KEYS = {
    "yearbook": ("city", "code", "province", "year"),
    "policy": (
        "unit",
        "code",
        "province",
        "date",
        "end",
        "intensity",
        "batch",
        "document",
    ),
}
COLUMN_ENTRIES = (
    "variable", "header", "unit", "header_unit", "because", "zero_is_missing",
    "required",
)  # fmt: skip
TO_CORRECT = "?"


@dataclass(frozen=True)
class Column:
    """A variable and the header it stands under.

    Attributes
    ----------
    variable : str
        Name in ref_variables.
    headers : tuple of str
        Headers it may have, with unit or without, normalised.
    unit : str
        Unit of the cells; empty where the header's own is to be used.
    header_unit : str
        Unit that the header states although the cells are in `unit`.
    because : str
        Evidence for that.
    zero_is_missing : bool
        Whether 0 stands for a gap.
    required : bool
        Whether a file without it does not fit the spec.
    """

    variable: str
    headers: tuple[str, ...]
    unit: str = ""
    header_unit: str = ""
    because: str = ""
    zero_is_missing: bool = False
    required: bool = True


@dataclass(frozen=True)
class KnownCell:
    """A cell known to be misprinted, and what to read instead."""

    file: str
    cell: str
    printed: str
    read: str
    because: str
    sheet: str = ""


@dataclass(frozen=True)
class SeriesRule:
    """A pattern of series names and the indicator such series measure."""

    name: str
    indicator: str


@dataclass(frozen=True)
class Spec:
    """What a file looks like; see docs/how-to/import.md for every entry."""

    name: str
    kind: str
    origin: Mapping[str, str]
    sheet: str | int | None = None
    first_header_row: int = 1
    header_rows: int = 1
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    year_pattern: str = ""
    year_minus: int = 0
    columns: tuple[Column, ...] = ()
    skip_rows: tuple[str, ...] = ()
    stop_at: tuple[str, ...] = ()
    known_cells: tuple[KnownCell, ...] = ()
    series: tuple[SeriesRule, ...] = ()
    note: str = ""
    is_recognised: bool = False


# A file that no spec fits is read as its sheets themselves say.
RECOGNISED = Spec(name="recognised", kind="yearbook", origin={}, is_recognised=True)


def shipped_specs() -> dict[str, str]:
    """Names of the specs that ship with the library, and their text."""
    folder = resources.files("citypanel.importers").joinpath("specs")
    return {
        entry.name.removesuffix(".yml"): entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".yml")
    }


def users_specs(project: Path) -> dict[str, str]:
    """Names of the specs in the project's folder importers/specs, and their text."""
    folder = project / USERS_FOLDER
    found = {}
    if folder.is_dir():
        for path in sorted(folder.glob("*.yml")):
            # A link could lead out of the folder.
            if path.is_symlink() or not path.is_file():
                continue
            if path.stat().st_size <= LARGEST_SPEC:
                try:
                    found[path.stem] = path.read_text(encoding="utf-8")
                except UnicodeDecodeError as error:
                    raise _wrong(path.stem, [f"it is not UTF-8: {error}"]) from error
    return found


def load_specs(project: Path, *, kind: str, variables: Collection[str]) -> list[Spec]:
    """Every sound spec of a kind, the user's before the shipped of the same name."""
    texts = shipped_specs() | users_specs(project)
    specs = []
    for name, text in texts.items():
        document = _document(name, text)
        # A spec that still waits for its user does not stand in the way of others.
        if document.get("kind") == kind and not _waits(document):
            specs.append(parse_spec(name, text, variables=variables))
    return specs


def _waits(entry: object) -> bool:
    """Whether something in a spec is still to be filled in."""
    if isinstance(entry, Mapping):
        return any(map(_waits, entry.values()))
    if isinstance(entry, list):
        return any(map(_waits, entry))
    return entry == TO_CORRECT


def load_spec(
    name: str, *, project: Path, kind: str, variables: Collection[str]
) -> Spec:
    """The spec of a name; the user's own comes before the shipped one.

    Raises
    ------
    ImporterError
        When the name is not a plain name (no path leads anywhere from here), there is
        no such spec, or it has mistakes.
    """
    if not NAME.fullmatch(name):
        raise ImporterError.of(
            "importers.no_spec_name",
            name=name[:80],
            example=next(iter(shipped_specs()), "my_yearbook"),
        )
    texts = shipped_specs() | users_specs(project)
    if name not in texts:
        raise ImporterError.of("importers.no_such_spec", name=name, known=sorted(texts))
    spec = parse_spec(name, texts[name], variables=variables)
    if spec.kind != kind:
        raise _wrong(name, [f"it is for citypanel import {spec.kind}, not {kind}"])
    return spec


def _document(name: str, text: str) -> dict:
    if len(text) > LARGEST_SPEC:
        raise _wrong(name, ["it is larger than a spec would be"])
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _wrong(
            name, [f"it is no YAML: {' '.join(str(error).split())}"]
        ) from error
    if not isinstance(document, dict):
        raise _wrong(name, ["it holds no entries such as 'kind: yearbook'"])
    return document


def parse_spec(name: str, text: str, *, variables: Collection[str]) -> Spec:
    """A spec from its text, every mistake in it collected.

    Parameters
    ----------
    name : str
        Its name.
    text : str
        YAML.
    variables : collection of str
        Variables that columns may be mapped to.

    Raises
    ------
    ImporterError
        With the mistakes.
    """
    document = _document(name, text)
    wrong: list[str] = []

    def take(place: Mapping, key: str, types, default, where: str = ""):
        value = place.get(key, default)
        if value is default:
            return default
        sound = isinstance(value, types) and not (
            isinstance(value, bool) and types is not bool
        )
        if not sound:
            wrong.append(f"{where}{key} is {value!r}")
            return default
        return value

    def texts(value: object, where: str) -> tuple[str, ...]:
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str | int | float) for item in values):
            wrong.append(f"{where} is {value!r}, not a text or a list of texts")
            return ()
        return tuple(str(item) for item in values)

    def refuse_others(place: Mapping, permitted: Collection[str], what: str) -> None:
        wrong.extend(
            f"{what} no entry '{key}'" for key in place if key not in permitted
        )

    permitted = {
        "kind", "origin", "sheet", "first_header_row", "header_rows", "scope", "keys",
        "year", "columns", "skip_rows", "stop_at", "known_cells", "series", "note",
        "layout",
    }  # fmt: skip
    refuse_others(document, permitted, "there is")
    kind = document.get("kind")
    if kind not in KINDS:
        wrong.append(f"kind is {kind!r}, not one of {', '.join(KINDS)}")
    origin = take(document, "origin", dict, {})
    refuse_others(origin, ORIGIN, "origin has")
    scope = take(document, "scope", str, WHOLE)
    if scope != WHOLE:
        wrong.append(f"scope is {scope!r}; the study's variables are for {WHOLE}")

    keys_found = take(document, "keys", dict, {})
    keys = {}
    for key, value in keys_found.items():
        if key not in KEYS.get(str(kind), ()):
            wrong.append(f"keys has no entry '{key}'")
        else:
            keys[key] = tuple(normalise(item) for item in texts(value, f"keys.{key}"))
    year = take(document, "year", dict, {})
    refuse_others(year, ("file_name", "minus", "because"), "year has")
    pattern = take(year, "file_name", str, "", "year.")
    if pattern:
        try:
            if re.compile(pattern).groups != 1:
                wrong.append("year.file_name needs one group ( ) around the year")
        except re.error as error:
            wrong.append(f"year.file_name is no pattern: {error}")

    columns = []
    for number, entry in enumerate(take(document, "columns", list, []), 1):
        where = f"columns, entry {number}: "
        if not isinstance(entry, dict):
            wrong.append(f"{where}is {entry!r}")
            continue
        refuse_others(entry, COLUMN_ENTRIES, f"{where}there is")
        variable = take(entry, "variable", str, "", where)
        if variable == TO_CORRECT or TO_CORRECT in (
            entry.get("unit"),
            entry.get("header"),
        ):
            wrong.append(f"{where}'{TO_CORRECT}' waits for you to fill it in")
        elif variable not in variables:
            wrong.append(
                f"{where}variable is {variable!r}, which ref_variables does not list "
                "as a variable of the yearbook"
            )
        headers = tuple(
            normalise(item) for item in texts(entry.get("header", []), f"{where}header")
        )
        if not headers:
            wrong.append(f"{where}it has no header")
        columns.append(
            Column(
                variable=variable,
                headers=headers,
                unit=str(take(entry, "unit", str, "", where)),
                header_unit=str(take(entry, "header_unit", str, "", where)),
                because=take(entry, "because", str, "", where),
                zero_is_missing=take(entry, "zero_is_missing", bool, False, where),
                required=take(entry, "required", bool, True, where),
            )
        )
        if columns[-1].header_unit and not columns[-1].because:
            wrong.append(f"{where}header_unit needs a reason under 'because'")

    known_cells = []
    for number, entry in enumerate(take(document, "known_cells", list, []), 1):
        where = f"known_cells, entry {number}: "
        needed = ("file", "cell", "printed", "read", "because")
        if not isinstance(entry, dict) or not set(entry) <= {*needed, "sheet"}:
            wrong.append(f"{where}it needs {', '.join(needed)}")
            continue
        values = {key: str(entry.get(key, "")) for key in (*needed, "sheet")}
        if not all(values[key] for key in ("file", "cell", "printed", "because")):
            wrong.append(f"{where}it needs {', '.join(needed)}")
        known_cells.append(KnownCell(**values))

    series = []
    for number, entry in enumerate(take(document, "series", list, []), 1):
        where = f"series, entry {number}: "
        if not isinstance(entry, dict) or set(entry) != {"name", "indicator"}:
            wrong.append(f"{where}it needs name and indicator")
            continue
        try:
            re.compile(str(entry["name"]))
        except re.error as error:
            wrong.append(f"{where}name is no pattern: {error}")
        series.append(SeriesRule(str(entry["name"]), str(entry["indicator"])))

    layout = document.get("layout", "panel")
    if layout not in ("panel", "recognised"):
        wrong.append(f"layout is {layout!r}, neither panel nor recognised")
    if kind == "yearbook" and layout == "panel":
        if not {"city", "code"} & set(keys):
            wrong.append("keys names neither the column of the city nor of its code")
        if ("year" in keys) == bool(pattern):
            wrong.append("the year needs either keys.year or year.file_name")
        if not columns:
            wrong.append("columns is empty: no figure would be imported")
    if kind == "policy":
        wrong += [
            f"keys names no column of the {key}"
            for key in ("unit", "date")
            if key not in keys and not (key == "unit" and "code" in keys)
        ]
    if kind == "ceic" and not series:
        wrong.append("series is empty: no series would be imported")
    sheet = document.get("sheet")
    if sheet is not None and (
        not isinstance(sheet, str | int) or isinstance(sheet, bool)
        or (isinstance(sheet, int) and sheet < 1)
    ):  # fmt: skip
        wrong.append(f"sheet is {sheet!r}, neither a name nor a number from 1")
    first = take(document, "first_header_row", int, 1)
    count = take(document, "header_rows", int, 1)
    if not 1 <= first <= 100 or not 1 <= count <= 10:
        wrong.append("first_header_row is 1 to 100, header_rows 1 to 10")
    minus = take(year, "minus", int, 0, "year.")
    skip_rows = texts(document.get("skip_rows", []), "skip_rows")
    stop_at = texts(document.get("stop_at", []), "stop_at")
    note = take(document, "note", str, "")
    if wrong:
        raise _wrong(name, wrong)
    return Spec(
        name=name,
        kind=str(kind),
        origin={key: str(value) for key, value in origin.items()},
        sheet=sheet,
        first_header_row=first,
        header_rows=count,
        keys=keys,
        year_pattern=pattern,
        year_minus=minus,
        columns=tuple(columns),
        skip_rows=tuple(normalise(item) for item in skip_rows),
        stop_at=tuple(normalise(item) for item in stop_at),
        known_cells=tuple(known_cells),
        series=tuple(series),
        note=note,
        is_recognised=kind == "yearbook" and layout == "recognised",
    )


def _wrong(name: str, mistakes: list[str]) -> ImporterError:
    return ImporterError.of("importers.spec_wrong", mistakes, name=name)
