-- Every city of the study in every year of its period, with data or without.
{%- set years = resolved_study().years or [0] %}
with cities as (

    select
        city_id,
        province_id,
        is_municipality,
    from {{ ref("stg_reference__cities") }}

),

years as (

    select cast(unnest([{{ years | join(", ") }}]) as integer) as year

),

final as (

    select
        cities.city_id,
        years.year,
        cities.province_id,
        cities.is_municipality,
    from cities
    cross join years

)

select * from final
