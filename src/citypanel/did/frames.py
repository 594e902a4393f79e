"""The tidy frame that every estimator returns, and the rule for single units.

One place decides the columns, the intervals and what happens to a row that rests on
one treated unit: the sampling variation of its effect cannot be told from the unit's
own shock (Conley and Taber 2011; Ferman and Pinto 2019), so such a row carries an
estimate, a note and no standard error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from citypanel.did.panels import Panel
from citypanel.did.periods import is_absent, label_array
from citypanel.did.results import Extras, Result, critical_value

# The columns of every tidy frame, and what they hold.
COLUMNS = {
    "estimator": "text",
    "aggregation": "text",
    "cohort": "label",
    "period": "label",
    "event_time": "label",
    "term": "text",
    "estimate": "number",
    "std_error": "number",
    "statistic": "number",
    "df": "number",
    "conf_low": "number",
    "conf_high": "number",
    "p_value": "number",
    "n_obs": "whole",
    "n_units": "whole",
    "n_treated_units": "whole",
    "n_clusters": "whole",
    "standard_errors": "text",
    "note": "text",
}

OVERALL = "overall"
WITHOUT_SINGLE = "overall_without_single_unit_cohorts"
NOTE_SINGLE = "rests on cohorts of one unit: no sampling distribution"
NOTE_REFERENCE = "reference period"
NOTE_UNKNOWN = "not identified by the rows used"
NOTE_ROUNDING = "no standard error: residuals are rounding of the outcome"
NOTE_NOTHING_LEFT = "no standard error: as many parameters as rows"

_overall_only: ContextVar[bool] = ContextVar("overall_only", default=False)


@contextmanager
def overall_only() -> Iterator[None]:
    """Have the estimators leave out what does not stand in their overall rows.

    For a caller that reads these alone, as one of thousands of specifications does:
    the rows are the same to the last digit, and an estimate takes up to half less.
    """
    token = _overall_only.set(True)
    try:
        yield
    finally:
        _overall_only.reset(token)


def wants_all() -> bool:
    """Whether rows beside the overall ones are wanted."""
    return not _overall_only.get()


def two_sided_p(statistic: np.ndarray | float, df: np.ndarray | float) -> np.ndarray:
    """Two-sided p-value of a t statistic; df = inf is the normal."""
    statistic = np.abs(np.asarray(statistic, float))
    df = np.asarray(df, float)
    return 2.0 * np.where(
        np.isinf(df),
        special.ndtr(-statistic),
        special.stdtr(np.where(np.isinf(df), 1.0, df), -statistic),
    )


def join_notes(*notes: str | None) -> str | None:
    """Join the notes that say something; None when none does."""
    said = [note for note in notes if pd.notna(note) and note]
    return "; ".join(dict.fromkeys(said)) or None


def split_notes(note: object) -> list[str]:
    """What `join_notes` joined; nothing where a note is null."""
    return note.split("; ") if isinstance(note, str) else []


def tidy(
    rows: Iterable[Mapping[str, Any]],
    *,
    estimator: str,
    level: float = 0.95,
    single_unit_std_error: bool = False,
    extra_columns: Iterable[str] = (),
    attrs: Mapping[str, Any] | None = None,
    resolution: float = 0.0,
    **common: Any,
) -> Result:
    """Build the tidy frame from rows that hold at least an estimate.

    Parameters
    ----------
    rows : iterable of mapping
        Keys are columns of the tidy frame. ``single_unit`` marks a row that rests on
        cohorts of one unit only; its standard error is withheld unless asked for.
    estimator : str
        Name written in every row.
    level : float
        Coverage of the confidence interval.
    single_unit_std_error : bool
        Keep the standard errors of marked rows (the mark stays in the note).
    extra_columns : iterable of str
        Columns to keep after the common ones.
    attrs : mapping, optional
        Attached as ``DataFrame.attrs``.
    resolution : float
        Standard errors up to this are rounding of the outcome and are withheld.
    **common
        Values for every row that does not have its own.

    Returns
    -------
    Result
        Statistic, interval and p-value follow from estimate, standard error and df
        (inf means normal), unless the row brings its own.
    """
    records = []
    for row in rows:
        record = {**common, **row, "estimator": row.get("estimator", estimator)}
        error = record.get("std_error")
        if error is not None and resolution and not error > resolution:
            if error <= resolution:
                record["note"] = join_notes(record.get("note"), NOTE_ROUNDING)
            else:
                record["note"] = record.get("note") or NOTE_NOTHING_LEFT
            record |= dict.fromkeys(("std_error", "statistic", "p_value", "df"))
        if record.pop("single_unit", False):
            record["note"] = join_notes(NOTE_SINGLE, record.get("note"))
            if not single_unit_std_error:
                for column in ("std_error", "statistic", "p_value", "df"):
                    record[column] = None
                for column in ("conf_low", "conf_high", "band_low", "band_high"):
                    record[column] = None
        records.append(record)
    columns: dict[str, Any] = {}
    for column in (*COLUMNS, *extra_columns):
        values: list[Any] = [record.get(column) for record in records]
        kind = COLUMNS.get(column)
        if kind == "label":
            columns[column] = label_array(values)
        elif kind == "whole":
            gap = np.array([is_absent(v) for v in values], dtype=bool)
            whole = [0 if g else int(v) for v, g in zip(values, gap, strict=True)]
            columns[column] = pd.arrays.IntegerArray(np.array(whole, np.int64), gap)
        elif kind == "text":
            text = [None if is_absent(v) else v for v in values]
            columns[column] = pd.Index(text, dtype=object)
        elif kind == "number":
            columns[column] = np.array(
                [np.nan if is_absent(v) else float(v) for v in values], dtype=float
            )
        else:
            columns[column] = values
    _complete(columns, level)
    frame = Result(columns, index=pd.RangeIndex(len(records)), copy=False)
    frame.attrs = dict(attrs or {})
    return frame


def staggered_frame(
    data: Panel,
    rows: Iterable[Mapping[str, Any]],
    dynamic: Mapping[str, Any] | None,
    *,
    reference: int | None = -1,
    attrs: Mapping[str, Any] | None = None,
    **common: Any,
) -> Result:
    """The tidy frame of an estimator for staggered adoption.

    Parameters
    ----------
    data : Panel
        What was estimated from; gives n_obs, n_units, the outcome, how the periods were
        read, the log of rows left out and the note that stands on the overall rows.
    rows : iterable of mapping
        As for `tidy`.
    dynamic : mapping or None
        Covariance of the event times: positions, event_times, estimates, matrix,
        single. With `reference` it goes to ``attrs["covariance"]``; None where it is
        not wanted.
    reference : int
        Position of the reference event time.
    attrs : mapping, optional
        Further attributes.
    **common
        As for `tidy`.
    """
    made = [dict(row) for row in rows]
    noted = [row for row in made if row.get("aggregation") == "simple"]
    add_note(noted or made[:1], data.note)
    carried = {**(attrs or {}), "periods": data.grid.description}
    if dynamic is not None:
        path = {**dynamic, "reference": reference, "span": data.grid.span}
        carried["covariance"] = Extras(path)
    return panel_frame(
        data,
        made,
        attrs=carried,
        resolution=data.resolution,
        **{"n_obs": data.n_obs, "n_units": data.n_units, **common},
    )


def panel_frame(
    data: Panel,
    rows: Iterable[Mapping[str, Any]],
    *,
    extra_columns: Iterable[str] = ("outcome",),
    attrs: Mapping[str, Any] | None = None,
    **common: Any,
) -> Result:
    """`tidy` with the outcome of a panel, and its log of rows left out in ``attrs``."""
    return tidy(
        rows,
        extra_columns=extra_columns,
        attrs={**(attrs or {}), "dropped": Extras({"rows": data.dropped})},
        **{"outcome": data.design.outcome, **common},
    )


def overall_rows(frame: pd.DataFrame, term: str = OVERALL) -> pd.DataFrame:
    """Rows of a term that is no regressor's, whatever the controls are called."""
    return frame[(frame["term"] == term) & (frame["aggregation"] != "coefficient")]


def add_note(rows: Iterable[dict], note: str | None) -> None:
    """Add a note to some rows that are not tidy yet."""
    for row in rows:
        row["note"] = join_notes(row.get("note"), note)


def _complete(columns: dict[str, Any], level: float) -> None:
    """Fill statistic, interval and p-value where a standard error stands."""
    estimate, error = columns["estimate"], columns["std_error"]
    has = error > 0
    df = np.where(np.isnan(columns["df"]), np.inf, columns["df"])

    def fill(column: str, values: np.ndarray) -> None:
        given = columns[column]
        columns[column] = np.where(has & np.isnan(given), values, given)

    with np.errstate(divide="ignore", invalid="ignore"):
        fill("statistic", estimate / error)
    fill("p_value", two_sided_p(columns["statistic"], df))
    distinct, place = np.unique(df, return_inverse=True)
    critical = np.array([critical_value(d, level) for d in distinct])[place]
    fill("conf_low", estimate - critical * error)
    fill("conf_high", estimate + critical * error)
    columns["df"] = np.where(has & np.isnan(columns["df"]), np.inf, columns["df"])
