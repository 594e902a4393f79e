-- Question: do cities move closer together in efficiency over the years?
-- Reading: spread is the standard deviation of the logarithm of the distance to the
-- frontier: a fall is convergence. correlation is that of the distance in the first
-- year with the growth since; negative means that the laggards caught up.
-- Caveat: distances are relative to each year's frontier: one that falls lifts them all
-- alike, which spread does not see. Noise in the first year by itself makes correlation
-- negative.
with distances as (

    select
        city_id,
        year,
        ln(distance_crs) as log_distance,
    from {{ ref("fct_tfp_changes") }}
    where distance_crs > 0

),

compared as (

    select
        *,
        first_value(log_distance) over (partition by city_id order by year)
            as first_log_distance,
    from distances

),

final as (

    select
        ---------- keys
        year,

        ---------- measures
        round(stddev_samp(log_distance), 4) as spread,
        round(
            case
                when stddev_samp(log_distance - first_log_distance) > 0
                    then corr(first_log_distance, log_distance - first_log_distance)
            end, 3
        ) as correlation,
        round(exp(avg(log_distance)), 3) as mean_distance,
        round(min(exp(log_distance)), 3) as lowest_distance,
        count(*) as n_cities,
    from compared
    group by year

)

select * from final
order by year
