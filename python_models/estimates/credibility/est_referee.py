from citypanel.workers import in_worker


def model(dbt, session):
    return in_worker(
        "citypanel.study.referee.answers",
        dbt.ref("int_study_panel").df(),
        dbt.ref("int_study_variants").df(),
        dbt.ref("stg_policy__concurrent").df(),
        dbt.ref("ref_prefectures").df(),
    )
