{#- The names that every study has for what the shipped one calls batches and regions. -#}
{%- set names -%}
    map {
        'leave_one_batch_out': 'leave_one_cohort_out',
        'leave_one_city_out': 'leave_one_unit_out',
        'region_by_year': 'group_by_period',
        'by_region': 'by_group'
    }
{%- endset -%}
with final as (

    select
        ---------- keys
        coalesce({{ names }}[check_name], check_name) as check_name,
        sample,
        estimator,
        coalesce({{ names }}[aggregation], aggregation) as aggregation,
        term,
        cast(row_order as bigint) as row_order,

        ---------- labels
        outcome,
        note,

        ---------- estimate
        estimate,
        std_error,
        conf_low,
        conf_high,
        p_value,
        cast(n_obs as bigint) as n_obs,
        cast(n_cities as bigint) as n_units,

        ---------- bounds on violated trends
        bound,
        breakdown,
        slope,
        power,
        bias,
        bias_if_passed,
        passed_ratio,
        change,

        ---------- what the estimate could have seen
        minimum_detectable_effect,
        power_at_bound,
        equivalence_p_value,
        smallest_bound,
    from {{ ref("rpt_sensitivity") }}

)

select * from final
order by check_name, sample, estimator, aggregation, term, row_order
