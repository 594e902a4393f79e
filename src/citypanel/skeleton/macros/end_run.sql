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
    {%- if messages -%}{%- do name_suspects(statuses, messages | join("\n")) -%}{%- endif -%}
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


{#- The used figures that are furthest from what is expected, before what failed: a step
    that cannot be computed says where it stops, and not which figure is to blame. Those of
    a city that the failure names come first. -#}
{% macro name_suspects(statuses, message) -%}
    {%- set judged = [] -%}
    {%- for node in graph.nodes.values() if node.name == "int_cells__findings"
        and statuses.get(node.unique_id) == "success" -%}
        {%- do judged.append(node.relation_name) -%}
    {%- endfor -%}
    {%- if judged and "power of ten from what is expected" not in message -%}
    {%- set rows = run_query(
        "select suspicion from " ~ judged[0] ~ " where suspicion is not null order by "
        ~ "not contains('" ~ message | replace("'", "''") ~ "', unit_id), suspect_order "
        ~ "limit 10"
    ).rows -%}
    {%- if rows | length > 0 -%}
    {%- do log(
        "look at these figures first (intermediate.int_cells__findings has all):\n  - "
        ~ rows | map(attribute=0) | join("\n  - "), info=true
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
