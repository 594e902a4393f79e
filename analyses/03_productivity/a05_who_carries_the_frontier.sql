-- Question: who carries the frontier in each year, and how often does labour have no
-- price?
-- Reading: distances are output distances under constant returns, 1 on the frontier.
-- zero_labour_price_share is the share of cities whose distance would not change were
-- labour left out. cumulative_techch multiplies the mean technical change since the
-- first year: below 1 the frontier has moved inwards.
-- Caveat: a share such as university_share does not grow with the city. Where nearly
-- every city has a zero price, the index is output over capital against one or two
-- cities, and their figures are everybody's benchmark.
with frontier as (

    select
        year,
        frontier_cities,
        n_cities,
        n_on_frontier,
        zero_labour_price_share,
        mean_distance_crs,
        mean_tfpch,
        mean_effch,
        mean_techch,
    from {{ ref("rpt_frontier") }}

),

final as (

    select
        ---------- keys
        year,

        ---------- labels
        frontier_cities,

        ---------- measures
        n_cities,
        n_on_frontier,
        round(zero_labour_price_share, 3) as zero_labour_price_share,
        round(mean_distance_crs, 3) as mean_distance_crs,
        round(mean_tfpch, 3) as mean_tfpch,
        round(mean_effch, 3) as mean_effch,
        round(mean_techch, 3) as mean_techch,
        round(product(mean_techch) over (order by year), 3) as cumulative_techch,
    from frontier

)

select * from final
order by year
