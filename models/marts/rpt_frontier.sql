-- Who carries the frontier, and how often labour has a price at all.
with distances as (

    select *
    from {{ ref("est_frontier_distances") }}
    where variant = 'headline'

),

changes as (

    select
        year,
        exp(avg(ln(tfpch))) as mean_tfpch,
        exp(avg(ln(effch))) as mean_effch,
        exp(avg(ln(techch))) as mean_techch,
    from {{ ref("est_tfp_changes") }}
    where variant = 'headline' and year_from is not null
    group by year

),

cities as (

    select
        city_id,
        city_en,
    from {{ ref("stg_reference__cities") }}

),

yearly as (

    select
        distances.year,
        count(*) as n_cities,
        count(*) filter (where distances.is_on_frontier) as n_on_frontier,
        string_agg(cities.city_en, ', ' order by distances.city_id)
            filter (where distances.is_on_frontier) as frontier_cities,
        avg(distances.distance_crs) as mean_distance_crs,
        avg(case when distances.has_zero_labour_price then 1.0 else 0.0 end)
            as zero_labour_price_share,
    from distances
    inner join cities
        on distances.city_id = cities.city_id
    group by distances.year

),

final as (

    select
        ---------- keys
        yearly.year,

        ---------- labels
        yearly.frontier_cities,

        ---------- measures
        yearly.n_cities,
        yearly.n_on_frontier,
        yearly.zero_labour_price_share,
        yearly.mean_distance_crs,
        changes.mean_tfpch,
        changes.mean_effch,
        changes.mean_techch,
    from yearly
    left join changes
        on yearly.year = changes.year

)

select * from final
order by year
