from citypanel.workers import in_worker


def model(dbt, session):
    sample = dbt.ref("int_study_sample").df().query("is_in_sample")
    variants = dbt.ref("int_study_variants").df()
    cities = dbt.ref("rpt_sample").df()[["city_id", "region", "role"]]
    return in_worker(
        "citypanel.study.productivity.tfp_intervals", sample, variants, cities
    )
