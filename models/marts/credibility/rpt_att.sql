with final as (

    select
        ---------- keys
        outcome,
        sample,
        estimator,
        aggregation,
        term,

        ---------- labels
        cast(standard_errors as varchar) as standard_errors,
        cast(note as varchar) as note,

        ---------- measures
        cast(cohort as integer) as cohort,
        cast(period as integer) as year,
        cast(event_time as integer) as event_time,
        estimate,
        std_error,
        conf_low,
        conf_high,
        p_value,
        band_low,
        band_high,
        cast(n_obs as integer) as n_obs,
        cast(n_units as integer) as n_cities,
        cast(n_treated_units as integer) as n_treated_cities,
        leads_p_value,

        ---------- flags
        sign_differs,
    from {{ ref("est_att") }}

)

select * from final
order by outcome, sample, estimator, aggregation, term
