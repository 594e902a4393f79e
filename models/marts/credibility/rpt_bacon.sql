with final as (

    select
        ---------- keys
        outcome,
        term,

        ---------- labels
        type,
        cast(note as varchar) as note,

        ---------- measures
        cast(cohort as integer) as cohort,
        cast(control_cohort as integer) as control_cohort,
        weight,
        estimate,
        twfe as twfe_estimate,
        cast(n_obs as integer) as n_obs,
        cast(n_units as integer) as n_cities,
        cast(n_treated_units as integer) as n_treated_cities,
    from {{ ref("est_bacon") }}

)

select * from final
order by outcome, term
