-- One observation a row, with the unit and source its metadata give it.
with observations as (

    select
        series_id,
        date,
        value,
    from {{ ref("raw_ceic_series") }}

),

metadata as (

    select
        series_id,
        indicator,
        province_id,
        unit,
        source,
    from {{ ref("raw_ceic_series_metadata") }}

),

final as (

    select
        ---------- keys
        metadata.province_id,
        year(cast(observations.date as date)) as year,
        metadata.indicator,

        ---------- labels
        metadata.series_id,
        metadata.unit,
        metadata.source,

        ---------- measures
        observations.value as raw_value,
        {{ to_number("observations.value") }} as value,
    from observations
    inner join metadata
        on observations.series_id = metadata.series_id

)

select * from final
