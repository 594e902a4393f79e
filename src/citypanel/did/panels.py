"""Checks that every estimator runs on its panel, and the arrays they work on.

A row is a unit in a period. Rows are sorted by unit and period first, so that no
result depends on the order in which they came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from citypanel.errors import EstimationError, OptionError, PanelError, describe
from citypanel.panel import require_columns, require_unique_key

NEVER = 0


@dataclass(frozen=True, eq=False)
class Panel:
    """A checked panel, sorted by unit and period.

    Attributes
    ----------
    frame : DataFrame
        The rows used, in order.
    dropped : DataFrame
        The rows not used: unit, period, reason.
    y : ndarray (n,)
        Outcome.
    controls : ndarray (n, k)
        Control columns.
    unit, period : ndarray of int (n,)
        Codes into ``units`` and ``periods``.
    units, periods : ndarray
        Labels in sorted order.
    treatment : ndarray (n,) or None
        Treatment as given.
    cohort : ndarray of int (n_units,) or None
        First treated period of each unit, 0 = never within the panel.
    cluster : ndarray of int (n,)
        Codes of the clusters; those of the units by default.
    """

    frame: pd.DataFrame
    dropped: pd.DataFrame
    y: np.ndarray
    controls: np.ndarray
    control_names: tuple[str, ...]
    unit: np.ndarray
    period: np.ndarray
    units: np.ndarray
    periods: np.ndarray
    treatment: np.ndarray | None
    cohort: np.ndarray | None
    cluster: np.ndarray

    @property
    def n_obs(self) -> int:
        return len(self.y)

    @property
    def n_units(self) -> int:
        return len(self.units)

    @property
    def n_clusters(self) -> int:
        return int(self.cluster.max()) + 1

    @property
    def cohort_sizes(self) -> dict[int, int]:
        """Units per treated cohort."""
        return cohort_sizes(self.cohort)

    @property
    def event_time(self) -> np.ndarray:
        """Period minus cohort for each row; the smallest integer for never."""
        cohort = self.cohort[self.unit]
        when = self.periods[self.period] - cohort
        return np.where(cohort > 0, when, np.iinfo(np.int64).min)

    @property
    def treated(self) -> np.ndarray:
        """Rows at or after their unit's cohort."""
        cohort = self.cohort[self.unit]
        return (cohort > 0) & (self.periods[self.period] >= cohort)

    @property
    def is_balanced(self) -> bool:
        return self.n_obs == self.n_units * len(self.periods)

    def matrix(self, values: np.ndarray) -> np.ndarray:
        """Units x periods view of a column; only for a balanced panel."""
        return np.asarray(values).reshape(self.n_units, len(self.periods))


def cohort_sizes(cohort: np.ndarray) -> dict[int, int]:
    """Units per treated cohort, from one cohort a unit."""
    values, counts = np.unique(cohort[cohort > 0], return_counts=True)
    return {int(v): int(c) for v, c in zip(values, counts, strict=True)}


def choose(option: str, value: object, allowed: Sequence[object]) -> None:
    """Raise when an option has a value that is not on its list."""
    if value not in allowed:
        raise OptionError(
            describe(
                f"Option {option} has the value {value!r}",
                consequence="the estimator would not be the one asked for",
                remedy="use one of " + ", ".join(repr(a) for a in allowed),
            )
        )


