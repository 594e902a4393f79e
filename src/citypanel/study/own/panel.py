"""The panel that a study brings: read, held against its declaration, made ready.

`examine` finds every mistake of the data against the declaration at once;
`prepare_panel` gives the columns that the estimates take.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from citypanel.did.periods import read_periods
from citypanel.errors import CityPanelError, DeclarationError, ImporterError
from citypanel.importers.cells import Unread, address
from citypanel.importers.files import Sheet, read_file
from citypanel.study import formulas, yaml_lines
from citypanel.study.declaration import Declaration, raise_problems
from citypanel.study.formulas import Formula
from citypanel.study.own.audit import problems_of
from citypanel.study.own.figures import Figures, read_figures
from citypanel.study.own.index import index_values
from citypanel.study.own.roster import Assignment, assign
from citypanel.study.parts import STUDY_WEIGHTS, Roster
from citypanel.study.yaml_lines import Problem, did_you_mean
from citypanel.words import LANGUAGES, Words

_FIGURE = r"[+-]?([0-9]{1,3}(,[0-9]{3})+|[0-9]+)(\.[0-9]+)?"

#: Columns of the prepared panel that are not the declaration's own names.
UNIT, PERIOD, COHORT = "unit_id", "period", "cohort"
TREATMENT, WEIGHTS = "treatment", "weights"
#: Each row's period as a position on the grid of the whole panel.
POSITION = "__position"
BEFORE = "before the study's first period"
AFTER = "after the study's last period"
FIRST_NAMED = 5
SHOWN = 10


@dataclass(frozen=True, eq=False)
class StudyPanel:
    """What the estimates of a study take.

    Attributes
    ----------
    frame : DataFrame
        unit_id, period, cohort and treatment, weights (where declared), then every
        outcome and control by its declared name and every column of the file.
    log : DataFrame
        Rows left out before any estimate: unit_id, period, reason.
    names : mapping of unit to Words
        Of the units that have a name beside their key.
    """

    study: Declaration
    frame: pd.DataFrame
    log: pd.DataFrame
    names: Mapping[object, Words] = field(default_factory=dict)

    def name(self, unit: object) -> Words:
        """What a unit is called: its name, else its key."""
        return self.names.get(unit) or Words(str(unit), str(unit))

    def select(self, condition: Formula | str | None) -> pd.DataFrame:
        """The rows under a condition."""
        if condition is None:
            return self.frame
        keep = formulas.evaluate(
            self.frame,
            {"keep": condition},
            unit=UNIT,
            period=PERIOD,
            positions=self.frame[POSITION].to_numpy(),
        )
        # A condition that is not known is not met.
        return self.frame[keep["keep"].fillna(False).astype(bool).to_numpy()]


def panel_of(study: Declaration) -> pd.DataFrame:
    """The panel that a study declares: its file, or another study's figures.

    Raises
    ------
    DeclarationError
        A file that cannot be read as what its name says.
    CityPanelError
        As `citypanel.study.own.figures.read_figures`.
    """
    if isinstance(study.panel, Figures):
        from citypanel.warehouse.published import published_file

        file = study.folder.parents[1] / published_file(study.panel.study)
        return read_figures(study.panel, file)
    return read_panel(study.panel)


def read_panel(path: Path) -> pd.DataFrame:
    """A panel file as a frame: .csv, .xlsx, .dta or .parquet.

    Text in any encoding and with any separator that the importers know; of a workbook
    the one sheet with a table.

    Raises
    ------
    DeclarationError
        A file that cannot be read as what its name says.
    """
    readers = {
        ".csv": _read_text,
        ".xlsx": _read_workbook,
        ".dta": lambda path: pd.read_stata(path, convert_categoricals=False),
        ".parquet": _read_parquet,
    }
    try:
        frame = readers[path.suffix.lower()](path)
    except KeyError:
        raise DeclarationError(
            f"{path.name} ends in {path.suffix}; a panel is one of "
            f"{', '.join(readers)}."
        ) from None
    except DeclarationError:
        raise
    except Exception as error:
        why = " ".join(str(error).split())[:200]
        if isinstance(error, ImporterError):
            why = str(error).partition("\nConsequence")[0]
        raise DeclarationError(
            f"{path.name} cannot be read: {why}\n"
            "Consequence: the study has no data.\n"
            f"Remedy: open it with what wrote it and save it again as {path.suffix}."
        ) from error
    frame.columns = [str(column).strip() for column in frame.columns]
    return _in_numbers(_without_row_number(frame))


def _without_row_number(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame without a first column that has no name and counts its rows."""
    name = str(frame.columns[0]) if len(frame.columns) > 1 else ""
    if not name.startswith("Unnamed: ") or frame[name].dtype.kind not in "iu":
        return frame
    counts = (frame[name].diff().dropna() == 1).all() and frame[name].iloc[0] in (0, 1)
    return frame.drop(columns=name) if counts else frame


