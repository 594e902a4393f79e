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

final as (

    select
        ---------- keys
        changes.city_id,
        changes.year,
        cast(changes.year_from as integer) as year_from,

        ---------- indices
        changes.tfpch,
        changes.effch,
        changes.techch,
        changes.pech,
        changes.sech,
        ln(changes.tfpch) as log_tfpch,
        changes.cumulative_log_tfp,

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

)

select * from final
order by city_id, year
