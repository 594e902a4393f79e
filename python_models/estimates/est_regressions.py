from citypanel.workers import in_worker


def model(dbt, session):
    panel = dbt.ref("int_study_panel")
    variants = dbt.ref("int_study_variants")
    return in_worker("citypanel.study.estimates.regressions", panel, variants)
