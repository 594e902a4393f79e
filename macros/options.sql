{#- The study's options: permitted values here, defaults and meaning in dbt_project.yml.
    Every model reads an option through `study_options()`, so that a wrong value stops
    the run before anything is built. -#}

{% macro permitted_options() -%}
    {{ return({
        "study_sample": ["paper_like", "nbs_70", "all_available"],
        "imputation": ["paper", "linear", "growth_chaining", "none"],
        "corrections": ["applied", "none"],
        "gdp_vintage": ["as_published", "revised"],
        "real_gdp": ["province_deflator", "city_growth"],
        "investment_deflator": ["province_gdp_deflator", "province_investment_price"],
        "initial_capital": ["growth_plus_depreciation", "end_of_year", "ten_percent"],
        "initial_growth": ["nominal", "real"],
        "fai_extension": ["real_estate", "province_then_real_estate", "flat", "none"],
        "labour_measure": [
            "university_share", "student_share", "students", "employed",
        ],
        "orientation": ["output", "input"],
        "returns_to_scale": ["crs", "vrs", "nirs", "ndrs"],
        "frontier": ["dea", "order-m", "order-alpha"],
        "frontier_reference": [
            "contemporaneous", "sequential", "window", "biennial", "global",
            "metafrontier",
        ],
        "decomposition": ["fgnz", "ray-desli", "grifell-lovell", "bias"],
        "first_index_year": ["drop", "one", "from_2010"],
        "outcome": [
            "tfpch", "log_tfpch", "effch", "techch", "cumulative_log_tfp",
        ],
        "exposure_from": ["approval_year", "next_year", "fraction"],
        "log_base": ["10", "e"],
        "credibility": ["True", "False"],
        "influence": ["True", "False"],
        "att_by_region": ["True", "False"],
        "standard_errors": ["xtreg", "reghdfe", "linearmodels", "full"],
    }) }}
{%- endmacro %}


{#- Groups of cities that a study may leave out of its sample, frontier and all. -#}
{% macro excluded_city_groups() -%}
    {{ return(["municipalities", "batch_4", "provincial_capitals"]) }}
{%- endmacro %}


{% macro wrong_option(name, value, right, remedy) -%}
    {% do exceptions.raise_compiler_error(
        "Option " ~ name ~ " is '" ~ value ~ "'. Permitted: " ~ right ~ ".\n"
        ~ "Consequence: nothing was built; the published file stands as it was.\n"
        ~ "Remedy: " ~ (remedy or (
            "set it under vars in dbt_project.yml or with --vars '{" ~ name ~ ": "
            ~ "...}'; its meaning stands beside its default in dbt_project.yml"
        )) ~ "."
    ) %}
{%- endmacro %}


{% macro whole_number_option(name, lowest, highest) -%}
    {%- set value = var(name) -%}
    {%- set text = value | string -%}
    {%- if value is boolean or not modules.re.fullmatch("\d+", text)
        or text | int < lowest or text | int > highest -%}
        {% do wrong_option(name, value, "a whole number from " ~ lowest ~ " to " ~ highest) %}
    {%- endif -%}
    {{ return(text | int) }}
{%- endmacro %}


{#- Every option with its checked value; names outside the list are errors too. -#}
{% macro study_options() -%}
    {%- set options = {} -%}
    {%- for name, permitted in permitted_options().items() -%}
        {%- set value = var(name) | string -%}
        {%- if value not in permitted -%}
            {% do wrong_option(name, value, permitted | join(", ")) %}
        {%- endif -%}
        {%- do options.update({name: value}) -%}
    {%- endfor -%}

    {%- do options.update({
        "first_year": whole_number_option("first_year", 2010, 2019),
        "last_year": whole_number_option("last_year", 2010, 2019),
        "carry_years": whole_number_option("carry_years", 0, 9),
        "bootstrap_replications": whole_number_option("bootstrap_replications", 0, 100000),
        "inference_draws": whole_number_option("inference_draws", 99, 100000),
        "seed": whole_number_option("seed", 0, 4294967295),
        "specifications": whole_number_option("specifications", 0, 100000),
    }) -%}

    {%- set depreciation = var("depreciation") -%}
    {%- if depreciation is boolean or depreciation is not number
        or depreciation < 0 or depreciation >= 1 -%}
        {% do wrong_option("depreciation", depreciation, "a number from 0 up to, not including, 1") %}
    {%- endif -%}
    {%- do options.update({"depreciation": depreciation}) -%}

    {%- set batches = var("treated_batches") -%}
    {%- if batches is string or batches is not sequence or batches | length == 0 -%}
        {% do wrong_option("treated_batches", batches, "a list of batch numbers such as [1, 2, 3]") %}
    {%- endif -%}
    {%- for batch in batches if not modules.re.fullmatch("[1-9]\d*", batch | string) -%}
        {% do wrong_option("treated_batches", batches, "a list of batch numbers such as [1, 2, 3]") %}
    {%- endfor -%}
    {%- do options.update({"treated_batches": batches}) -%}

    {%- set policy = var("policy") | string -%}
    {%- if not modules.re.fullmatch("[a-z][a-z0-9_]*", policy) -%}
        {% do wrong_option(
            "policy", policy, "pilot_zones, or the name of an imported roster (small "
            ~ "letters, digits and _)"
        ) %}
    {%- endif -%}
    {%- do options.update({"policy": policy}) -%}

    {%- set excluded = var("excluded_cities") -%}
    {%- set permitted = excluded_city_groups() -%}
    {%- set right = "a list of " ~ permitted | join(", ") ~ "; [] for none" -%}
    {%- if excluded is string or excluded is mapping or excluded is not sequence -%}
        {% do wrong_option("excluded_cities", excluded, right) %}
    {%- endif -%}
    {%- for group in excluded if group not in permitted -%}
        {% do wrong_option("excluded_cities", group, right) %}
    {%- endfor -%}
    {%- do options.update({"excluded_cities": excluded}) -%}

    {%- if options.last_year <= options.first_year -%}
        {% do wrong_option(
            "last_year", options.last_year, "a year after first_year ("
            ~ options.first_year ~ ") and up to 2019"
        ) %}
    {%- endif -%}
    {%- if options.first_index_year == "from_2010" and options.first_year != 2011 -%}
        {% do wrong_option(
            "first_index_year", "from_2010",
            "drop, one; from_2010 needs first_year 2011 (it is " ~ options.first_year ~ ")"
        ) %}
    {%- endif -%}
    {%- if options.fai_extension == "none" and options.last_year > 2016 -%}
        {% do wrong_option(
            "fai_extension", "none", "real_estate, province_then_real_estate, flat; "
            ~ "none needs last_year 2016 or earlier (it is " ~ options.last_year ~ "), "
            ~ "because total investment by city ends in 2016",
            "dbt build --vars '{fai_extension: none, last_year: 2016}'"
        ) %}
    {%- endif -%}
    {{ return(options) }}
{%- endmacro %}


{#- The variants shown beside the headline, each the headline's options but for what
    its name says: the other deflation of output, and no assumed investment at all. -#}
{% macro study_variants() -%}
    {%- set headline = study_options() -%}
    {%- set variants = {"headline": headline} -%}
    {%- for choice in permitted_options().real_gdp if choice != headline.real_gdp -%}
        {%- set variant = headline.copy() -%}
        {%- do variant.update({"real_gdp": choice}) -%}
        {%- do variants.update({"real_gdp=" ~ choice: variant}) -%}
    {%- endfor -%}
    {%- if headline.fai_extension != "none" and headline.first_year < 2016 -%}
        {%- set variant = headline.copy() -%}
        {%- do variant.update({
            "fai_extension": "none",
            "last_year": [headline.last_year, 2016] | min,
        }) -%}
        {%- do variants.update({"fai_extension=none": variant}) -%}
    {%- endif -%}
    {{ return(variants) }}
{%- endmacro %}


{% macro check_option_names() -%}
    {%- set known = permitted_options().keys() | list + [
        "first_year", "last_year", "carry_years", "depreciation", "treated_batches",
        "excluded_cities", "policy",
        "bootstrap_replications", "inference_draws", "seed", "specifications",
        "publish_to",
    ] -%}
    {%- for name in (invocation_args_dict.get("vars") or {}) if name not in known -%}
        {% do exceptions.raise_compiler_error(
            "There is no option named '" ~ name ~ "'. Options: "
            ~ known | sort | join(", ") ~ ".\n"
            ~ "Consequence: nothing was built; the published file stands as it was.\n"
            ~ "Remedy: correct the name in --vars; dbt_project.yml explains each option."
        ) %}
    {%- endfor -%}
{%- endmacro %}
