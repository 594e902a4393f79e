{{ config(group="publication") }}
{#- A mart that run_contents does not list would be published without its check. -#}
-- depends_on: {{ ref("run_contents") }}
{%- set marts = [] -%}
{%- if execute -%}
    {%- for node in graph.nodes.values()
        if node.resource_type == "model" and node.schema in ["marts", "quality"] -%}
        {%- do marts.append(node.name) -%}
    {%- endfor -%}
{%- endif %}
select
    mart,
from (
    select unnest([{% for mart in marts %}'{{ mart }}'{{ ", " if not loop.last }}{% endfor %}]) as mart
)
where mart not in (
    select table_name
    from {{ ref("run_contents") }}
    -- Figures without a finding are good news.
    where n_rows > 0 or table_name = 'dq_findings'
)
