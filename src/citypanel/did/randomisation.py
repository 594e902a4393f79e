"""Randomisation inference: the policy's cohorts dealt anew among the units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from citypanel.did.frames import (
    NOTE_SINGLE,
    OVERALL,
    join_notes,
    overall_rows,
    panel_frame,
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
    statistic = parts.estimate / parts.std_error
    as_large = np.sum(np.abs(known) >= abs(statistic) * (1 - 1e-10))
    single = parts.rests_on_one
    row = {
        "aggregation": "randomisation",
        "term": OVERALL,
        "estimate": parts.estimate,
        # The permutation law is valid with one treated unit; the error is not.
        "std_error": None if single else parts.std_error,
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
    return panel_frame(
        data,
        [row],
        estimator="twfe",
        level=level,
        n_obs=data.n_obs,
        n_units=data.n_units,
        n_clusters=data.n_clusters,
        standard_errors="xtreg",
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
    sample = parts.estimate / parts.std_error
    statistics = np.concatenate([[sample], permuted_statistics(parts, draws, seed)])
    return pd.DataFrame({"draw": np.arange(draws + 1), "statistic": statistics})


def treatment_paths(data) -> np.ndarray:
    """Treatment of each unit in each period (units, periods).

    A missing row takes the value before it, and 0 at the start: the treatment does
    not switch off, so that this is what the unit's exposure was at least.
    """
    paths = pd.DataFrame(data.matrix(data.treatment))
    return paths.ffill(axis=1).fillna(0.0).to_numpy()


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
    limit = 1e-10 * float(parts.root**2 @ data.treatment**2)
    found = unit_paths(parts, paths, draws)
    if found is not None:
        by_unit, kind = found
        clusters = None
        if data.design.cluster and data.design.cluster != (data.design.unit,):
            clusters = indicator(data.unit_clusters)
        b, error, size, _ = by_unit.dealt(kind[order], clusters)
        error = np.sqrt(parts.factor) * error
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where((size > limit) & (error > 0), b / error, np.nan)
    batch = max(1, CHUNK // data.n_obs)
    by_cluster = indicator(parts.cluster)
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


def unit_paths(
    parts: Partialled, paths: np.ndarray, draws: int = 0
) -> tuple[Paths, np.ndarray] | None:
    """`Paths.of` a panel; None where rows are needed, or do not cost more.

    So it is with period effects by group and weights that change, with as many
    patterns as units, and in small panels, which are left as they are.
    """
    data = parts.data
    plain = data.has_even_weights and parts.period is data.period
    if not plain or not large_enough(data, draws):
        return None
    return Paths.of(
        paths,
        data.unit,
        data.period,
        y=parts.y,
        controls=parts.controls,
        root=parts.root[data.first_rows],
    )


@dataclass(frozen=True, eq=False)
class Paths:
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

    Attributes
    ----------
    kinds : ndarray (k, T)
        The paths that differ.
    seen : ndarray of bool (p, T)
        The patterns of periods in which a unit has a row.
    pattern : ndarray of int (n_units,)
    root : ndarray (n_units,)
        Roots of the weights.
    y : ndarray (n_units, T)
        Outcome net of effects and controls times the roots, zero without a row.
    controls : ndarray (n_units, K, T)
        Z, likewise.
    """

    kinds: np.ndarray
    seen: np.ndarray
    pattern: np.ndarray
    root: np.ndarray
    y: np.ndarray
    controls: np.ndarray

    @classmethod
    def of(
        cls,
        paths: np.ndarray,
        unit: np.ndarray,
        period: np.ndarray,
        *,
        y: np.ndarray,
        controls: np.ndarray,
        root: np.ndarray,
    ) -> tuple[Paths, np.ndarray] | None:
        """The units' sums and the kind of each path; None where rows cost no more.

        Parameters
        ----------
        paths : ndarray (m, T)
            Those that are dealt.
        unit, period : ndarray of int (n,)
            Codes of the rows; every unit has one.
        y, controls : ndarray (n,), (n, K)
            Net of effects and of each other, times the roots of the weights.
        root : ndarray (n_units,)
        """
        kinds, kind = np.unique(paths, axis=0, return_inverse=True)
        there = np.zeros((len(root), paths.shape[1]), bool)
        there[unit, period] = True
        seen, pattern = np.ones((1, paths.shape[1]), bool), np.zeros(len(root), int)
        if not there.all():
            seen, pattern = np.unique(there, axis=0, return_inverse=True)
        if GAIN * len(kinds) * len(seen) > len(root):
            return None
        outcome = np.zeros(there.shape)
        outcome[unit, period] = y
        z = np.zeros((len(root), controls.shape[1], paths.shape[1]))
        z[unit, :, period] = np.linalg.qr(controls)[0]
        return cls(kinds, seen, pattern.ravel(), root, outcome, z), kind.ravel()

    def dealt(
        self, kinds: np.ndarray, by_cluster: Any = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Each draw's regression.

        Parameters
        ----------
        kinds : ndarray of int (draws, n_units)
            The kind of path that each unit is dealt.
        by_cluster : sparse (n_clusters, n_units), optional
            Units' sums to clusters'.

        Returns
        -------
        coefficient, error, size, length : ndarray (draws,)
            The error without a factor; the squared length of the treatment net of
            everything, and as it is.
        """
        seen, y, weight = self.seen, self.root[:, None] * self.y, self.root**2
        means = (self.kinds @ seen.T) / seen.sum(axis=1)
        net = np.where(seen, self.kinds[:, None] - means[:, :, None], 0.0)
        k, p, t = net.shape
        n = len(y)
        z = self.root[:, None, None] * self.controls
        own, own_z = np.empty((n, k)), np.empty((n, z.shape[1], k))
        for j in range(p):
            at = self.pattern == j
            own[at] = y[at] @ net[:, j].T
            own_z[at] = z[at] @ net[:, j].T
        y_z = np.einsum("nt,nkt->nk", self.y, self.controls)
        z_z = np.einsum("nkt,nlt->nkl", self.controls, self.controls)
        sums = np.bincount(self.pattern, weight, p)
        gram = np.diag(sums @ seen)
        shares = seen / seen.sum(axis=1, keepdims=True)
        inverse = symmetric_inverse(gram - shares.T @ (sums[:, None] * seen))
        units = np.arange(n)
        cells, rows = net.reshape(k * p, t), units * k
        squares = (cells**2).sum(axis=1)
        lengths = np.where(seen, self.kinds[:, None] ** 2, 0.0).sum(axis=2).ravel()
        out = []
        batch = max(1, CHUNK // max(n * k, k * p * t))
        for start in range(0, len(kinds), batch):
            dealt = kinds[start : start + batch]
            cell = dealt * p + self.pattern
            count = np.array([np.bincount(c, weight, k * p) for c in cell])
            effects = count @ cells @ inverse
            mean = effects[:, None] - (effects @ shares.T)[:, :, None]
            mean = np.where(seen, mean, 0.0)
            cross = np.einsum("cpt,bpt->bcp", net, mean)
            q = squares + ((mean**2).sum(axis=2)[:, None] - 2 * cross).reshape(
                -1, k * p
            )
            a = own.ravel()[rows + dealt] - effects @ y.T
            q = weight * np.take_along_axis(q, cell, axis=1)
            if z.shape[1]:
                g = sum((dealt == j) @ own_z[:, :, j] for j in range(k))
                a -= g @ y_z.T
                q += _outer(g, g) @ _flat(z_z).T + 2 * _outer(g, effects) @ _flat(z).T
                by_kind = g @ own_z.transpose(2, 1, 0)
                q -= 2 * np.take_along_axis(by_kind, dealt[None], axis=0)[0]
            size = q.sum(axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                b = a.sum(axis=1) / size
                scores = a - b[:, None] * q
                if by_cluster is not None:
                    scores = (by_cluster @ scores.T).T
                error = np.sqrt(np.einsum("bg,bg->b", scores, scores)) / size
            out.append((b, error, size, count @ lengths))
        b, error, size, length = (np.concatenate(v) for v in zip(*out, strict=True))
        return b, error, size, length


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
