"""The study in memory gives the tables of a build: its options are wired up right."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest

from citypanel.study.estimation import estimate
from citypanel.study.options import Options
from citypanel.study.run import Sources, Study


def study_of(project) -> Study:
    with duckdb.connect(str(project.published), read_only=True) as connection:
        return Study(Sources.read(lambda name: connection.sql(f"from {name}").df()))


@pytest.fixture(scope="module")
def study(built) -> Study:
    return study_of(built)


def same(ours, theirs) -> bool:
    ours = pd.to_numeric(ours).to_numpy(float, na_value=np.nan)
    theirs = pd.to_numeric(theirs).to_numpy(float, na_value=np.nan)
    return np.array_equal(ours, theirs, equal_nan=True)


def check_panel(project, study) -> None:
    variants = project.query("from intermediate.int_study_variants")
    for _, row in variants.iterrows():
        keys = f"where variant = '{row['variant']}' order by city_id, year"
        ours = study.panel(Options.of_build(row))
        theirs = project.query(f"from intermediate.int_study_panel {keys}")
        for name in theirs.columns.drop("variant"):
            if pd.api.types.is_numeric_dtype(theirs[name].dtype):
                assert same(ours[name], theirs[name]), (row["variant"], name)
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
            ours = estimate(study, Options.of_build(row).replace(**changed))
            theirs = printed.loc[(row["variant"], *column)]
            for name in ("estimate", "std_error", "p_value", "n_obs", "n_cities"):
                # A sum in another order may differ in its last digit.
                near = pytest.approx(theirs[name], rel=1e-11)
                assert getattr(ours, name) == near, (row["variant"], name)
            assert ours.n_treated_cities == theirs["n_treated_cities"]
            assert ours.assumed_share == theirs["assumed_share"]


def test_panels_and_estimates_are_those_of_the_build(built, study):
    check_panel(built, study)
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


def test_a_zone_counts_from_its_day_under_every_rule(built):
    """The three datings, from the roster itself."""
    table = built.query("from intermediate.int_policy_exposures")
    start = table["approval_date"].dt.year
    days = np.where(table["approval_date"].dt.is_leap_year, 366, 365)
    left = (days - table["approval_date"].dt.day_of_year + 1) / days
    treated, year = table["batch"].isin([1, 2, 3]), table["year"]
    assert same(table["approval_year"], start)
    for rule, lag in (("approval_year", 0), ("next_year", 1), ("fraction", 0)):
        on = (treated & (year >= start + lag)).astype(float)
        if rule == "fraction":
            on = on.mask(treated & (year == start), left)
        assert same(table[f"exposure__{rule}"], on), rule
        assert same(table[f"cohort__{rule}"], (start + lag).where(treated)), rule


@pytest.mark.slow
def test_a_deleted_seed_cell_equals_a_build_without_it(workshop, study):
    seed = workshop.seed("raw_yearbook_city_years")
    raw = pd.read_csv(seed, dtype=str, keep_default_na=False)
    names = workshop.query(
        "select variable, yearbook_column from raw.ref_variables"
    ).set_index("variable")["yearbook_column"]
    code = next(c for c in raw.columns if raw[c].eq("330100").any())
    year = next(c for c in raw.columns if raw[c].eq("2015").any())
    deleted = [("330100", "2015", "fai_cny_10k"), ("310000", "2014", "gdp_cny_10k")]
    ours = study
    for city, when, variable in deleted:
        here = (raw[code] == city) & (raw[year] == when)
        assert here.sum() == 1
        raw.loc[here, names[variable]] = ""
        ours = ours.with_cell(city, int(when), variable, "yearbook", None)
    raw.to_csv(seed, index=False)
    result = workshop.dbt("build")
    assert result.returncode == 0, result.stdout
    check_panel(workshop, ours)
    check_estimates(workshop, ours)
