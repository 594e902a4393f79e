{#- Runs before the first node of every invocation: checks the options, and tells the
    library what is about to run (citypanel.warehouse.run). As a package of another
    project it leaves that project alone. -#}
{% macro start_run() -%}
    {% if execute and project_name == "citypanel" and is_a_run() %}
    {%- do check_no_import_is_unfinished() -%}
    {%- if library_is_there() -%}
    {%- do check_option_names() -%}
    {%- do study_options() -%}
    {%- set run = {
        "run_id": invocation_id,
        "command": invocation_args_dict.get("which"),
        "arguments": run_arguments(),
        "selected": selected_resources,
    } -%}
    {#- Run here and not returned: dbt goes on after a hook that fails. -#}
    {%- do run_query(
        "select citypanel_begin_run('" ~ tojson(run) | replace("'", "''") ~ "')"
    ) -%}
    {%- endif -%}
    {% endif %}
{%- endmacro %}


{#- dbt compile and dbt docs render the hooks too, and run nothing. -#}
{% macro is_a_run() -%}
    {{ return(
        invocation_args_dict.get("which")
        in ["build", "run", "seed", "snapshot", "test", "retry"]
    ) }}
{%- endmacro %}


{#- The arguments that say which nodes run, and on what. -#}
{% macro run_arguments() -%}
    {%- set found = {} -%}
    {%- for name in [
        "select", "exclude", "selector", "resource_types", "exclude_resource_types",
        "empty", "sample", "defer", "event_time_start", "event_time_end",
    ] if invocation_args_dict.get(name) -%}
        {%- do found.update({name: invocation_args_dict[name] | string}) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}


{#- Whether the target has the plug-in of profiles.yml; without it nothing is published. -#}
{% macro library_is_there() -%}
    {{ return(has_plug_in(["citypanel.warehouse.preflight"])) }}
{%- endmacro %}


{#- Whether the target has one of the plug-ins. The profile says so; to ask DuckDB for its
    functions takes as long as a small model. -#}
{% macro has_plug_in(modules) -%}
    {%- set known = target.plugins | default([], true) | map(attribute="module") | list -%}
    {{ return(modules | select("in", known) | list | length > 0) }}
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
