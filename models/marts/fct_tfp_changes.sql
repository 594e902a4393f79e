with changes as (

    select *
    from {{ ref("est_tfp_changes") }}
    where variant = 'headline'

),

distances as (

    select *
    from {{ ref("est_frontier_distances") }}
    where variant = 'headline'

),

intervals as (

    select
        member as city_id,
        year,
        {%- for index in ["tfpch", "effch", "techch"] %}
        {%- for column in ["corrected", "frontier_error"] %}
        max({{ column }}) filter (where index_name = '{{ index }}')
            as {{ index }}_{{ column }},
        {%- endfor %}
        {%- endfor %}
        max(low) filter (where index_name = 'effch') as effch_low,
        max(high) filter (where index_name = 'effch') as effch_high,
        min(bootstrap_replications) as bootstrap_replications,
    from {{ ref("est_tfp_intervals") }}
    where variant = 'headline' and dimension = 'city'
    group by member, year

),

final as (

    select
        ---------- keys
        changes.city_id,
        changes.year,
        cast(changes.year_from as integer) as year_from,

        ---------- labels
        changes.reason,

        ---------- indices
        changes.tfpch,
        changes.effch,
        changes.techch,
        changes.pech,
        changes.sech,
        ln(changes.tfpch) as log_tfpch,
        changes.cumulative_log_tfp,
        changes.obtech,
        changes.ibtech,
        changes.matech,
        changes.tgr,

        ---------- intervals
        intervals.effch_low,
        intervals.effch_high,
        {%- for index in ["tfpch", "effch", "techch"] %}
        intervals.{{ index }}_corrected,
        intervals.{{ index }}_frontier_error,
        {%- endfor %}
        cast(intervals.bootstrap_replications as integer) as bootstrap_replications,

        ---------- distances
        distances.distance_crs,
        distances.distance_vrs,

        ---------- flags
        distances.is_on_frontier,
        distances.has_zero_labour_price,
    from changes
    inner join distances
        on
            changes.city_id = distances.city_id
            and changes.year = distances.year
    left join intervals
        on
            changes.city_id = intervals.city_id
            and changes.year = intervals.year

)

select * from final
order by city_id, year
