-- Once exposed, always exposed, but where the roster says when the policy ended; a city is
-- ever exposed exactly when it has a cohort.
with exposures as (

    select
        *,
        lag(sydid) over (partition by city_id order by year) as previous_sydid,
        max(sydid) over (partition by city_id) as max_sydid,
    from {{ ref("fct_policy_exposures") }}

),

ends as (

    select
        city_id,
        any_value(year(end_date)) as last_year_in_force,
    from {{ ref("int_policy_exposures") }}
    group by city_id

)

select
    exposures.city_id,
    exposures.year,
from exposures
inner join ends
    on exposures.city_id = ends.city_id
where
    (
        exposures.sydid < exposures.previous_sydid
        and exposures.year < coalesce(ends.last_year_in_force, 9999)
    )
    or (
        (exposures.cohort = 0) != (exposures.max_sydid = 0)
        and ends.last_year_in_force is null
    )
