-- The options of the headline and of the variants shown beside it, one row each. This
-- is how options reach the Python models, and the record of what a file was built with.
{%- set study = resolved_study() %}
with final as (

    {% for variant, options in study.variants.items() -%}
    select
        ---------- keys
        '{{ variant }}' as variant,
        {{ loop.index }} as variant_order,

        ---------- labels
        '{{ options.policy }}' as policy,
        {%- for name in study.listed %}
        '{{ options[name] }}' as {{ name }},
        {%- endfor %}
        '{{ options.treated_batches | join(", ") }}' as treated_batches,
        '{{ options.excluded_cities | join(", ") }}' as excluded_cities,

        ---------- measures
        {{ options.first_year }} as first_year,
        {{ options.last_year }} as last_year,
        {{ options.carry_years }} as carry_years,
        {{ options.bootstrap_replications if variant == "headline" else 0 }}
            as bootstrap_replications,
        {{ options.inference_draws }} as inference_draws,
        cast({{ options.seed }} as bigint) as seed,
        {{ options.specifications }} as specifications,
        cast({{ options.depreciation }} as double) as depreciation,
        {{ options.panel_first_year }} as panel_first_year,
        {{ options.capital_first_year }} as capital_first_year,
    {{ "union all" if not loop.last }}
    {% endfor %}

)

select * from final
