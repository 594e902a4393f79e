{#- A column of that source of a cell which meets a condition; `cells` says whether its
    cells have a single source, and one row, or are grouped. -#}
{% macro of_source(cells, column, condition) -%}
    {%- if cells == "single" -%}
        case when {{ condition }} then {{ column }} end
    {%- else -%}
        max({{ column }}) filter (where {{ condition }})
    {%- endif -%}
{%- endmacro %}
