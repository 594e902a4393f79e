-- What two sources say of one cell, in the unit of the yearbook.
with cells as (

    select
        city_id,
        year,
        variable,
        source,
        value,
        is_defective,
    from {{ ref("int_cells__sources") }}
    where value is not null

),

variables as (

    select
        variable,
        unit,
    from {{ ref("ref_variables") }}

),

pairs as (

    select
        yearbook.city_id,
        yearbook.year,
        yearbook.variable,
        yearbook.value as yearbook_value,
        province.value as province_value,
        yearbook.is_defective,
        -- A rate is compared in percentage points, a level relative to the province's.
        case
            when yearbook.variable = 'gdp_growth_pct' then yearbook.value - province.value
            else yearbook.value / nullif(province.value, 0) - 1
        end as difference,
        -- Rounding and late corrections stay within 1 per cent of a level and half a point
        -- of growth; beyond it the sources speak of different vintages or units (2026-11-25).
        case when yearbook.variable = 'gdp_growth_pct' then 0.5 else 0.01 end
            as tolerance,
    from cells as yearbook
    inner join cells as province
        on
            yearbook.city_id = province.city_id
            and yearbook.year = province.year
            and yearbook.variable = province.variable
    where yearbook.source = 'yearbook' and province.source = 'province'

),

final as (

    select
        ---------- keys
        pairs.city_id,
        cast(pairs.year as integer) as year,
        pairs.variable,

        ---------- labels
        variables.unit,
        case
            when pairs.variable = 'gdp_growth_pct' then 'percentage points'
            else 'share of the province figure'
        end as difference_unit,

        ---------- measures
        pairs.yearbook_value,
        pairs.province_value,
        pairs.difference,
        cast(pairs.tolerance as double) as tolerance,

        ---------- flags
        coalesce(abs(pairs.difference) <= pairs.tolerance, false) as agrees,
        pairs.is_defective,
    from pairs
    inner join variables
        on pairs.variable = variables.variable

)

select * from final
order by city_id, year, variable
