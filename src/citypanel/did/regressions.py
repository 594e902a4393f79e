"""What the regression-based estimators share: a fit, and means of its coefficients.

Sun and Abraham's, Wooldridge's and the stacked estimator are one regression with a
coefficient per cell, followed by weighted means of cells. The weights are sample
shares and are taken as fixed, so a mean w'b has variance w'Vw.

A combination of coefficients is a number only where the rows used determine it. With X
the regressors net of the effects, its columns split into independent ones K and the
rest D = K A, a combination w of the coefficients is estimable if and only if w lies in
the row space of X, that is w_D = A'w_K; its value is then w_K'b_K.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import linalg, special

from citypanel.did.covariances import Covariance, Fit, covariance
from citypanel.did.frames import (
    NOTE_NOTHING_LEFT,
    NOTE_UNKNOWN,
    OVERALL,
    WITHOUT_SINGLE,
    join_notes,
    wants_all,
)
from citypanel.did.linear import (
    TwoWay,
    controls_left_out,
    lost_columns,
    rank_of_columns,
    why_lost,
)
from citypanel.did.moments import MomentPanel
from citypanel.did.moments import covariance as group_covariance
from citypanel.did.panels import Panel
from citypanel.errors import EstimationError

ESTIMABLE = 1e-6
UNSEEN = 1e-8


@dataclass(frozen=True, eq=False)
class Regression:
    """Least squares on the independent regressors, and what became of the others.

    Attributes
    ----------
    fit : Fit
        Of the independent columns.
    keep, absorbed : ndarray of bool (k,)
        Columns that are independent of those before them, and columns that the
        effects absorb.
    alias : ndarray (kept, lost)
        The lost columns as combinations of the kept ones.
    length : ndarray (k,)
        Lengths of the columns, the unit their coefficients are judged in.
    """

    fit: Fit
    keep: np.ndarray
    absorbed: np.ndarray
    alias: np.ndarray
    length: np.ndarray

    def known(self, combinations: np.ndarray) -> np.ndarray:
        """Which combinations (m, k) of the coefficients are estimable."""
        if self.keep.all():
            return np.ones(len(combinations), bool)
        scaled = combinations / self.length
        size = np.abs(scaled).max(axis=1, initial=0.0)
        of_lost = combinations[:, self.keep] @ self.alias / self.length[~self.keep]
        gap = np.abs(scaled[:, ~self.keep] - of_lost).max(axis=1, initial=0.0)
        return gap <= ESTIMABLE * size

    def first_known(self, m: int) -> np.ndarray:
        """Which of the first m coefficients are estimable."""
        return self.known(np.eye(m, len(self.keep)))

    @property
    def loose(self) -> np.ndarray:
        """Directions (k, lost) in which the coefficients can move unseen."""
        out = np.eye(len(self.keep))[:, ~self.keep]
        out[self.keep] = -self.alias
        return out

    @property
    def slopes(self) -> np.ndarray:
        """Coefficients (k,), zero for the columns left out."""
        return np.where(self.keep, self.spread(self.fit.coefficients), 0.0)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Values of the kept columns in the places of all (nan for the lost ones)."""
        out = np.full(len(self.keep), np.nan)
        out[self.keep] = values
        return out

    def combine(
        self, combinations: np.ndarray, matrix: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Values (m,) and covariance (m, m) of combinations (m, k).

        They mean nothing for combinations that are not `known`.
        """
        own = combinations[:, self.keep]
        return own @ self.fit.coefficients, own @ matrix @ own.T


@dataclass(frozen=True, eq=False)
class Estimate:
    """Coefficients, their covariance and the fit's R2s."""

    regression: Regression
    covariance: Covariance
    r2_within: float
    r2_partial: float
    constant: tuple[float, float]

    @property
    def fit(self) -> Fit:
        return self.regression.fit

    def column(self, name: str) -> np.ndarray:
        """Coefficients, std_errors or df in the places of all regressors."""
        values = {
            "coefficients": self.fit.coefficients,
            "std_errors": self.covariance.std_errors,
            "df": self.covariance.df,
        }
        return self.regression.spread(values[name])


def regress(
    y: np.ndarray,
    x: np.ndarray,
    first: np.ndarray | None,
    second: np.ndarray | None,
    weights: np.ndarray | None = None,
    constant: bool = False,
) -> Regression:
    """Least squares net of two effects, on the columns that are independent.

    Parameters
    ----------
    y : ndarray (n,)
    x : ndarray (n, k)
        A column that is a combination of those before it and the effects is left out.
    first, second : ndarray of int (n,) or None
        Effects absorbed; none absorbed when ``first`` is None.
    weights : ndarray (n,), optional
        Regression weights.
    constant : bool
        Whether a constant counts among the parameters without effects.
    """
    yd, xd, raw = y, x, x
    if first is not None:
        both = TwoWay(first, second, weights).demean(np.column_stack([y, x]))
        yd, xd = both[:, 0], both[:, 1:]
    if weights is not None:
        root = np.sqrt(weights)
        yd, xd, raw = root * yd, root[:, None] * xd, root[:, None] * x
    return regress_net(yd, xd, raw, first, second, weights, constant)


def regress_net(
    yd: np.ndarray,
    xd: np.ndarray,
    raw: np.ndarray,
    first: np.ndarray | None,
    second: np.ndarray | None,
    weights: np.ndarray | None = None,
    constant: bool = False,
) -> Regression:
    """`regress` on columns that are net of the effects and weighted already.

    ``raw`` (n, k) holds the regressors before: what is left of them is judged by it.
    """
    keep, absorbed = rank_of_columns(xd, raw)
    length = np.sqrt((np.where(absorbed, raw, xd) ** 2).sum(axis=0))
    length = np.where(length > 0, length, 1.0)
    kept = xd[:, keep]
    alias = np.zeros((int(keep.sum()), int((~keep).sum())))
    if alias.size:
        scaled = np.where(absorbed, 0.0, xd / length)
        solved = np.linalg.lstsq(scaled[:, keep], scaled[:, ~keep], rcond=None)[0]
        alias = solved / length[keep][:, None] * length[~keep]
    bread, b = np.zeros((0, 0)), np.zeros(0)
    if kept.shape[1]:
        # The cross-product would square how nearly the columns depend on each other.
        q, r = linalg.qr(kept / length[keep], mode="economic")
        inverse = linalg.solve_triangular(r, np.eye(len(r))) / length[keep][:, None]
        bread, b = inverse @ inverse.T, inverse @ (q.T @ yd)
    fit = Fit(kept, b, yd - kept @ b, bread, first, second, constant, weights)
    return Regression(fit, keep, absorbed, alias, length)


@dataclass(frozen=True, eq=False)
class Cells:
    """Cohorts in periods: positions, summed weights of their rows, and their units.

    ``cohort``, ``period``, ``weight`` (m,); ``units`` a list of m arrays of codes, and
    ``count`` says how many units some codes are.
    """

    cohort: np.ndarray
    period: np.ndarray
    weight: np.ndarray
    units: list[np.ndarray]
    count: Callable[[np.ndarray], int] = len

    @classmethod
    def of(
        cls,
        keys: Sequence[tuple[int, int, float, np.ndarray]],
        count: Callable[[np.ndarray], int] = len,
    ) -> Cells:
        """Cells from the cohort, period, weight and units of each."""
        cohort, period = (np.array([key[j] for key in keys], np.int64) for j in (0, 1))
        weight = np.array([key[2] for key in keys], float)
        return cls(cohort, period, weight, [key[3] for key in keys], count)

    def __len__(self) -> int:
        return len(self.cohort)

    @property
    def event(self) -> np.ndarray:
        """Positions since treatment (m,)."""
        return self.period - self.cohort

    def n_units(self, mask: np.ndarray) -> int:
        """How many units are behind some of the cells."""
        some = [self.units[j] for j in np.flatnonzero(mask)]
        if not some:
            return 0
        return self.count(np.flatnonzero(np.bincount(np.concatenate(some))))

    @property
    def lonely(self) -> np.ndarray:
        """Cells (m,) of one unit: their effect and its own shock are one number."""
        return np.array([self.count(units) == 1 for units in self.units], bool)

    def peers(self) -> list[np.ndarray]:
        """Groups of cells of one unit each, two units or more a group.

        By event time; event times with one such unit form one group before treatment
        and one after.
        """
        lonely, event = self.lonely, self.event
        groups: list[np.ndarray] = []
        rest: list[np.ndarray] = []
        for e in np.unique(event[lonely]):
            here = np.flatnonzero(lonely & (event == e))
            (groups if len(here) > 1 else rest).append(here)
        for after in (False, True):
            some = [g for g in rest if (event[g[0]] >= 0) == after]
            if some:
                joined = np.concatenate(some)
                if len({int(self.units[j][0]) for j in joined}) > 1:
                    groups.append(joined)
        return groups


def cells_of(data: Panel, rows: np.ndarray) -> tuple[Cells, np.ndarray]:
    """Cells of some rows (n,), by cohort and period; each row's cell, -1 for none."""
    at = np.flatnonzero(rows)
    cohorts, own = np.unique(data.row_start[at], return_inverse=True)
    width = len(data.positions)
    key, inverse = np.unique(own * width + data.period[at], return_inverse=True)
    found = np.column_stack([cohorts[key // width], data.positions[key % width]])
    codes = np.full(len(data.unit), -1)
    codes[at] = inverse
    weight = np.bincount(codes[at], data.row_weights[at], len(found))
    order = np.argsort(codes[at], kind="stable")
    counts = np.bincount(codes[at], minlength=len(found))
    units = np.split(data.unit[at][order], np.cumsum(counts))[: len(found)]
    return Cells(found[:, 0], found[:, 1], weight, units, data.count), codes


def cell_dummies(codes: np.ndarray, m: int) -> np.ndarray:
    """Dummies (n, m) of the rows' cells."""
    return (codes[:, None] == np.arange(m)).astype(float)


def with_peers(fit: Fit, cells: Cells, codes: np.ndarray, effects: np.ndarray) -> Fit:
    """The fit with residuals of cells of one unit taken around those of their peers.

    A coefficient of its own fits the rows of a cell of one unit exactly, so that their
    residuals are zero, whatever the spread of effects and shocks between such units.
    The effect less the mean of its peers (`Cells.peers`) takes the residual's place,
    as imputation does it (Borusyak, Jaravel and Spiess 2024, section 4.3): conservative
    where effects differ, and right where only shocks do.
    """
    extra = np.zeros(len(cells))
    for group in cells.peers():
        group = group[np.isfinite(effects[group])]
        if len(group) > 1:
            mean = np.average(effects[group], weights=cells.weight[group])
            extra[group] = effects[group] - mean
    if not extra.any():
        return fit
    own = np.where(codes >= 0, extra[codes], 0.0)
    root = 1.0 if fit.weights is None else np.sqrt(fit.weights)
    return replace(fit, residuals=fit.residuals + root * own)


def mean_rows(
    data: Panel,
    cells: Cells,
    estimates: np.ndarray,
    matrix: np.ndarray,
    *,
    df: float,
    known: np.ndarray | None = None,
) -> list[dict]:
    """Cells, event times, cohorts, periods and the overall effect, as tidy rows.

    Parameters
    ----------
    data : Panel
        For the labels.
    cells : Cells, m of them
        In the order of the estimates.
    estimates : ndarray (m,)
    matrix : ndarray (m, m)
        Covariance of the cells.
    df : float
        Degrees of freedom of the t distribution.
    known : ndarray of bool (m,), optional
        Cells that are identified; the others are null and stand in no mean.

    Returns
    -------
    list of dict
        ``overall`` (and without cohorts of one unit), then, where `wants_all`,
        ``dynamic``, ``group``, ``calendar`` and ``group_time`` rows.
    """
    known = np.ones(len(cells), bool) if known is None else known
    estimates = np.where(known, estimates, 0.0)
    event, cohort, period = cells.event, cells.cohort, cells.period
    post = event >= 0

    def name(j: int) -> str:
        return f"cohort {data.name(cohort[j])} in {data.name(period[j])}"

    def row(mask, **labels):
        used = mask & known
        units = cells.n_units(used)
        note = labels.pop("note", None)
        if not used.any():
            count = cells.n_units(mask)
            note = join_notes(NOTE_UNKNOWN, note)
            return {"estimate": None, "n_treated_units": count, "note": note, **labels}
        lost = [name(j) for j in np.flatnonzero(mask & ~known)]
        if lost:
            more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
            lost_note = f"without {', '.join(lost[:3])}{more}: not identified"
            note = join_notes(note, lost_note)
        w = np.where(used, cells.weight, 0.0)
        w = w / w.sum()
        return {
            "estimate": float(w @ estimates),
            "std_error": float(np.sqrt(max(w @ matrix @ w, 0.0))),
            "df": df,
            "n_treated_units": units,
            "single_unit": units == 1,
            "note": note,
            **labels,
        }

    rows = [row(post, aggregation="simple", term=OVERALL)]
    single = [g for g, n in data.sizes.items() if n == 1]
    rest = post & ~np.isin(cohort, single)
    if single and rest.any():
        gone = ", ".join(data.name(g) for g in single)
        note = f"without cohort {gone}"
        rows.append(row(rest, aggregation="simple", term=WITHOUT_SINGLE, note=note))
    if not wants_all():
        return rows
    for e in np.unique(event):
        shown = data.grid.span(e)
        labels = dict(event_time=shown, term=f"event_time_{shown}")
        rows.append(row(event == e, aggregation="dynamic", **labels))
    for g in np.unique(cohort[post]):
        labels = dict(cohort=data.label(g), term=f"cohort_{data.name(g)}")
        rows.append(row(post & (cohort == g), aggregation="group", **labels))
    for t in np.unique(period[post]):
        labels = dict(period=data.label(t), term=f"period_{data.name(t)}")
        rows.append(row(post & (period == t), aggregation="calendar", **labels))
    for j in range(len(cells)):
        mask = np.arange(len(cells)) == j
        g, t = data.label(cohort[j]), data.label(period[j])
        labels = dict(cohort=g, period=t, event_time=data.grid.span(event[j]))
        labels["term"] = f"cohort_{data.name(cohort[j])}_period_{data.name(period[j])}"
        rows.append(row(mask, aggregation="group_time", **labels))
    return rows


def event_row(
    data: Panel,
    e: int,
    units: int,
    numbers: Sequence[float] | None,
    kind: str = "dynamic",
) -> dict:
    """Row of event time e and its units: estimate, std_error and df where known."""
    label = data.grid.span(e)
    row = {"aggregation": kind, "event_time": label, "term": f"event_time_{label}"}
    row["n_treated_units"] = units
    if numbers is None:
        return {**row, "note": NOTE_UNKNOWN}
    found = dict(zip(("estimate", "std_error", "df"), numbers, strict=True))
    return {**row, **found, "single_unit": units == 1}


def dynamic_covariance(
    data: Panel,
    cells: Cells,
    estimates: np.ndarray,
    matrix: np.ndarray,
    known: np.ndarray | None = None,
) -> dict | None:
    """Event-time effects, their covariance, and which rest on a single unit.

    Returns
    -------
    dict or None
        positions and event_times (their labels), estimates, matrix, single; nothing
        unless `wants_all`.
    """
    if not wants_all():
        return None
    known = np.ones(len(cells), bool) if known is None else known
    times = np.unique(cells.event[known])
    mask = (cells.event == times[:, None]) & known
    weights = mask * cells.weight
    weights = weights / weights.sum(axis=1, keepdims=True)
    return {
        "positions": times,
        "event_times": np.array([data.grid.span(e) for e in times]),
        "estimates": weights @ np.where(known, estimates, 0.0),
        "matrix": weights @ matrix @ weights.T,
        "single": np.array([cells.n_units(m) == 1 for m in mask], bool),
        "resolution": data.resolution,
    }


def coefficient_rows(
    names: Iterable[str], start: int, regression: Regression, errors: Covariance
) -> list[dict]:
    """Tidy rows of the controls, whose coefficients begin at ``start``.

    A control that repeats others is left out and null; the coefficients of those are
    what they are without it.
    """
    columns = (regression.fit.coefficients, errors.std_errors, errors.df)
    values, spread, df = (regression.spread(column) for column in columns)
    rows = []
    for j, name in enumerate(names, start=start):
        row = {"aggregation": "coefficient", "term": name}
        if regression.keep[j]:
            row |= {"estimate": values[j], "std_error": spread[j], "df": df[j]}
        else:
            row["note"] = f"left out: {why_lost(regression.absorbed[j])}"
        rows.append(row)
    return rows


def lost_controls(regression: Regression, names: Sequence[str], m: int) -> str | None:
    """Say which of the controls, the columns after the first m, were left out."""
    return controls_left_out(names, regression.keep[m:], regression.absorbed[m:])


@dataclass(frozen=True, eq=False)
class Untreated:
    """The outcome net of controls whose slopes come from untreated rows.

    A control that is no regressor of its own there is left out. Where it repeats
    others in the treated rows too, nothing hangs on its slope; else the effects do,
    and those that would move with it are not identified.

    Attributes
    ----------
    data : Panel
    regression : Regression or None
        Of the outcome on the controls over untreated rows; None without controls.
    outcome : ndarray (n,)
        Outcome less the controls times their slopes.
    unseen : ndarray (n, lost)
        What each control left out has beyond the others, as the untreated rows show
        them; the effects of any estimator are sure only if it finds none in it.
    """

    data: Panel
    regression: Regression | None

    @property
    def outcome(self) -> np.ndarray:
        if self.regression is None:
            return self.data.y
        return self.data.y - self.data.controls @ self.regression.slopes

    @property
    def unseen(self) -> np.ndarray:
        if self.regression is None:
            return np.empty((len(self.data.unit), 0))
        return self.data.controls @ self.regression.loose

    def judge(self, cells: Cells, moved: np.ndarray) -> tuple[np.ndarray, str | None]:
        """Which cells are identified, and word of the controls left out.

        Parameters
        ----------
        cells : Cells, m of them
        moved : ndarray (m, lost)
            The estimator's cells with ``unseen`` for the outcome.

        Raises
        ------
        EstimationError
            No effect after treatment is identified.
        """
        fit, data = self.regression, self.data
        if fit is None:
            return np.ones(len(cells), bool), None
        size = np.abs(data.controls).max(axis=0) @ np.abs(fit.loose)
        free = np.abs(moved) > UNSEEN * size
        said, blind = [], []
        columns = np.flatnonzero(~fit.keep)
        for j, moves in zip(columns, free.any(axis=0), strict=True):
            name = data.control_names[j]
            why = why_lost(fit.absorbed[j])
            if moves:
                why = "its slope is not identified by the untreated rows"
            said.append(f"control {name} left out: {why}")
            blind += [name] if moves else []
        known = ~free.any(axis=1)
        if not (known & (cells.event >= 0)).any():
            raise EstimationError.of(
                "did.slope_not_identified",
                [data.note] if data.note else [],
                what=", ".join(blind),
            )
        return known, "; ".join(said) or None


class NotIdentifiedError(EstimationError):
    """A regression does not identify any of the effects asked for."""


def not_identified(
    regression: Regression, names: Sequence[str], treatments: int
) -> EstimationError:
    """The error of a regression whose first coefficients are not identified."""
    return NotIdentifiedError.of(
        "did.regressors_combinations_others_or",
        lost_columns(names, regression.keep, regression.absorbed),
        what=", ".join(names[:treatments]),
    )


def require_some_cell(data: Panel, cells: Cells, known: np.ndarray) -> None:
    """Raise when no effect after treatment is identified."""
    post = cells.event >= 0
    if (post & known).any():
        return
    raise EstimationError.of(
        "did.no_effect_identified_rows",
        [
            f"cohort {data.name(g)}: seen in "
            + ", ".join(map(data.name, np.unique(data.when[data.row_start == g])))
            for g in data.sizes
        ]
        + ([data.note] if data.note else []),
    )


def leads_rows(dynamic: Mapping | None, *, before: float, df: float) -> list[dict]:
    """Joint test of the event times before a position that rest on several units.

    One row, and none without their covariance.
    """
    if dynamic is None:
        return []
    early = (dynamic["positions"] < before) & ~dynamic["single"]
    early &= ~(np.diag(dynamic["matrix"]) <= dynamic["resolution"] ** 2)
    estimates, matrix = dynamic["estimates"], dynamic["matrix"]
    return [wald_row(estimates[early], matrix[np.ix_(early, early)], df=df)]


def wald_row(
    estimates: np.ndarray,
    matrix: np.ndarray,
    *,
    df: float,
    term: str = "leads_jointly_zero",
    note: str | None = None,
) -> dict:
    """Row of a joint test: F = b' V^-1 b / q against F(q, df), chi2/q for df = inf."""
    q = len(estimates)
    row = {"aggregation": "test", "term": term, "note": note, "df": df}
    if q == 0:
        row["note"] = join_notes(note, "no lead to test")
        return row
    if not np.isfinite(matrix).all():
        some = f"{q} leads, not all with a standard error"
        none = not np.isfinite(np.diag(matrix)).any()
        row["note"] = join_notes(note, NOTE_NOTHING_LEFT if none else some)
        return row
    rank = _rank(matrix)
    if rank < q or (np.isfinite(df) and q > df):
        fewer = min(rank, int(min(df, q)))
        row["note"] = join_notes(note, f"{q} leads but a covariance of rank {fewer}")
        return row
    size = np.sqrt(np.diag(matrix))
    scaled, b = matrix / np.outer(size, size), estimates / size
    statistic = float(b @ linalg.solve(scaled, b, assume_a="sym")) / q
    p = (
        special.chdtrc(q, statistic * q)
        if np.isinf(df)
        else special.fdtrc(q, df, statistic)
    )
    row |= {"statistic": statistic, "p_value": float(p)}
    row["note"] = join_notes(note, f"F({q}, {df:g})")
    return row


def _rank(matrix: np.ndarray) -> int:
    """Rank of a covariance, whatever the units of its variables."""
    size = np.sqrt(np.clip(np.diag(matrix), 0.0, None))
    if (size == 0).any():
        return int((size > 0).sum())
    values = linalg.eigvalsh(matrix / np.outer(size, size))
    return int((values > 1e-10 * values.max()).sum())


def fit_covariance(
    fit: Fit,
    data: Panel,
    convention: str,
    small_sample: Mapping | None = None,
    *,
    rows: np.ndarray | None = None,
) -> Covariance:
    """Covariance of an absorbed fit by cluster, over all or some rows (n,)."""
    if isinstance(data, MomentPanel):
        some: Any = data if rows is None else data.only(rows)
        return group_covariance(some, fit, convention, small_sample)
    cluster = data.cluster
    if rows is not None:
        cluster = np.unique(cluster[rows], return_inverse=True)[1]
    return covariance(
        fit, convention=convention, cluster=cluster, small_sample=small_sample
    )
