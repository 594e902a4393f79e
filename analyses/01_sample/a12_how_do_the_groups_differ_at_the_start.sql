-- Question: how do treated and control cities differ in the first year of the study?
-- Reading: medians of the first year. ratio is treated over control; 2 means that the
-- median treated city is twice the median control city.
-- Caveat: the zones went to large trading cities. Fixed effects take out a difference
-- in levels, not one in trends: a04 and the table of credibility speak to those.
with city_years as (

    select
        city_id,
        year,
        cohort,
        gdp_real_cny_10k,
        investment_cny_10k,
        capital_real_cny_10k,
        labour,
        ind,
    from {{ ref("fct_city_years") }}
    qualify year = min(year) over ()

),

stacked as (

    {% for measure in [
        "gdp_real_cny_10k", "investment_cny_10k", "capital_real_cny_10k", "labour",
        "ind",
    ] -%}
    select
        {{ loop.index }} as measure_order,
        '{{ measure }}' as measure,
        median({{ measure }}) filter (where cohort > 0) as treated,
        median({{ measure }}) filter (where cohort = 0) as control,
        count({{ measure }}) filter (where cohort > 0) as n_treated,
        count({{ measure }}) filter (where cohort = 0) as n_control,
    from city_years
    {{ "union all" if not loop.last }}
    {% endfor %}

),

final as (

    select
        ---------- keys
        measure,

        ---------- measures
        round(treated, 3) as median_treated,
        round(control, 3) as median_control,
        round(treated / control, 2) as ratio,
        n_treated,
        n_control,
        measure_order,
    from stacked

)

select * from final
order by measure_order
