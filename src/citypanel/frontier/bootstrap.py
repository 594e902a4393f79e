"""Confidence intervals for Malmquist indices: the smoothed bootstrap.

Simar and Wilson (1999). A distance to an estimated frontier is biased, because the
frontier is a finite sample's; drawing efficiencies again tells by how much. A unit's
efficiencies of two periods belong together, so they are drawn from a kernel estimate
of their joint density, reflected at its boundary of 1:

1. delta = 1 / e >= 1 of every unit in both periods, N pairs.
2. Draw N units with replacement, add to their pairs h times a normal with the pairs'
   covariance, shrink towards the pairs' mean by (1 + h^2)^(-1/2) so that mean and
   covariance stay, and reflect at 1 what falls below it. By symmetry this is a draw
   from the kernel estimate of the 4 N points that reflection at 1 in each direction
   makes of the pairs, each of the four clouds shrunk towards its own mean.
3. Move each unit drawn to its own frontier and back by the new efficiency: the pseudo
   outputs y delta / delta*, or pseudo inputs x delta* / delta. Its inputs come along,
   so that which mixes of inputs there are varies too.
4. Compute the indices of the real units against the frontiers of the pseudo units.

In that world the frontier lies where the estimate does, too near to the units, and its
draws stay too close together: basic intervals from it covered 76 to 84 per cent at 60
units where they said 95. So a second loop follows, as in Simar and Wilson (2007). The
first one gives the bias of ln e of every distance, the second draws from distances
less that bias, and

    error    = ln index* - ln index0,
    interval = estimate x exp(-median of the errors -+ quantile of |error|),

index0 being the index of the corrected distances, the truth of the second world. The
interval moves by the bias and is not made narrower by it, for the bias of a single
index is itself known badly. What it covers is in docs/method/index_coverage.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import special

from citypanel.errors import EstimationError, FrontierError, OptionError
from citypanel.frontier.decompositions import Changes
from citypanel.frontier.evaluation import Evaluator, radial_efficiencies
from citypanel.frontier.isoquant import isoquant
from citypanel.frontier.malmquist import changes_frame, find_changes
from citypanel.frontier.panel import Observations
from citypanel.frontier.results import FrontierResult, remembering
from citypanel.frontier.start import start
from citypanel.frontier.technology import build_technology
from citypanel.results import Extras, carried
from citypanel.workers import same_code

INDICES = ("tfpch", "effch", "techch")

#: Indices whose interval covers what it says: of one unit, and of means. One unit's
#: tfpch and techch depend on the slope of the frontier at its mix of inputs, of which
#: the draws know too little; the error of the frontier is too large for means of effch
#: and techch where many units are near it.
OF_UNITS, OF_MEANS = ("effch",), ("tfpch",)

#: Technology and plan of the four efficiencies behind a change.
PAIRS = ("from_from", "from_to", "to_from", "to_to")

#: Replications handed to a worker at a time.
BATCH = 20


@remembering
def bootstrap_malmquist(
    panel: pd.DataFrame,
    *,
    unit: str,
    period: str,
    outputs: Sequence[str],
    inputs: Sequence[str],
    seed: int,
    replications: int = 2000,
    level: float = 0.95,
    orientation: str = "output",
    returns_to_scale: str = "crs",
    bandwidth: float | None = None,
    n_jobs: int | None = 1,
    progress: Callable[[int, int], None] | None = None,
    solver: str = "auto",
) -> FrontierResult:
    """Malmquist indices with bias, bias-corrected value and confidence interval.

    Every index is > 1 when productivity rises; an interval that does not contain 1 is a
    change that the sampling of the frontier alone does not explain.

    Parameters
    ----------
    panel, unit, period, outputs, inputs, orientation, returns_to_scale, solver
        See `malmquist`; technologies are contemporaneous, changes between
        neighbouring periods.
    seed : int
        Of the random numbers. The same seed gives the same bytes, whatever `n_jobs`,
        the order of rows or the number of workers: each replication has a stream of
        its own.
    replications : int
        Of each of the two loops. 2,000 for print; the error of an interval's end falls
        with their square root.
    level : float
        Coverage of the intervals.
    bandwidth : float, optional
        h; (4 / (5 N))^(1/6) by default, N the units observed in both periods.
    n_jobs : int, optional
        Workers of joblib. None leaves the number to a backend chosen by
        `joblib.parallel_config`, so a Dask or Ray backend registered with joblib
        spreads the replications over a cluster.
    progress : callable, optional
        Called as progress(done, 2 x replications) after every batch.

    Returns
    -------
    DataFrame
        One row a unit and period change, sorted, as `malmquist` with tfpch, effch and
        techch only, and for each of them

        - `<index>_bias`: mean of the draws minus the estimate;
        - `<index>_corrected`: the estimate minus that bias;
        - `<index>_correct`: whether correcting pays, bias^2 > 3 x variance of the draws
          (Simar and Wilson's rule: otherwise it adds more noise than it removes);
        - `<index>_error`: root mean square of the second loop's errors of ln index, its
          bias among them;
        - `effch_lower`, `effch_upper`: the interval of the second loop. What it would
          give for one unit's tfpch and techch covers too little to be called one (see
          docs/method/index_coverage.md). For means see `mean_changes`;
        - `replications`: its draws without an infeasible programme for the unit.

    Raises
    ------
    OptionError
        An option has an unknown value.
    PanelError
        See `malmquist`.
    FrontierError
        A change has fewer than two units observed in both periods.

    References
    ----------
    Simar and Wilson (1999), European Journal of Operational Research 115.
    Simar and Wilson (2007), Journal of Econometrics 136, for the second loop.

    Examples
    --------
    >>> from citypanel import frontier
    >>> from citypanel.examples import zones
    >>> plans = dict(
    ...     unit="city", period="year", outputs=["output"], inputs=["capital", "labour"]
    ... )
    >>> few = zones().query("year < 2012")
    >>> found = frontier.bootstrap_malmquist(few, replications=100, seed=1, **plans)
    >>> found.loc[[0], ["city", "effch", "effch_lower", "effch_upper"]].round(2)
      city  effch  effch_lower  effch_upper
    0  c01   0.99         0.96         1.01
    """
    _check_numbers(replications, level, bandwidth)
    evaluator, scheme = start(
        panel,
        unit=unit,
        period=period,
        outputs=outputs,
        inputs=inputs,
        orientation=orientation,
        returns_to_scale=returns_to_scale,
        solver=solver,
    )
    data = evaluator.panel
    result = changes_frame(
        evaluator,
        scheme,
        returns_to_scale=returns_to_scale,
        keep_distances=True,
        pure=False,
    )
    changes, _ = find_changes(data, "adjacent")
    measured = np.log(result[[f"e_{pair}" for pair in PAIRS]].to_numpy(float).T)
    result = result.drop(columns=[f"e_{pair}" for pair in PAIRS])
    plans = _plans(data, changes, evaluator, returns_to_scale, bandwidth)
    # Draws stand side by side by plan: the row of the result of each, and back.
    rows = np.concatenate([plan["where"] for plan in plans])
    back = np.argsort(rows)
    measured = measured[:, rows]
    streams = np.random.SeedSequence(seed).spawn(2 * replications)
    done = [0]

    def tell(count: int) -> None:
        done[0] += count
        if progress is not None:
            progress(done[0], 2 * replications)

    how = ((orientation, returns_to_scale, solver), n_jobs, tell)
    estimates = result[list(INDICES)].to_numpy(float).T[:, rows]
    logs = _loop(plans, streams[:replications], *how)
    bias = np.stack([_mean(logs[:, pair]) for pair in range(len(PAIRS))]) - measured
    draws = _log_indices(logs)
    del logs
    np.exp(draws, out=draws)
    columns = [_bias(estimates[k], draws[:, k]) for k in range(len(INDICES))]
    del draws
    starts = np.cumsum([len(plan["where"]) for plan in plans])[:-1]
    plans = [
        _corrected(plan, own)
        for plan, own in zip(plans, np.split(bias, starts, axis=1), strict=True)
    ]
    errors = _log_indices(_loop(plans, streams[replications:], *how))
    errors -= _log_indices(measured - bias)
    reason = result.pop("reason")
    for k, name in enumerate(INDICES):
        columns[k]["error"] = np.sqrt(_mean(errors[:, k] ** 2))
        if name in OF_UNITS:
            columns[k] |= _interval(estimates[k], errors[:, k], level)
        for suffix, values in columns[k].items():
            result[f"{name}_{suffix}"] = values[back]
    errors = errors[:, :, back]
    result["replications"] = np.isfinite(errors).all(axis=1).sum(axis=0)
    result["reason"] = reason
    result.attrs["errors"] = Extras(
        {
            "errors": errors,
            "indices": result[list(INDICES)].to_numpy(float).T,
            "level": level,
            "unit": unit,
            "period": period,
            "rows": pd.MultiIndex.from_frame(result[[unit, period]]),
        }
    )
    return result


def mean_changes(
    changes: pd.DataFrame, groups: Mapping[object, object] | None = None
) -> pd.DataFrame:
    """Mean productivity changes of groups of units, with intervals.

    The mean of a group of n units in a period stands for the units like them: its error
    is that of sampling units, s / n^(1/2), and that of the frontier, f,

        interval = exp( mean ln M -+ t(n - 1) (s^2 / n + f^2)^(1/2) ),

    with s the standard deviation of ln M in the group and f the root mean square of the
    mean's error over the second loop of `bootstrap_malmquist`. Differences between two
    groups take s^2 / n of both and f of the difference, whose frontier is one; their
    degrees of freedom are Welch's. tfpch has such an interval. Those of effch and
    techch would cover up to 100 per cent where many units are near the frontier: their
    f is given, and no interval.

    Parameters
    ----------
    changes : DataFrame
        What `bootstrap_malmquist` returned, or rows of it.
    groups : mapping, optional
        Group of each unit, the first named group first; units without one are left
        out. All units are one group by default, called "all".

    Returns
    -------
    DataFrame
        One row a period, group and index, sorted by period: period, `group`, `index`,
        `n_units`, `mean` (geometric) with `lower` and `upper`, and `frontier_error`, f.
        With two groups also a row "a - b", whose mean is the ratio of theirs (its
        logarithm is the difference). lower and upper are null for effch and techch, and
        where a group has one unit.

    Raises
    ------
    EstimationError
        The frame does not come from one `bootstrap_malmquist`, or rows were changed.

    Examples
    --------
    >>> from citypanel import frontier
    >>> from citypanel.examples import zones
    >>> plans = dict(
    ...     unit="city", period="year", outputs=["output"], inputs=["capital", "labour"]
    ... )
    >>> few = zones().query("year < 2012")
    >>> found = frontier.bootstrap_malmquist(few, replications=100, seed=1, **plans)
    >>> frontier.mean_changes(found)[["year", "group", "index", "n_units"]].head(2)
       year group   index  n_units
    0  2011   all   tfpch       40
    1  2011   all   effch       40
    """
    errors, level, unit, period = _errors_of(changes)
    groups = {name: "all" for name in changes[unit]} if groups is None else groups
    label = changes[unit].map(dict(groups)).to_numpy(object)
    given = set(label)
    names = [name for name in dict.fromkeys(groups.values()) if name in given]
    of_group = pd.Index(names).get_indexer(label)
    logs = np.log(changes[list(INDICES)].to_numpy(float).T)
    known = np.isfinite(logs).all(axis=0) & np.isfinite(errors).any(axis=(0, 1))
    rows = []
    now = changes[period].to_numpy()
    for value in np.unique(now):
        members = [
            np.flatnonzero((now == value) & (of_group == k) & known)
            for k in range(len(names))
        ]
        there = [i for i, part in enumerate(members) if len(part)]
        drawn = {i: np.nanmean(errors[:, :, members[i]], axis=2) for i in there}
        sets = [(names[i], [i]) for i in there]
        if len(names) == len(there) == 2:
            sets.append((f"{names[0]} - {names[1]}", there))
        for name, parts in sets:
            for k, index in enumerate(INDICES):
                found = _mean_with_interval(
                    [logs[k][members[i]] for i in parts],
                    [drawn[i][:, k] for i in parts],
                    level,
                )
                if index not in OF_MEANS:
                    found |= {"lower": np.nan, "upper": np.nan}
                rows.append({period: value, "group": name, "index": index} | found)
    return pd.DataFrame(rows)


def intervals(changes: pd.DataFrame, level: float) -> pd.DataFrame:
    """Intervals of single units' indices at a level; see `FrontierResult.confint`."""
    errors, _, unit, period = _errors_of(changes)
    found = pd.DataFrame(changes[[unit, period]])
    found.attrs = {}
    for k, name in enumerate(INDICES):
        if name in OF_UNITS:
            ends = _interval(changes[name].to_numpy(float), errors[:, k], level)
            for end, values in ends.items():
                found[f"{name}_{end}"] = values
    return found


