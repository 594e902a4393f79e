-- Every known cell is masked in turn, filled by each rule from what is left, and compared
-- with what was printed. A gap of three years masks the years beside the cell too.
with errors as (

    select
        variable,
        imputation,
        setting,
        gap_years,
        n_cells,
        -- A sum in another order may differ in its last digit.
        list_sort(cast(abs_log_errors as double[])) as abs_log_errors,
    from {{ ref("est_imputation_errors") }}

),

final as (

    select
        ---------- keys
        variable,
        imputation,
        setting,
        gap_years,

        ---------- measures
        n_cells,
        cast(len(abs_log_errors) as integer) as n_scored,
        list_median(abs_log_errors) as median_abs_log_error,
        list_avg(abs_log_errors) as mean_abs_log_error,
        list_aggregate(abs_log_errors, 'quantile_cont', 0.9) as p90_abs_log_error,

        ---------- flags
        imputation = '{{ study_options().imputation }}' as is_used,
    from errors

)

select * from final
order by variable, setting, gap_years, imputation
