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

base_years as (

    select distinct
        dimension,
        member,
        (select min(year_from) from changes) as year,
        null as n_cities,
        0.0 as log_tfpch,
        0.0 as log_effch,
        0.0 as log_techch,
    from grouped

),

stacked as (

    select * from grouped
    union all
    select * from base_years

),

final as (

    select
        ---------- keys
        dimension,
        member,
        cast(year as integer) as year,

        ---------- growth
        cast(n_cities as integer) as n_cities,
        {%- for index in ["tfpch", "effch", "techch"] %}
        case when n_cities is not null then exp(log_{{ index }}) end as mean_{{ index }},
        {%- endfor %}

        ---------- levels
        {%- for index in ["tfpch", "effch", "techch"] %}
        case
            when count(log_{{ index }}) over so_far = count(*) over so_far
                then exp(sum(log_{{ index }}) over so_far)
        end as {{ "tfp" if index == "tfpch" else index }}_level_idx,
        {%- endfor %}
    from stacked
    window so_far as (partition by dimension, member order by year)

)

select * from final
order by dimension, member, year