def _in_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with columns of figures such as 26,048.5 as numbers."""
    for column in frame.select_dtypes(include=["object", "string"]):
        cells = frame[column].dropna().astype(str).str.strip()
        cells = cells[cells != ""]
        if cells.str.contains(",").any() and cells.str.fullmatch(_FIGURE).all():
            plain = cells.str.replace(",", "")
            frame[column] = pd.to_numeric(plain).reindex(frame.index)
    return frame


def _read_text(path: Path) -> pd.DataFrame:
    sheet = read_file(path).sheets[0]
    text = io.StringIO(newline="")
    csv.writer(text).writerows(_table_of(sheet))
    text.seek(0)
    return pd.read_csv(text)


def _read_workbook(path: Path) -> pd.DataFrame:
    """The one sheet with a table that whoever opens the workbook sees."""
    tables = [
        sheet
        for sheet in read_file(path).sheets
        if not sheet.is_hidden and sum(len(_filled(row)) > 1 for row in sheet.rows) > 1
    ]
    if len(tables) != 1:
        has = f"tables on {len(tables)} sheets" if tables else "no table that is seen"
        raise DeclarationError.of(
            "study.not_one_sheet",
            [sheet.name for sheet in tables],
            file=path.name,
            has=has,
        )
    rows = _table_of(tables[0])
    skipped = next(n for n, row in enumerate(tables[0].rows) if _filled(row))
    frame = pd.read_excel(
        path, sheet_name=tables[0].name, engine="calamine", header=skipped
    )
    return frame.iloc[:, : len(rows[0])]


def _filled(row: Sequence[object]) -> list[object]:
    return [cell for cell in row if str(cell).strip()]


def _table_of(sheet: Sheet) -> list[list[object]]:
    """The header and rows of as many cells, none of which shows what it is not.

    Raises
    ------
    DeclarationError
        Two columns of one name, a row longer than the header, an error or a formula
        that was never computed.
    """
    first = next(n for n, row in enumerate(sheet.rows) if _filled(row))
    header: list[object] = [str(cell).strip() for cell in sheet.rows[first]]
    while header and not header[-1]:
        header.pop()
    wrong = [
        f"{address(first, n)}: two columns are called {name}"
        for n, name in enumerate(header)
        if name and name in header[:n]
    ]
    body = []
    for number, row in enumerate(sheet.rows[first + 1 :], first + 1):
        if not _filled(row):
            continue
        body.append([*row, *[""] * len(header)][: len(header)])
        cells = [(f"{address(number, n)}: {cell}", cell) for n, cell in enumerate(row)]
        wrong += [f"{at} {cell.why}" for at, cell in cells if isinstance(cell, Unread)]
        wrong += [
            f"{at} stands beyond the last column with a name"
            for at, cell in cells[len(header) :]
            if str(cell).strip()
        ]
    if wrong:
        raise DeclarationError.of("study.cells_not_read", wrong, file=sheet.file)
    return [header, *body]


def _read_parquet(path: Path) -> pd.DataFrame:
    import duckdb

    with duckdb.connect() as connection:
        return connection.execute("select * from read_parquet(?)", [str(path)]).df()


def prepare_panel(study: Declaration, frame: pd.DataFrame | None = None) -> StudyPanel:
    """Read the study's panel, hold it against the declaration, and make it ready.

    Parameters
    ----------
    study : Declaration
    frame : DataFrame, optional
        The panel itself in place of the file.

    Raises
    ------
    DeclarationError
        Every mistake of the data against the declaration, at once.
    """
    frame = panel_of(study) if frame is None else frame
    made, problems = look(study, frame)
    if made is None or problems:
        raise_problems(study.name, problems)
    return made


def examine(study: Declaration, frame: pd.DataFrame) -> list[Problem]:
    """Every mistake of a panel against its declaration."""
    return look(study, frame)[1]


def look(
    study: Declaration, frame: pd.DataFrame
) -> tuple[StudyPanel | None, list[Problem]]:
    """The panel, where it can be made at all, and every mistake of it."""
    start = len(study.document.problems)
    report = study.document.report
    frame = _without_blanks(frame)
    columns = list(frame.columns)
    folded = pd.Series([c.lower() for c in columns])
    for column in folded[folded.duplicated()]:
        report(("panel",), "columns_alike", column=column)
    others = study.other_policies.items()
    named: dict[yaml_lines.Path, str | None] = {
        ("unit", "key"): study.unit,
        ("period", "key"): study.period,
        **{("unit", "name", k): c for k, c in study.unit_names.items() if c},
        ("unit", "parent"): study.parent,
        ("policy", "cohort"): study.cohort,
        ("policy", "treatment"): study.treatment,
        **{("other_policies", n, "cohort"): other.cohort for n, other in others},
        ("cluster",): study.cluster,
        **{("unit", "groups", g): c for g, c in study.groups.items()},
    }
    for path, column in named.items():
        if column and column not in columns:
            report(path, "no_column", **_no_column(column, columns))
    _examine_formulas(study, columns)
    if study.published is not None and study.published.is_file():
        study.document.problems += problems_of(study, study.published)
    if len(study.document.problems) == start:
        _examine_rows(study, frame)
    made = None
    try:
        if len(study.document.problems) == start:
            made = _made(study, frame)
    except RosterProblem:
        pass
    except CityPanelError as error:
        report(("period",), "said", what=" ".join(str(error).split()), remedy="")
    except (ValueError, TypeError, AttributeError) as error:
        place = ("policy", "cohort" if study.cohort else "treatment")
        why = " ".join(str(error).split())
        report(place, "cohort_unread", period=study.period, why=why)
    if made is not None:
        _examine_content(study, made)
    return made, study.document.problems[start:]


def _without_blanks(frame: pd.DataFrame) -> pd.DataFrame:
    """Text that is blank is no value: .dta knows no other for text."""
    blank = {
        name: column.mask(column.astype("string").str.strip() == "")
        for name, column in frame.items()
        if not pd.api.types.is_numeric_dtype(column)
        and not pd.api.types.is_datetime64_any_dtype(column)
    }
    return frame.assign(**blank) if blank else frame


def _examine_formulas(study: Declaration, columns: list[str]) -> None:
    report = study.document.report
    everywhere = [*columns, *(o.name for o in study.outcomes), *study.controls]

    def check(path: yaml_lines.Path, text: object, known: list[str]) -> None:
        for what in formulas.problems_of(text, known):
            report(path, "said", what=what, remedy="")

    for outcome in study.outcomes:
        index = outcome.index
        for text in index.series if index else (outcome.formula,):
            check(("outcome", outcome.name), text, columns)
    for name, control in study.controls.items():
        check(("controls", name), control.formula, columns)
    if study.weights:
        check(("weights",), study.weights, columns)
    for name, condition in study.samples.items():
        check(("samples", name), condition, everywhere)
    for place, column in enumerate(study.columns):
        if column.where is not None and column.sample not in study.samples:
            check(("columns", place, "sample"), column.where, everywhere)
        if column.weights not in (None, STUDY_WEIGHTS):
            check(("columns", place, "weights"), column.weights, columns)
        if column.cluster and column.cluster not in columns:
            at = ("columns", place, "cluster")
            report(at, "no_column", **_no_column(column.cluster, columns))


def _no_column(column: str, columns: Iterable[str]) -> dict[str, object]:
    """What is said of a column that the panel lacks."""
    hint = did_you_mean(column, columns, "; ", "")
    return {"column": column, "hint": hint, "columns": list(columns)[:SHOWN]}


def _examine_rows(study: Declaration, frame: pd.DataFrame) -> None:
    """Keys, and a cohort that is not one per unit."""
    report = study.document.report
    key = [study.unit, study.period]
    for part, column in zip(("unit", "period"), key, strict=True):
        empty = frame[column].isna()
        if empty.any():
            rows = ", ".join(str(i + 2) for i in np.flatnonzero(empty)[:FIRST_NAMED])
            n = int(empty.sum())
            report((part, "key"), "key_empty", column=column, n=n, rows=rows)
    twice = frame[frame.duplicated(key, keep=False)].dropna(subset=key)
    if len(twice):
        report(
            ("unit", "key"),
            "rows_alike",
            n=len(twice),
            unit=study.unit,
            period=study.period,
            named=_named(twice, key),
        )
    cohorts: dict[yaml_lines.Path, str | None] = {("policy", "cohort"): study.cohort}
    for name, other in study.other_policies.items():
        cohorts["other_policies", name] = other.cohort
    for place, cohort in cohorts.items():
        if cohort is None:
            continue
        varying = frame.groupby(study.unit)[cohort].nunique(dropna=False)
        varying = varying[varying > 1]
        if len(varying):
            first = varying.index[0]
            seen = frame.loc[frame[study.unit] == first, cohort].unique()
            report(
                place,
                "cohort_varies",
                cohort=cohort,
                n=len(varying),
                unit=first,
                seen=list(map(str, seen[:FIRST_NAMED])),
            )


def _named(rows: pd.DataFrame, key: list[str]) -> str:
    places = [f"{a} in {b}" for a, b in rows[key].drop_duplicates().to_numpy()]
    rest = len(places) - FIRST_NAMED
    return ", ".join(places[:FIRST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _made(study: Declaration, frame: pd.DataFrame) -> StudyPanel:
    grid = read_periods(
        frame[study.period],
        frequency=study.frequency,
        others=frame[study.cohort] if study.cohort else (),
    )
    when = grid.place(frame[study.period]).astype(int)
    computed: dict[str, object] = {
        o.name: o.formula for o in study.outcomes if o.index is None
    }
    computed |= {name: control.formula for name, control in study.controls.items()}
    if study.weights:
        computed[WEIGHTS] = study.weights
    for place, column in enumerate(study.columns):
        if column.weights is not None and column.weights != STUDY_WEIGHTS:
            computed[f"{WEIGHTS}_{place}"] = column.weights
    values = formulas.evaluate(
        frame, computed, unit=study.unit, period=study.period, positions=when
    )
    made = frame.copy()
    for name in values:
        made[name] = values[name].to_numpy()
    made[UNIT], made[PERIOD] = frame[study.unit], frame[study.period]
    made[POSITION] = when
    for outcome in study.outcomes:
        if outcome.index is None:
            made[outcome.name] = _transformed(
                made, outcome.name, outcome.transform, when
            )
        else:
            made[outcome.name] = index_values(
                frame,
                outcome.index,
                outcome.transform,
                unit=study.unit,
                period=study.period,
                positions=when,
            )
    if study.treatment:
        made[TREATMENT] = frame[study.treatment].astype(float)
    if study.cohort and not study.roster:
        made[COHORT] = frame[study.cohort]
    elif not study.roster:
        first = made[made[TREATMENT] > 0].groupby(UNIT)[PERIOD].min()
        made[COHORT] = made[UNIT].map(first)
    if not study.roster and not study.treatment:
        made[TREATMENT] = (when >= _starts(made[COHORT], grid)).astype(float)
    # Why a row is in no estimate; empty where it is.
    left_out = np.full(len(made), "", dtype=object)
    for bound, outside, words in (
        (study.first, np.less, BEFORE),
        (study.last, np.greater, AFTER),
    ):
        if bound is not None:
            beyond = outside(when, float(grid.place([bound])[0]))
            left_out[beyond & (left_out == "")] = words
    within = left_out == ""
    if study.roster:
        path = ("policy", "roster")
        assigned = _assigned(study, study.roster, path, frame, when, grid, within)
        made[TREATMENT] = assigned.treatment
        made[COHORT] = _labels(assigned.start, grid)
        left_out = np.where(assigned.left_out == "", left_out, assigned.left_out)
    for other in study.other_policies.values():
        if other.cohort is not None:
            made[other.column] = frame[other.cohort]
        elif other.roster is not None:
            at = ("other_policies", other.name, "roster")
            there = _assigned(study, other.roster, at, frame, when, grid, within)
            made[other.column] = _labels(there.start, grid)
    keep = left_out == ""
    log = made.loc[~keep, [UNIT, PERIOD]].assign(reason=left_out[~keep])
    last = {BEFORE: 1, AFTER: 2}
    log = log.sort_values(
        "reason", key=lambda reason: reason.map(last).fillna(0), kind="stable"
    )
    made = made[keep].sort_values([UNIT, PERIOD], kind="stable").reset_index(drop=True)
    return StudyPanel(study, made, log, _names(study, frame))


def _names(study: Declaration, frame: pd.DataFrame) -> dict[object, Words]:
    """The names of the units, in the other language where one is not given."""
    columns = [study.unit_names.get(language) for language in LANGUAGES]
    given = [column for column in columns if column]
    if not given:
        return {}
    first = frame.groupby(study.unit)[given].first()
    return {
        unit: Words(*(str(row[column or given[0]]) for column in columns))
        for unit, row in first.iterrows()
    }


def _labels(positions: np.ndarray, grid) -> list:
    return [grid.label(int(at)) if np.isfinite(at) else None for at in positions]


def _assigned(
    study: Declaration,
    roster: Roster,
    path: yaml_lines.Path,
    frame: pd.DataFrame,
    when: np.ndarray,
    grid,
    within: np.ndarray,
) -> Assignment:
    """A roster's rows on the panel's; its mistakes are those of the declaration."""
    assigned, problems = assign(
        roster,
        frame[study.unit],
        frame[study.parent] if study.parent else None,
        when,
        grid,
        within=within,
        root=study.folder.parents[1],
    )
    if assigned is None:
        for problem in problems:
            study.document.report(path, "said", what=problem, remedy="")
        raise RosterProblem
    return assigned


class RosterProblem(Exception):
    """The roster's mistakes have been reported."""


