with final as (

    select
        ---------- keys
        estimator,
        variant,
        event_time,

        ---------- labels
        specification,
        note,

        ---------- measures
        estimate,
        std_error,
        conf_low,
        conf_high,
        p_value,
        n_treated_cities,
        n_obs,
        n_cities,
        leads_f,
        leads_df,
        leads_p_value,
        assumed_share,
    from {{ ref("est_event_studies") }}

)

select * from final
order by estimator, variant, event_time
