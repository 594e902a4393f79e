from citypanel.study.sources import KEY
from citypanel.workers import in_worker


def model(dbt, session):
    return in_worker(
        "citypanel.study.tables.filled_cells",
        dbt.ref("int_cells__reconciled").select(*KEY, "value"),
        dbt.ref("ref_variables"),
        dbt.ref("int_study_variants"),
    )
