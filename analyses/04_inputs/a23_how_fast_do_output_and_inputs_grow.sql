-- Question: how fast do output, capital and labour grow, in treated and control cities?
-- Reading: medians over cities of a year's growth in per cent. Where capital outgrows
-- output for long, productivity must fall: output over capital is most of the index
-- (a05).
-- Caveat: capital grows on assumed investment where is_capital_assumed; under
-- university_share labour is a ratio, and its growth is not that of any workforce.
with city_years as (

    select
        city_id,
        year,
        cohort,
        gdp_real_cny_10k,
        capital_real_cny_10k,
        labour,
        is_capital_assumed,
    from {{ ref("fct_city_years") }}

),

growth as (

    select
        later.year,
        case when later.cohort > 0 then 'treated' else 'control' end as role,
        later.gdp_real_cny_10k / earlier.gdp_real_cny_10k - 1 as output_growth,
        later.capital_real_cny_10k / earlier.capital_real_cny_10k - 1 as capital_growth,
        later.labour / nullif(earlier.labour, 0) - 1 as labour_growth,
        later.is_capital_assumed,
    from city_years as later
    inner join city_years as earlier
        on
            later.city_id = earlier.city_id
            and later.year = earlier.year + 1

),

final as (

    select
        ---------- keys
        year,
        role,

        ---------- measures
        round(100 * median(output_growth), 1) as output_pct,
        round(100 * median(capital_growth), 1) as capital_pct,
        round(100 * median(labour_growth), 1) as labour_pct,
        count(*) as n_cities,
        round(avg(case when is_capital_assumed then 1.0 else 0.0 end), 3)
            as assumed_share,
    from growth
    group by year, role

)

select * from final
order by year, role