def prepare(
    panel: pd.DataFrame,
    *,
    outcome: str,
    unit: str,
    period: str,
    treatment: str | None = None,
    cohort: str | None = None,
    controls: Sequence[str] = (),
    cluster: str | None = None,
    keep: Sequence[str] = (),
    balanced: bool = False,
    absorbing: bool = False,
    first_period_treated: str = "keep",
) -> Panel:
    """Check a panel and turn it into arrays.

    Parameters
    ----------
    panel : DataFrame
        One row per unit and period.
    outcome, unit, period, treatment, cohort, cluster : str
        Column names. ``cohort`` holds the first treated period; 0, null and infinity
        mean never, and so does a cohort after the last period.
    controls, keep : sequence of str
        Numeric controls, and other columns the estimator needs.
    balanced : bool
        Drop units that are not seen in every period.
    absorbing : bool
        Require a treatment in [0, 1] that never falls within a unit.
    first_period_treated : {"keep", "drop"}
        What to do with units whose cohort is not after the first period.

    Returns
    -------
    Panel

    Raises
    ------
    PanelError
        Missing or non-numeric columns, duplicated keys, a cohort that varies within
        a unit, a treatment that switches off, no unit left.
    """
    controls = tuple([controls] if isinstance(controls, str) else controls)
    named = {"outcome": outcome, "unit": unit, "period": period}
    named |= {"treatment": treatment, "cohort": cohort, "cluster": cluster}
    needed = [c for c in named.values() if c is not None]
    needed = list(dict.fromkeys([*needed, *controls, *keep]))
    require_columns(panel, needed)
    numeric = [outcome, period, *controls]
    numeric += [c for c in (treatment, cohort) if c is not None]
    _require_numbers(panel, list(dict.fromkeys(numeric)), unit, period)
    frame = panel.loc[:, needed].copy()
    for column in numeric:
        kind = frame[column].dtype
        if kind == np.float64 or (column == period and kind == np.int64):
            continue
        values = pd.to_numeric(frame[column])
        frame[column] = values.to_numpy(float, na_value=np.nan)
    if frame[period].dtype != np.int64:
        whole = frame[period].dropna()
        if len(whole) == len(frame) and (whole == np.floor(whole)).all():
            frame[period] = frame[period].astype(np.int64)
    if frame[unit].isna().any() or frame[period].isna().any():
        rows = np.flatnonzero(frame[unit].isna() | frame[period].isna())
        raise PanelError(
            describe(
                f"Rows without a {unit} or a {period}",
                [f"row {row}" for row in rows],
                consequence="they belong to no unit or no period",
                remedy=f"fill {unit} and {period} or remove the rows",
            )
        )
    frame = frame.sort_values([unit, period], kind="stable").reset_index(drop=True)
    a, b = frame[unit].to_numpy(), frame[period].to_numpy()
    if ((a[1:] == a[:-1]) & (b[1:] == b[:-1])).any():
        require_unique_key(frame, [unit, period])
    lost: list[pd.DataFrame] = []
    values = frame[[outcome, *controls, *([treatment] if treatment else [])]]
    finite = np.isfinite(values.to_numpy(float, na_value=np.nan)).all(axis=1)
    if cluster is not None:
        finite &= frame[cluster].notna().to_numpy()
    frame = _drop(frame, finite, unit, period, "missing value", lost)
    cohorts = None
    if cohort is not None:
        frame[cohort] = _clean_cohort(frame, cohort, unit, period)
        if first_period_treated == "drop" and len(frame):
            first = frame[period].min()
            fine = ((frame[cohort] == NEVER) | (frame[cohort] > first)).to_numpy()
            reason = f"treated from the first period ({first}) on"
            frame = _drop(frame, fine, unit, period, reason, lost)
    if balanced and len(frame):
        n_periods = frame[period].nunique()
        seen = frame.groupby(unit)[period].transform("size").to_numpy()
        reason = f"not seen in all {n_periods} periods"
        frame = _drop(frame, seen == n_periods, unit, period, reason, lost)
    if frame.empty:
        raise PanelError(
            describe(
                "No city is left after dropping missing values"
                + (" and balancing the panel" if balanced else ""),
                [f"{name}: {len(rows)} rows" for name, rows in _reasons(lost)],
                consequence="there is nothing to estimate from",
                remedy=f"look at the missing values of {', '.join(numeric)}, or "
                "restrict the periods to those seen for every city",
            )
        )
    unit_codes, units = pd.factorize(frame[unit], sort=True)
    period_codes, periods = pd.factorize(frame[period], sort=True)
    order = np.lexsort((period_codes, unit_codes))
    if (order[1:] < order[:-1]).any():
        frame = frame.iloc[order].reset_index(drop=True)
        unit_codes, period_codes = unit_codes[order], period_codes[order]
    if cohort is not None:
        starts = np.searchsorted(unit_codes, np.arange(len(units)))
        cohorts = frame[cohort].to_numpy(np.int64)[starts]
        cohorts = np.where(cohorts > periods.max(), NEVER, cohorts)
    given = None
    if treatment is not None:
        given = frame[treatment].to_numpy(float)
        if absorbing:
            require_absorbing(frame, treatment, unit, period)
    cluster_codes = unit_codes
    if cluster is not None and cluster != unit:
        cluster_codes = pd.factorize(frame[cluster], sort=True)[0]
    dropped = (
        pd.concat(lost, ignore_index=True)
        if lost
        else pd.DataFrame(columns=[unit, period, "reason"])
    )
    return Panel(
        frame=frame,
        dropped=dropped,
        y=frame[outcome].to_numpy(float),
        controls=frame[list(controls)].to_numpy(float).reshape(len(frame), -1),
        control_names=controls,
        unit=unit_codes.astype(np.int64),
        period=period_codes.astype(np.int64),
        units=np.asarray(units),
        periods=np.asarray(periods),
        treatment=given,
        cohort=cohorts,
        cluster=cluster_codes.astype(np.int64),
    )


def _places(rows: pd.DataFrame, unit: str, period: str, *columns: str) -> list[str]:
    """Name the unit, the period and the values of some rows."""
    return [
        f"{unit} {row[unit]}, {period} {row[period]}"
        + "".join(f", {column} = {row[column]!r}" for column in columns)
        for row in rows.to_dict("records")
    ]


def _reasons(lost: list[pd.DataFrame]) -> list[tuple[str, pd.DataFrame]]:
    return [(rows["reason"].iloc[0], rows) for rows in lost if len(rows)]


