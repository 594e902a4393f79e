with est as (

    select *
    from {{ ref("est_assumed_bounds") }}

),

final as (

    select
        ---------- keys
        cast(est.kind as varchar) as kind,
        cast(est.shape as varchar) as shape,
        cast(est.cities as varchar) as cities,
        cast(est.target as varchar) as target,
        cast(case when est.kind = 'curve' then est.factor else 0 end as double)
            as curve_factor,

        ---------- labels
        cast(est.other_factors as varchar) as other_factors,
        cast(est.note as varchar) as note,

        ---------- measures
        est.target_value,
        est.factor,
        est.estimate,
        est.std_error,
        est.mean,
        est.std_dev,
        est.lowest_estimate,
        est.highest_estimate,
        est.smallest_factor_tried,
        est.largest_factor_tried,
        cast(est.n_assumed_city_years as integer) as n_assumed_city_years,
    from est

)

select * from final
order by kind, shape, cities, target, curve_factor
