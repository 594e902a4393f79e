"""Adjustment for covariates that need not be linear: balancing, and learned nuisances.

All compare the change of cohort g from its last period before treatment, b, to t with
that of the units not treated by then, at the same covariates in b.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from citypanel.did.frames import Extras, add_note, join_notes, staggered_frame
from citypanel.did.linear import cluster_sums
from citypanel.did.panels import (
    Panel,
    choose,
    on_panel,
    require_treated_and_control,
)
from citypanel.did.propensity_scores import balancing_scores
from citypanel.did.regressions import (
    Cells,
    dynamic_covariance,
    leads_rows,
    mean_rows,
)
from citypanel.errors import EstimationError, OptionError

CONTROL_GROUPS = ("not_yet", "never")
LEARNERS = ("lasso", "forest")
BALANCED = 1e-8
NEWTON = 200
NOTE_OUTSIDE = "no weights on the controls reach the cohort's means of the covariates"
NOTE_APART = "the covariates tell the treated from the controls: no propensity score"
NOTE_FEW = "too few units on a side for the folds"


@on_panel("cohort", "controls", "weights", "cluster")
def entropy_balancing(
    data: Panel,
    *,
    moments: int = 1,
    control_group: str = "not_yet",
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Difference in differences with controls weighted to the treated's covariates.

    For each cohort and period the controls' weights are those closest to equal (in
    relative entropy) whose means of the covariates in the base period are the cohort's,

        w_j = exp(x_j'a) / sum over controls of exp(x'a),  sum_j w_j x_j = mean of x,

    and the effect is the cohort's mean change less the weighted mean of theirs. These
    are also the weights p / (1 - p) of the logit whose score balances the covariates
    exactly (Imai and Ratkovic 2014), and the estimate is right if either that logit or
    a linear model of the untreated change is (Zhao and Percival 2017).

    Parameters
    ----------
    panel : DataFrame or Panel
        Units not seen in every period, and units treated from the first period on, are
        left out (see the note and ``attrs["dropped"]``).
    outcome, cohort, unit, period, controls, weights, cluster, frequency
        Names of columns (see `panels.Design`); ``controls`` are the covariates, at
        their values in the base period. Weights are the units' in it, and the
        controls' starting weights.
    moments : {1, 2}
        Balance means, or squares as well.
    control_group : {"not_yet", "never"}
    single_unit_std_error : bool
    level : float

    Returns
    -------
    DataFrame
        ``simple``, ``dynamic`` (leads measured from b too), ``group``, ``calendar``,
        ``group_time`` and the joint test of the leads; normal intervals from influence
        functions that count the weights' estimation. A cohort whose means
        no weights reach is null with a note. ``attrs["balance"]``: a row a cohort and
        covariate with standardised differences before and after; ``attrs["overlap"]``:
        controls, effective controls 1 / sum w^2, and the largest weight;
        ``attrs["scores"]``: each unit's probability of treatment and weight, which
        `plot_overlap` draws.

    Raises
    ------
    EstimationError
        Nobody treated, nobody to compare with, or no cohort that can be balanced.
    OptionError
        No covariates.

    References
    ----------
    Hainmueller (2012), Political Analysis 20; Imai and Ratkovic (2014), Journal of the
    Royal Statistical Society B 76; Zhao and Percival (2017), Journal of Causal
    Inference 5.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> found = did.entropy_balancing(zones(), controls=["population"], **columns)
    >>> found[found["term"] == "overall"][["estimate", "std_error"]].round(3)
       estimate  std_error
    0     0.109      0.012
    """
    choose("moments", moments, (1, 2))
    choose("control_group", control_group, CONTROL_GROUPS)
    return _weighted_did(
        _ready(data),
        "entropy_balancing",
        lambda pair: _balancing(pair, moments),
        NOTE_OUTSIDE,
        control_group,
        single_unit_std_error,
        level,
    )


