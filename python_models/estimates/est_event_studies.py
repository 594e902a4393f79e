from citypanel.study import event_studies


def model(dbt, session):
    panel = dbt.ref("int_study_panel").df()
    variants = dbt.ref("int_study_variants").df()
    return event_studies(panel, variants)
