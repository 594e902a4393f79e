-- Question: how fast does output move from industry to services, and does it in treated
-- cities as in the others?
-- Reading: ind is tertiary over secondary value added; medians by year. gap is the
-- difference of their logarithms x 100.
-- Caveat: value added by industry is not published for most cities in 2017 and is
-- interpolated there (a27). ind is also a control of the paper, after treatment.
with city_years as (

    select
        year,
        cohort,
        ind,
    from {{ ref("fct_city_years") }}
    where ind > 0

),

grouped as (

    select
        year,
        median(ind) filter (where cohort > 0) as treated,
        median(ind) filter (where cohort = 0) as control,
        count(*) as n_cities,
    from city_years
    group by year

),

final as (

    select
        ---------- keys
        year,

        ---------- measures
        round(treated, 3) as median_ind_treated,
        round(control, 3) as median_ind_control,
        round(100 * (ln(treated) - ln(control)), 1) as gap,
        n_cities,
    from grouped

)

select * from final
order by year
