from citypanel.workers import in_worker


def model(dbt, session):
    return in_worker(
        "citypanel.study.referee.answers",
        dbt.ref("int_study_panel"),
        dbt.ref("int_study_variants"),
        dbt.ref("stg_policy__concurrent"),
        dbt.ref("ref_prefectures"),
    )
