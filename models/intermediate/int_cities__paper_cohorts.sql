-- The 70 cities of the paper's 630 rows, those of the National Bureau of Statistics, with
-- the cohorts of its text, whatever the options: batches 1 to 3 from the year of approval
-- on.
with cities as (

    select
        city_id,
        region,
        is_municipality,
    from {{ ref("stg_reference__cities") }}
    where is_in_nbs_70

),

zones as (

    select
        city_id,
        min(approval_year) as cohort,
    from {{ ref("stg_policy__pilot_zones") }}
    where city_id is not null and batch <= 3 and policy = 'pilot_zones'
    group by city_id

),

final as (

    select
        ---------- keys
        cities.city_id,

        ---------- labels
        cities.region,

        ---------- measures
        coalesce(zones.cohort, 0) as cohort,

        ---------- flags
        cities.is_municipality,
    from cities
    left join zones
        on cities.city_id = zones.city_id

)

select * from final
