"""Wild cluster bootstrap with the null imposed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pandas as pd

from citypanel.did.frames import OVERALL, join_notes, panel_frame
from citypanel.did.frisch_waugh import Partialled, partial
from citypanel.did.panels import Panel, choose, on_panel
from citypanel.errors import OptionError

WEIGHTS = ("auto", "rademacher", "webb", "mammen")
FEW_CLUSTERS = 12
FARTHEST = 2.0**20
# Weights of clusters in draws that are held at once.
BLOCK = 5_000_000


@on_panel(
    "treatment",
    "controls",
    "regression_weights",
    "cluster",
    groups=("period_effects_by",),
)
def wild_cluster_bootstrap(
    data: Panel,
    *,
    period_effects_by: str | None = None,
    null: float = 0.0,
    weights: str = "auto",
    draws: int = 9999,
    seed: int = 0,
    level: float = 0.95,
    confidence_interval: bool = True,
    single_unit_std_error: bool = False,
) -> pd.DataFrame:
    """Restricted wild cluster bootstrap of the two-way fixed effects coefficient.

    Residuals under beta = ``null`` are multiplied by one random weight a cluster; the
    p-value is the share of draws whose absolute t is at least the sample's. The
    interval holds every null that is not rejected.

    Parameters
    ----------
    panel, outcome, treatment, unit, period, controls, cluster, frequency,
    period_effects_by
        As for `twfe`; clusters are whole units.
    regression_weights : str, optional
        Column of weights of the regression, as ``weights`` of `twfe`.
    null : float
        Hypothesis tested.
    weights : {"auto", "rademacher", "webb", "mammen"}
        Distribution of the weights; "auto" takes Webb's six points with at most
        twelve clusters, where two points give few distinct samples. Rademacher
        weights are enumerated when 2^G is at most ``draws``.
    draws, seed : int
    level : float
        Coverage of the inverted interval.
    confidence_interval : bool
        Whether to invert the test.
    single_unit_std_error : bool
        Report inference also where one unit is treated.

    Returns
    -------
    DataFrame
        One row, aggregation ``wild_cluster_bootstrap``: estimate, its ``xtreg``
        standard error and t, and the bootstrap's p_value, conf_low and conf_high
        (infinite where no null on that side is rejected). A p_value of 0 is one below
        1 / draws, which the note says. With few treated clusters
        the restricted bootstrap rejects too rarely (MacKinnon and Webb 2017).

    Raises
    ------
    OptionError
        Unknown weights, too few draws.
    PanelError, EstimationError
        As `twfe`.

    References
    ----------
    Cameron, Gelbach and Miller (2008), Review of Economics and Statistics 90; Webb
    (2023), Canadian Journal of Economics 56; Roodman et al. (2019), Stata Journal 19.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", treatment="treated", unit="city", period="year")
    >>> found = did.wild_cluster_bootstrap(zones(), draws=999, seed=1, **columns)
    >>> found[["estimate", "conf_low", "conf_high", "p_value"]].round(3)
       estimate  conf_low  conf_high  p_value
    0     0.111     0.077      0.145      0.0
    """
    choose("weights", weights, WEIGHTS)
    if draws < 99:
        raise OptionError.of("did.bootstrap_draws_too_few", draws=draws)
    parts = partial(data, period_effects_by=period_effects_by)
    multipliers = Multipliers(parts.data.n_clusters, weights, draws, seed)
    law = WildLaw(parts, multipliers)
    statistic = (parts.estimate - null) / parts.std_error
    p_value, n_draws, kind = law.p_value(null), multipliers.draws, multipliers.kind
    low, high = np.nan, np.nan
    if confidence_interval:
        low, high = law.interval(1.0 - level)
    row = {
        "aggregation": "wild_cluster_bootstrap",
        "term": OVERALL,
        "estimate": parts.estimate,
        "std_error": parts.std_error,
        "statistic": statistic,
        "p_value": p_value,
        "conf_low": low,
        "conf_high": high,
        "n_treated_units": parts.treated_units,
        "single_unit": parts.rests_on_one,
        "note": join_notes(
            f"{kind} weights, {n_draws} draws",
            None if p_value else f"none as large: p is below 1/{n_draws}",
            parts.data.note,
        ),
    }
    frame = panel_frame(
        parts.data,
        [row],
        estimator="twfe",
        level=level,
        single_unit_std_error=single_unit_std_error,
        extra_columns=("outcome", "null"),
        null=null,
        n_obs=parts.data.n_obs,
        n_units=parts.data.n_units,
        n_clusters=parts.data.n_clusters,
        standard_errors="xtreg",
    )
    if not confidence_interval:
        frame[["conf_low", "conf_high"]] = np.nan
    return frame


class Multipliers:
    """Weights with mean 0 and variance 1, one a cluster and draw.

    Attributes
    ----------
    kind : str
        Their name.
    draws : int
    """

    def __init__(self, clusters: int, kind: str, draws: int, seed: int):
        if kind == "auto":
            kind = "webb" if clusters <= FEW_CLUSTERS else "rademacher"
        self.clusters, self.draws, self.seed = clusters, draws, seed
        self.signs = None
        if kind == "rademacher" and 2**clusters <= draws:
            signs = itertools.product((-1.0, 1.0), repeat=clusters)
            self.signs, kind = np.array(list(signs)).T, "enumerated rademacher"
            self.draws = self.signs.shape[1]
        self.kind = kind

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Clusters and their weights (clusters, draws), the same in every round.

        No more than `BLOCK` numbers are held at once.
        """
        rng, some = np.random.default_rng(self.seed), max(1, BLOCK // self.draws)
        if self.signs is None and self.clusters <= some:
            self.signs = self._drawn(rng, (self.clusters, self.draws))
        if self.signs is not None:
            yield slice(None), self.signs
            return
        for first in range(0, self.clusters, some):
            rows = slice(first, min(first + some, self.clusters))
            yield rows, self._drawn(rng, (rows.stop - first, self.draws))

    def _drawn(self, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        if self.kind == "rademacher":
            return rng.integers(0, 2, shape) * 2.0 - 1.0
        if self.kind == "webb":
            points = np.sqrt(np.array([0.5, 1.0, 1.5]))
            return rng.choice(np.concatenate([-points, points]), shape)
        root = np.sqrt(5.0)
        flat = rng.random(shape) < (root + 1) / (2 * root)
        return np.where(flat, (1 - root) / 2, (1 + root) / 2)


def draw_weights(
    clusters: int, kind: str, draws: int, seed: int
) -> tuple[np.ndarray, str]:
    """`Multipliers` all at once (clusters, draws), and their name."""
    drawn = Multipliers(clusters, kind, draws, seed)
    return np.concatenate([part for _, part in drawn.blocks()]), drawn.kind


class WildLaw:
    """Bootstrap law of the t statistic for every null at once.

    With u(b) = y - b d the restricted residuals and v_g the weights, the draw's
    numerator is sum_g v_g d_g'u_g / d'd and its cluster scores are K(b) v, where

        K(b) = diag(s) - (D Z) (Z'Z)^+ (Z u)' - q s' / d'd,

    s_g = d_g'u_g, (D Z)_g = d_g'Z_g, (Z u)_g = Z_g'u_g, q_g = d_g'd_g, and Z the
    period dummies and controls net of unit means, all times root weights. Both are
    linear in b, so that the squared statistic of a draw is a ratio of two quadratics in
    b whose coefficients are computed once.
    """

    def __init__(self, parts: Partialled, weights: Multipliers | np.ndarray):
        self.parts = parts
        q, projected, sides = parts.cluster_products

        def blocks():
            whole = isinstance(weights, np.ndarray)
            return [(slice(None), weights)] if whole else weights.blocks()

        numerators, mixed, squares = [0.0] * 2, [0.0] * 2, [0.0] * 3
        for rows, v in blocks():
            for j, (s, zu) in enumerate(sides):
                numerators[j] = numerators[j] + s[rows] @ v
                mixed[j] = mixed[j] + zu[rows].T @ v
        for rows, v in blocks():
            of_y, of_d = (
                s[rows, None] * v
                - projected[rows] @ mixed[j]
                - np.outer(q[rows], numerators[j] / q.sum())
                for j, (s, _) in enumerate(sides)
            )
            for j, (a, b) in enumerate(((of_y, of_y), (of_y, of_d), (of_d, of_d))):
                squares[j] = squares[j] + np.einsum("gb,gb->b", a, b)
        self.numerators, self.squares = numerators, squares

    def statistics(self, null: float) -> np.ndarray:
        """Absolute t of every draw under a null, up to the small-sample factor."""
        top = np.abs(self.numerators[0] - null * self.numerators[1])
        yy, yd, dd = self.squares
        below = np.sqrt(np.clip(yy - 2 * null * yd + null**2 * dd, 0.0, None))
        # A draw without spread repeats the null exactly: no evidence against it.
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(below > 0, top / below, np.where(top > 0, np.inf, 0.0))

    def sample_statistic(self, null: float) -> float:
        """The sample's absolute t on the same scale."""
        parts = self.parts
        gap = abs(parts.estimate - null) * (parts.d @ parts.d)
        scale = parts.std_error * (parts.d @ parts.d) / np.sqrt(parts.factor)
        return float(gap / scale)

    def p_value(self, null: float) -> float:
        """Share of draws at least as large as the sample's statistic."""
        sample = self.sample_statistic(null)
        return float(np.mean(self.statistics(null) >= sample * (1 - 1e-10)))

    def interval(self, alpha: float) -> tuple[float, float]:
        """Nulls that are not rejected, by bisection on either side."""
        centre, unit = self.parts.estimate, self.parts.std_error
        return (
            self._edge(centre, -unit, alpha),
            self._edge(centre, unit, alpha),
        )

    def _edge(self, centre: float, step: float, alpha: float) -> float:
        inside, outside = 0.0, 1.0
        while self.p_value(centre + outside * step) > alpha:
            inside, outside = outside, outside * 2.0
            if outside > FARTHEST:
                return float(np.sign(step) * np.inf)
        for _ in range(60):
            middle = (inside + outside) / 2
            if self.p_value(centre + middle * step) > alpha:
                inside = middle
            else:
                outside = middle
            if outside - inside < 1e-9 * max(outside, 1.0):
                break
        return centre + (inside + outside) / 2 * step
