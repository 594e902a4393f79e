with final as (

    select
        ---------- keys
        covariate,
        sample,

        ---------- labels
        cast(null as varchar) as note,

        ---------- measures
        mean_treated,
        mean_control,
        bias_pct,
        bias_reduction_pct,
        variance_ratio,
        t,
        p_value,

        ---------- counts
        cast(n_treated_cities as bigint) as n_treated_units,
        cast(n_control_cities as bigint) as n_control_units,
    from {{ ref("rpt_balance") }}

)

select * from final
order by covariate, sample
