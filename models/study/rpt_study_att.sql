with final as (

    select
        {{ study_columns({
            "cohort": "cast(nullif(cohort, 0) as varchar)",
            "period": "cast(year as varchar)",
            "event_time": "cast(event_time as double)",
        }) }}
    from {{ ref("rpt_att") }}

)

select * from final
order by outcome, sample, estimator, aggregation, term
