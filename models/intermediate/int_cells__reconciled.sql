-- One reading a cell: the first usable source in the declared order of precedence.
with spine as (

    select
        city_id,
        year,
    from {{ ref("int_city_years__spine") }}

),

variables as (

    select
        variable,
    from {{ ref("ref_variables") }}
    where kind = 'yearbook'

),

sources as (

    select
        city_id,
        year,
        variable,
        source,
        import_precedence,
        raw_unit,
        raw_value,
        value,
        is_defective,
    from {{ ref("int_cells__sources") }}

),

precedence as (

    select
        variable,
        source,
        {{ to_whole_number("precedence") }} as precedence,
    from {{ ref("ref_source_precedence") }}
    where gdp_vintage = '{{ study_options().gdp_vintage }}'

),

ranked as (

    select
        sources.city_id,
        sources.year,
        sources.variable,
        sources.source,
        sources.raw_unit,
        sources.raw_value,
        sources.value,
        coalesce(precedence.precedence, sources.import_precedence, 1) as precedence,
    from sources
    left join precedence
        on
            sources.variable = precedence.variable
            and sources.source = precedence.source
    where sources.value is not null and not sources.is_defective
    qualify row_number() over (
        partition by sources.city_id, sources.year, sources.variable
        order by
            coalesce(precedence.precedence, sources.import_precedence, 1), sources.source
    ) = 1

),

readings as (

    select
        city_id,
        year,
        variable,
        max(raw_value) filter (where source = 'yearbook') as yearbook_raw_value,
        max(raw_value) filter (where source = 'province') as province_raw_value,
        bool_or(is_defective) filter (where source = 'yearbook') as is_defective,
    from sources
    group by city_id, year, variable

),

final as (

    select
        ---------- keys
        spine.city_id,
        spine.year,
        variables.variable,

        ---------- labels
        ranked.source,
        ranked.raw_unit,
        case
            when ranked.value is null then 'missing'
            when ranked.precedence <= 1 then 'reported'
            else 'other_source'
        end as origin,

        ---------- measures
        ranked.raw_value,
        readings.yearbook_raw_value,
        readings.province_raw_value,
        ranked.value,

        ---------- flags
        coalesce(readings.is_defective, false) as is_defective,
    from spine
    cross join variables
    left join ranked
        on
            spine.city_id = ranked.city_id
            and spine.year = ranked.year
            and variables.variable = ranked.variable
    left join readings
        on
            spine.city_id = readings.city_id
            and spine.year = readings.year
            and variables.variable = readings.variable

)

select * from final
