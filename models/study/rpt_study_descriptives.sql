with unit_periods as (

    select
        values_of.variable,
        values_of.value,
        units.is_treated,
    from {{ ref("fct_unit_periods") }} as values_of
    inner join {{ ref("dim_units") }} as units on values_of.unit_id = units.unit_id
    where values_of.variable != 'treatment'

),

final as (

    select
        ---------- keys
        variable,
        case
            when grouping(is_treated) = 1 then 'all'
            when is_treated then 'treated'
            else 'never treated'
        end as units,

        ---------- measures
        count(value) as n_obs,
        avg(value) as mean,
        stddev_samp(value) as std_dev,
        min(value) as minimum,
        max(value) as maximum,
    from unit_periods
    group by grouping sets ((variable), (variable, is_treated))

)

select * from final
order by variable, units
