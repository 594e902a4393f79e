-- Under the headline's dating. A city outside treated_batches, or dated after last_year,
-- has cohort 0 and its batch in the columns beside.
with exposures as (

    select *
    from {{ ref("int_policy_exposures") }}

),

options as (

    select
        panel_first_year,
        last_year,
    from {{ ref("int_study_variants") }}
    where variant = 'headline'

),

dated as (

    select
        exposures.*,
        {% set rule = study_options().exposure_from -%}
        exposure__{{ rule }} as sydid,
        case
            when exposures.cohort__{{ rule }} <= options.last_year
                then exposures.cohort__{{ rule }}
            else 0
        end as cohort,
    from exposures
    inner join options
        on exposures.year between options.panel_first_year and options.last_year

),

final as (

    select
        ---------- keys
        city_id,
        year,

        ---------- measures
        batch,
        approval_date,
        cohort,
        case when cohort > 0 then year - cohort end as event_time,
        cast(sydid as double) as sydid,
        case when cohort = 0 then batch end as later_batch,
        case when cohort = 0 then approval_year end as later_approval_year,
    from dated

)

select * from final
order by city_id, year
