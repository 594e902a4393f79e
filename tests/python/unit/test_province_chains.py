"""A chained index with a missing link is empty from there on, in SQL and its twin."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import numpy as np
import pytest

from citypanel.study.pipeline import DEFLATORS, Study


@pytest.mark.parametrize(
    ("indicator", "deflator", "column"),
    [
        ("GDPIDX", DEFLATORS[0], "gdp_deflator_idx"),
        ("FAIPI", DEFLATORS[1], "investment_price_idx"),
    ],
)
def test_a_missing_link_ends_the_index(
    project, small_sources, indicator, deflator, column
):
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

    model = project / "models" / "intermediate" / "int_province_years.sql"
    sql = model.read_text(encoding="utf-8").replace(
        '{{ ref("int_province_series") }}', "kept"
    )
    with duckdb.connect() as connection:
        connection.register("kept", kept)
        found = connection.execute(sql).df()
    found = found[found["province_id"] == "110000"].set_index("year")[column]
    np.testing.assert_allclose(found.loc[years].to_numpy(float), ours, rtol=1e-12)
