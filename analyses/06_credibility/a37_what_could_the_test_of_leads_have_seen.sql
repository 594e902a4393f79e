-- Question: which trend before the policy would the test of leads have missed?
-- Reading: slope is the linear trend a year that the test finds with the probability
-- power; bias is what such a trend adds to the effect so many years after the reference
-- period.
-- Caveat: set bias beside the headline: where it is as large, passing the test of leads
-- clears nothing. bias_if_passed is the bias among samples that do pass.
{{ config(enabled=var("credibility")) }}
with checks as (

    select
        check_name,
        estimator,
        term,
        slope,
        power,
        bias,
        bias_if_passed,
        passed_ratio,
        estimate,
    from {{ ref("rpt_sensitivity") }}

),

headline as (

    select estimate as headline_estimate
    from checks
    where check_name = 'headline'

),

final as (

    select
        ---------- keys
        checks.estimator,
        round(checks.power, 2) as power,
        cast(round(checks.bias / checks.slope) as integer) as years_after_reference,

        ---------- measures
        round(checks.slope, 4) as slope,
        round(checks.bias, 4) as bias,
        round(checks.bias_if_passed, 4) as bias_if_passed,
        round(checks.passed_ratio, 3) as passed_ratio,
        round(headline.headline_estimate, 4) as headline_estimate,
    from checks
    cross join headline
    where checks.check_name = 'pretrend_power'

)

select * from final
order by estimator, power, years_after_reference
