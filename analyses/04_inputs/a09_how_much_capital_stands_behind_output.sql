-- Question: how much capital stands behind a yuan of output by region, and how much of
-- that capital rests on assumed investment?
-- Reading: capital_output_ratio is the region's capital over its output, both at 2011
-- prices. assumed_capital_share is the part of the stock that assumed investment,
-- depreciated since, makes up; most_assumed_city is where it is largest.
-- Caveat: investment by city ends in 2016; from then on the ratio follows the option
-- fai_extension. Total investment counts land and used plant too, so the level is high,
-- and the level revision of output in 2019 lifts the ratio where output falls (a08).
with capital as (

    select
        city_id,
        year,
        investment_real_cny_10k,
        capital_real_cny_10k,
        depreciation,
        is_investment_assumed,
    from {{ ref("fct_capital_stocks") }}

),

city_years as (

    select
        city_id,
        year,
        region,
        gdp_real_cny_10k,
    from {{ ref("fct_city_years") }}

),

cities as (

    select
        city_id,
        city_en,
    from {{ ref("dim_cities") }}

),

-- Each year's assumed investment, less depreciation up to the year of the row.
assumed as (

    select
        city_id,
        year,
        capital_real_cny_10k,
        sum(
            case when is_investment_assumed then investment_real_cny_10k else 0 end
            / power(1 - depreciation, year)
        ) over (partition by city_id order by year)
        * power(1 - depreciation, year) as assumed_real_cny_10k,
    from capital

),

joined as (

    select
        city_years.region,
        city_years.year,
        cities.city_en,
        city_years.gdp_real_cny_10k,
        assumed.capital_real_cny_10k,
        assumed.assumed_real_cny_10k,
        assumed.assumed_real_cny_10k / assumed.capital_real_cny_10k as assumed_share,
        assumed.capital_real_cny_10k / city_years.gdp_real_cny_10k as ratio,
    from city_years
    inner join assumed
        on
            city_years.city_id = assumed.city_id
            and city_years.year = assumed.year
    inner join cities
        on city_years.city_id = cities.city_id

),

grouped as (

    select
        region,
        year,
        count(*) as n_cities,
        count(*) filter (where assumed_real_cny_10k > 0) as n_cities_assumed,
        sum(capital_real_cny_10k) / sum(gdp_real_cny_10k) as capital_output_ratio,
        min(ratio) as lowest_ratio,
        max(ratio) as highest_ratio,
        sum(assumed_real_cny_10k) / sum(capital_real_cny_10k) as assumed_capital_share,
        max(assumed_share) as highest_assumed_share,
        arg_max(city_en, assumed_share) filter (where assumed_share > 0)
            as most_assumed_city,
    from joined
    group by region, year

),

final as (

    select
        ---------- keys
        region,
        year,

        ---------- measures
        round(capital_output_ratio, 2) as capital_output_ratio,
        round(assumed_capital_share, 3) as assumed_capital_share,
        round(highest_assumed_share, 3) as highest_assumed_share,
        most_assumed_city,
        round(lowest_ratio, 2) as lowest_ratio,
        round(highest_ratio, 2) as highest_ratio,
        n_cities,
        n_cities_assumed,
    from grouped

)

select * from final
order by region, year
