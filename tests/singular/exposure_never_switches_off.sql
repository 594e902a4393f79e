-- Once exposed, always exposed; a city is ever exposed exactly when it has a cohort.
with exposures as (

    select
        *,
        lag(sydid) over (partition by city_id order by year) as previous_sydid,
        max(sydid) over (partition by city_id) as max_sydid,
    from {{ ref("fct_policy_exposures") }}

)

select
    city_id,
    year,
from exposures
where sydid < previous_sydid or (cohort = 0) != (max_sydid = 0)
