-- The filled series side by side. Units are converted here, once: persons are persons.
with cells as (

    select
        city_id,
        year,
        variable,
        origin,
        value,
    from {{ ref("int_cells__imputed") }}

),

wide as (

    select
        city_id,
        year,
        {%- for variable in [
            "gdp_cny_10k", "secondary_cny_10k", "tertiary_cny_10k",
            "population_persons_10k", "unit_employment_persons_10k",
            "private_employment_persons", "area_km2", "gdp_growth_pct", "fai_cny_10k",
            "real_estate_cny_10k", "retail_sales_cny_10k", "imports_cny_10k",
            "exports_cny_10k", "fiscal_expenditure_cny_10k",
            "education_expenditure_cny_10k", "university_students_persons",
            "vocational_students_persons",
        ] %}
        max(value) filter (where variable = '{{ variable }}') as {{ variable }},
        {%- endfor %}
        max(origin) filter (where variable = 'gdp_growth_pct') as gdp_growth_origin,
    from cells
    group by city_id, year

),

final as (

    select
        ---------- keys
        city_id,
        year,

        ---------- labels
        gdp_growth_origin,

        ---------- measures
        gdp_cny_10k,
        gdp_growth_pct,
        secondary_cny_10k,
        tertiary_cny_10k,
        10000 * population_persons_10k as population_persons,
        10000 * unit_employment_persons_10k as unit_employment_persons,
        private_employment_persons,
        area_km2,
        fai_cny_10k,
        real_estate_cny_10k,
        retail_sales_cny_10k,
        imports_cny_10k,
        exports_cny_10k,
        fiscal_expenditure_cny_10k,
        education_expenditure_cny_10k,
        university_students_persons,
        vocational_students_persons,
    from wide

)

select * from final
