-- Question: do treated and control cities part before the policy, and how does the
-- effect run afterwards?
-- Reading: Figure 1. Event times below -1 are leads, 0 is the first year of exposure,
-- -1 the reference. leads_p_value tests all leads together and is the same in every row
-- of a variant; a small one speaks against parallel trends.
-- Caveat: a large one does not prove them: a test of few cities has little power, and
-- leads that shrink towards -1 are a trend even where none is significant. Late event
-- times rest on the earliest batches, the last one on Hangzhou alone.
with events as (

    select
        estimator,
        variant,
        event_time,
        estimate,
        std_error,
        conf_low,
        conf_high,
        p_value,
        n_treated_cities,
        leads_f,
        leads_df,
        leads_p_value,
        note,
    from {{ ref("rpt_event_study") }}

),

variants as (

    select
        variant,
        variant_order,
    from {{ ref("dim_study_variants") }}

),

final as (

    select
        ---------- keys
        events.estimator,
        events.variant,
        events.event_time,

        ---------- measures
        round(events.estimate, 3) as estimate,
        round(events.std_error, 3) as std_error,
        round(events.leads_p_value, 3) as leads_p_value,
        round(events.leads_f, 3) as leads_f,
        events.leads_df,
        round(events.conf_low, 3) as conf_low,
        round(events.conf_high, 3) as conf_high,
        round(events.p_value, 3) as p_value,
        events.n_treated_cities,
        variants.variant_order,

        ---------- labels
        events.note,
    from events
    inner join variants
        on events.variant = variants.variant

)

select * from final
order by estimator, variant_order, event_time
