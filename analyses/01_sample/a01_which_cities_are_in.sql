-- Question: which of the 74 cities are in the sample, as treated or as control, and why
-- are the others out?
-- Reading: cities that are out come first. `reason` names what is missing; a control's
-- batch is the later one in which its own zone was approved, empty if never.
-- Caveat: the paper does not name its 36 controls, so its sample cannot be reproduced;
-- batch 4 was approved on 15 December 2019, inside the window.
with sample as (

    select
        city_id,
        city_en,
        region,
        role,
        reason,
        batch,
        cohort,
        n_complete_years,
        is_in_sample,
    from {{ ref("rpt_sample") }}

),

cities as (

    select
        city_id,
        is_in_nbs_70,
    from {{ ref("dim_cities") }}

),

final as (

    select
        ---------- keys
        sample.city_id,

        ---------- labels
        sample.city_en,
        sample.role,
        sample.reason,
        sample.region,

        ---------- measures
        sample.batch,
        sample.cohort,
        sample.n_complete_years,

        ---------- flags
        sample.is_in_sample,
        cities.is_in_nbs_70,
    from sample
    inner join cities
        on sample.city_id = cities.city_id

)

select * from final
order by is_in_sample, role desc, batch nulls last, city_id
