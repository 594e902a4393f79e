"""Numbers of the rendered report, each recomputed by SQL from the published file."""

from __future__ import annotations

import html
import re

import pytest

from citypanel.outputs.facts import read_frames
from citypanel.outputs.report import study_page

MAIN = (
    "paper_table = '3' and paper_column = '(1)' and term = 'sydid' "
    "and variant = 'headline'"
)
TWFE = "estimator = 'twfe'"
# A sentence of the page with its numbers as fields, and the query that gives each, in
# order, as the page writes it (decimals, or per cent).
NUMBERS = [
    (
        "The estimate is {} with a 95% interval from {} to {} (p = {}), without "
        "controls, from {} observations of {} cities, {} of them treated",
        f"""
        select
            printf('%.3f', estimate), printf('%.3f', conf_low),
            printf('%.3f', conf_high), printf('%.2f', p_value), n_obs, n_cities,
            n_treated_cities
        from marts.rpt_regressions where {MAIN}
        """,
    ),
    (
        "A treated city of average size ({} billion yuan of output a year) would have "
        "{} billion yuan less after one year, {}% of its output",
        f"""
        with size as (
            select avg(gdp_real_cny_10k) / 1e5 as mean from marts.fct_city_years
            where cohort > 0 and year = (select max(year) from marts.fct_city_years)
        )
        select
            format('{{:,}}', cast(round(mean, -1) as integer)),
            printf('%.1f', -estimate * mean), printf('%.1f', -100 * estimate)
        from size, marts.rpt_regressions where {MAIN}
        """,
    ),
    (
        "Huang (2024) prints {}, which lies above the interval",
        """
        select printf('%.3f', published) from marts.rpt_published_comparison
        where paper_table = '3' and paper_column = '(1)' and term = 'sydid'
            and statistic = 'estimate'
        """,
    ),
    (
        "an effect of that size would be found only {}% of the time",
        """
        select printf('%.0f', 100 * power_at_bound) from marts.rpt_inference
        where paper_table = '3' and paper_column = '(1)'
        """,
    ),
    (
        "Before the policy, the difference between treated and other cities fell by {} "
        "a year (standard error {}, p = {})",
        f"""
        select printf('%.4f', -estimate), printf('%.4f', std_error),
            printf('%.3f', p_value)
        from marts.rpt_sensitivity
        where check_name = 'pretrend_line' and term = 'slope' and {TWFE}
        """,
    ),
    (
        "the effect in the first year is {}, from {} to {}",
        f"""
        select printf('%.3f', estimate), printf('%.3f', conf_low),
            printf('%.3f', conf_high)
        from marts.rpt_sensitivity
        where check_name = 'honest' and aggregation = 'smoothness' and bound = 0
            and {TWFE}
        """,
    ),
    (
        "With controls the estimate is {} (p = {})",
        """
        select printf('%.3f', estimate), printf('%.3f', p_value)
        from marts.rpt_regressions
        where paper_table = '3' and paper_column = '(2)' and term = 'sydid'
            and variant = 'headline'
        """,
    ),
    (
        "On the level of productivity the same regression gives {} ({}), p = {}",
        f"""
        select printf('%.3f', estimate), printf('%.3f', std_error),
            printf('%.3f', p_value)
        from marts.rpt_att
        where outcome = 'cumulative_log_tfp' and aggregation = 'simple'
            and term = 'overall' and sample = 'all' and {TWFE}
        """,
    ),
    (
        "{}% of the treated city-years rest on investment that nobody published",
        """
        select printf('%.0f', 100 * avg(cast(is_capital_assumed as integer)))
        from marts.fct_city_years
        inner join marts.fct_tfp_changes using (city_id, year)
        where sydid > 0 and tfpch is not null
        """,
    ),
    (
        "output grew {}-fold and capital {}-fold. The index says that productivity "
        "fell to {} of its first level",
        """
        with ends as (
            select
                city_id,
                ln(max(gdp_real_cny_10k) filter (year = 2019))
                - ln(max(gdp_real_cny_10k) filter (year = 2011)) as output,
                ln(max(capital_real_cny_10k) filter (year = 2019))
                - ln(max(capital_real_cny_10k) filter (year = 2011)) as capital,
            from marts.fct_city_years group by city_id
        ),
        index as (
            select exp(sum(growth)) as level from (
                select avg(ln(tfpch)) as growth from marts.fct_tfp_changes group by year
            )
        )
        select printf('%.2f', exp(avg(output))), printf('%.2f', exp(avg(capital))),
            printf('%.2f', any_value(level))
        from ends, index
        """,
    ),
    (
        "In 2019 one city, {}, is the whole frontier",
        """
        select city_en from marts.fct_tfp_changes
        inner join marts.dim_cities using (city_id)
        where year = 2019 and is_on_frontier
        """,
    ),
    (
        "Labour has no price in {}% of the cities in 2019",
        """
        select printf('%.0f', 100 * avg(cast(has_zero_labour_price as integer)))
        from marts.fct_tfp_changes where year = 2019
        """,
    ),
    (
        "The index of {} falls by {}% a year",
        """
        select city_en, printf('%.0f', -100 * (exp(growth) - 1)) from (
            select city_id, avg(ln(tfpch)) as growth from marts.fct_tfp_changes
            group by city_id order by growth limit 1
        ) inner join marts.dim_cities using (city_id)
        """,
    ),
    (
        "The smallest true effect that would be found four times in five is {}",
        """
        select printf('%.3f', minimum_detectable_effect) from marts.rpt_inference
        where paper_table = '3' and paper_column = '(1)'
        """,
    ),
    (
        "the effect can be told from zero in {} of {} regions: Central {} ({}), p = {}",
        """
        select
            count(*) filter (p_value < 0.05), count(*),
            any_value(printf('%.3f', estimate)) filter (paper_column = 'central'),
            any_value(printf('%.3f', std_error)) filter (paper_column = 'central'),
            any_value(printf('%.3f', p_value)) filter (paper_column = 'central')
        from marts.rpt_regressions
        where paper_table = '4' and variant = 'headline' and term = 'sydid'
        """,
    ),
    (
        "the one that moves it most is {} ({} without it)",
        f"""
        with base as (
            select estimate as headline from marts.rpt_regressions where {MAIN}
        )
        select city_en, printf('%.3f', estimate)
        from marts.rpt_sensitivity, base
        inner join marts.dim_cities on term = city_id
        where check_name = 'leave_one_city_out'
        order by abs(estimate - headline) desc limit 1
        """,
    ),
]


@pytest.fixture(scope="module")
def text(built):
    page = study_page(read_frames(built.published))
    page = re.sub(r"<(style|script)\b.*?</\1>", " ", page, flags=re.S)
    page = re.sub(r'<span lang="zh-Hans">.*?</span>', "", page, flags=re.S)
    words = html.unescape(re.sub(r"<[^>]+>", " ", page))
    return " ".join(words.replace("\u2212", "-").split())


def test_at_least_twenty_five_numbers_are_recomputed():
    assert sum(sentence.count("{}") for sentence, _ in NUMBERS) >= 25


@pytest.mark.parametrize(("sentence", "query"), NUMBERS, ids=lambda v: v[:40])
def test_a_sentence_of_the_report_has_the_numbers_of_the_warehouse(
    built, text, sentence, query
):
    values = built.query(query).iloc[0]
    assert sentence.format(*values) in text
