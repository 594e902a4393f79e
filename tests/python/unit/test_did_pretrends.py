"""The slope of the leads, and the power of the pre-test against it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from citypanel import did
from citypanel.errors import EstimationError
from citypanel.examples import zones


def simulate(seed=0, n=60, slope=0.0, noise=1.0):
    rng = np.random.default_rng(seed)
    i, t = (v.ravel() for v in np.indices((n, 9)))
    treated = i < n // 2
    frame = pd.DataFrame({"i": i, "t": t, "g": np.where(treated, 6.0, np.nan)})
    frame["y"] = i % 5 + slope * t * treated + noise * rng.normal(size=len(frame))
    return frame


OWN = dict(outcome="y", cohort="g", unit="i", period="t", engine="closed_form")


def test_the_slope_is_that_of_least_squares_with_the_covariance():
    study = did.event_study(simulate(1, slope=0.2), **OWN)
    fit = did.pretrend_at_slope(study, draws=2000)
    extra = study.attrs["covariance"]
    early = extra["positions"] < -1
    v = extra["matrix"][np.ix_(early, early)]
    b, r = extra["estimates"][early], extra["positions"][early] + 1.0
    root = np.linalg.cholesky(np.linalg.inv(v)).T
    want = np.linalg.lstsq((root @ r)[:, None], root @ b, rcond=None)[0][0]
    assert fit["estimate"].iloc[0] == pytest.approx(want)
    after = fit[fit["event_time"].notna()]
    times = after["event_time"].astype(float)
    np.testing.assert_allclose(after["bias"], want * (times + 1))
    np.testing.assert_allclose(after["left"], after["estimate"] - after["bias"])


def test_an_exact_trend_leaves_nothing_after():
    study = did.event_study(simulate(2, slope=0.5, noise=1e-3), **OWN)
    fit = did.pretrend_at_slope(study, draws=2000)
    assert fit["estimate"].iloc[0] == pytest.approx(0.5, abs=1e-2)
    assert fit["power"].iloc[0] == pytest.approx(1.0)
    np.testing.assert_allclose(fit["left"].dropna(), 0.0, atol=2e-2)


def test_power_at_the_slope_is_that_of_the_joint_test():
    study = did.event_study(simulate(3, slope=0.3), **OWN)
    fit = did.pretrend_at_slope(study, test="joint", draws=40_000)
    extra = study.attrs["covariance"]
    early = extra["positions"] < -1
    v = extra["matrix"][np.ix_(early, early)]
    delta = fit["estimate"].iloc[0] * (extra["positions"][early] + 1.0)
    k = int(early.sum())
    want = stats.ncx2.sf(stats.chi2.ppf(0.95, k), k, delta @ np.linalg.solve(v, delta))
    assert fit["power"].iloc[0] == pytest.approx(want, abs=0.01)


@pytest.mark.parametrize("function", [did.pretrend_line, did.pretrend_at_slope])
def test_leads_without_sampling_error_have_no_slope(function):
    """An outcome of unit and period alone, such as the number of a row."""
    panel = zones()
    columns = dict(outcome="row", cohort="zone", unit="city", period="year")
    panel["row"] = range(len(panel))
    cells = did.group_time_att(panel, base_period="universal", **columns)
    study = did.aggregate_att(cells, "dynamic")
    with pytest.raises(EstimationError, match="no covariance of full rank"):
        function(study)
