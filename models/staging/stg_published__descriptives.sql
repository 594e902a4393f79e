-- The paper's "variance" is a standard deviation: for the 0/1 variable sydid 0.355 is
-- the square root of 0.148 x 0.852.
select
    ---------- keys
    variable,

    ---------- measures
    {{ to_whole_number("n") }} as n_obs,
    {{ to_number("mean") }} as mean,
    {{ to_number("variance_as_printed") }} as std_dev,
    {{ to_number("min") }} as minimum,
    {{ to_number("max") }} as maximum,
from {{ ref("pub_descriptives") }}
