"""Effects by dose, for treatments that differ in intensity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from citypanel.did.frames import NOTE_UNKNOWN, OVERALL, add_note, panel_frame
from citypanel.did.linear import cluster_sums
from citypanel.did.panels import (
    Panel,
    choose,
    on_panel,
    require_treated_and_control,
)
from citypanel.errors import EstimationError, OptionError, PanelError

CONTROL_GROUPS = ("not_yet", "never")
QUANTILES = tuple(np.round(np.arange(0.1, 0.95, 0.1), 1).tolist())


@on_panel("cohort", "weights", "cluster", carried=("dose",))
def dose_response(
    data: Panel,
    *,
    dose: str,
    doses: Sequence[float] | None = None,
    degree: int = 3,
    knots: int = 0,
    control_group: str = "not_yet",
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Effects of a dose on those who have it, and of a little more of it.

    For cohort g in period t, with dy the change from the last period before g and
    psi a basis of splines in the dose,

        dy_i = psi(d_i)'b_gt + e_i over the cohort,
        ATT(g, t, d) = psi(d)'b_gt - mean dy of the units not treated by t,
        ACR(g, t, d) = psi'(d)'b_gt,

    averaged over cohorts and periods after treatment by treated units. ATT(d) needs
    parallel trends; that ACR(d) is an effect of more dose, and not that units with
    more of it gain differently, needs them between doses too (strong parallel trends).

    Parameters
    ----------
    panel : DataFrame or Panel
        Units not seen in every period, and units treated from the first period on, are
        left out (see the note and ``attrs["dropped"]``).
    outcome, cohort, unit, period, weights, cluster, frequency
        Names of columns (see `panels.Design`).
    dose : str
        Column with a treated unit's dose, positive and the same in all its rows; what
        it holds for untreated units does not matter.
    doses : sequence of float, optional
        Where to evaluate; by default the deciles among the treated.
    degree, knots : int
        Of the splines: degree 3 without inner knots is a cubic; inner knots stand at
        quantiles of the doses.
    control_group : {"not_yet", "never"}
    single_unit_std_error : bool
    level : float

    Returns
    -------
    DataFrame
        ``simple``: ``overall`` (the mean effect at the doses that were given, the
        difference in differences of the treated) and ``acr`` (the mean marginal
        effect); then ``att`` and ``acr`` by ``dose``. Normal intervals from influence
        functions. Doses outside the range of every cohort are null with a note, and a
        cohort with too few doses for the basis stands in the mean effect alone (note).

    Raises
    ------
    PanelError
        A dose that is missing, not positive, or changes within a treated unit.
    EstimationError
        Nobody treated or to compare with.
    OptionError
        A degree below 0 or knots below 0.

    References
    ----------
    Callaway, Goodman-Bacon and Sant'Anna (2024), NBER Working Paper 32117.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from citypanel import did
    >>> i, t = (v.ravel() for v in np.indices((12, 4)))
    >>> panel = pd.DataFrame({"i": i, "t": t, "d": i / 4})
    >>> panel["g"] = np.where(i >= 4, 2, 0)
    >>> panel["y"] = i + t + (panel["g"] > 0) * (t >= 2) * panel["d"] ** 2
    >>> fit = did.dose_response(
    ...     panel, outcome="y", cohort="g", unit="i", period="t", dose="d", doses=[2.0]
    ... )
    >>> print(fit[["term", "dose", "estimate"]].round(2).to_string(index=False))
       term  dose  estimate
    overall   NaN      3.84
        acr   NaN      3.75
        att   2.0      4.00
        acr   2.0      4.00
    """
    choose("control_group", control_group, CONTROL_GROUPS)
    if degree < 0 or knots < 0:
        raise OptionError.of("did.basis_not_possible", degree=degree, knots=knots)
    data = data.without_always_treated().balanced()
    require_treated_and_control(data)
    given = unit_doses(data, dose)
    ever = ~data.never
    at = np.asarray(
        np.quantile(given[ever], QUANTILES) if doses is None else list(doses), float
    )
    at = np.unique(at)
    basis = _Basis(given[ever], degree, knots)
    y, w = data.matrix(data.y), data.matrix(data.row_weights)
    column = {int(p): j for j, p in enumerate(data.positions)}
    m = len(at)
    # Overall, marginal, then both by dose: sums of weights, values and influences.
    total = np.zeros(2 + 2 * m)
    value, influence = np.zeros(2 + 2 * m), np.zeros((data.n_units, 2 + 2 * m))
    behind = np.zeros((2 + 2 * m, data.n_units), bool)
    poor: list[str] = []
    for g in data.sizes:
        own = data.start == g
        b = max(p for p in column if p < g)
        first = column[b]
        share = w[own, first] / w[own, first].sum()
        x = basis(given[own])
        root = np.sqrt(share)[:, None]
        enough = np.linalg.matrix_rank(root * x) == x.shape[1]
        inside = (at >= given[own].min()) & (at <= given[own].max())
        for p in (p for p in column if p >= g):
            rest = data.never if control_group == "never" else data.start > p
            if not rest.any():
                break
            dy = y[:, column[p]] - y[:, first]
            below = w[rest, first] / w[rest, first].sum()
            control = float(below @ dy[rest])
            base = np.zeros(data.n_units)
            base[rest] = -below * (dy[rest] - control) * _grow(rest)
            mean = float(share @ dy[own])
            part = base.copy()
            part[own] += share * (dy[own] - mean) * _grow(own)
            size = w[own, first].sum()
            parts = [(0, mean - control, part)]
            if enough:
                parts += _by_dose(
                    basis, x, share, given[own], dy[own], own, base, control, at, inside
                )
            for k, estimate, function in parts:
                total[k] += size
                value[k] += size * estimate
                influence[:, k] += size * function
                behind[k] |= own
        if not enough:
            poor.append(data.name(g))
    if not total[0]:
        raise EstimationError.of(
            "did.no_switcher_unit_not", [f"cohort {data.name(g)}" for g in data.sizes]
        )
    known = total > 0
    scale = np.where(known, total, 1.0)
    value, influence = value / scale, influence / scale
    sums = cluster_sums(influence, data.unit_clusters)
    error = np.sqrt((sums**2).sum(axis=0))
    labels: list[dict] = [
        {"aggregation": "simple", "term": OVERALL},
        {"aggregation": "simple", "term": "acr"},
    ]
    for term in ("att", "acr"):
        labels += [{"aggregation": "dose", "term": term, "dose": d} for d in at]
    rows = []
    for k, label in enumerate(labels):
        units = int(behind[k].sum())
        row = {**label, "n_treated_units": units, "single_unit": units == 1}
        if known[k]:
            row |= {"estimate": value[k], "df": np.inf}
            row["std_error"] = error[k] if error[k] > 0 else None
        else:
            row |= {"estimate": None, "single_unit": False, "note": NOTE_UNKNOWN}
        rows.append(row)
    if poor:
        data = data.remarking(
            f"too few doses for the curve in cohort {', '.join(poor)}"
        )
    add_note(rows[:1], data.remarking(data.base_note).note)
    return panel_frame(
        data,
        rows,
        estimator="dose_response",
        level=level,
        single_unit_std_error=single_unit_std_error,
        extra_columns=("dose", "outcome"),
        n_obs=data.n_obs,
        n_units=data.n_units,
        n_clusters=int(data.unit_clusters.max()) + 1,
        standard_errors="influence function",
    ).astype({"dose": float})


