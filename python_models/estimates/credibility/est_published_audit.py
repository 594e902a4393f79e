from citypanel.workers import in_worker


def model(dbt, session):
    return in_worker(
        "citypanel.study.credibility.published_audit",
        dbt.ref("pub_descriptives").df(),
        dbt.ref("pub_regressions").df(),
        dbt.ref("pub_cbec_trade").df(),
        dbt.ref("int_cities__paper_cohorts").df(),
    )
