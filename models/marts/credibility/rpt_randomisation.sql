with final as (

    select
        ---------- keys
        paper_table,
        paper_column,
        cast(draw as integer) as draw,

        ---------- measures
        statistic,

        ---------- flags
        draw = 0 as is_sample,
    from {{ ref("est_randomisation") }}

)

select * from final
order by paper_table, paper_column, draw
