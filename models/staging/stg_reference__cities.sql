select
    ---------- keys
    city_id,
    province_id,

    ---------- labels
    city_zh,
    city_en,
    province_zh,
    province_en,
    region,

    ---------- flags
    is_municipality = '1' as is_municipality,
    in_nbs_70 = '1' as is_in_nbs_70,
from {{ ref("ref_cities") }}
