-- Question: which single city moves the headline most when it is left out?
-- Reading: the ten largest changes. change_in_errors is the change over the headline's
-- standard error: beyond 1 one city is worth more than the uncertainty that is stated.
-- Caveat: the index stays as it is, so a city that carries the frontier moves nothing
-- here but its own rows; leaving it out of the frontier too can do more.
{{ config(enabled=var("credibility")) }}
with checks as (

    select
        check_name,
        term,
        estimate,
        std_error,
        change,
    from {{ ref("rpt_sensitivity") }}
    where check_name in ('headline', 'leave_one_city_out')

),

headline as (

    select
        estimate,
        std_error,
    from checks
    where check_name = 'headline'

),

sample as (

    select
        city_id,
        city_en,
        region,
        role,
    from {{ ref("rpt_sample") }}

),

final as (

    select
        ---------- keys
        checks.term as city_id,

        ---------- labels
        sample.city_en,
        sample.region,
        sample.role,

        ---------- measures
        round(checks.estimate, 4) as estimate_without,
        round(checks.change, 4) as change,
        round(checks.change / headline.std_error, 2) as change_in_errors,
        round(headline.estimate, 4) as headline_estimate,
    from checks
    inner join sample
        on checks.term = sample.city_id
    cross join headline
    where checks.check_name = 'leave_one_city_out'
    qualify row_number() over (order by abs(checks.change) desc, checks.term) <= 10

)

select * from final
order by abs(change) desc, city_id
