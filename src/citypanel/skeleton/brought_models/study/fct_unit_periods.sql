with final as (

    select
        ---------- keys
        unit_id,
        period,
        variable,

        ---------- measures
        period_number,
        value,
    from {{ ref("est_study_panel") }}

)

select * from final
order by unit_id, period_number, variable
