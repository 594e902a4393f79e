-- Every known cell is masked in turn, filled by each rule from what is left, and compared
-- with what was printed. A gap of three years masks the years beside the cell too: its
-- nearest observed years are then those of the year before and of the year after it.
{%- set rules = permitted_options().imputation %}
{%- set sides = ["before", "after"] %}
with cells as (

    select
        *,
        lag(year) over series = year - 1 and lead(year) over series = year + 1
            as has_years_beside,
        {%- for column in ["year", "value", "path"] %}
        lag({{ column }}_before) over series as {{ column }}_before_3,
        lead({{ column }}_after) over series as {{ column }}_after_3,
        {%- endfor %}
    from {{ ref("int_cells__imputed") }}
    window series as (partition by city_id, variable order by year)

),

filled as (

    {% for years, suffix in {1: "", 3: "_3"}.items() -%}
    select
        variable,
        {{ years }} as gap_years,
        reported_value,
        {{ imputation_setting("before" ~ suffix, "after" ~ suffix) }} as setting,
        {%- for rule in rules %}
        {{ imputed_value(rule, "before" ~ suffix, "after" ~ suffix) }} as filled__{{ rule }},
        {%- endfor %}
    from cells
    where reported_value > 0 and (has_years_beside or {{ years }} = 1)
    {{ "union all" if not loop.last }}
    {% endfor %}

),

errors as (

    {% for rule in rules if rule != "none" -%}
    select
        variable,
        '{{ rule }}' as imputation,
        setting,
        gap_years,
        case when filled__{{ rule }} > 0 then abs(ln(filled__{{ rule }} / reported_value)) end
            as abs_log_error,
    from filled
    where setting is not null
    {{ "union all" if not loop.last }}
    {% endfor %}

),

final as (

    select
        ---------- keys
        variable,
        imputation,
        setting,
        gap_years,

        ---------- measures
        cast(count(*) as integer) as n_cells,
        cast(count(abs_log_error) as integer) as n_scored,
        median(abs_log_error) as median_abs_log_error,
        -- A sum in another order may differ in its last digit.
        avg(abs_log_error order by abs_log_error) as mean_abs_log_error,
        quantile_cont(abs_log_error, 0.9) as p90_abs_log_error,

        ---------- flags
        imputation = '{{ study_options().imputation }}' as is_used,
    from errors
    group by variable, imputation, setting, gap_years

)

select * from final
order by variable, setting, gap_years, imputation
