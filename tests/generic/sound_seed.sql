{#- A seed is sound when its columns are the declared ones, its key is unique and its
    cells are what they say. The error names the cells; everything downstream waits.

    key         columns that identify a row
    columns     the declared columns, in order (with their types)
    required    columns that may not be empty, beside the key
    numbers     {column: {min, max, whole}}; cells may be empty
    patterns    {column: regular expression}
    references  {column: {to: ref(...), field: ...}}
    labels      {column: {to: ref(...), by: column, field: ..., label: ...}}: the cell
                must begin with the label that the referenced table has for `by`
    optional    columns of the key that may be empty
    may_be_empty  whether the table may have no rows (what no import has filled yet)
-#}
{% test sound_seed(
    model, key, columns, required=[], numbers={}, patterns={}, references={}, labels={},
    optional=[], may_be_empty=false
) %}

{%- set seed = model.identifier -%}
{%- set found = (
    rows_of("describe select * from " ~ model) | map(attribute=0) | list if execute else []
) -%}
{%- set declared = columns.keys() | list -%}
{%- set missing = declared | reject("in", found) | list -%}
{%- set extra = found | reject("in", declared) | list -%}

{%- set key_text = [] -%}
{%- for column in key -%}
    {%- do key_text.append("'" ~ column ~ " ' || coalesce(\"" ~ column ~ "\", '(empty)')") -%}
{%- endfor -%}
{%- set row_text = key_text[:] -%}
{%- for column in labels if column not in key -%}
    {%- do row_text.append("'" ~ column ~ " ' || coalesce(\"" ~ column ~ "\", '(empty)')") -%}
{%- endfor -%}
{%- set key_text = key_text | join(" || ', ' || ") -%}
{%- set row_text = row_text | join(" || ', ' || ") -%}

{%- set checks = [] -%}
{%- for column in (key + required) | unique | reject("in", optional) -%}
    {%- do checks.append((column, "trim(coalesce(\"" ~ column ~ "\", '')) = ''", "is empty")) -%}
{%- endfor -%}
{%- for column, rule in numbers.items() -%}
    {%- set cell = '"' ~ column ~ '"' -%}
    {%- set pattern = whole_number_pattern() if rule.get("whole") else number_pattern() -%}
    {%- set kind = "a whole number" if rule.get("whole") else "a number" -%}
    {%- do checks.append((
        column, "not regexp_full_match(" ~ cell ~ ", '" ~ pattern ~ "')",
        "is not " ~ kind ~ " (digits and a decimal point only)"
    )) -%}
    {%- if "min" in rule -%}
        {%- do checks.append((
            column, "try_cast(" ~ cell ~ " as double) < " ~ rule.min, "is below " ~ rule.min
        )) -%}
    {%- endif -%}
    {%- if "max" in rule -%}
        {%- do checks.append((
            column, "try_cast(" ~ cell ~ " as double) > " ~ rule.max, "is above " ~ rule.max
        )) -%}
    {%- endif -%}
{%- endfor -%}
{%- for column, pattern in patterns.items() -%}
    {%- do checks.append((
        column, "not regexp_full_match(\"" ~ column ~ "\", '" ~ pattern ~ "')",
        "does not have the form " ~ pattern
    )) -%}
{%- endfor -%}
{%- for column, rule in references.items() -%}
    {%- do checks.append((
        column,
        "\"" ~ column ~ "\" not in (select " ~ rule.field ~ " from " ~ rule.to ~ ")",
        "is not known to " ~ rule.field ~ " of the reference table"
    )) -%}
{%- endfor -%}
{%- for column, rule in labels.items() -%}
    {%- do checks.append((
        column,
        "not starts_with(\"" ~ column ~ "\", (select any_value(label." ~ rule.label
        ~ ") from " ~ rule.to ~ " as label where label." ~ rule.field ~ " = seed.\""
        ~ rule.by ~ "\"))",
        "is not the name that belongs to the code beside it"
    )) -%}
{%- endfor -%}

with problems as (

    {% if missing or extra -%}
    select
        'columns differ from the declared ones; missing: {{ missing | join(", ") or "none" }}; '
        || 'not declared: {{ extra | join(", ") or "none" }}' as problem
    {%- else -%}
    select
        {{ key_text }} || ': ' || count(*) || ' rows with this key' as problem
    from {{ model }} as seed
    group by {% for column in key %}"{{ column }}"{{ ", " if not loop.last }}{% endfor %}
    having count(*) > 1

    {% for column, condition, verdict in checks -%}
    union all

    select
        {{ row_text }} || ', column {{ column }}, value '
        || coalesce('''' || "{{ column }}" || '''', '(empty)') || ' {{ verdict | replace("'", "''") }}'
    from {{ model }} as seed
    where {{ condition }}

    {% endfor -%}

    union all

    select 'the table has no rows'
    where not {{ may_be_empty or flags.EMPTY }} and not exists (select 1 from {{ model }})
    {%- endif %}

),

listed as (

    select
        problem,
        row_number() over (order by problem) as problem_number,
        count(*) over () as n_problems,
    from problems

)

-- dbt counts the rows of a test and needs none of their columns: the error stands in
-- the condition, where it cannot be left out.
select 'unusable' as verdict
from listed
having case
    when count(*) = 0 then false
    else error(
        'Seed {{ seed }}: ' || any_value(n_problems) || ' unusable cell(s) or row(s):'
        || chr(10) || string_agg('  - ' || problem, chr(10) order by problem_number)
            filter (where problem_number <= 10)
        || case when any_value(n_problems) > 10
            then chr(10) || '  ... and ' || (any_value(n_problems) - 10) || ' more' else '' end
        || chr(10) || 'Consequence: every table built on them would carry the error; '
        || 'nothing was published and the last published file stands as it was.'
        || chr(10) || 'Remedy: correct {{ seed }}.csv against its source and build again.'
    ) is null
end

{% endtest %}
