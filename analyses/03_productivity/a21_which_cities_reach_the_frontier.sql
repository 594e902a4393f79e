-- Question: which cities are ever on the frontier, in which years, and on what inputs?
-- Reading: one row per city that is on the frontier of constant returns in any year.
-- mean_capital_output is its capital over its output: a low one is what puts a city
-- there.
-- Caveat: years count those with an index; the first year of the study has none. A city
-- whose figures are wrong in its favour becomes everybody's benchmark.
with changes as (

    select
        city_id,
        year,
        is_on_frontier,
        has_zero_labour_price,
    from {{ ref("fct_tfp_changes") }}
    where is_on_frontier

),

city_years as (

    select
        city_id,
        year,
        gdp_real_cny_10k,
        capital_real_cny_10k,
        labour,
    from {{ ref("fct_city_years") }}

),

cities as (

    select
        city_id,
        city_en,
        region,
    from {{ ref("dim_cities") }}

),

final as (

    select
        ---------- keys
        cities.city_id,

        ---------- labels
        cities.city_en,
        cities.region,
        string_agg(changes.year, ', ' order by changes.year) as years,

        ---------- measures
        count(*) as n_years,
        round(avg(city_years.capital_real_cny_10k / city_years.gdp_real_cny_10k), 2)
            as mean_capital_output,
        round(avg(city_years.labour), 4) as mean_labour,
    from changes
    inner join cities
        on changes.city_id = cities.city_id
    inner join city_years
        on
            changes.city_id = city_years.city_id
            and changes.year = city_years.year
    group by cities.city_id, cities.city_en, cities.region

)

select * from final
order by n_years desc, city_id
