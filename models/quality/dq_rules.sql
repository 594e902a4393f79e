with rules as (

    select *
    from {{ ref("est_finding_rules") }}

),

findings as (

    select
        rule,
        count(*) as n_findings,
        count(*) filter (where severity = 'critical') as n_critical,
        count(*) filter (where severity = 'warning') as n_warning,
        count(*) filter (where severity = 'info') as n_info,
        count(*) filter (where status = 'open') as n_open,
    from {{ ref("dq_findings") }}
    group by rule

),

final as (

    select
        ---------- keys
        rules.rule,
        cast(rules.rule_order as integer) as rule_order,

        ---------- labels
        rules.scope,
        rules.title_en,
        rules.title_zh,
        rules.description_en,
        rules.description_zh,
        rules.advice_en,
        rules.advice_zh,

        ---------- measures
        {%- for count in ["findings", "critical", "warning", "info", "open"] %}
        cast(coalesce(findings.n_{{ count }}, 0) as integer) as n_{{ count }},
        {%- endfor %}
    from rules
    left join findings
        on rules.rule = findings.rule

)

select * from final
order by rule_order
