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


{#- In place of dbt's check of a contract, which has DuckDB plan a second query of the
    declared columns and renders each of them: types that read the same are the same.
    Where they do not, dbt compares and says what differs. -#}
{% macro duckdb__get_assert_columns_equivalent(sql) -%}
    {%- set declared = [] -%}
    {%- for column in model.columns.values() -%}
        {%- do declared.append((column.name, (column.data_type or "") | upper)) -%}
    {%- endfor -%}
    {%- set found = rows_of(
        (config.get("sql_header") or "") ~ " select column_name, column_type "
        ~ "from (describe select * from (" ~ sql ~ "\n))"
    ) -%}
    {%- if found | sort != declared | sort -%}
        {{ return(assert_columns_equivalent(sql)) }}
    {%- endif -%}
{%- endmacro %}
