with stocks as (

    select *
    from {{ ref("est_capital_stocks") }}
    where variant = 'headline' and capital_real_cny_10k is not null

),

inputs as (

    select *
    from {{ ref("int_study_inputs") }}
    where variant = 'headline'

),

options as (

    select
        depreciation,
        capital_first_year,
    from {{ ref("int_study_variants") }}
    where variant = 'headline'

),

final as (

    select
        ---------- keys
        stocks.city_id,
        stocks.year,

        ---------- measures
        inputs.investment_cny_10k,
        inputs.investment_deflator_idx,
        stocks.investment_real_cny_10k,
        stocks.initial_growth,
        options.depreciation,
        stocks.capital_real_cny_10k,

        ---------- flags
        stocks.year = options.capital_first_year as is_initial_stock,
        inputs.is_investment_assumed,
        bool_or(inputs.is_investment_assumed) over (
            partition by stocks.city_id order by stocks.year
        ) as is_capital_assumed,
    from stocks
    inner join inputs
        on
            stocks.city_id = inputs.city_id
            and stocks.year = inputs.year
    cross join options

)

select * from final
order by city_id, year