@on_panel("cohort", "controls", "weights", "cluster")
def covariate_balancing(
    data: Panel,
    *,
    control_group: str = "not_yet",
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Difference in differences with controls weighted by covariate balancing scores.

    For each cohort and period the probability p of membership in the cohort is a logit
    of the covariates in the base period, fitted to predict membership and to balance
    the covariates at once (`propensity_scores.balancing_scores`), and

        ATT(g, t) = mean of the cohort's dy - sum_j w_j dy_j,   w_j ~ p_j / (1 - p_j).

    Balance asked for alone gives the weights of `entropy_balancing`. Both together
    balance nearly, and have an answer where no weights balance exactly.

    Parameters
    ----------
    panel : DataFrame or Panel
        As for `entropy_balancing`.
    outcome, cohort, unit, period, controls, weights, cluster, frequency, control_group
        As for `entropy_balancing`.
    single_unit_std_error : bool
    level : float

    Returns
    -------
    DataFrame
        As `entropy_balancing`, with the same ``attrs``; intervals count the estimation
        of the score. A cohort that the covariates tell from its controls is null with a
        note. ``attrs["overlap"]`` also has ``statistic`` and ``p_value`` of the test
        that one logit predicts and balances.

    Raises
    ------
    EstimationError
        Nobody treated, nobody to compare with, or no cohort with a score.
    OptionError
        No covariates.

    References
    ----------
    Imai and Ratkovic (2014), Journal of the Royal Statistical Society B 76.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> found = did.covariate_balancing(zones(), controls=["population"], **columns)
    >>> found[found["term"] == "overall"][["estimate", "std_error"]].round(3)
       estimate  std_error
    0      0.11      0.013
    """
    choose("control_group", control_group, CONTROL_GROUPS)
    return _weighted_did(
        _ready(data),
        "covariate_balancing",
        _scoring,
        NOTE_APART,
        control_group,
        single_unit_std_error,
        level,
    )


@on_panel("cohort", "controls", "weights", "cluster")
def machine_learning_did(
    data: Panel,
    *,
    learner: str = "lasso",
    outcome_learner: Any = None,
    score_learner: Any = None,
    folds: int = 5,
    repetitions: int = 1,
    trim: float = 0.01,
    control_group: str = "not_yet",
    seed: int = 0,
    single_unit_std_error: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Doubly robust difference in differences with learned nuisances, cross-fitted.

    With D_i membership of the cohort, e(x) the probability of it and m(x) the mean
    untreated change, both learned on the other folds,

        ATT(g, t) = sum_i (w1_i - w0_i) (dy_i - m(x_i)),
        w1 = D / sum D,   w0 = (1 - D) e / (1 - e), over its sum,

    whose error is the product of the two nuisances' errors: each may converge slowly,
    as learners do, and neither may be fitted on the unit it is used for.

    Parameters
    ----------
    panel, outcome, cohort, unit, period, controls, weights, cluster, frequency,
    control_group
        As for `entropy_balancing`; weights go to the learners as ``sample_weight``
        where there are any.
    learner : {"lasso", "forest"}
        Of scikit-learn (the extra ``learners``): cross-validated lasso and logit with
        an l1 penalty, on standardised covariates; or random forests of 200 trees.
    outcome_learner, score_learner : object, optional
        Any with ``fit(x, y)`` and ``predict(x)``, or ``predict_proba(x)``; instead
        of ``learner``'s. They are copied before each fit.
    folds, repetitions : int
        Splits of the units, within treated and controls; with several repetitions the
        median of the estimates, and of the errors with the spread between them.
    trim : float
        Probabilities are kept within trim and 1 - trim; the note counts them.
    seed : int
    single_unit_std_error : bool
    level : float

    Returns
    -------
    DataFrame
        As `entropy_balancing`; ``attrs["overlap"]``: range of the probabilities by
        cohort, and how many were trimmed.

    Raises
    ------
    EstimationError
        As `entropy_balancing`.
    OptionError
        No covariates, no scikit-learn where it is needed, folds below two.

    References
    ----------
    Chang (2020), Econometrics Journal 23; Sant'Anna and Zhao (2020), Journal of
    Econometrics 219; Chernozhukov et al. (2018), Econometrics Journal 21.

    Examples
    --------
    >>> import numpy as np
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> class Mean:  # any learner with fit, and predict or predict_proba
    ...     def fit(self, x, y):
    ...         self.mean = y.mean()
    ...         return self
    ...     def predict(self, x):
    ...         return np.full(len(x), self.mean)
    ...     def predict_proba(self, x):
    ...         return np.column_stack([1 - self.predict(x), self.predict(x)])
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> found = did.machine_learning_did(
    ...     zones(), controls=["population"], outcome_learner=Mean(),
    ...     score_learner=Mean(), folds=2, **columns
    ... )
    >>> found[found["term"] == "overall"][["estimate", "std_error"]].round(3)
       estimate  std_error
    0     0.118      0.013
    """
    choose("control_group", control_group, CONTROL_GROUPS)
    if folds < 2 or repetitions < 1 or not 0 < trim < 0.5:
        raise OptionError.of("did.folds_not_possible", folds=folds, trim=trim)
    if outcome_learner is None or score_learner is None:
        choose("learner", learner, LEARNERS)
        own = _learners(learner, seed)
        outcome_learner = own[0] if outcome_learner is None else outcome_learner
        score_learner = own[1] if score_learner is None else score_learner
    data = _ready(data)
    tables: dict[str, list] = {"overlap": []}

    def effect(pair: Pair) -> tuple[float, np.ndarray] | str:
        runs = []
        for r in range(repetitions):
            rng = np.random.default_rng([seed, r])
            run = _cross_fitted(
                pair, outcome_learner, score_learner, folds, trim, rng, data.weights
            )
            if isinstance(run, str):
                return run
            runs.append(run)
        values = np.array([run[0] for run in runs])
        middle = float(np.median(values))
        tables["overlap"].append(
            {
                "cohort": data.label(pair.cohort),
                "period": data.label(pair.period),
                "least": min(run[2].min() for run in runs),
                "most": max(run[2].max() for run in runs),
                "trimmed": max(run[3] for run in runs),
            }
        )
        # The run nearest the median stands for them; the spread goes on top.
        near = runs[int(np.abs(values - middle).argmin())][1]
        size = float(np.sqrt(near @ near))
        wide = float(
            np.median(np.sqrt([r[1] @ r[1] + (r[0] - middle) ** 2 for r in runs]))
        )
        return middle, near * (wide / size if size > 0 else 1.0)

    fit = _estimate(
        data,
        effect,
        control_group,
        "machine_learning_did",
        single_unit_std_error,
        level,
    )
    cut = sum(row["trimmed"] for row in tables["overlap"])
    if cut:
        note = f"{cut} probabilities trimmed to {trim:g} and {1 - trim:g}"
        fit.loc[0, "note"] = join_notes(fit.loc[0, "note"], note)
    fit.attrs["overlap"] = Extras({"rows": pd.DataFrame(tables["overlap"])})
    return fit


def _learners(name: str, seed: int) -> tuple[Any, Any]:
    try:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
        from sklearn.linear_model import LassoCV, LogisticRegressionCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError:
        raise OptionError.of("did.no_scikit_learn", learner=name) from None
    if name == "forest":
        options: dict[str, Any] = dict(
            n_estimators=200, min_samples_leaf=5, random_state=seed
        )
        return RandomForestRegressor(**options), RandomForestClassifier(**options)
    logit = LogisticRegressionCV(
        Cs=10,
        cv=3,
        l1_ratios=[1.0],
        solver="saga",
        max_iter=5000,
        random_state=seed,
        use_legacy_attributes=False,
        scoring="neg_log_loss",
    )
    return (
        make_pipeline(StandardScaler(), LassoCV(cv=3, random_state=seed)),
        make_pipeline(StandardScaler(), logit),
    )


@dataclass(frozen=True, eq=False)
class Pair:
    """One cohort in one period against its controls.

    ``own``, ``rest`` (n_units,) masks; ``change`` (n_units,) from the base period;
    ``x`` (n_units, k) and ``weight`` (n_units,) in it.
    """

    cohort: int
    period: int
    own: np.ndarray
    rest: np.ndarray
    change: np.ndarray
    x: np.ndarray
    weight: np.ndarray

    def share(self, side: np.ndarray) -> np.ndarray:
        """Weights of a side's units, adding to one."""
        return self.weight[side] / self.weight[side].sum()


def _ready(data: Panel) -> Panel:
    if not data.control_names:
        raise OptionError.of("did.no_covariates")
    data = data.without_always_treated().balanced()
    require_treated_and_control(data)
    return data


def _pairs(data: Panel, control_group: str) -> Iterator[Pair]:
    y, w = data.matrix(data.y), data.matrix(data.row_weights)
    x = np.stack([data.matrix(c) for c in data.controls.T], axis=2)
    size = np.abs(x).max(axis=(0, 1))
    x = x / np.where(size > 0, size, 1.0)
    column = {int(p): j for j, p in enumerate(data.positions)}
    for g in data.sizes:
        own = data.start == g
        b = max(p for p in column if p < g)
        for p, j in column.items():
            if p == b:
                continue
            rest = data.never if control_group == "never" else data.start > max(p, b)
            rest = rest & ~own
            if rest.any():
                first = column[b]
                yield Pair(
                    g, p, own, rest, y[:, j] - y[:, first], x[:, first], w[:, first]
                )


def _estimate(
    data: Panel,
    effect: Callable[[Pair], tuple[float, np.ndarray] | str],
    control_group: str,
    name: str,
    single: bool,
    level: float,
) -> pd.DataFrame:
    """Effects of all cohorts and periods, and their means."""
    keys, estimates, influence, notes = [], [], [], []
    for pair in _pairs(data, control_group):
        result, weight = effect(pair), pair.weight[pair.own].sum()
        keys.append((pair.cohort, pair.period, weight, np.flatnonzero(pair.own)))
        note, value, function = None, 0.0, np.zeros(data.n_units)
        if isinstance(result, str):
            note = result
        else:
            value, function = result
        notes.append(note)
        estimates.append(value)
        influence.append(function)
    known = np.array([note is None for note in notes], bool)
    cells = Cells.of(keys)
    if not len(keys) or not (known & (cells.event >= 0)).any():
        raise EstimationError.of(
            "did.no_cohort_balanced", sorted({n for n in notes if n is not None})
        )
    sums = cluster_sums(np.column_stack(influence), data.unit_clusters)
    matrix = sums.T @ sums
    values = np.array(estimates)
    dynamic = dynamic_covariance(data, cells, values, matrix, known)
    rows = mean_rows(data, cells, values, matrix, df=np.inf, known=known)
    rows += leads_rows(dynamic, before=0, df=np.inf)
    said = sorted({note for note in notes if note is not None})
    add_note([row for row in rows if row.get("estimate") is None], join_notes(*said))
    return staggered_frame(
        data.remarking(data.base_note),
        rows,
        dynamic,
        estimator=name,
        standard_errors="influence function",
        n_clusters=int(data.unit_clusters.max()) + 1,
        level=level,
        single_unit_std_error=single,
        reference=data.reference,
    )


def balance(
    x: np.ndarray,
    target: np.ndarray,
    target_weights: np.ndarray,
    start: np.ndarray,
) -> np.ndarray | None:
    """Weights (n0,) of controls x (n0, k) whose means are those of target (n1, k).

    Newton's method on the dual, log sum_j q_j exp((x_j - mean)'a) with q the starting
    weights; None where no weights reach the means.
    """
    mean = target_weights @ target
    gap = x - mean
    spread = np.sqrt((gap**2).mean(axis=0))
    keep = spread > 1e-12
    if (np.abs(gap[:, ~keep]) > 1e-9).any():
        return None
    z = gap[:, keep] / spread[keep]
    a = np.zeros(z.shape[1])

    def at(a: np.ndarray) -> tuple[float, np.ndarray]:
        exponent = np.log(start) + z @ a
        top = exponent.max()
        e = np.exp(exponent - top)
        return float(top + np.log(e.sum())), e / e.sum()

    value, w = at(a)
    for _ in range(NEWTON):
        gradient = w @ z
        if np.abs(gradient).max(initial=0.0) < BALANCED:
            return w
        hessian = (w[:, None] * z).T @ z - np.outer(gradient, gradient)
        step = np.linalg.lstsq(hessian, gradient, rcond=1e-12)[0]
        size, slope = 1.0, float(gradient @ step)
        if not slope > 0:
            break
        while size > 1e-12:
            new, shares = at(a - size * step)
            if new <= value - 1e-4 * size * slope:
                break
            size /= 2
        if size <= 1e-12 or np.abs(a).max() > 1e6:
            break
        a, value, w = a - size * step, new, shares
    return w if np.abs(w @ z).max(initial=0.0) < 1e-6 else None


@dataclass(frozen=True, eq=False)
class Weighting:
    """Weights of a cohort's controls, and what they rest on.

    Attributes
    ----------
    weights : ndarray (n_rest,)
        Adding to one.
    x : ndarray (n_units, k)
        Covariates by which they move.
    moves : ndarray (n_units, k) or None
        Each unit's part in the coefficients of the score; None where the weights
        follow the cohort's means.
    probability : ndarray (n_own + n_rest,)
        Of the cohort's units, then of the controls.
    test : mapping
        statistic and p_value, or nothing.
    """

    weights: np.ndarray
    x: np.ndarray
    moves: np.ndarray | None
    probability: np.ndarray
    test: dict[str, float]


def _balancing(pair: Pair, moments: int) -> Weighting | None:
    x = pair.x if moments == 1 else np.hstack([pair.x, pair.x**2])
    own, rest = pair.share(pair.own), pair.share(pair.rest)
    w = balance(x[pair.rest], x[pair.own], own, rest)
    if w is None:
        return None
    # log w/q is linear in x; n_1 w over the sampling weight is the odds of the logit
    # that balances exactly.
    z = np.column_stack([np.ones(len(x)), x])
    scale = pair.weight[pair.own].sum() / pair.weight[pair.rest].sum()
    with np.errstate(divide="ignore"):
        log_odds = np.log(scale * w / rest)
    seen = np.isfinite(log_odds)
    line = np.linalg.lstsq(z[pair.rest][seen], log_odds[seen], rcond=1e-12)[0]
    p = special.expit(np.concatenate([z[pair.own] @ line, log_odds]))
    return Weighting(w, x, None, p, {})


def _scoring(pair: Pair) -> Weighting | None:
    at = np.concatenate([np.flatnonzero(pair.own), np.flatnonzero(pair.rest)])
    x, q = pair.x[at], pair.weight[at] / pair.weight[at].mean()
    mean = q @ x / q.sum()
    spread = np.sqrt(q @ (x - mean) ** 2 / q.sum())
    keep = spread > 1e-12
    z = np.ones((len(pair.x), 1 + keep.sum()))
    z[:, 1:] = (pair.x[:, keep] - mean[keep]) / spread[keep]
    n = int(pair.own.sum())
    treated = (np.arange(len(at)) < n).astype(float)
    score = balancing_scores(treated, z[at], q)
    if score is None:
        return None
    p = score.probability
    odds = q[n:] * p[n:] / (1 - p[n:])
    moves = np.zeros(z.shape)
    moves[at] = score.influence
    test = {
        "statistic": score.statistic,
        "p_value": float(special.chdtrc(z.shape[1], score.statistic)),
    }
    return Weighting(odds / odds.sum(), z, moves, p, test)


def _weighted_did(
    data: Panel,
    name: str,
    weigh: Callable[[Pair], Weighting | None],
    note: str,
    control_group: str,
    single: bool,
    level: float,
) -> pd.DataFrame:
    """Effects with weighted controls, weights found once a cohort and its controls."""
    found: dict[tuple, Weighting | None] = {}
    tables: dict[str, list] = {"balance": [], "overlap": [], "scores": []}

    def effect(pair: Pair) -> tuple[float, np.ndarray] | str:
        key = (pair.cohort, tuple(np.flatnonzero(pair.rest)))
        if key not in found:
            found[key] = weighting = weigh(pair)
            if weighting is not None:
                _describe(data, pair, weighting, tables)
        weighting = found[key]
        return note if weighting is None else _weighted_effect(pair, weighting)

    fit = _estimate(data, effect, control_group, name, single, level)
    for table, rows in tables.items():
        fit.attrs[table] = Extras({"rows": pd.DataFrame(rows)})
    return fit


def _weighted_effect(pair: Pair, weighting: Weighting) -> tuple[float, np.ndarray]:
    """Effect and each unit's part in it, the weights' estimation included.

    Weights that follow the treated's means m move with them by w_j (x_j - m)'H^-1, H
    the controls' weighted covariance: residuals of the weighted regression on the
    covariates. Weights of a score move with its coefficients by w_j (x_j - mean).
    """
    own, rest, w, x = pair.own, pair.rest, weighting.weights, weighting.x
    share = pair.share(own)
    dy = pair.change
    treated, control = float(share @ dy[own]), float(w @ dy[rest])
    left = dy
    if weighting.moves is None:
        z = x - share @ x[own]
        root = np.sqrt(w)[:, None]
        slope = np.linalg.lstsq(
            root * z[rest], root[:, 0] * (dy[rest] - control), rcond=1e-10
        )[0]
        left = dy - z @ slope
    out = np.zeros(len(dy))
    out[own] = share * (left[own] - treated)
    out[rest] = -w * (left[rest] - control)
    if weighting.moves is not None:
        out -= weighting.moves @ (x[rest].T @ (w * (dy[rest] - control)))
    for side in (own, rest):
        n = side.sum()
        if n > 1:
            out[side] *= np.sqrt(n / (n - 1.0))
    if own.sum() == 1:
        out[own] = dy[own]
    return treated - control, out


def _describe(data: Panel, pair: Pair, weighting: Weighting, tables: dict) -> None:
    own, rest, w = pair.share(pair.own), pair.share(pair.rest), weighting.weights
    label = {"cohort": data.label(pair.cohort), "period": data.label(pair.period)}
    tables["overlap"].append(
        {
            **label,
            "controls": len(w),
            "effective_controls": float(1.0 / (w @ w)),
            "largest_weight": float(w.max()),
            **weighting.test,
        }
    )
    units = np.concatenate([np.flatnonzero(pair.own), np.flatnonzero(pair.rest)])
    shares = np.concatenate([own, w])
    tables["scores"] += [
        {**label, "unit": unit, "treated": n < len(own), "probability": p, "weight": v}
        for n, (unit, p, v) in enumerate(
            zip(data.units[units], weighting.probability, shares, strict=True)
        )
    ]
    for j, name in enumerate(data.control_names):
        a, b = pair.x[pair.own, j], pair.x[pair.rest, j]
        mean = own @ a
        spread = np.sqrt((own @ (a - mean) ** 2 + rest @ (b - rest @ b) ** 2) / 2)
        unit = spread if spread > 0 else 1.0
        tables["balance"].append(
            {
                **label,
                "covariate": name,
                "before": float((mean - rest @ b) / unit),
                "after": float((mean - w @ b) / unit),
            }
        )


def _cross_fitted(
    pair: Pair, outcome_learner, score_learner, folds, trim, rng, weights
) -> tuple[float, np.ndarray, np.ndarray, int] | str:
    """Effect, each unit's part, the probabilities, and how many were trimmed."""
    at = np.flatnonzero(pair.own | pair.rest)
    d = pair.own[at].astype(float)
    if min(d.sum(), (1 - d).sum()) < 2 * folds:
        return NOTE_FEW
    fold = np.empty(len(at), int)
    for side in (0.0, 1.0):
        places = rng.permutation(np.flatnonzero(d == side))
        fold[places] = np.arange(len(places)) % folds
    x, dy, w = pair.x[at], pair.change[at], pair.weight[at]
    e, m = np.empty(len(at)), np.empty(len(at))
    for k in range(folds):
        out, rest = fold == k, fold != k
        score, line = deepcopy(score_learner), deepcopy(outcome_learner)
        free = rest & (d == 0)
        if weights is None:
            score.fit(x[rest], d[rest])
            line.fit(x[free], dy[free])
        else:
            score.fit(x[rest], d[rest], sample_weight=w[rest])
            line.fit(x[free], dy[free], sample_weight=w[free])
        e[out] = score.predict_proba(x[out])[:, 1]
        m[out] = line.predict(x[out])
    kept = np.clip(e, trim, 1 - trim)
    cut = int((kept != e).sum())
    one = w * d / (w @ d)
    odds = w * (1 - d) * kept / (1 - kept)
    zero = odds / odds.sum()
    left = dy - m
    above, below = float(one @ left), float(zero @ left)
    part = np.zeros(len(pair.own))
    part[at] = one * (left - above) - zero * (left - below)
    return above - below, part, kept, cut
