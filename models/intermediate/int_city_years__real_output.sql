-- Real output at 2011 prices under both deflations. city_growth chains the 2011 level on
-- the city's own published growth; where that rate is missing or defective, growth of
-- nominal output over the province deflator stands in, and the row says so.
with city_years as (

    select
        spine.city_id,
        spine.year,
        cleaned.gdp_cny_10k,
        cleaned.gdp_growth_pct,
        cleaned.gdp_growth_origin,
        provinces.gdp_deflator_idx,
    from {{ ref("int_city_years__spine") }} as spine
    left join {{ ref("int_city_years__cleaned") }} as cleaned
        on
            spine.city_id = cleaned.city_id
            and spine.year = cleaned.year
    left join {{ ref("int_province_years") }} as provinces
        on
            spine.province_id = provinces.province_id
            and spine.year = provinces.year

),

growth as (

    select
        *,
        gdp_cny_10k / gdp_deflator_idx as deflated_cny_10k,
        coalesce(
            1 + gdp_growth_pct / 100,
            (gdp_cny_10k / gdp_deflator_idx)
            / lag(gdp_cny_10k / gdp_deflator_idx) over (
                partition by city_id order by year
            )
        ) as growth_factor,
        case
            when gdp_growth_pct is not null then gdp_growth_origin
            else 'chained'
        end as growth_origin,
    from city_years

),

linked as (

    -- Links from 2012 up to a year; a chain with a missing link has no level.
    select
        *,
        product(case when year > 2011 then growth_factor end) over upward as links,
        count(*) filter (where year > 2011 and growth_factor is null) over upward
            as n_missing_links,
        max(case when year = 2011 then gdp_cny_10k end) over (partition by city_id)
            as gdp_2011_cny_10k,
        lead(growth_factor) over (partition by city_id order by year) as next_factor,
    from growth
    window upward as (partition by city_id order by year)

),

final as (

    select
        ---------- keys
        city_id,
        year,

        ---------- labels
        case when growth_factor is null then 'missing' else growth_origin end
            as growth_origin,

        ---------- measures
        gdp_cny_10k,
        gdp_deflator_idx,
        100 * (growth_factor - 1) as growth_used_pct,
        deflated_cny_10k as gdp_real_cny_10k__province_deflator,
        case
            when year = 2011 then gdp_2011_cny_10k
            when year = 2010 then gdp_2011_cny_10k / next_factor
            when n_missing_links = 0 then gdp_2011_cny_10k * links
        end as gdp_real_cny_10k__city_growth,
    from linked

)

select * from final
