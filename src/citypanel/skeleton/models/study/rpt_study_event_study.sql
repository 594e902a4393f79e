with final as (

    select
        ---------- keys
        outcome,
        sample,
        estimator,
        event_time,

        ---------- labels
        note,

        ---------- measures
        estimate,
        std_error,
        conf_low,
        conf_high,
        p_value,
        band_low,
        band_high,

        ---------- counts
        n_obs,
        n_units,
        n_treated_units,
    from {{ ref("rpt_study_att") }}
    where
        aggregation = 'dynamic'
        and event_time is not null

)

select * from final
order by outcome, sample, estimator, event_time
