"""Untreated potential outcomes from the untreated rows of a panel.

Y_it(0) = alpha_i + lambda_t + x_it' gamma, by least squares on the rows not yet
treated. Imputation (Borusyak, Jaravel and Spiess 2024) and the two-stage estimator
(Gardner 2022) average the gaps to it and differ in their standard errors.
"""

from __future__ import annotations

import numpy as np

from citypanel.did.linear import (
    NormalEquations,
    TwoWay,
    cluster_sums,
    controls_left_out,
    rank_of_columns,
)
from citypanel.did.moments import MomentPanel
from citypanel.did.panels import (
    Panel,
    periods_all_treated,
    require_treated_and_control,
)
from citypanel.errors import EstimationError


class FirstStage:
    """Regression of the outcome on the effects and controls over untreated rows.

    Attributes
    ----------
    gap : ndarray (n,)
        Outcome minus fitted untreated outcome: effects on treated rows, residuals on
        the others.
    treated, known : ndarray of bool (n,)
        Treated rows, and rows whose fitted outcome the untreated rows determine.
    """

    def __init__(self, data: Panel):
        self.data = data
        self.treated = data.treated
        rows = ~self.treated
        self.weights = data.row_weights[rows]
        dummies = np.eye(len(data.positions))[data.period]
        # A control's level is the unit effects'; large ones would only round.
        level = cluster_sums(data.controls[rows], data.unit[rows], data.n_units)
        level /= np.bincount(data.unit[rows], minlength=data.n_units)[:, None]
        self.other = np.hstack([dummies, data.controls - level[data.unit]])
        self.equations = NormalEquations(
            data.unit[rows],
            self.other[rows],
            len(data.units),
            None if data.weights is None else self.weights,
        )
        self.known = self.equations.determines(data.unit, self.other)
        on_units, on_other = self.equations.fit(data.y[rows])
        self.gap = data.y - on_units[data.unit] - self.other @ on_other

    def centre(self, weights: np.ndarray) -> np.ndarray:
        """Means of the gaps (m,) by the squares of weights (n, m)."""
        squares, gap = weights**2, self.gap
        if isinstance(self.data, MomentPanel):
            squares = squares * self.data.square_ratio[:, None]
            shift, rows = self.data.square_shift, ~self.treated
            count = np.bincount(self.data.unit, rows)
            mean = np.bincount(self.data.unit, rows * shift) / count
            gap = gap + shift - mean[self.data.unit]
        return squares.T @ gap / squares.sum(axis=0)

    def projection(self, weights: np.ndarray) -> np.ndarray:
        """Weights on untreated rows that mirror weights (n, m) on any rows.

        W_0 Z_0 (Z_0'W_0 Z_0)^-1 Z'w, with rows of zeros for treated rows: the fitted
        values' weighted sums as linear functions of the untreated outcomes.
        """
        on_units = cluster_sums(weights, self.data.unit, len(self.data.units))
        units, other = self.equations.solve(on_units, self.other.T @ weights)
        fitted = units[self.data.unit] + self.other @ other
        if self.data.weights is not None:
            fitted *= self.data.weights[:, None]
        return np.where(self.treated[:, None], 0.0, fitted)


def first_stage(data: Panel) -> FirstStage:
    """Fit on the untreated rows; treated rows it does not determine are left out.

    Raises
    ------
    EstimationError
        Nobody treated; no effect identified, as where every unit is treated in each
        period with treatment.
    """
    data = data.without_always_treated()
    require_treated_and_control(data)
    full = periods_all_treated(data)
    data = data.keep(~full, "every unit is treated in the period")
    untreated = np.bincount(data.unit, ~data.treated, len(data.units)) > 0
    # A unit whose untreated rows are all missing shows no level of its own.
    data = data.keep_units(untreated, "unit without an untreated row")
    require_treated_and_control(data)
    if not data.treated.any():
        raise EstimationError.of(
            "did.no_treated_unit_seen", [data.note] if data.note else []
        )
    lost = _lost_controls(data)
    data = data.remarking(lost)
    first = FirstStage(data)
    if first.known.all():
        return first
    reason = "effect not identified: the untreated rows do not connect"
    if lost:
        reason += " or leave the slope of a control open"
    if not (first.known & first.treated).any():
        raise EstimationError.of(
            "did.no_effect_identified_rows_2",
            [f"{reason} ({data.rows_behind(data.unit[~first.known])} rows)"],
        )
    return FirstStage(data.keep(first.known, reason))


def _lost_controls(data: Panel) -> str | None:
    """Say which controls are combinations of others among the untreated rows."""
    if not data.control_names:
        return None
    rows = ~data.treated
    unit = np.unique(data.unit[rows], return_inverse=True)[1]
    weights = None if data.weights is None else data.weights[rows]
    raw = data.controls[rows]
    keep, absorbed = rank_of_columns(
        TwoWay(unit, data.period[rows], weights).demean(raw), raw
    )
    return controls_left_out(data.control_names, keep, absorbed)


def mean_weights(codes: np.ndarray, size: int, weights: np.ndarray) -> np.ndarray:
    """Columns (n, size) that average the rows of each code; -1 belongs to none."""
    member = (codes[:, None] == np.arange(size)) * weights[:, None]
    return member / member.sum(axis=0)
