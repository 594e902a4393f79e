"""Imports into a project: read, check against what is there, write whole or not."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from citypanel.errors import ImporterError
from citypanel.importers import ceic, imported, policy, yearbook
from citypanel.importers.cells import few, harmless, read_date
from citypanel.importers.files import SourceFile, read_file
from citypanel.importers.headers import DISTRICTS, WHOLE
from citypanel.importers.layouts import (
    Words,
    is_of_districts,
    names_of_variables,
    recognise,
)
from citypanel.importers.matching import (
    chosen_sheets,
    headers_of,
    named_sheets,
    under,
)
from citypanel.importers.places import Gazetteer
from citypanel.importers.specs import (
    ORIGIN,
    RECOGNISED,
    Spec,
    load_spec,
    load_specs,
    shipped_specs,
    users_specs,
)
from citypanel.importers.storage import read_seed, seed_bytes, write_together
from citypanel.importers.units import Units
from citypanel.progress import tracked

CELLS = imported.SEED
ROSTERS = "seeds/imported/raw_imported_rosters.csv"
SOURCES = "seeds/imported/raw_imported_sources.csv"
SERIES = "seeds/ceic/raw_ceic_series.csv"
METADATA = "seeds/ceic/raw_ceic_series_metadata.csv"
YEARBOOK = "seeds/yearbook/raw_yearbook_city_years.csv"

SOURCE_COLUMNS = (
    "kind", "source", "precedence", "publisher", "title", "edition", "retrieved_from",
    "date", "rights", "file", "sha256", "n_rows", "spec", "spec_sha256",
)  # fmt: skip
SOURCE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
SHIPPED_SOURCES = ("yearbook", "province")
DEFAULT_PRECEDENCE = 9
# Columns that rosters once were without, and what their rows meant.
ADDED = {"end_date": "", "intensity": "1", "date_precision": "day"}
NOT_STATED = "not stated"


@dataclass(frozen=True)
class Reference:
    """Reference tables of a project that importers need."""

    project: Path
    gazetteer: Gazetteer
    units: Units
    variables: Mapping[str, str]
    headers: Mapping[str, str]
    provinces: Sequence[Mapping[str, str]]
    variable_rows: Sequence[Mapping[str, str]]

    def names(self) -> dict[str, str]:
        """Variables by the names that headers may have."""
        specs = load_specs(self.project, kind="yearbook", variables=self.variables)
        return names_of_variables(
            self.variable_rows, [column for spec in specs for column in spec.columns]
        )

    def words(self) -> Words:
        """What recognises a layout."""
        return Words(self.names(), self.variables, self.units, self.gazetteer)


@dataclass(frozen=True)
class Plan:
    """An import that was read and checked, and waits to be written.

    Attributes
    ----------
    contents : dict of str to bytes or None
        Path within the project, and what it is to hold; None where it goes.
    told : str
        What was understood, for a person.
    next_step : str
        How the warehouse uses it.
    """

    contents: Mapping[str, bytes | None]
    told: str
    next_step: str
    agreements: Sequence[yearbook.Agreement] = field(default_factory=list)

    @property
    def files(self) -> dict[str, str]:
        """The seeds among them as text."""
        return {
            name: content.decode("utf-8")
            for name, content in self.contents.items()
            if content is not None and name.endswith(".csv")
        }

    def write(
        self, project: Path, *, after_step: Callable[[str], None] = lambda step: None
    ) -> None:
        """Write every file of the import, as one; see `storage.write_together`."""
        write_together(project, self.contents, after_step=after_step)


def load_reference(project: Path) -> Reference:
    """Cities, changes, units and variables of a project.

    Raises
    ------
    ImporterError
        When the folder is no project.
    """
    folder = project / "seeds" / "reference"
    tables = {
        name: read_seed(folder / f"{name}.csv")
        for name in (
            "ref_cities", "ref_city_changes", "ref_prefectures", "ref_provinces",
            "ref_units", "ref_variables",
        )
    }  # fmt: skip
    missing = [name for name, rows in tables.items() if not rows]
    if missing:
        raise ImporterError.of(
            "importers.no_project",
            [f"seeds/reference/{name}.csv is missing or empty" for name in missing],
        )
    variables = [row for row in tables["ref_variables"] if row["kind"] == "yearbook"]
    return Reference(
        project=project,
        gazetteer=Gazetteer(
            cities=tables["ref_cities"],
            prefectures=tables["ref_prefectures"],
            changes=tables["ref_city_changes"],
            provinces=tables["ref_provinces"],
        ),
        units=Units(tables["ref_units"]),
        variables={row["variable"]: row["unit"] for row in variables},
        headers={row["yearbook_column"]: row["variable"] for row in variables},
        provinces=tables["ref_provinces"],
        variable_rows=variables,
    )


def find_spec(
    name: str | None, kind: str, files: Sequence[SourceFile], reference: Reference
) -> Spec:
    """The spec of a name, or the one spec that fits every file.

    Raises
    ------
    ImporterError
        When none fits, or several do.
    """
    if name:
        return load_spec(
            name,
            project=reference.project,
            kind=kind,
            variables=reference.variables,
        )
    specs = load_specs(reference.project, kind=kind, variables=reference.variables)
    if kind == "ceic" and len(specs) == 1:
        return specs[0]
    fitting = [
        spec for spec in specs if all(_fits(spec, file, reference) for file in files)
    ]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting and kind == "yearbook":
        words = reference.words()
        if all(
            any(
                recognise(sheet, words)
                for sheet in named_sheets(RECOGNISED, file.sheets)
            )
            for file in files
        ):
            return RECOGNISED
    given = [file.path.name for file in files]
    names = [spec.name for spec in fitting or specs] or "none"
    if fitting:
        raise ImporterError.of("importers.several_specs_fit", files=given, specs=names)
    raise ImporterError.of(
        "importers.no_spec_fits",
        _left(files),
        files=given,
        specs=names,
        kind="policy " if kind == "policy" else "",
        first=given[0],
    )


def _left(files: Sequence[SourceFile]) -> list[str]:
    """Sheets that were not asked, and why."""
    return [
        f"{file.path.name}, sheet {sheet.name}: it is hidden"
        if sheet.is_hidden
        else f"{file.path.name}, sheet {sheet.name}: its name says {DISTRICTS}, and "
        f"the study is of {WHOLE}"
        for file in files
        for sheet in file.sheets
        if sheet.is_hidden or is_of_districts(sheet.name)
    ]


def _fits(spec: Spec, file: SourceFile, reference: Reference) -> bool:
    if spec.kind == "policy":
        sheets = chosen_sheets(spec, file.sheets, reference.units)
        return bool(sheets) and all(
            under(headers_of(spec, sheets[0], reference.units), names)
            for names in (
                spec.keys["date"],
                (*spec.keys.get("unit", ()), *spec.keys.get("code", ())),
            )
        )
    return yearbook.fits(spec, file, units=reference.units)


def plan_yearbook(
    paths: Sequence[Path],
    *,
    project: Path,
    spec: str | None = None,
    source: str | None = None,
    precedence: int = DEFAULT_PRECEDENCE,
    origin: Mapping[str, str] | None = None,
    allow_unmatched: bool = False,
    accept_difference: bool = False,
    zeros_are_gaps: bool = False,
    replace: bool = False,
    say: Callable[[str], None] | None = None,
) -> Plan:
    """Read city-year tables as one source of the warehouse.

    Parameters
    ----------
    paths : sequence of Path
        Files of one source. What it holds from other files stays; a file that was
        imported before is read anew.
    project : Path
        Root of the project.
    spec : str, optional
        Name of a spec; without it the one that fits.
    source : str, optional
        Name of the source in the warehouse; by default the spec's.
    precedence : int
        Rank among the sources of a cell: the shipped ones have 1 and 2, so 0 is asked
        before them and 9 fills what they lack.
    origin : mapping, optional
        publisher, title, edition, retrieved_from, date, rights; what is left out is
        the spec's, and "not stated" otherwise.
    allow_unmatched : bool
        Leave out rows of unknown places.
    accept_difference : bool
        Import although the comparison with the shipped figures shows a slipped unit or
        a shifted year.
    zeros_are_gaps : bool
        Take zeros for gaps in columns that cannot be zero (output, people, land).
    replace : bool
        Put the import in place of everything that the source holds.
    say : callable or None
        Gets progress by files and by rows, a line at a time.

    Returns
    -------
    Plan

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> from citypanel.importers import plan_yearbook
    >>> file = Path(mkdtemp()) / "mine.csv"
    >>> text = "城市,年份,地区生产总值(亿元)\\n呼和浩特市,2017,2743.7\\n"
    >>> _ = file.write_text(text, encoding="utf-8")
    >>> plan = plan_yearbook([file], project=Path("."), source="mine")
    >>> print(plan.told.splitlines()[0])
    Spec yearbook_wide: 1 cells.
    """
    reference = load_reference(project)
    files = [read_file(path) for path in tracked(paths, what="files", say=say)]
    _no_twins(files)
    chosen = find_spec(spec, "yearbook", files, reference)
    name = source or chosen.name
    if chosen.is_recognised and not source:
        stem = re.sub(r"[^a-z0-9]+", "_", files[0].path.stem.lower()).strip("_")
        name = stem if SOURCE_NAME.fullmatch(stem) else "imported"
    name = _source_name(name)
    if precedence < 0 or precedence > 99:
        raise ImporterError.of("importers.precedence", precedence=precedence)
    reading = yearbook.read_yearbook(
        files,
        spec=chosen,
        gazetteer=reference.gazetteer,
        units=reference.units,
        variables=reference.variables,
        names=reference.names() if chosen.is_recognised else None,
        allow_unmatched=allow_unmatched,
        zeros_are_gaps=zeros_are_gaps,
        say=say,
    )
    known = known_figures(reference)
    agreements = yearbook.compare(
        reading.figures({variable for variable, _, _ in known}),
        known=known,
        units=reference.units,
        variables=reference.variables,
    )
    doubtful = yearbook.doubts(agreements)
    if doubtful and not accept_difference:
        raise ImporterError.of("importers.figures_elsewhere", doubtful)
    rows = sorted(_other_rows(project / CELLS, yearbook.CELL_COLUMNS, "source", ""))
    merged = imported.merge(
        reading,
        project=project,
        source=name,
        others=[row for row in rows if row[0] != name],
        held=[row for row in rows if row[0] == name],
        replace=replace,
    )
    told = [yearbook.tell(reading, gazetteer=reference.gazetteer), ""]
    told += _tell_agreements(agreements)
    told += [f"Doubt, accepted: {doubt}" for doubt in doubtful]
    if merged.kept:
        told.append(
            f"The source '{name}' keeps what it holds from: {', '.join(merged.kept)}"
        )
    return Plan(
        contents={
            **merged.contents,
            SOURCES: _sources(
                project, "yearbook", name, files,
                {f.path.name: 0 for f in files} | merged.rows_by_file, chosen,
                origin=origin, precedence=precedence, keep_other_files=not replace,
            ),
        },
        told="\n".join(told),
        next_step=f"dbt build: the source '{name}' is asked "
        + (
            "before the shipped yearbook"
            if precedence < 1
            else "where the sources of lower precedence have no figure"
        )
        + f" (precedence {precedence})",
        agreements=agreements,
    )  # fmt: skip


def plan_policy(
    paths: Sequence[Path],
    *,
    project: Path,
    spec: str | None = None,
    name: str | None = None,
    origin: Mapping[str, str] | None = None,
    allow_unmatched: bool = False,
    districts: str | None = None,
    twice: str = "refuse",
    times: str = "refuse",
) -> Plan:
    """Read a roster as a policy that the option `policy` can name.

    Parameters
    ----------
    name : str, optional
        Name of the policy; by default that of the file.
    allow_unmatched : bool
        Keep units of unknown name, and districts where `districts` says nothing, as
        units outside the study.
    districts, twice, times : str
        See `citypanel.importers.policy.Choices`.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> from citypanel.importers import plan_policy
    >>> file = Path(mkdtemp()) / "ports.csv"
    >>> text = "城市,日期,批次\\n杭州市,2015-03-07,1\\n"
    >>> _ = file.write_text(text, encoding="utf-8")
    >>> plan = plan_policy([file], project=Path("."), name="ports")
    >>> plan.next_step
    "dbt build --vars '{policy: ports, treated_batches: [1]}'"
    """
    reference = load_reference(project)
    files = [read_file(path) for path in paths]
    _no_twins(files)
    chosen = find_spec(spec, "policy", files, reference)
    name = name or re.sub(r"[^a-z0-9]+", "_", files[0].path.stem.lower()).strip("_")
    if not policy.POLICY_NAME.fullmatch(name) or name == policy.SHIPPED_POLICY:
        raise ImporterError.of(
            "importers.policy_name", name=name, is_shipped=name == policy.SHIPPED_POLICY
        )
    reading = policy.read_roster(
        files,
        spec=chosen,
        gazetteer=reference.gazetteer,
        units=reference.units,
        choices=policy.Choices(
            districts=districts,
            twice=twice,
            times=times,
            unknown="leave_out" if allow_unmatched else "refuse",
        ),
    )
    rows = _other_rows(project / ROSTERS, policy.ROSTER_COLUMNS, "policy", name)
    rows += [(name, *row) for row in reading.rows]
    rows.sort(key=lambda row: (row[0], int(row[1]), *row[7:10], row[2]))
    batches = sorted({int(row[0]) for row in reading.rows})
    return Plan(
        contents={
            ROSTERS: seed_bytes(policy.ROSTER_COLUMNS, rows),
            SOURCES: _sources(
                project, "policy", name, files, reading.rows_by_file, chosen,
                origin=origin,
            ),
        },
        told=policy.tell(reading, gazetteer=reference.gazetteer),
        next_step=f"dbt build --vars '{{policy: {name}, treated_batches: "
        f"[{', '.join(map(str, batches))}]}}'",
    )  # fmt: skip


def plan_ceic(
    paths: Sequence[Path],
    *,
    project: Path,
    spec: str | None = None,
    origin: Mapping[str, str] | None = None,
    replace: bool = False,
) -> Plan:
    """Read an export of province series into the seeds of the province table.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> from citypanel.importers import plan_ceic
    >>> file = Path(mkdtemp()) / "export.csv"
    >>> block = ["Gross Domestic Product: Hebei", "China", "Hebei", "Annual", "RMB bn",
    ...          "National Bureau", "Active", "1234567", "5", "2000.1", "2450.5"]
    >>> names = ["", "Region", "Subnational", "Frequency", "Unit", "Source", "Status",
    ...          "Series ID", "Mean", "2010", "2011"]
    >>> lines = [f"{name},{value}" for name, value in zip(names, block)]
    >>> _ = file.write_text("\\n".join(lines), encoding="utf-8")
    >>> plan = plan_ceic([file], project=Path("."), replace=True)
    >>> print(plan.told.splitlines()[0])
    Spec ceic_provinces: 1 series, 2 observations.
    """
    reference = load_reference(project)
    files = [read_file(path) for path in paths]
    _no_twins(files)
    chosen = find_spec(spec, "ceic", files, reference)
    unknown = [r.indicator for r in chosen.series if r.indicator not in ceic.INDICATORS]
    if unknown:
        raise ImporterError.of(
            "importers.unknown_indicators",
            unknown,
            name=chosen.name,
            known=list(ceic.INDICATORS),
        )
    reading = ceic.read_series(
        files, spec=chosen, provinces=reference.provinces, units=reference.units
    )
    merged = ceic.merge_series(
        reading,
        series=read_seed(project / SERIES),
        metadata=read_seed(project / METADATA),
        replace=replace,
    )
    told = ceic.tell(reading) + (
        f"\nAgainst the seeds: {merged.n_new} observations new, {merged.n_revised} "
        "revised"
    )
    if merged.replaced:
        told += f"\nSeries replaced ({len(merged.replaced)}): " + few(merged.replaced)
    return Plan(
        contents={
            SERIES: seed_bytes(ceic.SERIES_COLUMNS, merged.series),
            METADATA: seed_bytes(ceic.METADATA_COLUMNS, merged.metadata),
            SOURCES: _sources(
                project, "ceic", _source_name(chosen.name), files, reading.rows_by_file,
                chosen, origin=origin, keep_other_files=True,
            ),
        },
        told=told,
        next_step="dbt build: the province series are the deflators and the second "
        "source of the municipalities",
    )  # fmt: skip


def known_figures(reference: Reference) -> dict[tuple[str, str, int], float]:
    """Figures of the shipped yearbook seed: (variable, city_id, year) to figure."""
    figures = {}
    for row in read_seed(reference.project / YEARBOOK):
        for header, variable in reference.headers.items():
            text = row.get(header) or ""
            try:
                figures[variable, row["城市代码"], int(row["年份"])] = float(text)
            except (KeyError, ValueError):
                continue  # empty; a wrong seed is the build's to report
    return figures


def agreement_share(agreements: Sequence[yearbook.Agreement]) -> tuple[int, int]:
    """Figures that agree with the seed's, and figures in both."""
    return (
        sum(agreement.n_agree for agreement in agreements),
        sum(agreement.n_both for agreement in agreements),
    )


