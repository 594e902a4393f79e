from citypanel.workers import in_worker


def model(dbt, session):
    study = dbt.config.get("meta")["study"]
    panel = dbt.ref("stg_study__panel").df()
    return in_worker("citypanel.study.own.build.study_results", study, panel)
