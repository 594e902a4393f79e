-- Question: for how many cities can growth or decline be told from none?
-- Reading: by year, the cities whose bootstrap interval lies above 1 (growth), below 1
-- (decline) or around it. median_width is the width of the interval at the median.
-- Caveat: with this many cities the intervals read too narrow
-- (docs/method/frontier.md), so the shares of growth and decline are upper ends; no row
-- where there are no intervals.
with changes as (

    select
        year,
        tfpch,
        tfpch_low,
        tfpch_high,
    from {{ ref("fct_tfp_changes") }}
    where tfpch_low is not null and tfpch_high is not null

),

final as (

    select
        ---------- keys
        year,

        ---------- measures
        count(*) as n_cities,
        count(*) filter (where tfpch_low > 1) as n_growth,
        count(*) filter (where tfpch_high < 1) as n_decline,
        count(*) filter (where tfpch_low <= 1 and tfpch_high >= 1) as n_neither,
        round(median(tfpch_high - tfpch_low), 4) as median_width,
    from changes
    group by year

)

select * from final
order by year
