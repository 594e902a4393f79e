"""The standard error of the effect when its outcome, an index, is itself estimated.

A clustered standard error takes the indices as data. They are ratios of distances to
frontiers that the same cities draw: the error of a year's frontier is common to all
cities, and one frontier enters two consecutive indices of everybody (tfpch_t and
tfpch_t+1 share D_t(x_t, y_t)). Clustering by city allows any dependence within a city
and none between cities. The bootstrap here draws cities and frontiers again, after
Simar and Wilson (2007): the frontier's bias in a first loop, the regression in a
second.

The unit drawn is a city with its whole path: inputs, outputs and exposure of all years.
So the dependence of its years stays, and so does that between efficiency and inputs,
which is strong here (effch and techch of a year are correlated at -0.7 in some years)
and which Simar and Wilson's separability excludes. With ln d_it = -ln D_t(x_it, y_it)
>= 0 and L_i its mean over years, a replication

1. draws n cities with replacement, each from its own cohort;
2. smooths their levels: L* = Lg + (L_j - Lg + h s z) / (1 + h^2)^(1/2), z normal, Lg
   the cohort's mean, s the spread about it, h = (4 / (3 n))^(1/5); the whole path moves
   by the shift v = L* - L_j, reflected where it would carry some year beyond the
   frontier (v -> -v - 2 min_t ln d_jt), so that no growth rate changes;
3. moves the plans, y* = y exp(-v) (or x* = x exp(v)), and draws each year's frontier
   from them, once: consecutive indices share it, as the real ones do;
4. knows the truth of its own world: a shift of level leaves the index against the
   frontier that generated it as it was, M0_it = M_j(i)t;
5. measures every index against the drawn frontiers, A_jt, so that M*_it = A_j(i)t;
6. estimates b0 from M0, b* from M*, and bF from A of the cities as they are.

b0 varies as the estimate would if the frontier were known, bF as the frontier's error
alone makes it vary, b* as both do; mean(b* - b0) is the bias. The first loop finds the
bias of every ln d_it and of every index. The second repeats 1 to 6 with both corrected:
its b* give the standard error and the interval

    b_c - q_{1-a/2}, b_c - q_{a/2},     b_c = b - mean(b* - b0) of the first loop,

q quantiles of b* - mean(b*).

What it does not do. Policy dates are fixed, and a cohort of one city is always that
city. Deviations from the frontier are all efficiency, as in DEA: an error in a figure
is not noise around the plan. Levels are smoothed, growth rates are those observed.
Cities are independent but for the frontier. In the original the second loop redraws the
regression only; here it redraws the frontier as well, because the outcome is the
frontier's. And no bootstrap repairs a frontier that one city draws: what is sampled is
then that city.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from citypanel.errors import FrontierError, OptionError
from citypanel.frontier.isoquant import technology_of
from citypanel.frontier.technology import power_of_two_scales
from citypanel.study.effect import EffectDesign, outcome_of
from citypanel.workers import same_code

#: Replications handed to a worker at a time.
BATCH = 50

#: Replications below which there is no standard error.
FEWEST = 20


@dataclass(frozen=True, eq=False)
class EstimatedIndex:
    """The effect with the error of its index.

    Attributes
    ----------
    estimate, std_error : float
        As a regression on the indices gives them (clustered by city).
    corrected : float
        The estimate less the bias of the frontier's estimation.
    corrected_std_error : float
        Standard deviation of the second loop's b*.
    interval : tuple of float
        Of the second loop.
    known_frontier : float
        Standard deviation of b0: sampling of cities alone.
    frontier_only : float
        Standard deviation of bF: the frontier's error alone, which a regression on
        indices cannot see.
    bias : float
        Mean of b* - b0 in the first loop.
    serial_residual : float
        Correlation of a city's consecutive residuals of the regression.
    serial_error : float
        Correlation of a city's consecutive errors ln A - ln M, net of year means.
    draws : int
        Replications of the second loop that have an estimate.
    dropped : int
        Replications of both loops without one: a plan that no drawn frontier reaches,
        or nothing left to compare.
    truths, draws_of_b : ndarray (draws,)
        b0 and b* of the second loop.
    """

    estimate: float
    std_error: float
    corrected: float
    corrected_std_error: float
    interval: tuple[float, float]
    known_frontier: float
    frontier_only: float
    bias: float
    serial_residual: float
    serial_error: float
    draws: int
    dropped: int
    truths: np.ndarray
    draws_of_b: np.ndarray

    @property
    def combined_std_error(self) -> float:
        """Root of the clustered variance plus that of the frontier alone."""
        return float(np.hypot(self.std_error, self.frontier_only))


def estimated_index(
    outputs: np.ndarray,
    inputs: np.ndarray,
    treatment: np.ndarray,
    cohort: np.ndarray,
    *,
    draws: int = 1000,
    seed: int,
    level: float = 0.95,
    orientation: str = "output",
    returns_to_scale: str = "crs",
    outcome: str = "tfpch",
    standard_errors: str = "xtreg",
    bandwidth: float | None = None,
    n_jobs: int | None = 1,
    progress: Callable[[int, int], None] | None = None,
) -> EstimatedIndex:
    """The two-way effect on a Malmquist index, with the index's own error.

    Parameters
    ----------
    outputs : ndarray (n, T)
        One output, every city in every year.
    inputs : ndarray (n, T, m)
        Positive.
    treatment : ndarray (n, T)
        Exposure; the first year has no index.
    cohort : ndarray of int (n,)
        First treated year, 0 = never.
    draws : int
        Replications of each of the two loops.
    seed : int
        Of the random numbers; each replication has a stream of its own, so that the
        result does not depend on `n_jobs`.
    level : float
        Coverage of the interval.
    orientation, returns_to_scale
        Of the distances; technologies are each year's own.
    outcome : {"tfpch", "log_tfpch", "effch", "techch", "cumulative_log_tfp"}
        tfpch and its transforms are drawn against the known frontier too; effch and
        techch have no truth that the indices alone give, and are refused.
    standard_errors : str
        Convention of the clustered standard error.
    bandwidth : float, optional
        h.
    n_jobs, progress
        As in `citypanel.frontier.bootstrap_malmquist`.

    Returns
    -------
    EstimatedIndex

    Raises
    ------
    OptionError
        Fewer than 20 draws, or an outcome of which the truth is not known.
    FrontierError
        A city without a plan in some year, an index without a value, or fewer than 20
        replications with an estimate.

    References
    ----------
    Simar and Wilson (2007), Journal of Econometrics 136(1), 31-64, Algorithm 2.
    Simar and Wilson (1999), European Journal of Operational Research 115(3), 459-471.
    Silverman and Young (1987), Biometrika 74(3), 469-479, for step 2.
    """
    _check(outputs, draws, outcome)
    world = _World.start(
        outputs,
        inputs,
        treatment,
        cohort,
        orientation=orientation,
        returns_to_scale=returns_to_scale,
        outcome_name=outcome,
        standard_errors=standard_errors,
        bandwidth=bandwidth,
    )
    streams = np.random.SeedSequence(seed).spawn(2 * draws)
    done = [0]

    def tell(count: int) -> None:
        done[0] += count
        if progress is not None:
            progress(done[0], 2 * draws)

    first = _loop(world, streams[:draws], n_jobs, tell)
    # The world whose frontier lies where the first loop's bias puts it.
    corrected_world = replace(
        world,
        log_delta=np.maximum(world.log_delta - first.log_bias, 0.0),
        index=world.index * np.exp(-first.index_bias),
    )
    second = _loop(corrected_world, streams[draws:], n_jobs, tell)

    outcome_now = world.outcome(world.index)
    fitted = world.design.fit(outcome_now)
    bias = float((first.found - first.truths).mean())
    corrected = float(fitted.estimate) - bias
    deviations = second.found - second.found.mean()
    tail = (1 - level) / 2
    low, high = np.quantile(deviations, [tail, 1 - tail])
    return EstimatedIndex(
        estimate=float(fitted.estimate),
        std_error=float(fitted.std_error),
        corrected=corrected,
        corrected_std_error=float(second.found.std(ddof=1)),
        interval=(corrected - float(high), corrected - float(low)),
        known_frontier=float(second.truths.std(ddof=1)),
        frontier_only=float(second.frontier.std(ddof=1)),
        bias=bias,
        serial_residual=_serial(world.design.residuals(outcome_now)[:, 1:]),
        serial_error=_mean(second.serial),
        draws=len(second.found),
        dropped=2 * draws - len(first.found) - len(second.found),
        truths=second.truths,
        draws_of_b=second.found,
    )


def _check(outputs: np.ndarray, draws: int, outcome: str) -> None:
    if draws < FEWEST:
        raise OptionError.of(
            "influence.draws_replications_frontier", draws=draws, fewest=FEWEST
        )
    if outcome not in ("tfpch", "log_tfpch", "cumulative_log_tfp"):
        raise OptionError.of("influence.outcome_no_known_truth", outcome=outcome)
    gaps = np.argwhere(~np.isfinite(outputs))
    if len(gaps):
        raise FrontierError.of(
            "influence.city_no_plan_some",
            (f"city in row {i}, year in column {t}" for i, t in gaps),
        )


@dataclass(frozen=True, eq=False)
class _World:
    """What a replication needs: plans, paths, truth and the regression."""

    inputs: np.ndarray
    outputs: np.ndarray
    log_delta: np.ndarray
    index: np.ndarray
    measured: np.ndarray
    measured_index: np.ndarray
    group: np.ndarray
    treatment: np.ndarray
    design: EffectDesign
    standard_errors: str
    orientation: str
    returns_to_scale: str
    outcome_name: str
    bandwidth: float | None

    @classmethod
    def start(cls, outputs, inputs, treatment, cohort, **options: Any) -> _World:
        n, T, m = inputs.shape
        flat = np.column_stack([inputs.reshape(-1, m), outputs.reshape(-1)])
        scales = power_of_two_scales(flat)
        inputs, outputs = inputs / scales[:m], outputs / scales[m]
        how = options["orientation"], options["returns_to_scale"]
        distances = _distances(inputs, outputs, inputs, outputs, *how)
        index = _index(distances)
        if not np.isfinite(index).all():
            gone = np.argwhere(~np.isfinite(index))
            raise FrontierError.of(
                "influence.index_no_value_programme",
                (f"city in row {i}, year in column {t + 1}" for i, t in gone),
            )
        own = distances[np.arange(T), 1].T
        rows = np.zeros((n, T), dtype=bool)
        rows[:, 1:] = True
        log_delta = np.maximum(-np.log(own), 0.0)
        return cls(
            inputs=inputs,
            outputs=outputs,
            log_delta=log_delta,
            index=index,
            measured=log_delta,
            measured_index=index,
            group=np.unique(cohort, return_inverse=True)[1],
            treatment=treatment,
            design=EffectDesign(treatment, rows, options["standard_errors"]),
            **options,
        )

    def outcome(self, index: np.ndarray) -> np.ndarray:
        """The regression's outcome (n, T) of indices (n, T-1)."""
        return outcome_of(
            {"tfpch": index},
            np.ones(self.outputs.shape, dtype=bool),
            outcome=self.outcome_name,
        )

    def design_of(self, drawn: np.ndarray) -> EffectDesign:
        """The regression of the cities drawn, each in a place of its own cohort."""
        treatment = self.treatment[drawn]
        if np.array_equal(treatment, self.treatment):
            return self.design
        return EffectDesign(treatment, self.design.rows, self.standard_errors)


