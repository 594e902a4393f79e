"""Randomisation inference: the policy's cohorts dealt anew among the units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from citypanel.did.frames import (
    NOTE_SINGLE,
    OVERALL,
    dropped_rows,
    join_notes,
    overall_rows,
    tidy,
)
from citypanel.did.frisch_waugh import Partialled, partial
from citypanel.did.linear import indicator, partial_out, symmetric_inverse
from citypanel.did.moments import GAIN, large_enough
from citypanel.did.panels import Panel, on_panel
from citypanel.did.results import Extras, remembering
from citypanel.errors import EstimationError, OptionError, PanelError
from citypanel.panel import require_columns

CHUNK = 20_000_000


@on_panel(
    "treatment",
    "controls",
    "weights",
    "cluster",
    groups=("period_effects_by", "within"),
)
def randomisation_inference(
    data: Panel,
    *,
    period_effects_by: str | None = None,
    within: str | None = None,
    draws: int = 999,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Permutation test of no effect for any unit, on the t statistic.

    Whole treatment paths are permuted among units, which keeps the number of units
    and the date of every batch; each draw's t uses the same clustered standard error
    as the sample's. The coefficient itself is never the statistic: under unequal
    variances its permutation law is not that of the estimate (MacKinnon and Webb 2020).

    Parameters
    ----------
    panel, outcome, treatment, unit, period, controls, weights, cluster, frequency,
    period_effects_by
        As for `twfe`; weights and controls stay with their units.
    within : str, optional
        Permute within the values of this column only (regions).
    draws, seed : int
    level : float
        Coverage of the ``xtreg`` interval that stands beside the p-value.

    Returns
    -------
    DataFrame
        One row, aggregation ``randomisation``: estimate, ``xtreg`` standard error,
        statistic t and p_value = (1 + draws with |t| at least the sample's) /
        (1 + draws). Draws without a statistic (the effects absorb the treatment they
        deal) count neither above nor below; the note says how many there were.

    Raises
    ------
    OptionError
        Too few draws.
    PanelError, EstimationError
        As `twfe`; also where no draw has a statistic.

    References
    ----------
    Young (2019), Quarterly Journal of Economics 134; MacKinnon and Webb (2020),
    Journal of Econometrics 218.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", treatment="treated", unit="city", period="year")
    >>> found = did.randomisation_inference(zones(), draws=999, seed=1, **columns)
    >>> found[["estimate", "p_value"]].round(3)
       estimate  p_value
    0     0.111    0.001
    """
    _require_draws(draws)
    parts = partial(data, period_effects_by=period_effects_by)
    data = parts.data
    statistics = permuted_statistics(parts, draws, seed, within)
    known = statistics[np.isfinite(statistics)]
    lost = draws - len(known)
    if not len(known):
        raise EstimationError.of(
            "did.no_permutation_statistic",
            [f"{draws} permutations" + (f" within {within}" if within else "")],
        )
    statistic = parts.estimate / parts.std_error()
    as_large = np.sum(np.abs(known) >= abs(statistic) * (1 - 1e-10))
    single = parts.rests_on_one
    row = {
        "aggregation": "randomisation",
        "term": OVERALL,
        "estimate": parts.estimate,
        # The permutation law is valid with one treated unit; the error is not.
        "std_error": None if single else parts.std_error(),
        "statistic": statistic,
        "df": data.n_clusters - 1.0,
        "p_value": (1.0 + as_large) / (1.0 + len(known)),
        "n_treated_units": parts.treated_units,
        "note": join_notes(
            f"{len(known)} permutations" + (f" within {within}" if within else ""),
            f"{lost} draws without a statistic left out" if lost else None,
            NOTE_SINGLE if single else None,
            data.note,
        ),
    }
    return tidy(
        [row],
        estimator="twfe",
        level=level,
        extra_columns=("outcome",),
        outcome=data.design.outcome,
        n_obs=data.n_obs,
        n_units=data.n_units,
        n_clusters=data.n_clusters,
        standard_errors="xtreg",
        attrs=dropped_rows(data),
    )


