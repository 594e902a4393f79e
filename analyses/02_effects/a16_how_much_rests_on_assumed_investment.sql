-- Question: how much of each estimate rests on investment that nobody published?
-- Reading: assumed_share is the share of treated city-years whose capital contains
-- assumed investment. Where it is high, the estimate is partly one of fai_extension.
-- Caveat: fai_extension=none uses published investment only, but ends in 2016: the
-- third batch drops out, and with it most of the treated cities.
with regressions as (

    select
        paper_table,
        paper_column,
        variant,
        estimate,
        std_error,
        n_treated_cities,
        n_treated_city_years,
        assumed_share,
    from {{ ref("rpt_regressions") }}
    where term = 'sydid'

),

variants as (

    select
        variant,
        variant_order,
        last_year,
    from {{ ref("dim_study_variants") }}

),

final as (

    select
        ---------- keys
        regressions.paper_table,
        regressions.paper_column,
        regressions.variant,

        ---------- measures
        round(regressions.assumed_share, 3) as assumed_share,
        round(regressions.estimate, 3) as estimate,
        round(regressions.std_error, 3) as std_error,
        regressions.n_treated_cities,
        regressions.n_treated_city_years,
        variants.last_year,
        variants.variant_order,
    from regressions
    inner join variants
        on regressions.variant = variants.variant

)

select * from final
order by paper_table, paper_column, variant_order
