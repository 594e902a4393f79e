"""`citypanel new`: look at a panel file and propose its declaration.

What a column is, is guessed from its values and only then from its name; whoever
declares the study corrects it. Nothing is estimated here.
"""

from __future__ import annotations

import csv
import re
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from citypanel.dates import NoDate, read_span
from citypanel.did.periods import read_periods
from citypanel.errors import CityPanelError, DeclarationError
from citypanel.identity import SKELETON, STAMP, package_files, skeleton_digest
from citypanel.importers.cells import clean_text
from citypanel.importers.files import read_file
from citypanel.importers.headers import normalise
from citypanel.sql import sql_name
from citypanel.study.declaration import FILE, SHIPPED, Declaration, declared
from citypanel.study.own.figures import INDICES, Figures, read_figures
from citypanel.study.own.panel import read_panel
from citypanel.study.own.reading import FORMATS
from citypanel.study.own.roster import headers_of, keys_of, missing_columns
from citypanel.study.parts import Roster
from citypanel.warehouse.published import published_file
from citypanel.words import Catalogue

SAID = Catalogue("new")
NO_POLICY = SAID("no_policy").en
_PERIOD_NAMES = re.compile(r"year|month|quarter|date|period|time|week|年|月|季", re.I)
_COHORT_NAMES = re.compile(r"cohort|first|start|adopt|effyear|^g$|gvar|treat", re.I)
_MOST_CONTROLS = 8
ROSTER_FORMATS = (".csv", ".xlsx", ".xls")


@dataclass(frozen=True)
class Proposal:
    """Roles of a panel's columns, as far as its values tell."""

    unit: str
    period: str
    cohort: str | None
    treatment: str | None
    outcome: str
    controls: tuple[str, ...]
    groups: tuple[str, ...]
    notes: tuple[str, ...]


def propose(frame: pd.DataFrame) -> Proposal:
    """Guess a panel's unit, period, policy, outcome and controls.

    Parameters
    ----------
    frame : DataFrame
        Any table with a row per unit and period.

    Raises
    ------
    DeclarationError
        No two columns identify the rows.
    """
    unit, period = _key(frame)
    notes = []
    kinds = frame.drop(columns=period).groupby(unit).nunique(dropna=False)
    constant = [c for c in kinds if (kinds[c] <= 1).all()]
    cohort = _cohort(frame, period, constant)
    treatment = _treatment(frame, unit, period)
    if cohort is None and treatment is None:
        notes.append(NO_POLICY)
    groups = [
        c
        for c in constant
        if c != cohort and 2 <= frame[c].nunique() <= 12 and not _numeric(frame[c])
    ]
    numbers = [
        c
        for c in frame.columns
        if _numeric(frame[c])
        and c not in (unit, period, cohort, treatment, *constant)
        and frame[c].nunique() > 2
        and not _row_number(frame[c])
    ]
    if not numbers:
        columns = list(map(str, frame.columns))
        raise DeclarationError.of("study.no_outcome", columns)
    used = {unit, period, cohort, treatment, *groups, *numbers[: 1 + _MOST_CONTROLS]}
    if left := [str(column) for column in frame.columns if column not in used]:
        notes += textwrap.wrap(SAID("not_used", columns=left).en, 86)
    return Proposal(
        unit=unit,
        period=period,
        cohort=cohort,
        treatment=treatment,
        outcome=numbers[0],
        controls=tuple(numbers[1 : 1 + _MOST_CONTROLS]),
        groups=tuple(groups),
        notes=tuple(notes),
    )


def _numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(
        column
    )


def _row_number(column: pd.Series) -> bool:
    """The numbers of rows, as pandas and R write them into the first column."""
    ordered = np.sort(column.to_numpy(float))
    return bool((np.diff(ordered) == 1).all())


