-- The headline estimate, Table 3 (1), stands: a build that cannot estimate it publishes
-- nothing. The note says why it could not.
select
    variant,
    note,
from {{ ref("rpt_regressions") }}
where
    variant = 'headline' and paper_table = '3' and paper_column = '(1)'
    and term = 'sydid' and estimate is null
