"""Thousands of clusters taken many at once: the numbers of one by one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from citypanel import did
from citypanel.did import covariances

OWN = dict(outcome="y", treatment="d", unit="i", period="t")


def panel(seed: int, gaps: bool) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    i, t = (v.ravel() for v in np.indices((24, 6)))
    frame = pd.DataFrame({"i": i, "t": t, "c": i // 3, "w": 1.0 + i % 4})
    frame["d"] = ((i % 3 > 0) & (t >= 2 + i % 3)).astype(float)
    frame["a"], frame["b"] = rng.normal(size=(2, len(frame)))
    frame["y"] = frame["d"] + rng.normal(size=len(frame)) * (1 + frame["d"])
    return frame[(i % 5 > 0) | (t != 3)] if gaps else frame


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("more", [{}, {"weights": "w"}, {"cluster": "c"}], ids=str)
@pytest.mark.parametrize("convention", ["CR2", "CR3"])
def test_many_clusters_are_taken_at_once(convention, more, gaps, monkeypatch):
    options = dict(
        OWN,
        controls=["a", "b"],
        standard_errors=convention,
        engine="closed_form",
        **more,
    )
    frame = panel(3, gaps)
    one_by_one = did.twfe(frame, **options)
    monkeypatch.setattr(covariances, "MANY", 2)
    monkeypatch.setattr(covariances, "BATCH", 400)  # several batches
    numbers = ["estimate", "std_error", "df", "p_value"]
    np.testing.assert_allclose(
        did.twfe(frame, **options)[numbers], one_by_one[numbers], rtol=1e-9
    )


def test_a_cluster_that_alone_identifies_a_coefficient(monkeypatch):
    frame = panel(4, False)
    frame["a"] = np.where(frame["i"] == 7, frame["a"], 0.0)
    options = dict(OWN, controls=["a"])
    one_by_one = did.jackknife(frame, **options)
    monkeypatch.setattr(covariances, "MANY", 2)
    pd.testing.assert_frame_equal(
        did.jackknife(frame, **options), one_by_one, rtol=1e-9
    )


def test_designs_without_unit_effects(monkeypatch):
    rng = np.random.default_rng(5)
    x, cluster = rng.normal(size=(40, 3)), np.repeat(np.arange(8), 5)
    fit = covariances.Fit(
        x, np.zeros(3), rng.normal(size=40), np.linalg.inv(x.T @ x), None, None
    )
    before = [covariances.cr2(fit, cluster), covariances.cr3(fit, cluster)]
    monkeypatch.setattr(covariances, "MANY", 2)
    after = [covariances.cr2(fit, cluster), covariances.cr3(fit, cluster)]
    for one, many in zip(before, after, strict=True):
        for a, b in zip(one, many, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9)
