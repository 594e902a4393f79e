"""Every statistics file as it circulates, imported at the default precedence."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest
from tests.python.reference.test_importer_raw_files import CASES

from citypanel.importers import plan_yearbook
from citypanel.influence.headline import Headline
from citypanel.study.options import Options
from citypanel.study.run import Sources, Study

CELLS = "select city_id, year, variable, value, source from "
RECONCILED = "intermediate.int_cells__reconciled"
KEY = ["city_id", "year", "variable"]
# Cells that had no figure before, by variable; counted 2026-11-28.
FILLED = {
    "gdp_cny_10k": 20,
    "gdp_growth_pct": 139,
    "secondary_cny_10k": 80,
    "tertiary_cny_10k": 80,
}
HEADLINE = -0.005613


@pytest.mark.slow
def test_every_statistics_file_fills_cells_without_a_figure_and_no_other(
    built, workshop, raw_files
):
    for pattern, *_ in CASES.values():
        paths = sorted(raw_files.glob(pattern))
        plan_yearbook(paths, project=workshop.root).write(workshop.root)
    result = workshop.dbt("build", "--select", "+rpt_regressions")
    assert result.returncode == 0, result.stdout[-3000:]
    file = workshop.root / "target" / "citypanel_build.duckdb"
    with duckdb.connect(str(file), read_only=True) as build:
        after = Study(Sources.read(lambda name: build.sql(f"from {name}").df()))
        now = build.sql(CELLS + RECONCILED).df()
    before = built.query(CELLS + RECONCILED)
    both = before.merge(now, on=KEY, how="outer", suffixes=("", "_now"))
    same = (both["value"] == both["value_now"]) | both[
        ["value", "value_now"]
    ].isna().all(axis=1)
    moved = both.loc[~same]
    assert moved["value"].isna().all(), moved.dropna(subset="value").to_string()
    assert moved.groupby("variable").size().to_dict() == FILLED
    options = Options()
    estimate = Headline(after, options).result.estimate
    assert estimate == pytest.approx(HEADLINE, abs=5e-7)
    # Without these cells the headline is the shipped one: nothing else moves it.
    readings = {name: table.copy() for name, table in after.readings(options).items()}
    for city, year, name in moved[KEY].itertuples(index=False):
        at = after.grid.city_at[city], int(np.searchsorted(after.years, year))
        readings[name][at] = np.nan
    shipped = built.query(
        "select estimate from marts.rpt_regressions where variant = 'headline' and "
        "paper_table = '3' and paper_column = '(1)' and term = 'sydid'"
    )
    without = Headline(after.instead(readings=readings), options).result.estimate
    assert without == pytest.approx(shipped["estimate"].item(), abs=1e-12)