@dataclass(frozen=True, eq=False)
class _Loop:
    """What the replications of one loop found.

    Attributes
    ----------
    truths, found, frontier, serial : ndarray (draws,)
        b0, b*, bF, and the correlation of consecutive errors.
    log_bias : ndarray (n, T)
        Mean of ln d against drawn frontiers less ln d.
    index_bias : ndarray (n, T-1)
        Mean of ln A - ln M.
    """

    truths: np.ndarray
    found: np.ndarray
    frontier: np.ndarray
    serial: np.ndarray
    log_bias: np.ndarray
    index_bias: np.ndarray


def _loop(world: _World, streams, n_jobs, tell) -> _Loop:
    batches = [streams[i : i + BATCH] for i in range(0, len(streams), BATCH)]
    work = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(same_code(_batch))(world, batch) for batch in batches
    )
    found: list[tuple] = []
    log_gap = np.zeros_like(world.log_delta)
    index_gap = np.zeros_like(world.index)
    for piece, of_logs, of_indices, tried in work:
        found += piece
        log_gap += of_logs
        index_gap += of_indices
        tell(tried)
    kept = len(found)
    if kept < FEWEST:
        raise FrontierError.of(
            "influence.replications_estimate", kept=kept, n_streams=len(streams)
        )
    truths, drawn, frontier, serial = np.array(found).T.copy()
    return _Loop(truths, drawn, frontier, serial, log_gap / kept, index_gap / kept)


