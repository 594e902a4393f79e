from citypanel.workers import in_worker


def model(dbt, session):
    study = dbt.config.get("meta")["study"]
    return in_worker("citypanel.study.own.build.panel_file", study)
