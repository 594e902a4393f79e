{#- The last check before publishing: every table of the warehouse stands and has rows.
    Whatever fails upstream, a test included, keeps this model from running. -#}
{%- set tables = [
    "dim_cities", "dim_pilot_zones", "dim_study_variants", "dim_variables",
    "fct_capital_stocks", "fct_cell_origins", "fct_city_years", "fct_policy_exposures",
    "fct_tfp_changes",
    "rpt_descriptives", "rpt_event_study", "rpt_frontier", "rpt_published_comparison",
    "rpt_regressions", "rpt_sample", "rpt_tfp_trajectories",
    "rpt_specifications", "rpt_specification_summary",
    "dq_expectation_results", "dq_findings", "dq_imputation_scores", "dq_imputed_shares",
    "dq_rules", "dq_source_agreement", "dq_summary", "dq_touched_results",
] + ([
    "rpt_att", "rpt_bacon", "rpt_balance", "rpt_inference", "rpt_published_audit",
    "rpt_randomisation", "rpt_sensitivity",
] if var("credibility") else []) + ([
    "rpt_influence", "rpt_frontier_carriers", "rpt_frontier_alternatives",
    "rpt_assumed_bounds", "rpt_index_uncertainty", "rpt_yardsticks",
] if var("influence") else []) -%}
with final as (

    {% for table in tables -%}
    select
        '{{ "quality" if table.startswith("dq_") else "marts" }}' as schema_name,
        '{{ table }}' as table_name,
        count(*) as n_rows,
    from {{ ref(table) }}
    {{ "union all" if not loop.last }}
    {% endfor %}

)

select * from final
