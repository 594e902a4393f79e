{#- In place of dbt-duckdb's loading of a seed: the file is read as it is declared, UTF-8,
    commas and double quotes, and nothing about it is guessed. DuckDB's guess skips lines
    before what it takes for the header, and takes other quotes and comment signs.
    The file is this project's: the path dbt-duckdb asks for is where dbt first saw the
    seed, which in a copied project is the project it was copied from. -#}
{% macro duckdb__load_csv_rows(model, agate_table) -%}
    {%- set sql -%}
        copy {{ this.render() }} from '{{ model.original_file_path | replace("'", "''") }}' (
            format csv, auto_detect false, header true, encoding 'utf-8',
            delimiter ',', quote '"', escape '"', nullstr '',
            strict_mode true, null_padding false, ignore_errors false
        )
    {%- endset -%}
    {%- do adapter.add_query(sql, abridge_sql_log=true) -%}
    {{ return(sql) }}
{%- endmacro %}
