with final as (

    select
        ---------- keys
        variable,

        ---------- labels
        kind,
        label_en,
        label_zh,
        case
            when unit like 'log10 %' and '{{ study_options().log_base }}' = 'e'
                then replace(unit, 'log10', 'ln')
            else unit
        end as unit,
        formula,
        note,
        yearbook_column,
        gap_rule,
    from {{ ref("ref_variables") }}

)

select * from final
order by kind, variable
