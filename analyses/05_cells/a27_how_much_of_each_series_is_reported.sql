-- Question: how much of each yearbook series is published, and what stands in for the
-- rest?
-- Reading: shares of the city-years of all candidates. Least published first. estimated
-- gathers what was interpolated, carried, chained or assumed.
-- Caveat: reported means printed, not right: is_defective counts cells that are printed
-- and not used because the whole column of that year is wrong at its source.
with cells as (

    select
        variable,
        unit,
        origin,
        is_defective,
    from {{ ref("fct_cell_origins") }}

),

final as (

    select
        ---------- keys
        variable,

        ---------- measures
        round(avg(case when origin = 'reported' then 1.0 else 0.0 end), 3) as reported,
        round(avg(case when origin = 'other_source' then 1.0 else 0.0 end), 3)
            as other_source,
        round(
            avg(
                case
                    when origin in ('interpolated', 'carried', 'chained', 'assumed')
                        then 1.0
                    else 0.0
                end
            ), 3
        ) as estimated,
        round(avg(case when origin = 'missing' then 1.0 else 0.0 end), 3) as missing,
        count(*) filter (where is_defective) as n_defective,
        count(*) as n_cells,

        ---------- labels
        any_value(unit) as unit,
    from cells
    group by variable

)

select * from final
order by reported, variable