def _key(frame: pd.DataFrame) -> tuple[str, str]:
    """Two columns that identify the rows, the second readable as periods."""
    periods = []
    for column in frame.columns:
        if frame[column].isna().any() or not 2 <= frame[column].nunique() <= len(frame):
            continue
        whole = not _numeric(frame[column]) or (frame[column] % 0.25 == 0).all()
        if not whole or frame[column].nunique() > max(400, len(frame) // 2):
            continue
        try:
            read_periods(frame[column])
        except CityPanelError:
            continue
        except (ValueError, TypeError):
            continue
        periods.append(column)
    periods.sort(key=lambda c: (not _PERIOD_NAMES.search(c), frame[c].nunique()))
    for period in periods:
        for unit in frame.columns:
            if unit == period or frame[unit].isna().any():
                continue
            if frame[unit].nunique() < 2 or frame[unit].nunique() == len(frame):
                continue
            if not frame.duplicated([unit, period]).any():
                return str(unit), str(period)
    raise DeclarationError.of("study.no_key", list(map(str, frame.columns)))


def _cohort(frame: pd.DataFrame, period: str, constant: Sequence[str]) -> str | None:
    """A column constant within units whose values are periods, zero or nothing."""
    try:
        seen = set(frame[period])
        low, high = min(seen), max(seen)
    except TypeError:
        return None
    found = []
    for column in constant:
        if _numeric(frame[period]) and not _numeric(frame[column]):
            continue
        values = frame.loc[~frame[column].map(_is_never), column]
        if values.empty or len(values) == len(frame):
            continue
        try:
            inside = values.between(low, high + (high - low)).all()
        except TypeError:  # periods as text
            inside = values.isin(seen).mean() > 0.5
        if inside and values.isin(seen).any():
            found.append(column)
    found.sort(key=lambda c: not _COHORT_NAMES.search(c))
    return found[0] if found else None


def _is_never(value: object) -> bool:
    return bool(pd.isna(value)) or value in (0, np.inf) or str(value).strip() == ""


def _treatment(frame: pd.DataFrame, unit: str, period: str) -> str | None:
    """A column within 0 and 1 that begins at 0 and never falls within a unit."""
    ordered = frame.sort_values([unit, period])
    for column in frame.columns:
        if column in (unit, period) or not _numeric(frame[column]):
            continue
        values = ordered[column]
        if values.isna().any() or not values.between(0, 1).all():
            continue
        steps = values.groupby(ordered[unit]).diff().dropna()
        if (steps >= 0).all() and (steps > 0).any():
            return str(column)
    return None


def write_study(
    root: Path, name: str, panel: Path | None = None, roster: Path | None = None
) -> Path:
    """Copy a panel, a roster or both into ``studies/<name>`` and write a declaration.

    Without a panel the study is on the figures of the shipped one.

    Raises
    ------
    DeclarationError
        The study exists, the name cannot be one, or the file is no panel.
    """
    folder = root / "studies" / name
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise DeclarationError.of("study.no_name", name=name)
    if (folder / FILE).exists():
        raise DeclarationError.of("study.exists", name=name, file=FILE)
    if panel is None and roster is None:
        raise DeclarationError.of("study.nothing_given", name=name, shipped=SHIPPED)
    formats = {panel: FORMATS, roster: ROSTER_FORMATS}
    for file in filter(None, (panel, roster)):
        if not file.is_file() or file.suffix.lower() not in formats[file]:
            known = list(formats[file])
            if not file.is_file():
                raise DeclarationError.of("study.no_file", file=file, formats=known)
            raise DeclarationError.of(
                "study.no_table", file=file, suffix=file.suffix, formats=known
            )
    if panel is None:
        assert roster is not None
        text = declaration_on_figures(root, name, roster.name)
    else:
        frame = read_panel(panel)
        proposal, named = propose(frame), None
        if roster is not None:
            columns = roster_columns(roster, frame[proposal.unit])
            unread = unread_columns(roster, columns)
            rest = [note for note in proposal.notes if note != NO_POLICY]
            proposal = replace(
                proposal, cohort=None, treatment=None, notes=(*rest, *unread)
            )
            named = _roster_text(roster, columns)
        text = declaration_text(name, panel.name, proposal, named)
    folder.mkdir(parents=True, exist_ok=True)
    for file in filter(None, (panel, roster)):
        shutil.copy(file, folder / file.name)
    path = folder / FILE
    path.write_text(text, encoding="utf-8")
    return path


def declaration_on_figures(root: Path, name: str, roster: str) -> str:
    """A declaration of a policy on the shipped study's figures, to be corrected."""
    study = declared(SHIPPED)
    labels = _labels(root)
    controls = _steady_controls(root, study)
    series = [n for n in labels if n not in study.controls]
    title = name.replace("_", " ").capitalize()
    noun = (study.content.get("unit") or {}).get("noun") or {"en": "city"}
    return SAID(
        "on_figures",
        shipped=SHIPPED,
        name=name,
        title=_quoted(title),
        noun=", ".join(f"{k}: {v}" for k, v in noun.items()),
        roster=_quoted(roster),
        series=textwrap.fill(
            ", ".join((*series, *INDICES)),
            width=86,
            initial_indent="#   ",
            subsequent_indent="#   ",
            break_long_words=False,
        ),
        controls="".join(
            f"  {n}: {{label: {_in_yaml(labels[n])}, formula: {n}}}\n" for n in controls
        ),
    ).en


def _steady_controls(root: Path, study: Declaration) -> list[str]:
    """Controls that the policy does not move, with data in every year."""
    names = [n for n, control in study.controls.items() if not control.after_treatment]
    try:
        frame = read_figures(Figures(SHIPPED), root / published_file(SHIPPED))
    except CityPanelError:  # not built yet
        return names
    return [n for n in names if frame.groupby("year")[n].count().all()]


def _labels(root: Path) -> dict[str, dict[str, str]]:
    """Labels of the warehouse's series, inputs and controls, by name."""
    with open(
        root / "seeds/reference/ref_variables.csv", encoding="utf-8-sig", newline=""
    ) as file:
        return {
            row["variable"]: {"en": row["label_en"], "zh": row["label_zh"]}
            for row in csv.DictReader(file)
            if row["kind"] in ("yearbook", "input", "control")
        }


def _in_yaml(words: dict[str, str]) -> str:
    return "{" + ", ".join(f"{k}: {_quoted(v)}" for k, v in words.items()) + "}"


def _roster_text(path: Path, columns: dict[str, str]) -> str:
    """The roster as a declaration names it, with the columns that tell their part."""
    named = "".join(f", {name}: {_quoted(header)}" for name, header in columns.items())
    return f"{{file: {_quoted(path.name)}{named}}}" if named else _quoted(path.name)


def roster_columns(path: Path, units: pd.Series) -> dict[str, str]:
    """Headers of a roster by their part, where the values tell and the names do not."""
    if not missing_columns(Roster(path=path)):
        return {}
    sheet = read_file(path).sheets[0]
    rows = [row for row in sheet.rows if any(clean_text(cell) for cell in row)]
    headers = [clean_text(cell) for cell in rows[0]]
    known = {str(unit).strip().casefold() for unit in units.unique()}
    found: dict[str, str] = {}
    for place, header in enumerate(headers):
        cells = [clean_text(r[place]) if place < len(r) else "" for r in rows[1:]]
        cells = [cell for cell in cells if cell]
        if not cells or not header:
            continue
        if "unit" not in found and sum(c.casefold() in known for c in cells) * 2 > len(
            cells
        ):
            found["unit"] = header
        elif all(map(_is_date, cells)):
            for part in ("start", "end"):
                if part not in found:
                    found[part] = header
                    break
    return found


def unread_columns(path: Path, columns: dict[str, str]) -> tuple[str, ...]:
    """What to write where a roster has columns that would not be read."""
    keys = keys_of(Roster(path=path, columns=columns))
    known = {name for names in keys.values() for name in names}
    left = [header for header in headers_of(path) if normalise(header) not in known]
    if not left:
        return ()
    return tuple(SAID("not_read", columns=left).en.splitlines())


def _is_date(cell: str) -> bool:
    try:
        read_span(cell)
    except NoDate as error:
        return "may be" in str(error)  # a date in two ways, which check refuses
    return True


def lay_out(root: Path, *, renew: bool = False) -> bool:
    """Copy the project that builds studies into a folder that has none.

    Parameters
    ----------
    root : Path
    renew : bool
        Put this version's files in place of those of another.

    Returns
    -------
    bool
        Whether it did: a folder with a ``dbt_project.yml`` is left as it is, unless it
        is laid out anew.

    Raises
    ------
    DeclarationError
        There is a project to renew, and `citypanel` has not laid it out.
    """
    stamp = root / STAMP
    if (root / "dbt_project.yml").exists():
        if not renew:
            return False
        if not stamp.is_file():
            raise DeclarationError.of("study.not_laid_out", [str(root.resolve())])
    for path in package_files(SKELETON):
        part = path.relative_to(SKELETON)
        if part.parts[0] == "brought_models":
            part = Path("models", *part.parts[1:])
        if renew or not (root / part).exists():
            (root / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, root / part)
    stamp.write_text(skeleton_digest() + "\n", encoding="ascii")
    return True


def declaration_text(
    name: str, panel: str, proposal: Proposal, roster: str | None = None
) -> str:
    """The proposal as YAML, with a comment where a person must decide."""
    groups = ", ".join(f"{_name(g)}: {_quoted(g)}" for g in proposal.groups)
    policy = {
        "roster": roster,
        "cohort": proposal.cohort and _quoted(proposal.cohort),
        "treatment": proposal.treatment and _quoted(proposal.treatment),
    }
    controls, second = "controls: []", ""
    if proposal.controls:
        entries = map(_entry, proposal.controls)
        controls = "\n".join([f"# {SAID('mark').en}", "controls:", *entries])
        second = '\n  - {table: "1", name: (2), controls: all}'
    return SAID(
        "proposed",
        name=name,
        notes="".join(f"# {note}\n" for note in proposal.notes),
        title=_quoted(name.replace("_", " ").capitalize()),
        unit=_quoted(proposal.unit),
        groups=f"  groups: {{{groups}}}\n" if groups else "",
        period=_quoted(proposal.period),
        panel=_quoted(panel),
        policy="".join(f"  {part}: {text}\n" for part, text in policy.items() if text),
        outcome=_entry(proposal.outcome, ", transform: level, headline: true"),
        controls=controls,
        second=second,
    ).en


def _entry(column: str, more: str = "") -> str:
    words = f"label: {{en: {_quoted(column)}}}, formula: {_formula(column)}"
    return f"  {_name(column)}: {{{words}{more}}}"


def _name(column: str) -> str:
    name = re.sub(r"\W+", "_", column).strip("_").lower()
    return name if re.match(r"[^\W\d]", name) else f"c_{name}"


def _formula(column: str) -> str:
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", column)
    return _quoted(column if plain else sql_name(column))


def _quoted(text: str) -> str:
    word = text.lower() in ("yes", "no", "on", "off", "true", "false", "null", "y", "n")
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", text) and not word:
        return text
    return "'" + text.replace("'", "''") + "'"
