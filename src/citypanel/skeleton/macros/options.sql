{#- The study's options. They are declared once, in studies/<study>/study.yml: values,
    defaults and meaning. It is read while dbt runs and not while it parses; a wrong name
    or value stops the run before anything is built. -#}

{#- What the run is built with: options, variants (the headline and those beside it, by
    name), listed (options that are one of a list) and labour_series (the series that
    labour is made of). -#}
{% macro resolved_study() -%}
    {%- if not execute -%}
        {{ return({"options": {}, "variants": {}, "listed": [], "labour_series": []}) }}
    {%- endif -%}
    {%- if not has_plug_in(["citypanel.warehouse.preflight", "citypanel.study.plugin"]) -%}
        {% do exceptions.raise_compiler_error(
            "Target " ~ target.name ~ " does not know the study's options.\n"
            ~ "Consequence: nothing that depends on an option can be built.\n"
            ~ "Remedy: give it the plug-in citypanel.warehouse.preflight in profiles.yml, "
            ~ "as target build has, or citypanel.study.plugin where this project is a "
            ~ "package of yours."
        ) %}
    {%- endif -%}
    {%- set given = {} -%}
    {%- for name in option_names() -%}
        {%- do given.update({name: var(name, none)}) -%}
    {%- endfor -%}
    {%- set query = "select study_options('" ~ tojson(given) | replace("'", "''") ~ "')" -%}
    {%- set found = fromjson(rows_of(query)[0][0]) -%}
    {%- if found.problem -%}
        {% do exceptions.raise_compiler_error(found.problem) %}
    {%- endif -%}
    {{ return(found) }}
{%- endmacro %}


{% macro option_names() -%}
    {{ return(fromjson(rows_of("select study_declaration()")[0][0]).options) }}
{%- endmacro %}


{#- Every option with its checked value. -#}
{% macro study_options() -%}
    {{ return(resolved_study().options) }}
{%- endmacro %}


{% macro check_option_names() -%}
    {%- set known = option_names() + ["study", "extends", "publish_to"] -%}
    {%- for name in (invocation_args_dict.get("vars") or {}) if name not in known -%}
        {% do exceptions.raise_compiler_error(
            "There is no option named '" ~ name ~ "'"
            ~ (" of the study " ~ var("study") if var("study", none) else "") ~ ". Options: "
            ~ known | sort | join(", ") ~ ".\n"
            ~ "Consequence: nothing was built; the published file stands as it was.\n"
            ~ "Remedy: correct the name in --vars; studies/" ~ var("study", "pilot_zones")
            ~ "/study.yml says what each is."
        ) %}
    {%- endfor -%}
{%- endmacro %}


{#- What the study calls itself, its units and its policy. -#}
{% macro study_words() -%}
    {%- if not execute -%}
        {{ return({"title": {}, "unit": {}, "policy": {}}) }}
    {%- endif -%}
    {{ return(fromjson(rows_of("select study_declaration()")[0][0]).words) }}
{%- endmacro %}


{% macro quoted_or_null(text) -%}
    {%- if text -%}
        '{{ text | replace("'", "''") }}'
    {%- else -%}
        cast(null as varchar)
    {%- endif -%}
{%- endmacro %}


{#- Rows of a query, a tuple each. run_query makes a table of them whose types it guesses,
    which takes longer than the query. -#}
{% macro rows_of(query) -%}
    {{ return(adapter.add_query(query, auto_begin=false)[1].fetchall()) }}
{%- endmacro %}