def _errors_of(changes: pd.DataFrame) -> tuple[np.ndarray, float, str, str]:
    """Errors (B, 3, rows) of the rows of a frame, the level and the key columns."""
    kept = carried(changes, "errors")
    unit, period, errors = kept["unit"], kept["period"], kept["errors"]
    indices, now = kept["indices"], changes[list(INDICES)].to_numpy(float).T
    rows = pd.MultiIndex.from_frame(pd.DataFrame(changes[[unit, period]]))
    if not rows.equals(kept["rows"]):
        at = kept["rows"].get_indexer(rows)
        if (at < 0).any():
            raise EstimationError.of("results.without_options")
        indices, errors = indices[:, at], errors[:, :, at]
    if not np.array_equal(indices, now, equal_nan=True):
        raise EstimationError.of("results.without_options")
    return errors, kept["level"], unit, period


def _mean_with_interval(
    logs: list[np.ndarray], errors: list[np.ndarray], level: float
) -> dict[str, object]:
    """The mean of one set of rows, or the difference of two, and its interval.

    logs are the rows' indices, errors (B,) the mean error of each draw.
    """
    signs = (1.0, -1.0)[: len(logs)]
    with np.errstate(invalid="ignore"):
        means = [part.mean() for part in logs]
        sampling = np.array(
            [part.var(ddof=1) / len(part) for part in logs if len(part) > 1]
        )
    drawn = np.sum(
        [sign * part for sign, part in zip(signs, errors, strict=True)], axis=0
    )
    frontier_error = float(np.sqrt(np.nanmean(drawn**2)))
    mean = sum(sign * m for sign, m in zip(signs, means, strict=True))
    half = np.nan
    if len(sampling) == len(logs):
        within = np.array([len(part) - 1 for part in logs])
        total = sampling.sum()
        df = total**2 / (sampling**2 / within).sum() if total > 0 else within.sum()
        half = special.stdtrit(df, 0.5 + level / 2) * np.hypot(
            np.sqrt(total), frontier_error
        )
    return {
        "n_units": sum(map(len, logs)),
        "mean": float(np.exp(mean)),
        "lower": float(np.exp(mean - half)),
        "upper": float(np.exp(mean + half)),
        "frontier_error": frontier_error,
    }


