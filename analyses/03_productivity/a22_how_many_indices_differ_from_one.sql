-- Question: for how many cities can catching up with the frontier or falling behind it be
-- told from neither?
-- Reading: by year, the cities whose bootstrap interval of effch lies above 1 (catching
-- up), below 1 (falling behind) or around it. median_width is the width of the interval
-- at the median.
-- Caveat: one city's tfpch and techch have no interval (docs/method/frontier.md); no row
-- where there are none.
with changes as (

    select
        year,
        effch,
        effch_low,
        effch_high,
    from {{ ref("fct_tfp_changes") }}
    where effch_low is not null and effch_high is not null

),

final as (

    select
        ---------- keys
        year,

        ---------- measures
        count(*) as n_cities,
        count(*) filter (where effch_low > 1) as n_catching_up,
        count(*) filter (where effch_high < 1) as n_falling_behind,
        count(*) filter (where effch_low <= 1 and effch_high >= 1) as n_neither,
        round(median(effch_high - effch_low), 4) as median_width,
    from changes
    group by year

)

select * from final
order by year
