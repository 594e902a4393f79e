-- When a city's zone counts, under each rule of dating. A city whose batch is not among
-- treated_batches is a candidate for control and keeps its batch in a column beside. The
-- roster is that of the option policy.
with spine as (

    select
        city_id,
        year,
    from {{ ref("int_city_years__spine") }}

),

zones as (

    select
        city_id,
        min(batch) as batch,
        min(approval_date) as approval_date,
    from {{ ref("stg_policy__pilot_zones") }}
    where city_id is not null and policy = '{{ study_options().policy }}'
    group by city_id

),

dated as (

    select
        spine.city_id,
        spine.year,
        zones.batch,
        zones.approval_date,
        year(zones.approval_date) as approval_year,
        coalesce(
            zones.batch in ({{ study_options().treated_batches | join(", ") }}), false
        ) as is_treated_batch,
        -- The day of approval counts: a zone approved on 1 January has the whole year.
        date_diff(
            'day', zones.approval_date, make_date(year(zones.approval_date) + 1, 1, 1)
        ) / date_diff(
            'day',
            make_date(year(zones.approval_date), 1, 1),
            make_date(year(zones.approval_date) + 1, 1, 1)
        ) as share_of_approval_year,
    from spine
    left join zones
        on spine.city_id = zones.city_id

),

final as (

    select
        ---------- keys
        city_id,
        year,

        ---------- flags
        is_treated_batch,

        ---------- measures
        batch,
        approval_date,
        approval_year,
        {%- for rule, lag in {"approval_year": 0, "next_year": 1, "fraction": 0}.items() %}
        case when is_treated_batch then approval_year + {{ lag }} end
            as cohort__{{ rule }},
        {%- endfor %}
        case when is_treated_batch and year >= approval_year then 1.0 else 0.0 end
            as exposure__approval_year,
        case when is_treated_batch and year >= approval_year + 1 then 1.0 else 0.0 end
            as exposure__next_year,
        case
            when is_treated_batch and year > approval_year then 1.0
            when is_treated_batch and year = approval_year then share_of_approval_year
            else 0.0
        end as exposure__fraction,
    from dated

)

select * from final
