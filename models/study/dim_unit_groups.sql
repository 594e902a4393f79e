with units as (

    select unit_id
    from {{ ref("dim_units") }}

),

cities as (

    select
        city_id,
        region,
    from {{ ref("dim_cities") }}

),

final as (

    select
        ---------- keys
        units.unit_id,
        'region' as group_name,

        ---------- labels
        cities.region as group_value,
    from units
    inner join cities on units.unit_id = cities.city_id

)

select * from final
order by unit_id
