-- Each published series is filled by itself, before anything is added or divided. Every
-- cell, known or not, carries its nearest observed years, so that the formula that fills
-- a gap can be tried on a known cell (dq_imputation_scores). The reference table of
-- variables says which gaps a series admits to be filled; the option imputation, how.
{%- set rule = study_options().imputation %}
with cells as (

    select *
    from {{ ref("int_cells__reconciled") }}

),

variables as (

    select
        variable,
        gap_rule,
    from {{ ref("ref_variables") }}

),

logs as (

    select
        city_id,
        year,
        variable,
        case when value > 0 then ln(value) end as log_value,
    from cells

),

changes as (

    select
        variable,
        year,
        log_value - lag(log_value) over (partition by city_id, variable order by year)
            as log_change,
    from logs

),

medians as (

    select
        variable,
        year,
        coalesce(median(log_change), 0) as log_change,
    from changes
    group by variable, year

),

paths as (

    -- The cities' common growth. A year in which no city has a figure for it and for the
    -- year before adds nothing.
    select
        variable,
        year,
        sum(log_change) over (partition by variable order by year) as path,
    from medians

),

placed as (

    select
        cells.*,
        variables.gap_rule,
        paths.path,
    from cells
    inner join variables
        on cells.variable = variables.variable
    inner join paths
        on
            cells.variable = paths.variable
            and cells.year = paths.year

),

neighbours as (

    select
        *,
        {%- for column in ["year", "path"] %}
        last_value(case when value is not null then {{ column }} end ignore nulls)
            over before as {{ column }}_before,
        first_value(case when value is not null then {{ column }} end ignore nulls)
            over after as {{ column }}_after,
        {%- endfor %}
        last_value(value ignore nulls) over before as value_before,
        first_value(value ignore nulls) over after as value_after,
    from placed
    window
        before as (
            partition by city_id, variable order by year
            rows between unbounded preceding and 1 preceding
        ),
        after as (
            partition by city_id, variable order by year
            rows between 1 following and unbounded following
        )

),

ruled as (

    select
        *,
        {{ imputation_setting() }} as setting,
        {{ imputed_value(rule) }} as imputed_value,
    from neighbours

),

judged as (

    select
        *,
        case
            when value is not null then origin
            when setting is null or imputed_value is null then 'missing'
            {% if rule == "growth_chaining" -%}
            else 'chained'
            {%- else -%}
            when setting = 'interior' then 'interpolated'
            else 'carried'
            {%- endif %}
        end as used_origin,
    from ruled

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
            when 'interpolated'
                then '{{ "mean" if rule == "paper" else "line" }} of ' || year_before
                    || ' and ' || year_after
            when 'carried' then 'carried from ' || coalesce(year_before, year_after)
            when 'chained'
                then 'median growth from ' || concat_ws(' and ', year_before, year_after)
        end as rule,
        correction_action,
        correction,
        correction_evidence,
        gap_rule,

        ---------- measures
        yearbook_raw_value,
        yearbook_raw_unit,
        yearbook_value,
        province_raw_value,
        province_raw_unit,
        province_value,
        value as reported_value,
        case
            when used_origin in ('interpolated', 'carried', 'chained') then imputed_value
            else value
        end as value,

        ---------- nearest observed years, of known cells too
        path,
        year_before,
        value_before,
        path_before,
        year_after,
        value_after,
        path_after,

        ---------- flags
        is_defective,
    from judged

)

select * from final
