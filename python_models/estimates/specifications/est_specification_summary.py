from citypanel.workers import in_worker


def model(dbt, session):
    table = dbt.ref("est_specifications").df()
    variants = dbt.ref("int_study_variants").df()
    descriptives = dbt.ref("stg_published__descriptives").df()
    regressions = dbt.ref("stg_published__regressions").df()
    return in_worker(
        "citypanel.curve.tables.specification_summary",
        table,
        variants,
        descriptives,
        regressions,
    )
