with est as (

    select *
    from {{ ref("est_influence") }}

),

cities as (

    select
        city_id,
        city_en,
    from {{ ref("stg_reference__cities") }}

),

provinces as (

    select distinct
        province_id,
        province_en,
    from {{ ref("dim_cities") }}

),

final as (

    select
        ---------- keys
        cast(est.kind as varchar) as kind,
        cast(est.scope as varchar) as scope,
        cast(est.unit as varchar) as unit,
        cast(coalesce(est.year, 0) as integer) as year,
        coalesce(est.variable, '') as variable,
        cast(coalesce(est.factor, 0) as double) as factor,

        ---------- labels
        coalesce(cities.city_en, provinces.province_en) as unit_name,
        cast(est.origin as varchar) as origin,
        cast(est.note as varchar) as note,

        ---------- measures
        est.value,
        est.estimate,
        est.std_error,
        est.p_value,
        est.change,
        est.change_in_std_errors,
        est.mean,
        est.std_dev,
        est.minimum,
        est.maximum,
        cast(est.n_obs as integer) as n_obs,
        cast(est.n_cities as integer) as n_cities,
        cast(est.rank as integer) as rank,
    from est
    left join cities
        on est.unit = cities.city_id
    left join provinces
        on
            est.unit = provinces.province_id
            and est.scope = 'province'

)

select * from final
order by kind, rank, scope, unit, year, variable, factor
