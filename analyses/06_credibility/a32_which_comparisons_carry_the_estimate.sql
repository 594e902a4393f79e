-- Question: which comparisons is the two-way estimate made of?
-- Reading: by kind of comparison, the weights add up to 1 and weighted estimates to
-- twfe_estimate. Later vs earlier treated uses cities as controls that are treated
-- already; its weight is how far two-way fixed effects can mislead.
-- Caveat: a large weight of treated vs untreated rests on the choice of controls
-- instead.
{{ config(enabled=var("credibility")) }}
with comparisons as (

    select
        outcome,
        type,
        weight,
        estimate,
        twfe_estimate,
    from {{ ref("rpt_bacon") }}

),

final as (

    select
        ---------- keys
        outcome,
        type,

        ---------- measures
        round(sum(weight), 3) as weight,
        round(sum(weight * estimate) / sum(weight), 4) as mean_estimate,
        round(sum(weight * estimate), 4) as contribution,
        round(any_value(twfe_estimate), 4) as twfe_estimate,
        count(*) as n_comparisons,
    from comparisons
    group by outcome, type

)

select * from final
order by outcome, weight desc
