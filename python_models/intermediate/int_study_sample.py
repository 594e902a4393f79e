from citypanel.workers import in_worker


def model(dbt, session):
    return in_worker(
        "citypanel.study.tables.study_sample",
        dbt.ref("int_study_inputs"),
        dbt.ref("est_capital_stocks"),
        dbt.ref("stg_reference__cities"),
        dbt.ref("int_policy_exposures"),
        dbt.ref("int_study_variants"),
    )
