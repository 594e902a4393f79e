-- The verdict on this run, and what changed since the accepted one.
with summary as (

    select *
    from {{ ref("est_quality_summary") }}

),

final as (

    select
        ---------- keys
        part,
        cast(number as integer) as number,

        ---------- labels
        level,
        topic,
        text_en,
        text_zh,
        rule,
        severity,
        city_id,
        place_en,
        place_zh,
        cast(year as integer) as year,
        variable,
        accepted_value,
        present_value,
    from summary
    where part in ('verdict', 'change')

)

select * from final
order by part, number
