-- Question: which cities rest most on cells that nobody published?
-- Reading: filled_share is the share of the city's cells with a value that no source
-- reports, over all series; the most filled first. most_filled names its worst series.
-- Caveat: total investment is filled alike for every city after 2016, and so are
-- imports and exports before 2018: differences between cities come from the other
-- series.
with cells as (

    select
        city_id,
        variable,
        origin,
    from {{ ref("fct_cell_origins") }}

),

series as (

    select
        city_id,
        variable,
        count(*) filter (where origin not in ('reported', 'other_source', 'missing'))
            as n_filled,
        count(*) filter (where origin = 'missing') as n_missing,
        count(*) as n_cells,
    from cells
    group by city_id, variable

),

sample as (

    select
        city_id,
        city_en,
        role,
        is_in_sample,
    from {{ ref("rpt_sample") }}

),

final as (

    select
        ---------- keys
        sample.city_id,

        ---------- labels
        sample.city_en,
        sample.role,
        first(series.variable order by series.n_filled desc, series.variable)
            as most_filled,

        ---------- measures
        round(
            sum(series.n_filled) / nullif(sum(series.n_cells - series.n_missing), 0), 3
        ) as filled_share,
        sum(series.n_filled) as n_filled,
        sum(series.n_missing) as n_missing,

        ---------- flags
        sample.is_in_sample,
    from series
    inner join sample
        on series.city_id = sample.city_id
    group by sample.city_id, sample.city_en, sample.role, sample.is_in_sample

)

select * from final
order by filled_share desc nulls last, city_id
