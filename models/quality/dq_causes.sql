-- Findings that have one cause, a row each, those first that move the headline most.
with findings as (

    select *
    from {{ ref("dq_findings") }}

),

rules as (

    select
        rule,
        title_en,
        title_zh,
        advice_en,
        advice_zh,
    from {{ ref("dq_rules") }}

),

-- Names in the order of their codes, the first three.
places as (

    select
        cause,
        count(*) as n_places,
        {%- for language in ["en", "zh"] %}
        string_agg(city_{{ language }}, '{{ ", " if language == "en" else "、" }}' order by place)
            filter (where place <= 3) as places_{{ language }},
        {%- endfor %}
    from (
        select
            cause,
            city_en,
            city_zh,
            row_number() over (
                partition by cause order by min(coalesce(city_id, province_id))
            ) as place,
        from findings
        where city_en is not null
        group by cause, city_en, city_zh
    )
    group by cause

),

grouped as (

    select
        cause,
        count(*) as n_findings,
        count(*) filter (where status = 'open') as n_open,
        min(case severity when 'critical' then 1 when 'warning' then 2 else 3 end)
            as severity_rank,
        min(year) as first_year,
        max(year) as last_year,
        string_agg(distinct variable, ', ' order by variable) as variables,
        string_agg(distinct judgement, ', ' order by judgement) as judgements,
    from findings
    group by cause

),

spoken as (

    select *
    from findings
    where speaks_for_cause

),

final as (

    select
        ---------- keys
        cast(grouped.cause as integer) as cause,

        ---------- labels
        spoken.rule,
        case grouped.severity_rank when 1 then 'critical' when 2 then 'warning' else 'info' end
            as severity,
        case when grouped.n_open > 0 then 'open' else spoken.status end as status,
        rules.title_en,
        rules.title_zh,
        places.places_en,
        places.places_zh,
        grouped.variables,
        spoken.evidence_en,
        spoken.evidence_zh,
        rules.advice_en,
        rules.advice_zh,
        spoken.cause_note as note,
        grouped.judgements,

        ---------- measures
        grouped.first_year,
        grouped.last_year,
        cast(grouped.n_findings as integer) as n_findings,
        cast(grouped.n_open as integer) as n_open,
        cast(coalesce(places.n_places, 0) as integer) as n_places,
        spoken.headline_without,
        spoken.headline_change,
        spoken.headline_change_in_errors,
    from grouped
    inner join spoken
        on grouped.cause = spoken.cause
    inner join rules
        on spoken.rule = rules.rule
    left join places
        on grouped.cause = places.cause

)

select * from final
order by cause
