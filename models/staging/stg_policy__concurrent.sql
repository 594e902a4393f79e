-- Other policies' units matched by name, once. A unit that is a province stands for all
-- its cities; a unit that is no city of the study keeps an empty city_id.
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

final as (

    select
        ---------- keys
        units.policy,
        {{ to_whole_number("units.batch") }} as batch,
        units.unit_zh,
        cities.city_id,

        ---------- labels
        units.document,

        ---------- measures
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

)

select * from final