def _check_numbers(replications: int, level: float, bandwidth: float | None) -> None:
    problems = {
        f"replications={replications!r}": (
            replications >= 2 and int(replications) == replications,
            "a whole number from 2 on",
        ),
        f"level={level!r}": (0 < level < 1, "a share between 0 and 1, such as 0.95"),
        f"bandwidth={bandwidth!r}": (
            bandwidth is None or bandwidth > 0,
            "a positive number, or nothing for the default",
        ),
    }
    for problem, (fine, remedy) in problems.items():
        if not fine:
            raise OptionError.of(
                "frontier.not_option_bootstrap", problem=problem, remedy=remedy
            )


def _plans(
    data: Observations,
    changes: Changes,
    evaluator: Evaluator,
    returns_to_scale: str,
    bandwidth: float | None,
) -> list[dict]:
    """What each change between two periods needs for its draws.

    Units observed in one of the two periods only stay in that period's technology;
    they take one coordinate of a draw of their own.
    """
    own = np.full(len(data.unit_of), np.nan)
    rows_of = [np.flatnonzero(data.period_of == p) for p in range(len(data.periods))]
    for p, rows in enumerate(rows_of):
        technology = evaluator.technology(((p, p), 0), rows, returns_to_scale)
        own[rows], _ = evaluator.efficiencies(technology, rows, rows)
    delta = np.maximum(1.0 / np.where(np.isnan(own), 1.0, own), 1.0)
    plans = []
    for p in np.unique(changes.period_to):
        where = np.flatnonzero(changes.period_to == p)
        observed = [changes.before[where], changes.after[where]]
        if len(where) < 2:
            raise FrontierError.of(
                "frontier.fewer_than_two_observed",
                [f"{data.period} {data.periods[p - 1]} to {data.periods[p]}"],
                unit=data.unit,
            )
        alone = [np.setdiff1d(rows_of[p - 1 + k], observed[k]) for k in (0, 1)]
        reference = [np.concatenate([observed[k], alone[k]]) for k in (0, 1)]
        both = np.concatenate(observed)
        pairs = np.column_stack([delta[rows] for rows in observed])
        h = bandwidth or (4.0 / (5.0 * len(where))) ** (1.0 / 6.0)
        plans.append(
            {
                "where": where,
                "kernel": Kernel.of(pairs, h),
                "alone": [len(rows) for rows in alone],
                "delta": [delta[rows] for rows in reference],
                "reference": [
                    (data.inputs[rows], data.outputs[rows]) for rows in reference
                ],
                "inputs": data.inputs[both],
                "outputs": data.outputs[both],
            }
        )
    return plans


