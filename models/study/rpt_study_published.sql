with final as (

    select
        -- How many digits were printed differs by table; the reason of a difference
        -- stands in rpt_published_comparison.
        {{ study_columns({
            "term": "case term when 'sydid' then 'treatment' else term end",
            "source": "cast(null as varchar)",
            "note": "cast(null as varchar)",
            "decimals": "cast(null as bigint)",
            "estimated": "ours",
            "agrees": "cast(null as boolean)",
        }) }}
    from {{ ref("rpt_published_comparison") }}
    -- The seeds' printed tables are those of one study.
    where {{ study_words().compares }}

)

select * from final
order by table_name, column_name, term, statistic
