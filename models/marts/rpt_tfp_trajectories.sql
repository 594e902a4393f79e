-- Growth of groups of cities, and the levels it chains to.
with changes as (

    select
        city_id,
        year,
        year_from,
        tfpch,
        effch,
        techch,
    from {{ ref("fct_tfp_changes") }}
    where year_from is not null and tfpch is not null

),

cities as (

    select
        city_id,
        region,
        role,
    from {{ ref("rpt_sample") }}

),

grouped as (

    {% for dimension, member in {
        "all": "'all'", "region": "cities.region", "role": "cities.role",
    }.items() -%}
    select
        '{{ dimension }}' as dimension,
        {{ member }} as member,
        changes.year,
        count(*) as n_cities,
        avg(ln(changes.tfpch) order by changes.tfpch) as log_tfpch,
        avg(ln(changes.effch) order by changes.effch) as log_effch,
        avg(ln(changes.techch) order by changes.techch) as log_techch,
    from changes
    inner join cities
        on changes.city_id = cities.city_id
    group by dimension, member, changes.year
    {{ "union all" if not loop.last }}
    {% endfor %}

),

differences as (

    -- Geometric means of the treated over those of the controls.
    select
        'difference' as dimension,
        'treated - control' as member,
        treated.year,
        treated.n_cities + controls.n_cities as n_cities,
        {%- for index in ["tfpch", "effch", "techch"] %}
        treated.log_{{ index }} - controls.log_{{ index }} as log_{{ index }},
        {%- endfor %}
    from grouped as treated
    inner join grouped as controls
        on
            treated.year = controls.year
            and treated.dimension = 'role'
            and controls.dimension = 'role'
            and treated.member = 'treated'
            and controls.member = 'control'

),

measured as (

    select * from grouped
    union all
    select * from differences

),

intervals as (

    select
        dimension,
        member,
        year,
        {%- for index in ["tfpch", "effch", "techch"] %}
        max(frontier_error) filter (where index_name = '{{ index }}')
            as mean_{{ index }}_frontier_error,
        {%- endfor %}
        max(low) filter (where index_name = 'tfpch') as mean_tfpch_low,
        max(high) filter (where index_name = 'tfpch') as mean_tfpch_high,
    from {{ ref("est_tfp_intervals") }}
    where variant = 'headline' and dimension <> 'city'
    group by dimension, member, year

),

base_years as (

    select distinct
        dimension,
        member,
        (select min(year_from) from changes) as year,
        null as n_cities,
        0.0 as log_tfpch,
        0.0 as log_effch,
        0.0 as log_techch,
    from measured

),

stacked as (

    select * from measured
    union all
    select * from base_years

),

final as (

    select
        ---------- keys
        stacked.dimension,
        stacked.member,
        cast(stacked.year as integer) as year,

        ---------- growth
        cast(stacked.n_cities as integer) as n_cities,
        {%- for index in ["tfpch", "effch", "techch"] %}
        case
            when stacked.n_cities is not null then exp(stacked.log_{{ index }})
        end as mean_{{ index }},
        {%- endfor %}

        ---------- intervals
        intervals.mean_tfpch_low,
        intervals.mean_tfpch_high,
        {%- for index in ["tfpch", "effch", "techch"] %}
        intervals.mean_{{ index }}_frontier_error,
        {%- endfor %}

        ---------- levels
        {%- for index in ["tfpch", "effch", "techch"] %}
        case
            when
                count(stacked.log_{{ index }}) over so_far
                = count(*) over so_far
                then exp(sum(stacked.log_{{ index }}) over so_far)
        end as {{ "tfp" if index == "tfpch" else index }}_level_idx,
        {%- endfor %}
    from stacked
    left join intervals
        on
            stacked.dimension = intervals.dimension
            and stacked.member = intervals.member
            and stacked.year = intervals.year
    window
        so_far as (
            partition by stacked.dimension, stacked.member order by stacked.year
        )

)

select * from final
order by dimension, member, year
