-- Question: where do the paper's printed tables disagree with themselves?
-- Reading: by check, how many of its comparisons disagree; an example names the
-- largest. None of it uses the data of this project: printed numbers against each
-- other, or against what the text says.
-- Caveat: a disagreement says that two printed things cannot both hold, not which is
-- wrong.
{{ config(enabled=var("credibility")) }}
with audit as (

    select
        check_name,
        paper_table,
        paper_column,
        term,
        quantity,
        printed,
        recomputed,
        disagrees,
        rule,
    from {{ ref("rpt_published_audit") }}

),

examples as (

    select
        check_name,
        concat_ws(
            ' ', 'Table', paper_table, nullif(paper_column, ''), nullif(term, ''),
            quantity
        ) as example,
        rule,
    from audit
    where disagrees
    qualify row_number() over (
        partition by check_name
        order by
            abs(printed - recomputed) desc nulls last,
            paper_table, paper_column, term, quantity
    ) = 1

),

counted as (

    select
        check_name,
        count(*) as n_checks,
        count(*) filter (where disagrees) as n_disagree,
    from audit
    group by check_name

),

final as (

    select
        ---------- keys
        counted.check_name,

        ---------- measures
        counted.n_disagree,
        counted.n_checks,

        ---------- labels
        examples.example,
        examples.rule,
    from counted
    left join examples
        on counted.check_name = examples.check_name

)

select * from final
order by n_disagree desc, check_name
