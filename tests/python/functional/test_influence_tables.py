"""Influences on the shipped figures, against full recomputations by the plain route."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest

from citypanel import did
from citypanel.frontier import malmquist
from citypanel.sensitivity.cell_changes import seed_cells
from citypanel.sensitivity.changed_plans import Change
from citypanel.sensitivity.estimation import estimate
from citypanel.sensitivity.headline import Headline
from citypanel.sensitivity.influence import _cells, _planned
from citypanel.sensitivity.influence_tables import headline_of
from citypanel.sensitivity.pipeline import SOURCE_TABLES

MARTS = [
    "rpt_influence",
    "rpt_frontier_carriers",
    "rpt_frontier_alternatives",
    "rpt_assumed_bounds",
    "rpt_index_uncertainty",
    "rpt_yardsticks",
]


@pytest.fixture(scope="module")
def headline(built) -> Headline:
    tables = {
        name: built.query(f"from {table}") for name, table in SOURCE_TABLES.items()
    }
    variants = built.query("from marts.dim_study_variants")
    study, options, _ = headline_of(tables, variants)
    return Headline(study, options)


def test_the_headline_is_the_published_one(built, headline):
    published = built.query(
        "select * from marts.rpt_regressions where variant = 'headline' "
        "and paper_table = '3' and paper_column = '(1)' and term = 'sydid'"
    ).iloc[0]
    result = headline.result
    assert result.estimate == pytest.approx(published["estimate"], abs=1e-13)
    assert result.std_error == pytest.approx(published["std_error"], abs=1e-13)
    assert result.n_obs == published["n_obs"]
    index = built.query(
        "select avg(tfpch) as mean, stddev(tfpch) as std_dev, max(tfpch) as maximum "
        "from marts.fct_tfp_changes"
    ).iloc[0]
    assert result.mean == pytest.approx(index["mean"], abs=1e-12)
    assert result.std_dev == pytest.approx(index["std_dev"], abs=1e-12)
    assert result.maximum == pytest.approx(index["maximum"], abs=1e-12)


def test_changed_figures_against_the_whole_study(headline):
    """A figure of every series, deleted and slipped, by a study of its own."""
    study, cells = headline.study, seed_cells(headline)
    some = cells.loc[cells["year"].isin([2012, 2016])]
    some = pd.concat(
        part.sample(1, random_state=8) for _, part in some.groupby("variable")
    )
    planned = _planned(some, ["seed_cell", "slip"], [10.0])
    found = _cells(headline, planned)
    for row in found.itertuples():
        new = None if row.kind == "seed_cell" else 10 * row.value
        if row.scope == "yearbook":
            key = (row.unit, row.year, row.variable, "yearbook")
            changed = study.with_cell(*key, new)
        else:
            changed = study.with_province_value(row.unit, row.year, row.variable, new)
        plain = estimate(changed, headline.options, engine="closed_form")
        for name in ("estimate", "std_error", "mean", "std_dev", "maximum"):
            assert getattr(row, name) == pytest.approx(
                getattr(plain, name), rel=1e-10, abs=1e-12
            ), row


def test_a_city_out_of_the_sample_by_the_plain_route(headline):
    plans = headline.plans
    i = plans.position("440300")
    result = headline.changed(Change.without(plans, i))
    rows = plans.frame()
    frame = malmquist(
        rows.loc[rows["city_id"] != "440300"],
        unit="city_id",
        period="year",
        outputs=["gdp_real_cny_10k"],
        inputs=["capital_real_cny_10k", "labour"],
    )
    panel = headline.study.panel(headline.options)[["city_id", "year", "sydid"]]
    fitted = did.twfe(
        frame.merge(panel, on=["city_id", "year"]),
        outcome="tfpch",
        treatment="sydid",
        unit="city_id",
        period="year",
    ).iloc[0]
    assert result.estimate == pytest.approx(fitted["estimate"], abs=1e-12)
    assert result.std_error == pytest.approx(fitted["std_error"], abs=1e-12)


def test_a_plain_build_has_no_influences(built):
    assert not {f"marts.{name}" for name in MARTS} & set(built.fingerprints())


@pytest.mark.slow
def test_the_option_builds_and_the_command_computes_the_same(built, tmp_path):
    copy = built.copy(tmp_path / "project")
    result = copy.dbt("build", "--vars", "{influence: true, inference_draws: 99}")
    assert result.returncode == 0, result.stdout
    assert {f"marts.{name}" for name in MARTS} <= set(copy.fingerprints())

    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "citypanel.cli", "influence", "--workers", "2"],
        cwd=copy.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    folder = copy.root / "outputs" / "influence"
    text = (folder / "index.md").read_text(encoding="utf-8")
    assert done.stdout.splitlines()[:3] == text.splitlines()[:3]
    with duckdb.connect() as connection:
        for name in MARTS:
            file = folder / f"{name.removeprefix('rpt_')}.parquet"
            theirs = connection.sql(f"from '{file}'").df()
            ours = copy.query(f"from marts.{name}")
            assert len(theirs) == len(ours), name
            np.testing.assert_array_equal(
                np.sort(theirs["estimate" if "estimate" in ours else "weight"]),
                np.sort(ours["estimate" if "estimate" in ours else "weight"]),
                err_msg=name,
            )
