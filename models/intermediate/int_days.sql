-- Every day of the study's period: the time spine that the semantic layer asks for.
with years as (

    select
        min(year) as first_year,
        max(year) as last_year,
    from {{ ref("int_city_years__spine") }}

),

final as (

    select cast(unnest(range(
        make_date(first_year, 1, 1), make_date(last_year + 1, 1, 1), interval 1 day
    )) as date) as date_day
    from years

)

select * from final
