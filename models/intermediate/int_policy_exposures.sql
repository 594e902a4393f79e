-- When a city's zone counts, under each rule of dating. The roster is that of the option
-- policy; a city in several of its rows has the earliest. A city whose batch is not among
-- treated_batches keeps its batch beside, and others says whether it may be a control.
{%- set policy = resolved_study().policy or {} %}
with spine as (

    select
        city_id,
        year,
        make_date(year, 1, 1) as first_day,
        make_date(year, 12, 31) as last_day,
    from {{ ref("int_city_years__spine") }}

),

zones as (

    select
        city_id,
        batch,
        approval_date,
        approval_year,
        coalesce(end_date, date '9999-12-31') as last_day_in_force,
        end_date,
        intensity,
        date_precision,
        coalesce(
            batch in ({{ study_options().treated_batches | join(", ") }}), false
        ) as is_treated_batch,
    from {{ ref("stg_policy__pilot_zones") }}
    where city_id is not null and policy = '{{ study_options().policy }}'
    qualify row_number() over (
        partition by city_id order by approval_date, batch, zone_zh
    ) = 1

),

dated as (

    select
        spine.city_id,
        spine.year,
        zones.batch,
        zones.approval_date,
        zones.approval_year,
        zones.end_date,
        zones.intensity,
        zones.date_precision,
        coalesce(zones.is_treated_batch, false) as is_treated_batch,
        coalesce(
            spine.last_day >= zones.approval_date
            and spine.first_day <= zones.last_day_in_force,
            false
        ) as is_in_force,
        -- The first whole year is the one after approval, even of 1 January.
        coalesce(
            spine.year > zones.approval_year
            and spine.last_day <= zones.last_day_in_force,
            false
        ) as is_whole_year,
        -- The day of approval counts: a zone approved on 1 January has the whole year.
        greatest(
            0,
            date_diff(
                'day',
                greatest(spine.first_day, zones.approval_date),
                least(spine.last_day, zones.last_day_in_force)
            ) + 1
        ) / (date_diff('day', spine.first_day, spine.last_day) + 1) as share_of_year,
    from spine
    left join zones
        on spine.city_id = zones.city_id

),

exposed as (

    select
        *,
        case when is_treated_batch and is_in_force then intensity else 0.0 end
            as exposure__approval_year,
        case when is_treated_batch and is_whole_year then intensity else 0.0 end
            as exposure__next_year,
        case
            when not is_treated_batch then 0.0
            -- Of a year alone no share is known.
            when date_precision = 'year' and year = approval_year then null
            else intensity * share_of_year
        end as exposure__fraction,
    from dated

),

final as (

    select
        ---------- keys
        city_id,
        year,

        ---------- labels
        date_precision,
        case
            when batch is null or is_treated_batch then null
            when batch in ({{ (policy.control or [0]) | join(", ") }}) then 'control'
            else '{{ policy.others }}'
        end as others,
        '{{ policy.always_treated }}' as always_treated,

        ---------- flags
        is_treated_batch,
        is_in_force,

        ---------- measures
        batch,
        approval_date,
        approval_year,
        end_date,
        intensity,
        {%- for rule, lag in {"approval_year": 0, "next_year": 1, "fraction": 0}.items() %}
        case when is_treated_batch then approval_year + {{ lag }} end
            as cohort__{{ rule }},
        {%- endfor %}
        exposure__approval_year,
        exposure__next_year,
        exposure__fraction,
    from exposed

)

select * from final
