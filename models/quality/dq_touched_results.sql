-- Which published results the findings touch, counted.
with findings as (

    select
        severity,
        status,
        touches,
    from {{ ref("dq_findings") }}
    where touches != ''

),

-- "rpt_regressions: Table 3 (1)-(2), Table 4 eastern; fct_capital_stocks" names two
-- tables, and two places in the first.
entries as (

    select
        severity,
        status,
        trim(unnest(string_split(touches, ';'))) as entry,
    from findings

),

places as (

    select
        severity,
        status,
        trim(split_part(entry, ':', 1)) as table_name,
        trim(unnest(string_split(
            case when contains(entry, ':') then split_part(entry, ':', 2) else '' end, ','
        ))) as place,
    from entries
    where entry != ''

),

final as (

    select
        ---------- keys
        table_name,
        place,

        ---------- measures
        {% for severity in ["critical", "warning", "info"] -%}
        cast(count(*) filter (where severity = '{{ severity }}' and status = 'open') as integer)
            as n_{{ severity }},
        {% endfor -%}
        cast(count(*) filter (where status != 'open') as integer) as n_corrected,
    from places
    group by table_name, place

)

select * from final
order by table_name, place
