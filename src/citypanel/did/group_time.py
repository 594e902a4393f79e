"""Group-time average treatment effects of Callaway and Sant'Anna (2021).

ATT(g, t) compares the change of cohort g between a base period and t with that of
units not treated by then. Every estimator below returns, with the effect, the
influence function from which standard errors, aggregates and uniform bands follow.
"""

from __future__ import annotations

import inspect
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import linalg, sparse

from citypanel.did.frames import (
    NOTE_REFERENCE,
    NOTE_ROUNDING,
    NOTE_SINGLE,
    Extras,
    join_notes,
    panel_frame,
    wants_all,
)
from citypanel.did.linear import independent_columns, indicator
from citypanel.did.moments import GroupInfluence, MomentPanel, condense
from citypanel.did.panels import (
    Panel,
    choose,
    column_options,
    free_name,
    prepare,
    require_treated_and_control,
)
from citypanel.did.propensity_scores import logit
from citypanel.did.regressions import wald_row
from citypanel.did.results import Later, remembering
from citypanel.errors import EstimationError, OptionError

PANELS = ("balanced", "unbalanced", "repeated")
CONTROL_GROUPS = ("never", "not_yet")
METHODS = ("dr", "ipw", "reg")
BASE_PERIODS = ("varying", "universal")
TRIM = 0.995
ROW = "observation"
NOTE_OVERLAP = "no overlap: the covariates separate this cohort from its controls"
NOTE_FEW = "too few control units for the covariates"
NOTE_NO_BASE = "not identified: the cohort is not seen before its treatment"
NOTE_NOT_SEEN = "not identified: the cohort is not seen in both periods"
NOTE_NO_CONTROL = "not identified: no untreated unit to compare with"


