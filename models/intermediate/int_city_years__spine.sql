-- Every city of the study in every year the yearbook covers, with data or without.
with cities as (

    select
        city_id,
        province_id,
        is_municipality,
    from {{ ref("stg_reference__cities") }}

),

years as (

    select distinct
        year,
    from {{ ref("stg_yearbook__cells") }}

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