@on_panel("treatment", "controls", "weights", "cluster")
def randomisation_draws(
    data: Panel, *, draws: int = 999, seed: int = 0
) -> pd.DataFrame:
    """The t statistics behind `randomisation_inference`, draw by draw.

    Parameters
    ----------
    panel, outcome, treatment, unit, period, controls, weights, cluster, frequency,
    draws, seed
        As for `randomisation_inference`, whose permutations these are.

    Returns
    -------
    DataFrame
        draw, statistic: draw 0 is the sample's own t, 1 to ``draws`` those of the
        treatment paths dealt anew, null where there is none. With n the draws that
        have one, (1 + those with |t| at least that of draw 0) / (1 + n) is the p-value.

    Raises
    ------
    OptionError
        Too few draws.
    PanelError, EstimationError
        As `twfe`.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", treatment="treated", unit="city", period="year")
    >>> found = did.randomisation_draws(zones(), draws=999, seed=1, **columns)
    >>> found.iloc[:2].round(3)
       draw  statistic
    0     0      7.095
    1     1     -0.012
    """
    _require_draws(draws)
    parts = partial(data)
    sample = parts.estimate / parts.std_error()
    statistics = np.concatenate([[sample], permuted_statistics(parts, draws, seed)])
    return pd.DataFrame({"draw": np.arange(draws + 1), "statistic": statistics})


def treatment_paths(data) -> np.ndarray:
    """Treatment of each unit in each period (units, periods).

    A missing row takes the value before it, and 0 at the start: the treatment does
    not switch off, so that this is what the unit's exposure was at least.
    """
    paths = np.full((data.n_units, len(data.positions)), np.nan)
    paths[data.unit, data.period] = data.treatment
    paths[np.isnan(paths[:, 0]), 0] = 0.0
    for t in range(1, paths.shape[1]):
        gap = np.isnan(paths[:, t])
        paths[gap, t] = paths[gap, t - 1]
    return paths


def permutations(
    n_units: int, draws: int, seed: int, strata: np.ndarray | None
) -> np.ndarray:
    """Permutations of the units (draws, n_units), within strata if given."""
    rng = np.random.default_rng(seed)
    keys = rng.random((draws, n_units))
    if strata is None:
        return np.argsort(keys, axis=1)
    # Sorting by stratum, then by a random key, deals each stratum's places anew.
    places = np.argsort(strata, kind="stable")
    order = np.argsort(keys + strata[None, :] * 2.0, axis=1)
    out = np.empty((draws, n_units), np.int64)
    out[:, places] = order
    return out


