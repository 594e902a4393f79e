-- Question: where does the output behind the index fall short of the city's own
-- published growth in 2019, and by how much?
-- Reading: shortfall_pct compares the growth of real output with the published rate;
-- cities with the largest shortfall come first. -20 means that output stands a fifth
-- below where the city's own growth would have put it.
-- Caveat: 2019 is the first year on the levels of the fourth economic census, and the
-- province deflator turns a revision of levels into a fall of productivity. Under
-- real_gdp = city_growth there is no shortfall by construction.
with city_years as (

    select
        city_id,
        year,
        cohort,
        gdp_cny_10k,
        gdp_real_cny_10k,
    from {{ ref("fct_city_years") }}

),

published as (

    select
        city_id,
        year,
        origin,
        value as growth_pct,
    from {{ ref("fct_cell_origins") }}
    where variable = 'gdp_growth_pct'

),

cities as (

    select
        city_id,
        city_en,
    from {{ ref("dim_cities") }}

),

compared as (

    select
        later.city_id,
        later.year,
        later.cohort,
        published.origin,
        published.growth_pct,
        100 * (later.gdp_cny_10k / earlier.gdp_cny_10k - 1) as nominal_growth_pct,
        100 * (later.gdp_real_cny_10k / earlier.gdp_real_cny_10k - 1)
            as real_growth_pct,
    from city_years as later
    inner join city_years as earlier
        on
            later.city_id = earlier.city_id
            and later.year = earlier.year + 1
    inner join published
        on
            later.city_id = published.city_id
            and later.year = published.year
    where later.year = 2019

),

final as (

    select
        ---------- keys
        compared.city_id,

        ---------- labels
        cities.city_en,
        case when compared.cohort > 0 then 'treated' else 'control' end as role,

        ---------- measures
        round(
            100 * (
                (100 + compared.real_growth_pct) / (100 + compared.growth_pct) - 1
            ), 1
        ) as shortfall_pct,
        round(compared.real_growth_pct, 1) as real_growth_pct,
        round(compared.growth_pct, 1) as published_growth_pct,
        round(compared.nominal_growth_pct, 1) as nominal_growth_pct,

        ---------- origin
        compared.origin as published_growth_origin,
    from compared
    inner join cities
        on compared.city_id = cities.city_id

)

select * from final
order by shortfall_pct, city_id
