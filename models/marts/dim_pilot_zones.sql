with final as (

    select
        ---------- keys
        province_zh,
        zone_zh,
        city_id,

        ---------- labels
        state_council_document,

        ---------- measures
        batch,
        approval_date,
        approval_year,
        end_date,
        intensity,

        ---------- flags
        batch in ({{ study_options().treated_batches | join(", ") }}) as is_treated_batch,
    from {{ ref("stg_policy__pilot_zones") }}
    where policy = '{{ study_options().policy }}'

)

select * from final
order by batch, province_zh, zone_zh
