from citypanel.study.productivity import frontier_distances
from citypanel.workers import in_worker


def model(dbt, session):
    sample = dbt.ref("int_study_sample").df().query("is_in_sample")
    variants = dbt.ref("int_study_variants").df()
    return in_worker(frontier_distances, sample, variants)