def _tell_agreements(agreements: Sequence[yearbook.Agreement]) -> list[str]:
    agree, both = agreement_share(agreements)
    if not both:
        return ["Compared with the shipped yearbook: no figure in both"]
    lines = [
        f"Compared with the shipped yearbook: {both:,} figures in both, "
        f"{agree / both:.1%} agree within 0.5 per cent"
    ]
    lines += [
        f"  {a.variable}: {a.n_both:,} in both, {a.n_agree / a.n_both:.1%} agree, "
        f"median ratio {a.median_ratio:.4g}"
        for a in agreements
        if a.n_both
    ]
    return lines


def _no_twins(files: Sequence[SourceFile]) -> None:
    known = [(file.path.name, file.sha256) for file in files]
    twice = [n for n, s in known if sum(n == m or s == t for m, t in known) > 1]
    if twice:
        raise ImporterError.of("importers.file_twice", twice)


def _source_name(name: str) -> str:
    if not SOURCE_NAME.fullmatch(name) or name in SHIPPED_SOURCES:
        raise ImporterError.of(
            "importers.source_name", name=name, is_shipped=name in SHIPPED_SOURCES
        )
    return name


def _other_rows(
    path: Path, columns: Sequence[str], key: str, name: str
) -> list[tuple[str, ...]]:
    """Rows of a seed of imports that belong to other imports."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            found = tuple(next(reader, ()))
            rows = [tuple(row) for row in reader]
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _spoiled(path, str(error)) from error
    if any(len(row) != len(found) for row in rows):
        raise _spoiled(path, "its rows are not as long as its header")
    if set(columns) - set(found) <= set(ADDED):
        # Written before these columns were.
        held = [{**ADDED, **dict(zip(found, row, strict=True))} for row in rows]
        rows = [tuple(row[column] for column in columns) for row in held]
    elif found != tuple(columns):
        raise _spoiled(path, "its columns are not those of an import")
    place = columns.index(key)
    return [row for row in rows if row[place] != name]


def _spoiled(path: Path, why: str) -> ImporterError:
    return ImporterError.of(
        "importers.earlier_seed_unreadable", [f"{path.name}: {why}"]
    )


def _sources(
    project: Path,
    kind: str,
    name: str,
    files: Sequence[SourceFile],
    rows_by_file: Mapping[str, int],
    spec: Spec,
    *,
    origin: Mapping[str, str] | None,
    precedence: int | str = "",
    keep_other_files: bool = False,
) -> bytes:
    """The origin file with the rows of this import, one a file."""
    given = {key: value for key, value in (origin or {}).items() if value}
    date = given.pop("date", dt.date.today().isoformat())
    if read_date(date) != date:
        raise ImporterError.of("importers.no_date", date=date)
    stated = {
        key: harmless(given.get(key) or spec.origin.get(key) or NOT_STATED)
        for key in ORIGIN
    }
    texts = shipped_specs() | users_specs(project)
    text = texts.get(spec.name, spec.name)
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    names = {harmless(file.path.name) for file in files}
    held = []
    for row in _other_rows(project / SOURCES, SOURCE_COLUMNS, "kind", ""):
        entry = dict(zip(SOURCE_COLUMNS, row, strict=True))
        if (entry["kind"], entry["source"]) == (kind, name):
            if not keep_other_files or entry["file"] in names:
                continue
            if kind == "yearbook":
                # One source has one rank, and of each file the rows that it still has.
                entry["precedence"] = str(precedence)
                entry["n_rows"] = str(rows_by_file.get(entry["file"], 0))
        held.append(entry)
    for file in files:
        entry = stated | {
            "kind": kind,
            "source": name,
            "precedence": str(precedence),
            "date": date,
            "file": harmless(file.path.name),
            "sha256": file.sha256,
            "n_rows": str(
                rows_by_file.get(harmless(file.path.name))
                or rows_by_file.get(file.path.name, 0)
            ),
            "spec": spec.name,
            "spec_sha256": digest,
        }
        held.append(entry)
    held.sort(key=lambda entry: (entry["kind"], entry["source"], entry["file"]))
    return seed_bytes(SOURCE_COLUMNS, held)
