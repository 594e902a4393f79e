-- What the estimators read: one row per variant, city and year that has an index, with
-- the policy dated by the variant's rule. A cohort after the variant's last year is 0.
with variants as (

    select
        variant,
        exposure_from,
        outcome,
        first_year,
        last_year,
    from {{ ref("int_study_variants") }}

),

cities as (

    select
        city_id,
        region,
        is_municipality,
        is_provincial_capital,
    from {{ ref("stg_reference__cities") }}

),

changes as (

    select *
    from {{ ref("est_tfp_changes") }}

),

policy as (

    select *
    from {{ ref("int_policy_exposures") }}

),

inputs as (

    select
        variant,
        city_id,
        year,
        eco,
        ind,
        inf,
        edu,
        sca,
        tra,
        con,
    from {{ ref("int_study_inputs") }}

),

sample as (

    select
        variant,
        city_id,
        year,
        is_capital_assumed,
    from {{ ref("int_study_sample") }}

),

dated as (

    select
        variants.variant,
        variants.outcome as outcome_name,
        changes.* exclude (variant, reason),
        case variants.exposure_from
            {%- for rule in permitted_options().exposure_from %}
            when '{{ rule }}' then policy.exposure__{{ rule }}
            {%- endfor %}
        end as sydid,
        case variants.exposure_from
            {%- for rule in permitted_options().exposure_from %}
            when '{{ rule }}'
                then case
                    when policy.cohort__{{ rule }} <= variants.last_year
                        then policy.cohort__{{ rule }}
                    else 0
                end
            {%- endfor %}
        end as cohort,
        policy.batch,
    from variants
    inner join changes
        on variants.variant = changes.variant
    inner join policy
        on
            changes.city_id = policy.city_id
            and changes.year = policy.year

),

final as (

    select
        ---------- keys
        dated.variant,
        dated.city_id,
        dated.year,

        ---------- labels
        cities.region,

        ---------- outcomes
        dated.outcome_name,
        dated.tfpch,
        ln(dated.tfpch) as log_tfpch,
        dated.effch,
        dated.techch,
        dated.cumulative_log_tfp,
        case dated.outcome_name
            when 'tfpch' then dated.tfpch
            when 'log_tfpch' then ln(dated.tfpch)
            when 'effch' then dated.effch
            when 'techch' then dated.techch
            when 'cumulative_log_tfp' then dated.cumulative_log_tfp
        end as outcome,

        ---------- policy
        dated.sydid,
        coalesce(dated.cohort, 0) as cohort,
        case when dated.cohort > 0 then dated.year - dated.cohort end as event_time,
        case when coalesce(dated.cohort, 0) = 0 then dated.batch end as later_batch,

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
        cities.is_provincial_capital,
        sample.is_capital_assumed,
    from dated
    inner join cities
        on dated.city_id = cities.city_id
    inner join inputs
        on
            dated.variant = inputs.variant
            and dated.city_id = inputs.city_id
            and dated.year = inputs.year
    inner join sample
        on
            dated.variant = sample.variant
            and dated.city_id = sample.city_id
            and dated.year = sample.year

)

select * from final
