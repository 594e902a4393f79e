{#- Under `dbt build --empty` a Python model gets tables without rows, from which nothing
    can be estimated: its own table is then made of the columns it declares. The table
    that stands is replaced (materialization table). -#}
{% macro py_write_table(temporary, relation, compiled_code, partitioned_by=none, sorted_by=none) -%}
    {%- if flags.EMPTY -%}
        {%- set columns = [] -%}
        {%- for column in model.columns.values() -%}
            {%- do columns.append(
                "cast(null as " ~ column.data_type ~ ") as " ~ adapter.quote(column.name)
            ) -%}
        {%- endfor -%}
        {%- set empty = "select " ~ columns | join(", ") ~ " where false" -%}
        {%- set compiled_code = compiled_code
            ~ "\n\n\ndef model(dbt, session):\n    return session.sql('''" ~ empty ~ "''')\n" -%}
    {%- endif -%}
    {%- set written = dbt.py_write_table(
        temporary=temporary, relation=relation, compiled_code=compiled_code,
        partitioned_by=partitioned_by, sorted_by=sorted_by
    ) -%}
    {{ written | replace("con.execute('create table ", "con.execute('create or replace table ") }}
{%- endmacro %}
