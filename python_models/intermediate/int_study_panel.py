from citypanel.workers import in_worker


def model(dbt, session):
    return in_worker(
        "citypanel.study.tables.study_panel",
        dbt.ref("est_tfp_changes"),
        dbt.ref("int_study_inputs"),
        dbt.ref("int_study_sample"),
        dbt.ref("stg_reference__cities"),
        dbt.ref("int_policy_exposures"),
        dbt.ref("int_study_variants"),
    )
