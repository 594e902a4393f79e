-- Question: would another way of inference change what Tables 3 to 5 say?
-- Reading: every p-value of a column beside each other; lowest and highest bound the
-- answer. Where the highest is above 0.05 and the lowest below, significance is a
-- choice of method.
-- Caveat: regions have few clusters: there the wild bootstrap and CR2 are the better
-- guides, and randomisation answers another question, whether cities were drawn by lot.
{{ config(enabled=var("credibility")) }}
with inference as (

    select
        paper_table,
        paper_column,
        estimate,
        p_value,
        p_value_cr2,
        p_value_cv3,
        p_value_wild,
        p_value_randomisation,
        p_value_holm,
        p_value_romano_wolf,
        n_cities,
    from {{ ref("rpt_inference") }}

),

final as (

    select
        ---------- keys
        paper_table,
        paper_column,

        ---------- measures
        round(estimate, 4) as estimate,
        round(
            least(
                p_value, p_value_cr2, p_value_cv3, p_value_wild, p_value_randomisation
            ), 3
        ) as lowest_p_value,
        round(
            greatest(
                p_value, p_value_cr2, p_value_cv3, p_value_wild, p_value_randomisation
            ), 3
        ) as highest_p_value,
        n_cities,
        round(p_value, 3) as conventional,
        round(p_value_cr2, 3) as cr2,
        round(p_value_cv3, 3) as cv3,
        round(p_value_wild, 3) as wild_bootstrap,
        round(p_value_randomisation, 3) as randomisation,
        round(p_value_holm, 3) as holm,
        round(p_value_romano_wolf, 3) as romano_wolf,
    from inference

)

select * from final
order by paper_table, paper_column
