with final as (

    select
        ---------- keys
        outcome,
        term,

        ---------- labels
        type as comparison,
        cast(nullif(cohort, 0) as varchar) as cohort,
        cast(nullif(control_cohort, 0) as varchar) as control_cohort,
        note,

        ---------- measures
        weight,
        estimate,
        twfe_estimate,

        ---------- counts
        cast(n_obs as bigint) as n_obs,
        cast(n_cities as bigint) as n_units,
        cast(n_treated_cities as bigint) as n_treated_units,
    from {{ ref("rpt_bacon") }}

)

select * from final
order by outcome, term