@remembering
def group_time_att(
    frame: pd.DataFrame | Panel | None = None,
    /,
    *,
    panel: str | pd.DataFrame = "balanced",
    control_group: str = "never",
    method: str = "dr",
    base_period: str = "varying",
    anticipation: float = 0,
    single_unit_std_error: bool = False,
    level: float = 0.95,
    **columns: Any,
) -> pd.DataFrame:
    """Average effect on each cohort in each period.

    ATT(g, t) = E[dY | G = g] - E[m(X) | G = g] with dY = Y_t - Y_base and m(X) what
    the controls' change would be at the cohort's covariates: by outcome regression,
    inverse probability weights (normalised), or both (doubly robust).

    Parameters
    ----------
    frame : DataFrame
        One row per unit and period. Units treated from the first period on are left
        out (``attrs["dropped"]`` lists every row that is).
    panel : {"balanced", "unbalanced", "repeated"}
        - balanced: units seen in every period, each compared with itself;
        - unbalanced: all rows; each comparison takes the means of whoever is seen in
          its two periods, as in repeated cross-sections, and errors are summed by
          unit. Those who come and go must not differ in level from those they are
          averaged with, the cohort's other units or the other controls;
        - repeated: repeated cross-sections, every row a unit of its own (``unit``
          need not be given, and serves only where ``cluster`` names it).

        The data may be given by this name too, and are then taken as balanced.
    control_group : {"never", "not_yet"}
        Units never treated, or also those treated only after both periods (and after
        the anticipation). Units that are treated after the panel, but anticipate
        within it, are not never treated.
    method : {"dr", "ipw", "reg"}
        How covariates enter; without controls the three are the same difference of
        means.
    base_period : {"varying", "universal"}
        Before treatment (and its anticipation), compare with the period before
        (pseudo effects of entering next period) or with the last period before it
        throughout. From then on the base is always the last period seen before.
    anticipation : float
        How long before treatment units may already react, in the periods' own units
        (0.5 is one half-year; whole periods where they are dates or pandas Periods).
        The joint test of the leads leaves that window out.
    single_unit_std_error : bool
        Report standard errors for cohorts of one unit, which have no sampling
        distribution.
    level : float
        Coverage of the (normal) pointwise intervals.
    **columns
        ``outcome``, ``cohort``, ``unit``, ``period``, ``controls``, ``weights``,
        ``cluster`` and ``frequency``, as for `panels.Design`. Controls are taken from
        the earlier period of each comparison. Weights are sampling or population
        weights: the effect is then the mean over the people (or whatever the weights
        count) of the cohort and not over its units, with weights of the base period
        where they change; cohorts are averaged by `aggregate_att` with their weight
        in the first period. A cluster holds whole units.

    Returns
    -------
    DataFrame
        One row per cohort and period (aggregation ``group_time``), then the joint
        test that every effect before treatment is zero (``test``; statistic is the
        Wald statistic over its degrees of freedom). What is not identified has no
        estimate and says why in ``note``. ``attrs["influence"]`` carries what
        `aggregate_att` needs.

    Raises
    ------
    PanelError
        Cohorts that vary within a unit, clusters that cut units, no unit left.
    EstimationError
        Nobody treated; nobody never treated with ``control_group="never"``; with
        ``not_yet``, a period in which every unit is treated.

    References
    ----------
    Callaway and Sant'Anna (2021), Journal of Econometrics 225; Sant'Anna and Zhao
    (2020), Journal of Econometrics 219.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> cells = did.group_time_att(zones(), **columns)
    >>> cells.loc[4:6, ["cohort", "period", "estimate", "std_error"]].round(3)
       cohort  period  estimate  std_error
    4    2014    2015     0.136      0.022
    5    2014    2016     0.142      0.020
    6    2014    2017     0.184      0.024
    """
    if frame is None:
        frame, panel = panel, "balanced"
    if isinstance(frame, str):
        raise TypeError("group_time_att() needs a DataFrame or a Panel")
    choose("panel", panel, PANELS)
    choose("control_group", control_group, CONTROL_GROUPS)
    choose("method", method, METHODS)
    choose("base_period", base_period, BASE_PERIODS)
    if not 0 <= anticipation < np.inf:
        raise OptionError.of("did.option_anticipation_value", anticipation=anticipation)
    if not isinstance(frame, Panel):
        _require_names(columns, repeated=panel == "repeated")
    if panel == "repeated":
        rows: Any = frame
        if isinstance(frame, Panel):
            frame = frame.rows
            rows, columns = frame.frame, asdict(frame.design)
        columns["unit"] = free_name(rows, ROW)
        frame = rows.assign(**{columns["unit"]: np.arange(len(rows))})
    data = prepare(frame, **columns)
    if panel != "repeated":
        data = condense(data, strata=panel == "balanced")
    data = data.without_always_treated()
    ahead = data.grid.steps(anticipation)
    if ahead:
        reason = f"no period before treatment and {anticipation:g} of anticipation"
        data = data.keep_units(data.start > ahead, reason)
    if panel == "balanced":
        data = data.balanced()
    never = data.start > data.last + ahead
    require_treated_and_control(data)
    if control_group == "never":
        _require_never(data, never, anticipation)
    else:
        _require_not_yet(data)
    controls, lost = _independent_controls(data)
    problem = _Problem(
        data,
        controls,
        never,
        by_unit=panel == "balanced",
        cross_sections=panel == "repeated",
        control_group=control_group,
        method=method,
        varying=base_period == "varying",
        ahead=ahead,
    )
    found, influence, cells = problem.cells()
    note = join_notes(data.note, lost)
    early = (cells["period"] - cells["cohort"] < -ahead).to_numpy()
    law = problem.law
    if wants_all():
        test = _pretest_row(found, influence, law, early)
        test["note"] = join_notes(test["note"], note)
        found.append(test)
    return panel_frame(
        data,
        found,
        estimator="group_time_att",
        level=level,
        single_unit_std_error=single_unit_std_error,
        n_clusters=data.n_clusters,
        standard_errors="influence function",
        attrs={
            "influence": Extras(
                {
                    **law.extras(influence),
                    "cells": cells,
                    "grid": data.grid,
                    "n_clusters": data.n_clusters,
                    "sizes": problem.sizes,
                    "resolution": data.resolution,
                    "single_unit_std_error": single_unit_std_error,
                    "outcome": data.design.outcome,
                    "note": note,
                }
            ),
        },
    )


