"""Untreated potential outcomes from the untreated rows of a panel.

Y_it(0) = alpha_i + lambda_t + x_it' gamma, by least squares on the rows not yet
treated. Imputation (Borusyak, Jaravel and Spiess 2024) and the two-stage estimator
(Gardner 2022) average the gaps to it and differ in their standard errors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from citypanel.did.linear import (
    NormalEquations,
    TwoWay,
    cluster_sums,
    require_full_rank,
)
from citypanel.did.panels import (
    Panel,
    prepare,
    require_treated_and_control,
    require_untreated_each_period,
)


class FirstStage:
    """Regression of the outcome on the effects and controls over untreated rows.

    Attributes
    ----------
    gap : ndarray (n,)
        Outcome minus fitted untreated outcome: effects on treated rows, residuals on
        the others.
    treated : ndarray of bool (n,)
    """

    def __init__(self, data: Panel):
        self.data = data
        self.treated = data.treated
        rows = ~self.treated
        raw = data.controls[rows]
        if raw.shape[1]:
            net = TwoWay(data.unit[rows], data.period[rows]).demean(raw)
            require_full_rank(net, raw, data.control_names)
        dummies = np.eye(len(data.periods))[data.period]
        self.other = np.hstack([dummies, data.controls])
        self.equations = NormalEquations(
            data.unit[rows], self.other[rows], data.n_units
        )
        on_units, on_other = self.equations.fit(data.y[rows])
        self.gap = data.y - on_units[data.unit] - self.other @ on_other

    def projection(self, weights: np.ndarray) -> np.ndarray:
        """Weights on untreated rows that mirror weights (n, m) on any rows.

        Z_0 (Z_0'Z_0)^-1 Z'w, with rows of zeros for treated rows: the fitted values'
        weighted sums as linear functions of the untreated outcomes.
        """
        on_units = cluster_sums(weights, self.data.unit, self.data.n_units)
        units, other = self.equations.solve(on_units, self.other.T @ weights)
        fitted = units[self.data.unit] + self.other @ other
        return np.where(self.treated[:, None], 0.0, fitted)


def prepare_first_stage(
    panel: pd.DataFrame,
    *,
    outcome: str,
    cohort: str,
    unit: str,
    period: str,
    controls: Sequence[str],
    cluster: str | None,
) -> FirstStage:
    """Check the panel and fit; every period and unit needs an untreated row.

    Raises
    ------
    EstimationError
        Nobody treated, a period in which every unit is treated, collinear controls.
    """
    data = prepare(
        panel,
        outcome=outcome,
        unit=unit,
        period=period,
        cohort=cohort,
        controls=controls,
        cluster=cluster,
        first_period_treated="drop",
    )
    require_treated_and_control(data, cohort=cohort, needs="any")
    require_untreated_each_period(data, period=period)
    untreated = np.bincount(data.unit, ~data.treated, data.n_units) > 0
    if not untreated.all():
        # A unit whose untreated rows are all missing shows no level of its own.
        lost = data.units[~untreated]
        return prepare_first_stage(
            panel[~panel[unit].isin(lost)],
            outcome=outcome,
            cohort=cohort,
            unit=unit,
            period=period,
            controls=controls,
            cluster=cluster,
        )
    return FirstStage(data)


def cell_codes(data: Panel, treated: np.ndarray):
    """Cohort-by-period cells of treated rows: their codes (-1 elsewhere) and labels."""
    cohort = data.cohort[data.unit]
    labels = sorted(
        set(
            zip(
                cohort[treated].tolist(),
                data.periods[data.period[treated]].tolist(),
                strict=True,
            )
        )
    )
    index = {label: j for j, label in enumerate(labels)}
    codes = np.full(data.n_obs, -1)
    rows = np.flatnonzero(treated)
    codes[rows] = [
        index[g, t]
        for g, t in zip(
            cohort[rows].tolist(), data.periods[data.period[rows]].tolist(), strict=True
        )
    ]
    return codes, labels


def mean_weights(codes: np.ndarray, size: int) -> np.ndarray:
    """Columns (n, size) that average the rows of each code; -1 belongs to none."""
    member = codes[:, None] == np.arange(size)[None, :]
    return member / member.sum(axis=0)
