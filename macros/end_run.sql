{#- Runs after the last node: after a failure, says what became of the published file and
    what to do where the error itself cannot know it. -#}
{% macro end_run(results) -%}
    {%- if execute -%}
    {%- set messages = [] -%}
    {%- for result in results if result.status | string in ["error", "fail", "runtime error"] -%}
        {%- do messages.append((result.message or "") | string) -%}
    {%- endfor -%}
    {%- if messages -%}
        {%- set text = messages | join("\n") | lower -%}
        {%- set lines = ["", messages | length ~ " failed; the reasons stand below."] -%}
        {%- do lines.append(
            "Consequence: citypanel.duckdb stands as the last full build left it."
        ) -%}
        {%- if "no space left" in text or "disk quota" in text or "out of disk" in text -%}
            {%- do lines.append(
                "Remedy: the disk is full. Free some room (target/ and logs/ may be "
                ~ "removed at any time) and run dbt build again."
            ) -%}
        {%- elif "checksum" in text or "could not read enough bytes" in text
            or "failure while replaying wal" in text -%}
            {%- do lines.append(
                "Remedy: the build file is damaged. Remove target/citypanel_build.duckdb "
                ~ "and target/citypanel_build.duckdb.wal and run dbt build again."
            ) -%}
        {%- else -%}
            {%- do lines.append(
                "Remedy: mend the first of the errors below and run dbt build again; "
                ~ "citypanel doctor checks versions, locks, disk and seeds."
            ) -%}
        {%- endif -%}
        {%- do log(lines | join("\n"), info=true) -%}
    {%- endif -%}
    {%- endif -%}
{%- endmacro %}
