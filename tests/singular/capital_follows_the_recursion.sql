-- K_t = I_t / P_t + (1 - delta) K_t-1 within every city, to rounding (1e-12, 2026-11-24),
-- and one initial stock a city.
with stocks as (

    select
        *,
        lag(capital_real_cny_10k) over (partition by city_id order by year)
            as previous_stock,
        count(*) filter (where is_initial_stock) over (partition by city_id)
            as n_initial_stocks,
    from {{ ref("fct_capital_stocks") }}

)

select
    city_id,
    year,
from stocks
where
    n_initial_stocks != 1
    or (previous_stock is null) != is_initial_stock
    or (
        not is_initial_stock
        and abs(
            capital_real_cny_10k / (
                investment_cny_10k / investment_deflator_idx
                + (1 - depreciation) * previous_stock
            ) - 1
        ) > 1e-12
    )
