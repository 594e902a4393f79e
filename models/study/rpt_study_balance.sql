with final as (

    select
        {{ study_columns({"note": "cast(null as varchar)"}) }}
    from {{ ref("rpt_balance") }}

)

select * from final
order by covariate, sample
