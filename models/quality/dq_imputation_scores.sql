-- Every known cell is masked in turn, filled by each rule from what is left, and compared
-- with what was printed. A gap of three years masks the years beside the cell too.
with errors as (

    select
        variable,
        imputation,
        setting,
        gap_years,
        abs_log_error,
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
        cast(count(*) as integer) as n_cells,
        cast(count(abs_log_error) as integer) as n_scored,
        median(abs_log_error) as median_abs_log_error,
        -- A sum in another order may differ in its last digit.
        avg(abs_log_error order by abs_log_error) as mean_abs_log_error,
        quantile_cont(abs_log_error, 0.9) as p90_abs_log_error,

        ---------- flags
        imputation = '{{ study_options().imputation }}' as is_used,
    from errors
    group by variable, imputation, setting, gap_years

)

select * from final
order by variable, setting, gap_years, imputation
