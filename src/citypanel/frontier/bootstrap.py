"""Confidence intervals for Malmquist indices: the smoothed bootstrap.

Simar and Wilson (1999). A distance to an estimated frontier is biased, because the
frontier is a finite sample's; drawing efficiencies again tells by how much. A unit's
efficiencies of two periods belong together, so they are drawn from a kernel estimate
of their joint density, reflected at its boundary of 1:

1. delta = 1 / e >= 1 of every unit in both periods, N pairs.
2. Draw N of them with replacement, add h times a normal with the pairs' covariance,
   shrink towards the pairs' mean by (1 + h^2)^(-1/2) so that mean and covariance stay,
   and reflect at 1 what falls below it. By symmetry this is a draw from the kernel
   estimate of the 4 N points that reflection at 1 in each direction makes of the pairs,
   each of the four clouds shrunk towards its own mean.
3. Move each unit to its own frontier and back by the drawn efficiency: the pseudo
   outputs y delta / delta*, or pseudo inputs x delta* / delta.
4. Compute the indices of the real units against the frontiers of the pseudo units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from citypanel.errors import FrontierError, OptionError
from citypanel.frontier.decompositions import Changes
from citypanel.frontier.evaluation import Evaluator, radial_efficiencies
from citypanel.frontier.malmquist import changes_frame, find_changes
from citypanel.frontier.panel import Observations
from citypanel.frontier.start import start
from citypanel.frontier.technology import build_technology
from citypanel.workers import same_code

INDICES = ("tfpch", "effch", "techch")

#: Replications handed to a worker at a time.
BATCH = 20


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
) -> pd.DataFrame:
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
        2,000 for print; the error of an interval's end falls with their square root.
    level : float
        Coverage of the intervals.
    bandwidth : float, optional
        h; (4 / (5 N))^(1/6) by default, N the units observed in both periods.
    n_jobs : int, optional
        Workers of joblib. None leaves the number to a backend chosen by
        `joblib.parallel_config`, so a Dask or Ray backend registered with joblib
        spreads the replications over a cluster.
    progress : callable, optional
        Called as progress(done, replications) after every batch.

    Returns
    -------
    DataFrame
        One row a unit and period change, sorted, as `malmquist` with tfpch, effch and
        techch only, and for each of them

        - `<index>_bias`: mean of the draws minus the estimate;
        - `<index>_corrected`: the estimate minus that bias;
        - `<index>_correct`: whether correcting pays, bias^2 > 3 x variance of the draws
          (Simar and Wilson's rule: otherwise it adds more noise than it removes);
        - `<index>_lower`, `<index>_upper`: 2 x estimate minus the upper and the lower
          quantile of the draws;
        - `replications`: draws without an infeasible programme for the unit.

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

    Examples
    --------
    >>> from citypanel import frontier
    >>> from citypanel.examples import zones
    >>> plans = dict(
    ...     unit="city", period="year", outputs=["output"], inputs=["capital", "labour"]
    ... )
    >>> few = zones().query("year < 2012")
    >>> found = frontier.bootstrap_malmquist(few, replications=100, seed=1, **plans)
    >>> found.loc[0, ["city", "tfpch", "tfpch_lower", "tfpch_upper"]]
    city                c01
    tfpch          1.004473
    tfpch_lower    1.001801
    tfpch_upper    1.011651
    Name: 0, dtype: object
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
        decomposition="fgnz",
        returns_to_scale=returns_to_scale,
        form="geometric",
        base="adjacent",
        group=None,
        keep_distances=False,
        pure=False,
    )
    changes, _ = find_changes(data, "adjacent")
    plans = _plans(data, changes, evaluator, returns_to_scale, bandwidth)
    draws = _all_draws(
        plans,
        len(result),
        seed=seed,
        replications=replications,
        options=(orientation, returns_to_scale, solver),
        n_jobs=n_jobs,
        progress=progress,
    )
    reason = result.pop("reason")
    for k, name in enumerate(INDICES):
        for suffix, values in _interval(
            result[name].to_numpy(), draws[:, k], level
        ).items():
            result[f"{name}_{suffix}"] = values
    result["replications"] = np.isfinite(draws).all(axis=1).sum(axis=0)
    result["reason"] = reason
    return result


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
        before, after = changes.before[where], changes.after[where]
        if len(where) < 2:
            raise FrontierError.of(
                "frontier.fewer_than_two_observed",
                [f"{data.period} {data.periods[p - 1]} to {data.periods[p]}"],
                unit=data.unit,
            )
        alone = [
            np.setdiff1d(rows_of[p - 1], before),
            np.setdiff1d(rows_of[p], after),
        ]
        reference = [
            np.concatenate([before, alone[0]]),
            np.concatenate([after, alone[1]]),
        ]
        pairs = np.column_stack([delta[before], delta[after]])
        h = bandwidth or (4.0 / (5.0 * len(where))) ** (1.0 / 6.0)
        plans.append(
            {
                "where": where,
                "pairs": pairs,
                "h": h,
                "alone": (len(alone[0]), len(alone[1])),
                "delta": [delta[rows] for rows in reference],
                "reference": [
                    (data.inputs[rows], data.outputs[rows]) for rows in reference
                ],
                "inputs": np.vstack([data.inputs[before], data.inputs[after]]),
                "outputs": np.vstack([data.outputs[before], data.outputs[after]]),
            }
        )
    return plans


def _all_draws(
    plans, size, *, seed, replications, options, n_jobs, progress
) -> np.ndarray:
    """Indices of every replication, (replications, indices, changes)."""
    streams = np.random.SeedSequence(seed).spawn(replications)
    batches = [streams[i : i + BATCH] for i in range(0, replications, BATCH)]
    work = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(same_code(_batch))(plans, size, batch, *options) for batch in batches
    )
    draws = np.empty((replications, len(INDICES), size))
    done = 0
    for found in work:
        draws[done : done + len(found)] = found
        done += len(found)
        if progress is not None:
            progress(done, replications)
    return draws


def _batch(plans, size, streams, orientation, returns_to_scale, solver) -> np.ndarray:
    """Some replications."""
    found = np.empty((len(streams), len(INDICES), size))
    for k, stream in enumerate(streams):
        generator = np.random.default_rng(stream)
        for plan in plans:
            found[k][:, plan["where"]] = _replicate(
                plan, generator, orientation, returns_to_scale, solver
            )
    return found


def smoothed_pairs(
    pairs: np.ndarray, h: float, size: int, generator: np.random.Generator
) -> np.ndarray:
    """Draw pairs of inverse efficiencies, each at least 1, from their kernel density.

    The density of the pairs (N, 2) is reflected at 1 in each direction; h is in
    standard deviations.
    """
    covariance = np.cov(pairs, rowvar=False)
    first = np.sqrt(covariance[0, 0])
    cross = covariance[0, 1] / first if first > 0 else 0.0
    second = np.sqrt(max(covariance[1, 1] - cross**2, 0.0))
    drawn = pairs[generator.integers(len(pairs), size=size)]
    noise = generator.standard_normal((size, 2))
    kernel = np.column_stack(
        [first * noise[:, 0], cross * noise[:, 0] + second * noise[:, 1]]
    )
    mean = pairs.mean(axis=0)
    smooth = mean + (drawn + h * kernel - mean) / np.sqrt(1.0 + h**2)
    return np.where(smooth < 1.0, 2.0 - smooth, smooth)


def _replicate(plan, generator, orientation, returns_to_scale, solver) -> np.ndarray:
    """tfpch, effch and techch of one change against one pair of pseudo frontiers."""
    n = len(plan["where"])
    single = plan["alone"]
    drawn = smoothed_pairs(plan["pairs"], plan["h"], n + sum(single), generator)
    stars = [
        np.concatenate([drawn[:n, 0], drawn[n : n + single[0], 0]]),
        np.concatenate([drawn[:n, 1], drawn[n + single[0] :, 1]]),
    ]
    e = []
    for (inputs, outputs), delta, star in zip(
        plan["reference"], plan["delta"], stars, strict=True
    ):
        ratio = (star / delta)[:, None]
        if orientation == "output":
            technology = build_technology(
                inputs, outputs / ratio, returns_to_scale=returns_to_scale
            )
        else:
            technology = build_technology(
                inputs * ratio, outputs, returns_to_scale=returns_to_scale
            )
        values, _ = radial_efficiencies(
            technology,
            plan["inputs"],
            plan["outputs"],
            orientation=orientation,
            solver=solver,
        )
        e.append((values[:n], values[n:]))
    (aa, ab), (ba, bb) = e
    effch = bb / aa
    techch = np.sqrt((ab / bb) * (aa / ba))
    return np.stack([effch * techch, effch, techch])


def _interval(
    estimate: np.ndarray, draws: np.ndarray, level: float
) -> dict[str, np.ndarray]:
    """Bias, correction and basic interval of every change; null where no draw is."""
    there = np.isfinite(draws)
    number = there.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(there, draws, 0.0).sum(axis=0) / number
        spread = np.where(there, draws - mean, 0.0)
        variance = (spread**2).sum(axis=0) / (number - 1)
    tail = (1.0 - level) / 2.0
    lower, upper = _quantiles(draws, number, (tail, 1.0 - tail))
    bias = mean - estimate
    return {
        "bias": bias,
        "corrected": estimate - bias,
        "correct": bias**2 > 3.0 * variance,
        "lower": 2.0 * estimate - upper,
        "upper": 2.0 * estimate - lower,
    }


def _quantiles(
    draws: np.ndarray, number: np.ndarray, shares: tuple[float, float]
) -> list[np.ndarray]:
    """Linear quantiles of each column's finite values."""
    ordered = np.sort(np.where(np.isfinite(draws), draws, np.inf), axis=0)
    each = np.arange(draws.shape[1])
    found = []
    for share in shares:
        position = share * np.maximum(number - 1, 0)
        low = np.floor(position).astype(int)
        high = np.minimum(low + 1, np.maximum(number - 1, 0))
        weight = position - low
        value = np.where(number > 0, ordered[low, each], np.nan)
        top = np.where(number > 0, ordered[high, each], np.nan)
        found.append(value + weight * (top - value))
    return found
