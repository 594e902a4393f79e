with est as (

    select *
    from {{ ref("est_frontier_alternatives") }}

),

final as (

    select
        ---------- keys
        cast(est.alternative as varchar) as alternative,

        ---------- labels
        cast(est.note as varchar) as note,

        ---------- measures
        cast(est.alternative_order as integer) as alternative_order,
        est.estimate,
        est.std_error,
        est.p_value,
        est.headline_same_rows,
        est.change,
        est.change_in_std_errors,
        est.mean,
        est.std_dev,
        est.minimum,
        est.maximum,
        cast(est.n_obs as integer) as n_obs,
        cast(est.n_cities as integer) as n_cities,
        cast(est.n_reference_cities as integer) as n_reference_cities,
        cast(est.n_beyond_frontier as integer) as n_beyond_frontier,
        cast(est.n_infeasible as integer) as n_infeasible,
    from est

)

select * from final
order by alternative_order
