-- Every source's reading of a cell: the yearbook for all cities, the province table for
-- the four municipalities (city and province are one there). A growth rate of the
-- yearbook is defective in a year in which it equals nominal growth in nearly every
-- city: what was printed then is not the real growth that the header promises. Cells of
-- fix_cells are replaced or dropped, if they are still what the correction expects.
with yearbook as (

    select
        city_id,
        year,
        variable,
        unit,
        raw_value,
        value,
    from {{ ref("stg_yearbook__cells") }}

),

nominal as (

    select
        city_id,
        year,
        100 * (value / lag(value) over (partition by city_id order by year) - 1)
            as nominal_growth_pct,
    from yearbook
    where variable = 'gdp_cny_10k'

),

defective_years as (

    -- 0.06 points: published rates carry one or two decimals (2026-11-24). In 2013 all
    -- 73 cities fall inside, in no other year more than 4 in 100.
    select
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
    group by growth.year
    having avg(
        case when abs(growth.value - nominal.nominal_growth_pct) <= 0.06 then 1.0 else 0.0 end
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

variables as (

    select
        variable,
        province_indicator,
    from {{ ref("ref_variables") }}

),

province as (

    select
        municipalities.city_id,
        province_series.year,
        variables.variable,
        province_series.unit,
        province_series.raw_value,
        case province_series.indicator
            when 'GDPIDX' then province_series.value - 100
            -- 100 million yuan to the yearbook's 10,000 yuan.
            else 10000 * province_series.value
        end as value,
    from province_series
    inner join municipalities
        on province_series.province_id = municipalities.province_id
    inner join variables
        on province_series.indicator = variables.province_indicator

),

readings as (

    select
        yearbook.city_id,
        yearbook.year,
        yearbook.variable,
        'yearbook' as source,
        yearbook.unit as raw_unit,
        yearbook.raw_value,
        yearbook.value as printed_value,
        yearbook.variable = 'gdp_growth_pct'
        and yearbook.year in (select defective_years.year from defective_years)
            as is_defective,
    from yearbook

    union all

    select
        province.city_id,
        province.year,
        province.variable,
        'province' as source,
        province.unit as raw_unit,
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

checked as (

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

final as (

    select
        ---------- keys
        readings.city_id,
        readings.year,
        readings.variable,
        readings.source,

        ---------- labels
        readings.raw_unit,
        corrections.action as correction_action,
        corrections.reason as correction,
        corrections.evidence as correction_evidence,

        ---------- measures
        readings.raw_value,
        readings.printed_value,
        case
            when corrections.action = 'replace' then corrections.new_value
            else readings.printed_value
        end as value,

        ---------- flags
        readings.is_defective,
        not readings.is_defective and corrections.action is distinct from 'drop'
            as is_usable,
    from readings
    inner join verdict
        on verdict.stands
    left join corrections
        on
            readings.city_id = corrections.city_id
            and readings.year = corrections.year
            and readings.variable = corrections.variable
            and readings.source = corrections.source

)

select * from final
