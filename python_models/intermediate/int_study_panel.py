from citypanel.workers import in_worker


def model(dbt, session):
    return in_worker(
        "citypanel.study.tables.study_panel",
        dbt.ref("est_tfp_changes").df(),
        dbt.ref("int_study_inputs").df(),
        dbt.ref("int_study_sample").df(),
        dbt.ref("stg_reference__cities").df(),
        dbt.ref("int_policy_exposures").df(),
        dbt.ref("int_study_variants").df(),
    )
