-- Question: how does the effect differ by region, and does it hang on how output is
-- deflated?
-- Reading: Table 4, with controls, under either deflation of output. The two part most
-- where the level revision of 2019 cuts the output of treated cities (a08).
-- Caveat: clusters are few. With eight cities in the northeast, standard errors and
-- p-values are hardly a guide. The paper prints N = 630 in every region.
with regressions as (

    select
        paper_column,
        variant,
        estimate,
        std_error,
        p_value,
        n_cities,
        n_treated_cities,
        assumed_share,
    from {{ ref("rpt_regressions") }}
    where paper_table = '4' and term = 'sydid'

),

headline as (

    select
        real_gdp,
        fai_extension,
        last_year,
    from {{ ref("dim_study_variants") }}
    where variant = 'headline'

),

-- The headline and the variant that differs from it in the deflation of output alone.
variants as (

    select
        variants.variant,
        variants.real_gdp,
    from {{ ref("dim_study_variants") }} as variants
    inner join headline
        on
            variants.fai_extension = headline.fai_extension
            and variants.last_year = headline.last_year
    where variants.variant = 'headline' or variants.real_gdp != headline.real_gdp

),

published as (

    select
        paper_column,
        published as paper_estimate,
    from {{ ref("rpt_published_comparison") }}
    where paper_table = '4' and term = 'sydid' and statistic = 'estimate'

),

pivoted as (

    select
        regressions.paper_column,
        {%- for deflation in ["province_deflator", "city_growth"] %}
        {%- for measure in ["estimate", "std_error", "p_value"] %}
        max(regressions.{{ measure }})
            filter (where variants.real_gdp = '{{ deflation }}')
            as {{ measure }}__{{ deflation }},
        {%- endfor %}
        {%- endfor %}
        max(regressions.n_cities) as n_cities,
        max(regressions.n_treated_cities) as n_treated_cities,
        max(regressions.assumed_share)
            filter (where variants.variant = 'headline') as assumed_share,
    from regressions
    inner join variants
        on regressions.variant = variants.variant
    group by regressions.paper_column

),

final as (

    select
        ---------- keys
        pivoted.paper_column as region,

        ---------- measures
        published.paper_estimate,
        {%- for measure in ["estimate", "std_error", "p_value"] %}
        {%- for deflation in ["province_deflator", "city_growth"] %}
        round(pivoted.{{ measure }}__{{ deflation }}, 3)
            as {{ measure }}__{{ deflation }},
        {%- endfor %}
        {%- endfor %}
        pivoted.n_cities,
        pivoted.n_treated_cities,
        round(pivoted.assumed_share, 3) as assumed_share,
    from pivoted
    left join published
        on pivoted.paper_column = published.paper_column

)

select * from final
order by n_cities desc, region
