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
    -- GB/T 2260 gives the seat of a province's government the code ..01.
    city_id like '__0100' as is_provincial_capital,
    in_nbs_70 = '1' as is_in_nbs_70,
from {{ ref("ref_cities") }}
