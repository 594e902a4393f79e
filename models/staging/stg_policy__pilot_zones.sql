-- The shipped roster has names only: they are matched here, once, within the province.
-- A unit that is no city of the study keeps an empty city_id. Imported rosters, and that of
-- a study that has one beside its declaration, stand beside it under their own names.
{%- set own = study_roster_rows() %}
with zones as (

    select
        batch,
        approval_date,
        state_council_document,
        province_zh,
        zone_zh,
    from {{ ref("raw_pilot_zones") }}

),

rosters as (

    select
        policy,
        batch,
        approval_date,
        end_date,
        intensity,
        date_precision,
        document,
        province_zh,
        unit_zh,
        city_id,
    from {{ ref("raw_imported_rosters") }}

),

cities as (

    select
        city_id,
        city_zh,
        province_zh,
    from {{ ref("ref_cities") }}

),

units as (

    select
        'pilot_zones' as policy,
        zones.province_zh,
        zones.zone_zh,
        cities.city_id,
        zones.state_council_document,
        zones.batch,
        zones.approval_date,
        cast(null as varchar) as end_date,
        '1' as intensity,
        'day' as date_precision,
    from zones
    left join cities
        on
            zones.zone_zh = cities.city_zh
            and zones.province_zh = cities.province_zh

    union all

    select
        policy,
        province_zh,
        unit_zh as zone_zh,
        city_id,
        document as state_council_document,
        batch,
        approval_date,
        end_date,
        intensity,
        date_precision,
    from rosters

    {%- for row in own %}

    union all

    select
        '{{ row.policy }}' as policy,
        '{{ row.province_zh | replace("'", "''") }}' as province_zh,
        '{{ row.unit_zh | replace("'", "''") }}' as zone_zh,
        nullif('{{ row.city_id }}', '') as city_id,
        '{{ row.document | replace("'", "''") }}' as state_council_document,
        '{{ row.batch }}' as batch,
        '{{ row.approval_date }}' as approval_date,
        nullif('{{ row.end_date }}', '') as end_date,
        '{{ row.intensity }}' as intensity,
        '{{ row.date_precision }}' as date_precision,
    {%- endfor %}

),

final as (

    select
        ---------- keys
        policy,
        province_zh,
        zone_zh,
        city_id,

        ---------- labels
        state_council_document,
        date_precision,

        ---------- measures
        {{ to_whole_number("batch") }} as batch,
        cast(approval_date as date) as approval_date,
        year(cast(approval_date as date)) as approval_year,
        cast(end_date as date) as end_date,
        {{ to_number("intensity") }} as intensity,
    from units

)

select * from final
