with final as (

    select
        ---------- keys
        paper_table as table_name,
        paper_column as column_name,

        ---------- labels
        outcome,
        wild_note,
        note,

        ---------- conventional
        estimate,
        std_error,
        conf_low,
        conf_high,
        p_value,

        ---------- cluster-robust in small samples
        std_error_cr2,
        df_cr2,
        p_value_cr2,
        std_error_cv3,
        p_value_cv3,

        ---------- resampled and exact
        p_value_wild,
        conf_low_wild,
        conf_high_wild,
        p_value_randomisation,
        p_value_holm,
        p_value_romano_wolf,

        ---------- what the column could have seen
        minimum_detectable_effect,
        bound,
        power_at_bound,
        equivalence_p_value,

        ---------- counts
        cast(n_obs as bigint) as n_obs,
        cast(n_cities as bigint) as n_units,
        cast(n_treated_cities as bigint) as n_treated_units,
    from {{ ref("rpt_inference") }}

)

select * from final
order by table_name, column_name
