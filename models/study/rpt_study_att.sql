with final as (

    select
        ---------- keys
        outcome,
        sample,
        estimator,
        aggregation,
        term,

        ---------- labels
        cast(nullif(cohort, 0) as varchar) as cohort,
        cast(year as varchar) as period,
        cast(event_time as double) as event_time,
        standard_errors,
        note,

        ---------- measures
        estimate,
        std_error,
        conf_low,
        conf_high,
        p_value,
        band_low,
        band_high,
        leads_p_value,

        ---------- counts
        cast(n_obs as bigint) as n_obs,
        cast(n_cities as bigint) as n_units,
        cast(n_treated_cities as bigint) as n_treated_units,

        ---------- flags
        sign_differs,
    from {{ ref("rpt_att") }}

)

select * from final
order by outcome, sample, estimator, aggregation, term
