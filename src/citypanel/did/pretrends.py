"""A line through the leads: its slope, and what a test would see of it.

With b the leads' estimates, V their covariance and r_e = e - reference, the slope is
that of generalised least squares through the reference, where b is 0 by construction:

    slope = r'V^-1 b / r'V^-1 r,   variance 1 / r'V^-1 r.

It has the smallest variance of all slopes that are linear in the leads and right where
the trends of the two groups differ by a line.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from citypanel.did.event_paths import EventPath, event_path, path_frame
from citypanel.did.pretest import no_covariance, pretrend_power
from citypanel.did.results import remembering

NAMES = ("slope", "power", "bias", "bias_if_passed", "passed_ratio", "left")


@remembering
def pretrend_line(
    frame: pd.DataFrame, *, single_units: bool = False, level: float = 0.95
) -> pd.DataFrame:
    """Slope of the line through the leads and the reference, and its error.

    Generalised least squares, as the module has it: leads that are known less well
    count less, and the line meets the reference. What an effect is once such a line is
    allowed to go on after the policy is `honest_did` with ``kind="smoothness"`` and
    the bound 0; what a test of the leads would see of it is `pretrend_at_slope`.

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
        Aggregation ``pretrend``, term ``slope`` (in units of the outcome a period),
        with a normal interval and p-value.

    Raises
    ------
    EstimationError
        An event study without a covariance, or without event times on either side;
        leads without sampling error.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> path = did.event_study(zones(), **columns)
    >>> did.pretrend_line(path)[["term", "estimate", "std_error"]].round(3)
        term  estimate  std_error
    0  slope    -0.004      0.004
    """
    row = _slope_row(event_path(frame, single_units=single_units))
    return path_frame(frame, [row], level=level, extra_columns=("outcome",))


@remembering
def pretrend_at_slope(
    frame: pd.DataFrame,
    *,
    test: str = "individual",
    single_units: bool = False,
    level: float = 0.95,
    draws: int = 100_000,
    seed: int = 0,
) -> pd.DataFrame:
    """The line through the leads, the power of the pre-test against it, and its bias.

    The slope is that of `pretrend_line`. `pretrend_power` then says how often the
    pre-test rejects if this were the true trend, and how much of each effect it would
    be.

    Parameters
    ----------
    frame : DataFrame
        An event study with its covariance and one base for every event time (see
        `event_path`): with bases that vary, leads are changes and effects are not, and
        a trend looks like a kink at treatment (Roth 2024).
    test, single_units, level, draws, seed
        As for `pretrend_power`.

    Returns
    -------
    DataFrame
        Row ``slope`` (aggregation ``pretrend``): estimate, standard error and normal
        interval; then one row per event time after the reference with ``slope``,
        ``power``, ``bias``, ``bias_if_passed``, ``passed_ratio`` as `pretrend_power`
        gives them, and ``left``, the estimate less the bias.

    Raises
    ------
    EstimationError
        As `pretrend_power`.

    References
    ----------
    Roth (2022), American Economic Review: Insights 4; Roth (2024), arXiv 2401.12309.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> path = did.event_study(zones(), **columns)
    >>> found = did.pretrend_at_slope(path, draws=2000)
    >>> found[["term", "estimate", "std_error"]].head(2).round(3)
               term  estimate  std_error
    0         slope    -0.004      0.004
    1  event_time_0     0.073      0.015
    """
    row = _slope_row(event_path(frame, single_units=single_units))
    slope = row["estimate"]
    found = pretrend_power(
        frame,
        test=test,
        powers=(),
        slopes=(slope,),
        single_units=single_units,
        level=level,
        draws=draws,
        seed=seed,
    )
    rows = [{**row, "slope": slope, "power": found["power"].iloc[0]}]
    for row in found.to_dict("records"):
        rows.append(
            {
                **row,
                "term": f"event_time_{row['event_time']}",
                "left": row["estimate"] - row["bias"],
            }
        )
    out = path_frame(frame, rows, level=level, extra_columns=(*NAMES, "outcome"))
    return out.astype(dict.fromkeys(NAMES, float))


def _slope_row(path: EventPath) -> dict:
    """The row of the slope."""
    before = path.times < path.reference
    r = (path.times - path.reference)[before].astype(float)
    matrix = path.matrix[np.ix_(before, before)]
    lifted = np.linalg.lstsq(matrix, r, rcond=1e-12)[0]
    precision = float(r @ lifted)
    if not precision > 0:
        raise no_covariance(path, before)
    return {
        "aggregation": "pretrend",
        "term": "slope",
        "estimate": float(lifted @ path.estimates[before]) / precision,
        "std_error": precision**-0.5,
        "note": f"{int(before.sum())} lead{'s' if before.sum() > 1 else ''}",
    }
