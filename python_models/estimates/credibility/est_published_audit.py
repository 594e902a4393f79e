from citypanel.workers import in_worker


def model(dbt, session):
    return in_worker(
        "citypanel.study.credibility.published_audit",
        dbt.ref("pub_descriptives"),
        dbt.ref("pub_regressions"),
        dbt.ref("pub_cbec_trade"),
        dbt.ref("int_cities__paper_cohorts"),
    )
