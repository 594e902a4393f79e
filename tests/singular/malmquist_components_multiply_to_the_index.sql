-- tfpch = effch x techch and effch = pech x sech, to rounding of a few operations on
-- doubles (1e-12, 2026-11-24), in every variant.
select
    variant,
    city_id,
    year,
from {{ ref("est_tfp_changes") }}
where
    abs(tfpch / (effch * techch) - 1) > 1e-12
    or abs(effch / (pech * sech) - 1) > 1e-12
    or tfpch is null