_REQUIRED = ("outcome", "cohort", "unit", "period")
_OPTIONAL = ("controls", "weights", "cluster", "frequency")


def _require_names(columns: dict[str, Any], *, repeated: bool) -> None:
    """Raise TypeError, as a call with a wrong keyword does."""
    required = [name for name in _REQUIRED if name != "unit" or not repeated]
    absent = [name for name in required if name not in columns]
    unknown = [n for n in columns if n not in (*_REQUIRED, *_OPTIONAL)]
    said = [f"lacks {', '.join(absent)}"] if absent else []
    said += [f"does not take {', '.join(unknown)}"] if unknown else []
    if said:
        raise TypeError(f"group_time_att() {' and '.join(said)}")


def _shown(signature: inspect.Signature) -> inspect.Signature:
    """The signature with the columns by name."""
    frame, *options, _ = signature.parameters.values()
    named = column_options((*_REQUIRED, *_OPTIONAL), _REQUIRED)
    frame = frame.replace(default=inspect.Parameter.empty)
    return signature.replace(parameters=[frame, *named, *options])


setattr(  # noqa: B010
    group_time_att, "__signature__", _shown(inspect.signature(group_time_att))
)


def _require_never(data: Panel, never: np.ndarray, anticipation: float) -> None:
    """Someone is never treated, and does not anticipate within the panel either."""
    require_treated_and_control(data, needs="never")
    if not never.any():
        raise EstimationError.of(
            "did.every_unit_anticipates_treatment",
            [
                f"cohort {data.label(g)}"
                for g in np.unique(data.start[data.start > data.last])
            ],
            anticipation=f"{anticipation:g}",
        )


def _require_not_yet(data: Panel) -> None:
    """Every period needs a unit that is not yet treated in it."""
    if data.never.any():
        return
    period = data.design.period
    last = data.start.max()
    full = [data.label(p) for p in data.positions if p >= last]
    raise EstimationError.of(
        "did.every_unit_treated_some_2",
        [f"{period} {p}" for p in full] + data.left_before,
        period=period,
        what=full[0],
    )


def _independent_controls(data: Panel) -> tuple[np.ndarray, str | None]:
    """Controls (n, k) without those that the others and a constant give, and a note."""
    x = data.controls
    if not x.shape[1]:
        return x, None
    spread = x - x.mean(axis=0)
    flat = np.sqrt((spread**2).sum(axis=0)) < 1e-9 * np.sqrt((x**2).sum(axis=0))
    keep = independent_columns(np.where(flat, 0.0, spread))
    lost = [n for n, ok in zip(data.control_names, keep, strict=True) if not ok]
    note = "collinear controls left out: " + ", ".join(lost) if lost else None
    return x[:, keep], note


