-- Two-way fixed effects for every variant; with credibility, beside them every other
-- estimator on the headline's growth index, its logarithm and the level.
with two_way as (

    select
        estimator,
        variant,
        outcome,
        event_time,
        specification,
        note,
        estimate,
        std_error,
        conf_low,
        conf_high,
        p_value,
        n_treated_cities,
        n_obs,
        n_cities,
        leads_f,
        leads_df,
        leads_p_value,
        assumed_share,
    from {{ ref("est_event_studies") }}

),

{% if var("credibility") -%}
others as (

    select
        *,
        max(case when aggregation = 'test' then p_value end)
            over (partition by estimator, outcome) as test_p_value,
        max(case when aggregation = 'test' then statistic end)
            over (partition by estimator, outcome) as test_statistic,
    from {{ ref("est_att") }}
    where sample = 'all'

),

shares as (

    select distinct
        event_time,
        assumed_share,
    from two_way
    where variant = 'headline'

),

{% endif -%}
stacked as (

    select
        *,
        null as band_low,
        null as band_high,
    from two_way

    {% if var("credibility") -%}
    union all

    select
        others.estimator,
        'headline' as variant,
        others.outcome,
        others.event_time,
        others.outcome || ' by event time, ' || others.estimator
            || '; standard errors clustered by city'
            || coalesce(' (' || others.standard_errors || ')', '') as specification,
        cast(others.note as varchar) as note,
        others.estimate,
        others.std_error,
        others.conf_low,
        others.conf_high,
        others.p_value,
        others.n_treated_units as n_treated_cities,
        others.n_obs,
        others.n_units as n_cities,
        others.test_statistic as leads_f,
        null as leads_df,
        others.test_p_value as leads_p_value,
        shares.assumed_share,
        others.band_low,
        others.band_high,
    from others
    left join shares
        on others.event_time = shares.event_time
    where
        others.aggregation = 'dynamic'
        and others.event_time is not null
        and (others.estimator, others.outcome) not in (
            select (two_way.estimator, two_way.outcome) from two_way
            where two_way.variant = 'headline'
        )
    {%- endif %}

),

final as (

    select
        ---------- keys
        estimator,
        variant,
        outcome,
        cast(event_time as integer) as event_time,

        ---------- labels
        specification,
        note,

        ---------- measures
        estimate,
        std_error,
        conf_low,
        conf_high,
        p_value,
        cast(band_low as double) as band_low,
        cast(band_high as double) as band_high,
        cast(n_treated_cities as integer) as n_treated_cities,
        cast(n_obs as integer) as n_obs,
        cast(n_cities as integer) as n_cities,
        leads_f,
        cast(leads_df as integer) as leads_df,
        leads_p_value,
        assumed_share,
    from stacked

)

select * from final
order by estimator, variant, outcome, event_time
