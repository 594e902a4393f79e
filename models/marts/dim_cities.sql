with cities as (

    select *
    from {{ ref("stg_reference__cities") }}

),

zones as (

    select distinct
        city_id,
        batch,
        approval_date,
    from {{ ref("int_policy_exposures") }}

),

places as (

    select
        unit_id,
        cast(longitude as double) as longitude,
        cast(latitude as double) as latitude,
    from {{ ref("ref_prefectures") }}

),

final as (

    select
        ---------- keys
        cities.city_id,
        cities.province_id,

        ---------- labels
        cities.city_zh,
        cities.city_en,
        cities.province_zh,
        cities.province_en,
        cities.region,

        ---------- measures
        zones.batch,
        zones.approval_date,
        places.longitude,
        places.latitude,

        ---------- flags
        cities.is_municipality,
        cities.is_in_nbs_70,
    from cities
    inner join zones
        on cities.city_id = zones.city_id
    left join places
        on cities.city_id = places.unit_id

)

select * from final
order by city_id
