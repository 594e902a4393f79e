with final as (

    select
        ---------- keys
        rule,
        severity,
        scope,
        city_id,
        city_en,
        city_zh,
        province_id,
        cast(year as integer) as year,
        variable,
        source,

        ---------- measures
        case when not isnan(value) then value end as value,
        unit,
        case when not isnan(expected_low) then expected_low end as expected_low,
        case when not isnan(expected_high) then expected_high end as expected_high,
        case when not isnan(used_value) then used_value end as used_value,

        ---------- labels
        origin,
        status,
        evidence_en,
        evidence_zh,
        consequence_en,
        consequence_zh,
        touches,

        ---------- causes
        cast(cause as integer) as cause,
        speaks_for_cause,
        cause_note,
        case when not isnan(headline_without) then headline_without end
            as headline_without,
        case when not isnan(headline_change) then headline_change end as headline_change,
        case when not isnan(headline_change_in_errors) then headline_change_in_errors end
            as headline_change_in_errors,

        ---------- judgements
        judgement,
        judged_by,
        judged_on,
        judgement_reason,
    from {{ ref("est_findings") }}

)

select * from final
order by
    case severity when 'critical' then 1 when 'warning' then 2 else 3 end,
    rule, scope, province_id, city_id, variable, year, source