def _loop(plans, streams, options, n_jobs, tell) -> np.ndarray:
    """ln of the four efficiencies of every replication and change, (B, 4, changes).

    Changes stand side by side, plan after plan.
    """
    batches = [streams[i : i + BATCH] for i in range(0, len(streams), BATCH)]
    work = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(same_code(_batch))(plans, batch, *options) for batch in batches
    )
    size = sum(len(plan["where"]) for plan in plans)
    draws = np.empty((len(streams), len(PAIRS), size))
    done = 0
    for found in work:
        draws[done : done + len(found)] = found
        done += len(found)
        tell(len(found))
    return draws


def _batch(plans, streams, orientation, returns_to_scale, solver) -> np.ndarray:
    """Some replications."""
    size = sum(len(plan["where"]) for plan in plans)
    found = np.empty((len(streams), len(PAIRS), size))
    for k, stream in enumerate(streams):
        generator, start = np.random.default_rng(stream), 0
        for plan in plans:
            stop = start + len(plan["where"])
            found[k, :, start:stop] = _replicate(
                plan, generator, orientation, returns_to_scale, solver
            )
            start = stop
    return np.log(found, out=found)


def _corrected(plan: dict, bias: np.ndarray) -> dict:
    """What a change needs for draws from distances less their bias (4, n) of ln e.

    A unit without one, such as one that is observed in one of the two periods only,
    takes the mean of the others'.
    """
    n = len(plan["where"])
    deltas = []
    for delta, own in zip(plan["delta"], (bias[0], bias[3]), strict=True):
        known = np.isfinite(own)
        mean = own[known].mean() if known.any() else 0.0
        shift = np.full(len(delta), mean)
        shift[:n][known] = own[known]
        deltas.append(np.maximum(delta * np.exp(shift), 1.0))
    pairs = np.column_stack([delta[:n] for delta in deltas])
    return {**plan, "delta": deltas, "kernel": Kernel.of(pairs, plan["kernel"].h)}


