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
        {{ study_columns({
            "check_name": "coalesce(" ~ names ~ "[check_name], check_name)",
            "aggregation": "coalesce(" ~ names ~ "[aggregation], aggregation)",
            "row_order": "cast(row_order as bigint)",
        }) }}
    from {{ ref("rpt_sensitivity") }}

)

select * from final
order by check_name, sample, estimator, aggregation, term, row_order
