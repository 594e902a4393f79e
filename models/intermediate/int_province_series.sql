-- Province series in one unit a kind: amounts in 100 million yuan, indices as they are
-- (previous year = 100).
with units as (

    select
        unit,
        quantity,
        {{ to_number("factor") }} as factor,
    from {{ ref("ref_units") }}

),

final as (

    select
        ---------- keys
        observations.province_id,
        observations.year,
        observations.indicator,

        ---------- measures
        case
            when observations.indicator in ('GDPIDX', 'FAIPI') then observations.value
            when units.quantity = 'CNY' then observations.value * (units.factor / 1e8)
            else error(
                'Seed raw_ceic_series_metadata: ' || observations.indicator || ' is in '
                || observations.unit || ', which is no amount of yuan that ref_units '
                || 'knows. Remedy: add the unit to ref_units, or import the series in '
                || 'another.'
            )
        end as value,
    from {{ ref("stg_ceic__province_series") }} as observations
    left join units
        on observations.unit = units.unit

)

select * from final
