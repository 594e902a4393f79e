-- Imported city-year cells, converted once to the unit of their variable. Small sources
-- stand in the seed, large ones in Parquet files beside it.
with cells as (

    select
        source,
        variable,
        city_id,
        year,
        value,
        unit,
        header,
    from {{ ref("raw_imported_cells") }}
    {% if has_large_imports() %}
    union all by name

    select
        source,
        variable,
        city_id,
        year,
        value,
        unit,
        header,
    from read_parquet('{{ large_imports() }}')
    {% endif %}
),

sources as (

    select
        source,
        min({{ to_whole_number("precedence") }}) as precedence,
    from {{ ref("raw_imported_sources") }}
    where kind = 'yearbook'
    group by source

),

units as (

    select
        unit,
        quantity,
        {{ to_number("factor") }} as factor,
        {{ to_number("shift") }} as shift,
    from {{ ref("ref_units") }}

),

variables as (

    select
        ref_variables.variable,
        ref_variables.unit,
        units.quantity,
        units.factor,
    from {{ ref("ref_variables") }} as ref_variables
    inner join units
        on ref_variables.unit = units.unit

),

final as (

    select
        ---------- keys
        cells.source,
        cells.city_id,
        {{ to_whole_number("cells.year") }} as year,
        cells.variable,

        ---------- labels
        cells.header,
        cells.unit as raw_unit,
        sources.precedence,

        ---------- measures
        cells.value as raw_value,
        case
            when units.quantity = variables.quantity
                then ({{ to_number("cells.value") }} + units.shift)
                    * (units.factor / variables.factor)
            else error(
                'Seed raw_imported_cells: ' || cells.variable || ' of ' || cells.source
                || ' is in ' || cells.unit || ', which does not convert to its unit. '
                || 'Remedy: import the source again with the right unit.'
            )
        end as value,
    from cells
    left join sources
        on cells.source = sources.source
    left join units
        on cells.unit = units.unit
    left join variables
        on cells.variable = variables.variable

)

select * from final
