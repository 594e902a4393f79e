-- A year of the study's period in which no city has output would leave every chain broken.
select 'failed' as verdict
from (
    select year
    from {{ ref("int_cells__reconciled") }}
    where variable = 'gdp_cny_10k'
    group by year
    having count(value__as_published) = 0
) as empty_years
having case
    when count(*) = 0 or {{ flags.EMPTY }} then false
    else error(
        'The study''s period has years without any output: '
        || string_agg(year, ', ' order by year) || '.' || chr(10)
        || 'Consequence: no chain of prices or growth reaches over them; nothing was '
        || 'published.' || chr(10)
        || 'Remedy: import figures of these years (citypanel import yearbook FILE), or '
        || 'correct period, first and last, of the study''s declaration.'
    ) is null
end
