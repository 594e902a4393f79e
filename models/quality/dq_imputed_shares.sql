-- A cell counts where some city prints the variable in some year; what is missing counts.
with cells as (

    select
        city_id,
        year,
        variable,
        origin,
    from {{ ref("fct_cell_origins") }}

),

final as (

    select
        ---------- keys
        case grouping(city_id, year, variable)
            when 3 then 'city'
            when 5 then 'year'
            when 6 then 'variable'
            when 4 then 'year_variable'
        end as grouping,
        city_id,
        year,
        variable,

        ---------- measures
        cast(count(*) as integer) as n_cells,
        {%- for origin in ["reported", "other_source", "corrected"] %}
        cast(count(*) filter (where origin = '{{ origin }}') as integer) as n_{{ origin }},
        {%- endfor %}
        cast(
            count(*) filter (
                where origin in ('interpolated', 'carried', 'chained', 'assumed')
            ) as integer
        ) as n_imputed,
        cast(count(*) filter (where origin = 'missing') as integer) as n_missing,
        count(*) filter (
            where origin in ('interpolated', 'carried', 'chained', 'assumed')
        ) / count(*) as imputed_share,
    from cells
    group by grouping sets ((city_id), (year), (variable), (year, variable))

)

select * from final
order by grouping, city_id, year, variable
