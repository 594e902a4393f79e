-- Question: how does productivity grow by region and year, in treated and in control
-- cities?
-- Reading: geometric means of tfpch, above 1 is growth. gap is treated minus control in
-- log points x 100; is_after_approval says whether any treated city of the region is
-- exposed by then.
-- Caveat: a comparison of raw means, not an estimate: batches start in different years
-- and a region's group can be four cities.
with changes as (

    select
        city_id,
        year,
        log_tfpch,
    from {{ ref("fct_tfp_changes") }}

),

city_years as (

    select
        city_id,
        year,
        region,
        cohort,
        sydid,
    from {{ ref("fct_city_years") }}

),

grouped as (

    select
        city_years.region,
        city_years.year,
        count(*) filter (where city_years.cohort > 0) as n_treated,
        count(*) filter (where city_years.cohort = 0) as n_control,
        avg(changes.log_tfpch) filter (where city_years.cohort > 0) as treated,
        avg(changes.log_tfpch) filter (where city_years.cohort = 0) as control,
        bool_or(city_years.sydid > 0) as is_after_approval,
    from changes
    inner join city_years
        on
            changes.city_id = city_years.city_id
            and changes.year = city_years.year
    group by city_years.region, city_years.year

),

final as (

    select
        ---------- keys
        region,
        year,

        ---------- measures
        round(exp(treated), 3) as mean_tfpch_treated,
        round(exp(control), 3) as mean_tfpch_control,
        round(100 * (treated - control), 2) as gap,
        n_treated,
        n_control,

        ---------- flags
        is_after_approval,
    from grouped

)

select * from final
order by region, year
