-- Question: which cities' productivity grew most from the first year to the last?
-- Reading: growth_pct is the change of the level over the whole time, annual_pct a
-- year's geometric mean. Best first; rank 1 is the fastest.
-- Caveat: the level chains indices against a frontier that moves, and capital that is
-- assumed or small at the start moves it too (a24). Cities of the northeast carry the
-- level revision of 2019 (a08).
with levels as (

    select
        city_id,
        year,
        cumulative_log_tfp,
    from {{ ref("fct_tfp_changes") }}
    where cumulative_log_tfp is not null
    qualify year = max(year) over (partition by city_id)

),

counts as (

    select
        city_id,
        count(*) as n_indices,
    from {{ ref("fct_tfp_changes") }}
    where year_from is not null and tfpch is not null
    group by city_id

),

sample as (

    select
        city_id,
        city_en,
        region,
        role,
    from {{ ref("rpt_sample") }}

),

final as (

    select
        ---------- keys
        sample.city_id,

        ---------- labels
        sample.city_en,
        sample.region,
        sample.role,

        ---------- measures
        rank() over (order by levels.cumulative_log_tfp desc) as place,
        round(100 * (exp(levels.cumulative_log_tfp) - 1), 1) as growth_pct,
        round(
            100 * (exp(levels.cumulative_log_tfp / counts.n_indices) - 1), 2
        ) as annual_pct,
        counts.n_indices,
    from levels
    inner join sample
        on levels.city_id = sample.city_id
    inner join counts
        on levels.city_id = counts.city_id

)

select * from final
order by place, city_id
