-- Question: in which years are cells not published, and in how many series?
-- Reading: one row per year. n_series_half_gone counts series that fewer than half of
-- the cities have in that year: a gap of the publisher, not of a city.
-- Caveat: the study uses some of the series only; a07 lists the cells behind an index.
with cells as (

    select
        year,
        variable,
        origin,
    from {{ ref("fct_cell_origins") }}

),

series as (

    select
        year,
        variable,
        avg(case when origin = 'reported' then 1.0 else 0.0 end) as reported_share,
    from cells
    group by year, variable

),

by_series as (

    select
        year,
        count(*) filter (where reported_share < 0.5) as n_series_half_gone,
        string_agg(variable, ', ' order by variable)
            filter (where reported_share < 0.5) as series_half_gone,
    from series
    group by year

),

by_cell as (

    select
        year,
        avg(case when origin = 'reported' then 1.0 else 0.0 end) as reported_share,
        avg(case when origin = 'missing' then 1.0 else 0.0 end) as missing_share,
    from cells
    group by year

),

final as (

    select
        ---------- keys
        by_cell.year,

        ---------- measures
        round(by_cell.reported_share, 3) as reported_share,
        round(by_cell.missing_share, 3) as missing_share,
        by_series.n_series_half_gone,

        ---------- labels
        by_series.series_half_gone,
    from by_cell
    inner join by_series
        on by_cell.year = by_series.year

)

select * from final
order by year
