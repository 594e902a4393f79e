-- Question: does the effect grow, fade or stay after the first year of exposure?
-- Reading: two-way event study of the headline from event time 0 on. cumulative adds
-- the estimates up: on a growth index that is the effect on the level so far, about in
-- logs. assumed_share is high where capital rests on assumed investment.
-- Caveat: n_treated_cities shrinks with event time: later rows are of earlier batches,
-- and the last of one city. The sum has no standard error here.
with events as (

    select
        event_time,
        estimate,
        std_error,
        p_value,
        n_treated_cities,
        assumed_share,
        note,
    from {{ ref("rpt_event_study") }}
    where
        estimator = 'twfe'
        and variant = 'headline'
        and event_time >= 0
        and outcome = (
            select outcome
            from {{ ref("dim_study_variants") }}
            where variant = 'headline'
        )

),

final as (

    select
        ---------- keys
        event_time,

        ---------- measures
        round(estimate, 4) as estimate,
        round(std_error, 4) as std_error,
        round(p_value, 3) as p_value,
        round(sum(estimate) over (order by event_time), 4) as cumulative,
        n_treated_cities,
        round(assumed_share, 3) as assumed_share,

        ---------- labels
        note,
    from events

)

select * from final
order by event_time
