-- Question: what do the controls of Table 3 (2) do, and how large is each beside the
-- effect of the policy?
-- Reading: one row per regressor of column (2) with the paper's estimate beside it. A
-- regressor without an estimate says in note why it dropped out.
-- Caveat: eco is the output and inf the investment the index itself is made of, so
-- their coefficients describe the index, not its causes, and the effect beside them is
-- what the policy does with both held constant.
with regressions as (

    select
        term,
        estimate,
        std_error,
        t,
        p_value,
        note,
    from {{ ref("rpt_regressions") }}
    where paper_table = '3' and paper_column = '(2)' and variant = 'headline'

),

published as (

    select
        term,
        published as paper_estimate,
    from {{ ref("rpt_published_comparison") }}
    where paper_table = '3' and paper_column = '(2)' and statistic = 'estimate'

),

final as (

    select
        ---------- keys
        regressions.term,

        ---------- measures
        round(regressions.estimate, 4) as estimate,
        round(regressions.std_error, 4) as std_error,
        round(regressions.t, 2) as t,
        round(regressions.p_value, 3) as p_value,
        published.paper_estimate,

        ---------- labels
        regressions.note,
    from regressions
    left join published
        on regressions.term = published.term

)

select * from final
order by term != 'sydid', term = 'const', term
