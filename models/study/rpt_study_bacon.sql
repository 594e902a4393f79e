with final as (

    select
        {{ study_columns({
            "comparison": "type",
            "cohort": "cast(nullif(cohort, 0) as varchar)",
            "control_cohort": "cast(nullif(control_cohort, 0) as varchar)",
        }) }}
    from {{ ref("rpt_bacon") }}

)

select * from final
order by outcome, term
