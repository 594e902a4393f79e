{#- Text to number, never silently: DuckDB would cast 2001.5 to the integer 2002 and
    a bad cell would become somebody's estimate. -#}

{% macro number_pattern() -%}
    {{ return("-?[0-9]+([.][0-9]+)?") }}
{%- endmacro %}

{% macro whole_number_pattern() -%}
    {{ return("[0-9]+") }}
{%- endmacro %}

{% macro to_number(column) -%}
    {{ cast_by_pattern(column, number_pattern(), "double") }}
{%- endmacro %}

{% macro to_whole_number(column) -%}
    {{ cast_by_pattern(column, whole_number_pattern(), "integer") }}
{%- endmacro %}

{% macro cast_by_pattern(column, pattern, type) -%}
    case
        when {{ column }} is null then null
        when regexp_full_match({{ column }}, '{{ pattern }}')
            then cast({{ column }} as {{ type }})
        else error(
            'Column {{ column | replace("'", "''") }} holds ''' || {{ column }}
            || ''', which is not a number. Remedy: correct the cell in the seed.'
        )
    end
{%- endmacro %}
