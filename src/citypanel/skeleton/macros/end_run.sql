{#- Runs after the last node: has the library publish what stands, or say why it does not
    (citypanel.warehouse.run). A full disk and a damaged build file it says itself: no
    function can be called on them. -#}
{% macro end_run(results) -%}
    {%- if execute and project_name == "citypanel" and is_a_run() -%}
    {%- set statuses = {} -%}
    {%- set messages = [] -%}
    {%- for result in results -%}
        {%- do statuses.update({result.node.unique_id: result.status | string}) -%}
        {%- if result.status | string in ["error", "fail", "runtime error"] -%}
            {%- do messages.append((result.message or "") | string) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set text = messages | join("\n") | lower -%}
    {%- if "no space left" in text or "disk quota" in text or "out of disk" in text -%}
        {%- do not_published(
            "tables could not be written",
            "the disk is full. Free some room (target/ and logs/ may be removed at any "
            ~ "time) and run dbt build again"
        ) -%}
    {%- elif "checksum" in text or "could not read enough bytes" in text
        or "failure while replaying wal" in text or "database has been invalidated" in text -%}
        {%- do not_published(
            "tables could not be read",
            "the build file is damaged. Remove " ~ target.path ~ " and " ~ target.path
            ~ ".wal and run dbt build again"
        ) -%}
    {%- elif library_is_there() %}
    select publish_if_sound('{{ tojson(statuses) | replace("'", "''") }}')
    {%- else -%}
        {%- do not_published(
            "target " ~ target.name ~ " has no plug-in citypanel.warehouse.preflight",
            "give it one in profiles.yml, as target build has"
        ) -%}
    {%- endif -%}
    {%- endif -%}
{%- endmacro %}


{% macro not_published(why, remedy) -%}
    {%- do log(
        "not published, because " ~ why ~ ".\n"
        ~ "Consequence: the published file stands as the last publication left it.\n"
        ~ "Remedy: " ~ remedy ~ ".", info=true
    ) -%}
{%- endmacro %}
