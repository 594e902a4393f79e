-- Question: how much of a year's capital is still the assumed stock of the first year?
-- Reading: initial_share is what depreciation has left of the first year's stock, over
-- the stock of the year. Where it is small, the rule of initial_capital hardly matters.
-- Caveat: the first stock is I / (g + delta) by default: a city whose investment grew
-- fast at the start gets a small one, and its capital then grows fast by construction.
with capital as (

    select
        city_id,
        year,
        capital_real_cny_10k,
        depreciation,
        is_initial_stock,
    from {{ ref("fct_capital_stocks") }}

),

initial as (

    select
        city_id,
        year as initial_year,
        capital_real_cny_10k as initial_stock_cny_10k,
    from capital
    where is_initial_stock

),

shares as (

    select
        capital.city_id,
        capital.year,
        initial.initial_stock_cny_10k
        * power(1 - capital.depreciation, capital.year - initial.initial_year)
        / capital.capital_real_cny_10k as initial_share,
    from capital
    inner join initial
        on capital.city_id = initial.city_id

),

cities as (

    select
        city_id,
        city_en,
    from {{ ref("dim_cities") }}

),

final as (

    select
        ---------- keys
        shares.year,

        ---------- measures
        round(median(shares.initial_share), 3) as median_initial_share,
        round(min(shares.initial_share), 3) as lowest_initial_share,
        first(cities.city_en order by shares.initial_share, cities.city_id)
            as lowest_city,
        round(max(shares.initial_share), 3) as highest_initial_share,
        first(cities.city_en order by shares.initial_share desc, cities.city_id)
            as highest_city,
        count(*) as n_cities,
    from shares
    inner join cities
        on shares.city_id = cities.city_id
    group by shares.year

)

select * from final
order by year
