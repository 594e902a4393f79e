-- Units under place-based policies of the time, matched by name once, and every roster
-- that may be studied; a study leaves its own policy out of them. A unit that is a province stands for all its cities; a unit
-- that is no city of the study keeps an empty city_id.
with units as (

    select
        policy,
        batch,
        approval_date,
        document,
        province_zh,
        unit_zh,
    from {{ ref("raw_concurrent_policies") }}

),

cities as (

    select
        city_id,
        city_zh,
        province_zh,
    from {{ ref("ref_cities") }}

),

zones as (

    select
        policy,
        batch,
        zone_zh as unit_zh,
        city_id,
        state_council_document as document,
        approval_date,
        approval_year,
    from {{ ref("stg_policy__pilot_zones") }}
    where policy not in (select units.policy from units)

),

matched as (

    select
        units.policy,
        {{ to_whole_number("units.batch") }} as batch,
        units.unit_zh,
        cities.city_id,

        units.document,
        cast(units.approval_date as date) as approval_date,
        year(cast(units.approval_date as date)) as approval_year,
    from units
    left join cities
        on
            units.province_zh = cities.province_zh
            and (
                units.unit_zh = cities.city_zh
                or units.unit_zh = units.province_zh || '省'
            )

),

final as (

    select
        ---------- keys
        policy,
        batch,
        unit_zh,
        city_id,

        ---------- labels
        document,

        ---------- measures
        approval_date,
        approval_year,
    from (from matched union all by name from zones)

)

select * from final
