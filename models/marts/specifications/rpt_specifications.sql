with final as (

    select
        ---------- keys
        specification,

        ---------- labels
        role,
        moved_choice,
        moved_value,
        plausibility,
        plausibility_reason,
        estimand,
        real_gdp,
        gdp_vintage,
        imputation,
        investment_deflator,
        initial_capital,
        initial_growth,
        fai_extension,
        labour_measure,
        returns_to_scale,
        frontier_reference,
        frontier,
        orientation,
        first_index_year,
        outcome,
        exposure_from,
        study_sample,
        exclusion,
        controls,
        estimator,
        errors_shared,
        neighbours,
        concurrent_policies,
        frontier_drawn_by,
        note,
        reason_kind,
        reason,
        command,

        ---------- measures
        cast(specification_order as integer) as specification_order,
        depreciation,
        estimate,
        std_error,
        p_value,
        conf_low,
        conf_high,
        cast(n_obs as integer) as n_obs,
        cast(n_cities as integer) as n_cities,
        cast(n_treated_cities as integer) as n_treated_cities,
        cast(n_treated_city_years as integer) as n_treated_city_years,
        mean,
        std_dev,
        minimum,
        maximum,
        assumed_share,
        zero_labour_share,
    from {{ ref("est_specifications") }}

)

select * from final
order by specification_order
