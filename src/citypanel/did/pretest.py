"""What a test of pre-trends could have seen (Roth 2022)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy
from scipy import special

from citypanel.did.event_paths import EventPath, event_path, path_frame
from citypanel.did.honest import covariance_root
from citypanel.did.panels import choose
from citypanel.did.results import remembering
from citypanel.errors import EstimationError, OptionError

TESTS = ("individual", "joint")


@remembering
def pretrend_power(
    frame: pd.DataFrame,
    *,
    test: str = "individual",
    powers: Sequence[float] = (0.5, 0.8),
    slopes: Sequence[float] = (),
    single_units: bool = False,
    level: float = 0.95,
    draws: int = 100_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Linear violations of parallel trends that the pre-test would miss.

    With delta_e = slope (e - reference), the pre-test rejects when any lead is
    significant on its own (``individual``) or when the leads are jointly
    (``joint``), under normality with the estimated covariance.

    Parameters
    ----------
    frame : DataFrame
        An event study with its covariance (see `event_path`).
    test : {"individual", "joint"}
    powers : sequence of float
        Find the positive slope that is rejected with each of these probabilities.
    slopes : sequence of float
        Slopes a period to evaluate as well.
    single_units : bool
        Use event times that rest on cohorts of one unit.
    level : float
        Of the pre-test.
    draws, seed : int
        Normal draws, the same for every slope.

    Returns
    -------
    DataFrame
        For each slope, one row per event time after the reference (aggregation
        ``pretrend``): ``slope``, ``power`` of the pre-test, ``bias`` = delta_e,
        ``bias_if_passed`` = the mean bias given that the pre-test passes, and
        ``passed_ratio`` = the chance to pass under the trend over that without one.

    Raises
    ------
    OptionError
        A power outside (1 - level, 1), or an unknown test.
    EstimationError
        An event study without a covariance or without pre-periods; leads whose
        covariance is singular.

    References
    ----------
    Roth (2022), American Economic Review: Insights 4.

    Examples
    --------
    >>> from citypanel import did
    >>> from citypanel.examples import zones
    >>> columns = dict(outcome="wage", cohort="zone", unit="city", period="year")
    >>> path = did.event_study(zones(), **columns)
    >>> found = did.pretrend_power(path, draws=2000)
    >>> found.iloc[:, :4].round(3)
       estimator aggregation  cohort  period
    0       twfe    pretrend    <NA>    <NA>
    1       twfe    pretrend    <NA>    <NA>
    2       twfe    pretrend    <NA>    <NA>
    3       twfe    pretrend    <NA>    <NA>
    4       twfe    pretrend    <NA>    <NA>
    5       twfe    pretrend    <NA>    <NA>
    6       twfe    pretrend    <NA>    <NA>
    7       twfe    pretrend    <NA>    <NA>
    8       twfe    pretrend    <NA>    <NA>
    9       twfe    pretrend    <NA>    <NA>
    10      twfe    pretrend    <NA>    <NA>
    11      twfe    pretrend    <NA>    <NA>
    """
    choose("test", test, TESTS)
    bad = [p for p in powers if not (1 - level) < p < 1]
    if bad:
        raise OptionError.of(
            "did.pre_test_not_such", [f"{p}" for p in bad], what=1 - level
        )
    path = event_path(frame, single_units=single_units)
    law = _PreTest(path, test, level, draws, seed)
    found: list[tuple[float, float | None]]
    found = [(law.slope_with_power(p), p) for p in powers]
    found += [(float(s), None) for s in slopes]
    error = np.sqrt(np.diag(path.matrix))
    rows = []
    chance = law.passed(0.0).mean()
    for slope, wanted in found:
        passed = law.passed(slope)
        power = 1.0 - passed.mean()
        conditional = law.mean_if_passed(slope, passed)
        for j in np.flatnonzero(path.times > path.reference):
            bias = slope * (path.times[j] - path.reference)
            rows.append(
                {
                    "aggregation": "pretrend",
                    "event_time": path.labels[j],
                    "term": f"slope_at_power_{wanted}" if wanted else "slope_given",
                    "estimate": path.estimates[j],
                    "std_error": error[j],
                    "slope": slope,
                    "power": power,
                    "bias": bias,
                    "bias_if_passed": conditional[j],
                    "passed_ratio": passed.mean() / chance,
                }
            )
    names = ("slope", "power", "bias", "bias_if_passed", "passed_ratio")
    out = path_frame(frame, rows, level=level, extra_columns=(*names, "outcome"))
    return out.astype(dict.fromkeys(names, float))


def no_covariance(path: EventPath, before: np.ndarray) -> EstimationError:
    """Leads whose covariance is not of full rank, each with its standard error."""
    return EstimationError.of(
        "did.leads_no_covariance_full",
        [
            f"event time {path.times[place]}: standard error "
            f"{np.sqrt(path.matrix[place, place]):.4g}"
            for place in np.flatnonzero(before)
        ],
    )


class _PreTest:
    """The pre-test on normal draws of all event times."""

    def __init__(self, path: EventPath, test: str, level: float, draws: int, seed: int):
        self.path, self.test = path, test
        self.before = path.times < path.reference
        self.trend = (path.times - path.reference).astype(float)
        pre = path.matrix[np.ix_(self.before, self.before)]
        error = np.sqrt(np.diag(pre))
        if not (error > 0).all() or (
            np.linalg.cond(pre / np.outer(error, error)) > 1e12
        ):
            raise no_covariance(path, self.before)
        rng = np.random.default_rng(seed)
        root = covariance_root(path.matrix)
        half = rng.standard_normal((draws // 2, len(path.times))) @ root.T
        self.noise = np.vstack([half, -half])
        # Event time by event time: each is looked at in every draw.
        self.leads = self.noise[:, self.before].T.copy()
        self.inverse = np.linalg.inv(pre)
        self.error = error
        self.single = special.ndtri(0.5 + level / 2)
        self.joint = special.chdtri(self.before.sum(), 1 - level)

    def passed(self, slope: float) -> np.ndarray:
        leads = slope * self.trend[self.before, None] + self.leads
        if self.test == "individual":
            return (np.abs(leads) <= self.single * self.error[:, None]).all(axis=0)
        return np.einsum("ji,jk,ki->i", leads, self.inverse, leads) <= self.joint

    def slope_with_power(self, power: float) -> float:
        """Smallest positive slope that the pre-test rejects with a probability."""

        def miss(slope):
            return 1.0 - self.passed(slope).mean() - power

        if miss(0.0) >= 0:
            return 0.0
        high = float(self.error.max())
        while miss(high) < 0:
            high *= 2
        return float(scipy.optimize.brentq(miss, 0.0, high, xtol=1e-10 * high))

    def mean_if_passed(self, slope: float, passed: np.ndarray) -> np.ndarray:
        """Mean of the estimates' bias over the draws that pass.

        The part after treatment follows from the leads by regression, which has less
        noise than averaging its own draws.
        """
        delta = slope * self.trend
        if not passed.any():
            return np.full(len(delta), np.nan)
        leads = self.noise[passed][:, self.before].mean(axis=0)
        matrix = self.path.matrix[:, self.before] @ self.inverse
        return delta + matrix @ leads
