{#- The study's own shape of its panel is int_study_panel; this is every study's. -#}
with panel as (

    select
        city_id,
        year,
        tfpch,
        log_tfpch,
        cumulative_log_tfp,
        eco,
        ind,
        inf,
        edu,
        sca,
        tra,
        con,
        sydid as treatment,
    from {{ ref("int_study_panel") }}
    where variant = 'headline'

),

long as (

    select *
    from panel
    unpivot include nulls (
        value for variable in (columns(* exclude (city_id, year)))
    )

),

final as (

    select
        ---------- keys
        city_id as unit_id,
        cast(year as varchar) as period,
        cast(variable as varchar) as variable,

        ---------- measures
        cast(year - min(year) over () as bigint) as period_number,
        value,
    from long

)

select * from final
order by unit_id, period_number, variable
