"""A chained index with a missing link is empty from there on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from citypanel.study.run import Study
from citypanel.study.steps.series import GDP_DEFLATOR, INVESTMENT_PRICE


@pytest.mark.parametrize(
    ("indicator", "deflator"),
    [("GDPIDX", GDP_DEFLATOR), ("FAIPI", INVESTMENT_PRICE)],
)
def test_a_missing_link_ends_the_index(small_sources, indicator, deflator):
    series = small_sources.province_series
    gap = (
        (series["province_id"] == "110000")
        & (series["year"] == 2014)
        & (series["indicator"] == indicator)
    )
    assert gap.sum() == 1
    kept = series[~gap]
    study = Study(replace(small_sources, province_series=kept))
    city = list(study.city_ids).index("110010")
    ours = study.provinces()[deflator][city]
    years = np.asarray(study.years)
    assert np.isnan(ours[years >= 2014]).all()
    whole = Study(small_sources).provinces()[deflator][city]
    np.testing.assert_array_equal(ours[years < 2014], whole[years < 2014])
