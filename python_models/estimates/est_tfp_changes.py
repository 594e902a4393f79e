from citypanel.workers import in_worker


def model(dbt, session):
    sample = dbt.ref("int_study_sample").filter("is_in_sample")
    variants = dbt.ref("int_study_variants")
    return in_worker("citypanel.study.productivity.tfp_changes", sample, variants)
