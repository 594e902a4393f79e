-- tfpch = effch x techch, under constant returns effch = pech x sech, and an index is
-- missing only with its reason. To rounding of a few operations on doubles (1e-12,
-- 2026-11-24), in every variant; ray-desli and grifell-lovell multiply otherwise.
select
    changes.variant,
    changes.city_id,
    changes.year,
from {{ ref("est_tfp_changes") }} as changes
inner join {{ ref("int_study_variants") }} as variants
    on changes.variant = variants.variant
where
    (changes.tfpch is null and changes.reason is null)
    or (
        variants.decomposition in ('fgnz', 'bias')
        and (
            abs(changes.tfpch / (changes.effch * changes.techch) - 1) > 1e-12
            or (
                variants.returns_to_scale = 'crs'
                and abs(changes.effch / (changes.pech * changes.sech) - 1) > 1e-12
            )
        )
    )
