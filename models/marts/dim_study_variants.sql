with final as (

    select
        ---------- keys
        variant,

        ---------- labels
        policy,
        study_sample,
        imputation,
        corrections,
        gdp_vintage,
        real_gdp,
        investment_deflator,
        initial_capital,
        initial_growth,
        fai_extension,
        labour_measure,
        orientation,
        returns_to_scale,
        frontier,
        frontier_reference,
        decomposition,
        first_index_year,
        outcome,
        exposure_from,
        log_base,
        credibility,
        influence,
        att_by_region,
        standard_errors,
        treated_batches,
        excluded_cities,

        ---------- measures
        variant_order,
        first_year,
        last_year,
        carry_years,
        bootstrap_replications,
        inference_draws,
        seed,
        specifications,
        depreciation,
    from {{ ref("int_study_variants") }}

)

select * from final
order by variant_order