def _by_dose(basis, x, share, given, dy, own, base, control, at, inside) -> list:
    """Marginal mean and both curves of one cohort in one period."""
    gram = np.linalg.inv((share[:, None] * x).T @ x)
    slope = gram @ (x.T @ (share * dy))
    n, k = x.shape
    grow = np.sqrt(n / (n - k)) if n > k else 1.0
    moved = (share * (dy - x @ slope) * grow)[:, None] * (x @ gram)
    steep = basis(given, 1)
    level, tilt = basis(at), basis(at, 1)
    curve, marginal = level @ slope - control, tilt @ slope
    mean_slope = share @ steep
    own_part = np.zeros(len(base))
    middle = float(mean_slope @ slope)
    own_part[own] = moved @ mean_slope + share * (steep @ slope - middle)
    out = [(1, middle, own_part)]
    m = len(at)
    for j in np.flatnonzero(inside):
        part, change = base.copy(), np.zeros(len(base))
        part[own] += moved @ level[j]
        change[own] = moved @ tilt[j]
        out.append((2 + j, float(curve[j]), part))
        out.append((2 + m + j, float(marginal[j]), change))
    return out


def _grow(side: np.ndarray) -> float:
    """Root of n/(n-1) for the variance of a mean."""
    n = int(side.sum())
    return float(np.sqrt(n / (n - 1.0))) if n > 1 else 1.0


class _Basis:
    """B-splines on the range of the doses, and their derivatives."""

    def __init__(self, doses: np.ndarray, degree: int, knots: int):
        low, high = float(doses.min()), float(doses.max())
        if high <= low:
            # One dose: the curve is its mean.
            degree, knots, high = 0, 0, low + max(abs(low), 1.0)
        inner = np.quantile(doses, np.linspace(0, 1, knots + 2)[1:-1])
        inner = np.unique(inner[(inner > low) & (inner < high)])
        ends = [np.full(degree + 1, low), inner, np.full(degree + 1, high)]
        self.knots, self.degree = np.concatenate(ends), degree
        self.size = len(self.knots) - degree - 1

    def __call__(self, doses: np.ndarray, derivative: int = 0) -> np.ndarray:
        """Values (n, size), those of the nearest end outside the range."""
        # Not above: nothing else needs it, and it takes long to import.
        from scipy.interpolate import BSpline

        at = np.clip(doses, self.knots[0], self.knots[-1])
        spline = BSpline(self.knots, np.eye(self.size), self.degree)
        if derivative and not self.degree:
            return np.zeros((len(at), self.size))
        return (spline.derivative(derivative) if derivative else spline)(at)


def unit_doses(data: Panel, column: str) -> np.ndarray:
    """Dose of each treated unit (n_units,); nan for the others.

    Raises
    ------
    PanelError
        A treated unit whose dose is missing, not positive, or changes.
    """
    values = pd.to_numeric(data.frame[column], errors="coerce").to_numpy(float)
    ever = data.ever
    wrong = ever & ~((values > 0) & np.isfinite(values))
    own = values[data.first_rows][data.unit]
    wrong |= ever & (values != own)
    if wrong.any():
        keys = [data.design.unit, data.design.period, column]
        rows = data.frame.loc[wrong, keys].itertuples(index=False)
        raise PanelError.of(
            "did.dose_unusable", [f"{u}, {t}: {v}" for u, t, v in rows], dose=column
        )
    return np.where(data.never, np.nan, values[data.first_rows])
