-- The option policy names a roster that is there; otherwise no city would ever be treated
-- and every effect would be of nothing.
select 'unknown' as verdict
from {{ ref("stg_policy__pilot_zones") }}
having case
    when {{ flags.EMPTY }} or bool_or(policy = '{{ study_options().policy }}') then false
    else error(
        'Option policy is ''{{ study_options().policy }}''. Rosters: '
        || string_agg(distinct policy, ', ' order by policy) || '.' || chr(10)
        || 'Consequence: no city would be treated; nothing was published, and the '
        || 'published file stands as it was.' || chr(10)
        || 'Remedy: correct the name, or import the roster with citypanel import policy '
        || 'FILE --name {{ study_options().policy }}.'
    ) is null
end
