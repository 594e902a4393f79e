-- Everything the study can choose from, one column an alternative; the options pick
-- among them downstream.
with cleaned as (

    select *
    from {{ ref("int_city_years__cleaned") }}

),

output as (

    select
        city_id,
        year,
        gdp_real_cny_10k__province_deflator,
        gdp_real_cny_10k__city_growth,
    from {{ ref("int_city_years__real_output") }}

),

investment as (

    select *
    from {{ ref("int_city_years__investment") }}

),

final as (

    select
        ---------- keys
        cleaned.city_id,
        cleaned.year,

        ---------- output
        cleaned.gdp_cny_10k,
        output.gdp_real_cny_10k__province_deflator,
        output.gdp_real_cny_10k__city_growth,

        ---------- investment
        investment.* exclude (city_id, year),

        ---------- labour
        cleaned.university_students_persons / cleaned.population_persons
            as labour__university_share,
        (cleaned.university_students_persons + cleaned.vocational_students_persons)
        / cleaned.population_persons as labour__student_share,
        cleaned.university_students_persons as labour__students,
        cleaned.unit_employment_persons + cleaned.private_employment_persons
            as labour__employed,

        ---------- controls, but for inf, which follows the chosen investment
        {{ log_of("cleaned.gdp_cny_10k / 10000") }} as eco,
        cleaned.tertiary_cny_10k / cleaned.secondary_cny_10k as ind,
        cleaned.education_expenditure_cny_10k / cleaned.fiscal_expenditure_cny_10k as edu,
        {{ log_of("cleaned.population_persons / cleaned.area_km2") }} as sca,
        (cleaned.imports_cny_10k + cleaned.exports_cny_10k) / cleaned.gdp_cny_10k as tra,
        {{ log_of("cleaned.retail_sales_cny_10k") }} as con,
    from cleaned
    inner join output
        on
            cleaned.city_id = output.city_id
            and cleaned.year = output.year
    inner join investment
        on
            cleaned.city_id = investment.city_id
            and cleaned.year = investment.year

)

select * from final
