with regressions as (

    select *
    from {{ ref("rpt_regressions") }}
    where variant = 'headline'

),

final as (

    select
        {{ study_columns({
            "term": "case term when 'sydid' then 'treatment' else term end",
            "outcome": "'" ~ study_options().outcome ~ "'",
            "estimator": "'twfe'",
            "effects": "'unit and period'",
            "standard_errors": "'" ~ study_options().standard_errors ~ "'",
            "sample": "regexp_extract(specification, '([^;]*)$', 1).trim()",
            "df": "cast(null as double)",
            "n_clusters": "n_cities",
        }) }}
    from regressions

)

select * from final
order by table_name, column_name, term
