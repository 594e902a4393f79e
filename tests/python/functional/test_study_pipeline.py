"""The study in memory against the warehouse's tables, to the last digit."""

from __future__ import annotations

import json
from dataclasses import replace

import duckdb
import numpy as np
import pandas as pd
import pytest

from citypanel.study.estimation import estimate
from citypanel.study.pipeline import Options, Sources, Study

MEASURES = {
    "gdp_real_cny_10k": lambda study, options: study.real_output(options),
    "investment_real_cny_10k": lambda study, options: study.investment(options)[0],
    "labour": lambda study, options: study.labour(options),
    "is_investment_assumed": lambda study, options: study.investment(options)[1],
}


def connect(project):
    return duckdb.connect(str(project.published), read_only=True)


def study_of(project) -> Study:
    with connect(project) as connection:
        return Study(Sources.read(lambda name: connection.sql(f"from {name}").df()))


@pytest.fixture(scope="module")
def study(built) -> Study:
    return study_of(built)


def same(ours, theirs) -> bool:
    ours = np.asarray(ours, dtype=float)
    theirs = np.asarray(pd.to_numeric(theirs), dtype=float)
    return np.array_equal(ours, theirs, equal_nan=True)


def check_tables(project, study) -> None:
    variants = project.query("from intermediate.int_study_variants")
    for _, row in variants.iterrows():
        options = Options.of_build(row)
        keys = f"where variant = '{row['variant']}' order by city_id, year"
        inputs = project.query(f"from intermediate.int_study_inputs {keys}")
        for name, make in MEASURES.items():
            assert same(make(study, options).ravel(), inputs[name]), name
        for name, table in study.controls(options).items():
            assert same(table.ravel(), inputs[name]), name
        drawn = project.query(f"from intermediate.int_study_sample {keys}")
        sample = study.sample(options)
        kept = sample.is_candidate
        assert same(sample.capital[kept], drawn["capital_real_cny_10k"])
        assert same(sample.is_in_sample[kept], drawn["is_in_sample"])
        assert same(sample.is_capital_assumed[kept], drawn["is_capital_assumed"])
        ours = study.panel(options)
        theirs = project.query(f"from intermediate.int_study_panel {keys}")
        for name in theirs.columns.drop("variant"):
            if pd.api.types.is_numeric_dtype(theirs[name].dtype):
                assert same(ours[name], theirs[name]), name
            else:
                assert list(ours[name]) == list(theirs[name]), name


def check_estimates(project, study) -> None:
    variants = project.query("from intermediate.int_study_variants")
    printed = project.query(
        "from marts.rpt_regressions where term = 'sydid' and paper_table in ('3', '5')"
    ).set_index(["variant", "paper_table", "paper_column"])
    columns = {
        ("3", "(1)"): {},
        ("3", "(2)"): {"controls": "paper"},
        ("5", "(3)"): {"controls": "paper", "exclusion": "municipalities"},
    }
    for _, row in variants.iterrows():
        for column, changed in columns.items():
            ours = estimate(study, replace(Options.of_build(row), **changed))
            theirs = printed.loc[(row["variant"], *column)]
            for name in ("estimate", "std_error", "p_value", "n_obs", "n_cities"):
                assert getattr(ours, name) == theirs[name], (row["variant"], name)
            assert ours.n_treated_cities == theirs["n_treated_cities"]
            assert ours.assumed_share == theirs["assumed_share"]


def test_every_step_equals_the_warehouse(built, study):
    check_tables(built, study)


def test_estimates_equal_rpt_regressions(built, study):
    check_estimates(built, study)


def test_zero_labour_prices_equal_rpt_frontier(built, study):
    options = Options.of_build(
        built.query("from marts.dim_study_variants where variant = 'headline'").iloc[0]
    )
    theirs = built.query(
        "select sum(zero_labour_price_share * n_cities) / sum(n_cities) as share "
        "from marts.rpt_frontier"
    )["share"].iloc[0]
    assert study.zero_labour_share(options) == pytest.approx(theirs, rel=1e-12)


def test_filled_series_equal_the_warehouse(built, study):
    cells = built.query(
        "select city_id, year, variable, value from intermediate.int_cells__imputed "
        "where variable in (select variable from raw.ref_variables "
        "where kind = 'yearbook')"
    )
    series = study.series(Options())
    assert set(cells["variable"]) == set(series)
    for name, rows in cells.groupby("variable"):
        wide = rows.pivot(index="city_id", columns="year", values="value").sort_index()
        assert same(series[name].ravel(), wide.to_numpy(float).ravel()), name


OTHER_OPTIONS = (
    {"imputation": "growth_chaining", "excluded_cities": ["batch_4"]},
    {"imputation": "linear", "corrections": "none", "carry_years": 5},
    {"imputation": "none", "study_sample": "all_available"},
    {"labour_measure": "employed", "investment_deflator": "province_investment_price"},
    {"fai_extension": "province_then_real_estate", "depreciation": 0.1096},
    {"fai_extension": "flat", "first_index_year": "from_2010",
     "initial_growth": "real"},
    {"study_sample": "all_available", "first_index_year": "one", "log_base": "e"},
    {"study_sample": "nbs_70", "exposure_from": "fraction", "gdp_vintage": "revised"},
    {"returns_to_scale": "vrs", "frontier_reference": "global", "carry_years": 0},
    {"initial_capital": "ten_percent", "frontier_reference": "sequential",
     "outcome": "cumulative_log_tfp", "treated_batches": [2, 3]},
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("choice", OTHER_OPTIONS, ids=lambda choice: "-".join(choice))
def test_other_options_equal_a_build_with_them(workshop, choice):
    result = workshop.dbt("build", "--vars", json.dumps(choice))
    assert result.returncode == 0, result.stdout
    study = study_of(workshop)
    check_tables(workshop, study)
    check_estimates(workshop, study)


@pytest.mark.slow
def test_a_deleted_seed_cell_equals_a_build_without_it(workshop, study):
    seed = workshop.seed("raw_yearbook_city_years")
    raw = pd.read_csv(seed, dtype=str, keep_default_na=False)
    names = workshop.query(
        "select variable, yearbook_column from raw.ref_variables"
    ).set_index("variable")["yearbook_column"]
    column = names["fai_cny_10k"]
    code = next(c for c in raw.columns if raw[c].eq("330100").any())
    year = next(c for c in raw.columns if raw[c].eq("2015").any())
    raw.loc[(raw[code] == "330100") & (raw[year] == "2015"), column] = ""
    raw.to_csv(seed, index=False)
    result = workshop.dbt("build")
    assert result.returncode == 0, result.stdout
    ours = study.with_cell("330100", 2015, "fai_cny_10k", "yearbook", None)
    check_tables(workshop, ours)
    check_estimates(workshop, ours)
