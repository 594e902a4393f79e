with answers as (

    select *
    from {{ ref("est_referee") }}

),

final as (

    select
        ---------- keys
        question,
        cast(answer_order as integer) as answer_order,

        ---------- labels
        cast(text_en as varchar) as text_en,
        cast(text_zh as varchar) as text_zh,
        cast(outcome_name as varchar) as outcome,
        cast(policy as varchar) as policy,
        cast(sample as varchar) as sample,
        cast(estimator as varchar) as estimator,
        cast(aggregation as varchar) as aggregation,
        cast(term as varchar) as term,
        cast(standard_errors as varchar) as standard_errors,
        cast(note as varchar) as note,

        ---------- measures
        estimate,
        std_error,
        conf_low,
        conf_high,
        p_value,
        adjusted_p_value,
        weight,
        distance_km,
        cast(n_obs as integer) as n_obs,
        cast(n_units as integer) as n_cities,
        cast(n_treated_units as integer) as n_treated_cities,
        cast(n_clusters as integer) as n_clusters,
    from answers

)

select * from final
order by question, answer_order
