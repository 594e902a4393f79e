-- The city-years that could draw each variant's frontier, and those that do.
with variants as (

    select
        variant,
        study_sample,
        excluded_cities,
        panel_first_year,
        last_year,
    from {{ ref("int_study_variants") }}

),

inputs as (

    select
        variant,
        city_id,
        year,
        gdp_real_cny_10k,
        labour,
        is_investment_assumed,
    from {{ ref("int_study_inputs") }}

),

spine as (

    select
        spine.city_id,
        spine.year,
        cities.region,
        cities.is_in_nbs_70,
        -- The groups of the option excluded_cities that the city belongs to.
        list_filter(
            [
                case when cities.is_municipality then 'municipalities' end,
                case when policy.batch = 4 then 'batch_4' end,
                case when cities.is_provincial_capital then 'provincial_capitals' end,
            ],
            lambda name: name is not null
        ) as city_groups,
    from {{ ref("int_city_years__spine") }} as spine
    inner join {{ ref("stg_reference__cities") }} as cities
        on spine.city_id = cities.city_id
    inner join {{ ref("int_policy_exposures") }} as policy
        on
            spine.city_id = policy.city_id
            and spine.year = policy.year

),

capital as (

    select
        variant,
        city_id,
        year,
        capital_real_cny_10k,
    from {{ ref("est_capital_stocks") }}

),

candidates as (

    select
        variants.variant,
        variants.study_sample,
        spine.city_id,
        spine.year,
        spine.region,
        spine.is_in_nbs_70,
        list_intersect(
            spine.city_groups, string_split(variants.excluded_cities, ', ')
        ) as excluded_as,
        inputs.gdp_real_cny_10k,
        -- A not-a-number from Python is a missing value here.
        case when not isnan(capital.capital_real_cny_10k) then capital.capital_real_cny_10k end
            as capital_real_cny_10k,
        inputs.labour,
        coalesce(inputs.is_investment_assumed, false) as is_investment_assumed,
    from variants
    inner join spine
        on spine.year between variants.panel_first_year and variants.last_year
    left join inputs
        on
            variants.variant = inputs.variant
            and spine.city_id = inputs.city_id
            and spine.year = inputs.year
    left join capital
        on
            variants.variant = capital.variant
            and spine.city_id = capital.city_id
            and spine.year = capital.year

),

judged as (

    select
        *,
        coalesce(gdp_real_cny_10k > 0, false) as has_output,
        coalesce(capital_real_cny_10k > 0, false) as has_capital,
        coalesce(labour > 0, false) as has_labour,
    from candidates

),

final as (

    select
        ---------- keys
        variant,
        city_id,
        year,

        ---------- labels
        region,

        ---------- measures
        gdp_real_cny_10k,
        capital_real_cny_10k,
        labour,

        ---------- flags
        has_output,
        has_capital,
        has_labour,
        has_output and has_capital and has_labour as is_complete,
        -- Capital rests on assumed investment from the first assumed year on.
        bool_or(is_investment_assumed) over (
            partition by variant, city_id order by year
        ) as is_capital_assumed,
        array_to_string(excluded_as, ', ') as excluded_as,
        case
            when len(excluded_as) > 0 then false
            when study_sample = 'all_available'
                then has_output and has_capital and has_labour
            else
                bool_and(has_output and has_capital and has_labour) over (
                    partition by variant, city_id
                )
                and (study_sample = 'paper_like' or is_in_nbs_70)
        end as is_in_sample,
    from judged

)

select * from final
