with final as (

    select
        {{ study_columns() }}
    from {{ ref("rpt_inference") }}

)

select * from final
order by table_name, column_name
