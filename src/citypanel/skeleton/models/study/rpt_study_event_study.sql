with effects as (

    select *
    from {{ ref("rpt_study_att") }}
    where
        aggregation = 'dynamic'
        and event_time is not null

),

final as (

    select
        {{ study_columns({"n_units": "n_units", "n_treated_units": "n_treated_units"}) }}
    from effects

)

select * from final
order by outcome, sample, estimator, event_time
