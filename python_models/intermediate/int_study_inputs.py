from citypanel.study.sources import KEY
from citypanel.workers import in_worker


def model(dbt, session):
    return in_worker(
        "citypanel.study.tables.study_inputs",
        dbt.ref("int_cells__imputed").select(*KEY, "value", "origin"),
        dbt.ref("int_province_series"),
        dbt.ref("stg_reference__cities"),
        dbt.ref("int_study_variants"),
    )
