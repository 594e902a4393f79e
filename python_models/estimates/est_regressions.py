from citypanel.study import regressions


def model(dbt, session):
    panel = dbt.ref("int_study_panel").df()
    variants = dbt.ref("int_study_variants").df()
    return regressions(panel, variants)
