-- Question: where do yearbook and province table print the same quantity differently?
-- Reading: output of the four municipalities, the cells both print, in 100 million
-- yuan, largest gap first. gap_pct is the province table over the yearbook.
-- Caveat: the province table is revised after the fourth economic census, the yearbook
-- is as first published: a gap is a revision, not a misprint. gdp_vintage picks one.
with cells as (

    select
        city_id,
        year,
        source,
        try_cast(yearbook_raw_value as double) / 10000 as yearbook_cny_100m,
        try_cast(province_raw_value as double) as province_cny_100m,
    from {{ ref("fct_cell_origins") }}
    where
        variable = 'gdp_cny_10k'
        and yearbook_raw_value is not null
        and province_raw_value is not null

),

cities as (

    select
        city_id,
        city_en,
    from {{ ref("dim_cities") }}

),

final as (

    select
        ---------- keys
        cells.city_id,
        cells.year,

        ---------- labels
        cities.city_en,
        cells.source as used_source,

        ---------- measures
        round(cells.yearbook_cny_100m, 1) as yearbook_cny_100m,
        round(cells.province_cny_100m, 1) as province_cny_100m,
        round(100 * (cells.province_cny_100m / cells.yearbook_cny_100m - 1), 1)
            as gap_pct,
    from cells
    inner join cities
        on cells.city_id = cities.city_id

)

select * from final
order by abs(gap_pct) desc, city_id, year
