-- Every source's reading of a cell: the yearbook for all cities, the province table for
-- the four municipalities (city and province are one there), and imported tables. A
-- growth rate of a table is defective in a year in which it equals nominal growth in
-- nearly every city: what was printed then is not the real growth that the header
-- promises, and a compilation of the yearbook repeats it. Cells of fix_cells are replaced
-- or dropped, if they are still what the correction expects. A correction binds the
-- figure: it holds for every source that gives the same one, to the digits printed.
with yearbook as (

    select
        city_id,
        year,
        variable,
        'yearbook' as source,
        cast(null as integer) as import_precedence,
        unit as raw_unit,
        raw_value,
        value,
    from {{ ref("stg_yearbook__cells") }}

    union all

    select
        city_id,
        year,
        variable,
        source,
        precedence as import_precedence,
        raw_unit,
        raw_value,
        value,
    from {{ ref("stg_imported__cells") }}

),

nominal as (

    select
        source,
        city_id,
        year,
        100 * (value / lag(value) over (partition by source, city_id order by year) - 1)
            as nominal_growth_pct,
    from yearbook
    where variable = 'gdp_cny_10k'

),

defective_years as (

    -- 0.06 points: published rates carry one or two decimals (2026-11-24). In 2013 all
    -- 73 cities fall inside, in no other year more than 4 in 100. Levels of any table
    -- show it; fewer than ten cities show nothing.
    select distinct
        growth.source,
        growth.year,
    from yearbook as growth
    inner join nominal
        on
            growth.city_id = nominal.city_id
            and growth.year = nominal.year
    where
        growth.variable = 'gdp_growth_pct'
        and growth.value is not null
        and nominal.nominal_growth_pct is not null
    group by growth.source, growth.year, nominal.source
    having
        count(*) >= 10
        and avg(
            case
                when abs(growth.value - nominal.nominal_growth_pct) <= 0.06 then 1.0
                else 0.0
            end
        ) >= 0.9

),

municipalities as (

    select distinct
        city_id,
        province_id,
    from {{ ref("int_city_years__spine") }}
    where is_municipality

),

province_series as (

    select
        province_id,
        year,
        indicator,
        unit,
        raw_value,
        value,
    from {{ ref("stg_ceic__province_series") }}

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
        ref_variables.province_indicator,
        units.quantity,
        units.factor,
    from {{ ref("ref_variables") }} as ref_variables
    inner join units
        on ref_variables.unit = units.unit

),

province as (

    select
        municipalities.city_id,
        province_series.year,
        variables.variable,
        province_series.unit,
        province_series.raw_value,
        case
            when units.quantity = variables.quantity
                then (province_series.value + units.shift)
                    * (units.factor / variables.factor)
            else error(
                'Seed raw_ceic_series_metadata: ' || province_series.indicator || ' is in '
                || province_series.unit || ', which does not convert to the unit of '
                || variables.variable || '. Remedy: add the unit to ref_units, or import '
                || 'the series in another.'
            )
        end as value,
    from province_series
    inner join municipalities
        on province_series.province_id = municipalities.province_id
    inner join variables
        on province_series.indicator = variables.province_indicator
    left join units
        on province_series.unit = units.unit

),

readings as (

    select
        yearbook.city_id,
        yearbook.year,
        yearbook.variable,
        yearbook.source,
        yearbook.raw_unit,
        yearbook.import_precedence,
        yearbook.raw_value,
        yearbook.value as printed_value,
        yearbook.variable = 'gdp_growth_pct'
        and defective_years.year is not null as is_defective,
    from yearbook
    left join defective_years
        on
            yearbook.source = defective_years.source
            and yearbook.year = defective_years.year

    union all

    select
        province.city_id,
        province.year,
        province.variable,
        'province' as source,
        province.unit as raw_unit,
        cast(null as integer) as import_precedence,
        province.raw_value,
        province.value as printed_value,
        false as is_defective,
    from province

),

corrections as (

    select
        city_id,
        {{ to_whole_number("year") }} as year,
        variable,
        source,
        action,
        expected_raw_value,
        {{ to_number("new_value") }} as new_value,
        reason,
        evidence,
    from {{ ref("fix_cells") }}
    where '{{ study_options().corrections }}' = 'applied'

),

covered as (

    select distinct
        city_id,
        year,
        source,
    from readings

),

