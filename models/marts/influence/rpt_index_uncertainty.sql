with est as (

    select *
    from {{ ref("est_index_uncertainty") }}

),

final as (

    select
        ---------- keys
        cast(est.method as varchar) as method,

        ---------- labels
        cast(est.note as varchar) as note,

        ---------- measures
        cast(est.method_order as integer) as method_order,
        est.estimate,
        est.std_error,
        est.conf_low,
        est.conf_high,
        est.p_value,
        est.df,
        est.ratio_to_clustered,
        est.bias,
        est.frontier_std_error,
        est.within_variance,
        est.between_variance,
        est.missing_share,
        est.serial_correlation,
        cast(est.draws as integer) as draws,
    from est

)

select * from final
order by method_order
