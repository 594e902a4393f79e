-- Question: how far do the prices of investment and of output part between provinces?
-- Reading: both indices in the last year, the first year of the study being 1.
-- output_deflator is nominal over real output of a city of the province, the median of
-- its cities. A gap between two provinces goes one to one into real inputs and output.
-- Caveat: under real_gdp = city_growth output_deflator is the city's nominal output
-- over its chained level, and a revision of levels shows in it.
with capital as (

    select
        city_id,
        year,
        investment_deflator_idx,
    from {{ ref("fct_capital_stocks") }}
    qualify year = max(year) over ()

),

city_years as (

    select
        city_id,
        year,
        gdp_cny_10k / gdp_real_cny_10k as output_deflator_idx,
    from {{ ref("fct_city_years") }}

),

cities as (

    select
        city_id,
        province_en,
        region,
    from {{ ref("dim_cities") }}

),

final as (

    select
        ---------- keys
        cities.province_en,
        capital.year,

        ---------- labels
        any_value(cities.region) as region,

        ---------- measures
        round(median(capital.investment_deflator_idx), 3) as investment_deflator,
        round(median(city_years.output_deflator_idx), 3) as output_deflator,
        count(*) as n_cities,
    from capital
    inner join city_years
        on
            capital.city_id = city_years.city_id
            and capital.year = city_years.year
    inner join cities
        on capital.city_id = cities.city_id
    group by cities.province_en, capital.year

)

select * from final
order by investment_deflator desc, province_en
