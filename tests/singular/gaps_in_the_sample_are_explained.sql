-- A city that is out, or in without a year, has its reason in rpt_sample.
select
    city_id,
from {{ ref("rpt_sample") }}
where reason is null
