with final as (

    select
        ---------- keys
        rule,
        severity,
        city_id as unit_id,
        cast(year as varchar) as period,
        variable,

        ---------- measures
        value,

        ---------- labels
        evidence_en,
        evidence_zh,
    from {{ ref("dq_findings") }}

)

select * from final
order by rule, unit_id, period, variable
