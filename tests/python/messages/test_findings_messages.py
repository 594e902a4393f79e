"""Tables the rules cannot read: named, with consequence and remedy."""

from __future__ import annotations

import pandas as pd
import pytest
from tests.support.planted_defects import simulated

from citypanel.errors import PanelError
from citypanel.quality.findings import as_panel


@pytest.fixture(scope="module")
def clean():
    return simulated(seed=1, n_cities=12, n_years=5)


def complaint(cells, cities, provinces):
    with pytest.raises(PanelError) as caught:
        as_panel(cells, cities, provinces)
    message = str(caught.value)
    assert "Consequence:" in message and "Remedy:" in message
    return message


@pytest.mark.parametrize("part", ["cells", "cities", "provinces"])
def test_a_column_that_is_missing(clean, part):
    tables = {name: getattr(clean, name) for name in ("cells", "cities", "provinces")}
    column = tables[part].columns[-1]
    tables[part] = tables[part].drop(columns=column)
    message = complaint(**tables)
    assert f"The table of {part} lacks columns (1)" in message
    assert f"- {column}" in message


def test_a_cell_that_stands_twice(clean):
    twice = pd.concat([clean.cells, clean.cells.head(1)])
    message = complaint(twice, clean.cities, clean.provinces)
    key = clean.cells.iloc[0]
    assert "Cells stand twice (1)" in message
    assert f"city_id {key['city_id']}, year {key['year']}" in message
    assert f"variable {key['variable']}" in message


def test_a_province_year_that_stands_twice(clean):
    twice = pd.concat([clean.provinces, clean.provinces.head(12)])
    message = complaint(clean.cells, clean.cities, twice)
    assert "Cells stand twice (12)" in message and "and 2 more" in message


def test_cells_of_a_city_nobody_knows(clean):
    message = complaint(clean.cells, clean.cities.iloc[1:], clean.provinces)
    assert f"- city_id {clean.cities['city_id'].iloc[0]}" in message
    assert "ref_cities" in message
