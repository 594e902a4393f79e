-- The inputs actually used: what follows in the other tables can be recomputed from here.
with sample as (

    select
        city_id,
        year,
        gdp_real_cny_10k,
        capital_real_cny_10k,
        labour,
        is_capital_assumed,
    from {{ ref("int_study_sample") }}
    where variant = 'headline' and is_in_sample

),

inputs as (

    select *
    from {{ ref("int_study_inputs") }}
    where variant = 'headline'

),

policy as (

    select
        city_id,
        year,
        sydid,
        cohort,
        event_time,
    from {{ ref("fct_policy_exposures") }}

),

cities as (

    select
        city_id,
        region,
        is_municipality,
    from {{ ref("stg_reference__cities") }}

),

final as (

    select
        ---------- keys
        sample.city_id,
        sample.year,

        ---------- labels
        cities.region,

        ---------- output and inputs
        inputs.gdp_cny_10k,
        sample.gdp_real_cny_10k,
        inputs.investment_cny_10k,
        sample.capital_real_cny_10k,
        sample.labour,

        ---------- policy
        policy.sydid,
        policy.cohort,
        policy.event_time,

        ---------- controls
        inputs.eco,
        inputs.ind,
        inputs.inf,
        inputs.edu,
        inputs.sca,
        inputs.tra,
        inputs.con,

        ---------- flags
        cities.is_municipality,
        inputs.is_investment_assumed,
        sample.is_capital_assumed,
    from sample
    inner join inputs
        on
            sample.city_id = inputs.city_id
            and sample.year = inputs.year
    inner join policy
        on
            sample.city_id = policy.city_id
            and sample.year = policy.year
    inner join cities
        on sample.city_id = cities.city_id

)

select * from final
order by city_id, year
