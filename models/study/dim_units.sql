with cities as (

    select
        city_id,
        city_en,
        city_zh,
        province_en,
    from {{ ref("dim_cities") }}

),

panel as (

    select
        city_id,
        cohort,
        year,
        sydid,
    from {{ ref("int_study_panel") }}
    where variant = 'headline'

),

units as (

    select
        city_id,
        any_value(cohort) as cohort,
        min(year) as first_year,
        max(year) as last_year,
        count(*) as n_periods,
        max(sydid) > 0 as is_treated,
        min(sydid) > 0 as is_always_treated,
    from panel
    group by city_id

),

final as (

    select
        ---------- keys
        units.city_id as unit_id,

        ---------- labels
        cities.city_en as name_en,
        cities.city_zh as name_zh,
        cities.province_en as parent,
        case when units.is_treated then cast(units.cohort as varchar) end as cohort,
        cast(units.first_year as varchar) as first_period,
        cast(units.last_year as varchar) as last_period,

        ---------- measures
        units.n_periods,

        ---------- flags
        units.is_treated,
        units.is_always_treated,
    from units
    inner join cities on units.city_id = cities.city_id

)

select * from final
order by unit_id
