with final as (

    select
        ---------- keys
        paper_table as table_name,
        paper_column as column_name,
        case term when 'sydid' then 'treatment' else term end as term,
        statistic,

        ---------- labels
        cast(null as varchar) as source,
        cast(null as varchar) as note,

        ---------- measures
        published,
        cast(null as bigint) as decimals,
        ours as estimated,
        difference,

        ---------- flags
        -- How many digits were printed differs by table; the reason of a difference
        -- stands in rpt_published_comparison.
        cast(null as boolean) as agrees,
    from {{ ref("rpt_published_comparison") }}
    -- The seeds' printed tables are those of one study.
    where {{ study_words().compares }}

)

select * from final
order by table_name, column_name, term, statistic
