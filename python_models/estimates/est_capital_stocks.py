from citypanel.study.capital import capital_stocks


def model(dbt, session):
    inputs = dbt.ref("int_study_inputs").df()
    variants = dbt.ref("int_study_variants").df()
    return capital_stocks(inputs, variants)
