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

final as (

    select
        ---------- keys
        cities.city_id,

        ---------- labels
        cities.city_en,
        cities.city_zh,
        cities.region,
        case when cohorts.cohort > 0 then 'treated' else 'control' end as role,
        case
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

        ---------- flags
        counted.n_years > 0 as is_in_sample,
    from cities
    cross join options
    inner join counted
        on cities.city_id = counted.city_id
    inner join cohorts
        on cities.city_id = cohorts.city_id
    left join missing
        on cities.city_id = missing.city_id
    left join covered
        on cities.city_id = covered.city_id

)

select * from final
order by city_id
