-- A used figure a power of ten from the city's other years, or from another source, that
-- the headline's inputs are made of: a slip of the unit or of the decimal point. Nothing is
-- estimated with it until it is corrected or a person accepts it (fix_judgements).
select 'suspect' as verdict
from {{ ref("int_cells__findings") }}
where stops
having case
    when count(*) = 0 then false
    else error(
        count(*) || ' used figure(s) are a power of ten from what is expected:' || chr(10)
        || string_agg('  - ' || suspicion, chr(10) order by suspect_order)
            filter (where suspect_order <= 10)
        || case when count(*) > 10 then chr(10) || '  - and ' || count(*) - 10 || ' more'
            else '' end
        || coalesce(chr(10) || nullif(any_value(suspicion_of_all), ''), '')
        || chr(10) || 'Consequence: nothing was estimated, and the published file stands '
        || 'as it was.' || chr(10)
        || 'Remedy: correct the figures in seeds/corrections/fix_cells.csv, or import the '
        || 'file again with its unit; where a figure is right, say so in '
        || 'seeds/corrections/fix_judgements.csv. All findings are in '
        || 'intermediate.int_cells__findings of target/citypanel_build.duckdb.'
    ) is null
end
