-- Secondary and tertiary value added stay below output where the yearbook reports all
-- three. 0.1 per cent for rounding in the yearbook (2026-11-24).
with cells as (

    select
        city_id,
        year,
        max(value) filter (where variable = 'gdp_cny_10k') as gdp,
        sum(value) filter (where variable in ('secondary_cny_10k', 'tertiary_cny_10k'))
            as sectors,
        count(value) as n_reported,
    from {{ ref("fct_cell_origins") }}
    where
        variable in ('gdp_cny_10k', 'secondary_cny_10k', 'tertiary_cny_10k')
        and source = 'yearbook' and origin = 'reported'
    group by city_id, year

)

select
    city_id,
    year,
from cells
where n_reported = 3 and sectors > 1.001 * gdp
