with est as (

    select *
    from {{ ref("est_yardsticks") }}

),

final as (

    select
        ---------- keys
        cast(est.yardstick as varchar) as yardstick,
        cast(coalesce(est.labour_share, 0) as double) as labour_share,
        cast(est.outcome as varchar) as outcome,
        cast(est.estimator as varchar) as estimator,

        ---------- labels
        cast(est.note as varchar) as note,

        ---------- measures
        cast(est.yardstick_order as integer) as yardstick_order,
        est.estimate,
        est.std_error,
        est.conf_low,
        est.conf_high,
        est.p_value,
        est.leads_p_value,
        est.mean,
        est.std_dev,
        est.minimum,
        est.maximum,
        est.correlation_with_index,
        cast(est.n_obs as integer) as n_obs,
        cast(est.n_cities as integer) as n_cities,
    from est

)

select * from final
order by yardstick_order, outcome, estimator
