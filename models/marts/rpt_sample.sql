-- Of every city: whether it is in, and why not.
with city_years as (

    select *
    from {{ ref("int_study_sample") }}
    where variant = 'headline'

),

options as (

    select
        study_sample,
        panel_first_year,
        last_year,
    from {{ ref("int_study_variants") }}
    where variant = 'headline'

),

cities as (

    select *
    from {{ ref("dim_cities") }}

),

cohorts as (

    select distinct
        city_id,
        cohort,
    from {{ ref("fct_policy_exposures") }}

),

batches as (

    select distinct
        city_id,
        approval_year,
        coalesce(others = 'exclude', false) as is_other,
    from {{ ref("int_policy_exposures") }}

),

compared as (

    select
        city_id,
        min(sydid) > 0 as is_always_treated,
    from {{ ref("int_study_panel") }}
    where variant = 'headline'
    group by city_id

),

indices as (

    select
        city_id,
        year,
        tfpch,
        ln(tfpch) as log_tfpch,
        effch,
        techch,
        cumulative_log_tfp,
    from {{ ref("est_tfp_changes") }}
    where variant = 'headline'

),

outcomes as (

    select
        city_id,
        year,
        {{ study_options().outcome }} as outcome,
    from indices

),

indexed as (

    select distinct
        city_id,
    from {{ ref("est_tfp_changes") }}
    where variant = 'headline'

),

described as (

    -- Cities that draw the frontier and are compared with nobody, and why.
    select
        batches.city_id,
        case
            when compared.is_always_treated then 'in; treated in every year'
            when compared.city_id is null and batches.is_other
                then 'in the frontier only: treated in ' || batches.approval_year
                || ', in a batch that is not studied'
            when compared.city_id is null
                then 'in the frontier only: treated in every year'
        end as comparison,
        compared.city_id is null and batches.is_other as is_neither,
    from indexed
    inner join batches
        on indexed.city_id = batches.city_id
    left join compared
        on indexed.city_id = compared.city_id

),

covered as (

    -- A city added by hand is known by the figures that were imported for it.
    select
        city_id,
    from {{ ref("stg_yearbook__cells") }}

    union

    select
        city_id,
    from {{ ref("int_cells__reconciled") }}
    where value is not null

),

gaps as (

    {% for input in ["output", "capital", "labour"] -%}
    select
        city_id,
        '{{ input }} in ' || string_agg(year, ', ' order by year) as gap,
        {{ loop.index }} as gap_order,
    from city_years
    where not has_{{ input }}
    group by city_id
    {{ "union all" if not loop.last }}
    {% endfor %}

),

missing as (

    select
        city_id,
        string_agg(gap, '; ' order by gap_order) as missing_inputs,
    from gaps
    group by city_id

),

counted as (

    select
        city_id,
        any_value(excluded_as) as excluded_as,
        count(*) filter (where is_in_sample) as n_years,
        count(*) filter (where is_complete) as n_complete_years,
    from city_years
    group by city_id

),

never_treated as (

    select
        outcomes.year,
        avg(outcomes.outcome) as outcome,
    from outcomes
    inner join counted
        on outcomes.city_id = counted.city_id and counted.n_years > 0
    inner join cohorts
        on outcomes.city_id = cohorts.city_id and cohorts.cohort = 0
    group by outcomes.year

),

changed as (

    -- Of a treated city: since its first year of exposure, less the years before, less
    -- the same difference of the cities never treated.
    select
        outcomes.city_id,
        avg(outcomes.outcome - never_treated.outcome)
            filter (where outcomes.year >= cohorts.cohort)
        - avg(outcomes.outcome - never_treated.outcome)
            filter (where outcomes.year < cohorts.cohort) as outcome_change,
    from outcomes
    inner join never_treated
        on outcomes.year = never_treated.year
    inner join counted
        on outcomes.city_id = counted.city_id and counted.n_years > 0
    inner join cohorts
        on outcomes.city_id = cohorts.city_id and cohorts.cohort > 0
    group by outcomes.city_id

),

final as (

    select
        ---------- keys
        cities.city_id,

        ---------- labels
        cities.city_en,
        cities.city_zh,
        cities.region,
        case
            when cohorts.cohort > 0 then 'treated'
            when described.is_neither then 'neither'
            else 'control'
        end as role,
        case
            when counted.n_years > 0 and described.comparison is not null
                then described.comparison
                || coalesce(', without ' || missing.missing_inputs, '')
            when counted.n_years > 0 and missing.missing_inputs is null then 'in'
            when counted.n_years > 0 then 'in, without ' || missing.missing_inputs
            when covered.city_id is null
                then 'out: the yearbook table has no row of this city'
            when counted.excluded_as != ''
                then 'out: excluded_cities (' || counted.excluded_as || ')'
            when missing.missing_inputs is not null
                then 'out: no ' || missing.missing_inputs
            when options.study_sample = 'nbs_70' and not cities.is_in_nbs_70
                then 'out: not among the 70 cities of the NBS'
        end as reason,

        ---------- measures
        cities.batch,
        cohorts.cohort,
        counted.n_years,
        counted.n_complete_years,
        missing.missing_inputs,
        changed.outcome_change,

        ---------- flags
        counted.n_years > 0 as is_in_sample,
    from cities
    cross join options
    inner join counted
        on cities.city_id = counted.city_id
    inner join cohorts
        on cities.city_id = cohorts.city_id
    left join described
        on cities.city_id = described.city_id
    left join missing
        on cities.city_id = missing.city_id
    left join covered
        on cities.city_id = covered.city_id
    left join changed
        on cities.city_id = changed.city_id

)

select * from final
order by city_id
