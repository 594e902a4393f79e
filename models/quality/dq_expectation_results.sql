with results as (

    select *
    from {{ ref("est_raw_expectations") }}

    union all

    select *
    from {{ ref("est_panel_expectations") }}

),

final as (

    select
        ---------- keys
        suite,
        cast(expectation_number as integer) as expectation_number,

        ---------- labels
        table_name,
        expectation,
        column_name,
        severity,
        reason,
        arguments,
        failing_keys,
        observed_value,

        ---------- measures
        cast(n_rows as integer) as n_rows,
        cast(n_unexpected as integer) as n_unexpected,
        unexpected_share,

        ---------- flags
        success,
    from results

)

select * from final
order by suite, expectation_number
