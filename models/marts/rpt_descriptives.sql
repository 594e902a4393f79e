{%- set city_year_variables = ["sydid", "eco", "ind", "inf", "edu", "sca", "tra", "con"] -%}
with city_years as (

    select city_years.*
    from {{ ref("fct_city_years") }} as city_years
    where city_years.year >= {{ study_options().first_year }}

),

changes as (

    select tfpch
    from {{ ref("fct_tfp_changes") }}

),

stacked as (

    select
        'tfpch' as variable,
        1 as variable_order,
        count(tfpch) as n_obs,
        count(*) - count(tfpch) as n_without_value,
        avg(tfpch) as mean,
        stddev_samp(tfpch) as std_dev,
        min(tfpch) as minimum,
        max(tfpch) as maximum,
    from changes

    {% for variable in city_year_variables -%}
    union all

    select
        '{{ variable }}' as variable,
        {{ loop.index + 1 }} as variable_order,
        count({{ variable }}) as n_obs,
        count(*) - count({{ variable }}) as n_without_value,
        avg({{ variable }}) as mean,
        stddev_samp({{ variable }}) as std_dev,
        min({{ variable }}) as minimum,
        max({{ variable }}) as maximum,
    from city_years

    {% endfor %}

),

final as (

    select
        ---------- keys
        stacked.variable,

        ---------- labels
        variables.label_en,
        variables.label_zh,

        ---------- measures
        stacked.variable_order,
        stacked.n_obs,
        stacked.n_without_value,
        stacked.mean,
        stacked.std_dev,
        stacked.minimum,
        stacked.maximum,
    from stacked
    inner join {{ ref("dim_variables") }} as variables
        on stacked.variable = variables.variable

)

select * from final
order by variable_order
