"""Augmented synthetic control, cohort by cohort or partially pooled."""

from __future__ import annotations

import numpy as np
import pandas as pd

from citypanel.did.frames import Extras, add_note, staggered_frame
from citypanel.did.linear import weighted_mean
from citypanel.did.panels import (
    Panel,
    choose,
    on_panel,
    require_treated_and_control,
)
from citypanel.did.regressions import Cells, dynamic_covariance, mean_rows
from citypanel.errors import EstimationError, OptionError

VARIANCES = ("jackknife", "none")
# Penalties tried, as shares of the largest eigenvalue of the controls' cross-products.
SHARES = np.geomspace(1.0, 1e-4, 9)
# Of the weights' squares, beside those of a fit of size one: it decides among weights
# that fit alike.
RIDGE = 1e-8
STEPS = 5000
# From so many weights on their equations are not solved one by one.
WIDE = 300


@on_panel("cohort", "weights")
def augmented_synthetic_control(
    data: Panel,
    *,
    ridge: float | None = None,
    pooling: float = 0.0,
    variance: str = "jackknife",
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Synthetic control corrected by ridge regression for what it does not match.

    With the outcomes of cohort g's mean and of the never-treated units net of each
    unit's mean before treatment, X_1 (T0,) and X_0 (N0, T0) those before, net of the
    controls' mean, the weights are

        gamma_i = w_i + (X_1 - X_0'w)' (X_0'X_0 + lambda I)^-1 X_0i,

    w the synthetic control's, on the simplex. They add to one, may be negative, and
    bring the gap before treatment closer to zero the smaller lambda is. Taking
    units' means out makes it a difference in differences. With ``pooling`` = nu the w
    of all cohorts together minimise

        nu |mean over cohorts of their gaps|^2 + (1 - nu) mean of |gap|^2

    by event time, weighted by treated units: the partially pooled synthetic control.

    Parameters
    ----------
    panel : DataFrame or Panel
        Units not seen in every period, and cohorts with fewer than two periods before
        treatment, are left out (see the note and ``attrs["dropped"]``).
    outcome, cohort, unit, period, weights, frequency
        Names of columns (see `panels.Design`). Weights, constant within units, weight
        the treated units in their cohort and the cohorts in the mean.
    ridge : number, optional
        lambda; by default the one, of nine, that predicts each period before treatment
        best from the others, cohort by cohort. Infinity for none.
    pooling : number
        nu, from 0 (cohorts apart) to 1 (their mean only).
    variance : {"jackknife", "none"}
        Over units, weights chosen anew and penalties held; a cohort of one unit
        is held fixed.
    single_unit_std_error : bool
    level : float

    Returns
    -------
    DataFrame
        ``simple``/``overall``, ``dynamic`` (event times from 0 on), ``group``,
        ``calendar``, ``group_time``; normal intervals. ``attrs["weights"]``: for each
        cohort gamma by control unit, lambda, and the root mean square gap before
        treatment, with ``uniform``, that of equal weights.

    Raises
    ------
    EstimationError
        Nobody treated or never treated; no cohort with two periods before treatment.
    OptionError
        A negative penalty, pooling outside 0 to 1.

    References
    ----------
    Ben-Michael, Feller and Rothstein (2021), Journal of the American Statistical
    Association 116; (2022), Journal of the Royal Statistical Society B 84.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> found = did.augmented_synthetic_control(zones(), **columns)
    >>> found[found["term"] == "overall"][["estimate", "std_error"]].round(3)
       estimate  std_error
    0     0.123      0.009
    """
    choose("variance", variance, VARIANCES)
    if ridge is not None and not ridge >= 0:
        raise OptionError.of("did.penalty_not_possible", penalty=ridge)
    if not 0 <= pooling <= 1:
        raise OptionError.of("did.pooling_not_possible", pooling=pooling)
    data = data.without_always_treated().balanced()
    require_treated_and_control(data, needs="never")
    late = [g for g in data.sizes if (data.positions < g).sum() >= 2]
    if not late:
        raise EstimationError.of(
            "did.no_cohort_two_periods", [f"cohort {data.name(g)}" for g in data.sizes]
        )
    keep = data.never | np.isin(data.start, late)
    data = data.keep_units(keep, "treated before the third period")
    y, weight = data.matrix(data.y), data.unit_weights
    control = y[data.never]
    members = [np.flatnonzero(data.start == g) for g in late]
    treated, weights = [y[m] for m in members], [weight[m] for m in members]
    fits = _Cohorts(treated, control, weights, late, data.positions, pooling)
    penalties = [
        fits.choose_penalty(c) if ridge is None else float(ridge)
        for c in range(len(late))
    ]
    fits.augment(penalties)
    estimates = np.concatenate(fits.gaps())
    keys = [
        (g, int(p), float(w.sum()), m)
        for c, (g, w, m) in enumerate(zip(late, weights, members, strict=True))
        for p in data.positions[fits.after(c)]
    ]
    cells = Cells.of(keys)
    matrix, note = np.full((len(cells),) * 2, np.nan), None
    if variance == "jackknife" and len(control) == 1:
        note = "one control unit, which the jackknife cannot leave out"
    elif variance == "jackknife":
        matrix = _jackknife(fits, penalties, estimates)
        if any(len(m) == 1 for m in members):
            note = "jackknife with cohorts of one unit held fixed"
    rows = mean_rows(data, cells, estimates, matrix, df=np.inf)
    tiny = 1e-12 * max(float(np.abs(data.y).max()), np.finfo(float).tiny)
    for row in rows:
        error = row.get("std_error", np.nan)
        if not np.isfinite(error) or error <= tiny:
            row["std_error"] = None
    add_note(rows[:1], note)
    never = data.units[data.never].tolist()
    chosen = {
        data.label(g): {
            "gamma": dict(zip(never, fits.gamma[c].tolist(), strict=True)),
            "lambda": penalties[c],
            **fits.imbalance(c),
        }
        for c, g in enumerate(late)
    }
    return staggered_frame(
        data,
        rows,
        dynamic_covariance(data, cells, estimates, matrix),
        estimator="augmented_synthetic_control",
        standard_errors=variance,
        n_clusters=data.n_units,
        level=level,
        # The jackknife has none for a unit that is held fixed.
        single_unit_std_error=False,
        attrs={"weights": Extras(chosen)},
        reference=data.reference,
    )


class _Cohorts:
    """Weights of every cohort in one sample of units.

    ``simplex`` holds those of the cohorts where they are known, and None elsewhere.
    """

    def __init__(
        self, treated, control, weights, cohorts, positions, pooling, simplex=None
    ):
        self.args = (treated, control, weights, cohorts, positions, pooling)
        self.cohorts, self.positions = cohorts, positions
        self.sizes = np.array([w.sum() for w in weights])
        self.own, self.rest = [], []
        for own, weight, g in zip(treated, weights, cohorts, strict=True):
            before = positions < g
            line, others = weighted_mean(own, weight), control
            line = line - line[before].mean()
            others = others - others[:, before].mean(axis=1, keepdims=True)
            centre = others.mean(axis=0)
            self.own.append(line - centre)
            self.rest.append(others - centre)
        self.simplex = self._weights(pooling, simplex or [None] * len(cohorts))
        self.gamma = list(self.simplex)

    def before(self, c: int) -> np.ndarray:
        return self.positions < self.cohorts[c]

    def after(self, c: int) -> np.ndarray:
        return ~self.before(c)

    def _weights(
        self, pooling: float, known: list[np.ndarray | None]
    ) -> list[np.ndarray]:
        first = [
            simplex_weights(
                self.rest[c][:, self.before(c)].T, self.own[c][self.before(c)]
            )
            if given is None
            else given
            for c, given in enumerate(known)
        ]
        return first if not pooling else self._pool(first, pooling)

    def _pool(self, start: list[np.ndarray], nu: float) -> list[np.ndarray]:
        """Accelerated projected gradient over the cohorts' simplexes together."""
        events = [
            self.positions[self.before(c)] - g for c, g in enumerate(self.cohorts)
        ]
        times = np.unique(np.concatenate(events))
        share = self.sizes / self.sizes.sum()
        a, b = [], []
        for c, event in enumerate(events):
            lift = np.zeros((len(times), len(event)))
            lift[np.searchsorted(times, event), np.arange(len(event))] = 1.0
            a.append(lift @ self.rest[c][:, self.before(c)].T)
            b.append(lift @ self.own[c][self.before(c)])
        count = len(times)
        n = len(start[0])
        pooled = np.hstack([s * m for s, m in zip(share, a, strict=True)])
        hessian = nu * pooled.T @ pooled
        side = nu * pooled.T @ sum(s * v for s, v in zip(share, b, strict=True))
        for c, (m, v) in enumerate(zip(a, b, strict=True)):
            at = slice(c * n, (c + 1) * n)
            hessian[at, at] += (1 - nu) * share[c] * m.T @ m
            side[at] += (1 - nu) * share[c] * m.T @ v
        hessian, side = hessian / count, side / count
        length = float(np.linalg.eigvalsh(hessian)[-1])
        x = ahead = np.concatenate(start)
        momentum = 1.0
        for _ in range(STEPS if length > 0 else 0):
            new = ahead - (hessian @ ahead - side) / length
            new = np.concatenate([project(part) for part in np.split(new, len(start))])
            if (ahead - new) @ (new - x) > 0:
                momentum = 1.0
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            ahead = new + (momentum - 1) / following * (new - x)
            moved, x, momentum = np.abs(new - x).max(), new, following
            if moved < 1e-12:
                break
        return np.split(x, len(start))

    def choose_penalty(self, c: int) -> float:
        """The penalty that predicts each period before from the others best."""
        before = self.before(c)
        x, line = self.rest[c][:, before].T, self.own[c][before]
        top = float(np.linalg.norm(x, 2)) ** 2
        if len(line) < 3 or top <= 0:
            return float("inf")
        errors = np.zeros(len(SHARES))
        for t in range(len(line)):
            rest = np.arange(len(line)) != t
            w = simplex_weights(x[rest], line[rest])
            for j, share in enumerate(SHARES):
                found = ridge_weights(x[rest], line[rest], w, share * top)
                errors[j] += (line[t] - x[t] @ found) ** 2
        # The largest penalty that predicts as well, so that rounding chooses nothing.
        rounding = len(line) * (1e-9 * np.abs(line).max()) ** 2
        best = errors <= errors.min() * (1 + 1e-9) + rounding
        return float(SHARES[int(best.argmax())] * top)

    def augment(self, penalties: list[float]) -> None:
        self.gamma = [
            ridge_weights(
                self.rest[c][:, self.before(c)].T,
                self.own[c][self.before(c)],
                w,
                penalty,
            )
            for c, (w, penalty) in enumerate(zip(self.simplex, penalties, strict=True))
        ]

    def gaps(self) -> list[np.ndarray]:
        return [
            (self.own[c] - self.gamma[c] @ self.rest[c])[self.after(c)]
            for c in range(len(self.cohorts))
        ]

    def imbalance(self, c: int) -> dict[str, float]:
        """Root mean square gap before treatment, and that of equal weights."""
        before = self.before(c)
        left = (self.own[c] - self.gamma[c] @ self.rest[c])[before]
        return {
            "gap_before": float(np.sqrt((left**2).mean())),
            "uniform": float(np.sqrt((self.own[c][before] ** 2).mean())),
        }


def simplex_weights(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weights (n,) on the simplex for x (T, n) closest to y (T,).

    Exact on the weights that are not zero (`_on_simplex` says which). Of many solutions
    it is that of the smallest sum of squares, whatever the order of the units and the
    scale of y.
    """
    n = x.shape[1]
    scale = max(float(np.abs(x).max(initial=0.0)), float(np.abs(y).max(initial=0.0)))
    if n == 1 or scale == 0:
        return np.full(n, 1.0 / n)
    x, y = x / scale, y / scale
    w = _on_simplex(x, y)
    some = w > 1e-9
    if not some.any():
        return np.full(n, 1.0 / n)
    exact = _adding_to_one(x[:, some], y)
    out = np.zeros(n)
    out[some] = exact if (exact > -1e-9).all() else w[some]
    out = np.clip(out, 0.0, None)
    return out / out.sum()


def _adding_to_one(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """w that add to one with the least |y - X w|^2, of many the shortest."""
    m = x.shape[1]
    if m > WIDE:
        # So many fit y: the shortest that do are in the span of the rows.
        lines, side = np.vstack([x, np.ones(m)]), np.append(y, 1.0)
        w = lines.T @ np.linalg.lstsq(lines @ lines.T, side, rcond=1e-12)[0]
        if np.abs(lines @ w - side).max() < 1e-10:
            return w
    system = np.block([[x.T @ x, np.ones((m, 1))], [np.ones((1, m)), np.zeros((1, 1))]])
    return np.linalg.lstsq(system, np.append(x.T @ y, 1.0), rcond=1e-12)[0][:m]


def _on_simplex(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """w on the simplex with the least |y - X w|^2 + RIDGE |w|^2, for x (T, n).

    With r = y - X w and m the multiplier of the sum, w = max(X'r + m, 0) / RIDGE. Its
    dual is convex and piecewise quadratic in the T + 1 numbers r and m, so that
    Newton's steps with a line search end after a few, however many units there are.
    """
    n = x.shape[1]
    lines = np.vstack([x, np.ones(n)])
    side = np.append(y, 1.0)
    size = np.append(np.ones(len(y)), 0.0)

    def dual(z):
        w = np.maximum(lines.T @ z, 0.0) / RIDGE
        return w, 0.5 * size @ z**2 + 0.5 * RIDGE * w @ w - side @ z

    z = np.append(y - x.mean(axis=1), 0.0)
    z[-1] = RIDGE / n - (x.T @ z[:-1]).min()
    w, value = dual(z)
    for _ in range(STEPS):
        slope, some = size * z + lines @ w - side, w > 0
        curve = np.diag(size) + lines[:, some] @ lines[:, some].T / RIDGE
        step = -np.linalg.lstsq(curve, slope, rcond=1e-15)[0]
        reach, along = 1.0, slope @ step
        while reach > 1e-12:
            new, there = dual(z + reach * step)
            if there <= value + 1e-4 * reach * along:
                break
            reach /= 2
        else:
            break  # nothing but rounding is left to gain
        z, w, value = z + reach * step, new, there
        if reach == 1.0 and ((w > 0) == some).all():
            break
    return w


def ridge_weights(
    x: np.ndarray, y: np.ndarray, w: np.ndarray, penalty: float
) -> np.ndarray:
    """w + X'(XX' + penalty I)^-1 (y - X w), for x (T, n)."""
    if np.isinf(penalty):
        return w
    left = y - x @ w
    gram = x @ x.T
    if penalty == 0:
        return w + x.T @ (np.linalg.pinv(gram, rcond=1e-10, hermitian=True) @ left)
    return w + x.T @ np.linalg.solve(gram + penalty * np.eye(len(y)), left)


def project(v: np.ndarray) -> np.ndarray:
    """Nearest point of the simplex (Duchi et al. 2008)."""
    u = np.sort(v)[::-1]
    total = np.cumsum(u) - 1.0
    k = np.flatnonzero(u * np.arange(1, len(v) + 1) > total)[-1]
    return np.clip(v - total[k] / (k + 1.0), 0.0, None)


def _jackknife(fits: _Cohorts, penalties: list[float], whole: np.ndarray) -> np.ndarray:
    """Covariance of the cells with each unit left out in turn.

    Without a control of no weight the others' weights are what they were, and without
    a treated unit those of the other cohorts are, unless cohorts are pooled.
    """
    treated, control, weights, cohorts, positions, pooling = fits.args
    moved = []

    def again(own, rest, weight, known):
        known = None if pooling else known
        part = _Cohorts(own, rest, weight, cohorts, positions, pooling, known)
        part.augment(penalties)
        moved.append(np.concatenate(part.gaps()))

    for i in range(len(control)):
        known = [None if w[i] else np.delete(w, i) for w in fits.simplex]
        again(treated, np.delete(control, i, axis=0), weights, known)
    for c, own in enumerate(treated):
        if len(own) == 1:
            continue
        for i in range(len(own)):
            rest, shares = list(treated), list(weights)
            rest[c], shares[c] = np.delete(own, i, axis=0), np.delete(weights[c], i)
            known = [None if other == c else w for other, w in enumerate(fits.simplex)]
            again(rest, control, shares, known)
    values = np.array(moved)
    n = len(values)
    changes = values - whole
    return (n - 1.0) / n * changes.T @ changes
