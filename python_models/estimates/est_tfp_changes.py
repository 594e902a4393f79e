from citypanel.study.productivity import tfp_changes


def model(dbt, session):
    sample = dbt.ref("int_study_sample").df().query("is_in_sample")
    variants = dbt.ref("int_study_variants").df()
    return tfp_changes(sample, variants)
