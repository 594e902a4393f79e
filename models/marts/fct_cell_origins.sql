-- Every cell's story: what each source printed, what was used, and by which rule.
with cells as (

    select *
    from {{ ref("int_cells__imputed") }}

),

variables as (

    select
        variable,
        unit,
    from {{ ref("ref_variables") }}

),

growth as (

    select
        city_id,
        year,
        growth_origin,
        growth_used_pct,
    from {{ ref("int_city_years__inputs") }}

),

investment as (

    select
        city_id,
        year,
        is_investment_assumed,
        investment_cny_10k,
    from {{ ref("int_study_inputs") }}
    where variant = 'headline'

),

joined as (

    select
        cells.*,
        variables.unit,
        coalesce(
            cells.variable = 'gdp_growth_pct' and growth.growth_origin = 'chained', false
        ) as is_chained,
        coalesce(
            cells.variable = 'fai_cny_10k' and investment.is_investment_assumed, false
        ) as is_assumed,
        growth.growth_used_pct,
        investment.investment_cny_10k,
    from cells
    inner join variables
        on cells.variable = variables.variable
    left join growth
        on
            cells.city_id = growth.city_id
            and cells.year = growth.year
    left join investment
        on
            cells.city_id = investment.city_id
            and cells.year = investment.year

),

final as (

    select
        ---------- keys
        city_id,
        year,
        variable,

        ---------- labels
        unit,
        case
            when is_chained then 'chained'
            when is_assumed and investment_cny_10k is not null then 'assumed'
            else origin
        end as origin,
        case
            when is_chained then 'growth of nominal output over the province deflator'
            when is_assumed and investment_cny_10k is not null
                then 'fai_extension = {{ study_options().fai_extension }}'
            else rule
        end as rule,
        source,

        ---------- measures
        raw_value,
        raw_unit,
        yearbook_raw_value,
        yearbook_raw_unit,
        yearbook_value,
        province_raw_value,
        province_raw_unit,
        province_value,
        correction_action,
        correction,
        correction_evidence,
        case
            when is_chained then growth_used_pct
            when is_assumed then investment_cny_10k
            else value
        end as value,

        ---------- flags
        is_defective,
    from joined

)

select * from final
order by city_id, year, variable
