"""One treatment coefficient with everything else partialled out once.

After Frisch and Waugh (1933) the coefficient and its cluster scores depend on two
residual vectors only, so that thousands of resamples are small matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from citypanel.did.covariances import (
    Fit,
    count_parameters,
    require_clusters,
    small_sample_factor,
)
from citypanel.did.linear import (
    TwoWay,
    cluster_sums,
    partial_out,
    symmetric_inverse,
)
from citypanel.did.panels import (
    FAR,
    Panel,
    prepare,
    require_absorbing,
    starts_from_treatment,
)
from citypanel.did.regressions import lost_controls, not_identified, regress_net
from citypanel.errors import EstimationError


@dataclass(frozen=True, eq=False)
class Partialled:
    """Outcome and treatment net of controls and effects.

    Attributes
    ----------
    data : Panel
    transform : TwoWay
        Takes the effects out.
    root : ndarray (n,)
        Roots of the weights, ones without; y, d and controls are multiplied by them.
    y, d : ndarray (n,)
        Net of effects and controls.
    controls : ndarray (n, k)
        Net of the effects; those that are collinear or absorbed are left out.
    raw_controls : ndarray (n, k)
        The same, as they came.
    design : ndarray (n, 2 + k)
        Outcome, treatment and these controls, net of the effects alone.
    period : ndarray of int (n,)
        Codes of the period effects, by region where asked for.
    start : ndarray of int (n_units,)
        Position of the first treated period.
    cluster : ndarray of int (n,)
    factor : float
        Small-sample factor of the ``xtreg`` convention.
    """

    data: Panel
    transform: TwoWay
    root: np.ndarray
    y: np.ndarray
    d: np.ndarray
    controls: np.ndarray
    raw_controls: np.ndarray
    design: np.ndarray
    period: np.ndarray
    start: np.ndarray
    cluster: np.ndarray
    factor: float

    @property
    def fit(self) -> Fit:
        """The whole regression, controls included."""
        data = self.data
        y, x = self.design[:, 0], self.design[:, 1:]
        bread = np.linalg.inv(x.T @ x)
        b = bread @ (x.T @ y)
        weights = None if data.weights is None else self.root**2
        return Fit(x, b, y - x @ b, bread, data.unit, self.period, weights=weights)

    def net(self, values: np.ndarray) -> np.ndarray:
        """Columns (n, m) net of the effects, times the roots of the weights."""
        net = self.transform.demean(values)
        return net if self.data.weights is None else self.root[:, None] * net

    @property
    def treated_units(self) -> int:
        return int((self.start < FAR).sum())

    @property
    def rests_on_one(self) -> bool:
        """Whether one unit is treated: the effect has no sampling distribution."""
        return self.treated_units == 1

    @cached_property
    def estimate(self) -> float:
        return float(self.d @ self.y / (self.d @ self.d))

    @cached_property
    def std_error(self) -> float:
        """Clustered standard error of the treatment's coefficient.

        Raises
        ------
        EstimationError
            The effects and controls fit the outcome exactly.
        """
        scores = cluster_sums(self.d * (self.y - self.estimate * self.d), self.cluster)
        error = float(np.sqrt(self.factor * (scores @ scores)) / (self.d @ self.d))
        if not error:
            raise EstimationError.of("did.nothing_to_resample")
        return error

    @cached_property
    def cluster_products(
        self,
    ) -> tuple[np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
        """Products by cluster, of which `bootstrap.WildLaw` is made.

        Returns
        -------
        ndarray (G,), ndarray (G, m), list of (ndarray (G,), ndarray (G, m))
            In the notation of `WildLaw`: q; D Z (Z'Z)^+; s and Z u for the outcome and
            for the treatment in the place of u.
        """
        cluster, d = self.cluster, self.d
        dummies = np.eye(int(self.period.max()) + 1)[self.period]
        weighted = self.data.weights is not None
        z = np.hstack([dummies, self.raw_controls])
        weights = self.root**2 if weighted else None
        z = TwoWay(self.data.unit, weights=weights).demean(z)
        z = self.root[:, None] * z if weighted else z
        of_d = cluster_sums(d[:, None] * z, cluster)
        sides = [
            (cluster_sums(d * u, cluster), cluster_sums(u[:, None] * z, cluster))
            for u in (self.y, d)
        ]
        inverse = symmetric_inverse(z.T @ z)
        return cluster_sums(d * d, cluster), of_d @ inverse, sides


def partial(
    panel: pd.DataFrame | Panel,
    *,
    period_effects_by: str | None = None,
    **columns: Any,
) -> Partialled:
    """Check the panel and partial the controls and both effects out.

    A panel that is built already keeps what was found, for whoever asks next.

    Parameters
    ----------
    panel : DataFrame or Panel
        With an absorbing treatment in [0, 1].
    period_effects_by : str, optional
    **columns
        Names of columns (see `panels.Design`).

    Raises
    ------
    PanelError, EstimationError
        As `twfe`; also clusters that cut units.
    """
    data = prepare(panel, groups=(period_effects_by,), **columns).rows
    kept = data.__dict__.setdefault("_partialled", {})
    if period_effects_by not in kept:
        kept[period_effects_by] = _partial(data, period_effects_by)
    return kept[period_effects_by]


def _partial(data: Panel, period_effects_by: str | None) -> Partialled:
    require_absorbing(data)
    if not data.units_nest:
        raise EstimationError.of(
            "did.unit_lies_more_than_2", what=data.design.cluster[0]
        )
    second = data.period_effects(period_effects_by)
    weights, root = data.weights, np.ones(data.n_obs)
    if weights is not None:
        weights = weights / weights.mean()
        root = np.sqrt(weights)
    transform = TwoWay(data.unit, second, weights)
    x = np.column_stack([data.treatment, data.controls])
    net = transform.demean(np.column_stack([data.y, x]))
    if data.weights is not None:
        net = root[:, None] * net
    names = [str(data.design.treatment), *data.control_names]
    fit = regress_net(
        net[:, 0], net[:, 1:], root[:, None] * x, data.unit, second, weights
    )
    if not fit.first_known(1)[0]:
        raise not_identified(fit, names, 1)
    data = data.remarking(lost_controls(fit, data.control_names, 1))
    kept = fit.keep[1:]
    y, d, rest = net[:, 0], net[:, 1], net[:, 2:][:, kept]
    if not kept.all():
        net = net[:, [True, True, *kept]]
    both = partial_out(np.column_stack([y, d]), rest)
    k = count_parameters(fit.fit, [data.cluster], "nonnested")
    require_clusters(data.n_clusters)
    return Partialled(
        data,
        transform,
        root,
        both[:, 0],
        both[:, 1],
        rest,
        data.controls[:, kept],
        net,
        second,
        starts_from_treatment(data),
        data.cluster,
        small_sample_factor(data.n_obs, k, data.n_clusters),
    )
