"""A trend before treatment: its slope, and what a test would see of it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from citypanel.did.event_paths import event_path
from citypanel.did.frames import join_notes, tidy
from citypanel.did.pretest import pretrend_power

NAMES = ("slope", "power", "bias", "bias_if_passed", "passed_ratio", "left")


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

    With b the leads' estimates, V their covariance and r_e = e - reference, the slope
    is that of generalised least squares through the reference,

        slope = r'V^-1 b / r'V^-1 r,   variance 1 / r'V^-1 r.

    `pretrend_power` then says how often the pre-test rejects if this were the true
    trend, and how much of each effect it would be.

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
    path = event_path(frame, single_units=single_units)
    before = path.times < path.reference
    r = (path.times - path.reference)[before].astype(float)
    matrix = path.matrix[np.ix_(before, before)]
    lifted = np.linalg.lstsq(matrix, r, rcond=1e-12)[0]
    precision = float(r @ lifted)
    slope = float(lifted @ path.estimates[before]) / precision
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
    rows: list[dict] = [
        {
            "aggregation": "pretrend",
            "term": "slope",
            "estimate": slope,
            "std_error": precision**-0.5,
            "slope": slope,
            "power": found["power"].iloc[0],
            "note": join_notes(f"{int(before.sum())} leads"),
        }
    ]
    for row in found.to_dict("records"):
        rows.append(
            {
                **row,
                "term": f"event_time_{row['event_time']}",
                "left": row["estimate"] - row["bias"],
            }
        )
    return tidy(
        rows,
        estimator=str(frame["estimator"].iloc[0]),
        level=level,
        extra_columns=(*NAMES, "outcome"),
        outcome=frame["outcome"].iloc[0] if "outcome" in frame else None,
    ).astype(dict.fromkeys(NAMES, float))
