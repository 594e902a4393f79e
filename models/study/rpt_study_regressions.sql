with regressions as (

    select *
    from {{ ref("rpt_regressions") }}
    where variant = 'headline'

),

final as (

    select
        ---------- keys
        paper_table as table_name,
        paper_column as column_name,
        case term when 'sydid' then 'treatment' else term end as term,

        ---------- labels
        '{{ study_options().outcome }}' as outcome,
        'twfe' as estimator,
        'unit and period' as effects,
        '{{ study_options().standard_errors }}' as standard_errors,
        regexp_extract(specification, '([^;]*)$', 1).trim() as sample,
        note,

        ---------- measures
        estimate,
        std_error,
        conf_low,
        conf_high,
        p_value,
        t,
        cast(null as double) as df,
        r2_within,
        outcome_mean,

        ---------- counts
        n_obs,
        n_cities as n_units,
        n_treated_cities as n_treated_units,
        n_cities as n_clusters,
    from regressions

)

select * from final
order by table_name, column_name, term
