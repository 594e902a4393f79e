with checks as (

    select *
    from {{ ref("est_sensitivity") }}

),

final as (

    select
        ---------- keys
        "check" as check_name,
        sample,
        estimator,
        aggregation,
        term,
        cast(row_number() over (
            partition by "check", sample, estimator, aggregation, term
            order by bound, slope, power, estimate
        ) as integer) as row_order,

        ---------- labels
        outcome,
        cast(note as varchar) as note,

        ---------- estimate
        estimate,
        std_error,
        conf_low,
        conf_high,
        p_value,
        cast(n_obs as integer) as n_obs,
        cast(n_units as integer) as n_cities,

        ---------- bounds on violated trends
        bound,
        breakdown,
        slope,
        power,
        bias,
        bias_if_passed,
        passed_ratio,
        change,

        ---------- what the estimate could have seen
        minimum_detectable_effect,
        power_at_bound,
        equivalence_p_value,
        smallest_bound,
    from checks

)

select * from final
order by check_name, sample, estimator, aggregation, term, row_order
