with est as (

    select *
    from {{ ref("est_frontier_carriers") }}

),

cities as (

    select
        city_id,
        city_en,
    from {{ ref("stg_reference__cities") }}

),

final as (

    select
        ---------- keys
        cast(est.year as integer) as year,
        cast(est.city_id as varchar) as city_id,

        ---------- labels
        cities.city_en as city_en,
        cast(est.note as varchar) as note,

        ---------- measures
        cast(est.n_cities as integer) as n_cities,
        cast(est.n_cities_carried as integer) as n_cities_carried,
        cast(est.n_treated_carried as integer) as n_treated_carried,
        est.weight,
        est.weight_treated,
        est.super_distance,
        est.estimate_without,
        est.change_without,

        ---------- flags
        cast(est.is_treated as boolean) as is_treated,
        cast(est.is_capital_assumed as boolean) as is_capital_assumed,
    from est
    inner join cities
        on est.city_id = cities.city_id

)

select * from final
order by year, weight desc, city_id
