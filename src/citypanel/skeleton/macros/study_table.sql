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
