-- Question: do checks that should find nothing find something, and do exclusions change
-- the answer?
-- Reading: fake_date moves the policy ahead of its time on the years before it: an
-- estimate away from zero is a trend, not an effect. The others are the headline with
-- cities, batches or effects taken out.
-- Caveat: several checks are looked at together; one p-value below 0.05 among them is
-- weaker than it reads, and a fake date that finds something weighs more than one.
{{ config(enabled=var("credibility")) }}
with checks as (

    select
        check_name,
        sample,
        term,
        aggregation,
        estimate,
        std_error,
        p_value,
        n_cities,
        row_order,
    from {{ ref("rpt_sensitivity") }}
    where
        check_name in (
            'headline', 'fake_date', 'exclusion', 'leave_one_batch_out',
            'region_by_year', 'propensity_score'
        )

),

headline as (

    select estimate as headline_estimate
    from checks
    where check_name = 'headline'

),

final as (

    select
        ---------- keys
        checks.check_name,
        case
            when checks.check_name = 'propensity_score' then checks.aggregation
            when checks.sample != 'all' then checks.sample
            else checks.term
        end as what,

        ---------- measures
        round(checks.estimate, 4) as estimate,
        round(checks.std_error, 4) as std_error,
        round(checks.p_value, 3) as p_value,
        round(checks.estimate - headline.headline_estimate, 4) as change,
        checks.n_cities,
    from checks
    cross join headline

)

select * from final
order by check_name != 'headline', check_name, what
