{#- The paper's number, ours, the difference, and a reason computed from the data and the
    options of the headline. Nothing here is tuned to the paper. -#}
with published_descriptives as (

    {% for statistic in ["n_obs", "mean", "std_dev", "minimum", "maximum"] -%}
    select
        '2' as paper_table,
        'all' as paper_column,
        variable as term,
        '{{ statistic }}' as statistic,
        {{ loop.index }} as statistic_order,
        cast({{ statistic }} as double) as published,
    from {{ ref("stg_published__descriptives") }}
    {{ "union all" if not loop.last }}
    {% endfor %}

),

our_descriptives as (

    {% for statistic in ["n_obs", "mean", "std_dev", "minimum", "maximum"] -%}
    select
        variable as term,
        '{{ statistic }}' as statistic,
        cast({{ statistic }} as double) as ours,
    from {{ ref("rpt_descriptives") }}
    {{ "union all" if not loop.last }}
    {% endfor %}

),

published_regressions as (

    {% for statistic, column in {
        "estimate": "estimate", "std_error": "parenthesised", "n_obs": "n_obs",
        "r2_within": "r_squared",
    }.items() -%}
    select
        paper_table,
        paper_column,
        term,
        '{{ statistic }}' as statistic,
        {{ loop.index }} as statistic_order,
        stars,
        remark,
        estimate,
        parenthesised,
        cast({{ column }} as double) as published,
    from {{ ref("stg_published__regressions") }}
    {{ "union all" if not loop.last }}
    {% endfor %}

),

headline as (

    select *
    from {{ ref("rpt_regressions") }}
    where variant = 'headline'

),

our_regressions as (

    {% for statistic in ["estimate", "std_error", "n_obs", "r2_within"] -%}
    select
        paper_table,
        paper_column,
        term,
        '{{ statistic }}' as statistic,
        note,
        assumed_share,
        n_cities,
        cast({{ statistic }} as double) as ours,
    from headline
    {{ "union all" if not loop.last }}
    {% endfor %}

),

facts as (

    select
        count(distinct city_id) as n_cities,
        count(distinct case when cohort > 0 then city_id end) as n_treated,
        count(distinct year) as n_years,
    from {{ ref("fct_city_years") }}
    where year >= {{ study_options().first_year }}

),

index_facts as (

    select
        count(*) as n_indices,
        min(year) as first_index,
        max(year) as last_index,
        avg(tfpch) as mean_tfpch,
    from {{ ref("fct_tfp_changes") }}

),

options as (

    select *
    from {{ ref("int_study_variants") }}
    where variant = 'headline'

),

-- Years without any value explain a variable that is missing here.
gaps as (

    {% for variable in ["eco", "ind", "inf", "edu", "sca", "tra", "con"] -%}
    select
        '{{ variable }}' as term,
        count({{ variable }}) as n_values,
        count(*) - count({{ variable }}) as n_missing,
        min(case when {{ variable }} is not null then year end) as first_value_year,
    from {{ ref("fct_city_years") }}
    {{ "union all" if not loop.last }}
    {% endfor %}

),

descriptives as (

    select
        published.*,
        ours.ours,
        case
            when gaps.n_missing > 0
                then 'here ' || gaps.n_missing || ' city-years have no value (first value in '
                    || gaps.first_value_year || ')'
            when published.statistic = 'n_obs' and published.term = 'tfpch'
                then 'the paper prints ' || cast(published.published as integer)
                    || ' = 70 cities x 9 years; here ' || facts.n_cities || ' cities have '
                    || index_facts.n_indices || ' indices, ' || index_facts.first_index
                    || ' to ' || index_facts.last_index || ' (first_index_year = '
                    || options.first_index_year || ')'
            when published.statistic = 'n_obs'
                then 'the paper prints ' || cast(published.published as integer)
                    || ' = 70 cities x 9 years; here ' || facts.n_cities || ' cities ('
                    || facts.n_treated || ' treated) x ' || facts.n_years || ' years'
            when published.statistic = 'std_dev' and published.term = 'sydid'
                then 'printed as a variance, but '
                    || round(published.published, 3) || ' is the standard deviation of a '
                    || '0/1 variable with mean ' || round(means.mean, 3) || ': sqrt(p (1 - p)) = '
                    || round(sqrt(means.mean * (1 - means.mean)), 3)
            when published.statistic = 'std_dev'
                and published.published > sqrt(
                    (means.maximum - means.mean) * (means.mean - means.minimum)
                )
                then 'the printed spread exceeds '
                    || round(sqrt((means.maximum - means.mean) * (means.mean - means.minimum)), 3)
                    || ', the most that the printed minimum, mean and maximum allow'
            when published.statistic = 'std_dev'
                then 'printed as a variance, compared as a standard deviation; other cities'
            when published.term = 'tfpch'
                then 'indices from other inputs: real_gdp = ' || options.real_gdp
                    || ', labour_measure = ' || options.labour_measure
                    || ', fai_extension = ' || options.fai_extension
            when published.term = 'sydid'
                then 'here ' || facts.n_treated || ' treated of ' || facts.n_cities
                    || ' cities, batches ' || options.treated_batches
            else 'other cities: the paper does not name its 36 controls; here '
                || facts.n_cities - facts.n_treated
        end as reason,
    from published_descriptives as published
    cross join facts
    cross join index_facts
    cross join options
    left join our_descriptives as ours
        on
            published.term = ours.term
            and published.statistic = ours.statistic
    left join gaps
        on published.term = gaps.term
    left join {{ ref("stg_published__descriptives") }} as means
        on published.term = means.variable

),

regressions as (

    select
        published.paper_table,
        published.paper_column,
        published.term,
        published.statistic,
        published.statistic_order,
        published.published,
        ours.ours,
        case
            when published.published is null
                then 'not legible in the copy of the paper at hand'
            when ours.ours is null and ours.note is not null then ours.note
            when ours.ours is null then 'not estimated here'
            when published.statistic = 'n_obs'
                then 'the paper prints ' || cast(published.published as integer)
                    || ' in every column; here ' || ours.n_cities
                    || ' cities enter this one with '
                    || cast(ours.ours as integer) || ' observations'
            when published.statistic = 'std_error'
                then 'printed estimate over parenthesised value is '
                    || round(published.estimate / published.parenthesised, 2)
                    || ', printed stars: ' || coalesce(published.stars, 'none')
                    || '; 10 per cent takes 1.645'
            when published.statistic = 'r2_within'
                then 'the paper does not say which R2 it prints; here within cities, as '
                    || 'xtreg prints it'
            when published.term = 'const'
                then 'mean outcome here ' || round(index_facts.mean_tfpch, 3)
            else 'mean index here ' || round(index_facts.mean_tfpch, 3) || ' against '
                || (
                    select round(mean, 3)
                    from {{ ref("stg_published__descriptives") }}
                    where variable = 'tfpch'
                )
                || '; ' || round(100 * ours.assumed_share, 0)
                || ' per cent of treated city-years rest on assumed investment'
        end as reason,
    from published_regressions as published
    cross join index_facts
    left join our_regressions as ours
        on
            published.paper_table = ours.paper_table
            and published.paper_column = ours.paper_column
            and published.term = ours.term
            and published.statistic = ours.statistic

),

stacked as (

    select
        paper_table,
        paper_column,
        term,
        statistic,
        statistic_order,
        published,
        ours,
        reason,
    from descriptives

    union all

    select *
    from regressions

),

final as (

    select
        ---------- keys
        paper_table,
        paper_column,
        term,
        statistic,

        ---------- labels
        reason,

        ---------- measures
        statistic_order,
        published,
        ours,
        ours - published as difference,
    from stacked

)

select * from final
order by paper_table, paper_column, term, statistic_order
