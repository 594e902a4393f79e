-- Question: what can be said when trends are allowed to part (Rambachan and Roth 2023)?
-- Reading: intervals of the first effect. Under relative_magnitude bound is how many
-- times the largest violation before the policy it may be afterwards; under smoothness,
-- by how much the slope of the violation may change a year.
-- Caveat: breakdown is empty where even the smallest bound leaves zero inside: there is
-- no effect to break down.
{{ config(enabled=var("credibility")) }}
with checks as (

    select
        estimator,
        aggregation,
        bound,
        estimate,
        conf_low,
        conf_high,
        breakdown,
        row_order,
    from {{ ref("rpt_sensitivity") }}
    where
        check_name = 'honest'
        and (aggregation != 'original' or row_order = 1)

),

final as (

    select
        ---------- keys
        estimator,
        aggregation as restriction,
        bound,

        ---------- measures
        round(conf_low, 4) as conf_low,
        round(conf_high, 4) as conf_high,
        round(estimate, 4) as estimate,
        breakdown,

        ---------- flags
        conf_low <= 0 and conf_high >= 0 as is_zero_inside,
        row_order,
    from checks

)

select * from final
order by estimator, restriction, row_order