def _starts(cohort: pd.Series, grid) -> np.ndarray:
    """Position of each row's cohort; infinity for never."""
    out = np.full(len(cohort), np.inf)
    # Nullable integers too: their comparisons are neither true nor false where null.
    numbers = pd.to_numeric(cohort, errors="coerce").to_numpy(float, na_value=np.nan)
    known = cohort.notna().to_numpy() & ~np.isinf(numbers)
    labels = set(grid.labels)
    known &= (numbers != 0) | (0 in labels)
    if known.any():
        out[known] = grid.place(cohort[known])
    return out


def _transformed(frame, name, transform, when) -> np.ndarray:
    values = frame[name].astype(float)
    if transform in ("log", "log_difference"):
        values = np.log(values.where(values > 0))
    if transform in ("difference", "log_difference"):
        values = values - before(frame[UNIT], when, values)
    return values.to_numpy()


def before(units: pd.Series, when: np.ndarray, values: pd.Series, by: int = 1):
    """Each row's value `by` periods before, null where its unit was not seen then."""
    known = pd.Series(values.to_numpy(float), pd.MultiIndex.from_arrays([units, when]))
    asked = pd.MultiIndex.from_arrays([units, np.asarray(when) - by])
    return pd.Series(known.reindex(asked).to_numpy(), units.index)


