-- Question: what effect could each column have found, and what effect does it exclude?
-- Reading: minimum_detectable_effect is found with probability 0.8; power_at_bound is
-- the probability of finding an effect as large as bound, the paper's estimate. An
-- equivalence_p_value below 0.05 shows that the effect is smaller than bound.
-- Caveat: a column with little power that finds nothing has shown nothing.
{{ config(enabled=var("credibility")) }}
with inference as (

    select
        paper_table,
        paper_column,
        estimate,
        minimum_detectable_effect,
        bound,
        power_at_bound,
        equivalence_p_value,
        n_cities,
        n_treated_cities,
    from {{ ref("rpt_inference") }}

),

final as (

    select
        ---------- keys
        paper_table,
        paper_column,

        ---------- measures
        round(estimate, 4) as estimate,
        round(minimum_detectable_effect, 4) as minimum_detectable_effect,
        bound,
        round(power_at_bound, 3) as power_at_bound,
        round(equivalence_p_value, 3) as equivalence_p_value,
        n_cities,
        n_treated_cities,

        ---------- flags
        equivalence_p_value < 0.05 as is_bound_excluded,
    from inference

)

select * from final
order by paper_table, paper_column
