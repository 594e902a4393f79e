-- Each published series is filled by itself, before anything is added or divided. A gap
-- takes the mean of the nearest observed years on either side; at either end the nearest
-- observed year is carried, at most carry_years. The reference table of variables says
-- which of the two a series admits.
with cells as (

    select
        city_id,
        year,
        variable,
        source,
        raw_unit,
        origin,
        raw_value,
        yearbook_raw_value,
        province_raw_value,
        value,
        is_defective,
    from {{ ref("int_cells__reconciled") }}

),

variables as (

    select
        variable,
        gap_rule,
    from {{ ref("ref_variables") }}

),

neighbours as (

    select
        cells.*,
        variables.gap_rule,
        last_value(case when cells.value is not null then cells.year end ignore nulls)
            over before as year_before,
        last_value(cells.value ignore nulls) over before as value_before,
        first_value(case when cells.value is not null then cells.year end ignore nulls)
            over after as year_after,
        first_value(cells.value ignore nulls) over after as value_after,
    from cells
    inner join variables
        on cells.variable = variables.variable
    window
        before as (
            partition by cells.city_id, cells.variable order by cells.year
            rows between unbounded preceding and 1 preceding
        ),
        after as (
            partition by cells.city_id, cells.variable order by cells.year
            rows between 1 following and unbounded following
        )

),

ruled as (

    select
        *,
        case
            when value is not null then origin
            when gap_rule in ('mean', 'mean_carry')
                and value_before is not null and value_after is not null
                then 'interpolated'
            when gap_rule = 'mean_carry'
                and (
                    year - year_before <= {{ study_options().carry_years }}
                    or year_after - year <= {{ study_options().carry_years }}
                )
                then 'carried'
            else 'missing'
        end as used_origin,
    from neighbours

),

final as (

    select
        ---------- keys
        city_id,
        year,
        variable,

        ---------- labels
        source,
        raw_unit,
        used_origin as origin,
        case used_origin
            when 'interpolated' then 'mean of ' || year_before || ' and ' || year_after
            when 'carried' then 'carried from ' || coalesce(year_before, year_after)
        end as rule,

        ---------- measures
        raw_value,
        yearbook_raw_value,
        province_raw_value,
        value as reported_value,
        case used_origin
            when 'interpolated' then (value_before + value_after) / 2
            when 'carried' then coalesce(value_before, value_after)
            else value
        end as value,

        ---------- flags
        is_defective,
    from ruled

)

select * from final
