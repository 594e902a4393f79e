"""Several hypotheses at once: Holm, and Romano and Wolf by the wild bootstrap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from citypanel.did.bootstrap import WildLaw, draw_weights
from citypanel.did.frisch_waugh import partial
from citypanel.errors import OptionError


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's (1979) step-down p-values; nulls stay null and are not counted.

    p_(j) becomes the largest of (m - i + 1) p_(i) over i <= j, at most 1.

    Examples
    --------
    >>> from citypanel import did
    >>> did.holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    p = np.asarray(p_values, float)
    bad = (p < 0) | (p > 1)
    if bad.any():
        raise OptionError.of("did.values_outside", [f"{value}" for value in p[bad]])
    out = np.full(p.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = np.arange(len(order), 0, -1) * p[order]
    out[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return out


def romano_wolf(
    specifications: Mapping[str, Mapping[str, Any]],
    *,
    draws: int = 9999,
    seed: int = 0,
) -> pd.DataFrame:
    """Step-down p-values for the treatment over a table's columns.

    Every column is resampled by the restricted wild bootstrap with one Rademacher
    weight a unit, the same in every column, so that the columns' dependence (shared
    units) is kept. The j-th largest |t| is compared with the draws' largest |t| among
    the columns not yet passed.

    Parameters
    ----------
    specifications : mapping of name to options
        Options of `twfe`: panel, outcome, treatment, unit, period, and controls,
        period_effects_by where wanted. Clusters are units.
    draws, seed : int

    Returns
    -------
    DataFrame
        One row per column in the order given: term, estimate, std_error, statistic,
        p_value (wild bootstrap, unadjusted), p_holm (of those), p_romano_wolf.

    References
    ----------
    Romano and Wolf (2016), Statistics and Probability Letters 113.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> panel = zones()
    >>> columns = dict(treatment="treated", unit="city", period="year")
    >>> found = did.romano_wolf(
    ...     {y: dict(panel=panel, outcome=y, **columns) for y in ("wage", "emissions")},
    ...     draws=499,
    ... )
    >>> found.round(2)
            term  estimate  std_error  statistic  p_value  p_holm  p_romano_wolf
    0       wage      0.11       0.02       7.10     0.00    0.00           0.00
    1  emissions     -1.62       1.60      -1.01     0.29    0.29           0.29
    """
    if not specifications:
        raise OptionError.of("did.no_specification_adjust_over")
    parts = {name: partial(**options) for name, options in specifications.items()}
    units = sorted({u for p in parts.values() for u in p.data.units.tolist()})
    place = {u: j for j, u in enumerate(units)}
    weights, _ = draw_weights(len(units), "rademacher", draws, seed)
    laws, samples = [], []
    for part in parts.values():
        own = weights[[place[u] for u in part.data.units.tolist()]]
        law = WildLaw(part, own)
        laws.append(law.statistics(0.0))
        samples.append(law.sample_statistic(0.0))
    # A t statistic of each column on its own scale: the factors differ.
    roots = np.sqrt([1.0 / part.factor for part in parts.values()])
    drawn = np.array(laws) * roots[:, None]
    sample = np.array(samples) * roots
    order = np.argsort(-sample, kind="stable")
    adjusted = np.empty(len(order))
    largest = 0.0
    for j, column in enumerate(order):
        most = drawn[order[j:]].max(axis=0)
        p = (1.0 + np.sum(most >= sample[column] * (1 - 1e-10))) / (1.0 + most.size)
        largest = max(largest, float(p))
        adjusted[column] = largest
    alone = (1.0 + (drawn >= sample[:, None] * (1 - 1e-10)).sum(axis=1)) / (
        1.0 + drawn.shape[1]
    )
    return pd.DataFrame(
        {
            "term": list(parts),
            "estimate": [p.estimate for p in parts.values()],
            "std_error": [p.std_error for p in parts.values()],
            "statistic": [p.estimate / p.std_error for p in parts.values()],
            "p_value": alone,
            "p_holm": holm(alone),
            "p_romano_wolf": adjusted,
        }
    )
