with final as (

    select
        ---------- keys
        "check" as check_name,
        coalesce(paper_table, '') as paper_table,
        coalesce(paper_column, '') as paper_column,
        coalesce(term, '') as term,
        coalesce(quantity, '') as quantity,

        ---------- labels
        rule,
        verdict,

        ---------- measures
        printed,
        recomputed,

        ---------- flags
        disagrees,
    from {{ ref("est_published_audit") }}

)

select * from final
order by check_name, paper_table, paper_column, term, quantity