def _batch(world: _World, streams) -> tuple[list, np.ndarray, np.ndarray, int]:
    """What some replications find, the sums of two gaps, and how many were tried."""
    n, T = world.outputs.shape
    level = world.log_delta.mean(axis=1)
    lowest = world.log_delta.min(axis=1)
    n_groups = int(world.group.max()) + 1
    sizes = np.bincount(world.group)
    centre = (np.bincount(world.group, level) / sizes)[world.group]
    spread = np.sqrt(((level - centre) ** 2).sum() / max(n - n_groups, 1))
    h = world.bandwidth or (4.0 / (3.0 * n)) ** 0.2
    order = np.argsort(world.group, kind="stable")
    first = np.concatenate([[0], np.cumsum(sizes)])[world.group]
    found: list[tuple] = []
    log_gap, index_gap = np.zeros((n, T)), np.zeros((n, T - 1))
    for stream in streams:
        generator = np.random.default_rng(stream)
        within = np.floor(generator.random(n) * sizes[world.group]).astype(int)
        drawn = order[first + within]
        away = level[drawn] - centre
        smooth = (away + h * spread * generator.standard_normal(n)) / np.sqrt(1 + h**2)
        shift = smooth - away
        shift = np.where(lowest[drawn] + shift < 0, -shift - 2 * lowest[drawn], shift)
        inputs, outputs = world.inputs[drawn], world.outputs[drawn]
        if world.orientation == "output":
            outputs = outputs * np.exp(-shift)[:, None]
        else:
            inputs = inputs * np.exp(shift)[:, None, None]
        distances = _distances(
            inputs,
            outputs,
            world.inputs,
            world.outputs,
            world.orientation,
            world.returns_to_scale,
        )
        against = _index(distances)
        design = world.design_of(drawn)
        pair = design.fit(
            np.stack([world.outcome(v[drawn]) for v in (world.index, against)])
        ).estimate
        alone = world.design.fit(world.outcome(against)).estimate
        own_gap = -np.log(distances[np.arange(T), 1].T) - world.measured
        if not all(np.isfinite(v).all() for v in (pair, alone, own_gap, against)):
            continue
        error = np.log(against) - np.log(world.index)
        found.append((*pair, float(alone), _serial(error - error.mean(axis=0))))
        log_gap += own_gap
        index_gap += np.log(against) - np.log(world.measured_index)
    return found, log_gap, index_gap, len(streams)


