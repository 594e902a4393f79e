-- Every day from 2010 to 2019: the time spine that the semantic layer asks for.
with final as (

    select cast(days.day as date) as date_day
    from range(date '2010-01-01', date '2020-01-01', interval 1 day) as days (day)

)

select * from final
