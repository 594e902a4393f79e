-- Question: where do the numbers here differ most from the printed ones, and why?
-- Reading: estimates of Tables 3 to 5, largest gap first. gap_in_errors is the gap in
-- standard errors of the estimate here: beyond 2 the two hardly describe the same
-- thing.
-- Caveat: the paper's sample and inputs are not published. A gap is not a refutation;
-- reason says what is known of it. Rows the copy at hand does not show are left out.
with compared as (

    select
        paper_table,
        paper_column,
        term,
        published,
        ours,
        difference,
        reason,
    from {{ ref("rpt_published_comparison") }}
    where
        statistic = 'estimate'
        and published is not null
        and ours is not null

),

errors as (

    select
        paper_table,
        paper_column,
        term,
        std_error,
    from {{ ref("rpt_regressions") }}
    where variant = 'headline'

),

final as (

    select
        ---------- keys
        compared.paper_table,
        compared.paper_column,
        compared.term,

        ---------- measures
        round(compared.published, 3) as published,
        round(compared.ours, 3) as ours,
        round(compared.difference / errors.std_error, 1) as gap_in_errors,

        ---------- labels
        compared.reason,
    from compared
    left join errors
        on
            compared.paper_table = errors.paper_table
            and compared.paper_column = errors.paper_column
            and compared.term = errors.term

)

select * from final
order by abs(gap_in_errors) desc nulls last, paper_table, paper_column, term
