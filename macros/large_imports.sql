{#- Sources too large for a seed stand in files of their own, with the columns of
    raw_imported_cells (src/citypanel/importers/imported.py). -#}
{% macro large_imports() -%}
    seeds/imported/cells/*.parquet
{%- endmacro %}


{% macro has_large_imports() -%}
    {%- if execute -%}
        {%- set found = run_query("select file from glob('" ~ large_imports() ~ "')") -%}
        {{- return(found.rows | length > 0) -}}
    {%- endif -%}
    {{- return(false) -}}
{%- endmacro %}
