-- Question: which ten indices are the most extreme, and what stands behind their cells?
-- Reading: farthest from 1 in logs first. The three factors are this year over the year
-- before; one far from the others shows which input moves the index. cells lists what
-- no source reports as it is used, with its origin, in either of the two years.
-- Caveat: a reported cell is not thereby right: revised levels of output or population
-- are reported too. In the first years the capital factor can be large because the
-- initial stock, I / (g + delta), is small where investment grew fast.
{#- The series behind labour, by its formula. #}
{%- set labour_variables = resolved_study().labour_series %}
with changes as (

    select
        city_id,
        year,
        year_from,
        tfpch,
        effch,
        techch,
        log_tfpch,
    from {{ ref("fct_tfp_changes") }}

),

cities as (

    select
        city_id,
        city_en,
    from {{ ref("dim_cities") }}

),

city_years as (

    select
        city_id,
        year,
        gdp_real_cny_10k,
        capital_real_cny_10k,
        labour,
        is_capital_assumed,
    from {{ ref("fct_city_years") }}

),

unreported as (

    select
        city_id,
        year,
        variable,
        origin,
    from {{ ref("fct_cell_origins") }}
    where
        origin != 'reported'
        and variable in (
            'gdp_cny_10k',
            'fai_cny_10k',
            {%- for variable in labour_variables %}
            '{{ variable }}',
            {%- endfor %}
            {{ "'gdp_growth_pct'" if study_options().real_gdp == "city_growth" }}
        )

),

ranked as (

    select
        *,
        row_number() over (order by abs(log_tfpch) desc, city_id, year) as place,
    from changes
    qualify place <= 10

),

cells as (

    select
        ranked.place,
        string_agg(
            concat_ws(' ', unreported.variable, unreported.year, unreported.origin),
            ', ' order by unreported.variable, unreported.year
        ) as cells,
    from ranked
    inner join unreported
        on
            ranked.city_id = unreported.city_id
            and unreported.year in (ranked.year_from, ranked.year)
    group by ranked.place

),

final as (

    select
        ---------- keys
        ranked.place,
        ranked.year,

        ---------- labels
        cities.city_en,
        coalesce(cells.cells, 'all reported') as cells,

        ---------- measures
        round(ranked.tfpch, 3) as tfpch,
        round(later.gdp_real_cny_10k / earlier.gdp_real_cny_10k, 3) as output_factor,
        round(later.capital_real_cny_10k / earlier.capital_real_cny_10k, 3)
            as capital_factor,
        round(later.labour / earlier.labour, 3) as labour_factor,
        round(ranked.effch, 3) as effch,
        round(ranked.techch, 3) as techch,

        ---------- flags
        later.is_capital_assumed,
    from ranked
    inner join cities
        on ranked.city_id = cities.city_id
    inner join city_years as later
        on
            ranked.city_id = later.city_id
            and ranked.year = later.year
    left join city_years as earlier
        on
            ranked.city_id = earlier.city_id
            and ranked.year_from = earlier.year
    left join cells
        on ranked.place = cells.place

)

select * from final
order by place
