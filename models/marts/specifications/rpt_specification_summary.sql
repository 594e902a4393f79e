with final as (

    select
        ---------- keys
        scope,
        section,
        item,

        ---------- labels
        text,

        ---------- measures
        cast(summary_order as integer) as summary_order,
        value,
        difference,
        low,
        high,
        share,
        p_value,
        cast(n as integer) as n,
    from {{ ref("est_specification_summary") }}

)

select * from final
order by summary_order