def _drop(
    frame: pd.DataFrame,
    fine: np.ndarray,
    unit: str,
    period: str,
    reason: str,
    lost: list[pd.DataFrame],
) -> pd.DataFrame:
    if fine.all():
        return frame
    lost.append(frame.loc[~fine, [unit, period]].assign(reason=reason))
    return frame[fine].reset_index(drop=True)


def _require_numbers(
    panel: pd.DataFrame, columns: Sequence[str], unit: str, period: str
) -> None:
    for column in columns:
        if pd.api.types.is_numeric_dtype(panel[column]):
            continue
        numbers = pd.to_numeric(panel[column], errors="coerce")
        bad = panel[numbers.isna() & panel[column].notna()]
        if bad.empty:  # objects that are numbers or nothing
            continue
        raise PanelError(
            describe(
                f"Column {column} holds text",
                _places(bad, unit, period, column),
                consequence=f"{column} cannot enter a regression",
                remedy=f"convert {column} to numbers first",
            )
        )


def _clean_cohort(
    frame: pd.DataFrame, cohort: str, unit: str, period: str
) -> pd.Series:
    """Cohorts as integers with 0 for never, constant within a unit."""
    values = frame[cohort].astype(float)
    values = values.where(np.isfinite(values), NEVER)
    fraction = values != np.floor(values)
    if fraction.any():
        raise PanelError(
            describe(
                f"Cohort {cohort} is not a whole period",
                _places(frame[fraction], unit, period, cohort),
                consequence="event time would be undefined",
                remedy="give the first treated period, or 0 for never",
            )
        )
    units, firsts = frame[unit].to_numpy(), values.to_numpy()
    if ((units[1:] == units[:-1]) & (firsts[1:] != firsts[:-1])).any():
        spread = values.groupby(frame[unit]).nunique()
        varying = spread[spread > 1].index
        seen = {
            u: sorted(values[frame[unit] == u].astype(int).unique()) for u in varying
        }
        raise PanelError(
            describe(
                f"Cohort {cohort} varies within a city",
                [f"{unit} {u}: {', '.join(map(str, c))}" for u, c in seen.items()],
                consequence="the city would belong to two cohorts at once",
                remedy="give each city its first treated period in every row",
            )
        )
    return values.astype(np.int64)


def require_absorbing(
    frame: pd.DataFrame, treatment: str, unit: str, period: str
) -> None:
    """Raise where a treatment falls within a unit or leaves [0, 1]."""
    values = frame[treatment].to_numpy(float)
    outside = (values < 0) | (values > 1)
    if outside.any():
        raise PanelError(
            describe(
                f"Treatment {treatment} is outside [0, 1]",
                _places(frame[outside], unit, period, treatment),
                consequence="it is not an exposure to the policy",
                remedy="code the treatment 0 before and 1 from the first treated "
                "period on",
            )
        )
    units = frame[unit].to_numpy()
    falls = np.zeros(len(frame), bool)
    falls[1:] = (units[1:] == units[:-1]) & (values[1:] < values[:-1])
    if falls.any():
        raise PanelError(
            describe(
                f"Treatment {treatment} switches off",
                _places(frame[falls], unit, period, treatment),
                consequence="cohorts and event times assume that a treated city "
                "stays treated",
                remedy="correct the exposure, or drop the cities that leave the policy",
            )
        )


def cohorts_from_treatment(panel: Panel) -> np.ndarray:
    """First period with a positive treatment for each unit, 0 = never."""
    positive = panel.treatment > 0
    cohort = np.zeros(panel.n_units, np.int64)
    rows = np.flatnonzero(positive)[::-1]
    cohort[panel.unit[rows]] = panel.periods[panel.period[rows]]
    return cohort


def require_treated_and_control(panel: Panel, *, cohort: str, needs: str) -> None:
    """Raise when no unit is treated or none is left to compare with."""
    if not (panel.cohort > 0).any():
        raise EstimationError(
            describe(
                f"No city is treated in column {cohort}",
                consequence="there is no effect to estimate",
                remedy="check the cohorts; 0 and null mean never treated",
            )
        )
    if needs == "never" and (panel.cohort > 0).all():
        raise EstimationError(
            describe(
                f"No city is never treated in column {cohort}",
                [f"cohort {g}: {n} cities" for g, n in panel.cohort_sizes.items()],
                consequence='control_group="never" has nobody to compare with',
                remedy='use control_group="not_yet", or add never-treated cities',
            )
        )


def require_untreated_each_period(panel: Panel, *, period: str) -> None:
    """Raise for periods in which every unit is treated."""
    treated = panel.treated
    share = np.bincount(panel.period, ~treated, len(panel.periods))
    full = panel.periods[share == 0]
    if len(full):
        raise EstimationError(
            describe(
                f"Every city is treated in some {period}",
                [f"{period} {p}" for p in full],
                consequence="no untreated city shows what that period would have "
                "been like, so its effects are not identified",
                remedy=f"end the panel before {full[0]}, or add never-treated cities",
            )
        )
