{#- Runs before the first node of every invocation: checks the options, and notes
    whether this is a full build, which alone may publish. -#}
{% macro start_run() -%}
    {% if execute %}
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
    create schema if not exists runs;
    create or replace table runs.current_invocation as
    select
        '{{ args.get("which") }}' as command,
        {{ is_full }} as is_full_build,
        {{ left_out | length }} as nodes_left_out
    {% endif %}
{%- endmacro %}
