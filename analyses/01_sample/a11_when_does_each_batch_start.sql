-- Question: when was each batch of pilot zones approved, how many of its zones are
-- cities of the study, and how much of the approval year was left?
-- Reading: left_of_year_share is what sydid is worth in the approval year under
-- exposure_from = fraction. n_in_sample counts the cities with an estimate behind them.
-- Caveat: approval is not the start of work. Under approval_year a zone approved in
-- July counts as exposed from January on, so the first year understates an effect.
with zones as (

    select
        batch,
        approval_date,
        approval_year,
        city_id,
        is_treated_batch,
    from {{ ref("dim_pilot_zones") }}

),

sample as (

    select
        city_id,
        is_in_sample,
    from {{ ref("rpt_sample") }}

),

final as (

    select
        ---------- keys
        zones.batch,

        ---------- labels
        min(zones.approval_date) as approval_date,

        ---------- measures
        count(*) as n_zones,
        count(zones.city_id) as n_in_study,
        count(*) filter (where sample.is_in_sample) as n_in_sample,
        round(
            date_diff(
                'day', min(zones.approval_date),
                make_date(min(zones.approval_year) + 1, 1, 1)
            ) / 365.25, 3
        ) as left_of_year_share,

        ---------- flags
        bool_or(zones.is_treated_batch) as is_treated_batch,
    from zones
    left join sample
        on zones.city_id = sample.city_id
    group by zones.batch

)

select * from final
order by batch
