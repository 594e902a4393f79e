-- Every source's reading of a cell: the yearbook for all cities, the province table for
-- the four municipalities (city and province are one there). A growth rate of the
-- yearbook is defective in a year in which it equals nominal growth in nearly every
-- city: what was printed then is not the real growth that the header promises.
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

final as (

    select
        ---------- keys
        yearbook.city_id,
        yearbook.year,
        yearbook.variable,
        'yearbook' as source,

        ---------- labels
        yearbook.unit as raw_unit,

        ---------- measures
        yearbook.raw_value,
        yearbook.value,

        ---------- flags
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
        province.value,
        false as is_defective,
    from province

)

select * from final
