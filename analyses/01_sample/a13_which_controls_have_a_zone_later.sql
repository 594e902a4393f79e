-- Question: which control cities got a pilot zone of their own later, and when?
-- Reading: years_after is the years between the end of the study and the approval; 0 or
-- less means that the city was approved while it still counts as a control.
-- Caveat: a control that knows of its coming zone may move before it. The option
-- excluded_cities leaves out batch 4, whose approval falls into the last year.
with exposures as (

    select distinct
        city_id,
        later_batch,
        later_approval_year,
    from {{ ref("fct_policy_exposures") }}
    where later_batch is not null

),

sample as (

    select
        city_id,
        city_en,
        region,
        is_in_sample,
    from {{ ref("rpt_sample") }}
    where role = 'control'

),

headline as (

    select last_year
    from {{ ref("dim_study_variants") }}
    where variant = 'headline'

),

final as (

    select
        ---------- keys
        sample.city_id,

        ---------- labels
        sample.city_en,
        sample.region,

        ---------- measures
        exposures.later_batch,
        exposures.later_approval_year,
        exposures.later_approval_year - headline.last_year as years_after,

        ---------- flags
        sample.is_in_sample,
    from sample
    inner join exposures
        on sample.city_id = exposures.city_id
    cross join headline

)

select * from final
order by later_batch, city_id
