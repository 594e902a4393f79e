{#- A key names one row: no column of it is empty, no combination stands twice. -#}
{% test unique_key(model, columns) %}

select
    {{ columns | join(", ") }},
    count(*) as n_rows,
from {{ model }}
group by {{ columns | join(", ") }}
having count(*) > 1 or not (
    {%- for column in columns %} {{ column }} is not null{{ " and" if not loop.last }}{% endfor %}
)

{% endtest %}
