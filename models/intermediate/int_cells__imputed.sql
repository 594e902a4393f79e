-- Each published series filled by itself, before anything is added or divided. The
-- reference table of variables says which gaps a series admits to be filled; the option
-- imputation, how. Nothing is filled before the cells are judged: a suspect figure stops
-- the build here.
-- depends_on: {{ ref("int_cells__findings") }}
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

fills as (

    select
        city_id,
        year,
        variable,
        setting,
        year_before,
        year_after,
        value__{{ rule }} as value,
    from {{ ref("int_cells__filled") }}

),

judged as (

    select
        cells.* exclude (value),
        cells.value as reported_value,
        variables.gap_rule,
        fills.year_before,
        fills.year_after,
        fills.value,
        case
            when cells.value is not null then cells.origin
            when fills.value is null then 'missing'
            {% if rule == "growth_chaining" -%}
            else 'chained'
            {%- else -%}
            when fills.setting = 'interior' then 'interpolated'
            else 'carried'
            {%- endif %}
        end as used_origin,
    from cells
    inner join variables
        on cells.variable = variables.variable
    inner join fills
        on
            cells.city_id = fills.city_id
            and cells.year = fills.year
            and cells.variable = fills.variable

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
        raw_value,
        yearbook_raw_value,
        yearbook_raw_unit,
        yearbook_value,
        province_raw_value,
        province_raw_unit,
        province_value,
        reported_value,
        value,

        ---------- flags
        is_defective,
    from judged

)

select * from final
