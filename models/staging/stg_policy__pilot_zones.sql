-- The roster has names only: they are matched here, once, within the province.
-- A zone that is no city of the study keeps an empty city_id.
with zones as (

    select
        batch,
        approval_date,
        state_council_document,
        province_zh,
        zone_zh,
    from {{ ref("raw_pilot_zones") }}

),

cities as (

    select
        city_id,
        city_zh,
        province_zh,
    from {{ ref("ref_cities") }}

),

final as (

    select
        ---------- keys
        zones.province_zh,
        zones.zone_zh,
        cities.city_id,

        ---------- labels
        zones.state_council_document,

        ---------- measures
        {{ to_whole_number("zones.batch") }} as batch,
        cast(zones.approval_date as date) as approval_date,
        year(cast(zones.approval_date as date)) as approval_year,
    from zones
    left join cities
        on
            zones.zone_zh = cities.city_zh
            and zones.province_zh = cities.province_zh

)

select * from final
