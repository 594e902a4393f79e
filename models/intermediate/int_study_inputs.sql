-- The inputs each variant uses, picked from the alternatives by its options.
with variants as (

    select
        variant,
        real_gdp,
        investment_deflator,
        fai_extension,
        labour_measure,
    from {{ ref("int_study_variants") }}

),

inputs as (

    select *
    from {{ ref("int_city_years__inputs") }}

),

cities as (

    select
        city_id,
        city_en,
    from {{ ref("stg_reference__cities") }}

),

picked as (

    select
        variants.variant,
        inputs.city_id,
        inputs.year,
        cities.city_en,
        inputs.gdp_cny_10k,
        case variants.real_gdp
            {%- for choice in permitted_options().real_gdp %}
            when '{{ choice }}' then inputs.gdp_real_cny_10k__{{ choice }}
            {%- endfor %}
        end as gdp_real_cny_10k,
        case variants.investment_deflator
            when 'province_gdp_deflator' then inputs.gdp_deflator_idx
            when 'province_investment_price' then inputs.investment_price_idx
        end as investment_deflator_idx,
        case variants.fai_extension || ' ' || variants.investment_deflator
            {%- for extension in permitted_options().fai_extension %}
            {%- for deflator in permitted_options().investment_deflator %}
            when '{{ extension }} {{ deflator }}'
                then inputs.investment_real_cny_10k__{{ extension }}__{{ deflator }}
            {%- endfor %}
            {%- endfor %}
        end as investment_real_cny_10k,
        inputs.is_assumed and variants.fai_extension != 'none' as is_investment_assumed,
        case variants.labour_measure
            {%- for choice in permitted_options().labour_measure %}
            when '{{ choice }}' then inputs.labour__{{ choice }}
            {%- endfor %}
        end as labour,
        inputs.eco,
        inputs.ind,
        inputs.edu,
        inputs.sca,
        inputs.tra,
        inputs.con,
    from variants
    cross join inputs
    inner join cities
        on inputs.city_id = cities.city_id

),

final as (

    select
        ---------- keys
        variant,
        city_id,
        year,

        ---------- labels, for messages
        city_en,

        ---------- inputs
        gdp_cny_10k,
        gdp_real_cny_10k,
        investment_real_cny_10k * investment_deflator_idx as investment_cny_10k,
        investment_deflator_idx,
        investment_real_cny_10k,
        labour,

        ---------- controls
        eco,
        ind,
        {{ log_of("investment_real_cny_10k * investment_deflator_idx") }} as inf,
        edu,
        sca,
        tra,
        con,

        ---------- flags
        is_investment_assumed,
    from picked

)

select * from final
