-- Question: are treated and control cities comparable before the policy, and does
-- matching make them so?
-- Reading: bias_pct is the difference of the means in standard deviations x 100; beyond
-- 10 to 25 a covariate is commonly called out of balance. The row all is the mean of
-- the absolute biases.
-- Caveat: matching drops cities (n_treated, n_control): what is balanced afterwards is
-- another, smaller comparison.
{{ config(enabled=var("credibility")) }}
with balance as (

    select
        covariate,
        sample,
        mean_treated,
        mean_control,
        bias_pct,
        variance_ratio,
        p_value,
        n_treated_cities,
        n_control_cities,
    from {{ ref("rpt_balance") }}

),

final as (

    select
        ---------- keys
        covariate,
        sample,

        ---------- measures
        round(bias_pct, 1) as bias_pct,
        round(mean_treated, 3) as mean_treated,
        round(mean_control, 3) as mean_control,
        round(p_value, 3) as p_value,
        round(variance_ratio, 2) as variance_ratio,
        n_treated_cities,
        n_control_cities,
    from balance

)

select * from final
order by covariate = 'all' desc, covariate, sample desc
