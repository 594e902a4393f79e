from citypanel.workers import in_worker


def model(dbt, session):
    inputs = dbt.ref("int_study_inputs")
    variants = dbt.ref("int_study_variants")
    return in_worker("citypanel.study.tables.capital_stocks", inputs, variants)
