{%- set said = study_words() -%}
with units as (

    select *
    from {{ ref("dim_units") }}

),

regression as (

    select n_obs
    from {{ ref("rpt_study_regressions") }}
    where term = 'treatment'
    order by table_name, column_name
    limit 1

),

final as (

    select
        ---------- keys
        '{{ said.name }}' as study,

        ---------- labels
        {% for name in ["title", "unit", "policy"] -%}
        {% for language in ["en", "zh"] -%}
        {{ quoted_or_null(said[name][language]) }} as {{ name }}_{{ language }},
        {% endfor -%}
        {% endfor -%}
        {{ quoted_or_null(said.source) }} as source,
        'en, zh' as languages,
        '{{ study_options().outcome }}' as outcome,
        cast(null as varchar) as weights,
        'city_id' as cluster,
        min(first_period) as first_period,
        max(last_period) as last_period,

        ---------- measures
        cast(max(n_periods) as bigint) as n_periods,
        any_value(regression.n_obs) as n_obs,
        count(*) as n_units,
        count(*) filter (where is_treated) as n_treated_units,
        cast({{ said.effect or "null" }} as double) as relevant_effect,
        cast({{ study_options().inference_draws }} as bigint) as draws,
        cast({{ study_options().seed }} as bigint) as seed,
    from units
    cross join regression

)

select * from final
