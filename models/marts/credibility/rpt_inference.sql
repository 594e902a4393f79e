with final as (

    select
        ---------- keys
        paper_table,
        paper_column,

        ---------- labels
        outcome,
        cast(wild_note as varchar) as wild_note,
        cast(note as varchar) as note,

        ---------- conventional
        estimate,
        std_error,
        p_value,
        conf_low,
        conf_high,

        ---------- cluster-robust in small samples
        std_error_cr2,
        df_cr2,
        p_value_cr2,
        cast(std_error_cv3 as double) as std_error_cv3,
        cast(p_value_cv3 as double) as p_value_cv3,

        ---------- resampled and exact
        p_value_wild,
        conf_low_wild,
        conf_high_wild,
        p_value_randomisation,
        p_value_holm,
        p_value_romano_wolf,
        cast(draws as integer) as draws,

        ---------- what the column could have seen
        minimum_detectable_effect,
        bound,
        power_at_bound,
        equivalence_p_value,

        ---------- counts
        cast(n_obs as integer) as n_obs,
        cast(n_cities as integer) as n_cities,
        cast(n_treated as integer) as n_treated_cities,
    from {{ ref("est_inference") }}

)

select * from final
order by paper_table, paper_column