def permuted_statistics(
    parts: Partialled, draws: int, seed: int, within: str | None = None
) -> np.ndarray:
    """t statistics (draws,) under permuted treatment paths, nan where there is none."""
    data = parts.data
    paths = treatment_paths(data)
    strata = None
    if within is not None:
        strata = data.of_units(data.codes(within), within)
    order = permutations(data.n_units, draws, seed, strata)
    by_path = _Paths.of(parts, paths)
    if by_path is not None:
        return by_path.statistics(order)
    batch = max(1, CHUNK // data.n_obs)
    by_cluster = indicator(parts.cluster)
    limit = 1e-10 * float(parts.root**2 @ data.treatment**2)
    out = []
    for start in range(0, draws, batch):
        chosen = order[start : start + batch]
        d = paths[chosen[:, data.unit], data.period].T
        d = partial_out(parts.net(d), parts.controls)
        size = np.einsum("nb,nb->b", d, d)
        # A draw whose treatment the effects absorb (all of a stratum) says nothing.
        size = np.where(size > limit, size, np.nan)
        b = parts.y @ d / size
        scores = by_cluster @ (d * (parts.y[:, None] - d * b))
        error = np.sqrt(parts.factor * np.einsum("gb,gb->b", scores, scores)) / size
        with np.errstate(divide="ignore", invalid="ignore"):
            out.append(np.where(error > 0, b / error, np.nan))
    return np.concatenate(out)


@dataclass(frozen=True, eq=False)
class _Paths:
    """What dealing treatment paths anew needs of the units, instead of their rows.

    With d_cp the path c in the periods of the pattern p, net of its mean, a draw's
    treatment net of unit effects has a d_cp for each unit; its period effects are
    m = S^+ sum_i w_i d_cp, where S, the periods' normal equations net of unit effects,
    is the same in every draw. With y_i the outcome net of both effects, and m_p the
    effects in p net of their mean, the draw's scores are

        a_i - b q_i,   a_i = w_i y_i'(d_cp - m),   q_i = w_i |d_cp - m_p|^2,

    and its coefficient is b = sum a / sum q. With Z the orthonormal controls net of
    effects, the treatment loses Z g too, g = sum_i Z_i'd_cp, and

        a_i loses y_i'Z_i g,   q_i gains |Z_i g|^2 - 2 g'Z_i'(d_cp - m).
    """

    parts: Partialled
    kind: np.ndarray
    pattern: np.ndarray
    seen: np.ndarray
    net: np.ndarray
    root: np.ndarray
    controls: np.ndarray

    @classmethod
    def of(cls, parts: Partialled, paths: np.ndarray) -> _Paths | None:
        """None where rows are needed, or do not cost more.

        So it is with period effects by group and weights that change, with as many
        patterns as units, and in small panels, which are left as they are.
        """
        data = parts.data
        plain = data.has_even_weights and parts.period is data.period
        if not plain or not large_enough(data):
            return None
        kinds, kind = np.unique(paths, axis=0, return_inverse=True)
        seen, pattern = np.ones((1, paths.shape[1]), bool), np.zeros(len(paths), int)
        if not data.is_balanced:
            rows = np.zeros(paths.shape, bool)
            rows[data.unit, data.period] = True
            seen, pattern = np.unique(rows, axis=0, return_inverse=True)
        if GAIN * len(kinds) * len(seen) > data.n_units:
            return None
        means = (kinds @ seen.T) / seen.sum(axis=1)
        net = np.where(seen, kinds[:, None] - means[:, :, None], 0.0)
        root = parts.root[data.first_rows]
        controls = np.zeros((data.n_units, parts.controls.shape[1], paths.shape[1]))
        controls[data.unit, :, data.period] = np.linalg.qr(parts.controls)[0]
        return cls(parts, kind.ravel(), pattern.ravel(), seen, net, root, controls)

    def statistics(self, order: np.ndarray) -> np.ndarray:
        """`permuted_statistics` of the permutations (draws, n_units)."""
        data, (k, p, t) = self.parts.data, self.net.shape
        y = self.root[:, None] * np.nan_to_num(data.matrix(self.parts.y))
        z = self.root[:, None, None] * self.controls
        own = np.empty((data.n_units, k))
        own_z = np.empty((data.n_units, z.shape[1], k))
        for j in range(p):
            at = self.pattern == j
            own[at] = y[at] @ self.net[:, j].T
            own_z[at] = z[at] @ self.net[:, j].T
        left = np.nan_to_num(data.matrix(self.parts.y))
        y_z = np.einsum("nt,nkt->nk", left, self.controls)
        z_z = np.einsum("nkt,nlt->nkl", self.controls, self.controls)
        weight = self.root**2
        sums = np.bincount(self.pattern, weight, p)
        gram = np.diag(sums @ self.seen)
        shares = self.seen / self.seen.sum(axis=1, keepdims=True)
        inverse = symmetric_inverse(gram - shares.T @ (sums[:, None] * self.seen))
        limit = 1e-10 * float(self.parts.root**2 @ data.treatment**2)
        by_cluster = None
        if data.design.cluster and data.design.cluster != (data.design.unit,):
            by_cluster = indicator(data.unit_clusters)
        units = np.arange(data.n_units)
        cells, rows = self.net.reshape(k * p, t), units * k
        squares, out = (cells**2).sum(axis=1), []
        most = max(data.n_units * k, k * p * t)
        batch = max(1, CHUNK // most)
        for start in range(0, len(order), batch):
            dealt = self.kind[order[start : start + batch]]
            cell = dealt * p + self.pattern
            count = np.array([np.bincount(c, weight, k * p) for c in cell])
            effects = count @ cells @ inverse
            mean = effects[:, None] - (effects @ shares.T)[:, :, None]
            mean = np.where(self.seen, mean, 0.0)
            cross = np.einsum("cpt,bpt->bcp", self.net, mean)
            q = squares + ((mean**2).sum(axis=2)[:, None] - 2 * cross).reshape(
                -1, k * p
            )
            a = own.ravel()[rows + dealt] - effects @ y.T
            q = weight * np.take_along_axis(q, cell, axis=1)
            if z.shape[1]:
                g = np.array([own_z[units, :, d].sum(axis=0) for d in dealt])
                a -= g @ y_z.T
                q += _outer(g, g) @ _flat(z_z).T + 2 * _outer(g, effects) @ _flat(z).T
                by_kind = 2 * np.einsum("bk,nkc->bnc", g, own_z)
                q -= np.take_along_axis(by_kind, dealt[:, :, None], axis=2)[:, :, 0]
            size = q.sum(axis=1)
            # A draw whose treatment the effects absorb says nothing.
            size = np.where(size > limit, size, np.nan)
            b = a.sum(axis=1) / size
            scores = a - b[:, None] * q
            if by_cluster is not None:
                scores = (by_cluster @ scores.T).T
            squared = np.einsum("bg,bg->b", scores, scores)
            error = np.sqrt(self.parts.factor * squared) / size
            with np.errstate(divide="ignore", invalid="ignore"):
                out.append(np.where(error > 0, b / error, np.nan))
        return np.concatenate(out)


def _flat(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1)


def _outer(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Products of two rows' elements, row by row."""
    return _flat(a[:, :, None] * b[:, None, :])


@remembering
def permutation_test(
    panel: pd.DataFrame,
    estimator: Callable[..., pd.DataFrame],
    *,
    cohort: str,
    unit: str,
    term: str = OVERALL,
    within: str | None = None,
    draws: int = 199,
    seed: int = 0,
    **options: object,
) -> pd.DataFrame:
    """Permutation test of any estimator's t (or of its test of the leads).

    In samples of a dozen units normal intervals of the staggered estimators, and the
    joint test of the leads, reject true nulls too often; the permutation law of the
    same statistic does not depend on their approximations. One run of the estimator
    for each draw.

    Parameters
    ----------
    panel : DataFrame
    estimator : callable
        Takes the panel, ``cohort``, ``unit`` and ``options``; returns a tidy frame.
    cohort, unit : str
    term : str
        The first row with this term is tested: ``overall``, or ``leads_jointly_zero``.
    within : str, optional
        Permute within the values of this column only.
    draws, seed : int
        The permutations are those of `randomisation_inference`.
    **options
        Passed to the estimator.

    Returns
    -------
    DataFrame
        That row with aggregation ``permutation``, its p_value that of the
        permutations and no interval.

    Raises
    ------
    OptionError
        Too few draws, or no row with a statistic under the term.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> found = did.permutation_test(
    ...     zones(), did.two_stage, outcome="wage", cohort="zone", unit="city",
    ...     period="year", draws=99, seed=1,
    ... )
    >>> found[["estimate", "p_value"]].round(3)
       estimate  p_value
    0     0.128     0.01
    """
    _require_draws(draws)

    def statistic(frame: pd.DataFrame) -> pd.Series | None:
        try:
            fit = estimator(frame, cohort=cohort, unit=unit, **options)
        except (EstimationError, PanelError):
            if frame is panel:
                raise
            return None
        rows = overall_rows(fit, term)
        rows = rows[rows["statistic"].notna()]
        return rows.iloc[0] if len(rows) else None

    lost: list[pd.DataFrame] = []
    if within is not None:
        panel, gone = _with_group(panel, unit, within)
        key = [unit, *([options["period"]] if "period" in options else [])]
        reason = f"missing value of {within}"
        lost = [gone[key].assign(reason=reason)] if len(gone) else []
    sample = statistic(panel)
    if sample is None:
        raise OptionError.of("did.estimator_no_statistic_under", term=term)
    panel = panel.reset_index(drop=True)
    codes, units = pd.factorize(panel[unit], sort=True)
    first = panel.iloc[np.unique(codes, return_index=True)[1]]
    starts = first[cohort].to_numpy()
    strata = None if within is None else pd.factorize(first[within], sort=True)[0]
    order = permutations(len(units), draws, seed, strata)
    limit = abs(sample["statistic"]) * (1 - 1e-10)
    as_large = computed = 0
    for row in order:
        dealt = dict(zip(units, starts[row], strict=True))
        drawn = statistic(panel.assign(**{cohort: panel[unit].map(dealt)}))
        if drawn is not None:
            computed += 1
            as_large += abs(drawn["statistic"]) >= limit
    record = {
        k: v for k, v in sample.items() if k not in ("estimator", "conf_low", "note")
    }
    record |= {
        "aggregation": "permutation",
        "p_value": (1.0 + as_large) / (1.0 + computed),
        "conf_high": None,
        "note": join_notes(
            f"{computed} permutations" + (f" within {within}" if within else ""),
            f"{draws - computed} draws without a statistic left out"
            if computed < draws
            else None,
            f"{len(lost[0])} rows without {within} left out" if lost else None,
            sample["note"],
        ),
    }
    out = tidy(
        [record],
        estimator=sample["estimator"],
        extra_columns=("outcome",),
        attrs=_dropped(sample, lost),
    )
    out[["conf_low", "conf_high"]] = np.nan
    return out


def _with_group(
    panel: pd.DataFrame, unit: str, within: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows whose group is known, and the others; a unit has one group."""
    require_columns(panel, [unit, within])
    known = panel[panel[within].notna()]
    mixed = known.groupby(unit, observed=True)[within].nunique() > 1
    if mixed.any():
        raise PanelError.of(
            "did.column_changes_within_unit",
            [f"{unit} {u}" for u in mixed.index[mixed]],
            column=within,
        )
    return known, panel[panel[within].isna()]


def _dropped(sample: pd.Series, lost: list[pd.DataFrame]) -> dict[str, Extras]:
    """``attrs`` of a result: rows the test left out, and those the estimator did."""
    found = sample.attrs.get("dropped")
    if isinstance(found, Extras):
        lost = [*lost, found["rows"]]
    if not lost:
        return {}
    return {"dropped": Extras({"rows": pd.concat(lost, ignore_index=True)})}


def _require_draws(draws: int) -> None:
    if draws < 99:
        raise OptionError.of("did.permutations_too_few", draws=draws)
