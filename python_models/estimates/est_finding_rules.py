from citypanel.workers import in_worker


def model(dbt, session):
    return in_worker("citypanel.quality.findings.rules")
