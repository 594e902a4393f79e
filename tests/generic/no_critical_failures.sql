{#- Critical expectations that failed stop the build here, before anything is published.
    The results table stands and can be read. -#}
{% test no_critical_failures(model) %}

with failures as (

    select
        '  - suite ' || suite || ', expectation ' || expectation_number || ' ('
        || expectation || coalesce(', column ' || column_name, '') || ') on ' || table_name
        || ': ' || coalesce(failing_keys, observed_value, 'failed')
        || chr(10) || '    ' || reason as failure,
        row_number() over (order by suite, expectation_number) as failure_number,
    from {{ model }}
    where severity = 'critical' and not success

)

-- In the condition, because dbt needs none of a test's columns.
select 'failed' as verdict
from failures
having case
    when count(*) = 0 then false
    else error(
        count(*) || ' critical expectation(s) failed:' || chr(10)
        || string_agg(failure, chr(10) order by failure_number)
            filter (where failure_number <= 10)
        || chr(10) || 'Consequence: nothing was published; the last published file stands.'
        || chr(10) || 'Remedy: correct the cells named above at their source; all results '
        || 'are in {{ model.schema }}.{{ model.identifier }} of '
        || 'target/citypanel_build.duckdb.'
    ) is null
end

{% endtest %}