def _mean(values: np.ndarray) -> float:
    """Mean of the numbers among the values."""
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else np.nan


def _serial(values: np.ndarray) -> float:
    """Correlation of consecutive columns of all rows."""
    before, after = values[:, :-1].ravel(), values[:, 1:].ravel()
    # Logarithms that differ by rounding alone have no correlation.
    if min(before.std(), after.std()) < 1e-12:
        return np.nan
    return float(np.corrcoef(before, after)[0, 1])


def _distances(
    reference_inputs, reference_outputs, inputs, outputs, orientation, returns_to_scale
) -> np.ndarray:
    """Efficiencies of plans of year t against year s, at [s, 1 + t - s, city]."""
    n, T = outputs.shape
    found = np.full((T, 3, n), np.nan)
    for s in range(T):
        technology = technology_of(
            reference_inputs[:, s],
            reference_outputs[:, s],
            returns_to_scale,
            orientation,
        )
        first, last = max(s - 1, 0), min(s + 1, T - 1)
        years = slice(first, last + 1)
        values = technology.efficiencies(inputs[:, years], outputs[:, years])
        found[s, 1 + first - s : 2 + last - s] = values.T
    return found


def _index(distances: np.ndarray) -> np.ndarray:
    """tfpch (n, T-1)."""
    T = len(distances)
    first, second = np.arange(T - 1), np.arange(1, T)
    aa, ab = distances[first, 1], distances[first, 2]
    bb, ba = distances[second, 1], distances[second, 0]
    return np.sqrt((ab / aa) * (bb / ba)).T
