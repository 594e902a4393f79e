with final as (

    select
        ---------- keys
        paper_table,
        paper_column,
        variant,
        term,

        ---------- labels
        specification,
        note,

        ---------- measures
        estimate,
        std_error,
        t,
        p_value,
        conf_low,
        conf_high,
        n_obs,
        n_cities,
        n_treated_cities,
        n_treated_city_years,
        r2_within,
        r2_partial,
        outcome_mean,
        assumed_share,
    from {{ ref("est_regressions") }}

)

select * from final
order by paper_table, paper_column, variant, term
