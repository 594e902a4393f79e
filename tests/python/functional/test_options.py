"""Every value of every option builds, and does what its name says."""

from __future__ import annotations

import re

import pytest

COUNTS = """
select
    (select count(*) from marts.fct_city_years) as city_years,
    (select count(distinct city_id) from marts.fct_city_years) as cities,
    (select count(distinct city_id) from marts.fct_city_years where cohort > 0)
        as treated,
    (select count(*) from marts.fct_tfp_changes) as indices,
    (select min(year) from marts.fct_capital_stocks) as capital_from,
"""

# Combinations that between them use every alternative at least once, with what the
# shipped figures imply.
COMBINATIONS = {
    "study_sample: nbs_70, real_gdp: city_growth, first_index_year: one, "
    "outcome: log_tfpch, exposure_from: next_year": {
        "city_years": 69 * 9,
        "cities": 69,
        "treated": 30,
        "indices": 69 * 9,
        "capital_from": 2011,
    },
    "first_index_year: from_2010, investment_deflator: province_investment_price, "
    "initial_capital: end_of_year, initial_growth: real, outcome: effch, "
    "exposure_from: fraction, labour_measure: student_share": {
        "city_years": 73 * 10,
        "cities": 73,
        "treated": 34,
        "indices": 73 * 9,
        "capital_from": 2010,
    },
    "study_sample: all_available, carry_years: 0, labour_measure: employed, "
    "fai_extension: flat, outcome: cumulative_log_tfp, log_base: e, "
    "standard_errors: linearmodels": {"cities": 73, "treated": 34},
    "fai_extension: none, last_year: 2016, gdp_vintage: revised, "
    "initial_capital: ten_percent, outcome: techch, standard_errors: full": {
        "city_years": 73 * 6,
        "cities": 73,
        "treated": 13,
        "indices": 73 * 5,
    },
    "excluded_cities: [municipalities, batch_4, provincial_capitals], "
    "credibility: false": {"cities": 35, "treated": 11, "indices": 35 * 8},
    "fai_extension: province_then_real_estate, labour_measure: students, "
    "standard_errors: reghdfe, first_year: 2012, treated_batches: [2]": {
        "city_years": 73 * 8,
        "cities": 73,
        "treated": 12,
        "indices": 73 * 7,
        "capital_from": 2011,
    },
    "orientation: input, returns_to_scale: vrs, frontier_reference: sequential, "
    "bootstrap_replications: 0, first_index_year: one": {"indices": 73 * 9},
    # Private employment of Zunyi ends in 2016: carried two years, it lacks 2019.
    "frontier: order-m, labour_measure: employed, seed: 7": {"indices": 72 * 8},
    "frontier_reference: metafrontier, decomposition: bias": {"indices": 73 * 8},
    "frontier_reference: global, imputation: linear, corrections: none": {
        "indices": 73 * 8,
    },
    "decomposition: ray-desli, bootstrap_replications: 10, "
    "imputation: growth_chaining": {"indices": 73 * 8},
    # Ten cities lack output in 2017, four more students in some year.
    "imputation: none, last_year: 2016, fai_extension: none": {"capital_from": 2011},
}


# Each takes a whole build: all but the first run with the slow tests.
N_QUICK = 1


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(options, marks=[pytest.mark.slow] if i >= N_QUICK else [])
        for i, options in enumerate(COMBINATIONS)
    ],
)
def test_combination_builds_and_has_the_rows_it_implies(workshop, options):
    result = workshop.dbt("build", "--vars", f"{{{options}}}")
    assert result.returncode == 0, result.stdout[-4000:]
    workshop = workshop.published_by(result)
    counts = workshop.query(COUNTS).iloc[0]
    expected = COMBINATIONS[options]
    assert {name: counts[name] for name in expected} == expected
    headline = workshop.query(
        "select * from marts.rpt_regressions where variant = 'headline' "
        "and paper_table = '3' and term = 'sydid'"
    )
    assert headline["estimate"].notna().all()
    # The options are on record in the file they made.
    recorded = workshop.query(
        "select * from marts.dim_study_variants where variant = 'headline'"
    ).iloc[0]
    # A comma within brackets is of a list.
    for pair in re.split(r", (?=\w+:)", options):
        name, _, value = pair.partition(": ")
        assert str(recorded[name]).lower() == value.strip("[]").lower()


@pytest.mark.slow
def test_intervals_come_from_the_replications_and_the_seed(workshop):
    sql = "select * from marts.fct_tfp_changes order by all"
    before = workshop.query(sql)
    assert (before["bootstrap_replications"] == 50).all()
    assert (before["effch_low"] <= before["effch_high"]).all()
    result = workshop.dbt("build", "--vars", "{bootstrap_replications: 20, seed: 1}")
    assert result.returncode == 0, result.stdout[-4000:]
    after = workshop.published_by(result).query(sql)
    assert (after["bootstrap_replications"] == 20).all()
    assert (after["tfpch"] == before["tfpch"]).all()
    assert not (after["effch_low"] == before["effch_low"]).all()


@pytest.mark.slow
def test_an_index_without_a_solution_is_empty_with_its_reason(workshop):
    result = workshop.dbt("build", "--vars", "{returns_to_scale: vrs}")
    assert result.returncode == 0, result.stdout[-4000:]
    workshop = workshop.published_by(result)
    empty = workshop.query(
        "select * from marts.fct_tfp_changes where tfpch is null order by all"
    )
    assert len(empty) > 0 and empty["reason"].notna().all()
    rows = workshop.query(
        "select * from marts.rpt_regressions where variant = 'headline' "
        "and paper_table = '3' and paper_column = '(1)' and term = 'sydid'"
    )
    assert rows["n_obs"].item() == 584 - len(empty)


@pytest.mark.slow
def test_an_unbalanced_sample_keeps_what_is_complete(workshop):
    options = "{study_sample: all_available, carry_years: 0, labour_measure: employed}"
    result = workshop.dbt("build", "--vars", options)
    assert result.returncode == 0, result.stdout[-4000:]
    workshop = workshop.published_by(result)
    counts = workshop.query(COUNTS).iloc[0]
    assert 73 * 7 < counts["city_years"] < 73 * 9
    rows = workshop.query(
        "select * from marts.rpt_sample where reason like 'in, without %'"
    )
    assert len(rows) > 5
    without = workshop.query(
        "select count(*) as n from marts.fct_city_years where labour is null"
    )
    assert without["n"].item() == 0


@pytest.mark.slow
def test_a_balanced_sample_names_who_drops_out(workshop):
    result = workshop.dbt("build", "--vars", "{carry_years: 0}")
    assert result.returncode == 0, result.stdout[-4000:]
    other = workshop.published_by(result)
    out = other.query(
        "select * from marts.rpt_sample where not is_in_sample"
    ).set_index("city_en")["reason"]
    assert out["Dali"] == "out: the yearbook table has no row of this city"
    # Students of Shenzhen are not published for 2018 and 2019.
    assert out["Shenzhen"] == "out: no labour in 2018, 2019"
