{#- One reading a cell: the first usable source in the declared order of precedence, under
    either vintage of output, and the reading that stands in where it is taken away. -#}
{%- set vintages = ["as_published", "revised"] -%}
{%- set chosen = study_options().gdp_vintage -%}
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

-- Read again for each use: a copy in memory is large, the table is on the disk.
sources as not materialized (

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

-- Each source's place in line under either vintage; null where it is not read.
ordered as not materialized (

    select
        sources.*,
        {%- for name in vintages %}
        case
            when sources.value is not null and sources.is_usable
                -- A source whose rank is left empty is not read under that vintage.
                and ({{ name }}.source is null or {{ name }}.precedence is not null)
                then coalesce({{ name }}.precedence, sources.import_precedence, 1)
        end as precedence__{{ name }},
        {%- endfor %}
    from sources
    {%- for name in vintages %}
    left join precedence as {{ name }}
        on
            {{ name }}.gdp_vintage = '{{ name }}'
            and sources.variable = {{ name }}.variable
            and sources.source = {{ name }}.source
    {%- endfor %}

),

-- Most cells have one source: nothing to rank, nothing to aggregate.
contested as (

    select
        city_id,
        year,
        variable,
    from sources
    group by city_id, year, variable
    having count(*) > 1

),

-- Ranks of the sources that are read; null for others.
ranked as (

    select
        *,
        {%- for name in vintages %}
        case when precedence__{{ name }} is not null then row_number() over (
            partition by city_id, year, variable
            order by precedence__{{ name }} nulls last, source
        ) end as rank__{{ name }},
        {%- endfor %}
    from ordered
    semi join contested using (city_id, year, variable)

),

single as (

    select
        *,
        {%- for name in vintages %}
        case when precedence__{{ name }} is not null then 1 end as rank__{{ name }},
        {%- endfor %}
    from ordered
    anti join contested using (city_id, year, variable)

),

readings as (
    {%- for cells in ["single", "ranked"] %}

    select
        city_id,
        year,
        variable,
        {%- for name in vintages %}
        {%- for rank, prefix in {1: "", 2: "next_"}.items() %}
        {%- for column in ["source", "value"] %}
        {{ of_source(cells, column, "rank__" ~ name ~ " = " ~ rank) }}
            as {{ prefix }}{{ column }}__{{ name }},
        {%- endfor %}
        {%- endfor %}
        {%- endfor %}
        {%- for column in ["raw_unit", "correction_action", "raw_value", "precedence__" ~ chosen] %}
        {{ of_source(cells, column, "rank__" ~ chosen ~ " = 1") }} as chosen_{{ column }},
        {%- endfor %}
        {%- for source in ["yearbook", "province"] %}
        {%- for column, name in {"raw_value": "raw_value", "raw_unit": "raw_unit", "printed_value": "value"}.items() %}
        {{ of_source(cells, column, "source = '" ~ source ~ "'") }} as {{ source }}_{{ name }},
        {%- endfor %}
        {%- endfor %}
        {{ of_source(cells, "is_defective", "source = 'yearbook'") }} as is_defective,
    from {{ cells }}
    {%- if cells == "ranked" %}
    group by city_id, year, variable
    {%- else %}

    union all
    {% endif %}
    {%- endfor %}

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
        readings.source__{{ chosen }} as source,
        readings.chosen_raw_unit as raw_unit,
        case
            when readings.value__{{ chosen }} is null then 'missing'
            when readings.chosen_correction_action = 'replace' then 'corrected'
            when readings.chosen_precedence__{{ chosen }} <= 1 then 'reported'
            else 'other_source'
        end as origin,

        corrected.correction_action,
        corrected.correction,
        corrected.correction_evidence,

        ---------- measures
        readings.chosen_raw_value as raw_value,
        {%- for source in ["yearbook", "province"] %}
        readings.{{ source }}_raw_value,
        readings.{{ source }}_raw_unit,
        readings.{{ source }}_value,
        {%- endfor %}
        readings.value__{{ chosen }} as value,

        ---------- alternatives
        {%- for name in vintages %}
        {%- for prefix in ["", "next_"] %}
        readings.{{ prefix }}source__{{ name }},
        readings.{{ prefix }}value__{{ name }},
        {%- endfor %}
        {%- endfor %}

        ---------- flags
        coalesce(readings.is_defective, false) as is_defective,
    from spine
    cross join variables
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
order by city_id, year, variable
