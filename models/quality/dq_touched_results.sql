-- Which published results the findings touch, counted.
with summary as (

    select *
    from {{ ref("est_quality_summary") }}

),

final as (

    select
        ---------- keys
        table_name,
        place,

        ---------- measures
        cast(n_critical as integer) as n_critical,
        cast(n_warning as integer) as n_warning,
        cast(n_info as integer) as n_info,
        cast(n_corrected as integer) as n_corrected,
    from summary
    where part = 'touched'

)

select * from final
order by table_name, place
