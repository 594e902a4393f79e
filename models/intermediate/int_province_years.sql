-- Province series side by side, with both price indices at 2011 = 1.
with series as (

    select
        province_id,
        year,
        indicator,
        value,
    from {{ ref("int_province_series") }}

),

wide as (

    select
        province_id,
        year,
        max(value) filter (where indicator = 'GDP') as gdp_cny_100m,
        max(value) filter (where indicator = 'GDPIDX') as gdp_growth_idx,
        max(value) filter (where indicator = 'FAI') as fai_cny_100m,
        max(value) filter (where indicator = 'FAIPI') as fai_price_idx,
    from series
    group by province_id, year

),

chained as (

    select
        province_id,
        year,
        gdp_cny_100m,
        gdp_growth_idx,
        fai_cny_100m,
        -- A chain with a missing link is no index.
        case
            when count(gdp_growth_idx) over (partition by province_id order by year)
                = count(*) over (partition by province_id order by year)
                then product(gdp_growth_idx / 100) over (
                    partition by province_id order by year
                )
        end as real_gdp_chain,
        case
            when count(fai_price_idx) over (partition by province_id order by year)
                = count(*) over (partition by province_id order by year)
                then product(fai_price_idx / 100) over (
                    partition by province_id order by year
                )
        end as fai_price_chain,
    from wide

),

base as (

    select
        province_id,
        gdp_cny_100m,
        real_gdp_chain,
        fai_price_chain,
    from chained
    where year = 2011

),

final as (

    select
        ---------- keys
        chained.province_id,
        chained.year,

        ---------- measures
        chained.gdp_cny_100m,
        chained.gdp_growth_idx,
        chained.fai_cny_100m,
        (chained.gdp_cny_100m / base.gdp_cny_100m)
        / (chained.real_gdp_chain / base.real_gdp_chain) as gdp_deflator_idx,
        chained.fai_price_chain / base.fai_price_chain as investment_price_idx,
    from chained
    inner join base
        on chained.province_id = base.province_id

)

select * from final
