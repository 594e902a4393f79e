{#- One reading a cell: the first usable source in the declared order of precedence, under
    either vintage of output, and the reading that stands in where it is taken away. -#}
{%- set vintages = ["as_published", "revised"] -%}
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
        correction_action,
        correction,
        correction_evidence,
        raw_value,
        printed_value,
        value,
        is_defective,
        is_usable,
    from {{ ref("int_cells__sources") }}

),

precedence as (

    select
        gdp_vintage,
        variable,
        source,
        {{ to_whole_number("nullif(precedence, '')") }} as precedence,
    from {{ ref("ref_source_precedence") }}

),

ranked as (

    select
        vintages.gdp_vintage,
        sources.city_id,
        sources.year,
        sources.variable,
        sources.source,
        sources.raw_unit,
        sources.correction_action,
        sources.raw_value,
        sources.value,
        coalesce(precedence.precedence, sources.import_precedence, 1) as precedence,
        row_number() over (
            partition by
                vintages.gdp_vintage, sources.city_id, sources.year, sources.variable
            order by
                coalesce(precedence.precedence, sources.import_precedence, 1),
                sources.source
        ) as rank,
    from sources
    cross join (values {% for name in vintages %}('{{ name }}'){{ ", " if not loop.last }}{% endfor %}) as vintages (gdp_vintage)
    left join precedence
        on
            vintages.gdp_vintage = precedence.gdp_vintage
            and sources.variable = precedence.variable
            and sources.source = precedence.source
    -- A source whose rank is left empty is not read under that vintage.
    where
        sources.value is not null and sources.is_usable
        and (precedence.source is null or precedence.precedence is not null)

),

chosen as (

    select *
    from ranked
    where rank = 1 and gdp_vintage = '{{ study_options().gdp_vintage }}'

),

alternatives as (

    select
        city_id,
        year,
        variable,
        {%- for name in vintages %}
        {%- for rank, prefix in {1: "", 2: "next_"}.items() %}
        {%- for column in ["source", "value"] %}
        max({{ column }}) filter (where gdp_vintage = '{{ name }}' and rank = {{ rank }})
            as {{ prefix }}{{ column }}__{{ name }},
        {%- endfor %}
        {%- endfor %}
        {%- endfor %}
    from ranked
    group by city_id, year, variable

),

readings as (

    select
        city_id,
        year,
        variable,
        {%- for source in ["yearbook", "province"] %}
        max(raw_value) filter (where source = '{{ source }}') as {{ source }}_raw_value,
        max(raw_unit) filter (where source = '{{ source }}') as {{ source }}_raw_unit,
        max(printed_value) filter (where source = '{{ source }}') as {{ source }}_value,
        {%- endfor %}
        bool_or(is_defective) filter (where source = 'yearbook') as is_defective,
    from sources
    group by city_id, year, variable

),

-- A correction that binds the same figure of several sources is told once.
corrections as (

    select
        city_id,
        year,
        variable,
        correction_action,
        correction,
        correction_evidence,
        max(source) as source,
    from sources
    where correction_action is not null
    group by city_id, year, variable, correction_action, correction, correction_evidence

),

corrected as (

    select
        city_id,
        year,
        variable,
        {%- for column in ["correction_action", "correction", "correction_evidence"] %}
        string_agg({{ column }}, '; ' order by source desc) as {{ column }},
        {%- endfor %}
    from corrections
    group by city_id, year, variable

),

final as (

    select
        ---------- keys
        spine.city_id,
        spine.year,
        variables.variable,

        ---------- labels
        chosen.source,
        chosen.raw_unit,
        case
            when chosen.value is null then 'missing'
            when chosen.correction_action = 'replace' then 'corrected'
            when chosen.precedence <= 1 then 'reported'
            else 'other_source'
        end as origin,

        corrected.correction_action,
        corrected.correction,
        corrected.correction_evidence,

        ---------- measures
        chosen.raw_value,
        {%- for source in ["yearbook", "province"] %}
        readings.{{ source }}_raw_value,
        readings.{{ source }}_raw_unit,
        readings.{{ source }}_value,
        {%- endfor %}
        chosen.value,

        ---------- alternatives
        alternatives.* exclude (city_id, year, variable),

        ---------- flags
        coalesce(readings.is_defective, false) as is_defective,
    from spine
    cross join variables
    left join chosen
        on
            spine.city_id = chosen.city_id
            and spine.year = chosen.year
            and variables.variable = chosen.variable
    left join alternatives
        on
            spine.city_id = alternatives.city_id
            and spine.year = alternatives.year
            and variables.variable = alternatives.variable
    left join readings
        on
            spine.city_id = readings.city_id
            and spine.year = readings.year
            and variables.variable = readings.variable
    left join corrected
        on
            spine.city_id = corrected.city_id
            and spine.year = corrected.year
            and variables.variable = corrected.variable

)

select * from final