@dataclass(frozen=True, eq=False)
class UnitInfluence:
    """Influence functions held unit by unit: columns (n_units, m).

    ``start``, ``weights``, ``clusters`` (n_units,).
    """

    start: np.ndarray
    weights: np.ndarray
    clusters: np.ndarray

    @property
    def n_units(self) -> int:
        return len(self.start)

    #: Length of a column.
    width = n_units

    @cached_property
    def _by_cluster(self) -> sparse.csr_array:
        return indicator(self.clusters)

    def std_errors(self, columns: np.ndarray) -> np.ndarray:
        sums = self._by_cluster @ columns
        return np.sqrt((sums**2).sum(axis=0)) / len(columns)

    def covariance(self, columns: np.ndarray) -> np.ndarray:
        sums = self._by_cluster @ columns
        return sums.T @ sums / len(columns) ** 2

    def shares(self, cohorts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cohorts' shares of the weights (c,), and their influence (n_units, c)."""
        weights = self.weights / self.weights.mean()
        member = (self.start[:, None] == cohorts[None, :]) * weights[:, None]
        shares = member.mean(axis=0)
        return shares, member - shares

    def units(self, columns: np.ndarray) -> np.ndarray:
        """Columns unit by unit."""
        return columns

    def extras(self, columns: np.ndarray) -> dict[str, Any]:
        """What a frame carries of them."""
        return {
            "law": self,
            "columns": columns,
            "matrix": Later(partial(self.units, columns)),
            "start": self.start,
            "weights": self.weights,
            "clusters": self.clusters,
        }


@dataclass(frozen=True, eq=False)
class _Problem:
    """Everything that the cells of one panel share.

    ``controls`` (n, k) by row; ``never`` (n_units,); ``by_unit``
    says whether units are compared with themselves, which takes a balanced panel;
    ``cross_sections`` whether each row is a unit; ``ahead`` is the anticipation in
    positions.
    """

    data: Panel
    controls: np.ndarray
    never: np.ndarray
    by_unit: bool
    cross_sections: bool
    control_group: str
    method: str
    varying: bool
    ahead: float

    @cached_property
    def law(self):
        """How influence functions are held, and what follows from them."""
        if isinstance(self.data, MomentPanel):
            return GroupInfluence(self.data)
        data = self.data
        return UnitInfluence(data.start, self.unit_weights, data.unit_clusters)

    @cached_property
    def sizes(self) -> dict[int, int]:
        """Units of each cohort that reacts within the panel, by its position."""
        units = np.flatnonzero(~self.never)
        start = self.data.start[units]
        return {int(g): self.data.count(units[start == g]) for g in np.unique(start)}

    @cached_property
    def seen(self) -> dict[int, np.ndarray]:
        """Positions each cohort is seen at."""
        data = self.data
        return {g: np.unique(data.when[data.row_start == g]) for g in self.sizes}

    @cached_property
    def by_period(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Outcomes and weights (n_units, T) and controls (n_units, T, k), balanced."""
        data, shape = self.data, (self.data.n_units, len(self.data.positions))
        return (
            data.y.reshape(shape),
            data.row_weights.reshape(shape),
            self.controls.reshape(*shape, -1),
        )

    @cached_property
    def unit_weights(self) -> np.ndarray:
        """Weight of each unit (n_units,): of its first row, or the mean of its rows."""
        weights = self.data.row_weights
        if self.by_unit:
            return weights[self.data.first_rows]
        counts = np.bincount(self.data.unit)
        return np.bincount(self.data.unit, weights) / counts

    def base(self, g: int, t: int) -> int | None:
        """Position of the base period of cohort g in t, as the cohort is seen."""
        before = g - self.ahead
        if self.varying and t < before:
            before = t
        early = self.seen[g][self.seen[g] < before]
        return int(early[-1]) if len(early) else None

    def cells(self):
        """One row and one influence column per cohort and period.

        Returns
        -------
        list of dict, ndarray (n_units, m), DataFrame
            Rows; influence; and the position of cohort, period and base of each.
        """
        data, law = self.data, self.law
        blank = np.zeros(law.width)
        rows, columns, places = [], [], []
        for g, size in self.sizes.items():
            for t in data.positions.tolist():
                base = self.base(g, t)
                early = t < g - self.ahead
                if self.varying and early and base is None:
                    continue
                row = {
                    "aggregation": "group_time",
                    "cohort": data.label(g),
                    "period": data.label(t),
                    "event_time": data.grid.span(t - g),
                    "term": f"cohort_{data.label(g)}_period_{data.label(t)}",
                    "n_treated_units": size,
                }
                influence = blank
                if base == t:
                    row |= {"estimate": 0.0, "note": NOTE_REFERENCE}
                elif base is None:
                    row |= {"estimate": None, "note": NOTE_NO_BASE}
                else:
                    row["single_unit"] = size == 1
                    more, part = self.compare(g, t, base)
                    row |= more
                    if part is not None:
                        influence = part
                        error = law.std_errors(part[:, None])[0]
                        row["std_error"] = error
                        if error <= data.resolution:
                            note = join_notes(row["note"], NOTE_ROUNDING)
                            row |= {"std_error": None, "note": note}
                rows.append(row)
                columns.append(influence)
                places.append((g, t, base, row["estimate"]))
        cells = pd.DataFrame(places, columns=["cohort", "period", "base", "estimate"])
        return rows, np.column_stack(columns), cells

    def compare(self, g: int, t: int, base: int) -> tuple[dict, np.ndarray | None]:
        """One cell: its numbers or a note, and its influence function (n_units,)."""
        data = self.data
        treated = data.start == g
        control = self.never
        if self.control_group == "not_yet":
            control = (data.start > max(t, base) + self.ahead) & ~treated
        if isinstance(data, MomentPanel):
            by = self.compare_strata if self.controls.size else self.compare_groups
            return by(treated, control, t, base)
        if self.by_unit:
            units = np.flatnonzero(treated | control)
            d = treated[units]
            counts = [d.sum(), (~d).sum()]
            row: dict[str, Any] = {"n_units": len(units), "n_obs": 2 * len(units)}
        else:
            chosen = (treated | control)[data.unit]
            rows = np.flatnonzero(chosen & ((data.when == t) | (data.when == base)))
            units, post = data.unit[rows], data.when[rows] == t
            d = treated[units]
            counts = [(a & b).sum() for a in (d, ~d) for b in (post, ~post)]
            present = np.bincount(units, minlength=data.n_units) > 0
            row = {"n_units": int(present.sum()), "n_obs": len(rows)}
        if not min(counts):
            own = min(counts[: len(counts) // 2])
            note = NOTE_NO_CONTROL if own else NOTE_NOT_SEEN
            return {**row, "estimate": None, "note": note}, None
        d = d.astype(float)
        if self.by_unit:
            now, then = np.searchsorted(data.positions, (t, base))
            y, w, x = self.by_period
            w = w[units, then]
            effect, part, _, note = _difference(
                y[units, now] - y[units, then],
                d,
                x[units, min(now, then)],
                w / w.mean(),
                self.method,
            )
        else:
            w = data.row_weights[rows]
            effect, part, note = _cross_sections(
                data.y[rows], d, self.controls[rows], w / w.mean(), post, self.method
            )
        row |= {"estimate": effect, "note": note}
        if part is None:
            return row, None
        if not self.by_unit and not self.cross_sections:
            row["note"] = join_notes(note, _halves((np.bincount(units) == 1).sum()))
        scale = data.n_units / len(part)
        if self.by_unit:
            influence = np.zeros(data.n_units)
            influence[units] = part * scale
            return row, influence
        return row, np.bincount(units, part * scale, data.n_units)

    def compare_groups(self, treated, control, t, base):
        """`compare` from the sums of groups (U,)."""
        data, law = self.data, self.law
        now, then = np.searchsorted(data.positions, (t, base))
        seen = law.seen[:, [now, then]]
        chosen = np.flatnonzero((treated | control) & seen.any(axis=1))
        row = {
            "n_units": data.count(chosen),
            "n_obs": int(data.stands[chosen] @ seen[chosen].sum(axis=1)),
        }
        total, mean = data.sums.total[data.group], law.mean[:, [now, then]]
        means, scores = [], np.zeros_like(mean)
        for side, sign in ((treated, 1.0), (control, -1.0)):
            weight = np.where(side[:, None] & seen, total[:, None], 0.0)
            size = weight.sum(axis=0)
            if not size.all():
                own = side is treated
                note = NOTE_NOT_SEEN if own else NOTE_NO_CONTROL
                return {**row, "estimate": None, "note": note}, None
            means.append((weight * mean).sum(axis=0) / size)
            scores += sign * (weight > 0) / size
        gaps = means[0] - means[1]
        scores *= data.n_units * np.array([1.0, -1.0])
        centre = np.where(treated[:, None], means[0], means[1])
        level = (scores * (mean - centre)).sum(axis=1)
        effect = float(gaps[0] - gaps[1])
        half = chosen[seen[chosen].sum(axis=1) == 1]
        note = None if self.by_unit else _halves(data.count(half))
        row |= {"estimate": effect, "note": note}
        return row, law.column(level, {now: scores[:, 0], then: scores[:, 1]})

    def compare_strata(self, treated, control, t, base):
        """`compare` from the sums of groups (U,) of the same covariates."""
        data, law = self.data, self.law
        units = np.flatnonzero(treated | control)
        d, size = treated[units], data.count(units)
        row = {"n_units": size, "n_obs": 2 * size}
        if d.all() or not d.any():
            note = NOTE_NO_CONTROL if d.any() else NOTE_NOT_SEEN
            return {**row, "estimate": None, "note": note}, None
        now, then = np.searchsorted(data.positions, (t, base))
        total = data.sums.total[data.group][units]
        effect, part, slope, note = _difference(
            law.mean[units, now] - law.mean[units, then],
            d.astype(float),
            self.controls[data.first_rows][units],
            total / total.mean(),
            self.method,
        )
        row |= {"estimate": effect, "note": note}
        if part is None:
            return row, None
        level, change = np.zeros((2, len(data.units)))
        scale = data.n_units / len(units) / total
        level[units], change[units] = scale * part, scale * slope
        return row, law.column(level, {now: change, then: -change})


def _halves(units: int) -> str | None:
    """Word of units that one of a comparison's two periods lacks."""
    one = "1 unit" if units == 1 else f"{units} units"
    more = f"compares whoever is seen: {one} in one period only"
    return more if units else None


def _design(x: np.ndarray) -> np.ndarray:
    """A constant and the controls, each centred and on a scale of one."""
    spread = x.std(axis=0)
    x = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return np.column_stack([np.ones(len(x)), x])


def _least_squares(y, x, weights):
    """Fitted values (n,), influence of the coefficients (n, k) and its derivative by y.

    None if singular.
    """
    gram = x.T @ (weights[:, None] * x)
    if (weights > 0).sum() < x.shape[1] or np.linalg.cond(gram) > 1e12:
        return None
    inverse = linalg.inv(gram)
    fitted = x @ (inverse @ (x.T @ (weights * y)))
    slope = weights[:, None] * x @ inverse * len(y)
    return fitted, (y - fitted)[:, None] * slope, slope


def _odds(d, x, w, method):
    """Weights of the controls (n,) and their influence (n, k); None without overlap.

    With a constant alone the odds are a number and cancel.
    """
    control = w * (1 - d)
    if x.shape[1] == 1 or method == "reg":
        return control, np.zeros_like(x)
    score = logit(d, x, weights=w)
    if score is None:
        return None
    p = np.minimum(score.probability, 1 - 1e-6)
    odds = np.where(p < TRIM, control * p / (1 - p), 0.0)
    return odds, (w * (d - p))[:, None] * x @ score.inverse_information * len(d)


def _mean(weights, values):
    """Weighted mean and its influence (n,)."""
    mean = weights @ values / weights.sum()
    return mean, weights * (values - mean) / weights.mean()


def _difference(dy, d, controls, w, method):
    """Effect on the treated from changes, its influence (n,) and a note if it fails.

    Between them stands the derivative (n,) of each influence by its own change.

    Parameters
    ----------
    dy, d, w : ndarray (n,)
        Changes, 1 for the treated, weights of mean one.
    controls : ndarray (n, k)
    """
    n, x = len(dy), _design(controls)
    regression = _least_squares(dy, x, w * (1 - d))
    if regression is None:
        return None, None, None, NOTE_FEW
    if method == "ipw":
        fitted, ols, by_own = np.zeros(n), np.zeros_like(x), np.zeros_like(x)
    else:
        fitted, ols, by_own = regression
    weights = _odds(d, x, w, method)
    if weights is None:
        return None, None, None, NOTE_OVERLAP
    odds, score = weights
    gap, treated = dy - fitted, w * d
    effect, influence = _mean(treated, gap)
    mean_x = treated @ x / treated.sum()
    influence = influence - ols @ mean_x
    slope = treated / treated.mean() - by_own @ mean_x
    if method != "reg":
        mean, part = _mean(odds, gap)
        by_score = score @ ((odds * (gap - mean)) @ x) - ols @ (odds @ x)
        effect, influence = effect - mean, influence - part - by_score / odds.sum()
        slope = slope - odds / odds.mean() + by_own @ (odds @ x) / odds.sum()
    return float(effect), influence, slope, None


def _cross_sections(y, d, controls, w, post, method):
    """Effect on the treated from levels in two periods; as `_difference`.

    With m_ds the regression of group d in period s, E_1 the mean over the treated of
    both periods and E_ds that of one group and period (controls by their odds),

    - ipw: the difference over periods of E_1s[Y] - E_0s[Y];
    - reg: that of E_1s[Y] less the difference E_1[m_01 - m_00];
    - dr: the difference over periods of E_1[m_1s - m_0s] - E_0s[Y - m_0s], which is
      locally efficient (Sant'Anna and Zhao 2020, equation 3.4).

    Parameters
    ----------
    post : ndarray of bool (n,)
        Rows of the later of treatment's two periods, or of t.
    """
    x = _design(controls)
    weights = _odds(d, x, w, method)
    if weights is None:
        return None, None, NOTE_OVERLAP
    odds, score = weights
    treated = w * d
    effect, influence = 0.0, np.zeros(len(y))

    def add(sign, weights, values, *coefficients):
        """Add a mean, with its weights' and its coefficients' own variation."""
        nonlocal effect, influence
        mean, part = _mean(weights, values)
        for side, ols in coefficients:
            part = part + side * ols @ (weights @ x) / weights.sum()
        if weights is not treated and method != "reg":
            part = part + score @ ((weights * (values - mean)) @ x) / weights.sum()
        effect, influence = effect + sign * mean, influence + sign * part

    plain = x.shape[1] == 1
    for sign, period in ((1.0, post), (-1.0, ~post)):
        own = _least_squares(y, x, w * d * period)
        other = _least_squares(y, x, w * (1 - d) * period)
        if other is None or (own is None and method == "dr"):
            return None, None, NOTE_FEW
        if method == "reg" or plain or method == "ipw":
            mean, part = _mean(treated * period, y)
            effect, influence = effect + sign * mean, influence + sign * part
        if method == "reg":
            add(-sign, treated, other[0], (1.0, other[1]))
        elif plain or method == "ipw":
            add(-sign, odds * period, y)
        else:
            gap = own[0] - other[0]
            add(sign, treated, gap, (1.0, own[1]), (-1.0, other[1]))
            add(-sign, odds * period, y - other[0], (-1.0, other[1]))
    return float(effect), influence, None


def _pretest_row(rows, influence, law, early) -> dict:
    """Wald test that the effects before treatment (and anticipation) are zero."""
    cells = [
        j
        for j, row in enumerate(rows)
        if early[j] and (row.get("std_error") or 0) > 0 and not row["single_unit"]
    ]
    estimates = np.array([rows[j]["estimate"] for j in cells], float)
    skipped = any(e and r.get("single_unit") for e, r in zip(early, rows, strict=True))
    return wald_row(
        estimates,
        law.covariance(influence[:, cells]),
        df=np.inf,
        note=f"cohorts of one unit left out ({NOTE_SINGLE})" if skipped else None,
    )
