-- Question: which cells of a city did the yearbook not report, and what stood in?
-- Reading: one row per cell that is not used as the yearbook prints it, with its origin
-- and rule, the nearest reported values before and after, and how many of the cells of
-- that variable are reported. The city is Shenzhen: put another code below.
-- Caveat: a cell with origin `missing` has no value and may take a control variable, or
-- the city (a01), out of the study. Growth of 2013 is printed, but as nominal growth:
-- is_defective marks it, and it is not used.
{# The city; a01 lists the codes. -#}
{%- set city_id = "440300" -%}
with cells as (

    select
        year,
        variable,
        unit,
        origin,
        rule,
        source,
        yearbook_raw_value,
        value,
        is_defective,
    from {{ ref("fct_cell_origins") }}
    where city_id = '{{ city_id }}'

),

compared as (

    select
        *,
        last_value(case when origin = 'reported' then value end ignore nulls) over (
            partition by variable order by year
            rows between unbounded preceding and 1 preceding
        ) as reported_before,
        first_value(case when origin = 'reported' then value end ignore nulls) over (
            partition by variable order by year
            rows between 1 following and unbounded following
        ) as reported_after,
        count(*) filter (where origin = 'reported') over (partition by variable)
            as n_reported,
        count(*) over (partition by variable) as n_cells,
    from cells

),

final as (

    select
        ---------- keys
        variable,
        year,

        ---------- labels
        origin,
        rule,

        ---------- measures
        value,
        reported_before,
        reported_after,
        unit,
        source,
        yearbook_raw_value,
        n_reported,
        n_cells,

        ---------- flags
        is_defective,
    from compared
    where origin != 'reported'

)

select * from final
order by variable, year
