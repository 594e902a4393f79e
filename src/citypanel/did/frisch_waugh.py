"""One treatment coefficient with everything else partialled out once.

After Frisch and Waugh (1933) the coefficient and its cluster scores depend on two
residual vectors only, so that thousands of resamples are small matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from citypanel.did.covariances import (
    Fit,
    count_parameters,
    is_nested,
    small_sample_factor,
)
from citypanel.did.linear import TwoWay, cluster_sums, partial_out, within
from citypanel.did.panels import Panel, prepare
from citypanel.errors import EstimationError, describe


@dataclass(frozen=True, eq=False)
class Partialled:
    """Outcome and treatment net of controls and effects.

    Attributes
    ----------
    data : Panel
    y, d : ndarray (n,)
        Net of effects and controls.
    controls : ndarray (n, k)
        Net of the effects.
    period : ndarray of int (n,)
        Codes of the period effects, by region where asked for.
    cluster : ndarray of int (n,)
    factor : float
        Small-sample factor of the ``xtreg`` convention.
    """

    data: Panel
    y: np.ndarray
    d: np.ndarray
    controls: np.ndarray
    period: np.ndarray
    cluster: np.ndarray
    factor: float

    @property
    def fit(self) -> Fit:
        """The whole regression, controls included."""
        data = self.data
        both = np.column_stack([data.y, data.treatment, data.controls])
        both = TwoWay(data.unit, self.period).demean(both)
        y, x = both[:, 0], both[:, 1:]
        bread = np.linalg.inv(x.T @ x)
        b = bread @ (x.T @ y)
        return Fit(x, b, y - x @ b, bread, data.unit, self.period)

    @property
    def estimate(self) -> float:
        return float(self.d @ self.y / (self.d @ self.d))

    def std_error(self) -> float:
        """Clustered standard error of the treatment's coefficient."""
        scores = cluster_sums(self.d * (self.y - self.estimate * self.d), self.cluster)
        return float(np.sqrt(self.factor * (scores @ scores)) / (self.d @ self.d))


def partial(
    panel: pd.DataFrame,
    *,
    outcome: str,
    treatment: str,
    unit: str,
    period: str,
    controls: Sequence[str] = (),
    cluster: str | None = None,
    period_effects_by: str | None = None,
    keep: Sequence[str] = (),
) -> Partialled:
    """Check the panel and partial the controls and both effects out.

    Raises
    ------
    PanelError, EstimationError
        As `twfe`; also clusters that cut units.
    """
    extra = [*keep, *([period_effects_by] if period_effects_by else [])]
    data = prepare(
        panel,
        outcome=outcome,
        unit=unit,
        period=period,
        treatment=treatment,
        controls=controls,
        cluster=cluster,
        keep=extra,
        absorbing=True,
    )
    if not is_nested(data.unit, data.cluster):
        raise EstimationError(
            describe(
                f"A city lies in more than one cluster of {cluster}",
                consequence="resampling whole clusters would tear cities apart",
                remedy="cluster on the city or on groups of whole cities",
            )
        )
    second = data.period
    if period_effects_by is not None:
        groups = pd.factorize(data.frame[period_effects_by], sort=True)[0]
        second = groups * len(data.periods) + data.period
        second = np.unique(second, return_inverse=True)[1]
    x = np.column_stack([data.treatment, data.controls])
    y, x = within(data.y, x, data.unit, second, [treatment, *data.control_names])
    d, rest = x[:, 0], x[:, 1:]
    net = partial_out(np.column_stack([y, d]), rest)
    k = count_parameters(
        Fit(x, np.zeros(0), y, np.zeros((0, 0)), data.unit, second),
        [data.cluster],
        "nonnested",
    )
    factor = small_sample_factor(data.n_obs, k, data.n_clusters)
    return Partialled(data, net[:, 0], net[:, 1], rest, second, data.cluster, factor)
