with variables as (

    select *
    from {{ ref("dim_variables") }}

),

used as (

    select distinct variable
    from {{ ref("fct_unit_periods") }}

),

final as (

    select
        ---------- keys
        variables.variable,

        ---------- labels
        case variables.kind when 'index' then 'outcome' else variables.kind end as kind,
        variables.label_en,
        variables.label_zh,
        variables.unit,
        variables.formula,
        'level' as transform,

        ---------- measures
        cast(row_number() over (
            order by variables.kind desc, variables.variable
        ) as bigint) as variable_order,

        ---------- flags
        variables.variable = '{{ study_options().outcome }}' as is_headline,
        cast(null as boolean) as is_after_treatment,
    from variables
    inner join used on variables.variable = used.variable

)

select * from final
order by variable_order
