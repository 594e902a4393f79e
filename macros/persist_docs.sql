{#- The comment of a column in DuckDB: its labels in both languages, its description, and
    where it has them unit, source and formula. dbt-duckdb writes the description alone. -#}
{% macro duckdb__alter_column_comment(relation, column_dict) %}
    {%- for name, column in column_dict.items() %}
    comment on column {{ relation }}.{{ adapter.quote(name) }} is
        {{ duckdb_escape_comment(column_comment(column)) }};
    {%- endfor %}
{% endmacro %}


{% macro column_comment(column) -%}
    {%- set meta = column.get("meta") or column.get("config", {}).get("meta") or {} -%}
    {%- set labels = [] -%}
    {%- for key in ["label_en", "label_zh"] if meta.get(key) -%}
        {%- do labels.append(meta[key]) -%}
    {%- endfor -%}
    {%- set parts = [] -%}
    {%- if labels -%}{%- do parts.append(labels | join(" / ") ~ ".") -%}{%- endif -%}
    {%- do parts.append((column.description or "").split() | join(" ")) -%}
    {%- for key in ["unit", "source", "formula"] if meta.get(key) -%}
        {%- do parts.append(key | capitalize ~ ": " ~ meta[key] ~ ".") -%}
    {%- endfor -%}
    {{ return(parts | select | join(" ")) }}
{%- endmacro %}