def _examine_content(study: Declaration, made: StudyPanel) -> None:
    """Treated and control units, weights, periods and outcomes that say something."""
    report = study.document.report
    frame = made.frame
    if frame.empty:
        report(("period",), "no_rows", first=study.first, last=study.last)
        return
    path = ("policy", "cohort") if study.cohort else ("policy", "treatment")
    if study.roster:
        path = ("policy", "roster")
    treated = frame.groupby(UNIT)[TREATMENT].max() > 0
    always = frame.groupby(UNIT)[TREATMENT].min() > 0
    if not treated.any():
        report(path, "none_treated")
    elif always[treated].all():
        report(path, "always_treated")
    elif treated.all() and frame.loc[frame[TREATMENT] == 0, PERIOD].nunique() < 2:
        report(path, "no_controls")
    exposure = frame[TREATMENT]
    if ((exposure < 0) | (exposure > 1)).any() and study.treatment:
        report(("policy", "treatment"), "exposure", column=study.treatment)
    if study.weights:
        bad = ~(frame[WEIGHTS].astype(float) > 0)
        if bad.any():
            named = _named(frame[bad], [UNIT, PERIOD])
            report(("weights",), "weights", n=int(bad.sum()), named=named)
    for outcome in study.outcomes:
        known = frame[outcome.name].notna()
        seen = frame[known].groupby(PERIOD).size()
        empty = sorted(set(frame[PERIOD]) - set(seen.index))
        # A change has no value in the first period; nor has the index of figures.
        shifted = outcome.is_change or isinstance(study.panel, Figures)
        if shifted and empty == [frame[PERIOD].min()]:
            empty = []
        if empty:
            periods = list(map(str, empty[:SHOWN]))
            report(("outcome", outcome.name), "outcome_empty", periods=periods)
