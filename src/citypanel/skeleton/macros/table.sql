{#- In place of dbt-duckdb's: a table is replaced within one transaction, without a copy of
    another name, two renames and a drop, each of which costs dbt more than it costs DuckDB.
    A model that fails leaves the table as it was. A Python model writes on a connection of
    its own, so it replaces the table by itself (py_write_table). -#}
{% materialization table, adapter="duckdb", supported_languages=["sql", "python"] %}
    {%- set language = model["language"] -%}
    {%- set relation = table_to_replace() -%}
    {{ run_hooks(pre_hooks) }}
    {%- call statement("main", language=language) -%}
        {%- if language == "sql" -%}
            drop table if exists {{ relation }};
        {%- endif %}
        {{ create_table_as(False, relation, compiled_code, language) }}
    {%- endcall -%}
    {{ run_hooks(post_hooks) }}
    {{ adapter.commit() }}
    {{ return({"relations": [relation]}) }}
{% endmaterialization %}


{#- The table that a node makes; a view of its name goes first. -#}
{% macro table_to_replace() -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is not none and existing.type != "table" -%}
        {%- do adapter.drop_relation(existing) -%}
    {%- endif -%}
    {{ return(this.incorporate(type="table")) }}
{%- endmacro %}
