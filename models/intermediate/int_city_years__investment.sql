{#- Total investment ends before the study does. Each way to go on after a city's last
    observed year has a column of its own, in current prices and, under either price
    index, at 2011 prices. `flat` is constant in real terms. -#}
{%- set deflators = {
    "province_gdp_deflator": "gdp_deflator_idx",
    "province_investment_price": "investment_price_idx",
} -%}
with city_years as (

    select
        spine.city_id,
        spine.year,
        cleaned.fai_cny_10k,
        cleaned.real_estate_cny_10k,
        provinces.fai_cny_100m as province_fai_cny_100m,
        provinces.gdp_deflator_idx,
        provinces.investment_price_idx,
        max(case when cleaned.fai_cny_10k is not null then spine.year end)
            over (partition by spine.city_id) as last_fai_year,
        max(case when provinces.fai_cny_100m is not null then spine.year end)
            over (partition by spine.city_id) as last_province_year,
    from {{ ref("int_city_years__spine") }} as spine
    left join {{ ref("int_city_years__cleaned") }} as cleaned
        on
            spine.city_id = cleaned.city_id
            and spine.year = cleaned.year
    left join {{ ref("int_province_years") }} as provinces
        on
            spine.province_id = provinces.province_id
            and spine.year = provinces.year

),

extended as (

    select
        city_years.*,
        city_years.year > city_years.last_fai_year as is_assumed,
        last_observed.fai_cny_10k as last_fai_cny_10k,
        {%- for column in deflators.values() %}
        last_observed.fai_cny_10k / last_observed.{{ column }} as last_real__{{ column }},
        {%- endfor %}
        city_years.real_estate_cny_10k / last_observed.real_estate_cny_10k
            as real_estate_ratio,
        (turning.province_fai_cny_100m / last_observed.province_fai_cny_100m)
        * (city_years.real_estate_cny_10k / turning.real_estate_cny_10k)
            as province_then_real_estate_ratio,
    from city_years
    left join city_years as last_observed
        on
            city_years.city_id = last_observed.city_id
            and city_years.last_fai_year = last_observed.year
    -- Up to the province table's last year on the province, from there on real estate.
    left join city_years as turning
        on
            city_years.city_id = turning.city_id
            and turning.year = greatest(
                city_years.last_fai_year,
                least(city_years.year, city_years.last_province_year)
            )

),

nominal as (

    select
        *,
        fai_cny_10k as none,
        case when is_assumed then last_fai_cny_10k * real_estate_ratio else fai_cny_10k end
            as real_estate,
        case
            when is_assumed then last_fai_cny_10k * province_then_real_estate_ratio
            else fai_cny_10k
        end as province_then_real_estate,
    from extended

),

final as (

    select
        ---------- keys
        city_id,
        year,

        ---------- flags
        coalesce(is_assumed, false) as is_assumed,

        ---------- measures
        last_fai_year,
        gdp_deflator_idx,
        investment_price_idx,
        {%- for extension in ["none", "real_estate", "province_then_real_estate"] %}
        {{ extension }} as investment_cny_10k__{{ extension }},
        {%- endfor %}
        {%- for deflator, column in deflators.items() %}
        {%- for extension in ["none", "real_estate", "province_then_real_estate"] %}
        {{ extension }} / {{ column }}
            as investment_real_cny_10k__{{ extension }}__{{ deflator }},
        {%- endfor %}
        case when is_assumed then last_real__{{ column }} else fai_cny_10k / {{ column }} end
            as investment_real_cny_10k__flat__{{ deflator }},
        {%- endfor %}
    from nominal

)

select * from final
