{#- Runs before the first node of every invocation: checks the options, and notes
    whether this is a full build, which alone may publish. A full build first drops what
    the project no longer makes: a table of other options must not be published with
    those of this run. -#}
{% macro start_run() -%}
    {% if execute %}
    {%- do check_no_import_is_unfinished() -%}
    {%- do check_option_names() -%}
    {%- do study_options() -%}
    {%- set args = invocation_args_dict -%}
    {%- set left_out = [] -%}
    {%- for node in graph.nodes.values()
        if node.resource_type in ["model", "seed", "test"]
        and node.config.get("enabled", true)
        and node.unique_id not in selected_resources -%}
        {%- do left_out.append(node.name) -%}
    {%- endfor -%}
    {%- set is_full = args.get("which") == "build" and not left_out
        and not args.get("empty") and not args.get("sample") -%}
    {%- if is_full -%}{{ drop_leftovers() }}{%- endif %}
    create schema if not exists runs;
    create or replace table runs.current_invocation as
    select
        '{{ args.get("which") }}' as command,
        {{ is_full }} as is_full_build,
        {{ left_out | length }} as nodes_left_out
    {% endif %}
{%- endmacro %}


{#- An import moves several seeds as one; between the first and the last of them a journal
    says so, and no build may read them (src/citypanel/importers/storage.py). -#}
{% macro check_no_import_is_unfinished() -%}
    {%- set journals = run_query("select file from glob('seeds/.importing/journal.json')") -%}
    {%- if journals.rows | length > 0 -%}
        {% do exceptions.raise_compiler_error(
            "An import was interrupted while it replaced the seeds.\n"
            ~ "Consequence: some seeds are new and others old; nothing was built, and the "
            ~ "published file stands as it was.\n"
            ~ "Remedy: citypanel import --recover finishes the import; then build again."
        ) %}
    {%- endif -%}
{%- endmacro %}


{% macro drop_leftovers() -%}
    {%- set made = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type in ["model", "seed"] -%}
        {%- do made.append((node.schema ~ "." ~ (node.alias or node.name)) | lower) -%}
    {%- endfor -%}
    {%- set tables = run_query(
        "select table_schema, table_name from information_schema.tables "
        ~ "where table_catalog = current_database() and table_type = 'BASE TABLE'"
    ) -%}
    {%- for schema, table in tables.rows
        if (schema ~ "." ~ table) | lower not in made and schema != "runs" %}
    drop table if exists "{{ schema }}"."{{ table }}";
    {%- endfor %}
{%- endmacro %}
