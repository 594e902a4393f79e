from citypanel.study.productivity import frontier_distances


def model(dbt, session):
    sample = dbt.ref("int_study_sample").df().query("is_in_sample")
    variants = dbt.ref("int_study_variants").df()
    return frontier_distances(sample, variants)
