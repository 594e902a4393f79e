-- Question: do the estimators for staggered adoption agree, and on each outcome?
-- Reading: overall effects. On growth (tfpch, log_tfpch) 0.01 is a point a year; on
-- cumulative_log_tfp, the level, it is a per cent. n_above_zero counts the estimators
-- of the outcome above zero.
-- Caveat: agreement is not truth: all lean on parallel trends, and a04 says how far
-- those hold. Where the level differs in sign from growth, a trend before the policy is
-- the first suspect.
{{ config(enabled=var("credibility")) }}
with effects as (

    select
        outcome,
        estimator,
        estimate,
        std_error,
        p_value,
        n_treated_cities,
        sign_differs,
        note,
    from {{ ref("rpt_att") }}
    where sample = 'all' and aggregation = 'simple' and term = 'overall'

),

final as (

    select
        ---------- keys
        outcome,
        estimator,

        ---------- measures
        round(estimate, 4) as estimate,
        round(std_error, 4) as std_error,
        round(p_value, 3) as p_value,
        count(*) filter (where estimate > 0) over (partition by outcome)
            as n_above_zero,
        count(*) over (partition by outcome) as n_estimators,
        n_treated_cities,

        ---------- flags
        sign_differs,

        ---------- labels
        note,
    from effects

)

select * from final
order by outcome, estimator
