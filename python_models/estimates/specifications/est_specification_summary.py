from citypanel.workers import in_worker


def model(dbt, session):
    table = dbt.ref("est_specifications")
    variants = dbt.ref("int_study_variants")
    descriptives = dbt.ref("stg_published__descriptives")
    regressions = dbt.ref("stg_published__regressions")
    return in_worker(
        "citypanel.curve.tables.specification_summary",
        table,
        variants,
        descriptives,
        regressions,
    )
