{#- The rows of the roster that stands beside the study's declaration, matched when the run
    reads it; none where the roster is a seed. A mistake in it stops the run before
    anything is built (start_run asks for the options, and these with them). -#}
{% macro study_roster_rows() -%}
    {%- if not execute -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set found = fromjson(rows_of("select study_roster()")[0][0]) -%}
    {%- if found.problem -%}
        {% do exceptions.raise_compiler_error(found.problem) %}
    {%- endif -%}
    {{ return(found.rows) }}
{%- endmacro %}