def _log_indices(efficiencies: np.ndarray) -> np.ndarray:
    """ln of tfpch, effch and techch from ln of the four efficiencies, (..., 4, n)."""
    aa, ab, ba, bb = np.moveaxis(efficiencies, -2, 0)
    *left, _, n = efficiencies.shape
    found = np.empty((*left, len(INDICES), n))
    tfpch, effch, techch = np.moveaxis(found, -2, 0)
    np.subtract(bb, aa, out=effch)
    np.subtract(ab, bb, out=techch)
    techch += aa
    techch -= ba
    techch *= 0.5
    np.add(effch, techch, out=tfpch)
    return found


@dataclass(frozen=True, eq=False)
class Kernel:
    """The kernel density of pairs of inverse efficiencies, reflected at 1.

    Attributes
    ----------
    pairs : ndarray (N, 2)
    h : float
        Bandwidth, in standard deviations.
    mean : ndarray (2,)
    first, cross, second : float
        The root of the pairs' covariance: of the first on its own noise, of the second
        on the first's and on its own.
    """

    pairs: np.ndarray
    h: float
    mean: np.ndarray
    first: float
    cross: float
    second: float

    @classmethod
    def of(cls, pairs: np.ndarray, h: float) -> Kernel:
        """The density of some pairs."""
        covariance = np.cov(pairs, rowvar=False)
        first = np.sqrt(covariance[0, 0])
        cross = covariance[0, 1] / first if first > 0 else 0.0
        second = np.sqrt(max(covariance[1, 1] - cross**2, 0.0))
        return cls(pairs, h, pairs.mean(axis=0), first, cross, second)


