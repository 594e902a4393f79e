-- Question: what is the effect on productivity growth, beside what other choices and
-- the paper give?
-- Reading: Table 3, without controls (1) and with them (2). The outcome is an index, so
-- 0.01 is one point of growth a year. assumed_share is the share of treated city-years
-- whose capital rests on assumed investment.
-- Caveat: column (2) holds output and investment constant, which the policy may move.
-- fai_extension=none ends in 2016: only the first two batches are treated in it. t of
-- the paper is its printed estimate over the value it prints in parentheses.
with regressions as (

    select
        paper_column,
        variant,
        estimate,
        std_error,
        p_value,
        n_obs,
        n_cities,
        n_treated_cities,
        assumed_share,
    from {{ ref("rpt_regressions") }}
    where paper_table = '3' and term = 'sydid'

),

variants as (

    select
        variant,
        variant_order,
    from {{ ref("dim_study_variants") }}

),

published as (

    select
        paper_column,
        max(published) filter (where statistic = 'estimate') as estimate,
        max(published) filter (where statistic = 'std_error') as std_error,
        max(published) filter (where statistic = 'n_obs') as n_obs,
    from {{ ref("rpt_published_comparison") }}
    where paper_table = '3' and term = 'sydid'
    group by paper_column

),

stacked as (

    select
        regressions.*,
        variants.variant_order,
    from regressions
    inner join variants
        on regressions.variant = variants.variant

    union all by name

    select
        paper_column,
        'paper' as variant,
        estimate,
        std_error,
        cast(n_obs as bigint) as n_obs,
        0 as variant_order,
    from published

),

final as (

    select
        ---------- keys
        paper_column,
        variant,

        ---------- measures
        round(estimate, 3) as estimate,
        round(std_error, 3) as std_error,
        round(estimate / std_error, 2) as t,
        round(p_value, 3) as p_value,
        n_obs,
        n_cities,
        n_treated_cities,
        round(assumed_share, 3) as assumed_share,
        variant_order,
    from stacked

)

select * from final
order by paper_column, variant_order
