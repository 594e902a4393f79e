from citypanel.workers import in_worker


def model(dbt, session):
    return in_worker(
        "citypanel.study.tables.filled_cells",
        dbt.ref("int_cells__reconciled").df(),
        dbt.ref("ref_variables").df(),
        dbt.ref("int_study_variants").df(),
    )
