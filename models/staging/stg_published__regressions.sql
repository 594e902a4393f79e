select
    ---------- keys
    paper_table,
    "column" as paper_column,
    term,

    ---------- labels
    stars,
    remark,

    ---------- measures
    {{ to_number("estimate") }} as estimate,
    {{ to_number("parenthesised") }} as parenthesised,
    {{ to_whole_number("n") }} as n_obs,
    {{ to_number("r_squared") }} as r_squared,
from {{ ref("pub_regressions") }}
