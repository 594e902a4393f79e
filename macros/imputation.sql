{#- What each value of the option imputation puts into a gap, from the nearest observed
    years on either side: year_before, value_before, path_before and year_after,
    value_after, path_after, beside the gap's own year and path. path is the cities'
    common growth: the cumulative median log change of the variable. One side only means
    an end of the series. Empty where the rule has no value. -#}
{% macro imputed_value(rule, before="before", after="after") -%}
    {%- set weight = "(year - year_" ~ before ~ ") / (year_" ~ after ~ " - year_" ~ before ~ ")" -%}
    {%- if rule == "paper" -%}
    case
        when value_{{ before }} is not null and value_{{ after }} is not null
            then (value_{{ before }} + value_{{ after }}) / 2
        else coalesce(value_{{ before }}, value_{{ after }})
    end
    {%- elif rule == "linear" -%}
    case
        when value_{{ before }} is not null and value_{{ after }} is not null
            then value_{{ before }} + (value_{{ after }} - value_{{ before }}) * {{ weight }}
        else coalesce(value_{{ before }}, value_{{ after }})
    end
    {%- elif rule == "growth_chaining" -%}
    case
        when value_{{ before }} > 0 and value_{{ after }} > 0
            then value_{{ before }} * exp(
                path - path_{{ before }}
                + (
                    ln(value_{{ after }} / value_{{ before }})
                    - (path_{{ after }} - path_{{ before }})
                ) * {{ weight }}
            )
        when value_{{ after }} is null then value_{{ before }} * exp(path - path_{{ before }})
        when value_{{ before }} is null then value_{{ after }} * exp(path - path_{{ after }})
    end
    {%- elif rule == "none" -%}
    cast(null as double)
    {%- endif -%}
{%- endmacro %}


{#- Where a gap lies: interior, with an observed year on either side, or end, at most
    carry_years beyond the first or last of them. Empty where gap_rule of ref_variables
    does not admit filling. -#}
{% macro imputation_setting(before="before", after="after") -%}
    case
        when gap_rule in ('mean', 'mean_carry')
            and value_{{ before }} is not null and value_{{ after }} is not null
            then 'interior'
        when gap_rule = 'mean_carry'
            and (
                year - year_{{ before }} <= {{ study_options().carry_years }}
                or year_{{ after }} - year <= {{ study_options().carry_years }}
            )
            then 'end'
    end
{%- endmacro %}