def smoothed_pairs(
    kernel: Kernel, picks: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Pairs of inverse efficiencies around some of them, each at least 1.

    With random `picks` they are draws from the density.
    """
    h, mean = kernel.h, kernel.mean
    noise = generator.standard_normal((len(picks), 2))
    smooth = np.empty_like(noise)
    smooth[:, 0] = kernel.first * noise[:, 0]
    smooth[:, 1] = kernel.cross * noise[:, 0] + kernel.second * noise[:, 1]
    smooth *= h
    smooth += kernel.pairs.take(picks, axis=0)
    smooth -= mean
    smooth /= np.sqrt(1.0 + h**2)
    smooth += mean
    return np.where(smooth < 1.0, 2.0 - smooth, smooth)


def _replicate(plan, generator, orientation, returns_to_scale, solver) -> np.ndarray:
    """The four efficiencies of one change against one pair of pseudo frontiers."""
    n = len(plan["where"])
    single = plan["alone"]
    picks = generator.integers(n, size=n + sum(single))
    drawn = smoothed_pairs(plan["kernel"], picks, generator)
    stars = [
        np.concatenate([drawn[:n, 0], drawn[n : n + single[0], 0]]),
        np.concatenate([drawn[:n, 1], drawn[n + single[0] :, 1]]),
    ]
    found = []
    for (inputs, outputs), delta, star in zip(
        plan["reference"], plan["delta"], stars, strict=True
    ):
        # A unit seen in one of the periods only stays in it and takes another's draw.
        units = np.concatenate([picks[:n], np.arange(n, len(delta))])
        ratio = (star / delta.take(units))[:, None]
        inputs, outputs = inputs.take(units, axis=0), outputs.take(units, axis=0)
        if orientation == "output":
            outputs /= ratio
        else:
            inputs *= ratio
        values = pseudo_efficiencies(
            inputs,
            outputs,
            plan["inputs"],
            plan["outputs"],
            orientation=orientation,
            returns_to_scale=returns_to_scale,
            solver=solver,
        )
        found += [values[:n], values[n:]]
    return np.stack(found)


def pseudo_efficiencies(
    reference_inputs: np.ndarray,
    reference_outputs: np.ndarray,
    inputs: np.ndarray,
    outputs: np.ndarray,
    *,
    orientation: str,
    returns_to_scale: str,
    solver: str = "auto",
) -> np.ndarray:
    """Efficiencies of plans to a technology that is used once; null where infeasible.

    The closed form of two inputs and one output under constant returns, where it
    applies and is proved; the frontier engine otherwise.
    """
    values = np.full(len(inputs), np.nan)
    open_rows = np.arange(len(inputs))
    if (
        returns_to_scale == "crs"
        and solver in ("auto", "hull")
        and inputs.shape[1] == 2
        and outputs.shape[1] == 1
        and min(reference_outputs.min(), outputs.min(), inputs.min()) > 0
    ):
        hull = isoquant(reference_inputs, reference_outputs[:, 0])
        values, proved = hull.proved_efficiencies(inputs, outputs[:, 0])
        open_rows = np.flatnonzero(~proved)
    if len(open_rows):
        technology = build_technology(
            reference_inputs, reference_outputs, returns_to_scale=returns_to_scale
        )
        values[open_rows], _ = radial_efficiencies(
            technology,
            inputs[open_rows],
            outputs[open_rows],
            orientation=orientation,
            solver=solver,
        )
    return values


def _mean(draws: np.ndarray) -> np.ndarray:
    """Mean of the finite draws of every column."""
    there = np.isfinite(draws)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(there, draws, 0.0).sum(axis=0) / there.sum(axis=0)


def _bias(estimate: np.ndarray, draws: np.ndarray) -> dict[str, np.ndarray]:
    """Bias and correction of every change by the first loop."""
    mean = _mean(draws)
    there = np.isfinite(draws)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.where(there, draws - mean, 0.0)
        variance = (spread**2).sum(axis=0) / (there.sum(axis=0) - 1)
    bias = mean - estimate
    return {
        "bias": bias,
        "corrected": estimate - bias,
        "correct": bias**2 > 3.0 * variance,
    }


def _interval(
    estimate: np.ndarray, errors: np.ndarray, level: float
) -> dict[str, np.ndarray]:
    """Ends about the estimate less the median error, linear between draws."""
    found = {end: np.full(len(estimate), np.nan) for end in ("lower", "upper")}
    known = np.isfinite(errors).any(axis=0)
    if known.any():
        drawn = np.where(np.isfinite(errors), errors, np.nan)[:, known]
        middle = _median(drawn)
        half = _quantile(np.abs(drawn), level)
        found["lower"][known] = estimate[known] * np.exp(-middle - half)
        found["upper"][known] = estimate[known] * np.exp(-middle + half)
    return found


def _median(draws: np.ndarray) -> np.ndarray:
    """Median of the draws of every column that are there, at least one."""
    ordered = np.sort(draws, axis=0)
    count = np.isfinite(draws).sum(axis=0)
    each = np.arange(draws.shape[1])
    return (ordered[(count - 1) // 2, each] + ordered[count // 2, each]) / 2


def _quantile(draws: np.ndarray, level: float) -> np.ndarray:
    """Quantile of the draws of every column that are there, at least one."""
    ordered = np.sort(draws, axis=0)
    last = np.isfinite(draws).sum(axis=0) - 1
    low = np.floor(level * last).astype(int)
    each = np.arange(draws.shape[1])
    bottom, top = ordered[low, each], ordered[np.minimum(low + 1, last), each]
    return bottom + (level * last - low) * (top - bottom)
