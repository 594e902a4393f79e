"""Sensitivity intervals against HonestDiD's own example."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from tests.support.validation import assert_allclose

from citypanel import did


@pytest.fixture(scope="module")
def study(references):
    folder = references / "did" / "honestdid_ehec"
    data = pd.read_csv(folder / "inputs.csv")
    data = data[(data["year"] < 2016) & ~(data["yexp2"] == 2015)]
    data = data.assign(cohort=np.where(data["yexp2"] == 2014, 2014, 0))
    frame = did.event_study(
        data, outcome="dins", cohort="cohort", unit="stfips", period="year"
    )
    return frame, json.loads((folder / "expected.json").read_text())


@pytest.mark.compares("did.honest_did", "R HonestDiD 0.2.8 (README)")
def test_smoothness_intervals(study):
    # HonestDiD 0.2.8 README, three significant figures; tolerance 5e-4.
    frame, expected = study
    want = np.array(expected["smoothness_FLCI"])
    ours = did.honest_did(frame, kind="smoothness", bounds=want[:, 0])
    ours = ours[ours["aggregation"] == "smoothness"]
    assert_allclose(ours["conf_low"], want[:, 1], atol=5e-4)
    assert_allclose(ours["conf_high"], want[:, 2], atol=5e-4)
    assert ours["breakdown"].iloc[0] == 0.02


@pytest.mark.compares("did.honest_did", "R HonestDiD 0.2.8 (README)")
def test_relative_magnitude_intervals(study):
    # The same, conditional and least-favourable hybrid on a grid; tolerance 1e-3.
    frame, expected = study
    want = np.array(expected["relative_magnitudes_C-LF"])
    ours = did.honest_did(frame, bounds=want[:, 0])
    assert ours.loc[0, "aggregation"] == "original"
    ours = ours[ours["aggregation"] == "relative_magnitude"]
    assert_allclose(ours["conf_low"], want[:, 1], atol=1e-3)
    assert_allclose(ours["conf_high"], want[:, 2], atol=1e-3)
    assert ours["breakdown"].iloc[0] == 1.5
