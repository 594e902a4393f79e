{#- The rows of one table of a study that brings its panel, with the columns that the
    contract names. -#}
{% macro study_table() -%}
    with estimates as (

        select *
        from {{ ref("est_study") }}

    ),

    final as (

        select
            {% for column in model.columns.values() -%}
            {{ adapter.quote(column.name) }},
            {% endfor %}
        from estimates
        where mart = '{{ model.name }}'
        order by mart_row

    )

    select * from final
{%- endmacro %}

{#- The columns that the contract of a model names, each by an expression of its own,
    else by what the marts of the shipped study call it, else by its name. -#}
{% macro study_columns(expressions={}) -%}
    {%- set known = {
        "table_name": "paper_table",
        "column_name": "paper_column",
        "n_obs": "cast(n_obs as bigint)",
        "n_units": "cast(n_cities as bigint)",
        "n_treated_units": "cast(n_treated_cities as bigint)",
        "n_control_units": "cast(n_control_cities as bigint)",
    } -%}
    {%- do known.update(expressions) -%}
    {%- for column in model.columns.values() %}
    {{ known.get(column.name, column.name) }} as {{ adapter.quote(column.name) }},
    {%- endfor %}
{%- endmacro %}
