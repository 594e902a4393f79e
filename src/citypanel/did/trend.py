"""The straight line through the leads of an event study, and its error."""

from __future__ import annotations

import numpy as np
import pandas as pd

from citypanel.did.event_paths import event_path
from citypanel.did.frames import tidy


def pretrend_line(
    frame: pd.DataFrame, *, single_units: bool = False, level: float = 0.95
) -> pd.DataFrame:
    """Least-squares line through the event times up to the reference.

    b_e = a + s (e - reference) over the leads and the reference itself, where b is 0 by
    construction. Both are weighted sums w'b of the leads, with variance w'Vw, V the
    leads' covariance. With one lead the line goes through it and the reference.

    What an effect is once such a line is allowed to go on after the policy is
    `honest_did` with ``kind="smoothness"`` and the bound 0, which weights the leads by
    their covariance; the slope here is the one that is seen in a figure.

    Parameters
    ----------
    frame : DataFrame
        An event study with its covariance (see `event_path`).
    single_units : bool
        Use event times that rest on cohorts of one unit.
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame
        Aggregation ``pretrend``, terms ``slope`` (in units of the outcome a period) and
        ``level`` (a, where the line meets the reference), with normal intervals and
        p-values.

    Raises
    ------
    EstimationError
        An event study without a covariance, or without event times on either side.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> path = did.event_study(zones(), **columns)
    >>> did.pretrend_line(path)[["term", "estimate", "std_error"]].round(3)
        term  estimate  std_error
    0  slope    -0.004      0.005
    1  level    -0.008      0.009
    """
    path = event_path(frame, single_units=single_units)
    before = path.times < path.reference
    x = np.append(path.times[before] - path.reference, 0).astype(float)
    design = np.column_stack([x, np.ones_like(x)])
    weights = np.linalg.pinv(design)[:, :-1]
    estimates = weights @ path.estimates[before]
    covariance = weights @ path.matrix[np.ix_(before, before)] @ weights.T
    rows = [
        {
            "aggregation": "pretrend",
            "term": term,
            "estimate": estimate,
            "std_error": np.sqrt(variance),
        }
        for term, estimate, variance in zip(
            ("slope", "level"), estimates, np.diag(covariance), strict=True
        )
    ]
    return tidy(
        rows,
        estimator=str(frame["estimator"].iloc[0]),
        level=level,
        extra_columns=("outcome",),
        outcome=frame["outcome"].iloc[0] if "outcome" in frame else None,
    )
