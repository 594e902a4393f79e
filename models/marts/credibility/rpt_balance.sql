with final as (

    select
        ---------- keys
        covariate,
        sample,

        ---------- measures
        mean_treated,
        mean_control,
        bias_pct,
        bias_reduction_pct,
        variance_ratio,
        t,
        p_value,
        cast(n_treated as integer) as n_treated_cities,
        cast(n_control as integer) as n_control_cities,
    from {{ ref("est_balance") }}

)

select * from final
order by covariate, sample
