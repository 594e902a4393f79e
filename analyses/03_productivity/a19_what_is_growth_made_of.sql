-- Question: is productivity growth catching up with the frontier or a moving frontier?
-- Reading: mean logs x 100, a year. tfpch = effch + techch and effch = pech + sech, so
-- the parts add up. Negative techch means that the frontier moved inwards.
-- Caveat: the frontier is drawn by a handful of cities (a05): technical change here is
-- those cities' output over capital, and investment that is revised or assumed moves
-- it.
with changes as (

    select
        city_id,
        year,
        tfpch,
        effch,
        techch,
        pech,
        sech,
    from {{ ref("fct_tfp_changes") }}
    where year_from is not null and tfpch is not null

),

cities as (

    select
        city_id,
        region,
        role,
    from {{ ref("rpt_sample") }}

),

final as (

    select
        ---------- keys
        cities.region,
        cities.role,

        ---------- measures
        round(100 * avg(ln(changes.tfpch)), 2) as tfpch,
        round(100 * avg(ln(changes.effch)), 2) as effch,
        round(100 * avg(ln(changes.techch)), 2) as techch,
        round(100 * avg(ln(changes.pech)), 2) as pech,
        round(100 * avg(ln(changes.sech)), 2) as sech,
        count(distinct changes.city_id) as n_cities,
        count(*) as n_indices,
    from changes
    inner join cities
        on changes.city_id = cities.city_id
    group by cities.region, cities.role

)

select * from final
order by region, role