checked as (

    -- A correction of a city-year that the source does not have corrects nothing.
    select
        'city_id ' || corrections.city_id || ', year ' || corrections.year
        || ', variable ' || corrections.variable || ', source ' || corrections.source
        || case
            when corrections.expected_raw_value is not distinct from readings.raw_value
                then ': replace needs a new_value'
            else ': expected ''' || corrections.expected_raw_value || ''', found '
                || coalesce('''' || readings.raw_value || '''', 'no figure')
        end as problem,
    from corrections
    inner join covered
        on
            corrections.city_id = covered.city_id
            and corrections.year = covered.year
            and corrections.source = covered.source
    left join readings
        on
            corrections.city_id = readings.city_id
            and corrections.year = readings.year
            and corrections.variable = readings.variable
            and corrections.source = readings.source
    where
        corrections.expected_raw_value is distinct from readings.raw_value
        or (corrections.action = 'replace' and corrections.new_value is null)

),

listed as (

    select
        problem,
        row_number() over (order by problem) as problem_number,
        count(*) over () as n_problems,
    from checked

),

verdict as (

    select
        case
            when count(*) = 0 then true
            else error(
                'Seed fix_cells: ' || any_value(n_problems)
                || ' correction(s) that do not stand:' || chr(10)
                || string_agg('  - ' || problem, chr(10) order by problem_number)
                    filter (where problem_number <= 10)
                || case when any_value(n_problems) > 10
                    then chr(10) || '  ... and ' || (any_value(n_problems) - 10) || ' more'
                    else ''
                end
                || chr(10) || 'Consequence: a figure that its publisher has mended would '
                || 'be overwritten; nothing was published and the last published file '
                || 'stands as it was.' || chr(10) || 'Remedy: look at the cell in its '
                || 'source; delete the row of seeds/corrections/fix_cells.csv where the '
                || 'figure is right now, or set expected_raw_value to what is printed '
                || 'where the correction still holds.'
            ) is null
        end as stands,
    from listed

),

denominated as (

    select
        units.unit,
        variables.variable,
        units.shift,
        units.factor / variables.factor as ratio,
    from variables
    inner join units
        on variables.quantity = units.quantity

),

units_of_sources as (

    select
        source,
        variable,
        min(raw_unit) as raw_unit,
    from readings
    group by source, variable

),

-- Half a unit of the last printed digit is what rounding may have taken: 78.472 is the
-- figure that was corrected as 78. A reading of two digits says too little to know the
-- figure by; binary fractions of a workbook differ by less than one in a million.
wrong_figures as (

    select
        corrections.*,
        ({{ to_number("corrections.expected_raw_value") }} + denominated.shift)
            * denominated.ratio as wrong_value,
        {{ half_of_last_digit("corrections.expected_raw_value") }} * denominated.ratio
            as wrong_half_digit,
    from corrections
    left join units_of_sources
        on
            corrections.source = units_of_sources.source
            and corrections.variable = units_of_sources.variable
    left join denominated
        on
            units_of_sources.raw_unit = denominated.unit
            and units_of_sources.variable = denominated.variable

),

bound as (

    select
        readings.city_id,
        readings.year,
        readings.variable,
        readings.source,
        wrong_figures.action,
        wrong_figures.new_value,
        wrong_figures.reason,
        wrong_figures.evidence,
    from readings
    inner join wrong_figures
        on
            readings.city_id = wrong_figures.city_id
            and readings.year = wrong_figures.year
            and readings.variable = wrong_figures.variable
    left join denominated
        on
            readings.raw_unit = denominated.unit
            and readings.variable = denominated.variable
    where
        readings.source = wrong_figures.source
        or abs(readings.printed_value - wrong_figures.wrong_value) <= greatest(
            wrong_figures.wrong_half_digit,
            {{ half_of_last_digit("readings.raw_value", 3) }} * denominated.ratio,
            1e-6 * abs(wrong_figures.wrong_value)
        )
    qualify row_number() over (
        partition by
            readings.city_id, readings.year, readings.variable, readings.source
        order by
            readings.source = wrong_figures.source desc, wrong_figures.source
    ) = 1

),

final as (

    select
        ---------- keys
        readings.city_id,
        readings.year,
        readings.variable,
        readings.source,

        ---------- labels
        readings.raw_unit,
        readings.import_precedence,
        bound.action as correction_action,
        bound.reason as correction,
        bound.evidence as correction_evidence,

        ---------- measures
        readings.raw_value,
        readings.printed_value,
        case
            when bound.action = 'replace' then bound.new_value
            else readings.printed_value
        end as value,

        ---------- flags
        readings.is_defective,
        not readings.is_defective and bound.action is distinct from 'drop'
            as is_usable,
    from readings
    inner join verdict
        on verdict.stands
    left join bound
        on
            readings.city_id = bound.city_id
            and readings.year = bound.year
            and readings.variable = bound.variable
            and readings.source = bound.source

)

select * from final
order by city_id, year, variable, source
